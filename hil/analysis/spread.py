"""How far the board's lines disagree with each other, from the die's own good junctions: what an uncalibrated board is off by.

Rule: lines of a die are alike on average, so that means of many junctions that differ by more than chance show the board."""

import numpy as np
from numpy.typing import NDArray

_SURELY = 2.0
"""Variance of the lines' means over what chance makes of it; below, nothing is seen."""
_ENOUGH = 4


def line_sigma(siemens: NDArray[np.float64], good: NDArray[np.bool_]) -> float:
    """siemens, good: (kernels, rows, columns). Standard deviation of what rows and columns of the board add, S; 0 where none is seen."""
    return float(np.sqrt(sum(_variance_between(siemens, good, axes) for axes in ((0, 1), (0, 2)))))


def _variance_between(siemens: NDArray[np.float64], good: NDArray[np.bool_], axes: tuple[int, int]) -> float:
    counts = good.sum(axis=axes)
    used = counts >= _ENOUGH
    if np.count_nonzero(used) < _ENOUGH:
        return 0.0
    means = np.where(good, siemens, 0.0).sum(axis=axes)[used] / counts[used]
    by_chance = float(np.var(siemens[good]) * np.mean(1.0 / counts[used]))
    between = float(np.var(means, ddof=1))
    return between - by_chance if between > _SURELY * by_chance else 0.0
