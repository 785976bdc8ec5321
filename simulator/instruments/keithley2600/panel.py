"""What a 2600B has beside its channels and triggers: display, beeper, LAN, serial line, setups; kept and answered, without effect.

Rule: kept settings are data; a setting whose change moves something is not here.
Source: 2600BS-901-01, the same in the command reference.
"""

from collections.abc import Callable
from dataclasses import dataclass

from simulator.instruments.keithley2600 import events as ids
from simulator.instruments.keithley2600.errors import Refused, number, text
from simulator.instruments.keithley2600.natives import Natives
from simulator.instruments.tsp_values import Arguments, Native, Value

_CONSTANTS: dict[str, dict[str, float]] = {
    "beeper": {"ON": 1, "OFF": 0},
    "display": {
        "SMUA": 0, "SMUB": 1, "SMUA_SMUB": 2, "USER": 3,
        "DIGITS_4_5": 4, "DIGITS_5_5": 5, "DIGITS_6_5": 6,
        "LIMIT_IV": 0, "LIMIT_P": 1,
        "MEASURE_DCAMPS": 0, "MEASURE_DCVOLTS": 1, "MEASURE_OHMS": 2, "MEASURE_WATTS": 3,
        "UNLOCK": 0, "LOCK": 1, "DISABLE": 0, "ENABLE": 1,
        "LOAD": 0, "DONT_SAVE": 0, "SAVE": 1, "STATE_LCLLOCKOUT": 1,
        "ANNUNCIATOR_FILTER": 1, "ANNUNCIATOR_MATH": 2, "ANNUNCIATOR_4_WIRE": 4, "ANNUNCIATOR_AUTO": 8, "ANNUNCIATOR_ARM": 16,
        "ANNUNCIATOR_TRIGGER": 32, "ANNUNCIATOR_STAR": 64, "ANNUNCIATOR_SAMPLE": 128, "ANNUNCIATOR_EDIT": 256, "ANNUNCIATOR_ERROR": 512,
        "ANNUNCIATOR_REMOTE": 1024, "ANNUNCIATOR_TALK": 2048, "ANNUNCIATOR_LISTEN": 4096, "ANNUNCIATOR_SRQ": 8192,
        "ANNUNCIATOR_REAR": 16384, "ANNUNCIATOR_REL": 32768,
        "KEY_NONE": 0, "KEY_RANGEUP": 65, "KEY_MODEB": 66, "KEY_RELB": 67, "KEY_MENU": 68, "KEY_MODEA": 69, "KEY_RELA": 70, "KEY_RUN": 71,
        "KEY_DISPLAY": 72, "KEY_AUTO": 73, "KEY_FILTERB": 74, "KEY_EXIT": 75, "KEY_SRCB": 76, "KEY_FILTERA": 77, "KEY_STORE": 78,
        "KEY_SRCA": 79, "KEY_CONFIG": 80, "KEY_RANGEDOWN": 81, "KEY_ENTER": 82, "KEY_MEASB": 83, "KEY_DIGITSB": 84, "KEY_RECALL": 85,
        "KEY_MEASA": 86, "KEY_DIGITSA": 87, "KEY_OUTPUTA": 88, "KEY_LIMITB": 90, "KEY_SPEEDB": 91, "KEY_TRIG": 92, "KEY_LIMITA": 93,
        "KEY_SPEEDA": 94, "KEY_LOAD": 95, "KEY_OUTPUTB": 96, "WHEEL_ENTER": 97, "KEY_RIGHT": 103, "KEY_LEFT": 104, "WHEEL_LEFT": 107,
        "WHEEL_RIGHT": 114,
    },
    "eventlog": {"DISABLE": 0, "ENABLE": 1, "DISCARD_NEWEST": 0, "DISCARD_OLDEST": 1},
    "lan": {"ENABLE": 1, "DISABLE": 0, "AUTO": 0, "MANUAL": 1, "FULL": 1, "HALF": 0},
    "serial": {},
    "setup": {},
    "gpib": {},
    "fs": {},
    "io": {},
    "tspnet": {},
    "localnode": {"ENABLE": 1, "DISABLE": 0, "PASSWORD_NONE": 0, "PASSWORD_WEB": 1, "PASSWORD_LAN": 2, "PASSWORD_ALL": 3},
}  # fmt: skip
_NUMBERS: dict[str, tuple[float, float, float]] = {
    # attribute: (default, smallest, largest)
    "beeper.enable": (1, 0, 1),
    "display.screen": (2, 0, 3),
    "display.locallockout": (0, 0, 1),
    "display.numpad": (1, 0, 1),
    **{f"display.smu{at}.digits": (5, 4, 6) for at in "ab"},
    **{f"display.smu{at}.limit.func": (0, 0, 1) for at in "ab"},
    **{f"display.smu{at}.measure.func": (1, 0, 3) for at in "ab"},
    "eventlog.enable": (1, 0, 1),
    "eventlog.overwritemethod": (1, 0, 1),
    "lan.autoconnect": (1, 0, 1),
    "lan.linktimeout": (20, 0, 3600),
    "lan.lxidomain": (0, 0, 255),
    "lan.nagle": (0, 0, 1),
    "lan.timedwait": (20, 0, 3600),
    "gpib.address": (26, 0, 30),
    "serial.baud": (9600, 300, 115_200),
    "serial.databits": (8, 7, 8),
    "setup.poweron": (0, 0, 5),
    "localnode.passwordmode": (1, 0, 3),
}
_TEXTS = {
    "serial.parity": "none",
    "serial.flowcontrol": "none",
    "lan.config.ipaddress": "192.168.0.2",
    "lan.config.subnetmask": "255.255.255.0",
    "lan.config.gateway": "0.0.0.0",  # noqa: S104  (an address of nobody; nothing is listened on)
}
_READ_ONLY: dict[str, Value] = {
    "lan.status.ipaddress": "127.0.0.1",
    "lan.status.macaddress": "00:60:1A:00:00:00",
    "lan.status.speed": 100.0,
    "lan.status.duplex": 1.0,
    "lan.status.port.rawsocket": 5025.0,
    "lan.status.port.dst": 5030.0,
    "lan.status.port.telnet": 23.0,
    "lan.status.port.vxi11": 1024.0,
}
_NOTHING = (
    "beeper.beep", "display.clear", "display.setcursor", "display.sendkey", "display.trigger.clear", "display.loadmenu.add",
    "display.loadmenu.delete", "display.inputvalue", "display.menu", "display.prompt", "display.waitkey", "eventlog.clear",
    "lan.applysettings", "lan.reset", "lan.restoredefaults", "serial.write",
)  # fmt: skip
_REFUSED = {
    # functions of what is not plugged in: the error
    2204: (
        "fs.chdir", "fs.cwd", "fs.is_dir", "fs.is_file", "fs.mkdir", "fs.readdir", "fs.rmdir", "io.close", "io.flush", "io.input",
        "io.open", "io.output", "io.read", "io.type", "io.write",
    ),
    2112: ("tspnet.connect", "tspnet.execute", "tspnet.idn", "tspnet.read", "tspnet.readavailable", "tspnet.write"),
}  # fmt: skip
_ROW = 20


