"""Moves that are no steps from die to die: home, free places, die pitches, angles. Lengths in um, angles in degrees.

Rule: where a move ends is known before it is sent, and read back after it.
"""

from drivers.errors import OverLimit, PositionNotVerified
from drivers.prober import sentio_commands_chuck as chuck
from drivers.prober.die_grid import Place
from drivers.prober.motion_rules import Motion
from drivers.prober.sentio_deadlines import Command
from drivers.prober.sentio_guard import Guard
from drivers.prober.sentio_words import ThetaReference, XyReference
from drivers.values import ProberState


class SentioSideways:
    """Every method raises MotionRefused unless separated with home set, OverLimit for a place beyond the lab's limits,
    PositionNotVerified when the chuck reads back elsewhere."""

    def __init__(self, guard: Guard) -> None:
        self._guard, self._session, self._reader = guard, guard.session, guard.reader

    def home(self) -> ProberState:
        self._guard.require(Motion.SIDEWAYS)
        return self._move(chuck.HOME, (0.0, 0.0))

    def to(self, reference: XyReference, x_um: float, y_um: float) -> ProberState:
        """reference: HOME, ZERO or RELATIVE; where others end cannot be told beforehand."""
        if reference not in (XyReference.HOME, XyReference.ZERO, XyReference.RELATIVE):
            raise OverLimit(f"{self._session.name}: where a move from {reference.name} ends cannot be checked; use HOME, ZERO or RELATIVE")
        self._guard.require(Motion.SIDEWAYS)
        target_um = self._guard.from_home_um(reference, x_um, y_um)
        return self._move(chuck.move_xy(self._reader.version(), reference, x_um, y_um), target_um)

    def by_pitches(self, columns: int, rows: int) -> ProberState:
        """So many dies right and up of home, on the chuck."""
        self._guard.require(Motion.SIDEWAYS)
        x_um, y_um = self._reader.mapped().chuck_pitch_um
        return self._move(chuck.move_index(columns, rows), (columns * x_um, rows * y_um))

    def turn(self, reference: ThetaReference, degrees: float) -> float:
        """Angle reached, degrees. The wafer has to be aligned again."""
        self._guard.require(Motion.TURN)
        self._guard.aligned.lose("the chuck was turned")
        return self._session.move(chuck.move_theta(reference, degrees)).floats(1)[0]

    def _move(self, command: Command, target_um: Place) -> ProberState:
        self._guard.require_place(target_um)
        self._session.move(command)
        found_um = self._reader.xy_um()
        if not self._reader.grid.near(target_um, found_um):
            raise PositionNotVerified(f"{self._session.name}: sent to {target_um} um from home, it reads back {found_um} um; look at it")
        return self._reader.state()
