"""Setting up the map: grid, axes, which dies there are and which are stepped in which order.

Source: documentation of the map group in sentio-prober-control 26.2.0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.instruments.sentio.codes import Code
from simulator.instruments.sentio.registry import Commands, asking, setting
from simulator.instruments.sentio.route import PRIORITIES, STARTS
from simulator.instruments.sentio.stepping import active_die
from simulator.instruments.sentio.words import Arguments, SentioError, decimals, integers

if TYPE_CHECKING:
    from simulator.instruments.sentio.prober import Sentio

_MOST_ACROSS = 200
SELECTED, NOT_SELECTED, NOT_PRESENT = "1", "2", "3"


def _name(arguments: Arguments) -> tuple[int, int]:
    return (arguments.integer(0), arguments.integer(1))


def _create(sentio: Sentio, arguments: Arguments) -> str:
    sentio.map.create(arguments.within(0, 10, 300))
    sentio.new_map()
    return "OK"


def _create_rect(sentio: Sentio, arguments: Arguments) -> str:
    sentio.map.create_rect(int(arguments.within(0, 1, _MOST_ACROSS)), int(arguments.within(1, 1, _MOST_ACROSS)))
    sentio.new_map()
    return "OK"


def _set_diameter(sentio: Sentio, arguments: Arguments) -> str:
    sentio.map.diameter_mm = arguments.within(0, 10, 300)
    sentio.map.fill()
    sentio.new_map()
    return "OK"


def _set_grid(sentio: Sentio, arguments: Arguments) -> str:
    width, height, x, y, edge = (arguments.number(index) for index in range(5))
    if min(width, height) <= 0 or edge < 0:
        raise SentioError(Code.ARGUMENT_OUT_OF_BOUNDS, f"Die size {width:g}, {height:g} um and edge {edge:g} um must be positive")
    before = sentio.map.pitch_um, sentio.map.offset_um, sentio.map.edge_um
    sentio.map.pitch_um, sentio.map.offset_um, sentio.map.edge_um = (width, height), (x, y), edge
    try:
        sentio.map.fill()
    except SentioError:
        sentio.map.pitch_um, sentio.map.offset_um, sentio.map.edge_um = before
        raise
    sentio.new_map()
    return "OK"


def _set_index_size(sentio: Sentio, arguments: Arguments) -> str:
    size = (arguments.number(0), arguments.number(1))
    if min(size) <= 0:
        raise SentioError(Code.ARGUMENT_OUT_OF_BOUNDS, f"Die size {size} um must be positive")
    sentio.map.pitch_um = size
    sentio.look_where()
    return "OK"


def _set_street(sentio: Sentio, arguments: Arguments) -> str:
    sentio.map.street_um = (round(arguments.within(0, 0, 1e6)), round(arguments.within(1, 0, 1e6)))
    return "OK"


def _set_orient(sentio: Sentio, arguments: Arguments) -> str:
    sentio.map.orient = arguments.one_of(0, ("UR", "UL", "DR", "DL"))
    return "OK"


def _set_origin(sentio: Sentio, arguments: Arguments) -> str:
    """The base die that is called 0, 0 from now on."""
    sentio.map.origin = _name(arguments)
    return "OK"


def _set_home_die(sentio: Sentio, arguments: Arguments) -> str:
    sentio.map.home = sentio.map.present(_name(arguments))
    sentio.look_where()
    return "OK"


def _set_marker(sentio: Sentio, arguments: Arguments) -> str:
    sentio.map.marker = (arguments.one_of(0, ("Notch", "Flat")), arguments.within(1, -360, 360), arguments.number(2))
    return "OK"


def _set_flat(sentio: Sentio, arguments: Arguments) -> str:
    sentio.map.marker = ("Flat", arguments.within(0, -360, 360), arguments.number(1))
    return "OK"


def _set_color_scheme(sentio: Sentio, arguments: Arguments) -> str:
    sentio.map.color_scheme = str(int(arguments.within(0, 0, 2)))
    return "OK"


def _set_routing(sentio: Sentio, arguments: Arguments) -> str:
    start, priority = arguments.one_of(0, STARTS), arguments.one_of(1, PRIORITIES)
    sentio.route.start, sentio.route.priority = start, priority
    return "OK"


# --- dies
def _add(sentio: Sentio, arguments: Arguments) -> str:
    sentio.map.dies.add(sentio.map.base(_name(arguments)))
    return "OK"


def _remove(sentio: Sentio, arguments: Arguments) -> str:
    die = sentio.map.base(_name(arguments))
    sentio.map.dies.discard(die)
    sentio.map.selected.discard(die)
    sentio.look_where()
    return "OK"


def _select(sentio: Sentio, arguments: Arguments) -> str:
    sentio.map.selected.add(sentio.map.present(_name(arguments)))
    return "OK"


def _unselect(sentio: Sentio, arguments: Arguments) -> str:
    sentio.map.selected.discard(sentio.map.present(_name(arguments)))
    return "OK"


def _status(sentio: Sentio, arguments: Arguments) -> str:
    die = sentio.map.base(_name(arguments))
    if die not in sentio.map.dies:
        return NOT_PRESENT
    return SELECTED if die in sentio.map.selected else NOT_SELECTED


def _select_dies(sentio: Sentio, arguments: Arguments) -> str:
    """n: none. a, g, u, e: all, because the map holds only dies that lie whole within the edge exclusion."""
    nothing = arguments.one_of(0, ("a", "g", "u", "e", "n")) == "n"
    sentio.map.selected = set() if nothing else set(sentio.map.dies)
    return "OK"


def _num_dies(sentio: Sentio, arguments: Arguments) -> str:
    group = arguments.one_of(0, ("Selected", "Present", "Total")) if len(arguments) else "Selected"
    return str(len(sentio.map.selected if group == "Selected" else sentio.map.dies))


# --- the route from bins
def _binned(sentio: Sentio, arguments: Arguments) -> set[tuple[int, int]]:
    arguments.text(0)
    chosen = sentio.bins.chosen(arguments.words)
    return {die for die in sentio.map.dies if sentio.bins.get(die, 0) in chosen}


def _path_from_bins(sentio: Sentio, arguments: Arguments) -> str:
    sentio.map.selected = _binned(sentio, arguments)
    return str(len(sentio.map.selected))


def _add_bins(sentio: Sentio, arguments: Arguments) -> str:
    sentio.map.selected |= _binned(sentio, arguments)
    return str(len(sentio.map.selected))


def _remove_bins(sentio: Sentio, arguments: Arguments) -> str:
    sentio.map.selected -= _binned(sentio, arguments)
    return str(len(sentio.map.selected))


# --- files and properties
def _open(sentio: Sentio, arguments: Arguments) -> str:
    sentio.files.require(",".join(arguments.words))
    return "OK"


def _save(sentio: Sentio, arguments: Arguments) -> str:
    sentio.files.write(arguments.text(0))
    return "OK"


def _property(sentio: Sentio, arguments: Arguments) -> str:
    half = tuple(pitch / 2.0 for pitch in sentio.map.pitch_um)
    known = {
        "die_reference_is_set": "True",
        "die_reference": decimals(*half),
        "die_size": decimals(*sentio.map.pitch_um),
        "chuck_to_wafer_offset": "0.0,0.0",
        "grid_chuck_mode": "False",
    }
    return sentio.property_of("map", arguments, known)


def _show_current(sentio: Sentio, _: Arguments) -> str:
    active_die(sentio)
    return "OK"


COMMANDS: Commands = {
    **setting(
        {
            "map:create": _create,
            "map:create_rect": _create_rect,
            "map:set_diameter": _set_diameter,
            "map:set_grid_params": _set_grid,
            "map:set_index_size": _set_index_size,
            "map:set_street_size": _set_street,
            "map:set_axis_orient": _set_orient,
            "map:set_grid_origin": _set_origin,
            "map:set_home_die": _set_home_die,
            "map:set_orient_marker": _set_marker,
            "map:set_flat_params": _set_flat,
            "map:set_color_scheme": _set_color_scheme,
            "map:set_routing": _set_routing,
            "map:die:add": _add,
            "map:die:remove": _remove,
            "map:die:select": _select,
            "map:die:unselect": _unselect,
            "map:path:select_dies": _select_dies,
            "map:path:create_from_bins": _path_from_bins,
            "map:path:add_bins": _add_bins,
            "map:path:remove_bins": _remove_bins,
            "map:open": _open,
            "map:save": _save,
            "map:set_prop": lambda sentio, arguments: sentio.set_property("map", arguments),
            "map:view:show_current_die": _show_current,
        }
    ),
    **asking(
        {
            "map:die:get_status": _status,
            "map:get_num_dies": _num_dies,
            "map:get_num_cols": lambda sentio, _: str(sentio.map.size()[0]),
            "map:get_num_rows": lambda sentio, _: str(sentio.map.size()[1]),
            "map:get_diameter": lambda sentio, _: f"{sentio.map.diameter_mm:.0f}",
            "map:get_index_size": lambda sentio, _: decimals(*sentio.map.pitch_um),
            "map:get_street_size": lambda sentio, _: integers(*sentio.map.street_um),
            "map:get_grid_params": lambda sentio, _: decimals(*sentio.map.pitch_um, *sentio.map.offset_um, sentio.map.edge_um),
            "map:get_grid_origin": lambda sentio, _: integers(*sentio.map.origin),
            "map:get_home_die": lambda sentio, _: integers(*sentio.map.named(sentio.map.home)),
            "map:get_axis_orient": lambda sentio, _: sentio.map.orient,
            "map:get_routing": lambda sentio, _: f"{sentio.route.start.upper()},{sentio.route.priority.upper()}",
            "map:get_orient_marker": lambda sentio, _: f"{sentio.map.marker[0]},{decimals(*sentio.map.marker[1:])}",
            "map:get_prop": _property,
            "get_wafer_diameter": lambda sentio, _: f"{sentio.map.diameter_mm:g}",
        }
    ),
}
