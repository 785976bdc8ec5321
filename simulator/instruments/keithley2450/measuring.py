"""From what the channel read to what stands in a buffer: unit, filter, relative offset, math, limit tests, status bits.

Rule: everything that the settings decide is decided once, when they change; `take` is what a scan does for each reading.
Source: 2450 reference manual 2450-901-01, SENSe and CALCulate subsystems.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import copysign
from typing import TYPE_CHECKING

from simulator.instruments.keithley2450.buffers import (
    FOUR_WIRE,
    FRONT,
    LIMIT_1_HIGH,
    LIMIT_1_LOW,
    LIMIT_2_HIGH,
    LIMIT_2_LOW,
    LIMITED,
    OUTPUT_ON,
    PROTECTED,
    QUESTIONABLE,
    READ_BACK,
    ReadingBuffer,
)
from simulator.instruments.smu.channel import Sample
from simulator.instruments.smu.datasheet import OVERFLOW

if TYPE_CHECKING:
    from simulator.instruments.keithley2450.instrument import Instrument

_UNIT_NUMBERS = {"VOLT": 0, "AMP": 1, "OHM": 2, "WATT": 3}
_MATH_UNITS = {"PERC": 4, "MXB": 5, "REC": 6}
_LIMIT_BITS = {"1": (LIMIT_1_LOW, LIMIT_1_HIGH), "2": (LIMIT_2_LOW, LIMIT_2_HIGH)}


def _ohms(sample: Sample) -> float:
    return OVERFLOW if _overflowed(sample) or not sample.amps else sample.volts / sample.amps


def _watts(sample: Sample) -> float:
    return OVERFLOW if _overflowed(sample) else sample.volts * sample.amps


def _overflowed(sample: Sample) -> bool:
    return abs(sample.volts) >= OVERFLOW or abs(sample.amps) >= OVERFLOW


class Reader:
    """How readings are made with the settings as they are. last, before: the latest two values."""

    def __init__(self, core: Instrument) -> None:
        sense = core.sense
        self._core, self._channel = core, core.channel
        unit = str(core.values["UNIT", sense])
        self._value: Callable[[Sample], float] | None = {"OHM": _ohms, "WATT": _watts}.get(unit)
        self._in_volts = unit == "VOLT"
        self._reads_back = bool(core.values["READ_BACK", core.source])
        self._source_in_volts = core.source == "VOLT"
        self._steps = _steps(core)
        self._limits = _limits(core)
        measured = _MATH_UNITS[str(core.values["MATH_KIND", sense])] if core.values["MATH", sense] else _UNIT_NUMBERS[unit]
        self._units = measured + (0 if self._source_in_volts else 16)
        self._status = FRONT if core.terminals == "FRON" else 0
        self._source_status = READ_BACK if self._reads_back else 0
        # With the output off it senses with two wires, whatever is set.
        self._while_on = OUTPUT_ON | (FOUR_WIRE if core.values["RSENSE", sense] else 0)
        self.last = self.before = 0.0

    def take(self, buffer: ReadingBuffer, end_ns: int) -> bool:
        """Finish the reading whose aperture ends now, into a buffer; False when the buffer is full."""
        channel, core = self._channel, self._core
        sample = channel.finish(end_ns)
        value = self._value(sample) if self._value is not None else sample.volts if self._in_volts else sample.amps
        status = self._status
        if abs(value) >= OVERFLOW:
            status |= QUESTIONABLE
        elif self._steps:
            for step in self._steps:
                value = step(value)
            if not abs(value) < OVERFLOW:
                value = copysign(OVERFLOW, value)
        if self._limits:
            status |= self._tested(value)
        source_status = self._source_status | core.protecting
        if channel.output:
            source_status |= self._while_on
        if sample.limited:
            source_status |= LIMITED
        source = channel.drive_now.level if not self._reads_back else sample.volts if self._source_in_volts else sample.amps
        self.before, self.last = self.last, value
        core.limited = sample.limited
        return buffer.add(value, source, end_ns, source_status, status, self._units)

    def _tested(self, value: float) -> int:
        """Status bits of the limit tests."""
        status = 0
        for y, low, high in self._limits:
            low_bit, high_bit = _LIMIT_BITS[y]
            bits = low_bit if value < low else high_bit if value > high else 0
            self._core.tested(y, low=bool(bits & low_bit), high=bool(bits & high_bit))
            status |= bits
        return status


def _steps(core: Instrument) -> tuple[Callable[[float], float], ...]:
    """Filter, relative offset and math, in this order, as far as they are on."""
    sense = core.sense
    steps: list[Callable[[float], float]] = []
    if core.values["AVERAGE", sense] and core.values["AVERAGE_KIND", sense] == "MOV":
        stack: deque[float] = deque(maxlen=int(core.number("AVERAGE_COUNT", sense)))

        def moving_average(value: float) -> float:
            stack.append(value)
            return sum(stack) / len(stack)

        steps.append(moving_average)
    if core.values["REL", sense]:
        offset = core.number("REL_LEVEL", sense)
        steps.append(lambda value: value - offset)
    if core.values["MATH", sense]:
        steps.append(_math(core, sense))
    return tuple(steps)


def _math(core: Instrument, sense: str) -> Callable[[float], float]:
    kind = core.values["MATH_KIND", sense]
    m, b, reference = (core.number(name, sense) for name in ("MATH_M", "MATH_B", "MATH_PERCENT"))
    if kind == "MXB":
        return lambda value: m * value + b
    if kind == "REC":
        return lambda value: 1.0 / value if value else OVERFLOW
    return lambda value: (value - reference) / reference * 100.0 if reference else OVERFLOW


def _limits(core: Instrument) -> tuple[tuple[str, float, float], ...]:
    sense = core.sense
    return tuple(
        (y, core.number(f"LIMIT{y}_LOW", sense), core.number(f"LIMIT{y}_HIGH", sense)) for y in "12" if core.values[f"LIMIT{y}", sense]
    )


def protection_bit(active: bool) -> int:
    return PROTECTED if active else 0
