"""Lines that failed as a whole, as a defect map shows them."""

import numpy as np
import pytest

from hil.analysis.lines import dead_lines, line_faults
from hil.model.defects import Defect, LineFault
from hil.model.layout import to_die, to_kernels

SHAPE = (32, 25, 25)


def _die() -> np.ndarray:
    return np.zeros((100, 200), np.uint8)


def _faults(die: np.ndarray) -> np.ndarray:
    return to_die(line_faults(to_kernels(die)).faults)


def test_an_open_row_of_a_sub_array_is_marked_through_both_its_halves_and_alone() -> None:
    die = _die()
    die[57, 50:100] = Defect.OPEN
    faults = _faults(die)
    assert np.all(faults[57, 50:100] == LineFault.ROW)
    faults[57, 50:100] = 0
    assert not faults.any()


def test_an_open_column_is_marked_through_all_four_row_groups() -> None:
    die = _die()
    die[:, 133] = Defect.OPEN
    assert np.all(_faults(die)[:, 133] == LineFault.COLUMN)


def test_a_line_that_broke_on_the_way_is_marked_from_the_break_on() -> None:
    die = _die()
    die[40:, 7] = Defect.OPEN
    faults = _faults(die)
    assert np.all(faults[40:, 7] == LineFault.COLUMN)
    assert not faults[:40].any()


def test_a_shorted_stretch_is_a_row_and_a_segment_whether_or_not_each_of_it_is_shorted() -> None:
    die, rng = _die(), np.random.default_rng(1)
    die[3, 10:40] = np.where(rng.random(30) < 0.7, Defect.SHORT, Defect.GOOD)
    die[3, [10, 39]] = Defect.SHORT
    found = line_faults(to_kernels(die))
    assert np.all(to_die(found.faults)[3, 10:40] == LineFault.ROW | LineFault.SEGMENT)
    assert np.count_nonzero(found.faults) == 30
    assert [(each["fault"], each["count"]) for each in found.found] == [("shorted_row", 30)]


def test_a_crossing_of_two_open_lines_carries_both() -> None:
    die = _die()
    die[5, 0:50] = die[:, 9] = Defect.OPEN
    faults = _faults(die)
    assert faults[5, 9] == LineFault.ROW | LineFault.COLUMN
    assert (faults[5, 0], faults[0, 9]) == (LineFault.ROW, LineFault.COLUMN)


@pytest.mark.parametrize("rate", [0.001, 0.02, 0.04])
def test_single_faults_however_many_are_no_line(rate: float) -> None:
    rng = np.random.default_rng(2)
    for _ in range(20):
        die = np.where(rng.random((100, 200)) < rate, Defect.SHORT, Defect.GOOD).astype(np.uint8)
        assert not _faults(die).any()


def test_what_was_not_measured_says_nothing_either_way() -> None:
    die = _die()
    die[20, 0:50] = Defect.OPEN
    die[20, 10:20] = Defect.NOT_MEASURED
    die[60] = Defect.NOT_MEASURED
    faults = _faults(die)
    assert np.all(faults[20, 0:50] == LineFault.ROW)
    assert not faults[60].any()


def test_a_chip_without_whole_sub_arrays_has_lines_of_a_kernel() -> None:
    codes = np.zeros((2, 25, 25), np.uint8)
    codes[1, 7, :20] = Defect.OPEN
    faults = line_faults(codes).faults
    assert np.all(faults[1, 7, :20] == LineFault.ROW)
    assert np.count_nonzero(faults) == 20


@pytest.mark.parametrize("axis", [1, 2])
def test_a_line_of_the_board_that_is_open_in_every_kernel_has_no_contact(axis: int) -> None:
    codes = np.zeros(SHAPE, np.uint8)
    np.moveaxis(codes, axis, 0)[11] = Defect.OPEN
    dead = dead_lines(codes)
    assert np.all(np.moveaxis(dead, axis, 0)[11])
    assert np.count_nonzero(dead) == 800


def test_an_open_line_of_one_sub_array_and_a_die_that_is_all_open_have_contact() -> None:
    codes = np.zeros(SHAPE, np.uint8)
    codes[:31, 11] = Defect.OPEN
    assert not dead_lines(codes).any()
    assert not dead_lines(np.full(SHAPE, Defect.OPEN, np.uint8)).any()
