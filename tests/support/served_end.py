"""A device end on a real socket or pseudo-terminal, in wall time, inside the test's process: for the driver, with the truth at hand.

One wire, as a serial line is: what the device says, everybody who has opened it hears.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from drivers.crossbar import Crossbar, open_crossbar
from simulator.clock import Clock
from simulator.faults import LinePlan
from simulator.line import LineSettings
from simulator.server import Host
from tests.support.device_end import DeviceEnd, device_end
from tests.support.simulated_lab import CountedPulseIds, running_loop

BAUD = 921_600


class _Wire:
    """A DeviceEnd as an instrument that a Host serves."""

    def __init__(self, end: DeviceEnd) -> None:
        self.end = end
        self.wake: Callable[[], None] = lambda: None
        self._taps: list[_Tap] = []

    def connect(self) -> "_Tap":
        self._taps.append(_Tap(self))
        return self._taps[-1]

    def tick(self, now_ns: int) -> None:
        self.drain(now_ns)

    def drain(self, now_ns: int) -> None:
        if self.end.due_ns(now_ns) is None:
            self.end.take(now_ns)
        while data := self.end.take(now_ns):
            for tap in self._taps:
                tap.waiting.append(data)

    def leave(self, tap: "_Tap") -> None:
        if tap in self._taps:
            self._taps.remove(tap)


class _Tap:
    def __init__(self, wire: _Wire) -> None:
        self._wire = wire
        self.waiting: deque[bytes] = deque()

    def feed(self, data: bytes, now_ns: int) -> None:
        self._wire.end.feed(data, now_ns)
        self._wire.drain(now_ns)
        self._wire.wake()

    def take(self, now_ns: int) -> bytes:
        self._wire.drain(now_ns)
        return self.waiting.popleft() if self.waiting else b""

    def due_ns(self, now_ns: int) -> int | None:
        return now_ns if self.waiting else self._wire.end.due_ns(now_ns)

    def close(self) -> None:
        self._wire.leave(self)


@dataclass(frozen=True)
class Served:
    """address: for the driver. look: runs a look at the end's truth where the end lives, for a test in another thread."""

    address: str
    look: Callable[[Callable[[DeviceEnd], object]], object]
    restart: Callable[[], None]

    def given(self) -> list[int]:
        """The junctions pulsed so far, in order."""
        pulses = self.look(lambda end: list(end.pulses()))
        assert isinstance(pulses, list)
        return [device for device, _, _ in pulses]

    @property
    def isolated(self) -> bool:
        return bool(self.look(lambda end: end.isolated))

    @property
    def connected(self) -> object:
        return self.look(lambda end: end.connected)


@contextmanager
def served_end(name: str, *, pty: bool = False, plan: LinePlan | None = None, baud: int = 0) -> Iterator[Served]:
    """name: "python" or "c". plan: how the line fails. baud: 0 for as fast as the transport."""
    clock = Clock("real")
    with device_end(name) as end, running_loop() as run:
        host, wire = Host(clock), _Wire(end)
        line = LineSettings(baud=baud, plan=plan)

        def reboot() -> None:
            end.restart(clock.now_ns())

        async def serve() -> str:
            # A first look at the clock before anybody speaks: the device's time begins now, not at the machine's start.
            end.take(clock.now_ns())
            if pty:
                return await host.serve_pty(wire, line, reboot)
            return f"socket://127.0.0.1:{await host.serve(wire, line=line, on_reboot=reboot)}"

        async def restart() -> None:
            reboot()

        async def look(what: Callable[[DeviceEnd], object]) -> object:
            return what(end)

        address = run(serve())
        try:
            yield Served(address, lambda what: run(look(what)), lambda: run(restart()))
        finally:
            run(host.__aexit__(None, None, None))


@contextmanager
def opened(address: str, ids: CountedPulseIds | None = None, timeout_s: float = 2.0) -> Iterator[Crossbar]:
    crossbar = open_crossbar(address, BAUD, ids or CountedPulseIds(), timeout_s)
    try:
        yield crossbar
    finally:
        crossbar.close()
