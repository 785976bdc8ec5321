"""Spread of good junctions by cause."""

import numpy as np
import pytest

from hil.analysis.variance import DieSample, components, line_effects
from simulator.physics.wafer import whole_map

SHAPE = (4, 10, 10)
PLACES = whole_map()
WITHIN, NOISE = 0.04, 0.02


def _samples(rng: np.random.Generator, die_sigma: float, slope: tuple[float, float], lines: float = 0.0) -> list[DieSample]:
    by_column = by_row = lines * np.tile([1.0, -1.0], 5)
    samples: list[DieSample] = []
    for x, y in PLACES:
        mean = die_sigma * rng.standard_normal() + slope[0] * x + slope[1] * y
        read = mean + np.hypot(WITHIN, NOISE) * rng.standard_normal(SHAPE) + by_column + by_row[:, None]
        samples.append(DieSample(read, rng.random(SHAPE) < 0.9, NOISE**2))
    return samples


def test_each_cause_gets_its_own_part() -> None:
    rng = np.random.default_rng(1)
    found = components(_samples(rng, 0.02, (0.006, 0.008), lines=0.03), PLACES)
    assert found.within.value == pytest.approx(WITHIN, rel=0.03)
    assert found.line == pytest.approx(np.hypot(0.03, 0.03), rel=0.02)
    assert found.die.low < 0.02 < found.die.high
    gradient = found.gradient
    assert gradient is not None
    assert gradient.per_die.low < 0.01 < gradient.per_die.high
    assert abs(gradient.degrees - np.degrees(np.arctan2(8, 6))) <= gradient.degrees_half_width
    assert gradient.p_value < 0.01


def test_intervals_hold_the_truth_about_95_times_in_a_hundred() -> None:
    rng = np.random.default_rng(2)
    held = np.zeros(3, int)
    for _ in range(60):
        found = components(_samples(rng, 0.02, (0.005, 0.0)), PLACES)
        assert found.gradient is not None
        pairs = ((found.within, WITHIN), (found.die, 0.02), (found.gradient.per_die, 0.005))
        held += [estimate.low <= truth <= estimate.high for estimate, truth in pairs]  # type: ignore[operator]
    assert all(52 <= count <= 60 for count in held), held


def test_no_gradient_has_an_interval_from_zero_and_no_direction() -> None:
    rng = np.random.default_rng(3)
    found = [components(_samples(rng, 0.02, (0.0, 0.0)), PLACES).gradient for _ in range(12)]
    assert sum(each is not None and each.per_die.low == 0.0 for each in found) >= 10
    assert sum(each is not None and each.degrees_half_width == 180.0 for each in found) >= 8


def test_what_few_dies_do_not_tell_is_said_to_be_unknown() -> None:
    samples = _samples(np.random.default_rng(4), 0.02, (0.0, 0.0))
    one = components(samples[:1], PLACES[:1])
    assert (one.die.value, one.gradient, one.mean.low) == (None, None, None)
    assert one.within.value is not None and one.within.low is None
    assert components(samples[:4], PLACES[:4]).gradient is None
    assert components(samples, None).gradient is None
    in_a_row = [place for place in PLACES if place[1] == 0]
    assert components(samples[: len(in_a_row)], in_a_row).gradient is None


def test_a_die_without_good_junctions_has_no_mean_and_disturbs_no_other() -> None:
    samples = _samples(np.random.default_rng(5), 0.02, (0.0, 0.0))
    dead = DieSample(np.full(SHAPE, 99.0), np.zeros(SHAPE, bool), 0.0)
    found = components([*samples[:-1], dead], PLACES)
    assert found.die_means[-1] is None
    assert found.within.value == pytest.approx(WITHIN, rel=0.03)
    assert components([dead], PLACES[:1]).within.value is None


def test_lines_that_all_dies_share_are_told_by_row_and_column() -> None:
    rng = np.random.default_rng(6)
    samples = _samples(rng, 0.0, (0.0, 0.0))
    shifted = [DieSample(each.values + 0.1 * (np.arange(10) == 3), each.good, each.noise_variance) for each in samples]
    effects = line_effects(shifted)
    assert effects[:, 3].mean() - effects[:, 4].mean() == pytest.approx(0.1, abs=0.01)
