"""Measure function, ranges and sense wires of a 2450, and the limit tests' results: what is more than a setting.

Source: 2450 reference manual 2450-901-01, section 6, SENSe and CALCulate2 subsystems.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from simulator.instruments.keithley2450.buffers import ReadingBuffer
from simulator.instruments.keithley2450.call import Call, Command, default_word
from simulator.instruments.keithley2450.settings import HEADROOM, LONG, RANGES, SENSE, SENSED, fitting_range
from simulator.instruments.keithley2450.source import LIMIT_CHANGED, SMALLEST_LIMIT_OF_RANGE
from simulator.instruments.scpi import boolean, choice, number, undefined_header
from simulator.instruments.smu.datasheet import RATED_HERTZ

if TYPE_CHECKING:
    from simulator.instruments.keithley2450.core import Core


def _set_range(core: Core, call: Call) -> None:
    function = call.function
    ranges = RANGES[function]
    largest = ranges[-1] * HEADROOM
    core.values["RANGE", function] = fitting_range(function, number(call.argument(), -largest, largest, ranges[0]))
    core.values["RANGE_AUTO", function] = False
    _suit_limit(core, function)
    core.set_drive()
    core.set_meter()


def _suit_limit(core: Core, function: str) -> None:
    """A limit too small for a fixed measure range is raised, with a warning: so the manual, and so the instrument."""
    if function in (core.source, "RES"):
        return
    smallest = SMALLEST_LIMIT_OF_RANGE * core.number("RANGE", function)
    if core.number("LIMIT", core.source) < smallest:
        core.values["LIMIT", core.source] = smallest
        core.post(LIMIT_CHANGED, "Source limit was changed to suit the measure range")


def _range(core: Core, call: Call) -> str:
    ranges, word = RANGES[call.function], default_word(call)
    return core.say(number(word, ranges[0], ranges[-1], ranges[0]) if word else core.range_in_use(call.function))


def _set_automatic(core: Core, call: Call) -> None:
    function = call.function
    on = boolean(call.argument())
    if not on:
        core.values["RANGE", function] = core.range_in_use(function)
    core.values["RANGE_AUTO", function] = on
    core.set_meter()


def _automatic(core: Core, call: Call) -> str:
    return "1" if core.values["RANGE_AUTO", call.function] else "0"


def _set_lowest(core: Core, call: Call) -> None:
    ranges = RANGES[call.function]
    core.values["LOWEST", call.function] = fitting_range(call.function, number(call.argument(), ranges[0], ranges[-1], ranges[0]))
    core.set_meter()


def _lowest(core: Core, call: Call) -> str:
    ranges, word = RANGES[call.function], default_word(call)
    return core.say(number(word, ranges[0], ranges[-1], ranges[0]) if word else core.number("LOWEST", call.function))


def _set_highest(core: Core, call: Call) -> None:
    if call.function != "RES":
        raise undefined_header()
    ranges = RANGES["RES"]
    core.values["HIGHEST", "RES"] = fitting_range("RES", number(call.argument(), ranges[0], ranges[-1], ranges[-1]))


def _highest(core: Core, call: Call) -> str:
    """Of volts and amps it is the limit's range."""
    function = call.function
    limited = {"VOLT": "CURR", "CURR": "VOLT"}.get(function)
    return core.say(core.number("HIGHEST", "RES") if limited is None else fitting_range(function, core.number("LIMIT", limited)))


def _set_sense(core: Core, call: Call) -> None:
    remote = boolean(call.argument())
    if remote != core.values["RSENSE", call.function]:
        # So the manual: the wires are not changed under bias.
        core.set_output(False)
    core.values["RSENSE", call.function] = remote
    core.set_meter()


def _sense(core: Core, call: Call) -> str:
    return "1" if core.values["RSENSE", call.function] else "0"


def _set_function(core: Core, call: Call) -> None:
    core.require_idle()
    core.sense = choice(call.argument(), tuple(f"{long}[:DC]" for long in LONG.values()))
    core.set_meter()


def _function(core: Core, _: Call) -> str:
    return '"RES"' if core.sense == "RES" else f'"{core.sense}:DC"'


def _zero_once(core: Core, _: Call) -> None:
    """Reference and zero of the present aperture; takes their time."""
    core.require_idle()
    core.busy_ns += round(2e9 * core.number("NPLC", core.sense) / RATED_HERTZ)


def _acquire(core: Core, call: Call) -> None:
    """A reading of its own becomes the offset."""
    core.require_idle()
    kept, core.values["REL", core.sense] = core.values["REL", core.sense], False
    core.set_meter()
    buffer = ReadingBuffer()
    core.measure(buffer)
    core.values["REL", core.sense] = kept
    core.values["REL_LEVEL", call.function] = buffer.value[0]
    core.set_meter()


def _clear_fails(core: Core, call: Call) -> None:
    core.limit_fails[call.groups[1] or "1"].clear()


def _fails(core: Core, call: Call) -> str:
    fails = core.limit_fails[call.groups[1] or "1"]
    return "BOTH" if len(fails) == 2 else next(iter(fails), "NONE")


def sense_commands() -> Iterator[Command]:
    head = f"{SENSE}{SENSED}"
    limit = f"CALCulate2:{SENSED}:LIMit<2>"
    yield Command(f"{head}:RANGe[:UPPer]", _set_range, _range)
    yield Command(f"{head}:RANGe:AUTO", _set_automatic, _automatic)
    yield Command(f"{head}:RANGe:AUTO:LLIMit", _set_lowest, _lowest)
    yield Command(f"{head}:RANGe:AUTO:ULIMit", _set_highest, _highest)
    yield Command(f"{head}:RSENse", _set_sense, _sense)
    yield Command(f"{head}:RELative:ACQuire", _acquire)
    yield Command(f"{SENSE}FUNCtion[:ON]", _set_function, _function)
    yield Command(f"{SENSE}AZERo:ONCE", _zero_once, takes=0)
    yield Command(f"{limit}:FAIL", None, _fails)
    yield Command(f"{limit}:CLEar[:IMMediate]", _clear_fails, takes=0)
