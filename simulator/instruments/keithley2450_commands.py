"""Every header a 2450 knows, and the commands that all instruments share.

Source: IEEE 488.2 for the starred ones; 2450 reference manual 2450-901-01, section 6.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING

from simulator.instruments.keithley2450_call import Call, Command, Handler, says
from simulator.instruments.keithley2450_readings import reading_commands
from simulator.instruments.keithley2450_settings import SETTINGS, Setting
from simulator.instruments.keithley2450_source import source_commands
from simulator.instruments.scpi import header_regex, illegal_value, number, unquoted

if TYPE_CHECKING:
    from simulator.instruments.keithley2450 import Keithley2450

FIRMWARE = "1.7.12b"


def _setting_command(setting: Setting) -> Command:
    def store(smu: Keithley2450, call: Call) -> None:
        smu.values[setting.key] = setting.kind.parse(call.argument())

    def show(smu: Keithley2450, call: Call) -> str:
        return setting.kind.text(setting.kind.parse(call.arguments[0]) if call.arguments else smu.values[setting.key])

    return Command(setting.pattern, store, show)


def _identity(smu: Keithley2450, _: Call) -> str:
    return f"KEITHLEY INSTRUMENTS,MODEL 2450,{smu.serial},{FIRMWARE}"


def _set_language(_: Keithley2450, call: Call) -> None:
    if unquoted(call.argument()).upper() != "SCPI":
        raise illegal_value()


def _reset(smu: Keithley2450, _: Call) -> None:
    smu.reset()


def _clear(smu: Keithley2450, _: Call) -> None:
    smu.status.clear()


def _clear_queue(smu: Keithley2450, _: Call) -> None:
    smu.status.clear_queue()


def _set_enable(name: str) -> Handler:
    def store(smu: Keithley2450, call: Call) -> None:
        setattr(smu.status, name, int(number(call.argument(), 0, 255, 0)))

    return store


def _operation_complete(smu: Keithley2450, _: Call) -> None:
    smu.status.event_status |= 1


def _nothing(_: Keithley2450, __: Call) -> None:
    """Accepted, and without effect on the pretended instrument (display, beeper, front panel)."""


def _common() -> Iterator[Command]:
    yield Command("*IDN", None, _identity)
    yield Command("*LANG", _set_language, says(lambda _: "SCPI"))
    yield Command("*RST", _reset)
    yield Command("*CLS", _clear)
    yield Command("*ESE", _set_enable("event_enable"), says(lambda smu: str(smu.status.event_enable)))
    yield Command("*SRE", _set_enable("service_enable"), says(lambda smu: str(smu.status.service_enable)))
    yield Command("*ESR", None, says(lambda smu: str(smu.status.read_event_status())))
    yield Command("*STB", None, says(lambda smu: str(smu.status.byte())))
    yield Command("*OPC", _operation_complete, says(lambda _: "1"))
    yield Command("*WAI", _nothing)
    yield Command("*TRG", _nothing)
    yield Command("*TST", None, says(lambda _: "0"))
    yield Command("SYSTem:ERRor[:NEXT]", None, says(lambda smu: smu.status.next_error()))
    yield Command("SYSTem:ERRor:COUNt", None, says(lambda smu: str(smu.status.errors)))
    yield Command("SYSTem:CLEar", _clear_queue)
    yield Command("SYSTem:LFRequency", None, says(lambda _: "60"))
    yield Command("SYSTem:VERSion", None, says(lambda _: "1999.0"))
    yield Command("STATus:PRESet", _nothing)
    yield Command("STATus:CLEar", _clear)
    yield Command("STATus:(OPERation|QUEStionable)(:CONDition|[:EVENt])", None, says(lambda _: "0"))
    for quiet in ("SYSTem:BEEPer[:IMMediate]", "SYSTem:LOCal", "SYSTem:REMote", "DISPlay:CLEar", "DISPlay:SCReen", "DISPlay:LIGHt:STATe"):
        yield Command(quiet, _nothing)


def _catalogue() -> Iterator[Command]:
    yield from (_setting_command(setting) for setting in SETTINGS)
    yield from source_commands()
    yield from reading_commands()
    yield from _common()


_COMMANDS = tuple((header_regex(command.pattern), command) for command in _catalogue())


@functools.lru_cache(maxsize=4096)
def find_command(header: str) -> tuple[Command, tuple[str, ...]] | None:
    """The command a header spells and the words of its choices in short form; None when there is none."""
    for regex, command in _COMMANDS:
        match = regex.fullmatch(header)
        if match:
            return command, tuple((group or "")[:4].upper() for group in match.groups())
    return None
