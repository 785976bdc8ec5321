"""The chuck of the simulated prober: where it is by which reference, and what it does when told to go somewhere.

Frames: every reference counts in the wafer's frame (x right, y up), as the map does: where the needles stand over the chuck. They
differ in their origin only. The stage itself runs the other way, because it moves the wafer and not the needles. z grows upward.
Assumptions: that Z and M count that way too, axis limits and fences, LockContact answering 12 in contact and 38 between contact and
separation, that a move by coordinates is carried out as told in contact too unless LockContact forbids it.
"""

import math
from collections.abc import Callable

from simulator.instruments.sentio.axes import SPEEDS, Direction, Lift, Move, StageMove, Turn
from simulator.instruments.sentio.codes import Code
from simulator.instruments.sentio.scripts import Way
from simulator.instruments.sentio.sites import Z_LIMIT_UM, Heights, Site, fresh_sites
from simulator.instruments.sentio.words import SentioError
from simulator.world import World

XY_LIMIT_UM = 300_000.0
CENTRE_UM = (150_000.0, 150_000.0)
LIFT_Z_UM, LOAD_Z_UM = 10_000.0, 1_000.0
FENCES = ("Round", "Rectangle", "SoftwareLimit", "Disable", "Disabled")
FENCE_UM = 145_000.0
LOAD_PLACES = {
    "front": ("FrontLoad", (150_000.0, 6_000.0)),
    "side": ("SideLoad", (6_000.0, 150_000.0)),
    "center": ("Probing", CENTRE_UM),
}
BACK_TO_CONTACT, STEP_TO_SEPARATION, LOCK_CONTACT = "BackToContact", "StepToSeparation", "LockContact"
STEPPING_MODES = (BACK_TO_CONTACT, STEP_TO_SEPARATION, LOCK_CONTACT)

Place = tuple[float, float]


def mirrored(place_um: Place) -> Place:
    """Stage position -> the same counted from zero as everybody outside counts; and back."""
    return (2.0 * CENTRE_UM[0] - place_um[0], 2.0 * CENTRE_UM[1] - place_um[1])


