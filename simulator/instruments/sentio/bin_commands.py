"""Bins and values of dies, and the table that says what a bin means.

Source: WafermapBinsCommandGroup.py of sentio-prober-control 26.2.0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.instruments.sentio.bins import QUALITIES, UNBINNED, Bin, default_table
from simulator.instruments.sentio.registry import Commands, asking, setting
from simulator.instruments.sentio.stepping import active_die
from simulator.instruments.sentio.wafer_map import Index
from simulator.instruments.sentio.words import Arguments

if TYPE_CHECKING:
    from simulator.instruments.sentio.prober import Sentio


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
        }
    ),
    **asking(
        {
            "map:bins:get_bin": _get_bin,
            "map:bins:get_bin_info": _bin_info,
            "map:bins:get_num_bins": lambda sentio, _: str(len(sentio.bins.table)),
        }
    ),
}
