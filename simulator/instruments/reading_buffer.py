"""Reading buffers of a 2450 and how their elements are printed. Source: 2450 manual 2450-901-01, TRACe subsystem, FORMat subsystem."""

import struct
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from simulator.instruments.scpi import illegal_value, number_text, short_form

LIMITED = 16
"""Bit of the source status: the source function was limited."""

ELEMENTS = (
    "READing", "SOURce", "RELative", "SOURSTATus", "STATus", "UNIT", "SOURUNIT", "FORMatted", "SOURFORMatted", "TSTamp",
    "DATE", "TIME", "SEConds", "FRACtional", "CHANnel", "EXTRa", "DIGits", "SOURDIGits",
)  # fmt: skip
_TEXTS = frozenset({"UNIT", "SOURUNIT", "FORM", "SOURFORM", "TST", "DATE", "TIME"})


@dataclass(frozen=True)
class Reading:
    """One point. value in `unit`, source in `source_unit`. relative_s: since the first reading of the buffer."""

    value: float
    unit: str
    source: float
    source_unit: str
    source_status: int
    at_ns: int
    relative_s: float = 0.0

    def element(self, name: str) -> str:
        """One element by its short name, as ASCII."""
        if name in _TEXTS:
            return self._text(name)
        seconds, rest_ns = divmod(self.at_ns, 10**9)
        numbers = {"READ": self.value, "SOUR": self.source, "REL": self.relative_s, "SEC": seconds, "FRAC": rest_ns / 1e9}
        if name in numbers:
            return number_text(float(numbers[name]))
        return str(self.source_status if name == "SOURSTAT" else 0)

    def _text(self, name: str) -> str:
        texts = {"UNIT": self.unit, "SOURUNIT": self.source_unit, "FORM": f"{self.value:+.6g} {self.unit}"}
        return texts.get(name, f"{self.source:+.6g} {self.source_unit}" if name == "SOURFORM" else f"{self.at_ns / 1e9:.6f}")


@dataclass
class ReadingBuffer:
    """capacity: readings kept; the oldest leave first in a continuous buffer, new ones are dropped in a `once` buffer."""

    capacity: int = 100_000
    fill_once: bool = False
    readings: deque[Reading] = field(default_factory=deque)

    def add(self, reading: Reading) -> Reading:
        first_ns = self.readings[0].at_ns if self.readings else reading.at_ns
        kept = replace(reading, relative_s=(reading.at_ns - first_ns) / 1e9)
        if len(self.readings) < self.capacity:
            self.readings.append(kept)
        elif not self.fill_once:
            self.readings.popleft()
            self.readings.append(kept)
        return kept

    def statistic(self, name: str) -> float:
        """AVERage, MAXimum, MINimum, STDDev or PK2Pk, by its first letters, of the readings; 0 for an empty buffer."""
        values = np.array([reading.value for reading in self.readings])
        if not values.size:
            return 0.0
        result = {"AVE": values.mean, "MAX": values.max, "MIN": values.min, "STD": values.std, "PK2": lambda: np.ptp(values)}
        return float(result[name[:3]]())


def element_names(words: Sequence[str]) -> tuple[str, ...]:
    """Short names of the elements asked for; READing when none is. Raises ScpiError -224."""
    known = {form.upper(): short_form(pattern) for pattern in ELEMENTS for form in (pattern, short_form(pattern))}
    if any(word.upper() not in known for word in words):
        raise illegal_value()
    return tuple(known[word.upper()] for word in words) or ("READ",)


def printed(readings: Iterable[Reading], names: tuple[str, ...], form: str, swapped: bool) -> bytes:
    """Elements of the readings, in order: `ASC` comma separated, `REAL` and `SRE` as a block of indefinite length."""
    if form == "ASC":
        return ",".join(reading.element(name) for reading in readings for name in names).encode("latin-1")
    if any(name in _TEXTS for name in names):
        raise illegal_value()
    values = [float(reading.element(name)) if name != "READ" else reading.value for reading in readings for name in names]
    return b"#0" + struct.pack(f"{'<' if swapped else '>'}{len(values)}{'d' if form == 'REAL' else 'f'}", *values)
