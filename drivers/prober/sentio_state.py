"""Everything a SENTIO is asked and never told: where the chuck is, what is set, what is open. Lengths in um, z grows upward."""

import math
from dataclasses import dataclass

from drivers.prober import sentio_commands as say
from drivers.prober.motion_rules import ChuckState, chuck_state
from drivers.prober.sentio_codes import ProberError
from drivers.prober.sentio_session import SentioSession
from drivers.values import ProberState


@dataclass(frozen=True)
class WaferFrame:
    """Where dies are, in the wafer frame (notch down, x right, y up).

    pitch_um: (x, y) die pitch. home: the die the prober calls home. xy_tolerance_um, z_tolerance_um: largest accepted
    difference between where the chuck was sent and what it reads back.
    """

    pitch_um: tuple[float, float] = (10_000.0, 10_000.0)
    home: tuple[int, int] = (0, 0)
    xy_tolerance_um: float = 10.0
    z_tolerance_um: float = 5.0

    def centre_um(self, die: tuple[int, int]) -> tuple[float, float]:
        """(x, y) of a die from the home die."""
        return (die[0] - self.home[0]) * self.pitch_um[0], (die[1] - self.home[1]) * self.pitch_um[1]

    def is_at(self, die: tuple[int, int], xy_um: tuple[float, float]) -> bool:
        return math.dist(self.centre_um(die), xy_um) <= self.xy_tolerance_um


@dataclass(frozen=True)
class Position:
    """What the prober says: index of the active die (None: no die active), and x, y from the home die."""

    index: tuple[int, int] | None
    xy_um: tuple[float, float]


@dataclass(frozen=True)
class Heights:
    """Commissioned heights: contact from z zero, gaps from contact. NaN while the contact height is not set."""

    contact_um: float = math.nan
    separation_gap_um: float = math.nan
    overtravel_gap_um: float = math.nan

    def target_um(self, overtravel_on: bool) -> float:
        """Where move_chuck_contact ends."""
        return self.contact_um + (self.overtravel_gap_um if overtravel_on else 0.0)


class SentioReader:
    """Questions of one session, judged in one frame. Changes nothing."""

    def __init__(self, session: SentioSession, frame: WaferFrame) -> None:
        self._session = session
        self._frame = frame
        self._version: tuple[int, ...] | None = None

    def version(self) -> tuple[int, ...]:
        if self._version is None:
            self._version = say.parse_version(self._session.ask(say.VERSION).message)
        return self._version

    def state(self) -> ProberState:
        """die is None unless the die index and the chuck's position agree. in_contact: not surely separated."""
        home_set, contact_set, overtravel_on, vacuum_on = self._session.ask(say.SITE_STATUS).flags(4)
        heights = self._set_heights() if contact_set else Heights()
        z_um = self.z_um()
        return ProberState(
            die=self._verified_die() if home_set else None,
            z_um=z_um,
            contact_z_um=heights.contact_um,
            home_set=home_set,
            contact_set=contact_set,
            overtravel_on=overtravel_on,
            vacuum_on=vacuum_on,
            doors_closed=self._session.ask(say.DOORS).flags(2)[0],
            in_contact=self.chuck_state(z_um, heights) is not ChuckState.SEPARATED,
        )

    def heights(self) -> Heights:
        contact_set = self._session.ask(say.SITE_STATUS).flags(4)[1]
        return self._set_heights() if contact_set else Heights()

    def z_um(self) -> float:
        return self._session.ask(say.z_from_zero(self.version())).floats(1)[0]

    def chuck_state(self, z_um: float, heights: Heights) -> ChuckState:
        return chuck_state(z_um, heights.contact_um, heights.separation_gap_um, self._frame.z_tolerance_um)

    def position(self) -> Position:
        try:
            index = self._session.ask(say.DIE_INDEX).ints(3)[1:]
        except ProberError as error:
            if "no die active" not in str(error).lower():
                raise
            index = None
        x_um, y_um = self._session.ask(say.XY_FROM_HOME).floats(2)
        return Position(None if index is None else (index[0], index[1]), (x_um, y_um))

    def not_ready(self) -> str | None:
        """What the machine says when it is not ready, None when it is."""
        answer = self._session.ask(say.MACHINE_STATUS)
        return None if "Ready" in answer.fields else answer.message

    def _verified_die(self) -> tuple[int, int] | None:
        position = self.position()
        return position.index if position.index is not None and self._frame.is_at(position.index, position.xy_um) else None

    def _set_heights(self) -> Heights:
        return Heights(*self._session.ask(say.SITE_HEIGHTS).floats(4)[:3])
