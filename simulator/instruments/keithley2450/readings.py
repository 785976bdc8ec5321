"""Readings and buffers of a 2450.

Source: 2450 reference manual 2450-901-01, section 6, READ?, MEASure?, FETCh? and TRACe. Assumed: the USB flash drive takes every file
and holds none of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from simulator.instruments.keithley2450.buffers import ReadingBuffer, as_block, as_text, capacity_of, element_names
from simulator.instruments.keithley2450.call import Call, Command, Handler, nothing, says
from simulator.instruments.keithley2450.settings import SENSED
from simulator.instruments.scpi import ScpiError, boolean, choice, illegal_value, number, out_of_range

if TYPE_CHECKING:
    from simulator.instruments.keithley2450.core import Core

_STYLES = ("STANdard", "COMPact", "FULL", "WRITable", "FULLWRITable")
_MOST_ELEMENTS = 14


def _printed(core: Core, buffer: ReadingBuffer, first: int, last: int, names: tuple[str, ...]) -> bytes:
    rows, form = buffer.rows(first, last), str(core.values["FORMAT", ""])
    if form == "ASC":
        return as_text(rows, names, core.number_format)
    return as_block(rows, names, form, core.values["BYTE_ORDER", ""] == "SWAP")


def _buffer(core: Core, call: Call, index: int = 0) -> ReadingBuffer:
    return core.buffer(call.name(index, "defbuffer1"))


def _make_readings(core: Core, buffer: ReadingBuffer) -> None:
    core.require_idle()
    for _ in range(int(core.number("COUNT", ""))):
        core.measure(buffer)


def _read(core: Core, call: Call) -> bytes:
    buffer, names = _buffer(core, call), element_names(call.arguments[1:])
    _make_readings(core, buffer)
    return _printed(core, buffer, len(buffer) - 1, len(buffer), names)


def _measure(core: Core, call: Call) -> bytes:
    if call.groups[0]:
        core.require_idle()
        core.sense = call.function
        core.set_meter()
    return _read(core, call)


def _fetch(core: Core, call: Call) -> bytes:
    buffer, names = _buffer(core, call), element_names(call.arguments[1:])
    if not len(buffer):
        raise ScpiError(-230, "Data corrupt or stale")
    return _printed(core, buffer, len(buffer) - 1, len(buffer), names)


def _trigger(core: Core, call: Call) -> None:
    _make_readings(core, _buffer(core, call))


def _data(core: Core, call: Call) -> bytes:
    first, last = (round(number(call.argument(index), 1, 1e9, 1)) for index in (0, 1))
    buffer, names = _buffer(core, call, 2), element_names(call.arguments[3:])
    if not first <= last <= len(buffer):
        raise out_of_range()
    return _printed(core, buffer, first - 1, last, names)


def _make(core: Core, call: Call) -> None:
    name, size = call.argument() and call.name(0), capacity_of(call.argument(1))
    if not re.fullmatch(r"[A-Za-z_]\w{0,30}", name):
        raise illegal_value()
    if name in core.buffers:
        raise ScpiError(1115, "Parameter error: TRACe:MAKE cannot take an existing reading buffer name")
    style = choice(call.given(2, "STANdard"), _STYLES)
    core.buffers[name] = ReadingBuffer(size, fill_once=True, style=style, logs=False)
    core.active_buffer = name


def _delete(core: Core, call: Call) -> None:
    call.argument()
    core.require_idle()
    name = call.name(0)
    core.buffer(name)
    if name.startswith("defbuffer"):
        raise illegal_value()
    del core.buffers[name]
    if core.active_buffer == name:
        core.active_buffer = "defbuffer1"


def _set_points(core: Core, call: Call) -> None:
    core.require_idle()
    capacity, buffer = capacity_of(call.argument()), _buffer(core, call, 1)
    buffer.clear()
    buffer.capacity = capacity


def _set_fill(core: Core, call: Call) -> None:
    core.require_idle()
    once, buffer = choice(call.argument(), ("CONTinuous", "ONCE")) == "ONCE", _buffer(core, call, 1)
    if once != buffer.fill_once:
        buffer.clear()
    buffer.fill_once = once


def _set_log(core: Core, call: Call) -> None:
    on = boolean(call.argument())
    _buffer(core, call, 1).logs = on


def _of_buffer(answer: Callable[[ReadingBuffer], str]) -> Handler:
    return lambda core, call: answer(_buffer(core, call))


def _clear(core: Core, call: Call) -> None:
    core.clear_buffer(call.name(0, "defbuffer1"))


def _clear_statistics(core: Core, call: Call) -> None:
    buffer = _buffer(core, call)
    buffer.statistics_from = len(buffer)


def _statistic(core: Core, call: Call) -> str:
    return core.say(_buffer(core, call).statistic(call.groups[0]))


def _set_active(core: Core, call: Call) -> None:
    call.argument()
    core.buffer(call.name(0))
    core.active_buffer = call.name(0)


def _save(core: Core, call: Call) -> None:
    """A file on the flash drive. Raises ScpiError -256 for any other place."""
    call.argument()
    if not call.name(0).startswith("/usb1/"):
        raise ScpiError(-256, "File name not found")
    _buffer(core, call, 1)


def _write(core: Core, call: Call) -> None:
    """A value from outside into a writable buffer: value, extra value, seconds, fraction, status. Raises ScpiError -224 for another."""
    call.argument()
    buffer = _buffer(core, call)
    if "WRIT" not in buffer.style:
        raise illegal_value()
    value, status = call.number(1, -9.9e37, 9.9e37), call.whole(5, 0, 511, 0)
    buffer.add(value, 0.0, core.now_ns, 0, status, 0)


def reading_commands() -> Iterator[Command]:
    yield Command("READ", None, _read, asks=_MOST_ELEMENTS)
    yield Command(f"MEASure[:{SENSED}]", None, _measure, asks=_MOST_ELEMENTS)
    yield Command("FETCh", None, _fetch, asks=_MOST_ELEMENTS)
    yield Command("TRACe:TRIGger", _trigger)
    yield Command("TRACe:DATA", None, _data, asks=2 + _MOST_ELEMENTS)
    yield Command("TRACe:MAKE", _make, takes=3)
    yield Command("TRACe:DELete", _delete)
    yield Command("TRACe:POINts", _set_points, _of_buffer(lambda buffer: str(buffer.capacity)), takes=2)
    yield Command("TRACe:CLEar", _clear)
    yield Command("TRACe:ACTual[:END]", None, _of_buffer(lambda buffer: str(len(buffer))))
    yield Command("TRACe:ACTual:STARt", None, _of_buffer(lambda buffer: "1" if len(buffer) else "0"))
    yield Command("TRACe:FILL:MODE", _set_fill, _of_buffer(lambda buffer: "ONCE" if buffer.fill_once else "CONT"), takes=2)
    yield Command("TRACe:LOG:STATe", _set_log, _of_buffer(lambda buffer: str(int(buffer.logs))), takes=2)
    yield Command("TRACe:STATistics:(AVERage|MAXimum|MINimum|STDDev|SPAN|PK2Pk)", None, _statistic)
    yield Command("TRACe:STATistics:CLEar", _clear_statistics)
    yield Command("TRACe:SAVE[:APPend]", _save, takes=5)
    yield Command("TRACe:WRITe:READing", _write, takes=6)
    for ignored in ("TRACe:WRITe:FORMat", "TRACe:UNIT", "TRACe:MATH"):
        yield Command(ignored, nothing, takes=6)
    yield Command("DISPlay:BUFFer:ACTive", _set_active, says(lambda core: core.active_buffer))
