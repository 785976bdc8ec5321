"""Exact currents through a crossbar whose lines have resistance: the matrix T of I = V T, by block elimination, differentiable.

Rows are driven at the end of column 0, columns are held at 0 V and sensed at the end of the last row. Junctions are linear, so one
matrix serves every input. Column by column: a column line with its junctions is an admittance matrix between the rows; columns
are joined, last first, by the segments of the rows. Nothing is divided by a line's resistance, so ideal lines are the plain case.
Source: nodal analysis; admittance Y behind resistances R is Y (1 + R Y)^-1."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hil.model.layout import GROUPS, HALVES
from hil.training.packing import COLUMNS, ROWS


@dataclass(frozen=True)
class Lines:
    """Ohm. row_ohms, column_ohms: from cell to cell along a row, along a column. drive_ohms: from the driver to the first cell of a row.
    sense_ohms: from the last cell of a column to the sense stage; either the same for all arrays or one each, (...).
    """

    row_ohms: float = 0.0
    column_ohms: float = 0.0
    drive_ohms: float | Tensor = 0.0
    sense_ohms: float | Tensor = 0.0


@dataclass(frozen=True)
class DieLines:
    """Lines of whole dies: row lines run through both column halves of a sub-array, column lines through its four row groups, and the
    kernels that are not selected are off. line_ohms: from cell to cell, and from the last cell to the line's end. mux_ohms: beyond that.
    """

    line_ohms: float
    mux_ohms: float

    def of(self, kernels: Tensor) -> Lines:
        """Of kernels by number (n,), of any die slot: their distance to the ends of their lines differs."""
        half, group = kernels // GROUPS % HALVES, kernels % GROUPS
        drive_ohms = self.mux_ohms + self.line_ohms * (COLUMNS * half + 1.0)
        return Lines(self.line_ohms, self.line_ohms, drive_ohms, self.mux_ohms + self.line_ohms * (ROWS * (GROUPS - 1 - group) + 1.0))

    def cells(self, siemens: Tensor, kernels: Tensor) -> Tensor:
        """(..., n, 25, 25) S of cells themselves, from maps of those kernels: a map reads cell after cell, each behind its own path."""
        lines = self.of(kernels)
        along = torch.arange(COLUMNS, dtype=siemens.dtype) * self.line_ohms
        down = (ROWS - 1 - torch.arange(ROWS, dtype=siemens.dtype)[:, None]) * self.line_ohms
        path = along + down + torch.as_tensor(lines.drive_ohms + lines.sense_ohms)[:, None, None]
        return siemens / (1 - siemens * path)


def effective_siemens(siemens: Tensor, lines: Lines) -> Tensor:
    """T, (..., rows, columns) S, of junctions (..., rows, columns) S: the current of column j when row i alone is at 1 V.

    Any number of arrays at once, in the tensor's own precision.
    """
    drive_ohms, sense_ohms = (_each(ohms, siemens) for ohms in (lines.drive_ohms, lines.sense_ohms))
    rows, columns = siemens.shape[-2:]
    one = torch.eye(rows, dtype=siemens.dtype, device=siemens.device)
    below = rows - 1 - torch.arange(rows, dtype=siemens.dtype, device=siemens.device)
    # What nodes i and k of a column line have in common on their way to the sense stage.
    shared = sense_ohms.unsqueeze(-3) + lines.column_ohms * torch.minimum(below[:, None], below)
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
    volts = torch.linalg.solve(one + drive_ohms * seen, one.expand_as(seen))
    currents = [of_column[..., 0, :, :].sum(dim=-2, keepdim=True) @ volts]
    for column, along in enumerate(reversed(passed), start=1):
        volts = along @ volts
        currents.append(of_column[..., column, :, :].sum(dim=-2, keepdim=True) @ volts)
    return torch.cat(currents, dim=-2).transpose(-1, -2)


def _each(ohms: float | Tensor, siemens: Tensor) -> Tensor:
    """(..., 1, 1) beside arrays of rows and columns."""
    return torch.as_tensor(ohms, dtype=siemens.dtype)[..., None, None]
