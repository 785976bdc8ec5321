"""Bytes over a serial device, a pseudo-terminal or a TCP socket (`/dev/ttyACM0`, `COM5`, `socket://host:port`).

Rule 1: every read and every write has a deadline; nothing here waits for ever.
Rule 2: bytes are taken in bulk, as many as are there; asking pyserial how many are waiting costs a system call per byte
on a socket. Rule 3: a device path is used by one process at a time (a lock file: the exclusive mode of the operating
system is only advisory), except by the safety path, which opens it regardless.

A socket is connected here and not by pyserial, whose own handler drains input without a bound while opening, sleeps
0.3 s while closing and leaks a socket that the peer closed first.
"""

import contextlib
import os
import re
import select
import socket
import tempfile
import time
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import serial
from filelock import FileLock, Timeout

from drivers.errors import ConnectFailed, LinkLost, LinkTimeout

READ_BYTES = 65_536
WRITE_TIMEOUT_S = 0.5
CONNECT_TIMEOUT_S = 3.0
_DEVICE = re.compile(r"/\S+|COM\d+", re.IGNORECASE)
_URL = re.compile(r"(?P<scheme>\w+)://")


class ByteLink(Protocol):
    """One open line. `address` as configured."""

    address: str

    def read(self, timeout_s: float) -> bytes:
        """Whatever is there, at least one byte; b"" when nothing came in time. Raises LinkLost."""
        ...

    def write(self, data: bytes) -> None:
        """All of it. Raises LinkTimeout when the peer takes no more bytes, LinkLost."""
        ...

    def discard_output(self) -> None:
        """Drop what waits to be sent, so that an emergency stop waits behind nothing."""
        ...

    def close(self) -> None: ...


class SocketLink:
    """A connected TCP socket without Nagle delay."""

    def __init__(self, address: str, connected: socket.socket) -> None:
        self.address = address
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected.setblocking(False)
        self._socket = connected

    def read(self, timeout_s: float) -> bytes:
        try:
            if not select.select([self._socket], [], [], timeout_s)[0]:
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
        deadline_s = time.monotonic() + WRITE_TIMEOUT_S
        rest = memoryview(data)
        while rest:
            try:
                _, writable, _ = select.select([], [self._socket], [], max(0.0, deadline_s - time.monotonic()))
                if not writable:
                    raise LinkTimeout(f"{self.address}: the controller takes no more bytes ({WRITE_TIMEOUT_S:g} s)")
                rest = rest[self._socket.send(rest) :]
            except BlockingIOError:
                continue
            except (OSError, ValueError) as error:
                raise LinkLost(f"{self.address}: {error}") from error

    def discard_output(self) -> None:
        """A socket's queue cannot be emptied; it is drained by the network."""

    def close(self) -> None:
        with contextlib.suppress(OSError):  # the peer may have been first
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class DeviceLink:
    """A serial port opened by pyserial. lock: released on close; None for the safety path."""

    def __init__(self, address: str, port: serial.Serial, lock: FileLock | None) -> None:
        self.address = address
        self._port = port
        self._lock = lock
        # Where there is a descriptor, it is read directly; Windows has none.
        self._descriptor: int | None = port.fileno() if hasattr(port, "fd") else None

    def read(self, timeout_s: float) -> bytes:
        try:
            return self._read_port() if self._descriptor is None else self._read_descriptor(self._descriptor, timeout_s)
        except BlockingIOError:
            return b""
        except (OSError, ValueError, TypeError) as error:  # TypeError: pyserial, closed meanwhile
            raise LinkLost(f"{self.address}: {error}; is the cable in, the board powered?") from error

    def _read_descriptor(self, descriptor: int, timeout_s: float) -> bytes:
        if not select.select([descriptor], [], [], timeout_s)[0]:
            return b""
        data = os.read(descriptor, READ_BYTES)
        if not data:
            raise LinkLost(f"{self.address}: the port vanished; is the cable in, the board powered?")
        return data

    def _read_port(self) -> bytes:
        first = self._port.read(1)
        return first + self._port.read(self._port.in_waiting) if first else b""

    def write(self, data: bytes) -> None:
        try:
            self._port.write(data)
        except serial.SerialTimeoutException as error:
            raise LinkTimeout(f"{self.address}: the controller takes no more bytes ({WRITE_TIMEOUT_S:g} s)") from error
        except (OSError, ValueError, TypeError) as error:
            raise LinkLost(f"{self.address}: {error}; is the cable in, the board powered?") from error

    def discard_output(self) -> None:
        with contextlib.suppress(OSError):
            self._port.reset_output_buffer()

    def close(self) -> None:
        self._port.close()
        if self._lock is not None:
            self._lock.release()


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


def lock_path(address: str) -> Path:
    """Lock file of a device path, the same for every name that leads to the device."""
    device = os.path.realpath(address) if address.startswith("/") else address.upper()
    return Path(tempfile.gettempdir()) / f"hil{re.sub(r'[^A-Za-z0-9]+', '-', device)}.lock"


def _open_device(address: str, baud: int, force: bool) -> DeviceLink:
    lock = None if force else FileLock(lock_path(address), timeout=0, thread_local=False)
    try:
        if lock is not None:
            lock.acquire()
    except Timeout as error:
        raise ConnectFailed(f"{address}: in use by another process (lock {lock_path(address)}); stop that one first") from error
    except OSError as error:
        raise ConnectFailed(f"{address}: cannot lock {lock_path(address)}: {error.strerror}") from error
    try:
        return DeviceLink(address, _open_port(address, baud), lock)
    except (OSError, ValueError) as error:  # SerialException is an OSError
        if lock is not None:
            lock.release()
        raise ConnectFailed(f"{address}: cannot be opened ({error}); check the cable and the address in lab.toml") from error


def _open_port(address: str, baud: int) -> serial.Serial:
    port = serial.serial_for_url(address, do_not_open=True, baudrate=baud, timeout=0.02, write_timeout=WRITE_TIMEOUT_S)
    # Either line raised on opening resets many boards.
    port.dtr = False
    port.rts = False
    port.open()
    return port
