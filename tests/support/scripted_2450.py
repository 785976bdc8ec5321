"""As much of a 2450 as its driver needs, at the far end of a real socket: 10 kOhm between the needles, readings that come when asked
for.

It is no model of the instrument (the simulator is that): whatever it is told to answer, it answers.
"""

import re
import struct
from collections.abc import Callable
from typing import ClassVar

from tests.support.scripted_server import Answer

OHMS = 10_000.0
IDENTITY = "KEITHLEY INSTRUMENTS,MODEL 2450,04096331,1.7.12b"
NO_ERROR = '0,"No error;0;0 0"'
LIMITED, OUTPUT_ON = 32, 128
_UNIT = re.compile(r'(?:[^;"]|"[^"]*")+')


class Scripted2450:
    """answers: what is said instead to one question, as often as it is asked. whole: an Answer instead of that to a whole line that
    contains a text. per_look: readings that come between two questions for their number. values: settings by header.
    runs: sweeps begun, each 2.25 s after the one before by the instrument's own clock.
    """

    def __init__(self, answers: dict[str, str] | None = None, whole: dict[str, Answer] | None = None, per_look: int = 10**9) -> None:
        self.answers, self.whole, self.per_look = answers or {}, whole or {}, per_look
        self.output_on = False
        self.values: dict[str, str] = {"*ESE": "0"}
        self.errors: list[str] = []
        self.buffers: dict[str, list[tuple[float, float, float, int]]] = {"defbuffer1": []}
        self.coming: list[tuple[float, float, float, int]] = []
        self.list: list[float] = []
        self.sweep: Callable[[], list[float]] | None = None
        self.stops_at_limit = False
        self.runs = 0
        self.said: list[str] = []

    def __call__(self, line: str) -> Answer:
        for part, answer in self.whole.items():
            if part in line:
                return answer
        said = [answer for unit in _UNIT.findall(line) if (answer := self.unit(unit.strip())) is not None]
        return b";".join(each if isinstance(each, bytes) else each.encode() for each in said) + b"\n" if said else None

    def unit(self, text: str) -> str | bytes | None:
        self.said.append(text)
        if text in self.answers:
            return self.answers[text]
        head, _, rest = text.partition(" ")
        handler = self._HANDLERS.get(head.lstrip(":"))
        if handler is not None:
            return handler(self, rest)
        if head.endswith("?"):
            return self._shown(head.lstrip(":").removesuffix("?"))
        self.values[head.lstrip(":")] = rest
        return None

    def _shown(self, header: str) -> str:
        text = self.values.get(header, "0")
        try:
            return text if text.isdigit() else f"{float(text):.6E}"
        except ValueError:
            return text

    # --- source and measure
    @property
    def source(self) -> str:
        return self.values.get("SOUR:FUNC", "VOLT")

    @property
    def limit(self) -> float:
        return float(self.values.get("SOUR:VOLT:ILIM" if self.source == "VOLT" else "SOUR:CURR:VLIM", "1e9"))

    def _output(self, word: str) -> None:
        self.output_on = word == "ON"

    def _point(self, level: float, at_s: float) -> tuple[float, float, float, int]:
        measured = level / OHMS if self.source == "VOLT" else level * OHMS
        status = OUTPUT_ON * self.output_on | LIMITED * (abs(measured) >= self.limit)
        return level, max(-self.limit, min(self.limit, measured)), at_s, status

    def _read(self, rest: str) -> str:
        self.buffers["defbuffer1"].append(self._point(float(self.values.get(f"SOUR:{self.source}:LEV", "0")), 0.0))
        return self._fetch(rest)

    def _fetch(self, _: str) -> str:
        level, measured, _, status = self.buffers["defbuffer1"][-1]
        return f"{level:.6E},{measured:.6E},{status}"

    # --- many points
    def _set_list(self, rest: str) -> None:
        self.list = [float(each) for each in rest.split(",")]

    def _append(self, rest: str) -> None:
        self.list += [float(each) for each in rest.split(",")]

    def _linear(self, rest: str) -> None:
        start, stop, points, *_, ends, _, _ = rest.split(",")
        first, last, count = float(start), float(stop), int(points)
        self.stops_at_limit = ends == "ON"
        self.sweep = lambda: [first + (last - first) * index / (count - 1) for index in range(count)]

    def _listed(self, rest: str) -> None:
        self.stops_at_limit = rest.split(",")[3] == "ON"
        self.sweep = lambda: self.list

    def _initiate(self, _: str) -> None:
        self.runs += 1
        levels = self.sweep() if self.sweep is not None else []
        self.output_on = True
        self.coming = [self._point(level, 0.001 * index) for index, level in enumerate(levels)]
        limited = [index for index, point in enumerate(self.coming) if point[3] & LIMITED]
        if self.stops_at_limit and limited:
            del self.coming[limited[0] + 1 :]
        if levels:
            # As the trigger model of a sweep ends
            self.output_on = False

    def _make(self, rest: str) -> None:
        name, _ = rest.split(",")
        if name in self.buffers:
            self.errors.append('1115,"Parameter error: TRACe:MAKE cannot take an existing reading buffer name;1;x"')
        self.buffers[name] = []

    def _delete(self, name: str) -> None:
        self.buffers.pop(name, None)

    def _count(self, name: str) -> str:
        taken, self.coming = self.coming[: self.per_look], self.coming[self.per_look :]
        self.buffers[name] += taken
        return str(len(self.buffers[name]))

    def _data(self, rest: str) -> str | bytes:
        first, last, name, *elements = rest.split(",")
        rows = self.buffers[name][int(first) - 1 : int(last)]
        if elements == ["SOURSTAT"]:
            return ",".join(str(row[3]) for row in rows)
        if elements == ["SEC", "FRAC"]:
            return f"{1_700_000_000 + 2 * self.runs},{0.25 * self.runs:.6f}"
        return b"#0" + b"".join(struct.pack("<3d", *row[:3]) for row in rows)

    _HANDLERS: ClassVar[dict[str, Callable[["Scripted2450", str], str | bytes | None]]] = {
        "*IDN?": lambda self, _: IDENTITY,
        "*LANG?": lambda self, _: "SCPI",
        "SYST:ERR?": lambda self, _: self.errors.pop(0) if self.errors else NO_ERROR,
        "SYST:LFR?": lambda self, _: "50",
        "CAL:VER:DATE?": lambda self, _: "2025,11,18",
        "OUTP": _output,
        "OUTP?": lambda self, _: str(int(self.output_on)),
        "READ?": _read,
        "FETC?": _fetch,
        "SOUR:LIST:VOLT": _set_list,
        "SOUR:LIST:VOLT:APP": _append,
        "SOUR:SWE:VOLT:LIN": _linear,
        "SOUR:SWE:CURR:LIN": _linear,
        "SOUR:SWE:VOLT:LIST": _listed,
        "INIT": _initiate,
        "ABOR": lambda self, _: self.coming.clear(),
        "TRIG:STAT?": lambda self, _: "RUNNING;RUNNING;3" if self.coming else "IDLE;IDLE;9",
        "TRAC:MAKE": _make,
        "TRAC:DEL": _delete,
        "TRAC:CLE": lambda self, name: self.buffers[name].clear(),
        "TRAC:ACT?": _count,
        "TRAC:DATA?": _data,
        "TRIG:DIG1:IN:OVER?": lambda self, _: "0",
    }
