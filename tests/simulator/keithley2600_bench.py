"""A simulated 2636B at a junction, spoken to without sockets; time passes only while something is waited for."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from unittest.mock import patch

from firmware_protocol.codes import Route
from simulator.instruments.keithley2600 import Keithley2600
from simulator.world import World
from tests.simulator.worlds import touching

DEVICE = 7
MS = 1_000_000
_PATIENCE_NS = 3_600_000_000_000


def real(busy_ns: int) -> int:
    return busy_ns


def fast(_: int) -> int:
    return 0


@dataclass
class Bench:
    """lua: with Lua installed. now_ns: by the wall."""

    lua: bool = True
    wall_ns: Callable[[int], int] = real
    now_ns: int = 0

    def __post_init__(self) -> None:
        self.world: World = touching("clean")
        self.world.select(Route.JUNCTION, DEVICE)
        with patch.dict(sys.modules, {} if self.lua else {"lupa.lua52": None}):
            self.smu = Keithley2600(self.world, self.wall_ns)
        self.port = self.smu.connect()

    def begin(self, line: str) -> None:
        """Send a line and wait for nothing."""
        self.port.feed(line.encode("latin-1") + b"\n", self.now_ns)

    def say(self, line: str) -> bytes:
        """Send a line, wait until it is carried out; what it answers."""
        self.begin(line)
        return self.hear()

    def hear(self) -> bytes:
        """Wait until everything that was sent is carried out; what is answered."""
        said, latest_ns = self.port.take(self.now_ns), self.now_ns + _PATIENCE_NS
        while self.port.speaks_on or self.smu.tsp.blocked:
            times = [each for each in (self.port.due_ns(self.now_ns), self.world.agenda.due_ns()) if each is not None]
            assert times and min(times) <= latest_ns, "nothing will ever answer"
            self.now_ns = max(self.now_ns, min(times))
            said += self.port.take(self.now_ns)
        return said

    def text(self, line: str) -> str:
        return self.say(line).decode("latin-1").removesuffix("\n")

    def ask(self, *expressions: str) -> str:
        return self.text(f"print({', '.join(expressions)})")

    def number(self, expression: str) -> float:
        return float(self.ask(expression))

    def numbers(self, line: str) -> list[float]:
        """What a line prints, as numbers."""
        return [float(each) for each in self.text(line).replace(",", " ").split()]

    def let(self, seconds: float) -> None:
        """Time passes."""
        self.now_ns += round(seconds * 1e9)
        while not self.world.agenda.run(self.now_ns):
            pass
        self.smu.tick(self.now_ns)

    def errors(self) -> list[tuple[int, str]]:
        """The error queue, emptied."""
        found: list[tuple[int, str]] = []
        while (fields := self.ask("errorqueue.next()").split("\t"))[1] != "Queue Is Empty":
            found.append((int(float(fields[0])), fields[1]))
        return found

    def amps(self, volts: float) -> float:
        """What the junction really carries."""
        return self.world.smu_amps(volts, 0.0, 1.0).amps

    def ready(self) -> None:
        """0.1 V on the junction, measured quickly on a fixed range."""
        self.say("smua.source.rangev = 2 smua.source.limiti = 1e-3 smua.source.levelv = 0.1 smua.measure.rangei = 1e-3")
        self.say("smua.measure.nplc = 0.001 smua.measure.autozero = smua.AUTOZERO_ONCE smua.measure.delay = 0")
        self.say("smua.source.output = smua.OUTPUT_ON")
        assert self.errors() == []


def sweep(bench: Bench, points: int = 11, stop: float = 0.1) -> None:
    bench.say(f"smua.trigger.source.linearv(0, {stop}, {points}) smua.trigger.source.action = smua.ENABLE smua.trigger.count = {points}")
    bench.say("smua.nvbuffer1.clear() smua.nvbuffer1.collectsourcevalues = 1 smua.nvbuffer1.collecttimestamps = 1")
    bench.say("smua.trigger.measure.i(smua.nvbuffer1) smua.trigger.measure.action = smua.ENABLE")


def scan(bench: Bench, readings: int) -> list[int]:
    """Armed for edges on line 1, answered on line 2; the list grows with the times of the answers."""
    bench.say("digio.trigger[1].mode = digio.TRIG_RISINGA digio.trigger[1].clear()")
    bench.say("digio.trigger[2].mode = digio.TRIG_FALLING digio.trigger[2].pulsewidth = 10e-6")
    bench.say("digio.trigger[2].stimulus = smua.trigger.MEASURE_COMPLETE_EVENT_ID")
    bench.say("smua.nvbuffer1.clear() smua.nvbuffer1.collecttimestamps = 1")
    bench.say("smua.trigger.measure.i(smua.nvbuffer1) smua.trigger.measure.action = smua.ENABLE")
    bench.say(f"smua.trigger.measure.stimulus = digio.trigger[1].EVENT_ID smua.trigger.count = {readings}")
    bench.say("smua.trigger.initiate()")
    assert bench.errors() == []
    answers: list[int] = []
    bench.world.trigger.measured.listen(answers.append)
    return answers
