"""What the map carries: bins and values of dies, subsites, points of interest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.instruments.sentio.bins import QUALITIES, UNBINNED, Bin, default_table
from simulator.instruments.sentio.codes import Code
from simulator.instruments.sentio.registry import Commands, asking, moving, setting
from simulator.instruments.sentio.route import Subsite, fresh_subsites
from simulator.instruments.sentio.scripts import Script
from simulator.instruments.sentio.stepping import active_die
from simulator.instruments.sentio.wafer_map import Index
from simulator.instruments.sentio.words import Arguments, SentioError, decimals, integers

if TYPE_CHECKING:
    from simulator.instruments.sentio.prober import Sentio

_ORIENTS = ("UR", "UL", "DR", "DL")
_GROUPS = ("P", "S", "GP", "GS", "WP", "WS")


# --- bins
def _binned(sentio: Sentio, arguments: Arguments, first: int) -> tuple[Index, int]:
    """Die and subsite named from argument `first` on, or the active ones."""
    if len(arguments) <= first:
        return active_die(sentio), sentio.active_site
    die = sentio.map.present((arguments.integer(first), arguments.integer(first + 1)))
    return die, sentio.route.site(arguments.text(first + 2)) if len(arguments) > first + 2 else 0


def _set_bin(sentio: Sentio, arguments: Arguments) -> str:
    sentio.bins.put(*_binned(sentio, arguments, 1), arguments.integer(0))
    return "OK"


def _get_bin(sentio: Sentio, arguments: Arguments) -> str:
    return str(sentio.bins.get(*_binned(sentio, arguments, 0)))


def _set_all(sentio: Sentio, arguments: Arguments) -> str:
    """a: dies and subsites, d: dies only, s: subsites only. -1 takes every bin away."""
    number, what = sentio.bins.check(arguments.integer(0)), arguments.one_of(1, ("a", "d", "s")) if len(arguments) > 1 else "a"
    sites = range(len(sentio.route.subsites))
    for die in sentio.map.dies:
        for site in sites:
            if what == "a" or (what == "d") == (site == 0):
                sentio.bins.of[die, site] = number
    if number == UNBINNED:
        sentio.bins.of = {key: bin_number for key, bin_number in sentio.bins.of.items() if bin_number != UNBINNED}
    return "OK"


def _clear_bins(sentio: Sentio, _: Arguments) -> str:
    sentio.bins.of.clear()
    return "OK"


def _clear_values(sentio: Sentio, _: Arguments) -> str:
    sentio.bins.values.clear()
    return "OK"


def _set_value(sentio: Sentio, arguments: Arguments) -> str:
    sentio.bins.values[_binned(sentio, arguments, 1)[0]] = arguments.number(0)
    return "OK"


def _bin_info(sentio: Sentio, arguments: Arguments) -> str:
    row = sentio.bins.row(arguments.integer(0))
    return f"{arguments.integer(0)},{row.description},{row.quality},{row.color}"


def _set_bin_info(sentio: Sentio, arguments: Arguments) -> str:
    sentio.bins.row(arguments.integer(0))
    row = Bin(arguments.text(1), arguments.one_of(2, QUALITIES), arguments.text(3))
    sentio.bins.table[arguments.integer(0)] = row
    return "OK"


def _resize(sentio: Sentio, arguments: Arguments) -> str:
    sentio.bins.resize(arguments.integer(0))
    return "OK"


def _load_bins(sentio: Sentio, arguments: Arguments) -> str:
    sentio.files.require(",".join(arguments.words))
    sentio.bins.table = default_table()
    return "OK"


# --- subsites
def _turned(orient: str, x_um: float, y_um: float) -> tuple[float, float]:
    """A place given in the axes of an orientation, in the wafer's; and the other way round."""
    return (-x_um if orient[1] == "L" else x_um, -y_um if orient[0] == "D" else y_um)


def _add_subsite(sentio: Sentio, arguments: Arguments) -> str:
    name, x_um, y_um = arguments.text(0), arguments.number(1), arguments.number(2)
    if any(subsite.name.lower() == name.lower() for subsite in sentio.route.subsites):
        raise SentioError(Code.INVALID_PARAMETER, f"Subsite {name} exists already")
    orient = arguments.one_of(3, _ORIENTS) if len(arguments) > 3 else sentio.map.orient
    sentio.route.subsites.append(Subsite(name, _turned(orient, x_um, y_um)))
    return str(len(sentio.route.subsites) - 1)


def _get_subsite(sentio: Sentio, arguments: Arguments) -> str:
    subsite = sentio.route.subsites[sentio.route.site(arguments.text(0))]
    orient = arguments.one_of(1, ("MAP", *_ORIENTS)) if len(arguments) > 1 else "MAP"
    return f"{subsite.name},{decimals(*_turned(sentio.map.orient if orient == 'MAP' else orient, *subsite.place_um))}"


def _num_subsites(sentio: Sentio, arguments: Arguments) -> str:
    """P, GP: of every die; S, GS: active ones; WP, WS: the same over the whole wafer."""
    group = arguments.one_of(0, _GROUPS) if len(arguments) else "P"
    if group[0] == "W":
        return str(sum(len(sentio.route.sites_of(die)) if group == "WS" else len(sentio.route.subsites) for die in sentio.map.dies))
    active = [subsite for subsite in sentio.route.subsites if subsite.active]
    return str(len(active if group.endswith("S") else sentio.route.subsites))


def _reset_subsites(sentio: Sentio, _: Arguments) -> str:
    """One is left: every die's home position."""
    sentio.route.subsites[:] = fresh_subsites()
    sentio.active_site = 0
    return "OK"


