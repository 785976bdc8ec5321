"""Line faults: a row or column of a kernel of which most junctions are open, or most are shorted, has one cause, not many.

ROW and COLUMN mark every junction of such a line; SEGMENT marks them as well when the line is shorted rather than open."""

import numpy as np
from numpy.typing import NDArray

from hil.model.defects import Defect, LineFault

MOST = 0.5
"""A line is told by more than this share of its junctions."""


def line_faults(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """codes: (kernels, rows, columns) of Defect. Returns bits of LineFault, same shape, uint8."""
    faults = np.zeros(codes.shape, np.uint8)
    for defect, extra in ((Defect.OPEN, 0), (Defect.SHORT, int(LineFault.SEGMENT))):
        hit = codes == defect
        # A row is told by its columns (last axis), a column by its rows.
        for axis, line in ((2, LineFault.ROW), (1, LineFault.COLUMN)):
            bad = hit.mean(axis=axis, keepdims=True) > MOST
            faults |= np.where(bad, np.uint8(int(line) | extra), np.uint8(0))
    return faults
