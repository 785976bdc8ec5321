"""Bytes of the line to frames, and what they say of who is at the other end, and who else is at this one."""

from collections.abc import Callable, Iterator

from drivers.errors import ProtocolError
from firmware_protocol.codes import Opcode
from firmware_protocol.framing import Deframer, Frame, Kind, Rejected

BABBLE_BYTES = 1_000_000
"""Bytes without a valid frame after which the peer is taken for something else."""
_FIRST_BYTES = 32
_LOOK_S = 0.05
_TAKING_OVER = frozenset({Opcode.HELLO, Opcode.ESTOP, Opcode.STATUS, Opcode.DISARM})


class Incoming:
    """Everything received on one line. first_bytes: for the text of an error."""

    def __init__(self, address: str) -> None:
        self.received_bytes = 0
        self.first_bytes = b""
        self._address = address
        self._deframer = Deframer()
        self._since_valid = 0

    def feed(self, data: bytes) -> Iterator[Frame | Rejected]:
        """Raises ProtocolError, at the end, when the peer only babbles."""
        self.received_bytes += len(data)
        if len(self.first_bytes) < _FIRST_BYTES:
            self.first_bytes = (self.first_bytes + data[:_FIRST_BYTES])[:_FIRST_BYTES]
        self._since_valid += len(data)
        for received in self._deframer.feed(data):
            if isinstance(received, Frame):
                self._since_valid = 0
                yield received
            elif isinstance(received, Rejected):
                yield received
        if self._since_valid > BABBLE_BYTES:
            raise ProtocolError(f"{self._address}: {self._since_valid} bytes without one frame of this protocol; is it the controller?")


class Neighbours:
    """Other programs on the same line. shared: whether the safety path has the device open."""

    def __init__(self, shared: Callable[[], bool]) -> None:
        self._shared = shared
        self._looked_ns = 0

    def heard(self, frame: Frame, session: int) -> bool:
        """Whether this answers somebody else, who has opened the same device and waits for what was just read here.

        After HELLO was answered nothing of an earlier session comes any more, so he is at work now. A session of 0 only looks.
        """
        return frame.session not in (0, session) and frame.kind is Kind.RESPONSE and frame.opcode in _TAKING_OVER

    def read(self, now_ns: int) -> bool:
        """Whether somebody else reads the rest of a frame that came in pieces."""
        if now_ns - self._looked_ns <= _LOOK_S * 1e9:
            return False
        self._looked_ns = now_ns
        return self._shared()