@dataclass
class Display:
    """shown: the text of the user screen."""

    shown: str = ""


def panel_tables(natives: Natives, display: Display) -> dict[str, Native]:
    """Tables by their global names."""
    tables = {name: natives.table() for name in _CONSTANTS}
    for name, constants in _CONSTANTS.items():
        tables[name].objects |= {each: float(value) for each, value in constants.items()}
    for path, (default, low, high) in _NUMBERS.items():
        _keep_number(natives, *_place(natives, tables, path), float(default), low, high)
    for path, default in _TEXTS.items():
        _keep_text(natives, *_place(natives, tables, path), default)
    for path, value in _READ_ONLY.items():
        table, name = _place(natives, tables, path)
        natives.attribute(table, name, lambda value=value: value)
    for path in _NOTHING:
        table, name = _place(natives, tables, path)
        natives.function(table, name, lambda _: None)
    for code, paths in _REFUSED.items():
        for path in paths:
            table, name = _place(natives, tables, path)
            natives.function(table, name, _refusing(code))
    _display(natives, tables["display"], display)
    natives.attribute(tables["eventlog"], "count", lambda: 0.0)
    natives.function(tables["eventlog"], "next", lambda _: (None,))
    natives.function(tables["eventlog"], "all", lambda _: (None,))
    natives.function(tables["serial"], "read", lambda _: "")
    return tables


def _place(natives: Natives, tables: dict[str, Native], path: str) -> tuple[Native, str]:
    """The table of an attribute, made if need be, and its name there."""
    root, *owners, name = path.split(".")
    table = tables[root]
    for owner in owners:
        table = table.objects.setdefault(owner, natives.table())
    return table, name


def _keep_number(natives: Natives, table: Native, name: str, default: float, low: float, high: float) -> None:
    kept = [default]
    natives.attribute(table, name, lambda: kept[0], lambda value: kept.__setitem__(0, number(value, low, high)))


def _keep_text(natives: Natives, table: Native, name: str, default: str) -> None:
    kept = [default]
    natives.attribute(table, name, lambda: kept[0], lambda value: kept.__setitem__(0, text(value)))


def _refusing(code: int) -> Callable[[Arguments], Value]:
    def refuse(_: Arguments) -> Value:
        raise Refused(code)

    return refuse


def _display(natives: Natives, table: Native, display: Display) -> None:
    def show(given: Arguments) -> None:
        display.shown = text(given[0] if given else None)

    def clear(_: Arguments) -> None:
        display.shown = ""

    natives.function(table, "settext", show)
    natives.function(table, "clear", clear)
    natives.function(table, "gettext", lambda _: f"{display.shown:{_ROW}}$N")
    natives.function(table, "getannunciators", lambda _: table.objects["ANNUNCIATOR_REMOTE"])
    natives.function(table, "getlastkey", lambda _: 0.0)
    natives.function(table, "getcursor", lambda _: (1.0, 1.0, 0.0))
    trigger = table.objects["trigger"]
    trigger.objects["EVENT_ID"] = float(ids.DISPLAY_EVENT)
    natives.attribute(trigger, "overrun", lambda: False)
    natives.function(trigger, "wait", lambda _: False)
