"""Stepping over dies and subsites. Answers col,row,site; arriving on the last die of the route sets status bit 1, arriving by a subsite
command on the last subsite of a die sets bit 2, stepping on from the last die is error 11 with bit 1.

Source: documentation of the map group in sentio-prober-control 26.2.0, MPI's VB example (2048 on the last subsite).
Assumptions: that 11 comes with bit 1, that no die is active while the chuck is on its way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.instruments.sentio.cleaning import clean_if_due
from simulator.instruments.sentio.codes import Code
from simulator.instruments.sentio.registry import Commands, asking, moving
from simulator.instruments.sentio.scripts import Script
from simulator.instruments.sentio.wafer_map import Index
from simulator.instruments.sentio.words import LAST_DIE, LAST_SITE, Answer, Arguments, SentioError, integers
from simulator.prober_faults import ProberFault

if TYPE_CHECKING:
    from simulator.instruments.sentio.prober import Sentio


def step(sentio: Sentio, die: Index, site: int, says_last_site: bool = False) -> Script:
    """To a subsite of a die. Raises SentioError SUBSITE_NOT_ROUTABLE, and what the chuck refuses."""
    sentio.route.require_routable(die, site)
    yield from sentio.chuck.to_site("Wafer")
    yield from clean_if_due(sentio)
    x_um, y_um = sentio.route.place_um(die, site)
    target_um = sentio.chuck.stage_for("h", x_um, y_um)
    sentio.chuck.refuse_in_locked_contact()
    mishap = sentio.mishap
    if mishap is not ProberFault.SILENT_STEP:
        sentio.active = None
    yield from sentio.chuck.step_to(target_um, stays=mishap in (ProberFault.SILENT_STEP, ProberFault.LOST_STEP))
    if mishap is not ProberFault.SILENT_STEP:
        sentio.active, sentio.active_site = die, site
    return Answer(integers(*sentio.map.named(die), site), status=_status(sentio, die, site, says_last_site))


def _status(sentio: Sentio, die: Index, site: int, says_last_site: bool) -> int:
    stops = sentio.route.stops(site)
    last_die = LAST_DIE if stops and stops[-1] == die else 0
    return last_die | (LAST_SITE if says_last_site and sentio.route.sites_of(die)[-1] == site else 0)


def active_die(sentio: Sentio) -> Index:
    """Raises SentioError when the chuck stands on no die."""
    if sentio.active is None:
        raise SentioError(Code.INVALID_OPERATION, "No die active")
    return sentio.active


def position(sentio: Sentio) -> int:
    """Place of the active die in the route, -1 when it is not part of it. Raises SentioError when no die is active."""
    die, dies = active_die(sentio), sentio.route.dies()
    return dies.index(die) if die in dies else -1


def _in_route(sentio: Sentio, number: int) -> Index:
    dies = sentio.route.dies()
    if not 0 <= number < len(dies):
        raise SentioError(Code.ARGUMENT_OUT_OF_BOUNDS, f"Die {number} is not part of the route of {len(dies)}")
    return dies[number]


def _site(sentio: Sentio, arguments: Arguments, index: int, otherwise: int) -> int:
    return sentio.route.site(arguments.text(index)) if len(arguments) > index else otherwise


def _by(sentio: Sentio, offset: int, site: int) -> Index:
    """Die so many stops on in the route of a subsite. Raises SentioError END_OF_ROUTE, and when the active die is not in the route."""
    die, stops = active_die(sentio), sentio.route.stops(site)
    if die not in sentio.route.dies():
        raise SentioError(Code.INVALID_OPERATION, "The active die is not part of the route")
    order = sentio.route.dies()
    following = [stop for stop in stops if (order.index(stop) - order.index(die)) * offset > 0]
    if not following:
        raise SentioError(Code.END_OF_ROUTE, "End of route reached!", status=LAST_DIE if offset > 0 else 0)
    return following[0] if offset > 0 else following[-1]


def _step_die(sentio: Sentio, arguments: Arguments) -> Script:
    die = sentio.map.present((arguments.integer(0), arguments.integer(1)))
    return step(sentio, die, _site(sentio, arguments, 2, 0))


def _step_sequence(sentio: Sentio, arguments: Arguments) -> Script:
    return step(sentio, _in_route(sentio, arguments.integer(0)), _site(sentio, arguments, 1, 0))


def _step_first(sentio: Sentio, arguments: Arguments) -> Script:
    """Without an argument to the first routable subsite of the first die."""
    die = _in_route(sentio, 0)
    if len(arguments):
        site = sentio.route.site(arguments.text(0))
        stops = sentio.route.stops(site)
        if not stops:
            raise SentioError(Code.SUBSITE_NOT_ROUTABLE, f"Subsite {site} is not routable")
        return step(sentio, stops[0], site)
    sites = sentio.route.sites_of(die)
    return step(sentio, die, sites[0] if sites else 0)


def _step_next(sentio: Sentio, arguments: Arguments) -> Script:
    site = _site(sentio, arguments, 0, sentio.active_site)
    return step(sentio, _by(sentio, 1, site), site)


def _step_previous(sentio: Sentio, _: Arguments) -> Script:
    return step(sentio, _by(sentio, -1, sentio.active_site), sentio.active_site)


def _bin_step_next(sentio: Sentio, arguments: Arguments) -> Script:
    sentio.bins.put(active_die(sentio), sentio.active_site, arguments.integer(0))
    return _step_next(sentio, arguments.after(1))


# --- subsites
def _subsite_step(sentio: Sentio, arguments: Arguments) -> Script:
    return step(sentio, active_die(sentio), sentio.route.site(arguments.text(0)), says_last_site=True)


def _subsite_by(sentio: Sentio, offset: int) -> Script:
    """The next one of this die, or after the last the first of the next die of the route; backwards the same."""
    die = active_die(sentio)
    beside = [site for site in sentio.route.sites_of(die) if (site - sentio.active_site) * offset > 0]
    if beside:
        return step(sentio, die, beside[0] if offset > 0 else beside[-1], says_last_site=True)
    order = sentio.route.dies()
    if die not in order:
        raise SentioError(Code.INVALID_OPERATION, "The active die is not part of the route")
    place = order.index(die) + offset
    while 0 <= place < len(order):
        sites = sentio.route.sites_of(order[place])
        if sites:
            return step(sentio, order[place], sites[0] if offset > 0 else sites[-1], says_last_site=True)
        place += offset
    raise SentioError(Code.END_OF_ROUTE, "End of route reached!", status=LAST_DIE if offset > 0 else 0)


def _subsite_next(sentio: Sentio, _: Arguments) -> Script:
    return _subsite_by(sentio, 1)


def _subsite_previous(sentio: Sentio, _: Arguments) -> Script:
    return _subsite_by(sentio, -1)


def _subsite_bin_next(sentio: Sentio, arguments: Arguments) -> Script:
    sentio.bins.put(active_die(sentio), sentio.active_site, arguments.integer(0))
    return _subsite_by(sentio, 1)


# --- questions
def _current_index(sentio: Sentio, _: Arguments) -> str:
    return integers(position(sentio), *sentio.map.named(active_die(sentio)))


def _current_subsite(sentio: Sentio, _: Arguments) -> str:
    active_die(sentio)
    return str(sentio.active_site)


def _path_die(sentio: Sentio, arguments: Arguments) -> str:
    return integers(*sentio.map.named(_in_route(sentio, arguments.integer(0))))


COMMANDS: Commands = {
    **moving(
        {
            "map:step_die": _step_die,
            "map:step_die_seq": _step_sequence,
            "map:step_first_die": _step_first,
            "map:step_next_die": _step_next,
            "map:step_previous_die": _step_previous,
            "map:bin_step_next_die": _bin_step_next,
            "map:subsite:step": _subsite_step,
            "map:subsite:step_next": _subsite_next,
            "map:subsite:step_previous": _subsite_previous,
            "map:subsite:bin_step_next": _subsite_bin_next,
        }
    ),
    **asking(
        {
            "map:die:get_current_index": _current_index,
            "map:die:get_current_subsite": _current_subsite,
            "map:get_die_seq": lambda sentio, _: str(position(sentio)),
            "map:path:get_die": _path_die,
        }
    ),
}
