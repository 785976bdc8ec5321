"""Reading buffers of a 2600B and their tables.

Rule 1: a column is a plain array; what is the same for many readings is kept once (`Circumstances`).
Rule 2: a full buffer drops what comes (FILL_ONCE) or starts over at its beginning (FILL_WINDOW).
Source: 2600BS-901-01, "Reading buffers" and bufferVar.* in the command reference. Assumed: how much room stamps and source values take
in a dedicated buffer; what an index without reading answers.
"""

from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.instruments.keithley2600.errors import Refused, flag, number, whole
from simulator.instruments.keithley2600.natives import Natives
from simulator.instruments.tsp_values import Arguments, Native, Table, Value, text_of

DEDICATED_READINGS = 149_789
_BYTES, _MORE_BYTES = 6, 4
FILL_ONCE, FILL_WINDOW = 0, 1
OVERTEMP, AUTO_MEASURE, AUTO_SOURCE, FOUR_WIRE, RELATIVE, COMPLIANCE, FILTERED = 2, 4, 8, 16, 32, 64, 128
FINEST_STAMP_S = 1e-6


class Circumstances(NamedTuple):
    """What holds for many readings. functions in words, as the instrument prints them."""

    measure_function: str
    measure_range: float
    source_function: str
    source_range: float
    output: str


@dataclass
class ReadingBuffer:
    """capacity: of readings; None: a dedicated buffer, whose capacity depends on what it collects.

    expected: readings that it will hold when what is under way is over; 0: nothing is.
    """

    fixed_capacity: int | None = None
    append: bool = False
    cache: bool = True
    source_values: bool = False
    stamps: bool = False
    fill_mode: int = FILL_ONCE
    fill_count: int = 0
    resolution_s: float = FINEST_STAMP_S
    expected: int = 0

    def __post_init__(self) -> None:
        self.readings = array("d")
        self.statuses = array("B")
        self.sourced = array("d")
        self.at_ns = array("q")
        self.circumstances: list[Circumstances] = []
        self.base_ns = 0
        self.watchers: list[Callable[[int], None]] = []
        self._next = 0

    def __len__(self) -> int:
        return len(self.readings)

    @property
    def capacity(self) -> int:
        if self.fixed_capacity is not None:
            return self.fixed_capacity
        return DEDICATED_READINGS * _BYTES // (_BYTES + _MORE_BYTES * (self.source_values + self.stamps))

    def clear(self) -> None:
        for column in (self.readings, self.statuses, self.sourced, self.at_ns, self.circumstances):
            del column[:]
        self.base_ns = self._next = 0

    def begin(self) -> None:
        """Before new readings."""
        if not self.append:
            self.clear()

    def add(self, reading: float, status: int, sourced: float, at_ns: int, circumstances: Circumstances) -> None:
        count = len(self.readings)
        if not count:
            self.base_ns = at_ns
        if count < self._end():
            self.readings.append(reading)
            self.statuses.append(status)
            self.sourced.append(sourced)
            self.at_ns.append(at_ns)
            self.circumstances.append(circumstances)
        elif self.fill_mode == FILL_WINDOW and count:
            self._replace(reading, status, sourced, at_ns, circumstances)
        if self.watchers:
            for watcher in tuple(self.watchers):
                watcher(at_ns)

    def _end(self) -> int:
        capacity = self.capacity if self.fixed_capacity is None else self.fixed_capacity
        return min(self.fill_count, capacity) if self.fill_mode == FILL_WINDOW and self.fill_count else capacity

    def _replace(self, reading: float, status: int, sourced: float, at_ns: int, circumstances: Circumstances) -> None:
        at, self._next = self._next, (self._next + 1) % self._end()
        self.readings[at], self.statuses[at], self.sourced[at], self.at_ns[at] = reading, status, sourced, at_ns
        self.circumstances[at] = circumstances

    @property
    def next(self) -> int:
        """Where the next reading is stored, from 1."""
        return len(self.readings) + 1 if len(self.readings) < self._end() else self._next + 1

    def over(self, now_ns: int) -> None:
        """What was under way is over, however it ended."""
        self.expected = 0
        for watcher in tuple(self.watchers):
            watcher(now_ns)


Values = Sequence[Value] | NDArray[np.float64]
Column = Callable[[ReadingBuffer, int, int], Values]
"""Values of readings from..to, counted from 0, the end excluded."""


def _of(name: str) -> Column:
    return lambda buffer, start, end: [getattr(each, name) for each in buffer.circumstances[start:end]]


def _floats(column: "array[float] | array[int]", start: int, end: int) -> NDArray[np.float64]:
    # A copy: an array that somebody looks into cannot grow.
    return np.array(column[start:end], dtype=np.float64)


def _sourced(buffer: ReadingBuffer, start: int, end: int) -> Values:
    if not buffer.source_values:
        raise Refused(1100)
    return _floats(buffer.sourced, start, end)


def _stamps(buffer: ReadingBuffer, start: int, end: int) -> Values:
    """Since the first reading, s."""
    if not buffer.stamps:
        raise Refused(1100)
    since_ns = np.array(buffer.at_ns[start:end], dtype=np.int64) - buffer.base_ns
    return np.rint(since_ns / 1e9 / buffer.resolution_s) * buffer.resolution_s


