"""Heights, gaps and homes of the chuck's sites, and the vacuum that holds the wafer.

Source: documentation of get_chuck_site_heights and its kin in sentio-prober-control 26.2.0.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from simulator.instruments.sentio.chuck import mirrored
from simulator.instruments.sentio.codes import Code
from simulator.instruments.sentio.references import SITES, is_site, site_named, site_of
from simulator.instruments.sentio.registry import Commands, Handler, asking, setting
from simulator.instruments.sentio.sites import Heights, Site
from simulator.instruments.sentio.stage_commands import GROUPS_SINCE
from simulator.instruments.sentio.words import Arguments, SentioError, decimals, flags

if TYPE_CHECKING:
    from simulator.instruments.sentio.prober import Sentio


def _site(sentio: Sentio, arguments: Arguments) -> Site:
    return sentio.chuck.sites[site_of(arguments, sentio.chuck.active)]


# --- heights
def _status(sentio: Sentio, arguments: Arguments) -> str:
    site = _site(sentio, arguments)
    return flags(site.home_um is not None, site.heights.contact_um is not None, site.overtravel_on, site.vacuum_on)


def _heights(sentio: Sentio, arguments: Arguments) -> str:
    heights = _site(sentio, arguments).heights
    return decimals(heights.contact_um or 0.0, heights.separation_gap_um, heights.overtravel_gap_um, heights.hover_gap_um)


def _set_heights(sentio: Sentio, arguments: Arguments) -> str:
    name = site_named(arguments.text(0))
    heights = Heights(*(arguments.number(index) for index in range(1, 5)))
    heights.check()
    sentio.chuck.sites[name].heights = heights
    return ",".join((name, *arguments.words[1:5]))


def _set_gaps(sites: Iterable[Site], name: str, gap_um: float) -> str:
    """All of them, or none where one would not bear it."""
    changed = [(site, replace(site.heights, **{name: gap_um})) for site in sites]
    for _, heights in changed:
        heights.check()
    for site, heights in changed:
        site.heights = heights
    return "OK"


def _gap_of_all(name: str) -> Handler:
    return lambda sentio, arguments: _set_gaps(sentio.chuck.sites.values(), name, arguments.number(0))


def _gap_of_one(name: str) -> Handler:
    return lambda sentio, arguments: _set_gaps([sentio.chuck.sites[site_named(arguments.text(0))]], name, arguments.number(1))


def _enable_all(name: str) -> Handler:
    def enable(sentio: Sentio, arguments: Arguments) -> str:
        on = arguments.flag(0)
        for site in sentio.chuck.sites.values():
            setattr(site, name, on)
        return "OK"

    return enable


def _enable_one(name: str) -> Handler:
    def enable(sentio: Sentio, arguments: Arguments) -> str:
        setattr(sentio.chuck.sites[site_named(arguments.text(0))], name, arguments.flag(1))
        return "OK"

    return enable


def _clear_contact(sentio: Sentio, arguments: Arguments) -> str:
    """Of one site, or of all."""
    for name in [site_named(arguments.text(0))] if len(arguments) else SITES:
        sentio.chuck.sites[name].heights = replace(sentio.chuck.sites[name].heights, contact_um=None)
    return "OK"


# --- homes
def _get_position(sentio: Sentio, arguments: Arguments) -> str:
    site = _site(sentio, arguments)
    return decimals(*mirrored(site.home()), site.home_deg)


def _set_position(sentio: Sentio, arguments: Arguments) -> str:
    """Of the site named first, or of the active one; here, where no position is given."""
    named = len(arguments) > 0 and is_site(arguments.text(0))
    site, rest = _site(sentio, arguments if named else Arguments()), arguments.after(1) if named else arguments
    if len(rest):
        site.home_um, site.home_deg = mirrored((rest.number(0), rest.number(1))), rest.number(2)
    else:
        site.home_um, site.home_deg = sentio.chuck.stage_um, sentio.chuck.theta_deg
    sentio.look_where()
    return "OK"


def _get_home(sentio: Sentio, arguments: Arguments) -> str:
    return f"{decimals(*mirrored(_site(sentio, arguments).home()))},{site_of(arguments, sentio.chuck.active)}"


def _set_home(sentio: Sentio, arguments: Arguments) -> str:
    """`chuck:set_home [x,y][,site]`, from zero; here, where no position is given."""
    words = arguments.words
    name = site_named(words[-1]) if words and is_site(words[-1]) else sentio.chuck.active
    here = (arguments.number(0), arguments.number(1)) if len(arguments) >= 2 else sentio.chuck.xy_um("z")
    sentio.chuck.sites[name].home_um = mirrored(here)
    sentio.look_where()
    return f"{decimals(*here)},{name}"


def _set_user_origin(sentio: Sentio, arguments: Arguments) -> str:
    """From home, in the wafer's frame."""
    if arguments.one_of(0, ("chuck", "scope")) == "chuck":
        sentio.chuck.user_origin_um = (arguments.number(1), arguments.number(2))
    return "OK"


# --- sites
def _index(sentio: Sentio, arguments: Arguments) -> str:
    return str(SITES.index(site_of(arguments, sentio.chuck.active)))


def _name(sentio: Sentio, arguments: Arguments) -> str:
    return site_of(arguments, sentio.chuck.active)


# --- vacuum
def _set_vacuum(sentio: Sentio, arguments: Arguments) -> str:
    """`set_vacuum Wafer, True`; `set_vacuum 1` is the active site's. Raises SentioError VACUUM_FAILED with nothing to hold."""
    if len(arguments) > 1:
        name, on = site_named(arguments.text(0)), arguments.flag(1)
    else:
        name, on = sentio.chuck.active, arguments.flag(0)
    if on and (sentio.vacuum_lost or (name == "Wafer" and not sentio.world.needles.wafer_loaded)):
        raise SentioError(Code.VACUUM_FAILED, "Vacuum failed")
    sentio.chuck.sites[name].vacuum_on = on
    return "OK"


def _vacuum(sentio: Sentio, arguments: Arguments) -> str:
    return flags(_site(sentio, arguments).vacuum_on)


COMMANDS: Commands = {
    **asking(
        {
            "get_chuck_site_status": _status,
            "get_chuck_site_heights": _heights,
            "get_chuck_site_pos": _get_position,
            "get_chuck_site_count": lambda _, __: str(len(SITES)),
            "get_chuck_site_index": _index,
            "get_chuck_site_name": _name,
            "get_vacuum_status": _vacuum,
        }
    ),
    **asking({"chuck:get_home": _get_home}, GROUPS_SINCE),
    **setting({"chuck:set_home": _set_home}, GROUPS_SINCE),
    **setting(
        {
            "set_chuck_site_heights": _set_heights,
            "set_chuck_overtravel_gap": _gap_of_all("overtravel_gap_um"),
            "set_chuck_separation_gap": _gap_of_all("separation_gap_um"),
            "set_chuck_site_overtravel_gap": _gap_of_one("overtravel_gap_um"),
            "set_chuck_site_separation_gap": _gap_of_one("separation_gap_um"),
            "enable_chuck_overtravel": _enable_all("overtravel_on"),
            "enable_chuck_hover": _enable_all("hover_on"),
            "enable_chuck_site_overtravel": _enable_one("overtravel_on"),
            "enable_chuck_site_hover": _enable_one("hover_on"),
            "clear_contact": _clear_contact,
            "set_chuck_site_pos": _set_position,
            "set_user_coordinate_origin": _set_user_origin,
            "set_vacuum": _set_vacuum,
        }
    ),
}
