"""Where one class ends and the next begins, all relative to a good junction of the die, and the class that two conductances make.

  short      conductance in the AP state above mean G_P + 6 sigma of G_P
  open       conductance in both states below half of mean G_AP
  unstable   P below AP by more than a quarter of the mean difference: no such state can be written
  stuck      the states differ by less than a quarter of the mean difference; P or AP, whichever mean is nearer
  low TMR    the states differ by less than half of the mean difference

The first that holds wins. Source: definitions of the contract; thresholds follow physics-and-paper.md C2."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.model.defects import Defect

SHORT_SIGMAS = 6.0
OPEN_FRACTION = 0.5
STUCK_FRACTION = 0.25
LOW_TMR_FRACTION = 0.5


@dataclass(frozen=True)
class Limits:
    """All in S. short: of AP; open: of both states; stuck, low_tmr: of P minus AP; middle: between stuck AP and stuck P, of both states'
    mean."""

    short: float
    open: float
    stuck: float
    low_tmr: float
    middle: float

    def classes(self, p: NDArray[np.floating[Any]], ap: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
        """Codes of Defect, of p's shape; what is not finite has none and must be left out."""
        difference = p - ap
        in_p = p + ap > 2.0 * self.middle
        rules = [
            (ap > self.short, Defect.SHORT),
            (np.maximum(p, ap) < self.open, Defect.OPEN),
            (difference <= -self.stuck, Defect.UNSTABLE),
            ((difference < self.stuck) & in_p, Defect.STUCK_P),
            (difference < self.stuck, Defect.STUCK_AP),
            (difference < self.low_tmr, Defect.LOW_TMR),
        ]
        return np.select([rule for rule, _ in rules], [code for _, code in rules], Defect.GOOD).astype(np.uint8)


def limits_of(p: float, ap: float, p_sigma: float, gap: float) -> Limits:
    """From the means of good junctions, S."""
    return Limits(
        short=p + SHORT_SIGMAS * p_sigma,
        open=OPEN_FRACTION * ap,
        stuck=STUCK_FRACTION * gap,
        low_tmr=LOW_TMR_FRACTION * gap,
        middle=(p + ap) / 2.0,
    )
