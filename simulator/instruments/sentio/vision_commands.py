"""Cameras, alignment and what they find out about the wafer: where home is, how far it lies askew, how large a die is by now.

`vis:align_wafer` turns the chuck until the rows run straight. `update` takes over the size a die has at this temperature as well;
`auto` finds everything anew and makes the die nearest the wafer's centre the home die, as users found it to do.
Source: documentation of the vis group in sentio-prober-control 26.2.0; issue 16 of its repository.
Assumptions: accuracies, times, that alignment ends over home and no higher than it began.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.instruments.sentio.axes import StageMove, Turn
from simulator.instruments.sentio.codes import Code
from simulator.instruments.sentio.registry import Commands, always, moving, setting
from simulator.instruments.sentio.scripts import Busy, Script, Way
from simulator.instruments.sentio.words import Answer, Arguments, SentioError, decimals
from simulator.physics.surface import stretch
from simulator.physics.wafer import PITCH_UM

if TYPE_CHECKING:
    from simulator.instruments.sentio.prober import Sentio

MODES = ("alignonly", "auto", "update", "2pt")
ALIGN_S, AUTO_S, FIND_S, FOCUS_S, COMPENSATE_S = 20.0, 60.0, 2.0, 4.0, 60.0
SEARCH_UM = 600.0
"""Farther off, the home pattern is not in sight."""
BAD_ACCURACY_UM = 10.0
_ACCURACY_UM, _ACCURACY_DEG = 0.5, 0.0005


def _require_wafer(sentio: Sentio) -> None:
    """Raises SentioError: no wafer, locked in contact, or not initialised."""
    if not sentio.world.needles.wafer_loaded:
        raise SentioError(Code.LOADER_NO_WAFER_ON_CHUCK, "No wafer on chuck")
    sentio.chuck.refuse_in_locked_contact()
    sentio.require_pattern("align")


def _true_home_um(sentio: Sentio) -> tuple[float, float]:
    """Stage position of the map's home die on this wafer, as well as a camera sees it."""
    x, y = sentio.world.needles.stage_of(sentio.map.home)
    noise = sentio.rng.normal(0.0, _ACCURACY_UM, 2)
    return (x + float(noise[0]), y + float(noise[1]))


def _take_home(sentio: Sentio) -> Way:
    """Where home is, seen now; the chuck goes there."""
    sentio.chuck.wafer.home_um = _true_home_um(sentio)
    yield StageMove(sentio.chuck, sentio.chuck.wafer.home_um)
    sentio.look_where()


def _align(sentio: Sentio, arguments: Arguments) -> Script:
    _require_wafer(sentio)
    mode = arguments.one_of(0, MODES) if len(arguments) else "alignonly"
    sentio.active = None
    yield from sentio.chuck.to_site("Wafer")
    yield from sentio.chuck.leave_contact()
    yield Busy(AUTO_S if mode == "auto" else ALIGN_S)
    needles = sentio.world.needles
    if not sentio.chuck.vacuum_on:
        raise SentioError(Code.ALIGN_ACCURACY_BAD, f"Alignment accuracy is over {BAD_ACCURACY_UM:g} um")
    yield Turn(sentio.chuck, -needles.lying_deg + float(sentio.rng.normal(0.0, _ACCURACY_DEG)))
    sentio.chuck.wafer.home_deg = sentio.chuck.theta_deg
    if mode in ("auto", "update"):
        grown = stretch(needles.temperature_c) / stretch(sentio.map_at_c)
        sentio.map.pitch_um = (sentio.map.pitch_um[0] * grown, sentio.map.pitch_um[1] * grown)
        sentio.map_at_c = needles.temperature_c
    if mode == "auto":
        sentio.map.home = sentio.map.nearest_to_centre()
    if sentio.chuck.wafer.home_um is not None or mode == "auto":
        yield from _take_home(sentio)
    return "OK"


def _find_home(sentio: Sentio, _: Arguments) -> Script:
    """Raises SentioError PATTERN_NOT_FOUND where the pattern is out of sight."""
    _require_wafer(sentio)
    sentio.require_pattern("home")
    sentio.active = None
    yield from sentio.chuck.to_site("Wafer")
    yield from sentio.chuck.leave_contact()
    home_um = sentio.chuck.wafer.home_um or sentio.commissioned_home_um()
    yield StageMove(sentio.chuck, home_um)
    yield Busy(FIND_S)
    true_um = sentio.world.needles.stage_of(sentio.map.home)
    if max(abs(true - seen) for true, seen in zip(true_um, home_um, strict=True)) > SEARCH_UM:
        raise SentioError(Code.PATTERN_NOT_FOUND, "Home pattern not found")
    yield from _take_home(sentio)
    return "OK"


def _fast_track(sentio: Sentio, arguments: Arguments) -> Answer:
    def script() -> Script:
        yield from _align(sentio, Arguments(("update",)))
        yield from _find_home(sentio, arguments)
        return "OK"

    return sentio.start(script(), "vis:start_fast_track")


def _align_die(sentio: Sentio, _: Arguments) -> Script:
    """How far the needles are off the nearest die's centre, um and degrees; nothing moves."""
    _require_wafer(sentio)
    yield Busy(FIND_S)
    x, y = sentio.world.needles.over_wafer_um
    off = [value - round(value / PITCH_UM) * PITCH_UM for value in (x, y)]
    return decimals(*off, sentio.world.needles.lying_deg + sentio.chuck.theta_deg)


