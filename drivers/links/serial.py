"""Bytes over a serial device, a pseudo-terminal or a TCP socket (`/dev/ttyACM0`, `COM5`, `socket://host:port`).

Rule 1: every read and every write has a deadline; nothing here waits for ever. A write's deadline starts anew with every
byte that leaves: a slow line is not a stuck one.
Rule 2: bytes are taken in bulk, as many as are there; asking pyserial how many are waiting costs a system call per byte
on a socket. Rule 3: a device path is used by one process at a time (a lock file: the exclusive mode of the operating
system is only advisory), except by the safety path, which opens it regardless. While that is at work nobody else opens it.

A socket is connected here and not by pyserial, whose own handler drains input without a bound while opening, sleeps
0.3 s while closing and leaks a socket that the peer closed first.
"""

import contextlib
import errno
import os
import re
import select
import socket
import time
from collections.abc import Callable
from functools import partial
from typing import Protocol
from urllib.parse import urlsplit

import serial
from filelock import FileLock

from drivers.errors import ConnectFailed, LinkLost, LinkTimeout
from drivers.links.locks import locks_of_driver, locks_of_safety, safety_is_at_work

READ_BYTES = 65_536
WRITE_TIMEOUT_S = 0.5
_WRITE_BYTES = 4096
_MANY_EMPTY_READS = 1000
CONNECT_TIMEOUT_S = 3.0
_DEVICE = re.compile(r"/\S+|COM\d+", re.IGNORECASE)
_URL = re.compile(r"(?P<scheme>\w+)://")


class ByteLink(Protocol):
    """One open line. `address` as configured. low_latency: whether the port hands on bytes as they come; None where it has
    no such mode (USB adapters collect them for 16 ms otherwise)."""

    address: str
    low_latency: bool | None

    def read(self, timeout_s: float) -> bytes:
        """Whatever is there, at least one byte; b"" when nothing came in time. Raises LinkLost."""
        ...

    def write(self, data: bytes) -> None:
        """All of it. Raises LinkTimeout when the peer takes no more bytes, LinkLost."""
        ...

    def discard_output(self) -> None:
        """Drop what waits to be sent, so that an emergency stop waits behind nothing. Any thread: a write in progress ends."""
        ...

    def shared_with_safety(self) -> bool:
        """Whether the safety path has the same device open: each byte goes to one of two readers then."""
        ...

    def close(self) -> None: ...


class _Writing:
    """Writes with a deadline, and gives up what is left of a write when told to from another thread."""

    def __init__(self, address: str, send: Callable[[memoryview], int]) -> None:
        self._address = address
        self._send = send
        self._dropped = 0

    def drop(self) -> None:
        self._dropped += 1

    def write(self, data: bytes, descriptor: int) -> None:
        rest, dropped = memoryview(data), self._dropped
        deadline_s = time.monotonic() + WRITE_TIMEOUT_S
        while rest and dropped == self._dropped:
            try:
                sent = self._send(rest[:_WRITE_BYTES])
            except BlockingIOError:
                self._wait_for_room(descriptor, deadline_s)
                continue
            rest = rest[sent:]
            deadline_s = time.monotonic() + WRITE_TIMEOUT_S

    def _wait_for_room(self, descriptor: int, deadline_s: float) -> None:
        left_s = deadline_s - time.monotonic()
        # In short turns: a drop must not wait for room.
        if left_s <= 0.0:
            raise LinkTimeout(f"{self._address}: the controller takes no more bytes ({WRITE_TIMEOUT_S:g} s)")
        _ready(descriptor, min(left_s, 0.02), writing=True)


def _ready(descriptor: int, timeout_s: float, *, writing: bool = False) -> bool:
    """Whether something is there to be read, or room to write; True also for what has failed. Raises ValueError, OSError when closed."""
    if not hasattr(select, "poll"):
        reads, writes, _ = select.select([] if writing else [descriptor], [descriptor] if writing else [], [], timeout_s)
        return bool(reads or writes)
    # `select` takes no descriptor above 1023, which a service with many clients reaches.
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT if writing else select.POLLIN)
    return bool(poll.poll(timeout_s * 1e3))


