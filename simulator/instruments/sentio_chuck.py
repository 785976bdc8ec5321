"""The chuck of the simulated prober: heights, references, how long a move takes, and what it refuses.

Frames: reference H, C, U and R count in the wafer's frame (x right, y up), as the map does; Z (zero) and M (machine) are the
stage's own axes, which run the other way, because the stage moves the wafer and not the needles. z grows upward.
Assumptions: speeds, axis limits, LockContact answering 12.
"""

import math
from dataclasses import dataclass

from simulator.instruments.sentio_words import Code, SentioError
from simulator.world import World

XY_LIMIT_UM = 300_000.0
Z_LIMIT_UM = 20_000.0
CENTRE_UM = (150_000.0, 150_000.0)
FRONT_LOAD_UM = (150_000.0, 5_000.0)
SIDE_LOAD_UM = (5_000.0, 150_000.0)
LOAD_Z_UM = 1_000.0

_XY_SPEED, _XY_ACCELERATION = 60_000.0, 400_000.0
_Z_SPEED, _Z_ACCELERATION = 4_000.0, 40_000.0
_SETTLE_S = 0.02

BACK_TO_CONTACT, STEP_TO_SEPARATION, LOCK_CONTACT = "backtocontact", "steptoseparation", "lockcontact"


def travel_s(distance_um: float, speed: float, acceleration: float) -> float:
    """Time of a move with constant acceleration up to a speed, um/s and um/s2; 0 for no move."""
    distance = abs(distance_um)
    if distance == 0.0:
        return 0.0
    if distance < speed**2 / acceleration:
        return _SETTLE_S + 2.0 * math.sqrt(distance / acceleration)
    return _SETTLE_S + distance / speed + speed / acceleration


@dataclass
class Heights:
    """contact_um: above z zero, None until set. Gaps are from contact, um."""

    contact_um: float | None = None
    separation_gap_um: float = 250.0
    overtravel_gap_um: float = 20.0
    hover_gap_um: float = 50.0

    def contact(self) -> float:
        """Raises SentioError CONTACT_NOT_SET."""
        if self.contact_um is None:
            raise SentioError(Code.CONTACT_NOT_SET, "Contact height not set!")
        return self.contact_um

    def check(self) -> None:
        """Raises SentioError when a height is outside the axis or a gap is negative."""
        contact = self.contact_um if self.contact_um is not None else 0.0
        if self.overtravel_gap_um < 0 or contact + self.overtravel_gap_um > Z_LIMIT_UM:
            raise SentioError(Code.OVERTRAVEL_LIMIT, "Overtravel out of axis limit")
        if not 0 <= contact <= Z_LIMIT_UM or min(self.separation_gap_um, self.hover_gap_um) < 0:
            raise SentioError(Code.OUT_OF_BOUNDS, "Height out of axis limit")


