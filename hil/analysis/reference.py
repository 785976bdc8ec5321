"""What a good junction of this die looks like: means and spreads over the good ones, found without knowing which they are.

Rule: start from the median and the MAD, which half of the junctions must corrupt before they fail, keep what lies near,
and repeat with mean and spread of what was kept until the set no longer changes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_MAD_TO_SIGMA = 1.4826
_KEEP_SIGMAS = 4.0
_ROUNDS = 10


@dataclass(frozen=True)
class Reference:
    """All in S. p, ap: mean conductance of good junctions in each state; p_sigma: spread between junctions in the P state,
    read noise taken out; gap: mean of P minus AP; junctions: how many the figures rest on."""

    p: float
    ap: float
    p_sigma: float
    gap: float
    junctions: int


def find_reference(p: NDArray[np.float64], ap: NDArray[np.float64], p_noise: float) -> Reference | None:
    """p, ap: conductance of the same junctions in both states, flat, finite. p_noise: rms read noise in the P state, S.

    None when the die shows no two states at all (dead, never switched, or nothing measured).
    """
    if p.size == 0:
        return None
    kept = _near_median(p) & _near_median(ap) & _near_median(p - ap)
    for _ in range(_ROUNDS):
        if not kept.any():
            return None
        again = _near_mean(p, kept) & _near_mean(ap, kept) & _near_mean(p - ap, kept)
        if np.array_equal(again, kept):
            break
        kept = again
    return _reference(p[kept], ap[kept], p_noise)


def _reference(p: NDArray[np.float64], ap: NDArray[np.float64], p_noise: float) -> Reference | None:
    if p.size == 0:
        return None
    gap = float(np.mean(p - ap))
    # Two states closer than the noise of their difference are one state.
    if gap <= 3 * p_noise:
        return None
    spread = float(np.sqrt(max(float(np.var(p)) - p_noise**2, 0.0)))
    return Reference(float(np.mean(p)), float(np.mean(ap)), spread, gap, int(p.size))


def _near_median(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    middle = np.median(values)
    sigma = _MAD_TO_SIGMA * np.median(np.abs(values - middle))
    return np.abs(values - middle) <= _KEEP_SIGMAS * sigma


def _near_mean(values: NDArray[np.float64], kept: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.abs(values - np.mean(values[kept])) <= _KEEP_SIGMAS * np.std(values[kept])
