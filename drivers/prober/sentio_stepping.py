"""From die to die, to a named one or along the prober's route. Dies are named in the wafer frame.

Rule 1: before a step it is known where it will end, and after it the prober's answer, its die index and its position have to say so, all
three: a step silently not taken gives a whole die the wrong name. Rule 2: the end of the route is an answer, not an error.
"""

from dataclasses import dataclass

from drivers.errors import MotionRefused, PositionNotVerified
from drivers.prober import sentio_commands_map as say
from drivers.prober.die_grid import Die
from drivers.prober.motion_rules import Motion
from drivers.prober.sentio_deadlines import Command
from drivers.prober.sentio_guard import Guard
from drivers.prober.sentio_replies import Reply, StatusBits
from drivers.prober.sentio_words import DieCount
from drivers.values import ProberState


@dataclass(frozen=True)
class DieStep:
    """A step taken and verified. last_die, last_site: nothing of the route, or of the die, comes after it."""

    die: Die
    site: int
    last_die: bool
    last_site: bool
    state: ProberState


class SentioStepping:
    """Every step raises MotionRefused unless separated, OverLimit beyond the lab's limits, PositionNotVerified."""

    def __init__(self, guard: Guard) -> None:
        self._guard, self._session, self._reader = guard, guard.session, guard.reader

    def to_die(self, die: Die) -> DieStep:
        return self._known(self._step(say.step_die(*self._reader.mapped().index_of(die)), die), die)

    def first(self) -> DieStep:
        """Raises MotionRefused when the route is empty."""
        planned = self.planned(0)
        if planned is None:
            raise MotionRefused(f"{self._session.name}: no die is selected at the prober; select dies and set a routing first")
        return self._known(self._step(say.first_die(), planned), planned)

    def next(self) -> DieStep | None:
        """None at the end of the route; nothing has moved then."""
        planned = self.planned(self._place() + 1)
        return None if planned is None else self._step(say.next_die(), planned)

    def previous(self) -> DieStep | None:
        """None on the first die; nothing has moved then."""
        place = self._place()
        planned = self.planned(place - 1) if place > 0 else None
        return None if planned is None else self._step(say.PREVIOUS_DIE, planned)

    def bin_and_next(self, bin_number: int) -> DieStep | None:
        """Bin this die and step on; at the end of the route it is only binned, and None."""
        place = self._place()
        planned = self.planned(place + 1)
        if planned is not None:
            return self._step(say.bin_next_die(bin_number), planned)
        here = self._session.ask(say.die_of_route(place)).ints(2)
        self._session.ask(say.set_bin(bin_number, here[0], here[1]))
        return None

    def to_place(self, place: int) -> DieStep:
        """To the die of a place in the route, from 0. Raises MotionRefused when the route is shorter."""
        planned = self.planned(place)
        if planned is None:
            raise MotionRefused(f"{self._session.name}: the route has no place {place}; it has {self.route_length()}")
        return self._known(self._step(say.step_sequence(place), planned), planned)

    # --- the route, without moving
    def route_length(self) -> int:
        return self._session.ask(say.count_dies(DieCount.SELECTED)).ints(1)[0]

    def planned(self, place: int) -> Die | None:
        """The die of a place in the route, None beyond its ends."""
        if not 0 <= place < self.route_length():
            return None
        column, row = self._session.ask(say.die_of_route(place)).ints(2)
        return self._reader.mapped().die_at((column, row))

    def route(self) -> list[Die]:
        """All of it: what a walk would visit, for a dry run."""
        grid = self._reader.mapped()
        indices = (self._session.ask(say.die_of_route(place)).ints(2) for place in range(self.route_length()))
        return [grid.die_at((column, row)) for column, row in indices]

    def _place(self) -> int:
        place = self._reader.position().sequence
        if place < 0:
            raise MotionRefused(f"{self._session.name}: the active die is not part of the route; go to its first die")
        return place

    # --- a step
    def _step(self, command: Command, planned: Die) -> DieStep | None:
        """None when the prober says that its route has ended."""
        self._guard.limits.check_die(planned, self._session.name)
        self._guard.require(Motion.STEP)
        self._guard.require_place(self._reader.mapped().centre_um(planned))
        reply = self._session.move(command)
        if reply.status & StatusBits.END_OF_ROUTE and len(reply.fields) != 3:
            return None
        answered = reply.ints(3)
        self._verify(planned, (answered[0], answered[1]))
        return self._taken(planned, answered[2], reply)

    def _taken(self, die: Die, site: int, reply: Reply) -> DieStep:
        last_die, last_site = (bool(reply.status & bit) for bit in (StatusBits.END_OF_ROUTE, StatusBits.LAST_SITE))
        return DieStep(die, site, last_die, last_site, self._reader.state())

    def _verify(self, planned: Die, answered: tuple[int, int]) -> None:
        grid, found = self._reader.mapped(), self._reader.position()
        if answered == found.index == grid.index_of(planned) and grid.is_at(planned, found.xy_um):
            return
        raise PositionNotVerified(
            f"{self._session.name}: sent to die {planned}, its {grid.index_of(planned)} at {grid.centre_um(planned)} um from home; "
            f"it answers {answered} and reads back {found.index} at {found.xy_um} um; check the wafer map, and home and pitch in lab.toml"
        )

    def _known(self, step: DieStep | None, planned: Die) -> DieStep:
        if step is None:
            raise PositionNotVerified(f"{self._session.name}: sent to die {planned}, it answers that its route has ended; read its state")
        return step
