"""How sure a pooled rate is when dies differ from each other more than chance alone would make them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_Z95 = 1.959964


@dataclass(frozen=True)
class Estimate:
    """A parameter with its 95 % interval; None where the dies measured do not tell it."""

    value: float | None
    low: float | None
    high: float | None


UNKNOWN = Estimate(None, None, None)


@dataclass(frozen=True)
class Rate:
    """A pooled rate per junction (or line). low, high: 95 % interval: Wilson, widened for over-dispersion, where nothing was fitted.

    dispersion: variance between dies over what chance alone would give (Pearson chi-squared per degree of freedom);
    1 for independent defects, None with fewer than two dies or no event. per_die: events of each die, in order.
    """

    count: int
    trials: int
    rate: float
    low: float
    high: float
    dispersion: float | None
    per_die: tuple[int, ...]


def pooled_rate(counts: NDArray[np.integer], trials: NDArray[np.integer]) -> Rate:
    """counts, trials: per die, same length. Dies without a trial count for nothing."""
    total, of = int(counts.sum()), int(trials.sum())
    if of == 0:
        return Rate(0, 0, 0.0, 0.0, 1.0, None, tuple(int(count) for count in counts))
    rate = total / of
    dispersion = _dispersion(counts, trials, rate)
    low, high = wilson(rate, of / max(dispersion or 1.0, 1.0))
    return Rate(total, of, rate, low, high, dispersion, tuple(int(count) for count in counts))


def wilson(rate: float, trials: float) -> tuple[float, float]:
    """95 % score interval of a binomial rate: never outside 0 to 1, and of useful width even at a rate of 0.

    Source: E. B. Wilson, J. Am. Stat. Assoc. 22, 209 (1927). trials may be an effective, non-integer number.
    """
    low, high = _score(np.float64(rate), np.float64(trials))
    return float(low), float(high)


def score_intervals(events: NDArray[np.integer], trials: NDArray[np.integer]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(low, high) of `wilson` for arrays of counts, of their shape; NaN without a trial."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return _score(events / trials, trials.astype(np.float64))


def _score(rate: Any, trials: Any) -> tuple[Any, Any]:
    z2 = _Z95**2
    middle = (rate + z2 / (2 * trials)) / (1 + z2 / trials)
    half = _Z95 / (1 + z2 / trials) * np.sqrt(rate * (1 - rate) / trials + z2 / (4 * trials**2))
    # It holds the rate itself, also where rounding has it otherwise.
    return np.minimum(np.maximum(middle - half, 0.0), rate), np.maximum(np.minimum(middle + half, 1.0), rate)


def _dispersion(counts: NDArray[np.integer], trials: NDArray[np.integer], rate: float) -> float | None:
    used = trials > 0
    dies = int(used.sum())
    if dies < 2 or not 0 < rate < 1:
        return None
    expected = rate * trials[used]
    return float(np.sum((counts[used] - expected) ** 2 / (expected * (1 - rate))) / (dies - 1))
