"""Loading and unloading. Answers as the vendor's client reads them: stations by their names in its enumeration, presence as 0 and 1.

Source: sentio-prober-control 26.2.0, LoaderCommandGroup.py and LoaderVirtualCarrierCommandGroup.py.
Assumption: one virtual carrier, with one step for the one wafer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.instruments.sentio.codes import Code
from simulator.instruments.sentio.loader import CASSETTE, CHUCK, NAMES, PREALIGNER, READ_S, SCAN_S, LoadedWafer, Spot
from simulator.instruments.sentio.registry import Commands, asking, moving, setting
from simulator.instruments.sentio.scripts import Busy, Script, Way
from simulator.instruments.sentio.words import Answer, Arguments, SentioError

if TYPE_CHECKING:
    from simulator.instruments.sentio.prober import Sentio

CARRIER = "SIM-CARRIER"


def _spot(sentio: Sentio, arguments: Arguments, index: int = 0) -> Spot:
    return sentio.loader.spot(sentio.loader.station(arguments.text(index)), arguments.integer(index + 1))


# --- moving wafers
def _load(sentio: Sentio, arguments: Arguments) -> Script:
    """Answers the wafer's id."""
    source = _spot(sentio, arguments)
    if len(arguments) > 2:
        sentio.loader.check_angle(arguments.number(2))
    yield from sentio.loader.transfer(source, (CHUCK, 1))
    return sentio.loader.wafer.wafer_id


def _unload(sentio: Sentio, arguments: Arguments) -> Script:
    """To where it came from, unless another place is named."""
    wafer = sentio.loader.require_wafer((CHUCK, 1))
    yield from sentio.loader.transfer((CHUCK, 1), _spot(sentio, arguments) if len(arguments) else wafer.origin)
    return "OK"


def _transfer(sentio: Sentio, arguments: Arguments) -> Script:
    yield from sentio.loader.transfer(_spot(sentio, arguments), _spot(sentio, arguments, 2))
    return "OK"


def _swap(sentio: Sentio, _: Arguments) -> Script:
    """The pre-aligner's wafer against the chuck's: this lab has one, so it is missing here or there."""
    sentio.loader.require_wafer((PREALIGNER, 1))
    yield from sentio.loader.transfer((PREALIGNER, 1), (CHUCK, 1))
    return "False,True"


def _prealign(sentio: Sentio, arguments: Arguments) -> Script:
    arguments.one_of(0, ("Notch", "Flat"))
    yield from sentio.loader.prealign(arguments.number(1))
    return "OK"


def _scan(sentio: Sentio, arguments: Arguments) -> Script:
    station = sentio.loader.station(arguments.text(0))
    yield Busy(SCAN_S)
    return sentio.loader.presence(station)


def _read_id(sentio: Sentio, arguments: Arguments) -> Script:
    wafer = sentio.loader.require_wafer((PREALIGNER, 1))
    if len(arguments):
        sentio.loader.check_angle(arguments.number(0))
        arguments.one_of(1, ("T", "B"))
    yield Busy(READ_S)
    return wafer.wafer_id


def _preparing_wafer(sentio: Sentio, arguments: Arguments) -> Way:
    """On the pre-aligner, aligned; where it goes later is remembered as where it came from."""
    source, target = _spot(sentio, arguments), _spot(sentio, arguments, 4)
    sentio.loader.check_angle(arguments.number(2))
    yield from sentio.loader.transfer(source, (PREALIGNER, 1))
    yield from sentio.loader.prealign(arguments.number(2))
    if arguments.flag(3):
        yield Busy(READ_S)
    sentio.loader.wafer.origin = target


def _start_prepare_wafer(sentio: Sentio, arguments: Arguments) -> Answer:
    def script() -> Script:
        yield from _preparing_wafer(sentio, arguments)
        return sentio.loader.wafer.wafer_id

    arguments.text(5)
    return sentio.start(script(), "loader:start_prepare_wafer")


def _start_prepare_station(sentio: Sentio, arguments: Arguments) -> Answer:
    sentio.loader.station(arguments.text(0))
    return sentio.start(_scan(sentio, arguments), "loader:start_prepare_station", has_chuck=False)


def _start_read_id(sentio: Sentio, arguments: Arguments) -> Answer:
    return sentio.start(_read_id(sentio, arguments), "loader:start_read_wafer_id", has_chuck=False)


# --- what is known of them
def _wafer_status(sentio: Sentio, arguments: Arguments) -> str:
    wafer = _there(sentio, _spot(sentio, arguments))
    return f"{NAMES[wafer.origin[0]]},{wafer.origin[1]},{wafer.size_mm},{wafer.orientation_deg},{wafer.progress}"


