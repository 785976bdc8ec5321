"""Hosts instruments on TCP and on pseudo-terminals. The instrument decides what is said; this decides when it leaves.

Rule 1: bytes are handed to the instrument as they come, in any split; a reply leaves when the instrument's busy time is over and
every earlier reply of that client has left. One client's waiting never holds up another's.
Rule 2: no delay but the instrument's and the line's own.
Rule 3: whatever one client does to the instrument may make something due for another, so an instrument's `wake` and each tick move
all of its sessions.
"""

import asyncio
import contextlib
import selectors
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeGuard, cast

from simulator.agenda import Agenda
from simulator.channel import End, SocketEnd
from simulator.clock import Clock
from simulator.hosted_port import HostedPort, Replies, Stream
from simulator.instruments import ClientPort, Instrument, StreamInstrument, StreamPort
from simulator.line import Cable, LineSettings
from simulator.pty_port import NoPseudoTerminals, PtyPath
from simulator.pump import Pump
from simulator.session import Session

TICK_S = 0.05
HOST = "127.0.0.1"
REPLUG_S = 0.2
"""How long an unplugged serial device stays away."""
MOST_CLIENTS = 200
"""Of one instrument; who comes after them is turned away. The loop's select() holds 1,024 descriptors."""
_BACKLOG = 100
_RETRY_S = 0.5
Served = Instrument | StreamInstrument


def new_loop() -> asyncio.AbstractEventLoop:
    """An event loop whose timers are good to microseconds: epoll's and poll's wait in whole milliseconds, a line's bytes do not."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


class PortTaken(OSError):
    """The port cannot be listened on; the text says what to do."""


@dataclass
class Host:
    """Servers of one pretended lab. Use as an async context manager: leaving it closes every connection and port."""

    clock: Clock
    _stations: list["_Station"] = field(default_factory=list)

    async def __aenter__(self) -> "Host":
        return self

    async def __aexit__(self, *_: object) -> None:
        for station in self._stations:
            await station.close()

    async def serve(
        self,
        instrument: Served,
        port: int = 0,
        line: LineSettings | None = None,
        on_reboot: Callable[[], None] | None = None,
        access: "Access | None" = None,
    ) -> int:
        """Listen on a loopback port, 0 for a free one; returns the port. Every connection is a line of its own.

        on_reboot: restarts the instrument, for a line whose plan says so. Raises PortTaken.
        """
        station = _Station(self.clock, instrument, line or LineSettings(), on_reboot, access or Access())
        self._stations.append(station)
        return station.listen(_listener(port), station.accept)

    async def serve_dead_socket(self, instrument: Served, port: int = 0) -> int:
        """Listen on a port that ends every connection of a served instrument as soon as somebody connects to it, as port 5030 of
        Keithley's does; returns the port. No output changes. Raises PortTaken."""
        station = next(each for each in self._stations if each.serves(instrument))
        return station.listen(_listener(port), station.cut_all)

    async def serve_pty(self, instrument: Served, line: LineSettings | None = None, on_reboot: Callable[[], None] | None = None) -> str:
        """Be a serial device; returns its path. Everybody who opens it shares one line. Raises NoPseudoTerminals."""
        path = PtyPath()
        station = _Station(self.clock, instrument, line or LineSettings(), on_reboot, Access())
        self._stations.append(station)
        station.plug_in(path)
        return str(path.path)


def _listener(port: int) -> socket.socket:
    try:
        listener = socket.create_server((HOST, port), backlog=_BACKLOG)
    except OSError as error:
        raise PortTaken(f"{HOST}:{port} cannot be used ({error.strerror}); choose another --port-base, or 0 for free ports") from error
    listener.setblocking(False)
    return listener


@dataclass(frozen=True)
class Access:
    """Who is let in, and how. most_clients: whoever comes after them is turned away. quick_ack: bytes are acknowledged at once; a
    plain TCP stack delays that, and a client that leaves Nagle's algorithm on waits for it."""

    most_clients: int = MOST_CLIENTS
    quick_ack: bool = True


