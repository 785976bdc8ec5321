"""What the board is told so that it brings junctions to the right side of the middle between their two states.

Rule 1: one that shall be P never gets a pulse to AP from it, nor the reverse, whatever it reads on the way. The board pulses
towards a target, from either side of it, so a target lies where no reading comes to its far side and stays within reach.
Rule 2: a target is never beyond what the converter can show.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hil.runs.levels import Mask

_MARGIN = 0.1
"""How far beyond the middle a junction has to come, in gaps of the two states: noise between two readings must not undo it."""


@dataclass(frozen=True)
class Window:
    """targets: (rows, columns) S, NaN for a junction to be left alone. tolerance, slack: S, as of BoardWriting."""

    targets: NDArray[np.float64]
    tolerance: float
    slack: float


def windows(to_p: Mask, to_ap: Mask, middle: float, gap: float, shown: tuple[float, float]) -> list[Window]:
    """to_p, to_ap: the junctions to be pulsed. shown: the least and the most that the converter can show, S.

    One for both directions where the converter's range allows it, else one for each. None where the middle leaves no room.
    """
    least, most = shown
    slack = _MARGIN * gap
    up, down = most - middle, middle - least
    if min(up, down) <= slack:
        return []
    both = min(up, down)
    if 2 * both - slack >= max(up, down):
        # A tolerance is one for all: what lies beyond both windows cannot be read.
        return [Window(np.select([to_p, to_ap], [middle + both, middle - both], np.nan), both - slack, slack)]
    one_way = ((to_p, most, up), (to_ap, least, down))
    return [Window(np.where(mask, end, np.nan), reach - slack, slack) for mask, end, reach in one_way if mask.any()]
