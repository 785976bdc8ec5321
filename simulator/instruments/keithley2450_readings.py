"""Readings, buffers and sweeps of a 2450.

Source: 2450 reference manual 2450-901-01, section 6, READ?, MEASure?, TRACe, SOURce:SWEep and INITiate.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from simulator.instruments.keithley2450_call import Call, Command, Handler, says
from simulator.instruments.keithley2450_settings import LEVEL_LIMIT, LONG, SOURCE
from simulator.instruments.reading_buffer import ReadingBuffer, element_names, printed
from simulator.instruments.scpi import ScpiError, choice, conflict, illegal_value, number, number_text, out_of_range, unquoted

if TYPE_CHECKING:
    from simulator.instruments.keithley2450 import Keithley2450


def _buffer_and_elements(smu: Keithley2450, arguments: tuple[str, ...]) -> tuple[ReadingBuffer, tuple[str, ...]]:
    name = unquoted(arguments[0]) if arguments else "defbuffer1"
    return smu.buffer(name), element_names(arguments[1:])


def _form(smu: Keithley2450) -> tuple[str, bool]:
    return str(smu.values["FORMAT", ""]), smu.values["BYTE_ORDER", ""] == "SWAP"


def _read(smu: Keithley2450, call: Call) -> bytes:
    buffer, names = _buffer_and_elements(smu, call.arguments)
    reading = None
    for _ in range(int(smu.number("COUNT", ""))):
        reading = smu.measure(buffer, call.now_ns)
    return printed([reading] if reading else [], names, *_form(smu))


def _measure(smu: Keithley2450, call: Call) -> bytes:
    if call.groups and call.groups[0]:
        smu.sense = call.function
    return _read(smu, call)


def _fetch(smu: Keithley2450, call: Call) -> bytes:
    buffer, names = _buffer_and_elements(smu, call.arguments)
    if not buffer.readings:
        raise ScpiError(-230, "Data corrupt or stale")
    return printed([buffer.readings[-1]], names, *_form(smu))


def _trace_trigger(smu: Keithley2450, call: Call) -> None:
    buffer, _ = _buffer_and_elements(smu, call.arguments)
    for _ in range(int(smu.number("COUNT", ""))):
        smu.measure(buffer, call.now_ns)


def _trace_data(smu: Keithley2450, call: Call) -> bytes:
    buffer, names = _buffer_and_elements(smu, call.arguments[2:])
    first, last = (int(number(call.argument(index), 1, 1e9, 1)) for index in (0, 1))
    if not first <= last <= len(buffer.readings):
        raise out_of_range()
    return printed(list(buffer.readings)[first - 1 : last], names, *_form(smu))


def _trace_make(smu: Keithley2450, call: Call) -> None:
    name = unquoted(call.argument())
    if name in smu.buffers or not re.fullmatch(r"[A-Za-z_]\w{0,30}", name):
        raise illegal_value()
    smu.buffers[name] = ReadingBuffer(int(number(call.argument(1), 10, 6_875_000, 100_000)))


def _trace_delete(smu: Keithley2450, call: Call) -> None:
    name = unquoted(call.argument())
    smu.buffer(name)
    if name.startswith("defbuffer"):
        raise illegal_value()
    del smu.buffers[name]


def _set_points(smu: Keithley2450, call: Call) -> None:
    capacity = int(number(call.argument(), 10, 6_875_000, 100_000))
    buffer, _ = _buffer_and_elements(smu, call.arguments[1:])
    buffer.readings.clear()
    buffer.capacity = capacity


def _set_fill(smu: Keithley2450, call: Call) -> None:
    buffer, _ = _buffer_and_elements(smu, call.arguments[1:])
    buffer.fill_once = choice(call.argument(), ("CONTinuous", "ONCE")) == "ONCE"


def _of_buffer(answer: Callable[[ReadingBuffer], str]) -> Handler:
    def query(smu: Keithley2450, call: Call) -> str:
        return answer(_buffer_and_elements(smu, call.arguments[:1])[0])

    return query


def _trace_clear(smu: Keithley2450, call: Call) -> None:
    _buffer_and_elements(smu, call.arguments[:1])[0].readings.clear()


def _statistic(smu: Keithley2450, call: Call) -> str:
    return number_text(_buffer_and_elements(smu, call.arguments[:1])[0].statistic(call.groups[0]))


def _set_sweep(smu: Keithley2450, call: Call) -> None:
    function = call.function
    limit = LEVEL_LIMIT[function]
    start, stop = (number(call.argument(index), -limit, limit, 0.0) for index in (0, 1))
    points = int(number(call.argument(2), 2, 1_000_000, 2))
    given = dict(enumerate(call.arguments))
    if function != smu.source:
        raise conflict()
    smu.buffer(unquoted(given.get(8) or "defbuffer1"))
    smu.sweep_points = tuple(start + (stop - start) * index / (points - 1) for index in range(points))
    # -1 is the manual's word for the automatic delay
    smu.sweep_delay_s = max(number(given.get(3) or "0", -1.0, 10_000.0, 0.0), 0.0)
    smu.sweep_buffer = unquoted(given.get(8) or "defbuffer1")


def _initiate(smu: Keithley2450, call: Call) -> None:
    """Runs the whole sweep at once; the time it takes delays what is answered next.

    Output on before and off after, as the trigger model that SWEep loads does.
    """
    if not smu.sweep_points:
        raise conflict()
    buffer = smu.buffer(smu.sweep_buffer)
    smu.set_output(True)
    for level in smu.sweep_points:
        smu.set_level(smu.source, level)
        smu.busy_ns += round(1e9 * smu.sweep_delay_s)
        smu.measure(buffer, call.now_ns)
    smu.set_output(False)


def _abort(_: Keithley2450, __: Call) -> None:
    """A sweep is over when it is answered, so there is never one to abort."""


def reading_commands() -> Iterator[Command]:
    yield Command("READ", None, _read)
    yield Command(f"MEASure[:({'|'.join(LONG.values())})[:DC]]", None, _measure)
    yield Command("FETCh", None, _fetch)
    yield Command("TRACe:TRIGger", _trace_trigger)
    yield Command("TRACe:DATA", None, _trace_data)
    yield Command("TRACe:MAKE", _trace_make)
    yield Command("TRACe:DELete", _trace_delete)
    yield Command("TRACe:POINts", _set_points, _of_buffer(lambda buffer: str(buffer.capacity)))
    yield Command("TRACe:CLEar", _trace_clear)
    yield Command("TRACe:ACTual[:END]", None, _of_buffer(lambda buffer: str(len(buffer.readings))))
    yield Command("TRACe:FILL:MODE", _set_fill, _of_buffer(lambda buffer: "ONCE" if buffer.fill_once else "CONT"))
    yield Command("TRACe:STATistics:(AVERage|MAXimum|MINimum|STDDev|PK2Pk)", None, _statistic)
    yield Command(f"{SOURCE}SWEep:({LONG['VOLT']}|{LONG['CURR']}):LINear", _set_sweep)
    yield Command("INITiate[:IMMediate]", _initiate)
    yield Command("ABORt", _abort)
    yield Command("TRIGger:STATe", None, says(lambda _: "IDLE;IDLE;9"))
