"""What a good junction looks like: of this die where enough of its junctions switch, else an assumed nominal one.

Rule: only junctions that switch can be good, so that no majority of opens, shorts or stuck ones sets the scale. Among those
start from the median and the MAD, which half of them must corrupt before they fail, keep what lies near, and repeat with mean
and spread of what was kept until the set no longer changes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_MAD_TO_SIGMA = 1.4826
_KEEP_SIGMAS = 4.0
_ROUNDS = 10
_SWITCHES_BY_NOISE = 5.0
_SWITCHES_BY_SHARE = 0.2
"""Of the AP conductance: good cells behind a transistor change by 50 to 80 %, shorts by about 1 %."""
_SWITCHES_BY_SIEMENS = 1e-6
"""A sixth of the converter's step at 0.1 V; what a read path leaves of an open junction lies below."""
_ENOUGH_SHARE = 0.05
_ENOUGH_JUNCTIONS = 30


@dataclass(frozen=True)
class Reference:
    """All in S. p, ap: mean conductance of good junctions in each state; p_sigma: spread between junctions in the P state,
    read noise taken out; gap: mean of P minus AP; junctions: how many the figures rest on, 0 for an assumption."""

    p: float
    ap: float
    p_sigma: float
    gap: float
    junctions: int


NOMINAL = Reference(p=335e-6, ap=186e-6, p_sigma=27e-6, gap=149e-6, junctions=0)
"""ASSUMPTION, nothing measured: an 80 nm pillar of 10 Ohm um2 and TMR 120 % behind 1 kOhm (physics-and-paper.md C5).
p_sigma: 8 %, junction and die spread together, since it must hold for any die."""


def find_reference(p: NDArray[np.float64], ap: NDArray[np.float64], p_noise: float) -> Reference | None:
    """p, ap: conductance of the same junctions in both states, flat, finite. p_noise: rms read noise in the P state, S.

    None when too few junctions switch to tell what a good one is: under 5 % of those read, or under 30.
    """
    smallest = max(_SWITCHES_BY_NOISE * p_noise, _SWITCHES_BY_SIEMENS)
    switches = p - ap > np.maximum(_SWITCHES_BY_SHARE * ap, smallest)
    if np.count_nonzero(switches) < max(_ENOUGH_SHARE * p.size, _ENOUGH_JUNCTIONS):
        return None
    return _of_most(p[switches], ap[switches], p_noise)


def _of_most(p: NDArray[np.float64], ap: NDArray[np.float64], p_noise: float) -> Reference | None:
    kept = _near_median(p) & _near_median(ap) & _near_median(p - ap)
    for _ in range(_ROUNDS):
        if not kept.any():
            return None
        again = _near_mean(p, kept) & _near_mean(ap, kept) & _near_mean(p - ap, kept)
        if np.array_equal(again, kept):
            break
        kept = again
    return _reference(p[kept], ap[kept], p_noise) if kept.any() else None


def _reference(p: NDArray[np.float64], ap: NDArray[np.float64], p_noise: float) -> Reference:
    spread = float(np.sqrt(max(float(np.var(p)) - p_noise**2, 0.0)))
    return Reference(float(np.mean(p)), float(np.mean(ap)), spread, float(np.mean(p - ap)), int(p.size))


def _near_median(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    middle = np.median(values)
    sigma = _MAD_TO_SIGMA * np.median(np.abs(values - middle))
    return np.abs(values - middle) <= _KEEP_SIGMAS * sigma


def _near_mean(values: NDArray[np.float64], kept: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.abs(values - np.mean(values[kept])) <= _KEEP_SIGMAS * np.std(values[kept])
