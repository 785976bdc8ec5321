"""Faults of the chip's lines, told from isolated defects."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.analysis.chip_lines import Axis, from_lines, line_shape, to_lines
from hil.analysis.line_models import FAULTS, die_lines, fit_lines, poisson_interval
from hil.model.defects import Defect
from hil.model.layout import to_die

SHAPE = (32, 25, 25)
NAMES = tuple(FAULTS)
CODES = {"open": Defect.OPEN, "shorted": Defect.SHORT}


def _codes(rng: np.random.Generator, rate: float = 0.003) -> np.ndarray:
    """A die with isolated shorts and opens."""
    codes = np.zeros(SHAPE, np.uint8)
    codes[rng.random(SHAPE) < rate] = Defect.SHORT
    codes[rng.random(SHAPE) < rate / 10] = Defect.OPEN
    return codes


def _with_fault(codes: np.ndarray, name: str, line: int, cells: slice, share: float = 1.0, seed: int = 1) -> np.ndarray:
    cause, _, axis = name.partition("_")
    marked = to_lines(codes, axis).copy()
    bad = np.random.default_rng(seed).random(marked[line, cells].shape) < share
    marked[line, cells] = np.where(bad, CODES[cause], marked[line, cells])
    return from_lines(marked, SHAPE, axis)


@pytest.mark.parametrize("axis", ["row", "column"])
@pytest.mark.parametrize("shape", [(32, 25, 25), (8, 25, 25), (2, 3, 4)])
def test_lines_and_kernels_are_two_views_of_one_die(axis: Axis, shape: tuple[int, int, int]) -> None:
    numbers = np.arange(np.prod(shape)).reshape(shape)
    lines = to_lines(numbers, axis)
    assert lines.shape == line_shape(shape, axis)
    assert np.array_equal(from_lines(lines, shape, axis), numbers)


def test_a_line_is_what_lies_side_by_side_on_the_die() -> None:
    numbers = np.arange(20_000).reshape(SHAPE)
    die = to_die(numbers)
    assert np.array_equal(to_lines(numbers, "column")[7], die[:, 7])
    assert np.array_equal(to_lines(numbers, "row")[3 * 4 + 1], die[3, 50:100])


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("open")])
def test_an_open_line_is_found_whole_and_hides_no_isolated_defect(name: str) -> None:
    codes = _with_fault(_codes(np.random.default_rng(2)), name, 17, slice(None))
    found = die_lines(codes)
    (run,) = found.runs[name]
    assert (run.line, run.start, run.stop) == (17, 0, line_shape(SHAPE, name.rpartition("_")[2])[1])
    assert sum(len(runs) for runs in found.runs.values()) == 1
    assert np.count_nonzero(found.within) == run.stop


def test_a_shorted_stretch_is_found_among_isolated_shorts() -> None:
    codes = _with_fault(_codes(np.random.default_rng(3), 0.01), "shorted_row", 40, slice(10, 45), share=0.7)
    (run,) = die_lines(codes).runs["shorted_row"]
    assert run.line == 40
    assert 7 <= run.start <= 13 and 42 <= run.stop <= 48


def test_crossing_lines_are_each_told_once() -> None:
    codes = _with_fault(_with_fault(_codes(np.random.default_rng(4)), "open_row", 100, slice(None)), "open_column", 60, slice(None))
    runs = die_lines(codes).runs
    assert [len(runs[name]) for name in NAMES] == [1, 1, 0, 0]


def test_chance_makes_no_line_fault_even_where_one_junction_in_twenty_is_short() -> None:
    rng = np.random.default_rng(5)
    for rate in (0.0, 0.002, 0.01, 0.05):
        for _ in range(3):
            assert not any(die_lines(_codes(rng, rate)).runs.values())


def test_a_die_that_was_not_measured_has_no_faults() -> None:
    assert not any(die_lines(np.full(SHAPE, Defect.NOT_MEASURED, np.uint8)).runs.values())


def test_a_model_counts_faults_per_die_and_corrects_lengths_for_good_ends() -> None:
    rng = np.random.default_rng(6)
    clean = [die_lines(_codes(rng)) for _ in range(3)]
    dies = [die_lines(_with_fault(_codes(rng), "shorted_row", line, slice(5, 45), 0.75, line)) for line in range(8, 98, 6)]
    model = fit_lines([*clean, *dies], SHAPE)["shorted_row"]
    assert (model.count, model.dies, model.counts[:3]) == (15, 18, (0, 0, 0))
    assert model.low < 15 / 18 < model.high
    assert np.mean(model.lengths) == pytest.approx(40, abs=1.5)
    assert model.share == pytest.approx(0.75, abs=0.05)


@given(count=st.integers(0, 500), dies=st.integers(1, 100))
def test_an_interval_of_a_number_per_die_holds_the_number_found(count: int, dies: int) -> None:
    low, high = poisson_interval(count, dies)
    assert 0.0 <= low <= count / dies <= high
