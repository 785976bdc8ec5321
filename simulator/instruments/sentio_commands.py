"""Every command the prober knows, and those for identity, state, temperature and wear.

A handler takes the prober and the arguments, returns the message, raises SentioError.
Source: command strings, arguments and answers of sentio-prober-control 26.2.0, whose documentation names units and conditions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.instruments.sentio_map_commands import MAP_COMMANDS, MAP_MOTION
from simulator.instruments.sentio_motion_commands import MOTION_COMMANDS, POSITION_QUERIES, check_site
from simulator.instruments.sentio_words import Answer, Arguments, Code, Handler, SentioError, flags

if TYPE_CHECKING:
    from simulator.instruments.sentio import Sentio

_SOAK_S = {-40.0: 900, 25.0: 0, 40.0: 0, 60.0: 120, 85.0: 300, 125.0: 600}


def _fixed(text: str) -> Handler:
    return lambda _sentio, _arguments: text


def _machine_status(sentio: Sentio, _: Arguments) -> str:
    return f"{'Ready' if sentio.initialized else ''},,"


def _start_initialization(sentio: Sentio, _: Arguments) -> Answer:
    sentio.initialized = True
    sentio.last_command_id += 1
    return Answer("OK", command_id=sentio.last_command_id)


def _command_done(sentio: Sentio, arguments: Arguments) -> Answer:
    """Asynchronous commands are done when they are answered."""
    number = arguments.integer(0)
    if not 1 <= number <= sentio.last_command_id:
        raise SentioError(Code.UNKNOWN_COMMAND_ID, f"Unknown command id {number}")
    return Answer("OK", command_id=number)


def _door_status(sentio: Sentio, _: Arguments) -> str:
    return flags(sentio.doors_closed, sentio.doors_locked)


def _set_door_lock(sentio: Sentio, arguments: Arguments) -> str:
    sentio.doors_locked = arguments.flag(1)
    return "OK"


def _set_vacuum(sentio: Sentio, arguments: Arguments) -> str:
    check_site(arguments)
    on = arguments.flag(1)
    if on and not sentio.world.needles.wafer_loaded:
        raise SentioError(Code.VACUUM_FAILED, "Vacuum failed")
    sentio.chuck.vacuum_on = on
    return "OK"


def _set_temperature(sentio: Sentio, arguments: Arguments) -> str:
    target_c = arguments.number(0)
    if not -60.0 <= target_c <= 300.0:
        raise SentioError(Code.OUT_OF_BOUNDS, f"Temperature {target_c:g} C is outside -60 to 300 C")
    if sentio.chuck.above_separation():
        if not (len(arguments) > 1 and arguments.flag(1)):
            raise SentioError(Code.INVALID_OPERATION, "The chuck has to be lifted first")
        sentio.chuck.separate()
    sentio.ramp_to(target_c)
    return "OK"


def _thermo_state(sentio: Sentio, _: Arguments) -> str:
    difference = sentio.target_c - sentio.temperature_c()
    if abs(difference) > 0.1:
        return "Heating" if difference > 0 else "Cooling"
    return "Controlling" if sentio.thermo_on else "Uncontrolled"


def _soaking_time(_: Sentio, arguments: Arguments) -> str:
    preset = _SOAK_S.get(arguments.number(0))
    if preset is None:
        raise SentioError(Code.SOAKING_TIME, "Soaking time is not correct")
    return str(preset)


def _clean(sentio: Sentio, arguments: Arguments) -> str:
    """On the auxiliary site: the wafer is separated first and left so."""
    touches = arguments.integer(0) if len(arguments) else 3
    sentio.chuck.refuse_in_locked_contact()
    if sentio.chuck.above_separation():
        sentio.chuck.separate()
    sentio.world.needles.clean()
    sentio.chuck.busy_ns += 1_000_000_000 * touches
    return "OK"


def _contact_count(sentio: Sentio, _: Arguments) -> str:
    return str(sentio.world.needles.touchdowns - sentio.counter_start)


def _reset_contact_count(sentio: Sentio, _: Arguments) -> str:
    sentio.counter_start = sentio.world.needles.touchdowns
    return "OK"


_STATE_MOTION: dict[str, Handler] = {
    "aux:cleaning:start": _clean,
    "status:set_chuck_temp": _set_temperature,
    "set_vacuum": _set_vacuum,
    "start_initialization": _start_initialization,
}

MOTION = frozenset(MOTION_COMMANDS) | frozenset(_STATE_MOTION) | MAP_MOTION
"""Commands that need remote control; stopping is not among them: anybody may stop the chuck."""

COMMANDS: dict[str, Handler] = {
    **_STATE_MOTION,
    **MOTION_COMMANDS,
    **POSITION_QUERIES,
    **MAP_COMMANDS,
    "status:get_version": _fixed("Version: 26.2.0"),
    "status:get_machine_id": lambda sentio, _: sentio.machine_id,
    "status:get_machine_status": _machine_status,
    "wait_complete": _command_done,
    "query_command_status": _command_done,
    "abort_command": _command_done,
    "wait_all": _fixed("OK"),
    "stop_chuck_xyz": _fixed("OK"),
    "get_door_status": _door_status,
    "set_door_lock": _set_door_lock,
    "get_chuck_speed": _fixed("Normal"),
    "get_chuck_site_count": _fixed("1"),
    "get_chuck_site_index": _fixed("0"),
    "get_chuck_site_name": _fixed("Wafer"),
    "has_chuck_xyz": _fixed("1"),
    "get_wafer_diameter": lambda sentio, _: f"{sentio.map.diameter_mm:g}",
    "status:get_chuck_temp": lambda sentio, _: f"{sentio.temperature_c():.2f}",
    "status:get_chuck_temp_setpoint": lambda sentio, _: f"{sentio.target_c:.2f}",
    "status:get_chuck_thermo_state": _thermo_state,
    "status:get_soaking_time": _soaking_time,
    "setup:contact_counter:get": _contact_count,
    "setup:contact_counter:reset": _reset_contact_count,
    "aux:cleaning:enable_auto": _fixed("OK"),
    "aux:cleaning:reset_touch_count": _fixed("OK"),
    "service:chuck_fence": _fixed("OK"),
    "set_signal_tower": _fixed("OK"),
}
