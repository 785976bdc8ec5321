"""Up, down, and what overtravel is. Lengths in um, z grows upward.

Rule 1: every move is allowed from a state just read, and verified by reading back. Rule 2: overtravel is reached step by step, each
verified. Rule 3: whatever goes wrong on the way up, the needles come off the wafer before anybody is told.
Rule 4: the prober itself lets nothing above contact height but by its overtravel, so pressing widens that first, never beyond what is
asked for, and the commissioned one is put back once the needles are up.
Source: MPI's manual on move_chuck_z ("maximum permitted height"), as quoted by users.
"""

from collections.abc import Generator
from contextlib import contextmanager, suppress

from drivers.errors import DriverError, LinkError, OverLimit, PositionNotVerified, ProtocolError
from drivers.prober import sentio_commands as say
from drivers.prober import sentio_commands_chuck as chuck
from drivers.prober.motion_rules import Motion
from drivers.prober.sentio_codes import CONTACT_HEIGHT_NOT_SET, ProberError, is_unknown_command
from drivers.prober.sentio_deadlines import Command
from drivers.prober.sentio_guard import Guard
from drivers.prober.sentio_state import Stand
from drivers.prober.sentio_words import ZReference
from drivers.values import ProberState


class SentioChuck:
    """step_um: largest step of overtravel."""

    def __init__(self, guard: Guard, step_um: float = 10.0) -> None:
        self._guard, self._session, self._reader = guard, guard.session, guard.reader
        self._step_um = step_um
        self._commissioned: Stand | None = None  # before pressing changed its overtravel

    # --- up
    def contact(self) -> ProberState:
        """To contact height, then step by step to the overtravel gap where overtravel is on.

        Raises MotionRefused naming every precondition that does not hold, OverLimit for a gap beyond the lab's limit,
        PositionNotVerified; after anything else than a refusal the chuck has been separated, or a note of the error says why not.
        """
        self._put_back_overtravel()
        stand = self._guard.require(Motion.CONTACT)
        gap_um = stand.heights.overtravel_gap_um if stand.overtravel_on else 0.0
        self._guard.limits.check_overtravel(gap_um, self._session.name)
        with self._upward():
            self._rise(stand, 0, gap_um)
            self._climb(stand, 0.0, gap_um)
            return self._reader.state()

    def press(self, overtravel_um: float) -> ProberState:
        """In contact, to another overtravel above contact height: up step by step, down at once. Raises as `contact`."""
        self._guard.limits.check_overtravel(overtravel_um, self._session.name)
        stand = self._guard.require(Motion.PRESS)
        with self._upward():
            self._widen_overtravel(stand, overtravel_um)
            self._climb(stand, max(stand.z_um - stand.heights.contact_um, 0.0), overtravel_um)
            return self._reader.state()

    def hover(self) -> ProberState:
        """To hover height, just below contact. Raises as `contact`."""
        stand = self._guard.require(Motion.HOVER)
        if not 0 < stand.heights.hover_gap_um < stand.heights.separation_gap_um:
            raise OverLimit(f"{self._session.name}: hover gap {stand.heights.hover_gap_um:g} um is not between contact and separation")
        self._session.ask(chuck.enable_hover(True))
        with self._upward():
            self._session.move(chuck.HOVER).floats(1)
            self._verify_z(stand.heights.contact_um - stand.heights.hover_gap_um)
            return self._reader.state()

    def _climb(self, stand: Stand, from_um: float, to_um: float) -> None:
        while from_um != to_um:
            from_um = to_um if to_um < from_um else min(from_um + self._step_um, to_um)
            self._rise(stand, from_um, to_um)

    def _rise(self, stand: Stand, depth_um: float, final_um: float) -> None:
        """final_um: where a prober may stand already that adds its overtravel by itself."""
        version = self._reader.version()
        if depth_um == final_um == 0 and not stand.overtravel_on and not say.has_stage_groups(version):
            self._session.move(chuck.CONTACT).floats(1)
        else:
            self._session.move(chuck.move_z(version, ZReference.CONTACT, depth_um))
        self._verify_z(stand.heights.contact_um + depth_um, stand.heights.contact_um + final_um)

    def _verify_z(self, target_um: float, *also_um: float) -> None:
        z_um = self._reader.z_um()
        if not any(abs(z_um - each) <= self._reader.grid.z_tolerance_um for each in (target_um, *also_um)):
            raise PositionNotVerified(f"{self._session.name}: sent up to {target_um:g} um, it reads back {z_um:g} um; look at it")

    def _widen_overtravel(self, stand: Stand, to_um: float) -> None:
        """Settings, no move; but a prober that takes them for one is found out."""
        gap_um = stand.heights.overtravel_gap_um
        if to_um <= (gap_um if stand.overtravel_on else 0.0):
            return
        self._commissioned = self._commissioned or stand
        if to_um > gap_um:
            self._session.ask(chuck.set_overtravel_gap(to_um))
        if not stand.overtravel_on:
            self._session.ask(chuck.enable_overtravel(True))
        self._verify_z(stand.z_um, stand.heights.contact_um + to_um)

    def _put_back_overtravel(self) -> None:
        """As it was before pressing. Raises DriverError, then it is tried again next time."""
        before = self._commissioned
        if before is not None:
            self._session.take_control()
            self._session.ask(chuck.enable_overtravel(before.overtravel_on))
            self._session.ask(chuck.set_overtravel_gap(before.heights.overtravel_gap_um))
            self._commissioned = None

    @contextmanager
    def _upward(self) -> Generator[None]:
        try:
            yield
        except BaseException as error:
            try:
                self.separate()
                error.add_note("the chuck was separated")
            except DriverError as worse:
                error.add_note(f"separating failed too: {worse}")
            raise

    # --- down
    def separate(self) -> ProberState:
        """Asks nothing first. Repeated once on a new connection after a fault of the wire. Where no contact height is set, or this version
        lacks the command, down all the same. Raises PositionNotVerified when the needles may still touch."""
        try:
            stand = self._separated()
        except (LinkError, ProtocolError):
            stand = self._separated()
        with suppress(DriverError):  # The needles are up, that is what counts here; the next contact insists.
            self._put_back_overtravel()
        return self._reader.state_beside(stand)

    def _separated(self) -> Stand:
        self._lower()
        stand = self._reader.stand()
        if not stand.state.clear:
            raise PositionNotVerified(
                f"{self._session.name}: sent to separation, it reads back z = {stand.z_um:g} um with contact at "
                f"{stand.heights.contact_um:g} um; treat it as in contact"
            )
        return stand

    def _lower(self) -> None:
        try:
            self._session.separate()
        except ProberError as error:
            another = self._another_way_down(error)
            if another is None:
                raise
            self._session.separate(another)

    def _another_way_down(self, error: ProberError) -> Command | None:
        if error.code == CONTACT_HEIGHT_NOT_SET:
            # Without a contact height there is no separation height either: the bottom of the axis is clear of everything.
            return chuck.move_z(self._reader.version(), ZReference.ZERO, 0)
        return chuck.move_z(self._reader.version(), ZReference.SEPARATION, 0) if is_unknown_command(error) else None
