"""A simulated instrument is a core without sockets: bytes in, bytes out, the time an argument.

Rule 1: a core keeps its state; a ClientPort keeps one connection's half-received bytes and nothing else that matters.
Rule 2: what a command does happens when it is heard; only its answer waits for busy_ns. A second client therefore finds a chuck
already where it is going.
Rule 3: losing a connection changes no output, because the real instruments do not notice either.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Reply:
    """What leaves after some bytes came in.

    data: bytes to send, b"" for none. busy_ns: how long the instrument really takes before they leave, ns.
    """

    data: bytes = b""
    busy_ns: int = 0


class ClientPort(Protocol):
    """One client's connection to an instrument."""

    def feed(self, data: bytes, now_ns: int) -> Reply:
        """Take bytes in any split. now_ns: wall time, monotonic, ns."""
        ...

    def close(self) -> None:
        """The connection ended. Changes no output."""
        ...


class Instrument(Protocol):
    """One simulated instrument; serves any number of clients."""

    def connect(self) -> ClientPort: ...

    def tick(self, now_ns: int) -> None:
        """Called every 50 ms of wall time: what the instrument does by itself (a dead man's timer)."""
        ...


class StreamPort(Protocol):
    """One client's line to an instrument that speaks unasked. Whoever hosts the line calls `take` when the line has room."""

    def feed(self, data: bytes, now_ns: int) -> None:
        """Take bytes in any split. now_ns: wall time, monotonic, ns."""
        ...

    def take(self, now_ns: int) -> bytes:
        """What may leave now, about one frame at most; b"" for nothing."""
        ...

    def due_ns(self, now_ns: int) -> int | None:
        """When `take` may next have something, not after now_ns: at once. None: not before somebody does something."""
        ...

    def close(self) -> None:
        """The connection ended. Changes no output."""
        ...


class StreamInstrument(Protocol):
    """One simulated instrument that speaks unasked; serves any number of clients. wake: set by its host, called when what one
    client or a trigger line did makes something due for another."""

    wake: Callable[[], None]

    def connect(self) -> StreamPort: ...

    def tick(self, now_ns: int) -> None:
        """Called every 50 ms of wall time."""
        ...