def _remove_subsite(sentio: Sentio, arguments: Arguments) -> str:
    site = sentio.route.site(arguments.text(0))
    if site == 0:
        raise SentioError(Code.INVALID_OPERATION, "The home subsite cannot be removed")
    del sentio.route.subsites[site]
    sentio.active_site = 0 if sentio.active_site >= site else sentio.active_site
    return "OK"


def _subsite_state(sentio: Sentio, arguments: Arguments) -> str:
    subsite = sentio.route.subsites[sentio.route.site(arguments.text(0))]
    if len(arguments) < 3:
        return str(int(subsite.active))
    return str(int(subsite.active_on(sentio.map.present((arguments.integer(1), arguments.integer(2))))))


def _set_subsite_state(sentio: Sentio, arguments: Arguments) -> str:
    subsite, active = sentio.route.subsites[sentio.route.site(arguments.text(0))], arguments.flag(1)
    if len(arguments) < 4:
        subsite.active = active
        subsite.set_on.clear()
    else:
        subsite.set_on[sentio.map.present((arguments.integer(2), arguments.integer(3)))] = active
    return "OK"


def _export(sentio: Sentio, arguments: Arguments) -> str:
    sentio.files.write(arguments.text(0))
    return "OK"


def _import(sentio: Sentio, arguments: Arguments) -> str:
    sentio.files.require(",".join(arguments.words))
    return "OK"


# --- points of interest
@dataclass(frozen=True)
class PointOfInterest:
    """place_um: from the active die's home position, or from the stage's centre."""

    place_um: tuple[float, float]
    name: str


def _reset_points(sentio: Sentio, arguments: Arguments) -> str:
    arguments.one_of(0, ("chuck", "scope"))
    sentio.points_from_die = arguments.one_of(1, ("DieCenter", "StageCenter")) == "DieCenter"
    sentio.points.clear()
    return "OK"


def _add_point(sentio: Sentio, arguments: Arguments) -> str:
    sentio.points.append(PointOfInterest((arguments.number(0), arguments.number(1)), arguments.text(2)))
    return "OK"


def _point(sentio: Sentio, word: str) -> int:
    named = [number for number, point in enumerate(sentio.points) if point.name.lower() == word.lower()]
    number = named[0] if named else int(word) if word.isdecimal() else -1
    if not 0 <= number < len(sentio.points):
        raise SentioError(Code.ARGUMENT_OUT_OF_BOUNDS, f"Point of interest {word} does not exist!")
    return number


def _get_point(sentio: Sentio, arguments: Arguments) -> str:
    point = sentio.points[_point(sentio, arguments.text(0))]
    return f"{decimals(*point.place_um)},{point.name}"


def _remove_point(sentio: Sentio, arguments: Arguments) -> str:
    if len(arguments):
        del sentio.points[_point(sentio, arguments.text(0))]
    else:
        sentio.points.clear()
    return "OK"


def _step_point(sentio: Sentio, number: int) -> Script:
    point = sentio.points[number]
    if sentio.points_from_die:
        die = active_die(sentio)
        centre = sentio.map.from_home_um(die)
        target_um = sentio.chuck.stage_for("h", centre[0] + point.place_um[0], centre[1] + point.place_um[1])
        named = sentio.map.named(die)
    else:
        target_um, named = sentio.chuck.stage_for("c", *point.place_um), (0, 0)
    yield from sentio.chuck.step_to(target_um)
    sentio.point = number
    return integers(*named, number)


def _step_to_point(sentio: Sentio, arguments: Arguments) -> Script:
    return _step_point(sentio, _point(sentio, arguments.text(0)))


def _step_first_point(sentio: Sentio, _: Arguments) -> Script:
    return _step_point(sentio, _point(sentio, "0"))


def _step_next_point(sentio: Sentio, _: Arguments) -> Script:
    if sentio.point + 1 >= len(sentio.points):
        raise SentioError(Code.END_OF_ROUTE, "End of route reached!")
    return _step_point(sentio, sentio.point + 1)


COMMANDS: Commands = {
    **setting(
        {
            "map:bins:set_bin": _set_bin,
            "map:bins:set_all": _set_all,
            "map:bins:set_value": _set_value,
            "map:bins:clear_all": _clear_bins,
            "map:bins:clear_all_values": _clear_values,
            "map:bins:set_bin_info": _set_bin_info,
            "map:bins:resize": _resize,
            "map:bins:load": _load_bins,
            "map:subsite:add": _add_subsite,
            "map:subsite:reset": _reset_subsites,
            "map:subsite:remove": _remove_subsite,
            "map:subsite:set_state": _set_subsite_state,
            "map:subsite:export": _export,
            "map:subsite:import": _import,
            "map:poi:reset": _reset_points,
            "map:poi:add": _add_point,
            "map:poi:remove": _remove_point,
        }
    ),
    **moving({"map:poi:step": _step_to_point, "map:poi:step_first": _step_first_point, "map:poi:step_next": _step_next_point}),
    **asking(
        {
            "map:bins:get_bin": _get_bin,
            "map:bins:get_bin_info": _bin_info,
            "map:bins:get_num_bins": lambda sentio, _: str(len(sentio.bins.table)),
            "map:subsite:get": _get_subsite,
            "map:subsite:get_num": _num_subsites,
            "map:subsite:get_state": _subsite_state,
            "map:poi:get": _get_point,
            "map:poi:get_num": lambda sentio, _: str(len(sentio.points)),
        }
    ),
}