class Chuck:
    """now_ns: the time. require_ready: raises SentioError when the machine may not move; told in which direction.

    lift_by_um: how much higher than commissioned the contact is here, as far as somebody measured it.
    """

    def __init__(self, world: World, now_ns: Callable[[], int], require_ready: Callable[[Direction], None]) -> None:
        self.world, self.needles = world, world.needles
        self.sites = fresh_sites(CENTRE_UM)
        self.active = "Wafer"
        self.stepping_mode = BACK_TO_CONTACT
        self.speed_name = "Normal"
        self.soft_contact = False
        self.fence = "SoftwareLimit"
        self.hint = "Probing"
        self.user_origin_um: Place = (0.0, 0.0)
        self.misses = 0
        self.moving: Move | None = None
        self.lift_by_um: Callable[[], float] = lambda: 0.0
        self._now_ns, self._require_ready = now_ns, require_ready

    # --- what a move asks and tells
    @property
    def speed(self) -> float:
        return SPEEDS[self.speed_name]

    @property
    def now_ns(self) -> int:
        return self._now_ns()

    def require_ready(self, direction: Direction) -> None:
        self._require_ready(direction)

    def slid(self) -> None:
        """A wafer that nothing holds stays behind a little."""
        if self.needles.wafer_loaded and not self.wafer.vacuum_on:
            self.needles.slip()

    def lifted(self, from_um: float, to_um: float) -> None:
        """Counts how often the wafer's site came up to contact height and the needles met nothing there."""
        came_up = self.wafer.at_contact(to_um) and not self.wafer.at_contact(from_um)
        if self.active == "Wafer" and came_up and not self.needles.touching:
            self.misses += 1

    # --- what others know it by: the wafer's site
    @property
    def wafer(self) -> Site:
        return self.sites["Wafer"]

    @property
    def site(self) -> Site:
        """The active one."""
        return self.sites[self.active]

    @property
    def vacuum_on(self) -> bool:
        return self.wafer.vacuum_on

    @vacuum_on.setter
    def vacuum_on(self, on: bool) -> None:
        self.wafer.vacuum_on = on

    @property
    def overtravel_on(self) -> bool:
        return self.wafer.overtravel_on

    @overtravel_on.setter
    def overtravel_on(self, on: bool) -> None:
        self.wafer.overtravel_on = on

    @property
    def heights(self) -> Heights:
        return self.wafer.heights

    # --- where it is, on its way too
    @property
    def stage_um(self) -> Place:
        return self.moving.at() if isinstance(self.moving, StageMove) else self.needles.stage_um

    @property
    def z_um(self) -> float:
        return self.moving.at() if isinstance(self.moving, Lift) else self.needles.z_um

    @property
    def theta_deg(self) -> float:
        return self.moving.at() if isinstance(self.moving, Turn) else self.needles.theta_deg

    def above_separation(self) -> bool:
        return self.site.above_separation(self.z_um)

    def origin_um(self, reference: str, site: Site | None = None) -> Place:
        """Stage position that a reference counts from; for h and u raises SentioError HOME_POSITION_NOT_SET."""
        if reference == "c":
            return CENTRE_UM
        home = (site or self.site).home()
        if reference == "h":
            return home
        return (home[0] - self.user_origin_um[0], home[1] - self.user_origin_um[1])

    def xy_um(self, reference: str, site: Site | None = None) -> Place:
        """Position for a reference: z, m from zero, h and u from home, c from the axes' centre."""
        x, y = self.stage_um
        if reference in ("z", "m", "a"):
            return mirrored((x, y))
        if reference == "r":
            return (0.0, 0.0)
        origin = self.origin_um(reference, site)
        return (origin[0] - x, origin[1] - y)

    def stage_for(self, reference: str, x_um: float, y_um: float) -> Place:
        """Stage position of a place. Raises SentioError: home not set, or outside the axes or the fence."""
        if reference in ("z", "m", "a"):
            return self.allowed(mirrored((x_um, y_um)))
        origin = self.stage_um if reference == "r" else self.origin_um(reference)
        return self.allowed((origin[0] - x_um, origin[1] - y_um))

    def allowed(self, to_um: Place) -> Place:
        """Raises SentioError ARGUMENT_OUT_OF_BOUNDS for a place outside the axes or the fence."""
        x, y = (value - centre for value, centre in zip(to_um, CENTRE_UM, strict=True))
        beyond = max(abs(x), abs(y)) > XY_LIMIT_UM / 2.0
        if self.fence == "Rectangle":
            beyond |= max(abs(x), abs(y)) > FENCE_UM
        elif self.fence == "Round":
            beyond |= math.hypot(x, y) > FENCE_UM
        if beyond:
            raise SentioError(Code.ARGUMENT_OUT_OF_BOUNDS, f"Target {to_um[0]:.1f}, {to_um[1]:.1f} um is outside the axis limits")
        return to_um

    def z_origin_um(self, reference: str) -> float:
        """Raises SentioError CONTACT_HEIGHT_NOT_SET for references that count from it."""
        if reference in ("z", "r", "realpos"):
            return self.z_um if reference == "r" else 0.0
        heights = self.site.heights
        gap = {"c": 0.0, "s": heights.separation_gap_um, "h": heights.hover_gap_um}[reference]
        return heights.contact() - gap

    def z_from(self, reference: str) -> float:
        return self.z_um - self.z_origin_um(reference)

    # --- moves, by coordinates
    def refuse_in_locked_contact(self) -> None:
        if self.stepping_mode != LOCK_CONTACT or not self.above_separation():
            return
        text = f"Chuck is locked in contact (z = {self.z_um:.1f} um), move to separation first"
        code = Code.INVALID_OPERATION if self.site.at_contact(self.z_um) else Code.STEPPING_WITH_WRONG_Z_POSITION
        raise SentioError(code, text)

    def go(self, to_um: Place) -> Way:
        """As told, in contact too, unless LockContact forbids it: a prober obeys."""
        self.refuse_in_locked_contact()
        yield StageMove(self, to_um)
        self.site.last_um = self.stage_um

    def lift_to(self, z_um: float) -> Way:
        """Raises SentioError ARGUMENT_OUT_OF_BOUNDS below the axis and above the maximum permitted height."""
        highest_um = self.site.highest_um() + max(self.lift_by_um(), 0.0)
        if not 0.0 <= z_um <= min(highest_um, Z_LIMIT_UM):
            raise SentioError(Code.ARGUMENT_OUT_OF_BOUNDS, f"Target z {z_um:.1f} um is outside 0 to {highest_um:.1f} um")
        yield Lift(self, z_um)

    def turn_to(self, theta_deg: float) -> Way:
        self.refuse_in_locked_contact()
        if abs(theta_deg) > 180.0:
            raise SentioError(Code.ARGUMENT_OUT_OF_BOUNDS, f"Angle {theta_deg:g} deg is outside -180 to 180 deg")
        yield Turn(self, theta_deg)

    # --- moves, by height
    def contact(self) -> Way:
        """Contact height, and overtravel beyond it where enabled. Raises SentioError for what is missing."""
        site = self.site
        contact_um = site.heights.contact() + self.lift_by_um()
        if self.hint != "Probing":
            raise SentioError(Code.INVALID_OPERATION, "Chuck is not at the probing area")
        self.require_vacuum()
        yield Lift(self, contact_um + (site.heights.overtravel_gap_um if site.overtravel_on else 0.0), self.soft_contact)

    def require_vacuum(self) -> None:
        """Raises SentioError VACUUM_FAILED."""
        if self.active == "Wafer" and not self.wafer.vacuum_on:
            raise SentioError(Code.VACUUM_FAILED, "Vacuum is off")

    def separate(self) -> Way:
        yield Lift(self, self.site.heights.separation())

    def leave_contact(self) -> Way:
        """To separation, where it is higher."""
        if self.above_separation():
            yield from self.separate()

    def hover(self) -> Way:
        if not self.site.hover_on:
            raise SentioError(Code.INVALID_OPERATION, "Hover height is not enabled")
        yield Lift(self, self.z_origin_um("h"))

    def down_to(self, z_um: float) -> Way:
        """No higher than that."""
        if self.z_um > z_um:
            yield Lift(self, z_um)

    def back_up_to(self, z_um: float) -> Way:
        if self.z_um < z_um:
            yield Lift(self, z_um)

    # --- moves with a policy
    def step_to(self, to_um: Place, stays: bool = False) -> Way:
        """What is in contact separates first, and comes back if it shall. stays: everything but the move sideways."""
        self.refuse_in_locked_contact()
        was_in_contact, was_above, back_um = self.site.at_contact(self.z_um), self.above_separation(), self.z_um
        yield from self.leave_contact()
        if not stays:
            yield StageMove(self, to_um)
            self.site.last_um = self.stage_um
        if was_above and self.stepping_mode == BACK_TO_CONTACT:
            if was_in_contact:
                yield from self.contact()
            else:
                yield Lift(self, back_um)

    def to_load_place(self, where: str) -> Way:
        """Down, then to a door or back to the middle. where: a key of LOAD_PLACES."""
        hint, place = LOAD_PLACES[where]
        yield from self.down_to(LOAD_Z_UM)
        yield StageMove(self, place)
        self.hint, self.active = hint, "Wafer"

    def to_site(self, name: str) -> Way:
        """Where the chuck last stood on a site, low on the way; at separation there, if that is known."""
        if name == self.active and self.hint == "Probing":
            return
        self.refuse_in_locked_contact()
        self.site.last_um = self.stage_um if self.hint == "Probing" else self.site.last_um
        yield from self.down_to(LIFT_Z_UM)
        yield StageMove(self, self.sites[name].last_um)
        self.active, self.hint = name, "Probing"
        if self.site.heights.contact_um is not None:
            yield from self.separate()
