"""A prober without sockets, on a clock that only the test moves."""

from simulator.instruments.sentio import Sentio
from simulator.instruments.sentio.port import SentioPort
from simulator.prober_faults import PlannedFault, ProberFaults
from tests.simulator.worlds import world

SECOND = 1_000_000_000


class Bench:
    """real: what moves takes its time. now_ns: wall time."""

    def __init__(
        self,
        *faults: PlannedFault,
        cold: bool = False,
        kelvin_per_s: float | None = None,
        real: bool = False,
        version: str = "26.2.0",
        seed: int = 20261122,
    ) -> None:
        self.world = world("clean", seed)
        self.prober = Sentio(
            self.world,
            cold=cold,
            kelvin_per_s=kelvin_per_s,
            wall_ns=(lambda busy_ns: busy_ns) if real else (lambda busy_ns: 0),
            version=version,
            faults=ProberFaults(faults, seed),
        )
        self.now_ns = 0
        self.port = self.prober.connect()

    @property
    def needles(self):
        return self.world.needles

    @property
    def kinds(self) -> list[str]:
        """What the ledger holds."""
        return [damage.kind for damage in self.world.damage]

    def send(self, line: str, port: SentioPort | None = None) -> None:
        (port or self.port).feed(line.encode() + b"\n", self.now_ns)

    def heard(self, port: SentioPort | None = None) -> str:
        """What is answered by now; "" for nothing."""
        return (port or self.port).take(self.now_ns).decode().rstrip("\n")

    def say(self, line: str, port: SentioPort | None = None) -> str:
        """The answer, whenever it comes; the clock goes on until then."""
        self.send(line, port)
        answered = self.heard(port)
        while not answered and (due_ns := (port or self.port).due_ns(self.now_ns)) is not None:
            self.now_ns = max(self.now_ns, due_ns)
            answered = self.heard(port)
        return answered

    def code(self, line: str, port: SentioPort | None = None) -> int:
        return int(self.say(line, port).split(",")[0]) & 1023

    def message(self, line: str, port: SentioPort | None = None) -> str:
        code, _, message = self.say(line, port).split(",", 2)
        assert int(code) & 1023 == 0, (line, code, message)
        return message

    def numbers(self, line: str) -> tuple[float, ...]:
        return tuple(float(field) for field in self.message(line).split(","))

    def takes_s(self, line: str) -> float:
        begun_ns = self.now_ns
        self.say(line)
        return (self.now_ns - begun_ns) / SECOND

    def wait(self, seconds: float) -> None:
        """Time passes; a host would look in whenever something is due."""
        until_ns = self.now_ns + round(seconds * SECOND)
        while (due_ns := self._due_ns()) is not None and due_ns <= until_ns:
            self.now_ns = max(self.now_ns, due_ns)
            self.prober.tick(self.now_ns)
        self.now_ns = until_ns
        self.prober.tick(until_ns)

    def _due_ns(self) -> int | None:
        times = [self.world.agenda.due_ns(), *(port.next_line_ns for port in self.prober.ports)]
        return min((each for each in times if each is not None), default=None)
