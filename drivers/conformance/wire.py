"""Frames over a byte link as they are, without a session: every wait has a deadline, and so has the whole.

Rule: nothing is sent again and nothing is put right here; what the board says is what the rules judge.
"""

import time
from collections.abc import Callable

from drivers.links.serial import ByteLink
from firmware_protocol.framing import Deframer, Frame, Kind, Rejected, RejectReason

ANSWER_S = 1.0
"""How long an answer may take that needs no board time, line included."""
_LISTEN_S = 0.05


class OutOfTime(Exception):
    """The whole run took longer than it may."""


class Wire:
    """One line. received_bytes, first_bytes, garbled (frames rejected by reason), loops (own kind of frame came back): what came."""

    def __init__(self, link: ByteLink, budget_s: float, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self.address = link.address
        self.received_bytes = 0
        self.first_bytes = b""
        self.garbled: dict[str, int] = {}
        self.loops = 0
        self._link = link
        self._clock = clock
        self._end_ns = clock() + round(budget_s * 1e9)
        self._deframer = Deframer()
        self._frames: list[Frame] = []

    def now_s(self) -> float:
        return self._clock() / 1e9

    def allow(self, seconds: float) -> None:
        """At least so much longer: for what makes safe at the end."""
        self._end_ns = max(self._end_ns, self._clock() + round(seconds * 1e9))

    def write(self, data: bytes) -> None:
        """Raises LinkError."""
        self._link.write(data)

    def next_frame(self, timeout_s: float = ANSWER_S) -> Frame | None:
        """The next valid frame, None when none came in time. Raises LinkError, OutOfTime."""
        deadline_ns = self._clock() + round(timeout_s * 1e9)
        while not self._frames:
            now_ns = self._clock()
            if now_ns >= self._end_ns:
                raise OutOfTime
            if now_ns >= deadline_ns:
                return None
            self._take(self._link.read(min(_LISTEN_S, (deadline_ns - now_ns) / 1e9)))
        return self._frames.pop(0)

    def _take(self, data: bytes) -> None:
        self.received_bytes += len(data)
        self.first_bytes = (self.first_bytes + data[:32])[:32]
        for received in self._deframer.feed(data):
            if isinstance(received, Frame) and received.kind is Kind.REQUEST:
                self.loops += 1
            elif isinstance(received, Frame):
                self._frames.append(received)
            elif isinstance(received, Rejected):
                self.garbled[received.reason] = self.garbled.get(received.reason, 0) + 1

    def stranger(self, waited_s: float) -> str:
        """What the absence of any answer means, in one line."""
        if self.loops:
            return f"{self.address}: the line sends back what is sent; it is a loop or a terminal, not the controller"
        if self.garbled.get(RejectReason.VERSION):
            return f"{self.address}: answers in another major version of the protocol; update the firmware or this software"
        if self.received_bytes:
            return (
                f"{self.address}: {self.received_bytes} bytes came within {waited_s:g} s, no answer of this protocol among them "
                f"(first: {self.first_bytes!r}); check the address and the baud rate"
            )
        return f"{self.address}: open, but nothing was answered within {waited_s:g} s; is it the controller, and powered?"
