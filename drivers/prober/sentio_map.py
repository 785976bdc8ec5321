"""The prober's wafer map: setting it up, choosing what is walked, and bins. Dies are named in the wafer frame; lengths in um.

Rule: whatever changes what a die is called makes the map be read anew before the next step.
"""

from dataclasses import dataclass

from drivers.prober import sentio_commands_map as say
from drivers.prober.die_grid import Die, DieGrid
from drivers.prober.motion_rules import Motion
from drivers.prober.sentio_deadlines import Command
from drivers.prober.sentio_guard import Guard
from drivers.prober.sentio_words import AxisOrient, DieCount, DieSelection, Marker, RouteOrder, RouteStart


@dataclass(frozen=True)
class BinInfo:
    """quality: "pass", "fail" or "undefined"."""

    number: int
    name: str
    quality: str
    colour: str


class SentioMap:
    """What changes the map raises MotionRefused unless separated."""

    def __init__(self, guard: Guard) -> None:
        self._guard, self._session, self._reader = guard, guard.session, guard.reader

    # --- set-up
    def create(self, diameter_mm: float) -> None:
        """A new round map; the old one is gone."""
        self._change(say.create(diameter_mm))

    def set_grid(self, pitch_um: tuple[float, float], offset_um: tuple[float, float], edge_um: float) -> None:
        """offset_um: of the grid; SENTIO warns of 0, 0, where a place lies on the edge of four dies. edge_um: exclusion."""
        self._change(say.set_grid(pitch_um, offset_um, edge_um))

    def set_axis_orient(self, orient: AxisOrient) -> None:
        self._change(say.set_axis_orient(orient))

    def set_grid_origin(self, column: int, row: int) -> None:
        """In SENTIO's native grid: wafer centre, x right, y up."""
        self._change(say.set_grid_origin(column, row))

    def set_home_die(self, column: int, row: int) -> None:
        """In the user's own grid."""
        self._change(say.set_home_die(column, row))

    def set_orient_marker(self, marker: Marker, degrees: float, size_um: float) -> None:
        """For the picture on the prober's screen."""
        self._change(say.set_orient_marker(marker, degrees, size_um))

    def read(self) -> DieGrid:
        """As the prober has it now. Raises PositionNotVerified when it is another wafer's than lab.toml."""
        self._reader.forget()
        return self._reader.mapped()

    # --- what is walked
    def select(self, selection: DieSelection) -> None:
        self._change(say.select_dies(selection))

    def select_only(self, dies: list[Die]) -> None:
        """These dies and no others, in the order of the routing."""
        self._change(say.select_dies(DieSelection.NONE))
        for column, row in map(self._reader.mapped().index_of, dies):
            self._session.ask(say.select_die(column, row))

    def unselect(self, die: Die) -> None:
        self._change(say.unselect_die(*self._reader.mapped().index_of(die)))

    def set_routing(self, start: RouteStart, order: RouteOrder) -> None:
        self._change(say.set_routing(start, order))

    def count(self, which: DieCount) -> int:
        return self._session.ask(say.count_dies(which)).ints(1)[0]

    # --- bins
    def set_bin(self, die: Die, bin_number: int) -> None:
        self._guard.allow(Motion.NOTE)
        self._session.ask(say.set_bin(bin_number, *self._reader.mapped().index_of(die)))

    def bin_of(self, die: Die) -> int:
        """-1 where none was set."""
        return self._session.ask(say.get_bin(*self._reader.mapped().index_of(die))).ints(1)[0]

    def set_value(self, die: Die, value: float) -> None:
        """A number that the prober's map can be coloured by."""
        self._guard.allow(Motion.NOTE)
        self._session.ask(say.set_value(value, *self._reader.mapped().index_of(die)))

    def bin_info(self, bin_number: int) -> BinInfo:
        reply = self._session.ask(say.bin_info(bin_number))
        fields = reply.fields
        if len(fields) != 4 or fields[0] != str(bin_number):
            raise reply.unexpected(f"the number, name, quality and colour of bin {bin_number}")
        return BinInfo(bin_number, *fields[1:])

    def clear_bins(self) -> None:
        self._guard.allow(Motion.NOTE)
        self._session.ask(say.CLEAR_BINS)

    def _change(self, command: Command) -> None:
        self._guard.require(Motion.SET_MAP)
        try:
            self._session.ask(command)
        finally:
            self._reader.forget()
