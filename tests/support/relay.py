"""A man in the middle of the controller's line: between the driver (TCP or a pty) and the simulated controller's socket.

What passes can be cut into pieces, garbled, lost or held back, by direction. It looks into frames only where told to.
"""

import contextlib
import os
import select
import socket
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

Pass = Callable[[bytes], bytes]


def unchanged(data: bytes) -> bytes:
    return data


class Relay:
    """to_device, to_host: what becomes of bytes on their way; b"" loses them. piece: largest number sent at a time.

    address: for the driver. cut: closes every connection there is; new ones are served again.
    """

    def __init__(self, controller: str, piece: int) -> None:
        parts = urlsplit(controller)
        self._upstream = (parts.hostname, parts.port)
        self.to_device: Pass = unchanged
        self.to_host: Pass = unchanged
        self._piece = piece
        self._closing = threading.Event()
        self._sockets: list[socket.socket] = []
        self._descriptors: list[int] = []
        self._threads: list[threading.Thread] = []
        self.address = ""

    def listen(self) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        listener.settimeout(0.05)
        self.address = f"socket://127.0.0.1:{listener.getsockname()[1]}"
        self._start(self._accept, listener)

    def open_pty(self) -> None:
        """The driver's end is a device path; it stays the same however often it is opened."""
        master, slave = os.openpty()
        tty.setraw(slave)
        self._descriptors += [master, slave]
        self.address = os.ttyname(slave)
        upstream = self._connect()
        self._start(self._pump, lambda: _read_pty(master), upstream.sendall, "to_device")
        self._start(self._pump, lambda: _receive(upstream), lambda data: os.write(master, data), "to_host")

    def cut(self) -> None:
        # A copy: whoever connects again after the first one is gone is not cut.
        for each in tuple(self._sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._closing.set()
        self.cut()
        for thread in self._threads:
            thread.join(5)
        for each in self._sockets:
            each.close()
        for descriptor in self._descriptors:
            os.close(descriptor)

    def _connect(self) -> socket.socket:
        upstream = socket.create_connection(self._upstream)
        upstream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sockets.append(upstream)
        return upstream

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        with listener:
            while not self._closing.is_set():
                with contextlib.suppress(TimeoutError):
                    peer, _ = listener.accept()
                    peer.settimeout(None)
                    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    upstream = self._connect()
                    self._sockets.append(peer)
                    ways = [("to_device", peer, upstream), ("to_host", upstream, peer)]
                    under_way = list(ways)
                    for way, source, sink in ways:
                        self._start(self._carry, way, source, sink, under_way)

    def _carry(self, way: str, source: socket.socket, sink: socket.socket, under_way: list[object]) -> None:
        """One way of a connection. Whoever ends last closes it: a relay may see hundreds of them."""
        self._pump(lambda: _receive(source), sink.sendall, way, sink)
        under_way.pop()
        if not under_way:
            for each in (source, sink):
                each.close()
                with contextlib.suppress(ValueError):
                    self._sockets.remove(each)

    def _pump(
        self, receive: Callable[[], bytes | None], send: Callable[[bytes], object], way: str, other: socket.socket | None = None
    ) -> None:
        with contextlib.suppress(OSError):
            while not self._closing.is_set() and (data := receive()) != b"":
                passed = getattr(self, way)(data) if data else b""
                for start in range(0, len(passed), self._piece):
                    send(passed[start : start + self._piece])
        if other is not None:
            with contextlib.suppress(OSError):
                other.shutdown(socket.SHUT_RDWR)


def _receive(sock: socket.socket) -> bytes | None:
    """None: nothing yet. b"": closed."""
    return sock.recv(65_536) if select.select([sock], [], [], 0.05)[0] else None


def _read_pty(descriptor: int) -> bytes | None:
    return os.read(descriptor, 65_536) if select.select([descriptor], [], [], 0.05)[0] else None


@contextmanager
def relay(controller: str, *, pty: bool = False, piece: int = 65_536) -> Iterator[Relay]:
    """A relay that listens on a socket, or holds the far end of a pseudo-terminal."""
    made = Relay(controller, piece)
    try:
        made.open_pty() if pty else made.listen()
        yield made
    finally:
        made.close()
