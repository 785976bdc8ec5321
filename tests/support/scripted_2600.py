"""As much of a 2600B as its driver needs, for ScriptedServer: flat assignments, `print` of what was assigned, sweeps and scans that
are over as soon as they are looked at."""

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from tests.support.scripted_server import Answer

IDENTITY = b"Keithley Instruments Inc., Model 2636B, 4098633, 3.4.0\n"
_STATEMENT = re.compile(
    r"(?P<names>[\w.\[\]]+(?:, [\w.\[\]]+)*) = (?P<value>\{[^}]*\}|[\w.\[\]+-]+(?:\([^)]*\))?)|(?P<call>[\w.\[\]]+)\((?P<arguments>[^)]*)\)"
)
_CONSTANTS = {"smua.OUTPUT_DCVOLTS": "1", "smua.OUTPUT_DCAMPS": "0"}

Value = str | Callable[[], str]


@dataclass(frozen=True)
class Stored:
    """One reading, as both buffers hold it."""

    amps: float
    volts: float
    timestamps: float
    statuses: float
    sourcevalues: float

    def value(self, column: str) -> float:
        """column: such as smua.nvbuffer1.readings"""
        _, buffer, name = column.split(".")
        return getattr(self, {"nvbuffer1": "amps", "nvbuffer2": "volts"}[buffer] if name == "readings" else name)


class Scripted2600:
    """values: what names stand for, and calls, their arguments left out. answers: what is said instead to a line that contains a part.

    interlock: refuses to switch on. statements: every statement ever carried out. stored: what both buffers hold.
    """

    def __init__(self, answers: dict[str, Answer] | None = None, *, interlock: bool = False, **values: Value) -> None:
        self.answers = answers or {}
        self.interlock = interlock
        self.statements: list[str] = []
        self.errors: list[tuple[int, str]] = []
        self.stored: list[Stored] = []
        self.levels: list[float] = []
        self.values: dict[str, Value] = {
            "smua.source.output": "0",
            "smua.nvbuffer1.statuses[1]": "0",
            "smua.nvbuffer1.sourcevalues[1]": lambda: self.values["smua.source.levelv"],
            "smua.nvbuffer1.n": lambda: str(len(self.stored)),
            "smua.nvbuffer2.n": lambda: str(len(self.stored)),
            "smua.nvbuffer1.basetimestamp": "1700000000.25",
            "status.operation.instrument.smua.trigger_overrun.condition": "0",
            "smua.measure.iv": "1e-05\t0.1",
            "smua.source.func": "1",
            "smua.cal.date": "1.7e+09",
            "localnode.revision": "3.4.0",
            "localnode.linefreq": "50",
            **values,
        }

    @property
    def output_on(self) -> bool:
        return float(str(self.values["smua.source.output"])) == 1

    def __call__(self, line: str) -> Answer:
        for part, answer in self.answers.items():
            if part in line:
                return answer
        if line == "*IDN?":
            return IDENTITY
        return b"".join(self._carried_out(line)) or None

    def _carried_out(self, line: str) -> Iterator[bytes]:
        for match in _STATEMENT.finditer(line):
            self.statements.append(match[0])
            if match["names"]:
                self._assign(match["names"].split(", "), match["value"])
            elif match["call"] == "print":
                yield ("\t".join(self._value(each) for each in match["arguments"].split(", ")) + "\n").encode()
            elif match["call"] == "printbuffer":
                yield self._printed(*match["arguments"].split(", "))
            else:
                self._call(match["call"], match["arguments"])

    def _call(self, name: str, arguments: str) -> None:
        if name == "errorqueue.clear":
            self.errors.clear()
        elif name == "smua.nvbuffer1.clear":
            self.stored.clear()
        elif name.startswith("smua.trigger.source.list"):
            self.levels = [float(each) for each in arguments.strip("{}").split(", ")]
        elif name.startswith("smua.trigger.source.linear"):
            start, stop, points = (float(each) for each in arguments.split(", "))
            self.levels = np.linspace(start, stop, int(points)).tolist()
        elif name == "smua.trigger.initiate" and self.values["smua.trigger.source.action"] == "smua.ENABLE":
            for level in self.levels:
                self.take(level)

    def take(self, level: float) -> None:
        """A reading of a resistor of 10 kOhm, or of the limit."""
        amps, limit = level / 10e3, float(str(self.values["smua.source.limiti"]))
        limited = abs(amps) > limit
        amps = limit if limited else amps
        self.stored.append(Stored(amps, amps * 10e3, len(self.stored) * 1e-3, 0x46 if limited else 0x06, level))

    def _printed(self, first: str, last: str, *columns: str) -> bytes:
        rows = self.stored[int(first) - 1 : int(last)]
        return b"#0" + b"".join(struct.pack("<d", row.value(column)) for row in rows for column in columns) + b"\n"

    def _assign(self, names: list[str], value: str) -> None:
        if names == ["smua.source.output"] and value == "1" and self.interlock:
            self.errors.append((802, "OUTPUT blocked by interlock"))
            return
        if value == "errorqueue.next()":
            code, text = self.errors.pop(0) if self.errors else (0, "Queue Is Empty")
            self.values.update(zip(names, (str(code), text), strict=True))
            return
        self.values.update(zip(names, self._value(value).split("\t"), strict=True))

    def _value(self, text: str) -> str:
        if text == "errorqueue.count":
            return str(len(self.errors))
        name = text.partition("(")[0]
        value = self.values.get(name, _CONSTANTS.get(name, "0" if "(" in text else text))
        text = value() if callable(value) else value
        try:
            return f"{float(text):.15e}"
        except ValueError:
            return text
