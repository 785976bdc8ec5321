"""Hosts instruments on TCP. The instrument decides what is said; this decides when it leaves.

Rule 1: bytes are handed to the instrument as they come, in any split; a reply leaves when the instrument's busy time is over and
every earlier reply of that client has left. One client's waiting never holds up another's.
Rule 2: no delay but the instrument's own: TCP_NODELAY on every connection, and TCP_QUICKACK after every receive where it exists,
because a client that leaves Nagle's algorithm on would otherwise wait 40 ms for each acknowledgement.
"""

import asyncio
import contextlib
import socket
from dataclasses import dataclass, field

from simulator.clock import Clock
from simulator.instruments import ClientPort, Instrument

TICK_S = 0.05
HOST = "127.0.0.1"
_CHUNK = 65_536
_PENDING_REPLIES = 256


class PortTaken(OSError):
    """The port cannot be listened on; the text says what to do."""


@dataclass
class Host:
    """Servers of one pretended lab. Use as an async context manager: leaving it closes every connection and port."""

    clock: Clock
    _servers: list[asyncio.Server] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def __aenter__(self) -> "Host":
        return self

    async def __aexit__(self, *_: object) -> None:
        for server in self._servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def serve(self, instrument: Instrument, port: int = 0) -> int:
        """Listen on a loopback port, 0 for a free one; returns the port. Raises PortTaken."""

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._keep(task)
            with contextlib.suppress(asyncio.CancelledError):
                await _Connection(self.clock, instrument.connect(), reader, writer).run()

        try:
            server = await asyncio.start_server(accept, HOST, port)
        except OSError as error:
            raise PortTaken(f"{HOST}:{port} cannot be used ({error.strerror}); choose another --port-base, or 0 for free ports") from error
        self._servers.append(server)
        self._keep(asyncio.create_task(self._tick(instrument)))
        return int(server.sockets[0].getsockname()[1])

    def _keep(self, task: "asyncio.Task[None]") -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tick(self, instrument: Instrument) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            instrument.tick(self.clock.now_ns())


class _Connection:
    """One client. Replies queue with the wall time at which they are due."""

    def __init__(self, clock: Clock, port: ClientPort, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clock, self._port, self._reader, self._writer = clock, port, reader, writer
        self._due_ns = 0
        self._waiting: asyncio.Queue[tuple[int, bytes] | None] = asyncio.Queue(_PENDING_REPLIES)
        self._socket: socket.socket = writer.get_extra_info("socket")

    async def run(self) -> None:
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sender = asyncio.ensure_future(self._send_when_due())
        try:
            try:
                with contextlib.suppress(ConnectionError):
                    await self._receive()
            finally:
                # Before the last answers are due: the instrument notices at once that nobody is there any more.
                self._port.close()
            await self._waiting.put(None)
            await sender
        finally:
            sender.cancel()
            self._writer.close()
            with contextlib.suppress(ConnectionError):
                await self._writer.wait_closed()

    async def _receive(self) -> None:
        while data := await self._reader.read(_CHUNK):
            self._acknowledge_at_once()
            now_ns = self._clock.now_ns()
            reply = self._port.feed(data, now_ns)
            self._due_ns = max(self._due_ns, now_ns) + self._clock.wall_ns(reply.busy_ns)
            if not reply.data:
                continue
            if self._due_ns <= now_ns and self._waiting.empty():
                self._writer.write(reply.data)
                await self._writer.drain()
            else:
                await self._waiting.put((self._due_ns, reply.data))

    def _acknowledge_at_once(self) -> None:
        if hasattr(socket, "TCP_QUICKACK"):
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    async def _send_when_due(self) -> None:
        with contextlib.suppress(ConnectionError):
            while (item := await self._waiting.get()) is not None:
                due_ns, data = item
                await asyncio.sleep(max(due_ns - self._clock.now_ns(), 0) / 1e9)
                self._writer.write(data)
                await self._writer.drain()
