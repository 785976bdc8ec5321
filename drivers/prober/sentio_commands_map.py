"""What a SENTIO's wafer map is told and asked: stepping, set-up, routes and bins. A die is a column and a row in the user's own grid.

Source: sentio-prober-control 26.2.0.
"""

from drivers.prober.sentio_commands import number
from drivers.prober.sentio_deadlines import Command, Kind
from drivers.prober.sentio_words import AxisOrient, DieCount, DieSelection, Marker, RouteOrder, RouteStart

CURRENT_INDEX = Command("map:die:get_current_index")
AXIS_ORIENT = Command("map:get_axis_orient")
HOME_DIE = Command("map:get_home_die")
INDEX_SIZE = Command("map:get_index_size")
PREVIOUS_DIE = Command("map:step_previous_die", Kind.STEP)
CLEAR_BINS = Command("map:bins:clear_all", Kind.SETTING)


# --- stepping
def step_die(column: int, row: int, site: int = 0) -> Command:
    return Command(f"map:step_die {column}, {row}, {site}", Kind.STEP)


def step_sequence(sequence: int, site: int = 0) -> Command:
    return Command(f"map:step_die_seq {sequence}, {site}", Kind.STEP)


def first_die(site: int | None = None) -> Command:
    return Command("map:step_first_die" if site is None else f"map:step_first_die {site}", Kind.STEP)


def next_die(site: int | None = None) -> Command:
    return Command("map:step_next_die" if site is None else f"map:step_next_die {site}", Kind.STEP)


def bin_next_die(bin_number: int, site: int | None = None) -> Command:
    return Command(f"map:bin_step_next_die {bin_number}" + ("" if site is None else f", {site}"), Kind.STEP)


# --- set-up
def create(diameter_mm: float) -> Command:
    return Command(f"map:create {number(diameter_mm)}", Kind.SETTING)


def set_grid(pitch_um: tuple[float, float], offset_um: tuple[float, float], edge_um: float) -> Command:
    values = ", ".join(number(each) for each in (*pitch_um, *offset_um, edge_um))
    return Command(f"map:set_grid_params {values}", Kind.SETTING)


def set_index_size(x_um: float, y_um: float) -> Command:
    return Command(f"map:set_index_size {number(x_um)}, {number(y_um)}", Kind.SETTING)


def set_axis_orient(orient: AxisOrient) -> Command:
    return Command(f"map:set_axis_orient {orient}", Kind.SETTING)


def set_grid_origin(column: int, row: int) -> Command:
    """In SENTIO's native grid."""
    return Command(f"map:set_grid_origin {column}, {row}", Kind.SETTING)


def set_home_die(column: int, row: int) -> Command:
    return Command(f"map:set_home_die {column}, {row}", Kind.SETTING)


def set_orient_marker(marker: Marker, degrees: float, size_um: float) -> Command:
    return Command(f"map:set_orient_marker {marker},{number(degrees)},{number(size_um)}", Kind.SETTING)


# --- routes
def select_dies(selection: DieSelection) -> Command:
    return Command(f"map:path:select_dies {selection}", Kind.SETTING)


def select_die(column: int, row: int) -> Command:
    return Command(f"map:die:select {column}, {row}", Kind.SETTING)


def unselect_die(column: int, row: int) -> Command:
    return Command(f"map:die:unselect {column}, {row}", Kind.SETTING)


def set_routing(start: RouteStart, order: RouteOrder) -> Command:
    return Command(f"map:set_routing {start}, {order}", Kind.SETTING)


def die_of_route(sequence: int) -> Command:
    return Command(f"map:path:get_die {sequence}")


def count_dies(which: DieCount) -> Command:
    return Command(f"map:get_num_dies {which}")


# --- bins
def set_bin(bin_number: int, column: int, row: int) -> Command:
    return Command(f"map:bins:set_bin {bin_number}, {column}, {row}", Kind.SETTING)


def get_bin(column: int, row: int) -> Command:
    return Command(f"map:bins:get_bin {column}, {row}")


def set_value(value: float, column: int, row: int) -> Command:
    return Command(f"map:bins:set_value {number(value)}, {column}, {row}", Kind.SETTING)


def bin_info(bin_number: int) -> Command:
    return Command(f"map:bins:get_bin_info {bin_number}")
