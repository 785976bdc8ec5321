"""The six digital lines of a 2450: what each is, and the two that are wired to the crossbar controller.

Rule: a line hears and gives trigger pulses only when it was made a trigger line; after a reset all are digital inputs.
Source: 2450 reference manual 2450-901-01, section 6, DIGital subsystem and TRIGger:DIGital<n>.
"""

from dataclasses import dataclass

from simulator.instruments.keithley2450.events import Events, Hear, Stimulus
from simulator.instruments.scpi import conflict
from simulator.instruments.smu.own_time import OwnTime
from simulator.trigger import TriggerLines

COUNT = 6
TYPES = ("DIGital", "TRIGger", "SYNChronous")
DIRECTIONS = ("IN", "OUT", "OPENdrain", "MASTer", "ACCeptor")
EDGES = ("FALLing", "RISing", "EITHer")
LOGICS = ("NEGative", "POSitive")
PULSE_S = (0.0, 100e3, 10e-6)
"""Smallest, largest and default length of a pulse, s."""


@dataclass
class Line:
    """kind, direction: short forms of TYPES and DIRECTIONS. high: its level while it is a digital line."""

    stimulus: Stimulus
    kind: str = "DIG"
    direction: str = "IN"
    high: bool = True
    edge: str = "FALL"
    logic: str = "NEG"
    pulse_s: float = PULSE_S[2]

    @property
    def hears(self) -> bool:
        return self.kind != "DIG" and self.direction != "OUT"

    @property
    def gives(self) -> bool:
        return self.kind != "DIG" and self.direction != "IN"

    @property
    def written(self) -> bool:
        return self.kind == "DIG" and self.direction != "IN"


class DigitalLines:
    """pulses: given on each line since the start, by number."""

    def __init__(self, events: Events, wires: TriggerLines, time: OwnTime, ready_line: int, measured_line: int) -> None:
        self._events, self._wires, self._time = events, wires, time
        self._ready, self._measured = ready_line, measured_line
        self.pulses = dict.fromkeys(range(1, COUNT + 1), 0)
        self._lines = {number: Line(Stimulus(events, self._pulse_of(number))) for number in self.pulses}
        wires.ready.listen(self._hear)

    def __getitem__(self, number: int) -> Line:
        return self._lines[number]

    def reset(self) -> None:
        for number, line in self._lines.items():
            line.stimulus.set("NONE")
            self._lines[number] = Line(line.stimulus)

    def set_mode(self, number: int, kind: str, direction: str) -> None:
        """Raises ScpiError -221 for what does not go together."""
        synchronous = direction in ("MAST", "ACC")
        if (kind == "SYNC") != synchronous:
            raise conflict()
        line = self._lines[number]
        line.kind, line.direction = kind, direction
        line.high = direction != "OUT"

    def write(self, number: int, high: bool) -> None:
        """Raises ScpiError -221 for a line that cannot be written. A falling level is an edge on the wire."""
        line = self._lines[number]
        if not line.written:
            raise conflict()
        falls, line.high = line.high and not high, high
        if falls:
            self._edge(number, self._time.now_ns)

    def write_all(self, pattern: int, mask: int = 63) -> None:
        """The lines of the mask that can be written; bit 0 is line 1."""
        for number, line in self._lines.items():
            if mask >> (number - 1) & 1 and line.written:
                self.write(number, bool(pattern >> (number - 1) & 1))

    def require_all_digital(self) -> None:
        """Raises ScpiError -221 when a line is not: the port is read and written as a whole."""
        if any(line.kind != "DIG" for line in self._lines.values()):
            raise conflict()

    @property
    def pattern(self) -> int:
        return sum(1 << (number - 1) for number, line in self._lines.items() if line.high)

    def _hear(self, wall_now_ns: int) -> None:
        now_ns = self._time.enter(wall_now_ns)
        if self._lines[self._ready].hears:
            self._events.fire(f"DIG{self._ready}", now_ns)

    def _pulse_of(self, number: int) -> Hear:
        def pulse(now_ns: int) -> None:
            if self._lines[number].gives:
                self._edge(number, now_ns)

        return pulse

    def _edge(self, number: int, now_ns: int) -> None:
        self.pulses[number] += 1
        if number == self._measured:
            self._wires.measured.edge(self._time.wall_at(now_ns))
