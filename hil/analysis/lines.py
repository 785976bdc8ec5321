"""Line faults as a defect map shows them: neighbours on one of the chip's lines that failed together have one cause, not many.

Rule: lines are those of the whole chip (`chip_lines`), told as in `line_models`. ROW and COLUMN mark every junction of an open line, or of
the open part of one; SEGMENT beside them the junctions of a shorted stretch. A junction's own class stays what its conductance says."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.analysis.chip_lines import from_lines, line_shape
from hil.analysis.line_models import FAULTS, die_lines
from hil.model.defects import Defect, LineFault
from hil.model.layout import GROUPS, HALVES

MOST = 0.5
"""A line is told from single faults with more than this share of it measured."""
_INDEPENDENT = 8
"""So many metal lines do not fail at the same place by chance."""
_BITS = {"row": LineFault.ROW, "column": LineFault.COLUMN}


@dataclass(frozen=True)
class LineFaults:
    """faults: (kernels, rows, columns) uint8, bits of LineFault. found: one JSON object a fault.

    fault: its name, as open_row. line: its number among the chip's lines of that axis. first, count: of the junctions along it.
    """

    faults: NDArray[np.uint8]
    found: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


def line_faults(codes: NDArray[np.uint8]) -> LineFaults:
    """codes: (kernels, rows, columns) of Defect."""
    kernels, rows, columns = codes.shape
    shape = kernels, rows, columns
    faults, found = np.zeros(codes.shape, np.uint8), list[dict[str, Any]]()
    for name, runs in die_lines(codes).runs.items():
        defect, axis = FAULTS[name]
        marks = np.zeros(line_shape(shape, axis), np.bool_)
        for run in runs:
            marks[run.line, run.start : run.stop] = True
            found.append({"fault": name, "line": run.line, "first": run.start, "count": run.stop - run.start})
        bits = int(_BITS[axis]) | (int(LineFault.SEGMENT) if defect is Defect.SHORT else 0)
        faults |= np.where(from_lines(marks, shape, axis), np.uint8(bits), np.uint8(0))
    return LineFaults(faults, found)


def dead_lines(codes: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Junctions on a line of the board, 25 rows and 25 columns that all kernels share, which read open in every kernel while other lines do
    not. A die has no metal that would fail so; a needle that does not touch does.

    codes: (kernels, rows, columns) of Defect. A chip too small to have several of the metal lines behind a board's line: none.
    """
    opened, tried = codes == Defect.OPEN, codes != Defect.NOT_MEASURED
    dead = np.zeros(codes.shape, np.bool_)
    if opened[tried].all():
        return dead
    for along, other, kernels in ((1, 2, GROUPS), (2, 1, HALVES)):
        if len(codes) < _INDEPENDENT * kernels:
            continue
        # Every junction of the line; what lies on a dead line of the other axis speaks for neither.
        lines = np.where(tried, opened, True).all(axis=(0, along), keepdims=True) & tried.any(axis=(0, along), keepdims=True)
        if not lines.all(axis=other).any():
            dead |= lines & opened
    return dead
