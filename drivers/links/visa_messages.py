"""One message-based VISA resource, GPIB<n>::<address>::INSTR and the like, as bytes with deadlines. Needs a VISA library.

Rule 1: a message ends with the bus's END; where the instrument sends no line feed before it, one is added, so that a line is a line.
Rule 2: there is no looking without reading, but for the status byte's "message available" where the instrument keeps one: so what is late
is thrown away by a device clear before the next question, and never when a connection is merely opened.
"""

import contextlib
import time
from typing import Any

import pyvisa
from pyvisa.constants import StatusCode
from pyvisa.errors import Error as VisaError
from pyvisa.errors import VisaIOError

from drivers.errors import ConnectFailed, LinkLost, LinkTimeout

_MESSAGE_AVAILABLE = 0x10
_WRITE_NOW_S = 0.2
_DRAIN_S = 0.05
_DRAINED_AT_MOST = 100
"""Messages: an instrument that goes on talking is not silenced by listening."""


class VisaMessages:
    """timeout_s: of connecting. Raises ConnectFailed from the constructor, LinkLost once it is gone."""

    def __init__(self, address: str, timeout_s: float, *, afresh: bool = False) -> None:
        self.address = address
        self._pending = bytearray()
        self._shut = self._reading = False
        try:
            self._resource: Any = pyvisa.ResourceManager().open_resource(address, open_timeout=max(1, round(timeout_s * 1000)))
        except Exception as error:  # a missing library is an OSError, a missing bus driver a ValueError, a bare Exception a time-out
            cause = " ".join(str(error).split())
            raise ConnectFailed(
                f"{address}: cannot be opened ({cause}); it needs a VISA library (NI-VISA, Keysight IO Libraries) or linux-gpib with "
                "gpib-ctypes on this computer. Install one, or use the instrument's TCPIP0::host::port::SOCKET"
            ) from error
        if afresh:
            self._silence()

    def readable(self, timeout_s: float) -> bool:
        """With no time to wait, only what was read already or what the status byte says waits."""
        if self._shut:
            raise self._lost("it was closed here")
        if self._pending:
            return True
        if timeout_s <= 0.0 and not self._says_available():
            return False
        message = self._read(timeout_s)
        if message:
            self._pending += message if message.endswith(b"\n") else message + b"\n"
        return bool(self._pending)

    def peek(self) -> bytes:
        return bytes(self._pending)

    def take(self) -> bytes:
        taken = bytes(self._pending)
        self._pending.clear()
        return taken

    def write(self, data: bytes, deadline: float) -> None:
        self._resource.timeout = _milliseconds(deadline - time.monotonic())
        try:
            self._resource.write_raw(data)
        except VisaIOError as error:
            if error.error_code == StatusCode.error_timeout:
                raise LinkTimeout(f"{self.address}: the instrument takes no more bytes") from error
            raise self._lost(f"sending {data[:60]!r}: {error}") from error
        except (OSError, VisaError) as error:
            raise self._lost(f"sending {data[:60]!r}: {error}") from error

    def write_now(self, data: bytes) -> bool:
        """False while another thread reads: it has the bus."""
        if self._reading or self._shut:
            return False
        try:
            self.write(data, time.monotonic() + _WRITE_NOW_S)
        except (LinkLost, LinkTimeout):
            return False
        return True

    def shut(self) -> None:
        """Who waits for bytes in another thread is told at the end of its wait: no call of VISA ends another."""
        self._shut = True

    def close(self) -> None:
        self.shut()
        with contextlib.suppress(OSError, VisaError):
            self._resource.close()

    def _read(self, timeout_s: float) -> bytes:
        self._resource.timeout = _milliseconds(timeout_s)
        self._reading = True
        try:
            return self._resource.read_raw()
        except VisaIOError as error:
            if error.error_code == StatusCode.error_timeout:
                return b""
            raise self._lost(str(error)) from error
        except (OSError, VisaError) as error:
            raise self._lost(str(error)) from error
        finally:
            self._reading = False

    def _says_available(self) -> bool:
        try:
            return bool(self._resource.read_stb() & _MESSAGE_AVAILABLE)
        except (OSError, VisaError, NotImplementedError):
            return False

    def _silence(self) -> None:
        with contextlib.suppress(OSError, VisaError, NotImplementedError):
            self._resource.clear()
        for _ in range(_DRAINED_AT_MOST):
            if not self._read(_DRAIN_S):
                return

    def _lost(self, text: str) -> LinkLost:
        return LinkLost(f"{self.address}: {text}")


def _milliseconds(seconds: float) -> int:
    """VISA takes 0 for "at once or never" and something below for "for ever": at least 1 ms."""
    return max(1, round(seconds * 1000))
