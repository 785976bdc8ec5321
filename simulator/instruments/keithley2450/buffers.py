"""Reading buffers of a 2450 and how their elements are printed.

Rule: a reading is a row of plain numbers in columns; text is made when it is asked for.
Source: 2450 reference manual 2450-901-01, TRACe and FORMat subsystems; section 8, bufferVar (status bits).
"""

import calendar
import math
import re
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

import numpy as np

from simulator.instruments.keithley2450.status import EPOCH
from simulator.instruments.scpi import ScpiError, header_regex, illegal_value, missing_parameter, short_form

# Source status of a reading.
PROTECTED, READ_BACK, LIMITED, FOUR_WIRE, OUTPUT_ON = 4, 8, 32, 64, 128
# Measure status of a reading.
QUESTIONABLE, FRONT, LIMIT_2_LOW, LIMIT_2_HIGH, LIMIT_1_LOW, LIMIT_1_HIGH = 2, 8, 16, 32, 64, 128

UNITS = ("Volt DC", "Amp DC", "Ohm", "Watt DC", "Percent", "Ratio", "Reciprocal")
_SYMBOLS = ("V", "A", "Ohm", "W", "%", "", "")
_PREFIXES = ((1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "u"), (1e-9, "n"), (1e-12, "p"))

_EPOCH_S = calendar.timegm(EPOCH.timetuple())

CAPACITY = 100_000
"""Of the default buffers after a reset."""
CAPACITIES = (10, 6_875_000)

ELEMENTS = (
    "READing", "SOURce", "RELative", "SOURSTATus", "STATus", "UNIT", "SOURUNIT", "FORMatted", "SOURFORMatted", "TSTamp",
    "DATE", "TIME", "SEConds", "FRACtional", "EXTRa", "EXTRAUNIT", "EXTRAFORMatted",
)  # fmt: skip
_IN_BINARY = frozenset({"READ", "SOUR", "REL", "EXTR"})


Number = TypeVar("Number", int, float)


@dataclass
class ReadingBuffer:
    """capacity: readings kept; the oldest leave first in a continuous buffer, new ones are dropped in a `fill_once` buffer.

    Columns, a number per reading: value in unit (of UNITS), source in source_unit, at_ns by the instrument's time, source_status and
    status as above.
    """

    capacity: int = CAPACITY
    fill_once: bool = False
    style: str = "STAN"
    logs: bool = True
    _head: int = 0
    value: "array[float]" = field(default_factory=lambda: array("d"))
    source: "array[float]" = field(default_factory=lambda: array("d"))
    at_ns: "array[int]" = field(default_factory=lambda: array("q"))
    source_status: "array[int]" = field(default_factory=lambda: array("B"))
    status: "array[int]" = field(default_factory=lambda: array("H"))
    units: "array[int]" = field(default_factory=lambda: array("B"))
    statistics_from: int = 0

    def __len__(self) -> int:
        return len(self.value)

    def add(self, value: float, source: float, at_ns: int, source_status: int, status: int, units: int) -> bool:
        """units: unit + 16 * source_unit. False when it was dropped."""
        if len(self.value) >= self.capacity:
            return self._replace(value, source, at_ns, source_status, status, units)
        self.value.append(value)
        self.source.append(source)
        self.at_ns.append(at_ns)
        self.source_status.append(source_status)
        self.status.append(status)
        self.units.append(units)
        return True

    def _replace(self, value: float, source: float, at_ns: int, source_status: int, status: int, units: int) -> bool:
        if self.fill_once:
            return False
        at = self._head
        self._head = (at + 1) % self.capacity
        self.value[at], self.source[at], self.at_ns[at] = value, source, at_ns
        self.source_status[at], self.status[at], self.units[at] = source_status, status, units
        self.statistics_from = max(self.statistics_from - 1, 0)
        return True

    def clear(self) -> None:
        for column in (self.value, self.source, self.at_ns, self.source_status, self.status, self.units):
            del column[:]
        self._head = self.statistics_from = 0

    def rows(self, first: int, last: int) -> "Rows":
        """Readings number first to last, from 0, oldest first; last is not one of them."""
        return Rows(
            value=self._part(self.value, first, last),
            source=self._part(self.source, first, last),
            at_ns=self._part(self.at_ns, first, last),
            source_status=self._part(self.source_status, first, last),
            status=self._part(self.status, first, last),
            units=self._part(self.units, first, last),
            oldest_ns=self.at_ns[self._head] if self.at_ns else 0,
        )

    def _part(self, column: "array[Number]", first: int, last: int) -> "array[Number]":
        size, head = len(column), self._head
        if head == 0:
            return column[first:last]
        first, last = first + head, last + head
        if first >= size:
            return column[first - size : last - size]
        return column[first:last] if last <= size else column[first:] + column[: last - size]

    def statistic(self, name: str) -> float:
        """AVERage, MAXimum, MINimum, STDDev, SPAN or PK2Pk, by its first letters, of the readings; 0 where there are too few."""
        values = np.array(self.value[self.statistics_from :])
        if values.size < (2 if name.startswith("STD") else 1):
            return 0.0
        work: dict[str, Callable[[], float]] = {
            "AVE": lambda: float(values.mean()),
            "MAX": lambda: float(values.max()),
            "MIN": lambda: float(values.min()),
            "STD": lambda: float(values.std(ddof=1)),
        }
        return work.get(name[:3], lambda: float(np.ptp(values)))()


