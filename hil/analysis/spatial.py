"""Whether defects, or conductances, depend on where they lie: row, column, kernel, and the die's distance from the wafer's centre.

Rule: places are compared within dies, so that bad dies among good ones make no pattern; the distance compares dies and is tested by
permuting them, because their rates differ by more than chance anyway. Chi-squared where at least five defects are expected in each
place, else random draws of as many defects; every random number comes from the generator handed in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from hil.analysis.variance import DieSample
from hil.model.lab import DieIndex
from hil.model.layout import PER_SUBARRAY, to_die

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Axis = Literal["row", "column", "kernel", "radius"]

AXES: tuple[Axis, ...] = ("row", "column", "kernel")
_DRAWS = 2000
_LEAST_EXPECTED = 5.0
_LEAST_DIES = 5


@dataclass(frozen=True)
class SpatialTest:
    """of: a kind of defect, or "conductance". axis: rows and columns of the die (100, 200), kernels, or radius on the wafer.

    statistic: chi-squared, F, or Spearman's correlation with the radius, by `method`. p_value: of no dependence. worst: the place that
    departs most (a row, a column, a kernel), with what was found there and what is expected; None for the radius.
    """

    of: str
    axis: Axis
    method: Literal["chi-squared", "random draws", "F", "permutation"]
    statistic: float
    p_value: float
    worst: tuple[int, float, float] | None


def defect_places(of: str, hits: Sequence[Bools], tried: Sequence[Bools], rng: np.random.Generator) -> list[SpatialTest]:
    """Rows, columns and kernels. hits, tried: of each die, (kernels, rows, columns). Empty without a defect."""
    if not any(hit.any() for hit in hits):
        return []
    return [_by_chance(of, axis, *_expected(hits, tried, axis), rng) for axis in AXES]


def conductance_places(samples: Sequence[DieSample]) -> list[SpatialTest]:
    """One-way analysis of variance over rows, columns and kernels of good junctions, dies' own means taken out."""
    used = [each for each in samples if np.count_nonzero(each.good) > 1]
    return [_by_variance(axis, used) for axis in AXES] if used else []


def radius_test(of: str, values: Floats, places: Sequence[DieIndex], rng: np.random.Generator) -> SpatialTest | None:
    """Whether the dies' values rise or fall with the distance from the middle of the dies. None below five dies or where all agree."""
    known = np.isfinite(values)
    where = np.array(places, np.float64)[known]
    if np.count_nonzero(known) < _LEAST_DIES or np.ptp(values[known]) == 0:
        return None
    ranks = stats.rankdata(values[known])
    distances = stats.rankdata(np.round(np.hypot(*(where - where.mean(axis=0)).T), 9))
    if np.ptp(distances) == 0:
        return None
    a, b = _standard(ranks), _standard(distances)
    found = float(a @ b)
    drawn = np.array([float(rng.permutation(a) @ b) for _ in range(_DRAWS)])
    return SpatialTest(of, "radius", "permutation", found, _p_value(np.abs(drawn) >= abs(found) - 1e-12), None)


def _standard(values: Floats) -> Floats:
    centred = values - values.mean()
    return centred / np.linalg.norm(centred)


def _expected(hits: Sequence[Bools], tried: Sequence[Bools], axis: Axis) -> tuple[Floats, Floats]:
    """(found, expected) by place: what each die has, spread over where it was tried."""
    pairs = [(_by_place(hit, axis), _by_place(try_, axis)) for hit, try_ in zip(hits, tried, strict=True) if try_.any()]
    found = np.stack([hit for hit, _ in pairs]).sum(axis=0)
    expected = np.stack([try_ * (hit.sum() / try_.sum()) for hit, try_ in pairs]).sum(axis=0)
    known = expected > 0
    return found[known], expected[known]


def _by_place(values: NDArray[np.generic], axis: Axis) -> Floats:
    """Sum over one die by row or column of the die, or kernel. Kernels that fill no sub-array keep rows and columns of their own."""
    if axis == "kernel":
        return values.sum(axis=(1, 2), dtype=np.float64)
    if values.shape[0] % PER_SUBARRAY:
        return values.sum(axis=(0, 2) if axis == "row" else (0, 1), dtype=np.float64)
    return to_die(values).sum(axis=1 if axis == "row" else 0, dtype=np.float64)


def _by_chance(of: str, axis: Axis, found: Floats, expected: Floats, rng: np.random.Generator) -> SpatialTest:
    def chi_squared(counts: Floats) -> Floats:
        return np.asarray(((counts - expected) ** 2 / expected).sum(axis=-1))

    statistic = float(chi_squared(found))
    residual = np.abs(found - expected) / np.sqrt(expected)
    worst = int(np.argmax(residual))
    told = (worst, float(found[worst]), float(expected[worst]))
    if expected.min() >= _LEAST_EXPECTED:
        return SpatialTest(of, axis, "chi-squared", statistic, float(stats.chi2.sf(statistic, found.size - 1)), told)
    p_value = _p_value(_drawn(chi_squared, int(found.sum()), expected, rng) >= statistic - 1e-9)
    return SpatialTest(of, axis, "random draws", statistic, p_value, told)


def _drawn(statistic: Callable[[Floats], Floats], total: int, expected: Floats, rng: np.random.Generator) -> Floats:
    return statistic(rng.multinomial(total, expected / expected.sum(), _DRAWS).astype(np.float64))


def _p_value(as_far: Bools) -> float:
    """The case found counts among the draws, so that chance never makes it 0."""
    return float((np.count_nonzero(as_far) + 1) / (as_far.size + 1))


def _by_variance(axis: Axis, samples: Sequence[DieSample]) -> SpatialTest:
    centred = [np.where(each.good, each.values - each.values[each.good].mean(), 0.0) for each in samples]
    total = np.sum([_by_place(values, axis) for values in centred], axis=0)
    count = np.sum([_by_place(each.good, axis) for each in samples], axis=0)
    total, count = total[count > 0], count[count > 0]
    means = total / count
    between = float(np.sum(count * means**2))
    within = sum(float(np.sum(values**2)) for values in centred) - between
    groups, freedom = means.size, int(count.sum()) - means.size - len(samples)
    f = between / max(groups - 1, 1) / max(within / max(freedom, 1), np.finfo(np.float64).tiny)
    worst = int(np.argmax(np.abs(means)))
    return SpatialTest(
        "conductance", axis, "F", f, float(stats.f.sf(f, max(groups - 1, 1), max(freedom, 1))), (worst, float(means[worst]), 0.0)
    )
