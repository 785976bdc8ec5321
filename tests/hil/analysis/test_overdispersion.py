"""Rates that differ from die to die: what the model finds, and how sure it says it is."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from hil.analysis.overdispersion import fit_rate, quantiles, rate_quantiles, sample_means

TRIALS = np.full(36, 20_000)
SHAPE, RATE = 1.5, 0.002


def _clustered(rng: np.random.Generator) -> np.ndarray:
    return rng.binomial(TRIALS, rng.gamma(SHAPE, RATE / SHAPE, TRIALS.size))


def test_intervals_of_the_mean_and_of_the_spread_hold_the_truth_about_95_times_in_a_hundred() -> None:
    rng = np.random.default_rng(5)
    fits = [fit_rate(_clustered(rng), TRIALS) for _ in range(60)]
    assert 52 <= sum(fit.low <= RATE <= fit.high for fit in fits) <= 60
    cv = SHAPE**-0.5
    assert 52 <= sum(fit.cv.low <= cv <= fit.cv.high for fit in fits) <= 60  # type: ignore[operator]
    assert all(fit.shape.low < fit.shape.value < fit.shape.high for fit in fits)  # type: ignore[operator]


def test_dies_that_differ_by_chance_alone_may_have_no_spread() -> None:
    rng = np.random.default_rng(6)
    fits = [fit_rate(rng.binomial(TRIALS, RATE), TRIALS) for _ in range(20)]
    assert sum(fit.cv.low == 0.0 for fit in fits) >= 17
    assert all(fit.cv.high < 0.3 for fit in fits if fit.cv.high is not None)
    narrow = fits[0].high - fits[0].low
    wide = fit_rate(_clustered(rng), TRIALS)
    assert wide.high - wide.low > 3 * narrow


def test_one_die_tells_a_rate_and_no_spread() -> None:
    one = fit_rate(np.array([40]), np.array([20_000]))
    assert one.cv.value is None and one.shape.low is None
    assert one.low < 0.002 < one.high


def test_no_event_gives_an_upper_limit_and_no_trial_says_nothing() -> None:
    none = fit_rate(np.zeros(36, int), TRIALS)
    assert (none.rate, none.low) == (0.0, 0.0)
    assert 0 < none.high < 1e-5
    untried = fit_rate(np.zeros(2, int), np.zeros(2, int))
    assert (untried.low, untried.high) == (0.0, 1.0)


def test_dies_without_a_trial_do_not_count() -> None:
    counts, trials = np.array([30, 0, 50, 41]), np.array([20_000, 0, 20_000, 20_000])
    with_gap, without = fit_rate(counts, trials), fit_rate(counts[[0, 2, 3]], trials[[0, 2, 3]])
    assert (with_gap.low, with_gap.high) == (without.low, without.high)
    assert with_gap.per_die == (30, 0, 50, 41)


@pytest.mark.parametrize("counts", [[20_000, 20_000], [0, 20_000], [19_999, 20_000], [10_000, 10_000]])
def test_dead_dies_have_intervals_too(counts: list[int]) -> None:
    found = fit_rate(np.array(counts), np.array([20_000, 20_000]))
    assert 0.0 <= found.low <= found.rate <= found.high <= 1.0
    json.dumps(asdict(found), allow_nan=False)


def test_the_table_of_rates_has_the_mean_and_the_spread_that_were_fitted() -> None:
    found = fit_rate(_clustered(np.random.default_rng(7)), TRIALS)
    drawn = rate_quantiles(found, np.random.default_rng(8).standard_normal(100_000))
    assert drawn.mean() == pytest.approx(found.rate, rel=0.02)
    assert drawn.std() / drawn.mean() == pytest.approx(found.cv.value, rel=0.03)


def test_draws_of_the_mean_spread_as_its_interval_says() -> None:
    found = fit_rate(_clustered(np.random.default_rng(9)), TRIALS)
    low, high = np.quantile(sample_means(found, 20_000, np.random.default_rng(1)), [0.025, 0.975])
    assert (low, high) == pytest.approx((found.low, found.high), rel=0.03)


def test_quantiles_of_a_density_are_those_of_its_integral() -> None:
    points = np.linspace(0.0, 1.0, 1001)
    assert quantiles(points, 2 * points, (0.25, 0.81)) == pytest.approx((0.5, 0.9), abs=1e-3)