@dataclass(frozen=True)
class Rows:
    """Part of a buffer's columns. oldest_ns: stamp of the buffer's first reading."""

    value: "array[float]"
    source: "array[float]"
    at_ns: "array[int]"
    source_status: "array[int]"
    status: "array[int]"
    units: "array[int]"
    oldest_ns: int

    def numbers(self, name: str) -> Sequence[float]:
        """One element of every reading, for the elements that are numbers."""
        if name == "REL":
            return [(at - self.oldest_ns) / 1e9 for at in self.at_ns]
        if name == "SEC":
            return [_EPOCH_S + at // 10**9 for at in self.at_ns]
        if name == "FRAC":
            return [at % 10**9 / 1e9 for at in self.at_ns]
        if name == "EXTR":
            return [0.0] * len(self.value)
        return {"READ": self.value, "SOUR": self.source, "SOURSTAT": self.source_status, "STAT": self.status}[name]

    def texts(self, name: str) -> list[str]:
        """One element of every reading, for the elements that are text."""
        if name == "UNIT":
            return [UNITS[each % 16] for each in self.units]
        if name == "SOURUNIT":
            return [UNITS[each // 16] for each in self.units]
        if name == "FORM":
            return [_readable(value, units % 16) for value, units in zip(self.value, self.units, strict=True)]
        if name == "SOURFORM":
            return [_readable(value, units // 16) for value, units in zip(self.source, self.units, strict=True)]
        if name.startswith("EXTRA"):
            return [""] * len(self.value)
        return [_date_or_time(name, at) for at in self.at_ns]


def element_names(words: Sequence[str]) -> tuple[str, ...]:
    """Short names of the elements asked for; READING when none is. Raises ScpiError -109, -224."""
    return tuple(_element(word) for word in words) or ("READ",)


def _element(word: str) -> str:
    if not word:
        raise missing_parameter()
    for pattern in ELEMENTS:
        if header_regex(pattern).fullmatch(word):
            return short_form(pattern)
    raise illegal_value()


_AS_WHOLE = frozenset({"SOURSTAT", "STAT", "SEC"})
_AS_FRACTION = {"REL": "%.6f", "FRAC": "%.9f"}
_AS_TEXT = frozenset({"UNIT", "SOURUNIT", "FORM", "SOURFORM", "TST", "DATE", "TIME", "EXTRAUNIT", "EXTRAFORM"})


def as_text(rows: Rows, names: tuple[str, ...], number_format: str) -> bytes:
    """Elements of the readings, in order, comma separated. number_format: of `%`, for readings and source values."""
    columns: list[Sequence[object]] = []
    formats: list[str] = []
    for name in names:
        columns.append(rows.texts(name) if name in _AS_TEXT else rows.numbers(name))
        formats.append("%s" if name in _AS_TEXT else "%d" if name in _AS_WHOLE else _AS_FRACTION.get(name, number_format))
    row = ",".join(formats)
    flat = tuple(each for group in zip(*columns, strict=True) for each in group)
    return (",".join([row] * len(rows.value)) % flat).encode("latin-1", "replace")


def as_block(rows: Rows, names: tuple[str, ...], form: str, swapped: bool) -> bytes:
    """Elements of the readings, in order, `REAL` (8 bytes) or `SRE` (4), as a block of indefinite length.

    Raises ScpiError -224 for elements that only text can say.
    """
    if not _IN_BINARY.issuperset(names):
        raise illegal_value()
    kind = ("<" if swapped else ">") + ("f8" if form == "REAL" else "f4")
    block = np.empty((len(rows.value), len(names)), dtype=kind)
    for index, name in enumerate(names):
        block[:, index] = (np.array(rows.at_ns) - rows.oldest_ns) / 1e9 if name == "REL" else rows.numbers(name)
    return b"#0" + block.tobytes()


def capacity_of(text: str) -> int:
    """A buffer's size: 0 for as many as the memory holds. Raises ScpiError."""
    if not re.fullmatch(r"[+]?\d+(\.0*)?([eE][+]?\d+)?", text):
        raise illegal_value()
    size = float(text)
    if size and not CAPACITIES[0] <= size <= CAPACITIES[1]:
        raise ScpiError(-222, "Parameter data out of range")
    return int(size) or CAPACITIES[1]


def _readable(value: float, unit: int) -> str:
    """`+1.234567 mA`, as on the display."""
    if abs(value) > 1e37 or not math.isfinite(value):
        return "Overflow"
    scale, prefix = next((each for each in _PREFIXES if abs(value) >= each[0]), _PREFIXES[-1] if value else _PREFIXES[2])
    return f"{value / scale:+09.5f} {prefix}{_SYMBOLS[unit]}"


def _date_or_time(name: str, at_ns: int) -> str:
    at = EPOCH + timedelta(seconds=at_ns // 10**9)
    date, time = at.strftime("%m/%d/%Y"), f"{at:%H:%M:%S}.{at_ns % 10**9:09d}"
    return {"DATE": date, "TIME": time}.get(name, f"{date} {time}")
