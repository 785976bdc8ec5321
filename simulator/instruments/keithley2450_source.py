"""Source, range, function and output of a 2450: settings whose change moves something else.

Source: 2450 reference manual 2450-901-01, section 6, SOURce, SENSe, OUTPut and ROUTe subsystems.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from simulator.instruments.keithley2450_call import Call, Command, says
from simulator.instruments.keithley2450_settings import HEADROOM, LEVEL_LIMIT, LONG, RANGES, SENSE, SOURCE, fitting_range
from simulator.instruments.scpi import boolean, choice, conflict, number, number_text, out_of_range, undefined_header

if TYPE_CHECKING:
    from simulator.instruments.keithley2450 import Keithley2450


def _set_level(smu: Keithley2450, call: Call) -> None:
    function = call.function
    limit = LEVEL_LIMIT[function]
    level = number(call.argument(), -limit, limit, 0.0)
    if smu.values["SOURCE_RANGE_AUTO", function]:
        smu.values["SOURCE_RANGE", function] = fitting_range(function, level)
    elif abs(level) > HEADROOM * smu.number("SOURCE_RANGE", function):
        raise out_of_range()
    smu.set_level(function, level)


def _level(smu: Keithley2450, call: Call) -> str:
    limit = LEVEL_LIMIT[call.function]
    return number_text(number(call.arguments[0], -limit, limit, 0.0) if call.arguments else smu.number("LEVEL", call.function))


def _set_source_range(smu: Keithley2450, call: Call) -> None:
    function = call.function
    limit = LEVEL_LIMIT[function]
    chosen = fitting_range(function, number(call.argument(), -limit, limit, RANGES[function][0]))
    if abs(smu.number("LEVEL", function)) > HEADROOM * chosen:
        raise conflict()
    smu.values["SOURCE_RANGE", function] = chosen
    smu.values["SOURCE_RANGE_AUTO", function] = False


def _source_range(smu: Keithley2450, call: Call) -> str:
    return number_text(smu.number("SOURCE_RANGE", call.function))


def _set_sense_range(smu: Keithley2450, call: Call) -> None:
    function = call.function
    ranges = RANGES[function]
    largest = ranges[-1] * HEADROOM
    smu.values["RANGE", function] = fitting_range(function, number(call.argument(), -largest, largest, ranges[0]))
    smu.values["RANGE_AUTO", function] = False


def _sense_range(smu: Keithley2450, call: Call) -> str:
    return number_text(smu.number("RANGE", call.function))


def _set_source_function(smu: Keithley2450, call: Call) -> None:
    function = choice(call.argument(), ("VOLTage", "CURRent"))
    if function != smu.source:
        smu.set_output(False)
        smu.source = function


def _set_sense_function(smu: Keithley2450, call: Call) -> None:
    smu.sense = choice(call.argument(), ("VOLTage[:DC]", "CURRent[:DC]", "RESistance"))


def _sense_function(smu: Keithley2450, _: Call) -> str:
    return '"RES"' if smu.sense == "RES" else f'"{smu.sense}:DC"'


def _set_output(smu: Keithley2450, call: Call) -> None:
    smu.set_output(boolean(call.argument()))


def _tripped(smu: Keithley2450, call: Call) -> str:
    function, limited = call.groups
    if (function, limited) not in (("VOLT", "I"), ("CURR", "V")):
        raise undefined_header()
    return "1" if smu.source == function and smu.operating_point(0.0).in_compliance else "0"


def _set_terminals(smu: Keithley2450, call: Call) -> None:
    terminals = choice(call.argument(), ("FRONt", "REAR"))
    if terminals != smu.terminals:
        smu.set_output(False)
    smu.terminals = terminals


def source_commands() -> Iterator[Command]:
    both, all_three = f"({LONG['VOLT']}|{LONG['CURR']})", f"({'|'.join(LONG.values())})"
    yield Command(f"{SOURCE}{both}[:LEVel][:IMMediate][:AMPLitude]", _set_level, _level)
    yield Command(f"{SOURCE}{both}:RANGe", _set_source_range, _source_range)
    yield Command(f"{SENSE}{all_three}[:DC]:RANGe[:UPPer]", _set_sense_range, _sense_range)
    yield Command(f"{SOURCE}FUNCtion[:MODE]", _set_source_function, says(lambda smu: smu.source))
    yield Command(f"{SENSE}FUNCtion[:ON]", _set_sense_function, _sense_function)
    yield Command("OUTPut[1][:STATe]", _set_output, says(lambda smu: str(int(smu.output))))
    yield Command(f"{SOURCE}{both}:(I|V)LIMit[:LEVel]:TRIPped", None, _tripped)
    yield Command("ROUTe:TERMinals", _set_terminals, says(lambda smu: smu.terminals))
