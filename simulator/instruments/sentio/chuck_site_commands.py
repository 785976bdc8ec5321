"""Going to the chuck's sites, by the older name and as a stage's list of sites.

Source: move_chuck_site and StageCommandGroup.py of sentio-prober-control 26.2.0.
Assumption: that the chuck's list of sites is what get_chuck_site_name numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.instruments.sentio.chuck import mirrored
from simulator.instruments.sentio.codes import Code
from simulator.instruments.sentio.references import SITES, site_named
from simulator.instruments.sentio.registry import Commands, asking, moving
from simulator.instruments.sentio.scripts import Script
from simulator.instruments.sentio.stage_commands import GROUPS_SINCE
from simulator.instruments.sentio.words import Arguments, SentioError, decimals

if TYPE_CHECKING:
    from simulator.instruments.sentio.prober import Sentio


def _to_site(sentio: Sentio, arguments: Arguments) -> Script:
    name = site_named(arguments.text(0))
    yield from sentio.chuck.to_site(name)
    sentio.look_where()
    return decimals(*sentio.chuck.xy_um("z"), sentio.chuck.z_um, sentio.chuck.theta_deg)


def _step(sentio: Sentio, name: str) -> Script:
    yield from sentio.chuck.to_site(name)
    sentio.look_where()
    return f"{name},{decimals(*sentio.chuck.xy_um('z'))}"


def _step_site(sentio: Sentio, arguments: Arguments) -> Script:
    return _step(sentio, site_named(arguments.text(0)))


def _step_first(sentio: Sentio, _: Arguments) -> Script:
    return _step(sentio, SITES[0])


def _step_next(sentio: Sentio, _: Arguments) -> Script:
    following = SITES[SITES.index(sentio.chuck.active) + 1 :]
    if not following:
        raise SentioError(Code.END_OF_ROUTE, "End of route reached!")
    return _step(sentio, following[0])


def _get_site(sentio: Sentio, arguments: Arguments) -> str:
    name = site_named(arguments.text(0))
    return f"{name},{decimals(*mirrored(sentio.chuck.sites[name].last_um))},Zero,True"


COMMANDS: Commands = {
    **moving({"move_chuck_site": _to_site}),
    **moving({"chuck:step_site": _step_site, "chuck:step_site_first": _step_first, "chuck:step_site_next": _step_next}, GROUPS_SINCE),
    **asking({"chuck:get_site": _get_site, "chuck:get_site_num": lambda _, __: str(len(SITES))}, GROUPS_SINCE),
}
