"""As much of a 2600B as its output needs, for ScriptedServer: flat assignments, and `print` of what was assigned."""

import re
from collections.abc import Callable, Iterator

from tests.support.scripted_server import Answer

IDENTITY = b"Keithley Instruments Inc., Model 2636B, 4098633, 3.4.0\n"
_STATEMENT = re.compile(
    r"(?P<names>[\w.\[\]]+(?:, [\w.\[\]]+)*) = (?P<value>\{[^}]*\}|[\w.\[\]+-]+(?:\([^)]*\))?)|(?P<call>[\w.\[\]]+)\((?P<arguments>[^)]*)\)"
)
_CONSTANTS = {"smua.OUTPUT_DCVOLTS": "1", "smua.OUTPUT_DCAMPS": "0"}

Value = str | Callable[[], str]


class Scripted2600:
    """values: what names stand for, and calls, their arguments left out. answers: what is said instead to a line that contains a part.

    interlock: refuses to switch on. statements: every statement ever carried out.
    """

    def __init__(self, answers: dict[str, Answer] | None = None, *, interlock: bool = False, **values: Value) -> None:
        self.answers = answers or {}
        self.interlock = interlock
        self.statements: list[str] = []
        self.errors: list[tuple[int, str]] = []
        self.values: dict[str, Value] = {
            "smua.source.output": "0",
            "smua.nvbuffer1.statuses[1]": "0",
            "smua.nvbuffer1.n": "0",
            "smua.nvbuffer2.n": "0",
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
        return self.values["smua.source.output"] == "1"

    def __call__(self, line: str) -> Answer:
        for part, answer in self.answers.items():
            if part in line:
                return answer
        if line == "*IDN?":
            return IDENTITY
        return "".join(self._carried_out(line)).encode() or None

    def _carried_out(self, line: str) -> Iterator[str]:
        for match in _STATEMENT.finditer(line):
            self.statements.append(match[0])
            if match["names"]:
                self._assign(match["names"].split(", "), match["value"])
            elif match["call"] == "print":
                yield "\t".join(self._value(each) for each in match["arguments"].split(", ")) + "\n"
            elif match["call"] == "errorqueue.clear":
                self.errors.clear()

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
