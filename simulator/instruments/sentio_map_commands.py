"""The map: part of the prober's command set: stepping, map set-up, bins. Handlers as in sentio_commands.py.

Stepping answers col,row,site; arriving on the last die of the route sets status bit 1, stepping on from there is error 11.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.instruments.sentio_map import Index
from simulator.instruments.sentio_words import LAST_DIE, Answer, Arguments, Code, Handler, SentioError, decimals, integers

if TYPE_CHECKING:
    from simulator.instruments.sentio import Sentio


def _site(arguments: Arguments, index: int) -> None:
    """Dies have one site, number 0."""
    if len(arguments) > index and arguments.integer(index) != 0:
        raise SentioError(Code.OUT_OF_BOUNDS, f"Site {arguments.text(index)} does not exist!")


def _step(sentio: Sentio, die: Index) -> Answer:
    sentio.chuck.step_to(sentio.map.from_home_um(die))
    sentio.active = die
    route = sentio.map.route()
    return Answer(integers(*die, 0), status=LAST_DIE if route and route[-1] == die else 0)


def _route_position(sentio: Sentio) -> int:
    """Place of the active die in the route, -1 when it is not part of it. Raises SentioError when no die is active."""
    if sentio.active is None:
        raise SentioError(Code.INVALID_OPERATION, "No die active")
    route = sentio.map.route()
    return route.index(sentio.active) if sentio.active in route else -1


def _step_by(sentio: Sentio, offset: int) -> Answer:
    position = _route_position(sentio)
    if position < 0:
        raise SentioError(Code.INVALID_OPERATION, "The active die is not part of the route")
    route = sentio.map.route()
    if not 0 <= position + offset < len(route):
        raise SentioError(Code.END_OF_ROUTE, "End of route reached!")
    return _step(sentio, route[position + offset])


def _step_die(sentio: Sentio, arguments: Arguments) -> Answer:
    _site(arguments, 2)
    return _step(sentio, (arguments.integer(0), arguments.integer(1)))


def _step_sequence(sentio: Sentio, arguments: Arguments) -> Answer:
    _site(arguments, 1)
    return _step(sentio, _of_route(sentio, arguments.integer(0)))


def _of_route(sentio: Sentio, number: int) -> Index:
    route = sentio.map.route()
    if not 0 <= number < len(route):
        raise SentioError(Code.OUT_OF_BOUNDS, f"Die {number} is not part of the route of {len(route)}")
    return route[number]


def _step_first(sentio: Sentio, arguments: Arguments) -> Answer:
    _site(arguments, 0)
    return _step(sentio, _of_route(sentio, 0))


def _step_next(sentio: Sentio, arguments: Arguments) -> Answer:
    _site(arguments, 0)
    return _step_by(sentio, 1)


def _step_previous(sentio: Sentio, _: Arguments) -> Answer:
    return _step_by(sentio, -1)


def _bin_step_next(sentio: Sentio, arguments: Arguments) -> Answer:
    _site(arguments, 1)
    _set_bin(sentio, Arguments(arguments.words[:1]))
    return _step_by(sentio, 1)


def _current_index(sentio: Sentio, _: Arguments) -> str:
    position = _route_position(sentio)
    return integers(position, *(sentio.active or (0, 0)))


def _get_die(sentio: Sentio, arguments: Arguments) -> str:
    return integers(*_of_route(sentio, arguments.integer(0)))


def _num_dies(sentio: Sentio, arguments: Arguments) -> str:
    counts = {"selected": len(sentio.map.selected), "present": len(sentio.map.dies), "total": len(sentio.map.dies)}
    word = arguments.key(0)
    if word not in counts:
        raise SentioError(Code.INVALID_PARAMETER, f"Invalid parameter: {arguments.text(0)}")
    return str(counts[word])


# --- set-up
def _create(sentio: Sentio, arguments: Arguments) -> str:
    diameter_mm = arguments.number(0)
    if not 10 <= diameter_mm <= 300:
        raise SentioError(Code.OUT_OF_BOUNDS, f"Diameter {diameter_mm:g} mm is outside 10 to 300 mm")
    sentio.map.create(diameter_mm)
    return "OK"


def _set_grid(sentio: Sentio, arguments: Arguments) -> str:
    width, height, x, y, edge = (arguments.number(index) for index in range(5))
    if min(width, height) <= 0 or edge < 0:
        raise SentioError(Code.OUT_OF_BOUNDS, f"Die size {width:g}, {height:g} um and edge {edge:g} um must be positive")
    sentio.map.pitch_um, sentio.map.offset_um, sentio.map.edge_um = (width, height), (x, y), edge
    sentio.map.fill()
    return "OK"


def _set_index_size(sentio: Sentio, arguments: Arguments) -> str:
    size = (arguments.number(0), arguments.number(1))
    if min(size) <= 0:
        raise SentioError(Code.OUT_OF_BOUNDS, f"Die size {size} um must be positive")
    sentio.map.pitch_um = size
    return "OK"


def _set_orient(sentio: Sentio, arguments: Arguments) -> str:
    orient = arguments.text(0).upper()
    if orient not in ("UR", "UL", "DR", "DL"):
        raise SentioError(Code.INVALID_PARAMETER, f"Invalid parameter: {arguments.text(0)}")
    sentio.map.orient = orient
    return "OK"


def _set_origin(sentio: Sentio, arguments: Arguments) -> str:
    """Renames the dies: the old index (x, y) becomes (0, 0)."""
    new, old = (arguments.integer(0), arguments.integer(1)), sentio.map.origin
    shift = (old[0] - new[0], old[1] - new[1])
    moved = {(die[0] + shift[0], die[1] + shift[1]) for die in sentio.map.dies}
    chosen = {(die[0] + shift[0], die[1] + shift[1]) for die in sentio.map.selected}
    sentio.map.dies, sentio.map.selected, sentio.map.origin = moved, chosen, new
    sentio.map.home = (sentio.map.home[0] + shift[0], sentio.map.home[1] + shift[1])
    return "OK"


def _set_home_die(sentio: Sentio, arguments: Arguments) -> str:
    die = (arguments.integer(0), arguments.integer(1))
    sentio.map.from_home_um(die)
    sentio.map.home = die
    return "OK"


def _set_marker(sentio: Sentio, arguments: Arguments) -> str:
    if arguments.key(0) not in ("notch", "flat"):
        raise SentioError(Code.INVALID_PARAMETER, f"Invalid parameter: {arguments.text(0)}")
    sentio.map.marker = (arguments.text(0).capitalize(), arguments.number(1), arguments.number(2))
    return "OK"


def _select_dies(sentio: Sentio, arguments: Arguments) -> str:
    """n: none. a, g, u, e: all, because the map holds only dies that lie whole within the edge exclusion."""
    word = arguments.key(0)
    if word not in ("a", "g", "u", "e", "n"):
        raise SentioError(Code.INVALID_PARAMETER, f"Invalid parameter: {arguments.text(0)}")
    sentio.map.selected = set() if word == "n" else set(sentio.map.dies)
    return "OK"


def _set_routing(sentio: Sentio, arguments: Arguments) -> str:
    start, priority = arguments.key(0), arguments.key(1)
    if start not in ("ul", "ur", "ll", "lr") or priority not in ("r", "c", "wr", "wc"):
        raise SentioError(Code.INVALID_PARAMETER, f"Invalid parameter: {start}, {priority}")
    sentio.map.start, sentio.map.priority = start, priority
    return "OK"


def _select_one(sentio: Sentio, arguments: Arguments) -> str:
    die = (arguments.integer(0), arguments.integer(1))
    sentio.map.from_home_um(die)
    sentio.map.selected.add(die)
    return "OK"


def _unselect_one(sentio: Sentio, arguments: Arguments) -> str:
    sentio.map.selected.discard((arguments.integer(0), arguments.integer(1)))
    return "OK"


# --- bins
def _binned_die(sentio: Sentio, arguments: Arguments, first: int) -> Index:
    """The die named from argument `first` on, or the active one."""
    if len(arguments) > first + 1:
        die = (arguments.integer(first), arguments.integer(first + 1))
        sentio.map.from_home_um(die)
        return die
    if sentio.active is None:
        raise SentioError(Code.INVALID_OPERATION, "No die active")
    return sentio.active


def _set_bin(sentio: Sentio, arguments: Arguments) -> str:
    sentio.map.bins[_binned_die(sentio, arguments, 1)] = arguments.integer(0)
    return "OK"


def _get_bin(sentio: Sentio, arguments: Arguments) -> str:
    return str(sentio.map.bins.get(_binned_die(sentio, arguments, 0), -1))


def _set_value(sentio: Sentio, arguments: Arguments) -> str:
    sentio.map.values[_binned_die(sentio, arguments, 1)] = arguments.number(0)
    return "OK"


def _bin_info(_: Sentio, arguments: Arguments) -> str:
    index = arguments.integer(0)
    if index not in (0, 1):
        raise SentioError(Code.OUT_OF_BOUNDS, f"Bin {index} does not exist!")
    return f"{index},{('Pass', 'Fail')[index]},{('pass', 'fail')[index]},{('#00FF00', '#FF0000')[index]}"


def _clear_bins(sentio: Sentio, _: Arguments) -> str:
    sentio.map.bins.clear()
    return "OK"


_STEPPING: dict[str, Handler] = {
    "map:step_die": _step_die, "map:step_die_seq": _step_sequence, "map:step_first_die": _step_first, "map:step_next_die": _step_next,
    "map:step_previous_die": _step_previous, "map:bin_step_next_die": _bin_step_next,
}  # fmt: skip

_SET_UP: dict[str, Handler] = {
    "map:create": _create, "map:set_grid_params": _set_grid, "map:set_index_size": _set_index_size, "map:set_axis_orient": _set_orient,
    "map:set_grid_origin": _set_origin, "map:set_home_die": _set_home_die, "map:set_orient_marker": _set_marker,
    "map:path:select_dies": _select_dies, "map:set_routing": _set_routing, "map:die:select": _select_one, "map:die:unselect": _unselect_one,
    "map:bins:set_bin": _set_bin, "map:bins:set_value": _set_value, "map:bins:clear_all": _clear_bins,
}  # fmt: skip

MAP_MOTION = frozenset(_STEPPING) | frozenset(_SET_UP)

MAP_COMMANDS: dict[str, Handler] = {
    **_STEPPING,
    **_SET_UP,
    "map:die:get_current_index": _current_index,
    "map:get_die_seq": lambda sentio, _: str(_route_position(sentio)),
    "map:path:get_die": _get_die,
    "map:get_num_dies": _num_dies,
    "map:get_num_cols": lambda sentio, _: str(sentio.map.size()[0]),
    "map:get_num_rows": lambda sentio, _: str(sentio.map.size()[1]),
    "map:get_diameter": lambda sentio, _: f"{sentio.map.diameter_mm:.0f}",
    "map:get_index_size": lambda sentio, _: decimals(*sentio.map.pitch_um),
    "map:get_grid_params": lambda sentio, _: decimals(*sentio.map.pitch_um, *sentio.map.offset_um, sentio.map.edge_um),
    "map:get_grid_origin": lambda sentio, _: integers(*sentio.map.origin),
    "map:get_home_die": lambda sentio, _: integers(*sentio.map.home),
    "map:get_axis_orient": lambda sentio, _: sentio.map.orient,
    "map:get_routing": lambda sentio, _: f"{sentio.map.start.upper()},{sentio.map.priority.upper()}",
    "map:get_orient_marker": lambda sentio, _: f"{sentio.map.marker[0]},{decimals(*sentio.map.marker[1:])}",
    "map:bins:get_bin": _get_bin,
    "map:bins:get_bin_info": _bin_info,
}
