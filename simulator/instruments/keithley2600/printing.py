"""print(), printnumber(), printbuffer() and format.*: how values leave a 2600B.

Rule: one call, one message with a line's end. Numbers in `format.asciiprecision` digits; printbuffer and printnumber also as `#0` and
IEEE 754 binary.
Source: 2600BS-901-01, "Queries and response messages", format.*, printbuffer().
"""

from collections.abc import Callable, Generator, Sequence

import numpy as np

from simulator.instruments.keithley2600.buffers import ReadingBuffer, Subtable, Values, length_of, values_in
from simulator.instruments.keithley2600.errors import Refused, number, whole
from simulator.instruments.keithley2600.natives import Happening, Natives
from simulator.instruments.tsp_values import Arguments, Function, Native, Pause, Value, text_of

_ASCII, _REAL32, _REAL64 = 1, 2, 3
_BIG, _LITTLE = 0, 1
_FORMATS = {"ASCII": _ASCII, "SREAL": _REAL32, "REAL32": _REAL32, "REAL": _REAL64, "REAL64": _REAL64, "DREAL": _REAL64}
_ORDERS = {"NORMAL": _BIG, "NETWORK": _BIG, "BIGENDIAN": _BIG, "SWAPPED": _LITTLE, "LITTLEENDIAN": _LITTLE}
_DIGITS = (1, 16)


class Printer:
    """say: takes a message, its end included."""

    def __init__(self, natives: Natives, say: Callable[[bytes], None]) -> None:
        self._natives, self._say = natives, say
        self.data, self.order, self.digits = _ASCII, _LITTLE, 6

    def reset(self) -> None:
        self.data, self.order, self.digits = _ASCII, _LITTLE, 6

    def text(self, value: Value) -> str:
        return f"{value:.{self.digits - 1}e}" if isinstance(value, float) else text_of(value)

    def line(self, values: Sequence[Value]) -> None:
        """As print() does it."""
        self._say(("\t".join(map(self.text, values)) + "\n").encode("latin-1", "replace"))

    def numbers(self, values: Values) -> None:
        """In the format of `format.data`."""
        if self.data == _ASCII:
            plain = values.tolist() if isinstance(values, np.ndarray) else values
            self._say((", ".join(map(self.text, plain)) + "\n").encode("latin-1", "replace"))
            return
        if not isinstance(values, np.ndarray):
            # Words have no binary form (assumed: they leave as 0).
            values = np.array([each if isinstance(each, float) else 0.0 for each in values])
        kind = ("<" if self.order == _LITTLE else ">") + ("f4" if self.data == _REAL32 else "f8")
        with np.errstate(over="ignore"):
            self._say(b"#0" + values.astype(kind).tobytes() + b"\n")

    def functions(self) -> dict[str, Value]:
        """print, printnumber, printbuffer, format as globals."""
        table = self._natives.table()
        for name, value in (_FORMATS | _ORDERS).items():
            table.objects[name] = float(value)
        attribute = self._natives.attribute
        attribute(table, "data", lambda: float(self.data), self._set_data)
        attribute(table, "byteorder", lambda: float(self.order), self._set_order)
        attribute(table, "asciiprecision", lambda: float(self.digits), self._set_digits)
        return {
            "format": table,
            "print": Function(self._natives.guarded(self.line)),
            "printnumber": Function(self._natives.guarded(self._printnumber)),
            "printbuffer": Function(self._natives.guarded_waiting(self._printbuffer), waits=True),
        }

    def _set_data(self, value: Value) -> None:
        self.data = _one_of(value, _ASCII, _REAL64, 1406)

    def _set_order(self, value: Value) -> None:
        self.order = _one_of(value, _BIG, _LITTLE, 1404)

    def _set_digits(self, value: Value) -> None:
        self.digits = _one_of(value, *_DIGITS, 1405)

    def _printnumber(self, given: Arguments) -> None:
        if not given:
            raise Refused(1400, 1)
        self.numbers(given)

    def _printbuffer(self, given: Arguments) -> Generator[Pause, None, Value]:
        if len(given) < 3:
            raise Refused(1400, 3)
        first, last = (number(each, -1e9, 1e9) for each in given[:2])
        columns = given[2:]
        yield from _until_there(columns, last)
        start, end = max(int(first), 1) - 1, min(int(last), length_of(columns))
        parts = [values_in(each, start, end) for each in columns]
        self.numbers(parts[0] if len(parts) == 1 else _interleaved(parts))


def _one_of(value: Value, low: int, high: int, code: int) -> int:
    try:
        return whole(value, low, high)
    except Refused as refused:
        raise Refused(code) from refused


def _until_there(columns: Sequence[Value], last: float) -> Generator[Pause, None, None]:
    """What is still being measured is waited for, as far as it is asked for."""
    for column in columns:
        behind = column.of if isinstance(column, Native) else None
        if isinstance(behind, Subtable):
            buffer = behind.buffer
            while len(buffer) < min(last, buffer.expected):
                yield Happening(lambda resume, buffer=buffer: _next_reading(buffer, resume))


def _next_reading(buffer: ReadingBuffer, resume: Callable[[int], None]) -> None:
    def heard(now_ns: int) -> None:
        buffer.watchers.remove(heard)
        resume(now_ns)

    buffer.watchers.append(heard)


def _interleaved(parts: Sequence[Values]) -> Values:
    """The first of each, then the second of each, ..."""
    arrays = [each for each in parts if isinstance(each, np.ndarray)]
    if len(arrays) == len(parts):
        return np.column_stack(arrays).ravel()
    return [
        value for row in zip(*(each.tolist() if isinstance(each, np.ndarray) else each for each in parts), strict=True) for value in row
    ]
