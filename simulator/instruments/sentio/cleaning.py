"""Cleaning the needles: down, over to the pad, so many touches of it, back to where the chuck was, separated.

Assumptions: times; that automatic cleaning takes place before a step from separation, after so many touchdowns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.instruments.sentio.axes import StageMove
from simulator.instruments.sentio.chuck import LIFT_Z_UM
from simulator.instruments.sentio.scripts import Busy, Way

if TYPE_CHECKING:
    from simulator.instruments.sentio.prober import Sentio

PAD_SITE = "AuxLeft"
TOUCH_S, USUAL_TOUCHES, MOST_TOUCHES = 1.0, 3, 100
AUTO_AFTER = 100
"""Touchdowns."""


def clean(sentio: Sentio, touches: int) -> Way:
    chuck = sentio.chuck
    yield from chuck.leave_contact()
    back_um, back_z_um, active = chuck.stage_um, chuck.z_um, sentio.active
    sentio.active = None
    yield from chuck.down_to(LIFT_Z_UM)
    yield StageMove(chuck, chuck.sites[PAD_SITE].last_um)
    yield Busy(TOUCH_S * touches)
    sentio.world.needles.clean(touches)
    yield StageMove(chuck, back_um)
    yield from chuck.back_up_to(back_z_um)
    sentio.active = active


def clean_if_due(sentio: Sentio) -> Way:
    """Automatically, where that is switched on and the chuck is separated."""
    if sentio.auto_cleaning and sentio.world.needles.wear.since_cleaning >= AUTO_AFTER and not sentio.chuck.above_separation():
        yield from clean(sentio, USUAL_TOUCHES)
