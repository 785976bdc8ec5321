"""Pooled rates and how sure they are."""

import numpy as np
import pytest

from hil.analysis.intervals import pooled_rate, score_intervals, wilson


def test_the_interval_covers_the_true_rate_about_95_times_in_100() -> None:
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(400):
        rate = pooled_rate(rng.binomial(20_000, 0.002, 36), np.full(36, 20_000))
        covered += rate.low <= 0.002 <= rate.high
    assert 0.92 < covered / 400 <= 1.0


def test_dies_that_differ_widen_the_interval_and_show_as_dispersion() -> None:
    rng = np.random.default_rng(4)
    trials = np.full(36, 20_000)
    alike = pooled_rate(rng.binomial(20_000, 0.002, 36), trials)
    unlike = pooled_rate(rng.binomial(20_000, rng.gamma(1.5, 0.002 / 1.5, 36)), trials)
    assert alike.dispersion == pytest.approx(1.0, abs=0.6)
    assert unlike.dispersion is not None
    assert unlike.dispersion > 10
    assert unlike.high - unlike.low > 3 * (alike.high - alike.low)


def test_no_event_still_gives_an_upper_limit() -> None:
    rate = pooled_rate(np.zeros(2, int), np.full(2, 1000))
    assert (rate.rate, rate.low, rate.dispersion) == (0.0, 0.0, None)
    assert rate.high == pytest.approx(3.84 / 2003.84, rel=0.01)


def test_nothing_tried_says_nothing() -> None:
    rate = pooled_rate(np.zeros(1, int), np.zeros(1, int))
    assert (rate.low, rate.high) == (0.0, 1.0)


def test_wilson_agrees_with_the_published_example() -> None:
    # 81 of 263: Newcombe, Statistics in Medicine 17, 857 (1998), table I.
    low, high = wilson(81 / 263, 263)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)


def test_intervals_of_arrays_are_those_of_their_elements_and_unknown_without_a_trial() -> None:
    events, trials = np.array([[0, 3], [70_000, 0]], np.uint32), np.array([[10, 4], [70_000, 0]], np.uint32)
    low, high = score_intervals(events, trials)
    for place in [(0, 0), (0, 1), (1, 0)]:
        rate, number = float(events[place] / trials[place]), float(trials[place])
        assert (low[place], high[place]) == pytest.approx(wilson(rate, number))
    assert np.isnan(low[1, 1]) and np.isnan(high[1, 1])


@pytest.mark.parametrize("trials", [1, 3, 7, 10, 20, 1_000_003])
def test_an_interval_holds_its_own_rate_to_the_last_bit(trials: int) -> None:
    for rate in (0.0, 1 / trials, 1.0):
        low, high = wilson(rate, trials)
        assert 0.0 <= low <= rate <= high <= 1.0
