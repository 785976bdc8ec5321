"""Where defects lie: tests that say something only where there is something."""

import numpy as np
import pytest

from hil.analysis.spatial import conductance_places, defect_places, radius_test
from hil.analysis.variance import DieSample
from hil.model.layout import to_kernels
from simulator.physics.wafer import whole_map

SHAPE = (32, 25, 25)
TRIED = np.ones(SHAPE, bool)


def _p_values(rng: np.random.Generator, rates: np.ndarray, dies: int = 4) -> dict[str, float]:
    """rates: (100, 200) on the die; dies differ a lot in how bad they are."""
    hits = [to_kernels(rng.random((100, 200)) < rates * rng.gamma(1.5, 1 / 1.5)) for _ in range(dies)]
    return {test.axis: test.p_value for test in defect_places("short", hits, [TRIED] * dies, rng)}


def test_defects_anywhere_show_no_pattern_however_much_dies_differ() -> None:
    rng = np.random.default_rng(1)
    found = [_p_values(rng, np.full((100, 200), 0.004)) for _ in range(8)]
    for axis in ("row", "column", "kernel"):
        assert 0.15 < np.mean([each[axis] for each in found]) < 0.85
        assert min(each[axis] for each in found) > 1e-3


@pytest.mark.parametrize("axis", ["row", "column", "kernel"])
def test_a_bad_place_is_found_and_named(axis: str) -> None:
    rng = np.random.default_rng(2)
    hits = []
    for _ in range(6):
        hit = rng.random(SHAPE) < 0.004
        on_die = {
            "kernel": (7, slice(None), slice(None)),
            "row": ([1, 5, 9, 13, 17, 21, 25, 29], 3),
            "column": ([8, 9, 10, 11], slice(None), 4),
        }
        hit[on_die[axis]] |= rng.random(hit[on_die[axis]].shape) < 0.06
        hits.append(hit)
    tests = {test.axis: test for test in defect_places("short", hits, [TRIED] * 6, rng)}
    assert tests[axis].p_value < 1e-3  # type: ignore[index]
    worst = tests[axis].worst  # type: ignore[index]
    assert worst is not None
    assert worst[0] == {"kernel": 7, "row": 28, "column": 54}[axis]
    assert worst[1] > 2 * worst[2]


def test_few_defects_are_tested_by_draws_and_none_not_at_all() -> None:
    rng = np.random.default_rng(3)
    hit = np.zeros(SHAPE, bool)
    assert defect_places("open", [hit], [TRIED], rng) == []
    hit.flat[rng.choice(hit.size, 8, replace=False)] = True
    tests = defect_places("open", [hit], [TRIED], rng)
    assert {test.method for test in tests} == {"random draws"}
    assert all(0.001 < test.p_value <= 1 for test in tests)


def test_a_rate_that_rises_outwards_is_found_by_the_radius() -> None:
    places, rng = whole_map(), np.random.default_rng(4)
    distance = np.hypot(*(np.array(places) + 0.5).T)
    rising = radius_test("short", distance + rng.normal(0, 0.5, distance.size), places, rng)
    assert rising is not None and rising.statistic > 0.5 and rising.p_value < 0.002
    flat = radius_test("short", rng.normal(0, 1, distance.size), places, rng)
    assert flat is not None and flat.p_value > 0.01
    assert radius_test("short", np.zeros(36), places, rng) is None
    assert radius_test("short", distance[:4], places[:4], rng) is None


def test_seeds_make_the_same_answer() -> None:
    hit = np.random.default_rng(5).random(SHAPE) < 0.001
    assert defect_places("short", [hit], [TRIED], np.random.default_rng(1)) == defect_places(
        "short", [hit], [TRIED], np.random.default_rng(1)
    )


def test_a_sense_line_shows_in_conductance_by_column_alone() -> None:
    rng = np.random.default_rng(6)
    values = [0.04 * rng.standard_normal(SHAPE) + die + 0.02 * (np.arange(25) == 7) for die in (0.0, 0.1)]
    tests = {test.axis: test for test in conductance_places([DieSample(each, TRIED, 0.0) for each in values])}
    assert tests["column"].p_value < 1e-6
    worst = tests["column"].worst
    assert worst is not None and worst[0] % 25 == 7
    assert tests["row"].p_value > 1e-3 and tests["kernel"].p_value > 1e-3
