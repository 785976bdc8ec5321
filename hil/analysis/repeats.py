"""What readings beside the two maps say of a junction: that the SMU read it again, and whether two readings of one written state agree.

Rule: a state that is not the same a moment later is no state. Telegraph noise that moves a reading by less than a state is noise."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hil.analysis.limits import Limits
from hil.model.defects import Defect

_BEYOND_NOISE = 6.0
"""Two readings of one junction in 2e9 differ by so many of their standard deviations."""
_STUCK = (Defect.STUCK_P, Defect.STUCK_AP)
_USUAL = 0.014
"""Junctions that keep no state, to one that is stuck. ASSUMPTION: one a die, where 70 are stuck."""
_SHOWN = 0.42
"""Of them, those that two readings of each state some 30 ms apart show, were times to hold spread evenly over 1 ms to 10 s in logarithm."""
_READ_STUCK = 0.01
"""Of the others, those that read alike in both states in spite of write-verify; the rest read good."""
_PRIOR = 0.7
"""Shape of the gamma prior: how far a die's number may be from the usual one."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Repeats:
    """Arrays of the maps' shape, S. p_error, ap_error: standard uncertainty of what was read again by the SMU, NaN where it was not.
    p_change, ap_change: the second of two readings of the same written state, each with half of the map's averages, minus the first; NaN
    where there are no two."""

    p_error: NDArray[np.floating[Any]]
    ap_error: NDArray[np.floating[Any]]
    p_change: NDArray[np.floating[Any]]
    ap_change: NDArray[np.floating[Any]]

    @classmethod
    def none(cls, shape: tuple[int, ...]) -> Self:
        """Every junction read once in each state, by the board."""
        return cls(*(np.full(shape, np.nan) for _ in range(4)))

    def __getitem__(self, index: Any) -> "Repeats":
        return Repeats(self.p_error[index], self.ap_error[index], self.p_change[index], self.ap_change[index])


def changed(repeats: Repeats, limits: Limits, p_noise: Floats, ap_noise: Floats) -> tuple[NDArray[np.bool_], Floats]:
    """Which junctions did not keep a written state, and how far beyond doubt that is, in standard deviations.

    p_noise, ap_noise: of the maps' readings by the board, S; that of a difference of two halves is twice as large.
    """
    beyond = np.full(p_noise.shape, -np.inf)
    for change, noise in ((repeats.p_change, 2.0 * p_noise), (repeats.ap_change, 2.0 * ap_noise)):
        size = np.where(np.isfinite(change), np.abs(change), 0.0)
        excess = np.where(size > _BEYOND_NOISE * noise, (size - limits.stuck) / noise, -np.inf)
        beyond = np.maximum(beyond, excess)
    return beyond > 0, beyond


def doubt_of_keeping(codes: NDArray[np.uint8], repeats: Repeats) -> dict[Defect, float]:
    """Of the junctions that read good or stuck, the share that is likely to keep no state without having shown it.

    Where junctions cannot be written, some keep nothing; how many, what showed itself says, against what is usual (the mean of a Poisson
    number with a gamma prior). Readings once in a state show none.
    """
    stuck = int(np.isin(codes, _STUCK).sum())
    usual, shown, good = _USUAL * stuck, int((codes == Defect.UNSTABLE).sum()), int((codes == Defect.GOOD).sum())
    if not stuck or not good:
        return {}
    if not (np.isfinite(repeats.p_change).any() or np.isfinite(repeats.ap_change).any()):
        return {Defect.GOOD: min(usual / good, 1.0)}
    expected = _SHOWN * usual
    unseen = (1.0 - _SHOWN) / _SHOWN * (shown + _PRIOR) * expected / (expected + _PRIOR)
    shares = dict.fromkeys(_STUCK, min(_READ_STUCK * unseen / stuck, 1.0))
    return {Defect.GOOD: min((1.0 - _READ_STUCK) * unseen / good, 1.0), **shares}


def unstable(codes: NDArray[np.uint8], which: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """codes with those that did not keep a state; metal and open paths have none that they could keep."""
    return np.where(which & ~np.isin(codes, (Defect.SHORT, Defect.OPEN)), np.uint8(Defect.UNSTABLE), codes)