COLUMNS: dict[str, Column] = {
    "readings": lambda buffer, start, end: _floats(buffer.readings, start, end),
    "statuses": lambda buffer, start, end: _floats(buffer.statuses, start, end),
    "sourcevalues": _sourced,
    "timestamps": _stamps,
    "measurefunctions": _of("measure_function"),
    "measureranges": _of("measure_range"),
    "sourcefunctions": _of("source_function"),
    "sourceranges": _of("source_range"),
    "sourceoutputstates": _of("output"),
}


@dataclass(frozen=True)
class Subtable:
    """One column of a buffer: what stands behind `buffer.readings`."""

    buffer: ReadingBuffer
    column: Column

    def item(self, index: Value) -> Value:
        """Raises Refused 4900 for what is no number from 1 on."""
        if not isinstance(index, float) or not index.is_integer() or index < 1:
            raise Refused(4900, text_of(index))
        at = int(index)
        if at > len(self.buffer):
            return None
        value = self.column(self.buffer, at - 1, at)[0]
        return value if isinstance(value, str) else float(value)


def buffer_table(buffer: ReadingBuffer, natives: Natives, epoch_s: Callable[[int], float]) -> Native:
    """bufferVar. epoch_s: seconds since 1970 of the instrument's own time."""
    readings = Subtable(buffer, COLUMNS["readings"])
    table = natives.table("reading_buffer", readings, _guarded_item(readings, natives))
    for name, column in COLUMNS.items():
        subtable = Subtable(buffer, column)
        made = table.objects[name] = natives.table("synchronous_table", subtable, _guarded_item(subtable, natives))
        natives.function(made, "getreading", lambda given, subtable=subtable: subtable.item(given[0] if given else 0.0))
    natives.attribute(table, "n", lambda: float(len(buffer)))
    natives.attribute(table, "next", lambda: float(buffer.next))
    natives.attribute(table, "capacity", lambda: float(buffer.capacity))
    natives.attribute(table, "basetimestamp", lambda: epoch_s(buffer.base_ns) if len(buffer) else 0.0)
    natives.function(table, "clear", lambda _: buffer.clear())
    natives.function(table, "clearcache", lambda _: None)
    for name, of, empty in (
        ("appendmode", "append", True),
        ("cachemode", "cache", False),
        ("collectsourcevalues", "source_values", True),
        ("collecttimestamps", "stamps", True),
    ):
        natives.attribute(table, name, lambda of=of: float(getattr(buffer, of)), _set_flag(buffer, of, empty))
    natives.attribute(table, "fillmode", lambda: float(buffer.fill_mode), lambda value: setattr(buffer, "fill_mode", whole(value, 0, 1)))
    natives.attribute(
        table, "fillcount", lambda: float(buffer.fill_count), lambda value: setattr(buffer, "fill_count", whole(value, 0, 10_000_000))
    )
    natives.attribute(table, "timestampresolution", lambda: buffer.resolution_s, _set_resolution(buffer))
    return table


def _guarded_item(subtable: Subtable, natives: Natives) -> Callable[[float], Value]:
    guarded = natives.guarded(lambda given: subtable.item(given[0]))
    return lambda index: guarded((index,))


def _set_flag(buffer: ReadingBuffer, name: str, only_empty: bool) -> Callable[[Value], None]:
    def set_(value: Value) -> None:
        wanted = flag(value)
        if only_empty and len(buffer) and wanted != getattr(buffer, name):
            raise Refused(5032)
        setattr(buffer, name, wanted)

    return set_


def _set_resolution(buffer: ReadingBuffer) -> Callable[[Value], None]:
    def set_(value: Value) -> None:
        if len(buffer):
            raise Refused(5032)
        wanted = number(value, 0.0, 1e3)
        if wanted < FINEST_STAMP_S:
            raise Refused(5047)
        buffer.resolution_s = round(wanted / FINEST_STAMP_S) * FINEST_STAMP_S

    return set_


def buffer_in(given: Arguments, at: int = 0) -> ReadingBuffer:
    """The reading buffer among the arguments of a function. Raises Refused 1400, 1401."""
    if at >= len(given) or given[at] is None:
        raise Refused(1400, at + 1)
    behind = given[at].of if isinstance(given[at], Native) else None
    if not isinstance(behind, Subtable):
        raise Refused(1401, at + 1)
    return behind.buffer


def values_in(given: Value, start: int, end: int) -> Values:
    """Values of a table or a column, from..to counted from 0. Raises Refused 1401."""
    if isinstance(given, Table):
        return given.array()[start:end]
    if isinstance(given, Native) and isinstance(given.of, Subtable):
        return given.of.column(given.of.buffer, start, end)
    raise Refused(1401, 3)


def length_of(given: Iterable[Value]) -> int:
    """The shortest of tables and buffers."""
    lengths = [len(each) if isinstance(each, Table) else len(each.of.buffer) for each in given if _has_length(each)]
    return min(lengths, default=0)


def _has_length(value: Value) -> bool:
    return isinstance(value, Table) or (isinstance(value, Native) and isinstance(value.of, Subtable))
