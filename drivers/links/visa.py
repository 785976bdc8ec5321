"""Lines over a VISA socket (pyvisa with pyvisa-py), TCPIP<n>::host::port::SOCKET.

Rule 1: an answer is trusted only if it came whole, in time, and with nothing waiting when its question was sent. After
anything else the link refuses every use until `resynchronise` has made a new connection: a late answer dies with the old one.
Rule 2: VISA carries every byte, but only when bytes are there. pyvisa-py 0.8 itself opens closed ports without a word,
cannot switch Nagle off (44 ms a point), loops at full speed until the time-out when the peer has closed, and writes
without a deadline; so the socket under the session is asked first.
"""

import contextlib
import re
import select
import socket
import time
from threading import RLock
from typing import Any

import pyvisa
from pyvisa.errors import Error as VisaError

from drivers.errors import ConnectFailed, LinkError, LinkLost, LinkTimeout, ProtocolError
from drivers.values import WireCounts

_ADDRESS = re.compile(r"TCPIP\d*::(?P<host>[^:]+)::(?P<port>\d{1,5})::SOCKET", re.IGNORECASE)
_PEEK_BYTES = 65_536
_WIRE_FAILURES = (OSError, ValueError, VisaError)
"""What pyvisa-py and a dead socket raise; ValueError is select() on a descriptor that another thread closed."""


