"""Lines of a kernel that failed as a whole."""

import numpy as np

from hil.analysis.lines import line_faults
from hil.model.defects import Defect, LineFault


def _codes() -> np.ndarray:
    return np.zeros((2, 25, 25), np.uint8)


def test_a_row_that_is_mostly_open_is_marked_as_a_whole_and_alone() -> None:
    codes = _codes()
    codes[1, 7, :20] = Defect.OPEN
    faults = line_faults(codes)
    assert np.all(faults[1, 7] == LineFault.ROW)
    faults[1, 7] = 0
    assert not faults.any()


def test_a_shorted_column_is_a_column_and_a_segment() -> None:
    codes = _codes()
    codes[0, :14, 3] = Defect.SHORT
    assert np.all(line_faults(codes)[0, :, 3] == LineFault.COLUMN | LineFault.SEGMENT)


def test_half_a_line_is_no_line_fault_and_kinds_are_not_added_up() -> None:
    codes = _codes()
    codes[0, 2, :12] = Defect.OPEN
    codes[0, 2, 12:24] = Defect.SHORT
    assert not line_faults(codes).any()


def test_a_crossing_of_two_bad_lines_carries_both() -> None:
    codes = _codes()
    codes[0, 5, :] = Defect.OPEN
    codes[0, :, 9] = Defect.OPEN
    faults = line_faults(codes)
    assert faults[0, 5, 9] == LineFault.ROW | LineFault.COLUMN
    assert faults[0, 5, 0] == LineFault.ROW
    assert faults[0, 0, 9] == LineFault.COLUMN
