"""Identity, state, temperature and messages of the dashboard; initialisation; doors; files and projects.

Source: documentation of the status group in sentio-prober-control 26.2.0; SweepMe's comments on get_machine_status.
Assumptions: thermal limits, that an operator answers a message after two seconds with its first button.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.instruments.sentio.chuck import CENTRE_UM, LIFT_Z_UM
from simulator.instruments.sentio.codes import Code
from simulator.instruments.sentio.files import last_name
from simulator.instruments.sentio.registry import Commands, Handler, always, asking, moving, setting
from simulator.instruments.sentio.scripts import Busy, Script
from simulator.instruments.sentio.words import Answer, Arguments, SentioError, flags
from simulator.physics.heat import SOAK_S

if TYPE_CHECKING:
    from simulator.instruments.sentio.prober import Sentio

COLDEST_C, HOTTEST_C = -60.0, 300.0
INITIALIZE_S, OPERATOR_S = 40.0, 2.0
BUTTONS = ("Ok", "Yes", "No", "Cancel", "OkCancel", "YesNo", "YesCancel", "YesNoCancel")
MODULES = ("Wafermap", "Vision", "Setup", "Service", "Qalibria", "AuxSites", "Loader", "Dashboard")
ENERGY_MODES = ("Fast", "Optimal", "HighPower", "Customized")
THERMO_MODES = ("Normal", "Standby", "Defrost", "Purge", "Turbo", "Eco")


def _machine_status(sentio: Sentio, _: Arguments) -> str:
    """Three fields: Ready or NotReady, Running while the chuck is busy, LoaderBusy."""
    ready = "Ready" if sentio.initialized else "NotReady"
    return f"{ready},{'' if sentio.work.idle else 'Running'},{'LoaderBusy' if sentio.loader.busy else ''}"


def _start_initialization(sentio: Sentio, _: Arguments) -> Answer:
    def script() -> Script:
        """Down first, then to the middle; home and heights are kept."""
        sentio.initialized, sentio.active = True, None
        try:
            yield from sentio.chuck.down_to(0.0)
            yield from sentio.chuck.go(CENTRE_UM)
            yield Busy(INITIALIZE_S)
        except SentioError:
            sentio.initialized = False
            raise
        sentio.chuck.hint, sentio.chuck.active = "Probing", "Wafer"
        return "OK"

    return sentio.start(script(), "start_initialization")


def _async_example(sentio: Sentio, _: Arguments) -> Answer:
    """What the vendor's example of asynchronous commands starts."""

    def script() -> Script:
        yield Busy(5.0)
        return "OK"

    return sentio.start(script(), "start_async_cmd", has_chuck=False)


# --- temperature
def _set_temperature(sentio: Sentio, arguments: Arguments) -> Script:
    """In contact only with a leave to lift the chuck. Raises SentioError INVALID_OPERATION, ARGUMENT_OUT_OF_BOUNDS."""
    target_c = arguments.within(0, COLDEST_C, HOTTEST_C)
    if sentio.chuck.above_separation():
        if not (len(arguments) > 1 and arguments.flag(1)):
            raise SentioError(Code.INVALID_OPERATION, "The chuck has to be lifted first")
        yield from sentio.chuck.down_to(LIFT_Z_UM)
    sentio.set_temperature(target_c)
    return "OK"


def _soaking_time(_: Sentio, arguments: Arguments) -> str:
    preset = SOAK_S.get(arguments.number(0))
    if preset is None:
        raise SentioError(Code.THERMAL_SOAKING_TIME_IS_NOT_CORRECT, "Soaking time is not correct")
    return str(preset)


def _keep(key: str, allowed: tuple[str, ...]) -> Handler:
    def store(sentio: Sentio, arguments: Arguments) -> str:
        sentio.properties["status", key] = arguments.one_of(0, allowed)
        return "OK"

    return store


def _kept(key: str, otherwise: str) -> Handler:
    return lambda sentio, _: sentio.properties.get(("status", key), otherwise)


def _keep_flag(key: str, words: tuple[str, str]) -> Handler:
    def store(sentio: Sentio, arguments: Arguments) -> str:
        sentio.properties["status", key] = words[arguments.flag(0)]
        return "OK"

    return store


# --- messages
def _pressed(buttons: str) -> str:
    """The first of them."""
    return next(each for each in ("Ok", "Yes", "No", "Cancel") if buttons.lower().startswith(each.lower()))