def _auto_focus(sentio: Sentio, arguments: Arguments) -> Script:
    """The scope's height over what it sees. Raises SentioError AUTO_FOCUS_FAILED where there is nothing."""
    arguments.one_of(0, ("C", "F", "G")) if len(arguments) else "F"
    yield Busy(FOCUS_S)
    if not sentio.world.needles.wafer_loaded:
        raise SentioError(Code.AUTO_FOCUS_FAILED, "Auto focus failed")
    return f"{decimals(20_000.0 + sentio.chuck.z_um - sentio.world.needles.first_touch_um())},Scope"


def _find_pattern(sentio: Sentio, arguments: Arguments) -> Script:
    """x, y from the pattern, score, angle."""
    name = arguments.text(0)
    sentio.require_pattern(name)
    _require_wafer(sentio)
    yield Busy(FIND_S)
    x, y = sentio.world.needles.over_wafer_um
    off = [round(value / PITCH_UM) * PITCH_UM - value for value in (x, y)]
    if max(abs(value) for value in off) > SEARCH_UM:
        raise SentioError(Code.PATTERN_NOT_FOUND, f"Pattern {name} not found")
    return decimals(*off, 98.0, sentio.world.needles.lying_deg + sentio.chuck.theta_deg)


def _thermal_die_size(sentio: Sentio, _: Arguments) -> Script:
    _require_wafer(sentio)
    yield Busy(ALIGN_S)
    grown = stretch(sentio.world.needles.temperature_c) / stretch(sentio.map_at_c)
    return f"{grown:.8f},{grown:.8f}"


# --- compensation
def _enable(sentio: Sentio, arguments: Arguments) -> str:
    """Answers what is on sideways and in z. Raises SentioError MISSING_TOPOGRAPHY_TABLE."""
    what, on = arguments.one_of(0, ("lateral", "vertical", "both", "probecard", "mapscan", "thermal", "topography")), arguments.flag(1)
    if what in ("vertical", "both", "topography"):
        sentio.topography.enable(on)
    if what in ("lateral", "both", "mapscan", "thermal"):
        sentio.properties["vis", "xy_compensation"] = "OnTheFly" if on else "None"
    return f"{sentio.properties.get(('vis', 'xy_compensation'), 'None')},{'Topography' if sentio.topography.on else 'None'}"


def _set_z(sentio: Sentio, arguments: Arguments) -> str:
    sentio.topography.enable(arguments.one_of(0, ("None", "OnTheFly", "Topography")) != "None")
    return "OK"


def _set_xy(sentio: Sentio, arguments: Arguments) -> str:
    sentio.properties["vis", "xy_compensation"] = arguments.one_of(0, ("None", "OnTheFly", "MapScan", "Thermal"))
    return "OK"


def _topography(sentio: Sentio) -> Script:
    _require_wafer(sentio)
    yield from sentio.chuck.leave_contact()
    yield Busy(COMPENSATE_S)
    sentio.topography.measure()
    return "OK"


def _start_compensation(sentio: Sentio, arguments: Arguments) -> Answer:
    kinds = ("DieAlign", "MapScan", "Topography", "AlignDie", "ContactSense", "SkateDetection", "OnTheFly", "OffAxis")
    kind = arguments.one_of(0, kinds)

    def other() -> Script:
        _require_wafer(sentio)
        yield Busy(COMPENSATE_S)
        return "OK"

    return sentio.start(_topography(sentio) if kind == "Topography" else other(), "vis:compensation:start_execute")


def _map_topography(sentio: Sentio, arguments: Arguments) -> Answer:
    if arguments.one_of(0, ("execute", "abort")) == "abort":
        sentio.abort_named("map:compensation:topography")
        return Answer("OK")
    return sentio.start(_topography(sentio), "map:compensation:topography")


# --- tips and pads
def _offsets(_: Sentio, __: Arguments) -> Script:
    """x, y, z by which needles and pads differ: the card was set up well."""
    yield Busy(FIND_S)
    return decimals(0.0, 0.0, 0.0)


def _tips(_: Sentio, arguments: Arguments) -> Script:
    arguments.text(0)
    yield Busy(FIND_S)
    return "512.0 400.0 12.0 30.0 0.97 0, 512.0 620.0 12.0 30.0 0.96 0"


def _match_tips(_: Sentio, __: Arguments) -> Script:
    yield Busy(FIND_S)
    return "0.0,0.0"


COMMANDS: Commands = {
    **moving(
        {
            "vis:align_wafer": _align,
            "vis:find_home": _find_home,
            "vis:align_die": _align_die,
            "vis:auto_focus": _auto_focus,
            "vis:find_pattern": _find_pattern,
            "vis:find_thermal_die_size": _thermal_die_size,
            "vis:execute_ptpa_find_pads": _offsets,
            "vis:ptpa_find_tips": _offsets,
            "vis:camera_synchronize": _offsets,
            "vis:detect_probetips": _tips,
            "vis:match_tips": _match_tips,
        }
    ),
    **setting(
        {
            "vis:start_fast_track": _fast_track,
            "vis:compensation:enable": _enable,
            "vis:compensation:start_execute": _start_compensation,
            "map:compensation:topography": _map_topography,
            "map:compensation:set_xy": _set_xy,
            "map:compensation:set_z": _set_z,
            "vis:remove_probetip_marker": always("OK"),
        }
    ),
}
