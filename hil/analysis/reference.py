"""What a good junction looks like: of this die where enough of its junctions switch, else an assumed nominal one.

Rule: only junctions that switch can be good, so that no majority of opens, shorts or stuck ones sets the scale. Among those start from the
median and the MAD, which half of them must corrupt before they fail, and keep what lies near. From there on good is what the class limits
call good, and the limits follow from the good: the contract's definition, repeated until the set no longer changes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hil.analysis.limits import Limits, limits_of
from hil.model.defects import Defect

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

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Reference:
    """All in S. p, ap: mean conductance of good junctions in each state; p_sigma: spread between junctions in the P state, noise taken out;
    gap: mean of P minus AP; junctions: how many the figures rest on, 0 for an assumption.

    ap_sigma, gap_sigma: spread of AP and of the difference. limit_sigma: standard uncertainty of the limit of a short, by far the least
    certain one, as six times a spread stands in it.
    """

    p: float
    ap: float
    p_sigma: float
    gap: float
    junctions: int
    ap_sigma: float = 15e-6
    gap_sigma: float = 12e-6
    limit_sigma: float = 0.0

    @property
    def limits(self) -> Limits:
        return limits_of(self.p, self.ap, self.p_sigma, self.gap)


NOMINAL = Reference(p=335e-6, ap=186e-6, p_sigma=27e-6, gap=149e-6, junctions=0)
"""ASSUMPTION, nothing measured: an 80 nm pillar of 10 Ohm um2 and TMR 120 % behind 1 kOhm (physics-and-paper.md C5).
p_sigma: 8 %, junction and die spread together, since it must hold for any die."""


def find_reference(p: Floats, ap: Floats, p_noise: float, ap_noise: float | None = None, of: int | None = None) -> Reference | None:
    """p, ap: conductance of the same junctions in both states, flat, finite. p_noise, ap_noise: rms noise of a reading, S; the latter as
    the former where it is not told. of: junctions of the die, of which these are a sample; None where they are all of it.

    None when too few junctions switch to tell what a good one is: under 5 % of those read, or under 30.
    """
    smallest = max(_SWITCHES_BY_NOISE * p_noise, _SWITCHES_BY_SIEMENS)
    switches = p - ap > np.maximum(_SWITCHES_BY_SHARE * ap, smallest)
    if np.count_nonzero(switches) < max(_ENOUGH_SHARE * p.size, _ENOUGH_JUNCTIONS):
        return None
    good = _most(p, ap, switches)
    noise = (p_noise, p_noise if ap_noise is None else ap_noise)
    found: Reference | None = None
    for _ in range(_ROUNDS):
        if not good.any():
            return None
        found = _of(p[good], ap[good], noise, of or p.size)
        again = found.limits.classes(p, ap) == Defect.GOOD
        if np.array_equal(again, good):
            break
        good = again
    return found


def _most(p: Floats, ap: Floats, switches: Mask) -> Mask:
    """Those that switch and lie near the median of all that do."""
    near = switches.copy()
    for values in (p, ap, p - ap):
        middle = np.median(values[switches])
        sigma = _MAD_TO_SIGMA * np.median(np.abs(values[switches] - middle))
        near &= np.abs(values - middle) <= _KEEP_SIGMAS * sigma
    return near


def _of(p: Floats, ap: Floats, noise: tuple[float, float], of: int) -> Reference:
    p_noise, ap_noise = noise
    sigma = _without(p, p_noise)
    return Reference(
        p=float(np.mean(p)),
        ap=float(np.mean(ap)),
        p_sigma=sigma,
        gap=float(np.mean(p - ap)),
        junctions=int(p.size),
        ap_sigma=_without(ap, ap_noise),
        gap_sigma=_without(p - ap, float(np.hypot(p_noise, ap_noise))),
        limit_sigma=_limit_sigma(sigma, p_noise, p.size, max(1.0 - p.size / of, 0.0)),
    )


def _without(values: Floats, noise: float) -> float:
    return float(np.sqrt(max(float(np.var(values)) - noise**2, 0.0)))


def _limit_sigma(sigma: float, noise: float, count: int, unseen: float) -> float:
    """Of mean + 6 sigma, S. What was read of a die is a sample of it as far as a share of it is `unseen`; noise adds to both estimates.

    Source: standard errors of a mean, sigma / sqrt(n), and of a standard deviation, sigma / sqrt(2 n).
    """
    sampling = unseen * sigma**2 * (1.0 + 36.0 / 2.0)
    by_noise = noise**2 * (1.0 + 36.0)
    return float(np.sqrt((sampling + by_noise) / count))
