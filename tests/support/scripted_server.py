"""An instrument written down as a script: real TCP on a free port, any answer, at any time, to any line."""

import contextlib
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self


@dataclass
class Late:
    """An answer that leaves only when the gate opens, however long the client has stopped waiting."""

    data: bytes
    gate: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class Pieces:
    """An answer that leaves in parts, each in a segment of its own."""

    parts: tuple[bytes, ...]


class Hangup:
    """The peer closes instead of answering."""


HANG_UP = Hangup()
Answer = bytes | Late | Pieces | Hangup | None
Script = Callable[[str], Answer]


def closed_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def visa_address(port: int) -> str:
    return f"TCPIP0::127.0.0.1::{port}::SOCKET"


class ScriptedServer:
    """script: the answer to each line received, its terminator stripped. lines: what was received, connection by connection.

    greeting: what every client is sent as soon as it has connected.
    """

    def __init__(self, script: Script, greeting: bytes = b"") -> None:
        self._script = script
        self._greeting = greeting
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._peers: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._closing = threading.Event()
        self._served = 0
        self.connections: list[list[str]] = []
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    @property
    def address(self) -> str:
        return visa_address(self._listener.getsockname()[1])

    @property
    def lines(self) -> list[str]:
        return [line for connection in self.connections for line in connection]

    @property
    def ended(self) -> bool:
        """Whether every client has left and all it sent was taken."""
        return self._served == len(self.connections)

    def hang_up(self) -> None:
        """End every connection there is."""
        for peer in self._peers:
            with contextlib.suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        _shut(self._listener)
        self._acceptor.join(timeout=5)
        for peer in self._peers:
            _shut(peer)
        for thread in self._threads:
            thread.join(timeout=5)

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            self._peers.append(peer)
            self.connections.append([])
            thread = threading.Thread(target=self._serve, args=(peer, self.connections[-1]), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, peer: socket.socket, lines: list[str]) -> None:
        try:
            self._converse(peer, lines)
        finally:
            self._served += 1

    def _converse(self, peer: socket.socket, lines: list[str]) -> None:
        with contextlib.suppress(OSError), peer.makefile("rb") as incoming:
            peer.sendall(self._greeting)
            for raw in incoming:
                lines.append(raw.rstrip(b"\r\n").decode("ascii", "replace"))
                answer = self._script(lines[-1])
                if isinstance(answer, Hangup):
                    peer.shutdown(socket.SHUT_RDWR)
                    return
                self._send(peer, answer)

    def _send(self, peer: socket.socket, answer: bytes | Late | Pieces | None) -> None:
        if isinstance(answer, Late):
            while not answer.gate.wait(0.02):
                if self._closing.is_set():
                    return
            answer = answer.data
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in answer.parts if isinstance(answer, Pieces) else (answer or b"",):
            peer.sendall(part)


def _shut(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()
