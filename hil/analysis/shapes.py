"""Distributions of the two conductances of a junction as tables that a sampler draws from: any marginal, one correlation.

Rule: plain lists of numbers, because they travel as JSON. A table holds a quantity at the standard normal scores `SCORES`; a draw
of a normal, looked up in it, has the quantity's distribution. The two quantities are G_P and the drop G_P - G_AP, tied by the
correlation of their normal scores (Gaussian copula). What a die shares is taken out of those kinds that switch or stick as good
junctions do; a short or an open owes nothing to its die."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from hil.model.defects import Defect

Floats = NDArray[np.float64]

SCORES = np.linspace(-4.0, 4.0, 33)
ABSOLUTE = frozenset({Defect.SHORT, Defect.OPEN})
_MOST_RANKED = 20_000


@dataclass(frozen=True)
class Shape:
    """junctions: how many it rests on. relative: the tables are in units of the die's mean of a good junction, else in S.

    p, drop: G_P and G_P - G_AP at SCORES. correlation: of their normal scores.
    """

    junctions: int
    relative: bool
    p: tuple[float, ...]
    drop: tuple[float, ...]
    correlation: float


@dataclass(frozen=True)
class DieMeans:
    """Means of good junctions of each die, S: mean and covariance of (ln G_P, ln of the drop) over dies."""

    mean_log: tuple[float, float]
    covariance: tuple[tuple[float, float], tuple[float, float]]


def shape_of(p: Floats, drop: Floats, relative: bool) -> Shape:
    """p, drop: (n,) of at least one junction, in the unit of the tables."""
    levels = stats.norm.cdf(SCORES)
    tables = [tuple(float(value) for value in np.quantile(values, levels)) for values in (p, drop)]
    return Shape(int(p.size), relative, tables[0], tables[1], _score_correlation(p, drop))


def die_means(means: Sequence[tuple[float, float]]) -> DieMeans:
    """means: (G_P, drop) of each die, S, all above 0, at least one die."""
    logs = np.log(np.array(means, np.float64))
    middle = logs.mean(axis=0)
    covariance = np.cov(logs.T) if len(means) > 1 else np.zeros((2, 2))
    return DieMeans(_pair(middle), (_pair(covariance[0]), _pair(covariance[1])))


def _pair(values: Floats) -> tuple[float, float]:
    return float(values[0]), float(values[1])


def _score_correlation(a: Floats, b: Floats) -> float:
    """Correlation of normal scores; 0 where there are too few junctions to rank or one of the two does not vary."""
    step = max(a.size // _MOST_RANKED, 1)
    a, b = a[::step], b[::step]
    if a.size < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    scores = np.stack([stats.norm.ppf((stats.rankdata(values) - 0.5) / values.size) for values in (a, b)])
    return float(np.clip(np.asarray(np.corrcoef(scores))[0, 1], -0.999, 0.999))
