"""One connection of a VISA socket resource (pyvisa with pyvisa-py), TCPIP<n>::host::port::SOCKET, as bytes with deadlines.

Rule: VISA carries every byte, but only when bytes are there. pyvisa-py 0.8 itself opens closed ports without a word, cannot switch
Nagle off (44 ms a point), loops at full speed until the time-out when the peer has closed, and writes without a deadline; so the
socket under the session is asked first.
"""

import contextlib
import re
import select
import socket
import time
from typing import Any

import pyvisa
from pyvisa.errors import Error as VisaError

from drivers.errors import ConnectFailed, LinkLost, LinkTimeout

_ADDRESS = re.compile(r"TCPIP\d*::(?P<host>[^:]+)::(?P<port>\d{1,5})::SOCKET", re.IGNORECASE)
_PEEK_BYTES = 4_096
"""pyvisa-py reads that much at a time, whatever it is asked for: asked for 5,000 bytes of a stream it reads 8,192 where they are, and
the surplus stays in a buffer of its own, where nobody looks for it."""
_WIRE_FAILURES = (OSError, ValueError, VisaError)
"""What pyvisa-py and a dead socket raise; ValueError is select() on a descriptor that another thread closed."""


class VisaSocket:
    """timeout_s: of connecting. Raises ConnectFailed from the constructor when nothing listens, LinkLost once it is gone."""

    def __init__(self, address: str, timeout_s: float) -> None:
        self.address = address
        host, port = _parsed(address)
        try:
            # pyvisa-py resolves the name inside its own connect and leaks the socket when that fails
            socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_STREAM)
            resource: Any = pyvisa.ResourceManager("@py").open_resource(address, open_timeout=max(1, round(timeout_s * 1000)))
        except Exception as error:  # pyvisa-py raises a bare Exception for a connect that timed out
            raise ConnectFailed(self._advice(str(error))) from error
        self._resource = resource
        self._socket: socket.socket = resource.visalib.sessions[resource.session].interface
        try:
            self._check_connected()
        except OSError as error:
            resource.close()
            raise ConnectFailed(self._advice(error.strerror or str(error))) from error

    def readable(self, timeout_s: float) -> bool:
        """Whether bytes, or the peer's end, came within the time."""
        try:
            return bool(select.select([self._socket], [], [], max(0.0, timeout_s))[0])
        except _WIRE_FAILURES as error:
            raise self._lost(str(error)) from error

    def peek(self) -> bytes:
        """What waits, at least a byte; call when readable."""
        try:
            waiting = self._socket.recv(_PEEK_BYTES, socket.MSG_PEEK)
        except OSError as error:
            raise self._lost(str(error)) from error
        if not waiting:
            raise self._lost("the instrument closed the connection")
        return waiting

    def take(self) -> bytes:
        """What waits, out of the socket; call when readable."""
        waiting = len(self.peek())
        try:
            return self._resource.read_bytes(waiting)
        except _WIRE_FAILURES as error:
            raise self._lost(str(error)) from error

    def write(self, data: bytes, deadline: float) -> None:
        """deadline: of time.monotonic(). Raises LinkTimeout when the peer takes nothing."""
        try:
            if not select.select([], [self._socket], [], max(0.0, deadline - time.monotonic()))[1]:
                raise LinkTimeout(f"{self.address}: the instrument takes no more bytes")
            self._resource.write_raw(data)
        except _WIRE_FAILURES as error:
            raise self._lost(f"sending {data[:60]!r}: {error}") from error

    def write_now(self, data: bytes) -> bool:
        """All of it without waiting for anybody, another thread's read included; False when it could not leave."""
        try:
            return self._socket.send(data, socket.MSG_DONTWAIT) == len(data)
        except (OSError, ValueError):
            return False

    def shut(self) -> None:
        """No more bytes either way: who waits for some in another thread is told at once."""
        with contextlib.suppress(OSError):  # the peer may have been first
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.shut()
        self._resource.close()

    def _check_connected(self) -> None:
        failure = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if failure:
            raise OSError(failure, "connection refused or unreachable")
        self._socket.getpeername()
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def _advice(self, cause: str) -> str:
        return f"{self.address}: nothing answers ({cause}); check that the instrument is on and that lab.toml has its address"

    def _lost(self, text: str) -> LinkLost:
        return LinkLost(f"{self.address}: {text}")


def _parsed(address: str) -> tuple[str, int]:
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise ConnectFailed(f"{address}: not a VISA socket address; write it as TCPIP0::host::port::SOCKET in lab.toml")
    return match["host"], int(match["port"])
