"""Bytes in and out of a socket or a pseudo-terminal that never block: one small door to the event loop for both.

Rule 1: what cannot be written at once waits here, and whoever fills it asks `pending` first, so that memory stays bounded.
Rule 2: nothing is polled: a paused direction costs nothing, a lost one is reported once.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from typing import Protocol

READ_BYTES = 65_536


class End(Protocol):
    """Our end of a transport. read and write raise BlockingIOError when they would have to wait, OSError when the line is lost."""

    lossy_after_s: float | None
    """After how long what nobody reads is lost; None: it waits, and the peer's writing with it."""

    def fileno(self) -> int: ...

    def read(self, size: int) -> bytes:
        """b"": the peer has ended."""
        ...

    def write(self, data: bytes | bytearray, /) -> int: ...

    def reset(self) -> None:
        """Let the close that follows be a reset, as of a peer that lost its power and came back."""
        ...

    def close(self) -> None: ...


class SocketEnd:
    """A connected TCP socket that delays nothing: TCP_NODELAY, and TCP_QUICKACK after every receive where it exists, because a
    client that leaves Nagle's algorithm on would otherwise wait 40 ms for each acknowledgement. quick_ack: False leaves that to
    the operating system."""

    lossy_after_s: float | None = None

    def __init__(self, connected: socket.socket, quick_ack: bool = True) -> None:
        connected.setblocking(False)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connected
        self._quick_ack = quick_ack and hasattr(socket, "TCP_QUICKACK")
        self.fileno, self.write, self.close = connected.fileno, connected.send, connected.close

    def reset(self) -> None:
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def read(self, size: int) -> bytes:
        data = self._socket.recv(size)
        if self._quick_ack:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return data


class Channel:
    """received: called with what came in. ended: called once when nothing more will come in. writable: all that waited has left."""

    def __init__(self, end: End, received: Callable[[bytes], None], ended: Callable[[], None], writable: Callable[[], None]) -> None:
        self._end, self._received, self._ended, self._writable = end, received, ended, writable
        self._loop = asyncio.get_running_loop()
        self._descriptor = end.fileno()
        self._unsent = bytearray()
        self._reading = False
        self._over = False
        self._overrun = False
        self._impatience: asyncio.TimerHandle | None = None
        self.broken = False
        """Nothing that is written arrives any more."""
        self.read_bytes = READ_BYTES

    @property
    def pending(self) -> int:
        """Bytes that wait for the peer to read."""
        return len(self._unsent)

    @property
    def waits_for_reader(self) -> bool:
        """Whether who does not read is to be heard no more: on a line that loses what nobody reads there is no need."""
        return bool(self._unsent) and self._end.lossy_after_s is None

    def read_on(self, wanted: bool) -> None:
        """Whether to listen to the peer."""
        wanted = wanted and not self._over
        if wanted != self._reading:
            self._reading = wanted
            if wanted:
                self._loop.add_reader(self._descriptor, self._readable)
            else:
                self._loop.remove_reader(self._descriptor)

    def write(self, data: bytes) -> None:
        """All of it, in time; without waiting. Lost silently when the line is."""
        if self.broken or self._overrun:
            return
        if not self._unsent:
            sent = self._send(data)
            if sent == len(data):
                return
            if not self.broken:
                data = data[sent:]
                self._wait_until_writable()
        self._unsent += b"" if self.broken else data

    def reset(self) -> None:
        """The next close is a reset, where the transport knows one."""
        self._end.reset()

    def close(self) -> None:
        """At once; what waits is lost."""
        self.read_on(False)
        self._stop_waiting()
        self._over = self.broken = True
        with contextlib.suppress(OSError):
            self._end.close()

    def _readable(self) -> None:
        try:
            data = self._end.read(self.read_bytes)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._break()
            data = b""
        if data:
            self._received(data)
        else:
            self.read_on(False)
            self._over = True
            self._ended()

    def _send(self, data: bytes | bytearray) -> int:
        try:
            return self._end.write(data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError:
            self._break()
            return 0

    def _break(self) -> None:
        """Writing is over. Reading goes on until it ends by itself: bytes that came before are still to be heard."""
        self.broken = True
        self._stop_waiting()

    def _wait_until_writable(self) -> None:
        self._loop.add_writer(self._descriptor, self._send_rest)
        if self._end.lossy_after_s is not None:
            self._impatience = self._loop.call_later(self._end.lossy_after_s, self._lose_rest)

    def _stop_waiting(self) -> None:
        self._unsent.clear()
        self._overrun = False
        self._loop.remove_writer(self._descriptor)
        if self._impatience is not None:
            self._impatience.cancel()

    def _send_rest(self) -> None:
        # A slice of bounded size: a bytearray of megabytes is not to be copied for every few kilobytes sent.
        sent = self._send(self._unsent[:READ_BYTES])
        del self._unsent[:sent]
        if not self._unsent:
            self._stop_waiting()
            self._writable()

    def _lose_rest(self) -> None:
        """Nobody reads: what is said is lost from here on, until somebody does."""
        self._unsent.clear()
        self._overrun = True
        self._writable()
