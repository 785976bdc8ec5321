"""Exact currents through a crossbar whose lines have resistance: the matrix T of I = V T, by block elimination, differentiable.

Rows are driven at the end of column 0, columns are held at 0 V and sensed at the end of the last row. Junctions are linear, so one
matrix serves every input. Column by column: a column line with its junctions is an admittance matrix between the rows; columns
are joined, last first, by the segments of the rows. Nothing is divided by a line's resistance, so ideal lines are the plain case.
Source: nodal analysis; admittance Y behind resistances R is Y (1 + R Y)^-1."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Lines:
    """Ohm. row_ohms, column_ohms: from cell to cell along a row, along a column. drive_ohms: from the driver to the first cell of a row.
    sense_ohms: from the last cell of a column to the sense stage."""

    row_ohms: float = 0.0
    column_ohms: float = 0.0
    drive_ohms: float = 0.0
    sense_ohms: float = 0.0

    @property
    def are_ideal(self) -> bool:
        return not (self.row_ohms or self.column_ohms or self.drive_ohms or self.sense_ohms)


IDEAL_LINES = Lines()


def effective_siemens(siemens: Tensor, lines: Lines) -> Tensor:
    """T, (..., rows, columns) S, of junctions (..., rows, columns) S: the current of column j when row i alone is at 1 V.

    Any number of arrays at once, in the tensor's own precision.
    """
    if lines.are_ideal:
        return siemens
    rows, columns = siemens.shape[-2:]
    one = torch.eye(rows, dtype=siemens.dtype, device=siemens.device)
    below = rows - 1 - torch.arange(rows, dtype=siemens.dtype, device=siemens.device)
    # What nodes i and k of a column line have in common on their way to the sense stage.
    shared = lines.sense_ohms + lines.column_ohms * torch.minimum(below[:, None], below)
    junctions = siemens.transpose(-1, -2).unsqueeze(-1)
    # (..., columns, rows, rows): current into each row's junction of a column for 1 V on one row.
    of_column = torch.linalg.solve(one + junctions * shared, torch.diag_embed(junctions.squeeze(-1)))
    seen = of_column[..., columns - 1, :, :]
    passed: list[Tensor] = []
    for column in range(columns - 1, 0, -1):
        # From the volts of the column before to the volts here.
        along = torch.linalg.solve(one + lines.row_ohms * seen, one.expand_as(seen))
        passed.append(along)
        seen = of_column[..., column - 1, :, :] + seen @ along
    volts = torch.linalg.solve(one + lines.drive_ohms * seen, one.expand_as(seen))
    currents = [of_column[..., 0, :, :].sum(dim=-2, keepdim=True) @ volts]
    for column, along in enumerate(reversed(passed), start=1):
        volts = along @ volts
        currents.append(of_column[..., column, :, :].sum(dim=-2, keepdim=True) @ volts)
    return torch.cat(currents, dim=-2).transpose(-1, -2)
