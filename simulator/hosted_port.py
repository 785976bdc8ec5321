"""The two kinds of instruments seen as one by a session: those that answer, and those that speak unasked."""

from collections import deque
from collections.abc import Callable
from typing import Protocol

from simulator.instruments import ClientPort, StreamPort

_PENDING_REPLIES = 256


class HostedPort(StreamPort, Protocol):
    """What a session serves. full: nothing more is to be fed for now. speaks_on: answers are still due after `close`."""

    @property
    def full(self) -> bool: ...

    @property
    def speaks_on(self) -> bool: ...


class Stream:
    """A StreamPort as it is."""

    full = False
    speaks_on = False

    def __init__(self, port: StreamPort) -> None:
        self.feed, self.take, self.due_ns, self.close = port.feed, port.take, port.due_ns, port.close


class Replies:
    """A ClientPort, served as a stream: a reply may leave when the instrument's busy time and every earlier reply are over."""

    def __init__(self, port: ClientPort, wall_ns: Callable[[int], int]) -> None:
        self._port, self._wall_ns = port, wall_ns
        self._free_ns = 0
        self._waiting: deque[tuple[int, bytes]] = deque()
        self.close = port.close

    def feed(self, data: bytes, now_ns: int) -> None:
        reply = self._port.feed(data, now_ns)
        self._free_ns = max(self._free_ns, now_ns) + self._wall_ns(reply.busy_ns)
        if reply.data:
            self._waiting.append((self._free_ns, reply.data))

    def take(self, now_ns: int) -> bytes:
        return self._waiting.popleft()[1] if self._waiting and self._waiting[0][0] <= now_ns else b""

    def due_ns(self, now_ns: int) -> int | None:  # noqa: ARG002  (a StreamPort's signature)
        return self._waiting[0][0] if self._waiting else None

    @property
    def full(self) -> bool:
        return len(self._waiting) >= _PENDING_REPLIES

    @property
    def speaks_on(self) -> bool:
        return bool(self._waiting)
