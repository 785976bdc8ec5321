"""What the chuck may do in which state. Rule 1: nothing about permission to move lives anywhere else.
Rule 2: the state is read back from the prober before every move, never remembered from what was sent."""

from enum import StrEnum

from drivers.errors import MotionRefused


class ChuckState(StrEnum):
    """SEPARATED: at separation height or below. IN_CONTACT: anywhere above it. UNKNOWN: heights not set, not readable or not numbers."""

    SEPARATED = "separated"
    IN_CONTACT = "in contact"
    UNKNOWN = "at an unknown height"


class Motion(StrEnum):
    STEP_TO_DIE = "move to another die"
    CONTACT = "move up to contact"
    SEPARATE = "separate"
    SET_OVERTRAVEL = "change the overtravel"


ALLOWED: dict[tuple[ChuckState, Motion], bool] = {
    (ChuckState.SEPARATED, Motion.STEP_TO_DIE): True,
    (ChuckState.SEPARATED, Motion.CONTACT): True,
    (ChuckState.SEPARATED, Motion.SEPARATE): True,
    (ChuckState.SEPARATED, Motion.SET_OVERTRAVEL): True,
    (ChuckState.IN_CONTACT, Motion.STEP_TO_DIE): False,
    (ChuckState.IN_CONTACT, Motion.CONTACT): False,
    (ChuckState.IN_CONTACT, Motion.SEPARATE): True,
    (ChuckState.IN_CONTACT, Motion.SET_OVERTRAVEL): False,
    (ChuckState.UNKNOWN, Motion.STEP_TO_DIE): False,
    (ChuckState.UNKNOWN, Motion.CONTACT): False,
    (ChuckState.UNKNOWN, Motion.SEPARATE): True,
    (ChuckState.UNKNOWN, Motion.SET_OVERTRAVEL): False,
}


def chuck_state(z_um: float, contact_um: float, separation_gap_um: float, tolerance_um: float) -> ChuckState:
    """State from heights above z zero, um (z grows upward); NaN and a gap within twice the tolerance are UNKNOWN."""
    separated_um = contact_um - separation_gap_um + tolerance_um
    if not separation_gap_um > 2 * tolerance_um:
        return ChuckState.UNKNOWN
    if z_um <= separated_um:
        return ChuckState.SEPARATED
    if z_um > separated_um:
        return ChuckState.IN_CONTACT
    return ChuckState.UNKNOWN


def require_allowed(state: ChuckState, motion: Motion, prober: str, z_um: float) -> None:
    """Raises MotionRefused naming the prober, the state, the height and what to do."""
    if not ALLOWED[state, motion]:
        remedy = "separate" if state is ChuckState.IN_CONTACT else "set the contact height at the prober, or separate"
        raise MotionRefused(f"{prober}: may not {motion.value} while the chuck is {state.value} (z = {z_um:g} um); {remedy} first")
