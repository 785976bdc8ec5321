"""MPI SENTIO probe station over its native remote command set, TCP 35555, as a Prober. Lengths in um, z grows upward.

Rule 1: every move is allowed by motion_rules from a state just read back, and every move is verified by reading back.
Rule 2: identifying and reading the state change nothing; `*RCS 1` and LockContact are sent before the first motion.
Source: sentio-prober-control 26.2.0 (command strings), MPI's documentation of move_chuck_contact and map:step_die.
"""

from collections.abc import Iterator

from drivers.errors import LinkError, LinkTimeout, MotionRefused, OverLimit, PositionNotVerified, ProtocolError, WrongInstrument
from drivers.links.visa import VisaLink
from drivers.origin import origin_of
from drivers.prober import sentio_commands as say
from drivers.prober.motion_rules import Motion, require_allowed
from drivers.prober.sentio_session import SentioSession
from drivers.prober.sentio_state import Heights, SentioReader, WaferFrame
from drivers.values import Identity, Placement, ProberState, WireCounts

_SEPARATE_TRIES = 2


def open_sentio(
    address: str,
    timeout_s: float = 5.0,
    *,
    pitch_um: tuple[float, float] = (10_000.0, 10_000.0),
    home: tuple[int, int] = (0, 0),
    overtravel_limit_um: float = 60.0,
    separate_within_s: float | None = None,
) -> "Sentio":
    """Connect; sends nothing. Raises ConnectFailed.

    timeout_s: of connecting and of questions; moves have their own. separate_within_s: of both tries of separating
    together, for those in a hurry, who make no other move; None: the usual deadline of a z move, each.
    """

    def connect() -> VisaLink:
        return VisaLink(address, timeout_s, unit="prober commands")

    z_s = say.Deadlines.z_s if separate_within_s is None else separate_within_s / _SEPARATE_TRIES
    session = SentioSession(connect(), connect, say.Deadlines(query_s=timeout_s, z_s=z_s))
    return Sentio(session, WaferFrame(pitch_um, home), overtravel_limit_um)


class Sentio:
    """Satisfies drivers.protocols.Prober."""

    def __init__(self, session: SentioSession, frame: WaferFrame, overtravel_limit_um: float) -> None:
        self._session = session
        self._frame = frame
        self._overtravel_limit_um = overtravel_limit_um
        self._reader = SentioReader(session, frame)

    def identify(self) -> Identity:
        """Raises WrongInstrument when what answers is no SENTIO."""
        try:
            version = self._reader.version()
            machine_id = self._session.ask(say.MACHINE_ID).message.strip()
        except ProtocolError as error:
            raise WrongInstrument(f"{self._session.name}: no SENTIO answers there; check [prober] address in lab.toml ({error})") from error
        except LinkTimeout as error:
            raise LinkTimeout(f"{error}; is this the SENTIO of [prober] in lab.toml?") from error
        return Identity("MPI", "SENTIO", machine_id, ".".join(str(part) for part in version), *origin_of(machine_id))

    def state(self) -> ProberState:
        """die is None unless the die index and the chuck's position agree. in_contact: not surely separated."""
        return self._reader.state()

    def go_to_die(self, x: int, y: int) -> ProberState:
        """Raises MotionRefused unless separated, PositionNotVerified when die or position read back differ from the plan."""
        self._session.take_control()
        self._require(Motion.STEP_TO_DIE)
        answered = self._session.move(say.step_die(x, y), self._session.deadlines.step_s).ints(3)[:2]
        found = self._reader.position()
        if answered != (x, y) or found.index != (x, y) or not self._frame.is_at((x, y), found.xy_um):
            raise PositionNotVerified(
                f"{self._session.name}: sent to die ({x}, {y}) at {self._frame.centre_um((x, y))} um from home, it answers {answered} and "
                f"reads back die {found.index} at {found.xy_um} um; check the wafer map, the home die and the pitch in lab.toml"
            )
        return self._reader.state()

    def contact(self) -> ProberState:
        """Raises MotionRefused naming every precondition that does not hold, OverLimit for an overtravel beyond the lab's limit."""
        self._session.take_control()
        heights = self._require(Motion.CONTACT)
        before = self._reader.state()
        missing = list(self._missing_for_contact(before))
        if missing:
            raise MotionRefused(f"{self._session.name}: no contact: {'; '.join(missing)}")
        if before.overtravel_on:
            self._check_overtravel(heights)
        self._session.move(say.CONTACT, self._session.deadlines.z_s).floats(1)
        after = self._reader.state()
        target_um = heights.target_um(after.overtravel_on)
        if not abs(after.z_um - target_um) <= self._frame.z_tolerance_um:
            raise PositionNotVerified(
                f"{self._session.name}: sent up to {target_um:g} um, it reads back {after.z_um:g} um; separate and look"
            )
        return after

    def separate(self) -> ProberState:
        """Raises PositionNotVerified when the needles may still be down. Repeated once on a new connection after a fault of the wire."""
        try:
            self._session.separate()
        except (LinkError, ProtocolError):
            self._session.separate()
        state = self._reader.state()
        if state.in_contact:
            raise PositionNotVerified(
                f"{self._session.name}: sent to separation, it reads back z = {state.z_um:g} um with contact at {state.contact_z_um:g} um; "
                "treat it as in contact"
            )
        return state

    def set_overtravel(self, on: bool) -> float:
        """Whether the next contact goes on to the commissioned overtravel gap; returns that gap, um.

        Raises OverLimit when the gap is beyond the lab's limit, MotionRefused unless separated.
        """
        self._session.take_control()
        heights = self._require(Motion.SET_OVERTRAVEL)
        if on:
            self._check_overtravel(heights)
        self._session.ask(say.enable_overtravel(on))
        return heights.overtravel_gap_um

    def placement(self) -> Placement:
        """Two questions. Sideways nothing moves in between: LockContact forbids it while the count of contacts stays."""
        return Placement(self._reader.z_um(), self.contact_count())

    def chuck_temperature_c(self) -> float:
        return self._session.ask(say.TEMPERATURE).floats(1)[0]

    def contact_count(self) -> int:
        return self._session.ask(say.CONTACT_COUNT).ints(1)[0]

    def counts(self) -> WireCounts:
        return self._session.counts()

    def close(self) -> None:
        self._session.close()

    def _require(self, motion: Motion) -> Heights:
        """Read z and allow the motion, or refuse it. Returns the heights it was judged by."""
        heights = self._reader.heights()
        z_um = self._reader.z_um()
        require_allowed(self._reader.chuck_state(z_um, heights), motion, self._session.name, z_um)
        return heights

    def _missing_for_contact(self, state: ProberState) -> Iterator[str]:
        if not state.home_set:
            yield "the home position is not set; set it at the prober"
        if not state.vacuum_on:
            yield "the chuck vacuum is off; switch it on with the wafer seated"
        if not state.doors_closed:
            yield "a door is open; close it"
        if state.die is None:
            yield "the chuck is not verified on a die; go to one first"
        not_ready = self._reader.not_ready()
        if not_ready is not None:
            yield f"the machine is not ready ({not_ready}); wait for it"

    def _check_overtravel(self, heights: Heights) -> None:
        if not heights.overtravel_gap_um <= self._overtravel_limit_um:
            raise OverLimit(
                f"{self._session.name}: overtravel gap {heights.overtravel_gap_um:g} um is beyond limits.overtravel_um "
                f"{self._overtravel_limit_um:g} um; set a smaller gap at the prober"
            )
