"""A 2450 on a pretended die, spoken to in lines without sockets; time is a number that moves when something is due."""

from dataclasses import dataclass

from firmware_protocol.codes import Route
from simulator.instruments.keithley2450 import Keithley2450
from simulator.instruments.line_instrument import LinePort
from simulator.world import World
from tests.simulator.worlds import touching

DEVICE = 7
MS = 1_000_000
SECOND = 1_000 * MS
_PATIENCE_NS = 3_600 * SECOND


@dataclass
class Said:
    """An answer, and how long it took."""

    data: bytes
    busy_ns: int


class Bench:
    """On one junction of a clean die, or on the contact pads. now_ns: of the wall, which here is the instrument's own time."""

    def __init__(self, route: Route = Route.JUNCTION, world: World | None = None) -> None:
        self.world = world or touching("clean")
        self.world.select(route, DEVICE if route is Route.JUNCTION else None)
        self.smu = Keithley2450(self.world)
        self.port = self.smu.connect()
        self.now_ns = 0

    def ask(self, line: str, port: LinePort | None = None) -> Said:
        """Send a line and wait for its answer, or until the instrument is free again without one."""
        port, begun_ns = port or self.port, self.now_ns
        port.feed(line.encode("latin-1") + b"\n", self.now_ns)
        while True:
            data = port.take(self.now_ns)
            if data or not port.speaks_on:
                self.now_ns = max(self.now_ns, self.smu._free_ns)
                return Said(data, self.now_ns - begun_ns)
            due = [each for each in (port.due_ns(self.now_ns), self.world.agenda.due_ns()) if each is not None]
            assert due and min(due) < begun_ns + _PATIENCE_NS, f"{line!r} is never answered"
            self.now_ns = max(self.now_ns, min(due))

    def say(self, line: str) -> str:
        return self.ask(line).data.decode("latin-1").rstrip("\n")

    def pass_time(self, seconds: float) -> None:
        """Let everything happen that is due in the meantime."""
        self.now_ns += round(seconds * SECOND)
        self.smu.tick(self.now_ns)
        while self.world.agenda.due_ns() is not None and self.world.agenda.due_ns() <= self.now_ns:
            self.smu.tick(self.now_ns)

    def error(self) -> int:
        return int(self.say("SYST:ERR?").split(",")[0])

    def errors(self) -> list[int]:
        """Everything in the queue, oldest first."""
        found: list[int] = []
        while code := self.error():
            found.append(code)
        return found

    def ready(self, limit: str = "1e-3") -> "Bench":
        self.say(f":SOUR:FUNC VOLT;:SOUR:VOLT:RANG 2;:SOUR:VOLT:ILIM {limit};:SOUR:VOLT 0.1;:SENS:FUNC 'CURR';:OUTP ON")
        return self

    def true_amps(self, volts: float) -> float:
        return self.world.smu_amps(volts, 0.0, 1.0).amps
