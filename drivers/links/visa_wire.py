"""What carries the bytes of a VISA address: a socket, or messages where a VISA library offers them (GPIB, USB)."""

import re
from typing import Protocol

from drivers.errors import ConnectFailed
from drivers.links.visa_messages import VisaMessages
from drivers.links.visa_socket import VisaSocket

_SOCKET = re.compile(r".*::SOCKET", re.IGNORECASE)
_MESSAGES = re.compile(r"(GPIB|USB)\d*::.*INSTR", re.IGNORECASE)


class Wire(Protocol):
    """One connection. Raises LinkLost once it is gone."""

    def readable(self, timeout_s: float) -> bool:
        """Whether bytes, or the peer's end, came within the time."""
        ...

    def peek(self) -> bytes:
        """What waits, at least a byte; call when readable."""
        ...

    def take(self) -> bytes:
        """The same, taken; call when readable."""
        ...

    def write(self, data: bytes, deadline: float) -> None:
        """deadline: of time.monotonic(). Raises LinkTimeout when the peer takes nothing."""
        ...

    def write_now(self, data: bytes) -> bool:
        """All of it without waiting for anybody; False when it could not leave."""
        ...

    def shut(self) -> None:
        """No more bytes either way."""
        ...

    def close(self) -> None: ...


def open_wire(address: str, timeout_s: float, *, afresh: bool = False) -> Wire:
    """timeout_s: of connecting. afresh: after a fault, so that what the instrument still has to say is thrown away.

    Raises ConnectFailed naming the address and what to check.
    """
    if _SOCKET.fullmatch(address):
        return VisaSocket(address, timeout_s)
    if _MESSAGES.fullmatch(address):
        return VisaMessages(address, timeout_s, afresh=afresh)
    raise ConnectFailed(f"{address}: not a VISA address; write it as TCPIP0::host::port::SOCKET or GPIB0::n::INSTR in lab.toml")