class Chuck:
    """home_stage_um: stage position that counts as home, None until found or set. busy_ns collects what moves take."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.heights = Heights()
        self.home_stage_um: tuple[float, float] | None = None
        self.overtravel_on = False
        self.hover_on = False
        self.vacuum_on = False
        self.stepping_mode = BACK_TO_CONTACT
        self.hint = "Probing"
        self.busy_ns = 0

    # --- where it is
    @property
    def stage_um(self) -> tuple[float, float]:
        return self.world.needles.stage_um

    @property
    def z_um(self) -> float:
        return self.world.needles.z_um

    def home(self) -> tuple[float, float]:
        """Raises SentioError HOME_NOT_SET."""
        if self.home_stage_um is None:
            raise SentioError(Code.HOME_NOT_SET, "Home position not set!")
        return self.home_stage_um

    def above_separation(self) -> bool:
        contact = self.heights.contact_um
        return contact is not None and self.z_um > contact - self.heights.separation_gap_um + 0.5

    def xy_um(self, reference: str) -> tuple[float, float]:
        """Position for a reference: z, m in stage axes; h, u from home and c from the axes' centre, in the wafer's frame."""
        x, y = self.stage_um
        if reference in ("z", "m"):
            return (x, y)
        origin = CENTRE_UM if reference == "c" else self.home()
        return (origin[0] - x, origin[1] - y)

    def z_from(self, reference: str) -> float:
        return self.z_um - self._z_origin(reference)

    def _z_origin(self, reference: str) -> float:
        if reference in ("z", "r"):
            return 0.0 if reference == "z" else self.z_um
        contact = self.heights.contact()
        return {"c": contact, "s": contact - self.heights.separation_gap_um, "h": contact - self.heights.hover_gap_um}[reference]

    # --- moves
    def move_xy(self, reference: str, x_um: float, y_um: float) -> None:
        """As told, in contact too, unless LockContact forbids it: a prober obeys."""
        self.refuse_in_locked_contact()
        if reference in ("z", "m"):
            self._move_stage(x_um, y_um)
            return
        origin = {"c": CENTRE_UM, "r": self.stage_um}.get(reference) or self.home()
        self._move_stage(origin[0] - x_um, origin[1] - y_um)

    def step_to(self, from_home_um: tuple[float, float]) -> None:
        """To a place relative to home, by the stepping policy: what is in contact separates first, and comes back if it shall."""
        home = self.home()
        self.refuse_in_locked_contact()
        back_z_um = self.z_um if self.above_separation() and self.stepping_mode == BACK_TO_CONTACT else None
        if self.above_separation():
            self.separate()
        self._move_stage(home[0] - from_home_um[0], home[1] - from_home_um[1])
        if back_z_um is not None:
            self._move_z(back_z_um)

    def refuse_in_locked_contact(self) -> None:
        if self.stepping_mode == LOCK_CONTACT and self.above_separation():
            raise SentioError(Code.INVALID_OPERATION, f"Chuck is locked in contact (z = {self.z_um:.1f} um), move to separation first")

    def _move_stage(self, x_um: float, y_um: float) -> None:
        if not (0 <= x_um <= XY_LIMIT_UM and 0 <= y_um <= XY_LIMIT_UM):
            raise SentioError(Code.OUT_OF_BOUNDS, f"Target {x_um:.1f}, {y_um:.1f} um is outside the axis limits")
        distance_um = max(abs(x_um - self.stage_um[0]), abs(y_um - self.stage_um[1]))
        self._take(travel_s(distance_um, _XY_SPEED, _XY_ACCELERATION))
        self.world.needles.move_stage(x_um, y_um)

    def move_z(self, reference: str, z_um: float) -> None:
        self._move_z(self._z_origin(reference) + z_um)

    def _move_z(self, z_um: float) -> None:
        if not 0 <= z_um <= Z_LIMIT_UM:
            raise SentioError(Code.OUT_OF_BOUNDS, f"Target z {z_um:.1f} um is outside the axis limits")
        self._take(travel_s(z_um - self.z_um, _Z_SPEED, _Z_ACCELERATION))
        self.world.move_chuck_z(z_um)

    def _take(self, seconds: float) -> None:
        self.busy_ns += round(1e9 * seconds)

    def contact(self) -> None:
        """Contact height, and overtravel beyond it where enabled. Raises SentioError for what is missing."""
        contact = self.heights.contact()
        if not self.vacuum_on:
            raise SentioError(Code.VACUUM_FAILED, "Vacuum is off")
        self._move_z(contact + (self.heights.overtravel_gap_um if self.overtravel_on else 0.0))

    def separate(self) -> None:
        self._move_z(self.heights.contact() - self.heights.separation_gap_um)

    def hover(self) -> None:
        if not self.hover_on:
            raise SentioError(Code.INVALID_OPERATION, "Hover height is not enabled")
        self._move_z(self.heights.contact() - self.heights.hover_gap_um)

    def load_position(self, where: str) -> None:
        """Chuck down, then to the door or back to the middle. Raises SentioError for a place that does not exist."""
        places = {"front": ("FrontLoad", FRONT_LOAD_UM), "side": ("SideLoad", SIDE_LOAD_UM), "center": ("Probing", CENTRE_UM)}
        if where not in places:
            raise SentioError(Code.INVALID_PARAMETER, f"Invalid parameter: {where}")
        self.hint, target = places[where]
        self._move_z(min(self.z_um, LOAD_Z_UM))
        self._move_stage(*target)
