"""Subsites: places beside a die's home position that are stepped like dies.

Source: WafermapSubsiteCommandGroup.py of sentio-prober-control 26.2.0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.instruments.sentio.codes import Code
from simulator.instruments.sentio.registry import Commands, asking, setting
from simulator.instruments.sentio.route import Subsite, fresh_subsites
from simulator.instruments.sentio.words import Arguments, SentioError, decimals

if TYPE_CHECKING:
    from simulator.instruments.sentio.prober import Sentio

_ORIENTS = ("UR", "UL", "DR", "DL")
_GROUPS = ("P", "S", "GP", "GS", "WP", "WS")


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


COMMANDS: Commands = {
    **setting(
        {
            "map:subsite:add": _add_subsite,
            "map:subsite:reset": _reset_subsites,
            "map:subsite:remove": _remove_subsite,
            "map:subsite:set_state": _set_subsite_state,
            "map:subsite:export": _export,
            "map:subsite:import": _import,
        }
    ),
    **asking(
        {
            "map:subsite:get": _get_subsite,
            "map:subsite:get_num": _num_subsites,
            "map:subsite:get_state": _subsite_state,
        }
    ),
}
