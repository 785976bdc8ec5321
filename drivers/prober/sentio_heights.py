"""Heights that an operator commissioned: read, changed within reason, and read back. Lengths in um.

Rule: never changed while needles may touch, never by more than a wafer's thickness varies, never silently restored from a project.
"""

from dataclasses import fields

from drivers.errors import OverLimit, PositionNotVerified
from drivers.prober import sentio_commands_chuck as chuck
from drivers.prober.motion_rules import Motion
from drivers.prober.sentio_guard import Guard
from drivers.prober.sentio_state import Heights

CONTACT_WINDOW_UM = 500.0
"""Farther from the commissioned contact height than that is another wafer or another probe card: set it at the prober, looking."""
_TOLERANCE_UM = 0.5


class SentioHeights:
    def __init__(self, guard: Guard) -> None:
        self._guard, self._session, self._reader = guard, guard.session, guard.reader

    def read(self) -> Heights:
        """NaN while the contact height is not set."""
        return self._reader.stand().heights

    def set(self, heights: Heights) -> Heights:
        """Returns what is read back. Raises MotionRefused unless separated, OverLimit for an overtravel beyond the lab's, a separation that
        separates nothing, and a contact height that is far from the one that is set, or the first one."""
        self._guard.limits.check_overtravel(heights.overtravel_gap_um, self._session.name)
        before = self._guard.require(Motion.SET_HEIGHTS).heights
        near = abs(heights.contact_um - before.contact_um) <= CONTACT_WINDOW_UM
        if not near or not heights.separation_gap_um > 2 * self._reader.grid.z_tolerance_um:
            raise OverLimit(
                f"{self._session.name}: contact {heights.contact_um:g} um with a separation gap of {heights.separation_gap_um:g} um; "
                f"{before.contact_um:g} um is set and may be changed by {CONTACT_WINDOW_UM:g} um from here; set it at the prober, looking"
            )
        values = (heights.contact_um, heights.separation_gap_um, heights.overtravel_gap_um, heights.hover_gap_um)
        self._session.ask(chuck.set_site_heights(*values))
        return self._read_back(heights)

    def set_overtravel(self, on: bool) -> float:
        """Whether the next contact goes on to the commissioned overtravel gap; returns that gap, um.

        Raises OverLimit when the gap is beyond the lab's limit, MotionRefused unless separated.
        """
        stand = self._guard.require(Motion.SET_OVERTRAVEL)
        if on:
            self._guard.limits.check_overtravel(stand.heights.overtravel_gap_um, self._session.name)
        self._session.ask(chuck.enable_overtravel(on))
        if self._reader.stand().overtravel_on is not on:
            raise PositionNotVerified(f"{self._session.name}: overtravel was switched {'on' if on else 'off'} and reads back otherwise")
        return stand.heights.overtravel_gap_um

    def set_overtravel_gap(self, gap_um: float) -> float:
        """Returns what is read back, um. Raises OverLimit, MotionRefused unless separated."""
        self._guard.limits.check_overtravel(gap_um, self._session.name)
        before = self._guard.require(Motion.SET_OVERTRAVEL).heights
        self._session.ask(chuck.set_overtravel_gap(gap_um))
        return self._read_back(Heights(before.contact_um, before.separation_gap_um, gap_um, before.hover_gap_um)).overtravel_gap_um

    def _read_back(self, wanted: Heights) -> Heights:
        found = self.read()
        for each in fields(Heights):
            was, should = getattr(found, each.name), getattr(wanted, each.name)
            if not abs(was - should) <= _TOLERANCE_UM:
                raise PositionNotVerified(f"{self._session.name}: {each.name} was set to {should:g} um and reads back {was:g} um")
        return found
