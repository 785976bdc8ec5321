"""How good junctions differ, split by cause: junctions within a die, the board's lines, dies, a gradient across the wafer.

Rule: everything is relative: the natural logarithm of a conductance, or the TMR over its mean, of junctions classed good.
What all dies share by row and by column of the kernel is the lines of the board, or the layout; it is taken out before the
spread within a die is told, and so is the read noise. Intervals: 95 %; dies are the sample, since they differ by more than chance."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from hil.analysis.intervals import UNKNOWN, Estimate
from hil.model.lab import DieIndex

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_LEAST_FOR_GRADIENT = 5


@dataclass(frozen=True)
class Gradient:
    """A plane through the means of the dies. per_die: relative change from a die to its neighbour along the steepest way up.

    degrees: that way, counter-clockwise from x (right) to y (up), -180 to 180; degrees_half_width: of its 95 % interval, 180 where
    it could be any. p_value: of no gradient at all (F test).
    """

    per_die: Estimate
    degrees: float
    degrees_half_width: float
    p_value: float


@dataclass(frozen=True)
class Components:
    """Spread of one quantity. mean: over dies, S for a conductance, a plain number for the TMR.

    within: standard deviation between good junctions of a die, read noise and lines taken out; line: between the board's lines
    (rows and columns of a kernel); die: between dies, gradient taken out; gradient: None below five dies or without their places.
    All relative to the mean. die_means: of each die, in order, None without a good junction.
    """

    mean: Estimate
    within: Estimate
    line: float | None
    die: Estimate
    gradient: Gradient | None
    die_means: tuple[float | None, ...]


@dataclass(frozen=True)
class DieSample:
    """One die's values, (kernels, rows, columns), and where they are good. noise_variance: of a value by reading alone, on average;
    noise_doubt: its standard error, which dies share."""

    values: Floats
    good: Bools
    noise_variance: float
    noise_doubt: float = 0.0


def components(samples: Sequence[DieSample], places: Sequence[DieIndex] | None, logarithmic: bool = True) -> Components:
    """samples: of at least one die; natural logarithms where `logarithmic`. places: (x, y) of each die, where known."""
    lines = line_effects(samples)
    means = np.array([_mean(each.values - lines, each.good) for each in samples])
    known = np.isfinite(means)
    if not known.any():
        return Components(UNKNOWN, UNKNOWN, None, UNKNOWN, None, tuple(None for _ in samples))
    scale = 1.0 if logarithmic else abs(float(np.mean(means[known])))
    within = _within([each for each, told in zip(samples, known, strict=True) if told], lines, scale)
    relative = (means[known] - float(np.mean(means[known]))) / scale
    die, gradient = _between(relative, None if places is None else np.array(places, np.float64)[known])
    told = tuple(_out(mean, logarithmic) if np.isfinite(mean) else None for mean in means)
    return Components(_centre(means[known], logarithmic), within, float(np.std(lines) / scale), die, gradient, told)


def line_effects(samples: Sequence[DieSample]) -> Floats:
    """(rows, columns) by how much rows and columns of kernels differ from their die on average over all dies, added up."""
    rows, columns = samples[0].values.shape[1:]
    by_row = _shared(samples, np.zeros((rows, columns)), (0, 2))[:, None]
    return by_row + _shared(samples, np.broadcast_to(by_row, (rows, columns)), (0, 1))[None, :]


def _shared(samples: Sequence[DieSample], known: Floats, axes: tuple[int, int]) -> Floats:
    """Mean along one axis of the kernel of what lies beyond the die's mean and what is known; 0 where no junction is good."""
    total, count = (np.zeros(np.delete(samples[0].values.shape, axes)[0]) for _ in range(2))
    for each in samples:
        if each.good.any():
            rest = each.values - known
            total += np.where(each.good, rest - _mean(rest, each.good), 0.0).sum(axis=axes)
            count += each.good.sum(axis=axes)
    return np.where(count > 0, total / np.maximum(count, 1), 0.0)


def _mean(values: Floats, good: Bools) -> float:
    return float(values[good].mean()) if good.any() else float("nan")


def _out(value: float, logarithmic: bool) -> float:
    return float(np.exp(value)) if logarithmic else float(value)