class _Station:
    """One hosted instrument with its listeners or its pseudo-terminal, and everybody connected to it."""

    def __init__(self, clock: Clock, instrument: Served, line: LineSettings, on_reboot: Callable[[], None] | None, access: Access) -> None:
        self._clock, self._instrument, self._on_reboot, self._access = clock, instrument, on_reboot, access
        self._cable = Cable(line, clock.now_ns())
        self._loop = asyncio.get_running_loop()
        self._sessions: set[Session] = set()
        self._woken = self._closed = False
        self._closing = contextlib.ExitStack()
        self._after_end: Callable[[], object] = lambda: None
        self._ticking = asyncio.create_task(self._tick())
        if _speaks_unasked(instrument):
            instrument.wake = self._wake
        agenda: Agenda | None = getattr(instrument, "agenda", None)
        if agenda is not None:
            self._closing.enter_context(Pump(agenda, clock.now_ns, instrument.tick))

    def serves(self, instrument: Served) -> bool:
        return self._instrument is instrument

    def listen(self, listener: socket.socket, accept: Callable[[socket.socket], None]) -> int:
        """accept: takes who connected. Returns the port."""
        self._closing.callback(listener.close)
        self._closing.callback(self._loop.remove_reader, listener)
        self._loop.add_reader(listener, self._accept, listener, accept)
        return int(listener.getsockname()[1])

    def accept(self, connected: socket.socket) -> None:
        """Serve it, or turn it away."""
        if len(self._sessions) < self._access.most_clients:
            self._connect(SocketEnd(connected, self._access.quick_ack))
        else:
            connected.close()

    def cut_all(self, connected: socket.socket) -> None:
        """End every connection, this one as well."""
        for session in tuple(self._sessions):
            session.close()
        connected.close()

    def plug_in(self, path: PtyPath) -> None:
        """Serve whoever opens the path; after a hang-up the device comes back."""
        self._closing.callback(path.remove)
        self._after_end = lambda: self._loop.call_later(REPLUG_S, self._plug_again, path)
        self._connect(path.plug_in())

    async def close(self) -> None:
        self._ticking.cancel()
        await asyncio.gather(self._ticking, return_exceptions=True)
        self._closed = True
        if _speaks_unasked(self._instrument):
            self._instrument.wake = lambda: None
        self._closing.close()
        for session in tuple(self._sessions):
            session.close()

    def _accept(self, listener: socket.socket, accept: Callable[[socket.socket], None]) -> None:
        try:
            connected, _ = listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError:  # Out of descriptors: those who wait are served when some are free again.
            self._loop.remove_reader(listener)
            self._loop.call_later(_RETRY_S, self._accept_again, listener, accept)
            return
        accept(connected)

    def _accept_again(self, listener: socket.socket, accept: Callable[[socket.socket], None]) -> None:
        if not self._closed:
            self._loop.add_reader(listener, self._accept, listener, accept)

    def _plug_again(self, path: PtyPath) -> None:
        if self._closed:
            return
        try:
            self._connect(path.plug_in())
        except NoPseudoTerminals:
            self._after_end()

    def _connect(self, end: End) -> None:
        hosted = _hosted(self._instrument.connect(), self._clock)
        self._sessions.add(Session(self._clock, hosted, end, self._cable.connection(), self._reboot, self._ended))

    def _ended(self, session: Session) -> None:
        self._sessions.discard(session)
        if not self._closed:
            self._after_end()

    def _reboot(self) -> None:
        if self._on_reboot is not None:
            self._on_reboot()
            self._wake()

    def _wake(self) -> None:
        # Soon and not now: an instrument calls this while it is being fed.
        if not self._woken:
            self._woken = True
            self._loop.call_soon_threadsafe(self._run_all)

    def _run_all(self) -> None:
        self._woken = False
        for session in tuple(self._sessions):
            session.run()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self._instrument.tick(self._clock.now_ns())
            self._run_all()


def _speaks_unasked(instrument: Served) -> TypeGuard[StreamInstrument]:
    return hasattr(instrument, "wake")


def _hosted(port: ClientPort | StreamPort, clock: Clock) -> HostedPort:
    if hasattr(port, "speaks_on"):
        return cast("HostedPort", port)
    if hasattr(port, "take"):
        return Stream(cast("StreamPort", port))
    return Replies(cast("ClientPort", port), clock.wall_ns)
