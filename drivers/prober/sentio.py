"""MPI SENTIO probe station over its native remote command set (TCP 35555 or GPIB), as a Prober. Lengths in um, z grows upward.

Rule 1: every motion is allowed by motion_rules from a state just read back, and verified by reading back.
Rule 2: identifying and reading the state change nothing; `*RCS 1` and LockContact are sent before the first change.
Source: sentio-prober-control 26.2.0 (command strings), MPI's documentation of move_chuck_contact and map:step_die.
"""

from collections.abc import Collection

from drivers.errors import LinkTimeout, ProtocolError, WrongInstrument
from drivers.links.visa import VisaLink
from drivers.origin import origin_of
from drivers.prober.die_grid import Die, DieGrid, Notch
from drivers.prober.sentio_chuck import SentioChuck
from drivers.prober.sentio_deadlines import Deadlines, Kind
from drivers.prober.sentio_guard import Guard, Interlock
from drivers.prober.sentio_heights import SentioHeights
from drivers.prober.sentio_map import SentioMap
from drivers.prober.sentio_session import SentioSession
from drivers.prober.sentio_sideways import SentioSideways
from drivers.prober.sentio_state import SentioReader
from drivers.prober.sentio_stepping import SentioStepping
from drivers.prober.sentio_thermal import SentioThermal
from drivers.prober.sentio_upkeep import SentioUpkeep
from drivers.prober.sentio_wafer import SentioWafer
from drivers.prober.soft_limits import Range, SoftLimits
from drivers.values import Identity, Moving, Placement, ProberState, WireCounts

_SEPARATE_TRIES = 2


def open_sentio(
    address: str,
    timeout_s: float = 5.0,
    *,
    pitch_um: tuple[float, float] = (10_000.0, 10_000.0),
    home: Die = (0, 0),
    notch: Notch = "down",
    dies: Collection[Die] | None = None,
    overtravel_limit_um: float = 60.0,
    chuck_x_um: Range | None = None,
    chuck_y_um: Range | None = None,
    output_is_off: Interlock | None = None,
    separate_within_s: float | None = None,
) -> "Sentio":
    """Connect; sends nothing. Raises ConnectFailed.

    timeout_s: of connecting and of questions; everything else has its own. dies, chuck_x_um, chuck_y_um: see SoftLimits. notch: where it
    points on the chuck. output_is_off: asked before every touchdown; without it the caller sees to that. separate_within_s: of both tries
    of separating together, for those in a hurry, who make no other move; None: the usual deadline of a z move, each.
    """

    def connect() -> VisaLink:
        return VisaLink(address, timeout_s, unit="prober commands")

    others = {Kind.QUESTION: timeout_s} | ({} if separate_within_s is None else {Kind.Z: separate_within_s / _SEPARATE_TRIES})
    limits = SoftLimits(None if dies is None else frozenset(dies), chuck_x_um, chuck_y_um, overtravel_limit_um)
    session = SentioSession(connect(), connect, Deadlines(others))
    return Sentio(session, DieGrid(pitch_um, home, notch), limits, output_is_off)


class Sentio:
    """Satisfies drivers.protocols.WaferProber. What does not belong to measuring stands in groups: heights, sideways, stepping, map,
    wafer (loading and alignment), thermal, upkeep."""

    def __init__(self, session: SentioSession, grid: DieGrid, limits: SoftLimits, output_is_off: Interlock | None = None) -> None:
        self._session = session
        self._reader = SentioReader(session, grid, limits.overtravel_um)
        guard = Guard(session, self._reader, limits, output_is_off)
        self._reader.vacuum_lost = lambda: guard.aligned.lose("the vacuum was seen off")
        session.look, session.forget = self._reader.whereabouts, self._reader.forget
        self._guard = guard
        self._chuck = SentioChuck(guard)
        self.heights = SentioHeights(guard)
        self.sideways = SentioSideways(guard)
        self.stepping = SentioStepping(guard)
        self.map = SentioMap(guard)
        self.wafer = SentioWafer(guard)
        self.thermal = SentioThermal(guard)
        self.upkeep = SentioUpkeep(guard)

    # --- who and how
    def identify(self) -> Identity:
        """Raises WrongInstrument when what answers is no SENTIO."""
        try:
            version = self._reader.version()
            machine_id = self._reader.machine_id()
        except ProtocolError as error:
            raise WrongInstrument(f"{self._session.name}: no SENTIO answers there; check [prober] address in lab.toml ({error})") from error
        except LinkTimeout as error:
            raise LinkTimeout(f"{error}; is this the SENTIO of [prober] in lab.toml?") from error
        return Identity("MPI", "SENTIO", machine_id, ".".join(str(part) for part in version), *origin_of(machine_id))

    def state(self) -> ProberState:
        """die is None unless the die index and the chuck's position agree. in_contact: not surely separated."""
        return self._reader.state()

    def not_aligned(self) -> str | None:
        """Why the wafer has to be aligned before the next contact, None while nothing is known against it."""
        return self._guard.aligned.void

    def placement(self) -> Placement:
        """Two questions. Sideways nothing moves in between: LockContact forbids it while the count of contacts stays."""
        return Placement(self._reader.z_um(), self.contact_count())

    def chuck_temperature_c(self) -> float:
        return self.thermal.temperature_c()

    def contact_count(self) -> int:
        return self.upkeep.contacts()

    def counts(self) -> WireCounts:
        return self._session.counts()

    @property
    def moving(self) -> Moving | None:
        """The move under way. Any thread may ask."""
        return self._session.moving

    # --- motion
    def go_to_die(self, x: int, y: int) -> ProberState:
        """Raises MotionRefused unless separated, OverLimit for a die that is not the lab's, PositionNotVerified when the prober's answer,
        its die index or its position differ from the plan."""
        return self.stepping.to_die((x, y)).state

    def contact(self) -> ProberState:
        """See SentioChuck.contact: every precondition, step by step, verified, separated after a failure."""
        return self._chuck.contact()

    def press(self, overtravel_um: float) -> ProberState:
        """In contact, to another overtravel above contact height: for whoever commissions it. What makes contact in a run goes on to the
        commissioned one by itself, in the same steps (`set_overtravel`). Raises as `contact`."""
        return self._chuck.press(overtravel_um)

    def hover(self) -> ProberState:
        """To hover height, just below contact. Raises as `contact`."""
        return self._chuck.hover()

    def separate(self) -> ProberState:
        """Raises PositionNotVerified when the needles may still touch."""
        return self._chuck.separate()

    def set_overtravel(self, on: bool) -> float:
        """Whether the next contact goes on to the commissioned overtravel gap; returns that gap, um. Raises OverLimit, MotionRefused."""
        return self.heights.set_overtravel(on)

    def clean(self, touchdowns: int) -> None:
        """The needles, on the cleaning pad; go to a die again afterwards. Raises MotionRefused unless separated."""
        self.upkeep.clean(touchdowns)

    def stop(self) -> None:
        """The chuck, where it is, whatever it does; over a connection of its own. Any thread may call it."""
        self._session.stop()

    def close(self) -> None:
        """Hands the panel back if it was taken. Moves nothing."""
        self._session.close()
