"""Methods compared on the same dies with the same seeds: means, differences and yields with intervals over both.

Rule: errors are (seeds, dies); dies and seeds are drawn again independently (a two-way bootstrap), because a die that is hard is hard
for every seed. Three seeds say little about other seeds; the interval shows it. Source: Efron and Tibshirani, An Introduction to the
Bootstrap, 1993, chapter 13; McCullagh, Bernoulli 6, 285 (2000), for arrays with two ways."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wilcoxon

from hil.analysis.intervals import wilson

Errors = NDArray[np.float64]
"""(seeds, dies), share or per cent."""
DRAWS = 2_000


@dataclass(frozen=True)
class Interval:
    """low, high: 95 %."""

    value: float
    low: float
    high: float


def mean_interval(errors: Errors, rng: np.random.Generator) -> Interval:
    """Of the mean over seeds and dies."""
    seeds, dies = errors.shape
    # A resampled mean is a bilinear form in how often each seed and each die was drawn.
    of_seeds = rng.multinomial(seeds, np.full(seeds, 1 / seeds), DRAWS) / seeds
    of_dies = rng.multinomial(dies, np.full(dies, 1 / dies), DRAWS) / dies
    low, high = np.quantile(((of_seeds @ errors) * of_dies).sum(axis=1), (0.025, 0.975))
    return Interval(float(errors.mean()), float(low), float(high))


@dataclass(frozen=True)
class Difference:
    """points: of one method's errors above another's, paired by die and seed. better_on: share of dies (means over seeds) on which the
    first has fewer errors. p_value: that the dies' differences are symmetric about 0 (Wilcoxon signed rank); NaN where they are all 0."""

    points: Interval
    better_on: float
    p_value: float


def paired(errors: Errors, others: Errors, rng: np.random.Generator) -> Difference:
    """Raises ValueError unless both are of the same seeds and dies."""
    if errors.shape != others.shape:
        raise ValueError(f"errors of shapes {errors.shape} and {others.shape} are not of the same seeds and dies")
    apart = errors - others
    of_dies = apart.mean(axis=0)
    p_value = float(wilcoxon(of_dies).pvalue) if np.count_nonzero(of_dies) else float("nan")
    return Difference(mean_interval(apart, rng), float((of_dies < 0).mean()), p_value)


def yields(errors: Errors, thresholds: Sequence[float]) -> list[Interval]:
    """Share of dies, over all seeds, with at most so much error; the interval is that of the dies of one seed (Wilson)."""
    dies = errors.shape[1]
    found: list[Interval] = []
    for threshold in thresholds:
        share = float((errors <= threshold).mean())
        low, high = wilson(share, dies)
        found.append(Interval(share, low, high))
    return found
