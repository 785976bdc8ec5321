"""Every header that a 2450 knows, in one table."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING

from simulator.instruments.keithley2450.call import Call, Command, default_word
from simulator.instruments.keithley2450.configuration_lists import configuration_list_commands
from simulator.instruments.keithley2450.digital_commands import digital_commands
from simulator.instruments.keithley2450.readings import reading_commands
from simulator.instruments.keithley2450.sense import sense_commands
from simulator.instruments.keithley2450.settings import SETTINGS, Flag, Real, Setting, Value
from simulator.instruments.keithley2450.source import source_commands
from simulator.instruments.keithley2450.sweeps import sweep_commands
from simulator.instruments.keithley2450.system import system_commands
from simulator.instruments.keithley2450.trigger_commands import trigger_commands
from simulator.instruments.keithley2450.trigger_templates import template_commands
from simulator.instruments.scpi import header_regex

if TYPE_CHECKING:
    from simulator.instruments.keithley2450.core import Core


def _setting_command(setting: Setting) -> Command:
    def store(core: Core, call: Call) -> None:
        core.values[setting.key] = setting.kind.parse(call.argument())
        core.changed(setting.effect)

    def show(core: Core, call: Call) -> str:
        word = default_word(call)
        return _text(core, setting, setting.kind.parse(word) if word else core.values[setting.key])

    return Command(setting.pattern, store, show)


def _text(core: Core, setting: Setting, value: Value) -> str:
    if isinstance(setting.kind, Flag):
        return "1" if value else "0"
    if isinstance(setting.kind, Real):
        return str(int(float(value))) if setting.kind.whole else core.say(float(value))
    return str(value)


def _catalogue() -> Iterator[Command]:
    yield from source_commands()
    yield from sense_commands()
    yield from reading_commands()
    yield from (_setting_command(setting) for setting in SETTINGS)
    yield from sweep_commands()
    yield from trigger_commands()
    yield from digital_commands()
    yield from template_commands()
    yield from configuration_list_commands()
    yield from system_commands()


_COMMANDS = tuple((header_regex(command.pattern), command) for command in _catalogue())


@functools.lru_cache(maxsize=4096)
def find_command(header: str) -> tuple[Command, tuple[str, ...]] | None:
    """The command a header spells and the words of its choices in short form; None when there is none."""
    for regex, command in _COMMANDS:
        match = regex.fullmatch(header)
        if match:
            return command, tuple((group or "")[:4].upper() for group in match.groups())
    return None