def _message(_: Sentio, arguments: Arguments) -> Script:
    buttons = arguments.one_of(1, BUTTONS) if len(arguments) > 1 else "Ok"
    yield Busy(OPERATOR_S)
    return _pressed(buttons)


def _start_message(sentio: Sentio, arguments: Arguments) -> Answer:
    return sentio.start(_message(sentio, arguments), "status:start_show_message", has_chuck=False)


def _start_hint(sentio: Sentio, _: Arguments) -> Answer:
    return sentio.start(_message(sentio, Arguments()), "status:start_show_hint", has_chuck=False)


# --- doors
def _door_status(sentio: Sentio, arguments: Arguments) -> str:
    door = sentio.doors.named(arguments.text(0) if len(arguments) else "prober")
    return flags(door.closed, door.locked)


def _set_door_lock(sentio: Sentio, arguments: Arguments) -> str:
    sentio.doors.lock(arguments.text(0), arguments.flag(1))
    return "OK"


# --- files and projects
def _open_project(sentio: Sentio, arguments: Arguments) -> str:
    """With True, contact heights too: what was valid for another probe card may not be for this one."""
    sentio.files.open_project(arguments.text(0))
    if len(arguments) > 1 and arguments.flag(1):
        sentio.restore_heights()
    return "OK"


def _save_project(sentio: Sentio, arguments: Arguments) -> str:
    sentio.files.save_project(arguments.text(0))
    return "OK"


def _get_project(sentio: Sentio, arguments: Arguments) -> str:
    name_only = len(arguments) and arguments.one_of(0, ("Name", "FullPath")) == "Name"
    return sentio.files.project if name_only else sentio.files.path


def _file_transfer(sentio: Sentio, arguments: Arguments) -> str:
    arguments.text(1)
    sentio.files.write(last_name(arguments.text(0)))
    return "OK"


def _select_module(_: Sentio, arguments: Arguments) -> str:
    module = arguments.one_of(0, MODULES)
    if module == "Qalibria":
        raise SentioError(Code.COMMAND_HANDLER_NOT_FOUND, f"Module {module} is not installed")
    return "OK"


COMMANDS: Commands = {
    **asking(
        {
            "status:get_version": lambda sentio, _: f"Version: {sentio.version}",
            "status:get_machine_id": lambda sentio, _: sentio.machine_id,
            "status:get_machine_status": _machine_status,
            "status:get_access_level": always("Engineer"),
            "status:get_chuck_temp": lambda sentio, _: f"{sentio.temperature_c():.2f}",
            "status:get_chuck_temp_setpoint": lambda sentio, _: f"{sentio.heat.target_c:.2f}",
            "status:get_chuck_thermo_state": lambda sentio, _: sentio.thermo_state(),
            "status:get_soaking_time": _soaking_time,
            "status:get_chuck_thermo_energy_mode": _kept("energy_mode", "Optimal"),
            "status:get_chuck_thermo_hold_mode": _kept("hold_mode", "Nonactive"),
            "status:get_high_purge_state": _kept("high_purge", "OFF"),
            "status:get_prop": lambda sentio, arguments: sentio.property_of("status", arguments, {}),
            "get_door_status": _door_status,
            "get_project": _get_project,
        }
    ),
    **asking({"list_project_files": lambda sentio, _: ",".join(sentio.files.projects)}, (26, 1, 99)),
    **moving({"status:set_chuck_temp": _set_temperature}),
    **setting(
        {
            "start_initialization": _start_initialization,
            "start_async_cmd": _async_example,
            "status:set_chuck_thermo_energy_mode": _keep("energy_mode", ENERGY_MODES),
            "status:set_chuck_thermo_hold_mode": _keep_flag("hold_mode", ("Nonactive", "Active")),
            "status:set_chuck_thermo_mode": _keep("thermo_mode", THERMO_MODES),
            "status:set_high_purge": _keep_flag("high_purge", ("OFF", "ON")),
            "status:set_prop": lambda sentio, arguments: sentio.set_property("status", arguments),
            "status:show_hint": always("OK"),
            "status:show_message": _message,
            "status:show": _message,
            "status:start_show_message": _start_message,
            "status:start_show_hint": _start_hint,
            "set_door_lock": _set_door_lock,
            "open_project": _open_project,
            "save_project": _save_project,
            "create_project": lambda sentio, arguments: sentio.files.save_project(arguments.text(0)),
            "save_config": always("OK"),
            "file_transfer": _file_transfer,
            "select_module": _select_module,
        }
    ),
}
