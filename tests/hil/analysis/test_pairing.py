"""Methods compared in pairs: intervals that cover, yields that count dies."""

import numpy as np
import pytest

from hil.analysis.pairing import mean_interval, paired, yields


def drawn(rng: np.random.Generator, seeds: int = 8, dies: int = 36) -> np.ndarray:
    """Errors about 3 %, with an effect of the seed and one of the die."""
    return 3.0 + 0.1 * rng.standard_normal((seeds, 1)) + 0.5 * rng.standard_normal((1, dies)) + 0.05 * rng.standard_normal((seeds, dies))


def test_the_interval_of_a_mean_covers_it_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    found = [mean_interval(drawn(rng), rng) for _ in range(100)]
    assert 88 <= sum(each.low <= 3.0 <= each.high for each in found) <= 99
    assert all(each.low <= each.value <= each.high for each in found)


def test_what_all_dies_share_does_not_widen_a_paired_difference() -> None:
    rng = np.random.default_rng(2)
    errors = drawn(rng)
    worse = errors + 0.2 + 0.01 * rng.standard_normal(errors.shape)
    found = paired(errors, worse, rng)
    assert found.points.high < 0
    assert found.points.high - found.points.low < 0.05 < mean_interval(errors, rng).high - mean_interval(errors, rng).low
    assert found.better_on == 1.0
    assert found.p_value < 1e-6


def test_equal_methods_differ_by_nothing_and_have_no_p_value() -> None:
    errors = drawn(np.random.default_rng(3))
    found = paired(errors, errors, np.random.default_rng(0))
    assert (found.points.value, found.points.low, found.points.high) == (0.0, 0.0, 0.0)
    assert np.isnan(found.p_value)


def test_errors_of_other_dies_are_no_pair() -> None:
    with pytest.raises(ValueError, match="not of the same seeds and dies"):
        paired(np.zeros((3, 36)), np.zeros((3, 35)), np.random.default_rng(0))


def test_yield_is_the_share_of_dies_at_or_below_the_threshold() -> None:
    errors = np.array([[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 5.0]])
    two, four = yields(errors, [2.0, 4.0])
    assert (two.value, four.value) == (0.5, 0.875)
    assert two.low < 0.5 < two.high
