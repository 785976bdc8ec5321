"""Instruments that repeat what they hear, for tests of the lines to them: one answers, one speaks whenever it has something."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from simulator.clock import Clock
from simulator.instruments import Reply, StreamInstrument
from simulator.line import LineSettings
from simulator.server import Access, Host, new_loop

BUSY_NS = 150_000_000


@dataclass
class Parrot:
    """An instrument that repeats what it hears; `slow` takes its time, `big` says a great deal."""

    ticks: int = 0
    open_ports: int = 0
    heard: list[bytes] = field(default_factory=list)

    def connect(self) -> "ParrotPort":
        self.open_ports += 1
        return ParrotPort(self)

    def tick(self, now_ns: int) -> None:
        self.ticks += 1


@dataclass
class ParrotPort:
    parrot: Parrot

    def feed(self, data: bytes, now_ns: int) -> Reply:
        self.parrot.heard.append(data)
        if data == b"big":
            return Reply(b"x" * 8_000_000)
        return Reply(data, BUSY_NS if b"slow" in data else 0)

    def close(self) -> None:
        self.parrot.open_ports -= 1


@dataclass
class Caller:
    """A stream instrument: frames end with 0x00 and come back; b"shout\\0" from one client goes to all of them; b"later\\0" comes back
    `later_ns` later; b"scan\\0" makes it send frames of 1,000 bytes for ever.

    taken: frames given to the hosts of its lines, counted. fed: bytes heard, all clients'.
    """

    later_ns: int = 0
    wake: Callable[[], None] = lambda: None
    ports: list["CallerPort"] = field(default_factory=list)
    fed: bytes = b""
    taken: int = 0
    reboots: int = 0

    def connect(self) -> "CallerPort":
        self.ports.append(CallerPort(self))
        return self.ports[-1]

    def tick(self, now_ns: int) -> None:
        pass

    def shout(self, frame: bytes) -> None:
        for port in self.ports:
            port.say(0, frame)
        self.wake()

    def reboot(self) -> None:
        self.reboots += 1


SCANNED = b"\xaa" * 999 + b"\0"


class CallerPort:
    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._rest = b""
        self._due: deque[tuple[int, bytes]] = deque()
        self._scans = False

    def say(self, at_ns: int, frame: bytes) -> None:
        self._due.append((at_ns, frame))

    def feed(self, data: bytes, now_ns: int) -> None:
        self._caller.fed += data
        *frames, self._rest = (self._rest + data).split(b"\0")
        for frame in frames:
            if frame == b"shout":
                self._caller.shout(frame + b"\0")
            elif frame == b"scan":
                self._scans = True
            else:
                self.say(now_ns + (self._caller.later_ns if frame == b"later" else 0), frame + b"\0")

    def take(self, now_ns: int) -> bytes:
        if not self._due or self._due[0][0] > now_ns:
            return self._count(SCANNED) if self._scans else b""
        return self._count(self._due.popleft()[1])

    def _count(self, frame: bytes) -> bytes:
        self._caller.taken += 1
        return frame

    def due_ns(self, now_ns: int) -> int | None:
        if self._scans:
            return now_ns
        return self._due[0][0] if self._due else None

    def close(self) -> None:
        self._caller.ports.remove(self)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.005)


def with_caller_on_a_pty(scenario: Callable[[Caller, str], Awaitable[None]], line: LineSettings | None = None) -> Caller:
    """The same on a pseudo-terminal; the scenario gets its path."""
    caller = Caller()

    async def run() -> None:
        async with Host(Clock("fast")) as host:
            await asyncio.wait_for(scenario(caller, await host.serve_pty(caller, line, caller.reboot)), 20)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(run())
    return caller


def with_caller(
    scenario: Callable[[Caller, int], Awaitable[None]], line: LineSettings | None = None, access: Access | None = None, **settings: int
) -> Caller:
    """Runs the scenario with a Caller on a port, at most 20 s."""
    caller = Caller(**settings)
    instrument: StreamInstrument = caller

    async def run() -> None:
        async with Host(Clock("fast")) as host:
            await asyncio.wait_for(scenario(caller, await host.serve(instrument, 0, line, caller.reboot, access)), 20)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(run())
    return caller