def _centre(means: Floats, logarithmic: bool) -> Estimate:
    """Mean of the population of dies, from those that were measured."""
    middle = float(means.mean())
    if means.size < 2:
        return Estimate(_out(middle, logarithmic), None, None)
    half = float(stats.t.ppf(0.975, means.size - 1) * means.std(ddof=1) / np.sqrt(means.size))
    return Estimate(*(_out(value, logarithmic) for value in (middle, middle - half, middle + half)))


def _within(samples: Sequence[DieSample], lines: Floats, scale: float) -> Estimate:
    """Variances of the dies averaged: their own scatter, not a formula, says how sure the mean is."""
    variances = np.array([np.var((each.values - lines)[each.good]) - each.noise_variance for each in samples]) / scale**2
    mean = float(variances.mean())
    if variances.size < 2:
        return Estimate(float(np.sqrt(max(mean, 0.0))), None, None)
    doubt = float(np.mean([each.noise_doubt for each in samples])) / scale**2
    half = float(stats.t.ppf(0.975, variances.size - 1) * np.hypot(variances.std(ddof=1) / np.sqrt(variances.size), doubt))
    low, middle, high = (float(np.sqrt(max(value, 0.0))) for value in (mean - half, mean, mean + half))
    return Estimate(middle, low, high)


def _between(means: Floats, places: Floats | None) -> tuple[Estimate, Gradient | None]:
    """Relative means of dies, (dies,), and their places, (dies, 2): spread about a plane, and the plane."""
    if places is None or means.size < _LEAST_FOR_GRADIENT or np.linalg.matrix_rank(places - places.mean(axis=0)) < 2:
        return _die_sigma(float(np.sum((means - means.mean()) ** 2)), means.size - 1), None
    design = np.column_stack([np.ones(means.size), places - places.mean(axis=0)])
    fitted = np.asarray(np.linalg.lstsq(design, means, rcond=None)[0], np.float64)
    squares, freedom = float(np.sum((means - design @ fitted) ** 2)), means.size - 3
    return _die_sigma(squares, freedom), _gradient(fitted[1:], design[:, 1:].T @ design[:, 1:], squares, freedom)


def _die_sigma(squares: float, freedom: int) -> Estimate:
    """Standard deviation of a normal from its sum of squares: chi-squared."""
    if freedom < 1:
        return UNKNOWN
    low, high = (float(np.sqrt(squares / stats.chi2.ppf(level, freedom))) for level in (0.975, 0.025))
    return Estimate(float(np.sqrt(squares / freedom)), low, high)


def _gradient(slope: Floats, spread: Floats, squares: float, freedom: int) -> Gradient:
    """slope: per die, x and y. spread: of the places, so that the slope's covariance is variance / spread."""
    variance = max(squares / freedom, np.finfo(np.float64).tiny)
    f = float(slope @ spread @ slope) / (2.0 * variance)
    size, rms = float(np.hypot(*slope)), float(np.sqrt(np.trace(spread) / 2.0))
    low, high = (float(np.sqrt(variance * noncentrality)) / rms for noncentrality in _noncentral(f, freedom))
    half = _angle_half_width(float(np.sqrt(variance)) / rms, size, freedom)
    return Gradient(Estimate(size, low, high), float(np.degrees(np.arctan2(slope[1], slope[0]))), half, float(stats.f.sf(f, 2, freedom)))


def _noncentral(f: float, freedom: int) -> tuple[float, float]:
    """Noncentralities of F(2, freedom) under which f lies at the 97.5 % and at the 2.5 % point; 0 where even none puts it beyond."""
    largest = 1e4
    if f > largest:
        # So far from none, chance does not matter: 2 f within 2 %.
        return 1.96 * f, 2.04 * f
    grid = np.concatenate([[0.0], np.geomspace(1e-2, 8.0 * (f + 20.0), 400)])
    below = np.asarray(stats.ncf.cdf(f, 2, freedom, grid), np.float64)
    # The chance to lie below falls as the noncentrality rises.
    return float(np.interp(-0.975, -below, grid)), float(np.interp(-0.025, -below, grid))


def _angle_half_width(error: float, size: float, freedom: int) -> float:
    """Half the arc, degrees, that holds the direction in 95 %: error is that of the slope in one direction."""
    ratio = float(stats.t.ppf(0.975, freedom)) * error / size if size > 0 else np.inf
    return float(np.degrees(np.arcsin(ratio))) if ratio < 1 else 180.0
