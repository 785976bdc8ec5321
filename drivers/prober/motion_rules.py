"""What the chuck may do in which state. Rule 1: nothing about permission to move lives anywhere else.
Rule 2: the state is read back from the prober before every move, never remembered from what was sent.
Rule 3: down is allowed always, to everybody; in contact nothing else but to lock, to hold, and a step up within the overtravel limit.
Rule 4: a wafer that no vacuum holds is moved to and from a door only: under any other move it would slip, and lie elsewhere.
"""

import math
from collections.abc import Callable
from enum import StrEnum

from drivers.errors import MotionRefused

LOWERED_UM = 1_000.0
"""Above z zero: with the chuck at the bottom of its axis no needle is near, whether heights are set or not."""


class ChuckState(StrEnum):
    """SEPARATED: at separation height or below. LOWERED: at the bottom of its axis, and no contact height is set.

    HOVERING: between separation and contact, where a tilted chuck may touch already. IN_CONTACT: from contact height to the overtravel
    limit. TOO_HIGH: beyond it. UNKNOWN: anything else.
    """

    SEPARATED = "separated"
    LOWERED = "lowered"
    HOVERING = "between separation and contact"
    IN_CONTACT = "in contact"
    TOO_HIGH = "beyond the overtravel limit"
    UNKNOWN = "at an unknown height"

    @property
    def clear(self) -> bool:
        """Surely no needle touches."""
        return self in (ChuckState.SEPARATED, ChuckState.LOWERED)


class Motion(StrEnum):
    SEPARATE = "separate"
    STOP = "stop"
    LOCK = "forbid steps in contact"
    HOLD = "hold the wafer by vacuum or lock a door"
    NOTE = "bin a die, count or signal"
    STEP = "move to another die"
    SIDEWAYS = "move sideways"
    TURN = "turn the chuck"
    CONTACT = "move up to contact"
    HOVER = "move up to hover height"
    PRESS = "change the overtravel in contact"
    SET_OVERTRAVEL = "change the overtravel"
    SET_HEIGHTS = "change the heights"
    SET_MAP = "change the wafer map"
    INITIALISE = "initialise"
    LOAD = "load or unload"
    ALIGN = "align"
    CLEAN = "clean the needles"
    HEAT = "change the temperature"
    RELEASE = "release the vacuum or unlock a door"


class Need(StrEnum):
    """What a motion needs; the value is what is told when it is not so."""

    HOME = "the home position is not set; set it at the prober"
    CONTACT_HEIGHT = "the contact height is not set; set it at the prober"
    VACUUM = "the chuck vacuum is off; switch it on with the wafer seated"
    DOORS = "a door is open; close it"
    DIE = "the chuck is not verified on a die; go to one first"
    READY = "the machine is not ready; wait for it or initialise it"
    ALIGNED = "the wafer is not aligned; align it first"
    OUTPUT_OFF = "the SMU's output is not verified off; switch it off first"


Needs = frozenset[Need]
Row = dict[ChuckState, Needs | None]

_FREE: Needs = frozenset()
_DOORS: Needs = frozenset((Need.DOORS,))
_HELD: Needs = frozenset((Need.VACUUM,))
_RUNNING: Needs = frozenset((Need.VACUUM, Need.DOORS, Need.READY))
_MAPPED: Needs = frozenset((Need.HOME, Need.VACUUM, Need.READY))
_UP: Needs = frozenset(Need)
_PRESS: Needs = frozenset((Need.VACUUM, Need.DOORS, Need.OUTPUT_OFF))


def _always() -> Row:
    return dict.fromkeys(ChuckState, _FREE)


def _clear(needs: Needs) -> Row:
    """Only while surely no needle touches."""
    return {state: needs if state.clear else None for state in ChuckState}


def _only(needs: Needs, *states: ChuckState) -> Row:
    return {state: needs if state in states else None for state in ChuckState}


RULES: dict[Motion, Row] = {
    Motion.SEPARATE: _always(),
    Motion.STOP: _always(),
    Motion.LOCK: _always(),
    Motion.HOLD: _always(),
    Motion.NOTE: _always(),
    Motion.STEP: _clear(_MAPPED),
    Motion.SIDEWAYS: _clear(_MAPPED),
    Motion.TURN: _clear(_HELD),
    Motion.CONTACT: _only(_UP, ChuckState.SEPARATED, ChuckState.HOVERING),
    Motion.HOVER: _only(_UP, ChuckState.SEPARATED, ChuckState.HOVERING),
    Motion.PRESS: _only(_PRESS, ChuckState.IN_CONTACT),
    Motion.SET_OVERTRAVEL: _only(_FREE, ChuckState.SEPARATED),
    Motion.SET_HEIGHTS: _clear(_FREE),
    Motion.SET_MAP: _clear(_FREE),
    Motion.INITIALISE: _clear(_DOORS),
    Motion.LOAD: _clear(_DOORS),
    Motion.ALIGN: _clear(_RUNNING),
    Motion.CLEAN: _clear(_RUNNING),
    Motion.HEAT: _clear(_FREE),
    Motion.RELEASE: _clear(_FREE),
}
"""What each motion needs in each state; None: it is refused whatever else holds."""


def chuck_state(
    z_um: float, contact_um: float, separation_gap_um: float, tolerance_um: float, overtravel_limit_um: float = math.inf
) -> ChuckState:
    """State from heights above z zero, um (z grows upward). contact_um: NaN while it is not set.

    Anything else that is no number, and a gap within twice the tolerance, which separates nothing, are UNKNOWN.
    """
    if math.isnan(contact_um) and z_um <= LOWERED_UM + tolerance_um:
        return ChuckState.LOWERED
    if not separation_gap_um > 2 * tolerance_um or not math.isfinite(z_um) or not math.isfinite(contact_um):
        return ChuckState.UNKNOWN
    if z_um <= contact_um - separation_gap_um + tolerance_um:
        return ChuckState.SEPARATED
    if z_um < contact_um - tolerance_um:
        return ChuckState.HOVERING
    return ChuckState.IN_CONTACT if z_um <= contact_um + overtravel_limit_um + tolerance_um else ChuckState.TOO_HIGH


def always_allowed(motion: Motion) -> bool:
    """Whether no state refuses it and it needs nothing: then nothing has to be read first."""
    return all(needs == _FREE for needs in RULES[motion].values())


def require_allowed(state: ChuckState, motion: Motion, prober: str, z_um: float, unmet: Callable[[Need], str | None]) -> None:
    """unmet: asked for each need of the motion; what is wrong with it, None when it is met.

    Raises MotionRefused naming the prober, the state and the height, or everything that is missing, and what to do.
    """
    needs = RULES[motion][state]
    if needs is None:
        raise MotionRefused(f"{prober}: may not {motion.value} while the chuck is {state.value} (z = {z_um:g} um); {_remedy(state)} first")
    missing = [text for need in Need if need in needs and (text := unmet(need)) is not None]
    if missing:
        raise MotionRefused(f"{prober}: may not {motion.value}: {'; '.join(missing)}")


def _remedy(state: ChuckState) -> str:
    if state in (ChuckState.UNKNOWN, ChuckState.LOWERED):
        return "set the contact height at the prober, or separate"
    return "separate"