class SocketLink:
    """A connected TCP socket without Nagle delay."""

    low_latency: bool | None = None

    def __init__(self, address: str, connected: socket.socket) -> None:
        self.address = address
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected.setblocking(False)
        self._socket = connected
        self._writing = _Writing(address, connected.send)

    def read(self, timeout_s: float) -> bytes:
        try:
            if not _ready(self._socket.fileno(), timeout_s):
                return b""
            data = self._socket.recv(READ_BYTES)
        except BlockingIOError:
            return b""
        except (OSError, ValueError) as error:  # ValueError: closed meanwhile
            raise LinkLost(f"{self.address}: {error}") from error
        if not data:
            raise LinkLost(f"{self.address}: the controller closed the connection")
        return data

    def write(self, data: bytes) -> None:
        try:
            self._writing.write(data, self._socket.fileno())
        except (OSError, ValueError) as error:
            raise LinkLost(f"{self.address}: {error}") from error

    def discard_output(self) -> None:
        """What the network has taken stays taken."""
        self._writing.drop()

    def shared_with_safety(self) -> bool:
        return False

    def close(self) -> None:
        with contextlib.suppress(OSError):  # the peer may have been first
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class DeviceLink:
    """A serial port opened by pyserial. locks: released on close."""

    def __init__(self, address: str, port: serial.Serial, *locks: FileLock) -> None:
        self.address = address
        self.low_latency = _ask_low_latency(port)
        self._port = port
        self._locks = locks
        self._empty_reads = 0
        # Where there is a descriptor, it is used directly; Windows has none.
        self._descriptor: int | None = port.fileno() if hasattr(port, "fd") else None
        self._writing = _Writing(address, partial(os.write, -1 if self._descriptor is None else self._descriptor))

    def read(self, timeout_s: float) -> bytes:
        try:
            return self._read_port() if self._descriptor is None else self._read_descriptor(self._descriptor, timeout_s)
        except BlockingIOError:
            return b""
        except (OSError, ValueError, TypeError) as error:  # TypeError: pyserial, closed meanwhile
            raise LinkLost(f"{self.address}: {error}; is the cable in, the board powered?") from error

    def _read_descriptor(self, descriptor: int, timeout_s: float) -> bytes:
        if not _ready(descriptor, timeout_s):
            return b""
        data = os.read(descriptor, READ_BYTES)
        self._empty_reads = 0 if data else self._empty_reads + 1
        # Nothing after all: a second reader of the device was faster, or the device is gone.
        if not data and (_hung_up(descriptor) or self._empty_reads > _MANY_EMPTY_READS):
            raise LinkLost(f"{self.address}: the port vanished; is the cable in, the board powered?")
        return data

    def _read_port(self) -> bytes:
        first = self._port.read(1)
        return first + self._port.read(self._port.in_waiting) if first else b""

    def write(self, data: bytes) -> None:
        try:
            if self._descriptor is None:
                self._port.write(data)
            else:
                self._writing.write(data, self._descriptor)
        except serial.SerialTimeoutException as error:  # Windows
            raise LinkTimeout(f"{self.address}: the controller takes no more bytes ({WRITE_TIMEOUT_S:g} s)") from error
        except (OSError, ValueError, TypeError) as error:
            raise LinkLost(f"{self.address}: {error}; is the cable in, the board powered?") from error

    def discard_output(self) -> None:
        self._writing.drop()
        with contextlib.suppress(Exception):  # termios.error is no OSError; an emergency stop goes on whatever this says
            self._port.reset_output_buffer()

    def shared_with_safety(self) -> bool:
        return safety_is_at_work(self.address)

    def close(self) -> None:
        # What a stuck board never took would keep the operating system from closing the port for up to 30 s.
        self.discard_output()
        self._port.close()
        for lock in self._locks:
            lock.release()


def _hung_up(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return any(seen & ~select.POLLIN for _, seen in poll.poll(0))


def _ask_low_latency(port: serial.Serial) -> bool | None:
    """Whether the port now hands on every byte at once; None where it knows no such mode."""
    if not hasattr(port, "set_low_latency_mode"):
        return None
    try:
        port.set_low_latency_mode(True)
    except (OSError, ValueError) as error:
        cause = error if isinstance(error, OSError) else error.__context__
        unknown = isinstance(cause, OSError) and cause.errno in (errno.ENOTTY, errno.EINVAL, errno.ENOSYS)
        return None if unknown else False
    return True


def open_byte_link(address: str, baud: int, *, force: bool = False) -> ByteLink:
    """Open the line. force: do without the lock file, for what must make safe. Changes no output of the board.

    Raises ConnectFailed naming the address and what to check.
    """
    url = _URL.match(address)
    if url is not None and url["scheme"] == "socket":
        return _connect(address)
    if url is None and _DEVICE.fullmatch(address):
        return _open_device(address, baud, force)
    raise ConnectFailed(f"{address!r} is no address of a controller; write socket://host:port, a device path or COMn in lab.toml")


def _connect(address: str) -> SocketLink:
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ConnectFailed(f"{address}: {error}; write socket://host:port in lab.toml") from error
    if host is None or port is None:
        raise ConnectFailed(f"{address}: a host and a port are needed; write socket://host:port in lab.toml")
    try:
        return SocketLink(address, socket.create_connection((host, port), timeout=CONNECT_TIMEOUT_S))
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConnectFailed(
            f"{address}: nothing answers ({reason}); check that the controller is on and lab.toml has its address"
        ) from error


def _open_device(address: str, baud: int, force: bool) -> DeviceLink:
    locks = locks_of_safety(address) if force else locks_of_driver(address)
    try:
        return DeviceLink(address, _open_port(address, baud, exclusive=not force), *locks)
    except (OSError, ValueError) as error:  # SerialException is an OSError
        for lock in locks:
            lock.release()
        raise ConnectFailed(f"{address}: cannot be opened ({error}); check the cable and the address in lab.toml") from error


def _open_port(address: str, baud: int, exclusive: bool) -> serial.Serial:
    port = serial.serial_for_url(address, do_not_open=True, baudrate=baud, timeout=0.02, write_timeout=WRITE_TIMEOUT_S)
    if os.name == "posix":
        port.exclusive = exclusive or None  # Keeps out other programs that ask for it; the safety path does not ask.
    # Either line raised on opening resets many boards.
    port.dtr = False
    port.rts = False
    port.open()
    return port