class VisaLink:
    """One connection to one instrument. Satisfies drivers.links.text.TextLink.

    timeout_s: default deadline of connecting and of each answer, s. line_limit: longest line either way, bytes.
    unit: what one line is called in `counts`. Raises ConnectFailed from the constructor when nothing listens.
    """

    def __init__(self, address: str, timeout_s: float, unit: str = "messages", line_limit: int = 4096) -> None:
        self.address = address
        self.lock = RLock()
        self._timeout_s = timeout_s
        self._unit = unit
        self._line_limit = line_limit
        self._sent = self._received = self._errors = 0
        self._buffer = bytearray()
        self._fault: str | None = None
        self._resource, self._socket = self._connect()

    @property
    def trusted(self) -> bool:
        """Whether an answer may be believed; False from a fault until `resynchronise`."""
        return self._fault is None

    def send(self, line: str) -> None:
        with self.lock:
            self._require_trusted()
            self._require_silence()
            self._write(line, time.monotonic() + self._timeout_s)

    def query(self, line: str, timeout_s: float | None = None) -> str:
        limit_s = self._timeout_s if timeout_s is None else timeout_s
        deadline = time.monotonic() + limit_s
        with self.lock:
            self._require_trusted()
            self._require_silence()
            self._write(line, deadline)
            answer = self._read_line(deadline, f"no answer to {line!r} within {limit_s:g} s")
            self._received += 1
            return answer.decode("utf-8", "replace").rstrip()

    def send_regardless(self, line: str) -> bool:
        """Takes no lock: another thread may be stuck in a read, and this must not wait for it."""
        try:
            self._socket.setblocking(False)
            self._socket.send(line.encode("ascii") + b"\n")
        except OSError:
            return False
        self._sent += 1
        return True

    def resynchronise(self) -> None:
        with self.lock:
            self._drop()
            self._buffer.clear()
            self._fault = "not connected"
            self._resource, self._socket = self._connect()
            self._fault = None

    def counts(self) -> WireCounts:
        return WireCounts(self._unit, self._sent, self._received, self._errors)

    def close(self) -> None:
        """Idempotent; a read in progress in another thread ends with LinkLost."""
        self._fault = "closed"
        self._drop()

    def _connect(self) -> tuple[Any, socket.socket]:
        host, port = self._parsed_address()
        try:
            # pyvisa-py resolves the name inside its own connect and leaks the socket when that fails
            socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_STREAM)
            resource: Any = pyvisa.ResourceManager("@py").open_resource(self.address, open_timeout=max(1, round(self._timeout_s * 1000)))
        except Exception as error:  # pyvisa-py raises a bare Exception for a connect that timed out
            raise ConnectFailed(self._connect_advice(str(error))) from error
        session_socket: socket.socket = resource.visalib.sessions[resource.session].interface
        try:
            self._check_connected(session_socket)
        except OSError as error:
            resource.close()
            raise ConnectFailed(self._connect_advice(error.strerror or str(error))) from error
        return resource, session_socket

    @staticmethod
    def _check_connected(session_socket: socket.socket) -> None:
        failure = session_socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if failure:
            raise OSError(failure, "connection refused or unreachable")
        session_socket.getpeername()
        session_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        session_socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def _parsed_address(self) -> tuple[str, int]:
        match = _ADDRESS.fullmatch(self.address)
        if match is None:
            raise ConnectFailed(f"{self.address}: not a VISA socket address; write it as TCPIP0::host::port::SOCKET in lab.toml")
        return match["host"], int(match["port"])

    def _connect_advice(self, cause: str) -> str:
        return f"{self.address}: nothing answers ({cause}); check that the instrument is on and that lab.toml has its address"

    def _require_trusted(self) -> None:
        if self._fault is not None:
            raise LinkError(f"{self.address}: the link is not trusted since: {self._fault}; resynchronise before using it again")

    def _require_silence(self) -> None:
        """Anything waiting now answers an older question."""
        if not self._buffer and not self._readable(0.0):
            return
        waiting = bytes(self._buffer) or self._peek()
        raise self._failed(ProtocolError, f"{waiting[:60]!r} arrived that nobody asked for")

    def _write(self, line: str, deadline: float) -> None:
        data = line.encode("ascii") + b"\n"
        if len(data) > self._line_limit or b"\n" in data[:-1]:
            raise ValueError(f"{self.address}: {data[:60]!r} ({len(data)} bytes) is not one line of at most {self._line_limit} bytes")
        try:
            if not select.select([], [self._socket], [], max(0.0, deadline - time.monotonic()))[1]:
                raise self._failed(LinkTimeout, "the instrument takes no more bytes")
            self._resource.write_raw(data)
        except _WIRE_FAILURES as error:
            raise self._failed(LinkLost, f"sending {line!r}: {error}") from error
        self._sent += 1

    def _read_line(self, deadline: float, lateness: str) -> bytes:
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > self._line_limit:
                raise self._failed(ProtocolError, f"a line longer than {self._line_limit} bytes: {bytes(self._buffer[:60])!r}")
            if not self._readable(max(0.0, deadline - time.monotonic())):
                raise self._failed(LinkTimeout, lateness)
            self._buffer += self._take()
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line

    def _readable(self, timeout_s: float) -> bool:
        try:
            return bool(select.select([self._socket], [], [], timeout_s)[0])
        except _WIRE_FAILURES as error:
            raise self._failed(LinkLost, str(error)) from error

    def _peek(self) -> bytes:
        """Bytes waiting, at least one. Raises LinkLost when the peer has closed."""
        try:
            waiting = self._socket.recv(_PEEK_BYTES, socket.MSG_PEEK)
        except OSError as error:
            raise self._failed(LinkLost, str(error)) from error
        if not waiting:
            raise self._failed(LinkLost, "the instrument closed the connection")
        return waiting

    def _take(self) -> bytes:
        waiting = len(self._peek())
        try:
            return self._resource.read_bytes(waiting)
        except _WIRE_FAILURES as error:
            raise self._failed(LinkLost, str(error)) from error

    def _failed(self, kind: type[LinkError] | type[ProtocolError], text: str) -> LinkError | ProtocolError:
        self._errors += 1
        self._fault = self._fault or text
        return kind(f"{self.address}: {text}")

    def _drop(self) -> None:
        with contextlib.suppress(OSError):  # the peer may have been first
            self._socket.shutdown(socket.SHUT_RDWR)
        with self.lock:
            self._resource.close()
