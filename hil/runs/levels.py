"""What a kernel's two states look like, from readings of the kernel itself, and which state a junction is in by that.

Rule: nothing is assumed of the die; where its readings cannot tell the states apart, they are not known."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Siemens = NDArray[np.float32]

_ONE_STATE = 0.1
"""Two medians closer than this share of the lower one are one state: the kernel does not switch."""
_ROUNDS = 3
_BROKEN = 3.0
"""So many times the typical conductance, or so many times less, is no state of a junction."""
_PINHOLE = 1.25
_MANY = 0.15
"""Less than this share of the readings is a few dead lines, not a state."""
_BETWEEN, _FEW = 0.2, 0.02
"""Two states are told apart when no more than this share of the readings lies so near, in gaps, to the middle between them."""


@dataclass(frozen=True)
class Levels:
    """Typical conductance of a kernel's two states, S, from its own medians. valid: the two can be told apart."""

    p: float
    ap: float

    @property
    def valid(self) -> bool:
        return self.p - self.ap > _ONE_STATE * abs(self.ap)

    @property
    def midpoint(self) -> float:
        return (self.p + self.ap) / 2

    def near(self, other: "Levels") -> bool:
        """Whether both states are the other's to within a quarter of the gap; one that the other does not know is left out."""
        far = (self.p - self.ap) / 4
        return not (abs(self.p - other.p) >= far or abs(self.ap - other.ap) >= far)

    def could_switch(self, siemens: Siemens) -> Mask:
        """Not farther above P than a pinhole lifts a junction that is no short yet, nor farther below AP than one gap. Beyond lies broken
        metal, which no pulse mends: shorts and opens."""
        gap = self.p - self.ap
        return (siemens > self.ap - gap) & (siemens < self.p + _PINHOLE * gap)


NOT_KNOWN = Levels(float("nan"), float("nan"))


def levels(p: Siemens, ap: Siemens) -> Levels:
    """From readings after writing P and after writing AP; NaN are left out."""
    return Levels(_median(p), _median(ap))


def two_states(siemens: Siemens) -> Levels:
    """From one reading of a kernel that holds both states, as far as one reading can tell; not valid where it cannot.

    What lies between two states is empty; the middle of a single one is where most junctions are. Opens and shorts are
    left out. Whoever goes by it checks afterwards that what he wrote reads so (`near`).
    """
    middle = _median(siemens)
    whole = siemens[(siemens > middle / _BROKEN) & (siemens < middle * _BROKEN)]
    p, ap = (float(share) for share in np.percentile(whole, (90, 10))) if whole.size else (np.nan, np.nan)
    for _ in range(_ROUNDS):
        high = whole > (p + ap) / 2
        p, ap = _median(whole[high]), _median(whole[~high])
    found = Levels(p, ap)
    if not found.valid:
        return NOT_KNOWN
    many = _MANY < np.mean(whole > found.midpoint) < 1 - _MANY
    empty = np.mean(np.abs(whole - found.midpoint) < _BETWEEN * (p - ap)) <= _FEW
    return found if many and empty else NOT_KNOWN


def wrong_state(siemens: Siemens, known: Levels, to_p: bool) -> Mask:
    """Readings on the other side of the midpoint that a pulse could still bring over. NaN is never wrong."""
    if not known.valid:
        return np.zeros(siemens.shape, np.bool_)
    beyond = siemens < known.midpoint if to_p else siemens > known.midpoint
    return beyond & known.could_switch(siemens)


def _median(siemens: Siemens) -> float:
    finite = siemens[np.isfinite(siemens)]
    return float(np.median(finite)) if finite.size else float("nan")