def _there(sentio: Sentio, spot: Spot) -> LoadedWafer:
    """The wafer at a spot. Raises SentioError SLOT_OR_STATION_EMPTY, whatever the spot."""
    if sentio.loader.at != spot:
        raise SentioError(Code.SLOT_OR_STATION_EMPTY, f"No wafer at {spot[0]} {spot[1]}")
    return sentio.loader.wafer


def _tracked(sentio: Sentio, spot: Spot) -> LoadedWafer:
    """The tracker knows a wafer by where it came from, too."""
    return sentio.loader.wafer if sentio.loader.wafer.origin == spot else _there(sentio, spot)


def _set_wafer_status(sentio: Sentio, arguments: Arguments) -> str:
    wafer = _tracked(sentio, _spot(sentio, arguments))
    if arguments.one_of(2, ("Progress", "Orientation")) == "Progress":
        wafer.progress = arguments.within(3, 0, 100)
    else:
        wafer.orientation_deg = round(arguments.within(3, 0, 360))
    return "OK"


def _wafer_id(sentio: Sentio, arguments: Arguments) -> str:
    return _there(sentio, _spot(sentio, arguments)).wafer_id


def _set_wafer_id(sentio: Sentio, arguments: Arguments) -> str:
    _tracked(sentio, _spot(sentio, arguments)).wafer_id = arguments.text(2)
    return "OK"


def _has_cassette(sentio: Sentio, arguments: Arguments) -> str:
    there = sentio.loader.has(arguments.text(0)) and arguments.key(0) == CASSETTE
    return f"1,{sentio.loader.wafer.size_mm}" if there else "0,0"


# --- virtual carriers
def _carrier_step(sentio: Sentio, separator: str) -> str:
    state = "Done" if sentio.carrier_step else "Ready"
    values = (state, sentio.loader.wafer.wafer_id, NAMES[CASSETTE], "1", f"{sentio.heat.target_c:.1f}", "0")
    return separator.join(values)


def _select_carrier(_: Sentio, arguments: Arguments) -> str:
    if arguments.text(0) != CARRIER:
        raise SentioError(Code.INVALID_PARAMETER, f"Virtual carrier {arguments.text(0)} does not exist")
    return "OK"


def _start_carrier(sentio: Sentio, arguments: Arguments) -> Answer:
    _select_carrier(sentio, arguments)
    if arguments.one_of(1, ("Start", "Continue")) == "Start":
        sentio.carrier_step = 0

    def script() -> Script:
        yield Busy(SCAN_S)
        return _carrier_step(sentio, " ")

    return sentio.start(script(), "loader:vc:start_initialize", has_chuck=False)


def _next_carrier_step(sentio: Sentio, _: Arguments) -> Answer:
    def script() -> Script:
        """The wafer on the chuck; after the last step END_OF_LIST."""
        if sentio.carrier_step:
            raise SentioError(Code.END_OF_LIST, "End of list reached!")
        if sentio.loader.at != (CHUCK, 1):
            yield from sentio.loader.transfer(sentio.loader.at, (CHUCK, 1))
        said = _carrier_step(sentio, ",")
        sentio.carrier_step = 1
        return said

    return sentio.start(script(), "loader:vc:start_next_step")


COMMANDS: Commands = {
    **moving(
        {
            "loader:load_wafer": _load,
            "loader:unload_wafer": _unload,
            "loader:transfer_wafer": _transfer,
            "loader:swap_wafer": _swap,
            "loader:prealign": _prealign,
            "loader:scan_station": _scan,
            "loader:read_wafer_id": _read_id,
        }
    ),
    **setting(
        {
            "loader:start_prepare_wafer": _start_prepare_wafer,
            "loader:start_prepare_station": _start_prepare_station,
            "loader:start_read_wafer_id": _start_read_id,
            "loader:set_wafer_status": _set_wafer_status,
            "loader:set_wafer_id": _set_wafer_id,
            "loader:vc:select": _select_carrier,
            "loader:vc:start_initialize": _start_carrier,
            "loader:vc:start_next_step": _next_carrier_step,
            "loader:vc:save_state": lambda _, __: "OK",
        }
    ),
    **asking(
        {
            "loader:has_station": lambda sentio, arguments: str(int(sentio.loader.has(arguments.text(0)))),
            "loader:has_cassette": _has_cassette,
            "loader:query_wafer_status": _wafer_status,
            "loader:query_wafer_id": _wafer_id,
            "loader:query_station_status": lambda sentio, arguments: sentio.loader.presence(sentio.loader.station(arguments.text(0))),
            "loader:vc:list": lambda _, __: CARRIER,
        }
    ),
}
