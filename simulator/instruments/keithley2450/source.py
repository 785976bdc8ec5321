"""Source, its range, limit and protection, output and terminals of a 2450: settings whose change moves something else.

Source: 2450 reference manual 2450-901-01, section 6, SOURce, OUTPut and ROUTe subsystems. Assumed: the numbers of the warnings.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from simulator.instruments.keithley2450.call import Call, Command, default_word, says
from simulator.instruments.keithley2450.settings import LEVEL_LIMIT, PROTECTIONS, RANGES, SOURCE, SOURCED, fitting_range, volts_of
from simulator.instruments.scpi import boolean, choice, conflict, number, out_of_range, undefined_header
from simulator.instruments.smu.datasheet import KEITHLEY_2450 as SHEET

if TYPE_CHECKING:
    from simulator.instruments.keithley2450.core import Core

_LIMITS = {"VOLT": (*SHEET.limits["CURR"], 1.05e-4), "CURR": (*SHEET.limits["VOLT"], 21.0)}
"""(smallest, largest, default) of the limit while VOLT or CURR is sourced."""
_LONGEST_S = 10_000.0
SMALLEST_LIMIT_OF_RANGE = 0.001
"""A limit on a fixed measure range is at least this part of the range: manual Rev. B, 6-71; later revisions ask for 10.6 %."""
LIMIT_CHANGED = 5081


def _set_level(core: Core, call: Call) -> None:
    function = call.function
    limit = LEVEL_LIMIT[function]
    level = number(call.argument(), -limit, limit, 0.0)
    core.check_level(function, level)
    core.set_level(function, level)


def _level(core: Core, call: Call) -> str:
    limit, word = LEVEL_LIMIT[call.function], default_word(call)
    return core.say(number(word, -limit, limit, 0.0) if word else core.number("LEVEL", call.function))


def _set_source_range(core: Core, call: Call) -> None:
    function = call.function
    limit = LEVEL_LIMIT[function]
    chosen = fitting_range(function, number(call.argument(), -limit, limit, RANGES[function][0]))
    if fitting_range(function, core.number("LEVEL", function)) > chosen:
        raise conflict()
    core.values["SOURCE_RANGE", function] = chosen
    core.values["SOURCE_RANGE_AUTO", function] = False
    most = most_limit(core, function)
    if core.number("LIMIT", function) > most:
        core.values["LIMIT", function] = most
        core.post(LIMIT_CHANGED, "Source limit was changed to suit the source range")
    core.set_drive()


def _source_range(core: Core, call: Call) -> str:
    ranges, word = RANGES[call.function], default_word(call)
    return core.say(number(word, ranges[0], ranges[-1], ranges[0]) if word else core.number("SOURCE_RANGE", call.function))


def _set_automatic(core: Core, call: Call) -> None:
    on = boolean(call.argument())
    core.values["SOURCE_RANGE_AUTO", call.function] = on
    if on:
        core.values["SOURCE_RANGE", call.function] = fitting_range(call.function, core.number("LEVEL", call.function))
    core.set_drive()


def _automatic(core: Core, call: Call) -> str:
    return "1" if core.values["SOURCE_RANGE_AUTO", call.function] else "0"


def most_limit(core: Core, function: str) -> float:
    """Largest limit that the power envelope allows on the present source range, V or A."""
    range_ = core.number("SOURCE_RANGE", function)
    corners = [(volts, amps) if function == "VOLT" else (amps, volts) for volts, amps in SHEET.envelope]
    return max(limit for level, limit in corners if range_ <= level)


def _check_letter(call: Call) -> None:
    if call.groups[:2] not in (("VOLT", "I"), ("CURR", "V")):
        raise undefined_header()


def _set_limit(core: Core, call: Call) -> None:
    _check_letter(call)
    function = call.function
    limit = number(call.argument(), *_LIMITS[function])
    limited = "CURR" if function == "VOLT" else "VOLT"
    fixed = core.sense == limited and not core.values["RANGE_AUTO", limited]
    if fixed and limit < SMALLEST_LIMIT_OF_RANGE * core.number("RANGE", limited):
        raise out_of_range()
    protected = volts_of(str(core.values["PROTECTION", "CURR"])) if function == "CURR" else float("inf")
    if limit > min(most_limit(core, function), protected):
        raise out_of_range()
    core.values["LIMIT", function] = limit
    core.set_drive()


def _limit(core: Core, call: Call) -> str:
    _check_letter(call)
    word = default_word(call)
    return core.say(number(word, *_LIMITS[call.function]) if word else core.number("LIMIT", call.function))


def _tripped(core: Core, call: Call) -> str:
    _check_letter(call)
    return "1" if core.source == call.function and core.limiting() else "0"


def _set_protection(core: Core, call: Call) -> None:
    core.values["PROTECTION", call.function] = choice(call.argument(), PROTECTIONS)
    core.set_drive()


def _protection(core: Core, call: Call) -> str:
    return str(core.values["PROTECTION", call.function])


def _protection_tripped(core: Core, _: Call) -> str:
    return "1" if core.output and core.protecting else "0"


def _set_delay(core: Core, call: Call) -> None:
    delay_s = number(call.argument(), 0.0, _LONGEST_S, 0.0)
    for function in (call.function,) if call.groups[0] else ("VOLT", "CURR"):
        core.values["DELAY", function] = delay_s
        core.values["DELAY_AUTO", function] = False


def _delay(core: Core, call: Call) -> str:
    word, function = default_word(call), call.function or core.source
    if word:
        return core.say(number(word, 0.0, _LONGEST_S, 0.0))
    automatic = core.values["DELAY_AUTO", function]
    return core.say(core.channel.auto_delay_ns() / 1e9 if automatic else core.number("DELAY", function))


def _set_function(core: Core, call: Call) -> None:
    core.require_idle()
    function = choice(call.argument(), ("VOLTage", "CURRent"))
    if function != core.source:
        core.set_output(False)
        core.source = "VOLT" if function == "VOLT" else "CURR"
        core.set_drive()


def _set_output(core: Core, call: Call) -> None:
    core.set_output(boolean(call.argument()))


def _set_interlock(core: Core, call: Call) -> None:
    core.interlock_enabled = boolean(call.argument())
    if core.interlock_enabled and not core.interlock_closed and core.output:
        core.set_output(False)


def _set_terminals(core: Core, call: Call) -> None:
    terminals = choice(call.argument(), ("FRONt", "REAR"))
    if terminals != core.terminals:
        core.set_output(False)
    core.terminals = terminals
    core.set_meter()


def source_commands() -> Iterator[Command]:
    head = f"{SOURCE}{SOURCED}"
    yield Command(f"{head}[:LEVel][:IMMediate][:AMPLitude]", _set_level, _level)
    yield Command(f"{head}:RANGe", _set_source_range, _source_range)
    yield Command(f"{head}:RANGe:AUTO", _set_automatic, _automatic)
    yield Command(f"{head}:(I|V)LIMit[:LEVel]", _set_limit, _limit)
    yield Command(f"{head}:(I|V)LIMit[:LEVel]:TRIPped", None, _tripped)
    yield Command(f"{head}:PROTection[:LEVel]", _set_protection, _protection)
    yield Command(f"{head}:PROTection[:LEVel]:TRIPped", None, _protection_tripped)
    yield Command(f"{SOURCE}[{SOURCED}:]DELay", _set_delay, _delay)
    yield Command(f"{SOURCE}FUNCtion[:MODE]", _set_function, says(lambda core: core.source))
    yield Command("OUTPut[1][:STATe]", _set_output, says(lambda core: str(int(core.output))))
    yield Command("OUTPut[1]:INTerlock:STATe", _set_interlock, says(lambda core: str(int(core.interlock_enabled))))
    yield Command("OUTPut[1]:INTerlock:TRIPped", None, says(lambda core: str(int(core.interlock_closed))))
    yield Command("ROUTe:TERMinals", _set_terminals, says(lambda core: core.terminals))
