"""Questions on their way to the controller: put together by who asks, answered one by one by the link's reader thread.

One lock per batch tells that it is complete: a future per question would cost more than everything else done for it.
"""

import threading
from collections.abc import Sequence
from queue import Empty, SimpleQueue

from drivers.errors import DriverError
from firmware_protocol.framing import Frame
from firmware_protocol.messages import EventMessage, Request


class Asked:
    """Questions asked together and what became of each. device_s: how long the board may take by itself for each, s.

    sent: how many have left this computer, the first so many. frames, errors: by place; one of both when it is settled.
    """

    __slots__ = ("_complete", "_left", "device_s", "errors", "frames", "messages", "sent")

    def __init__(self, messages: Sequence[Request], device_s: float = 0.0) -> None:
        self.messages = messages
        self.device_s = device_s
        self.sent = 0
        self.frames: list[Frame | None] = [None] * len(messages)
        self.errors: dict[int, DriverError] = {}
        self._left = len(messages)
        self._complete = threading.Lock()
        if messages:
            self._complete.acquire()

    def answer(self, place: int, frame: Frame) -> None:
        self.frames[place] = frame
        self._settled()

    def fail(self, place: int, error: DriverError) -> None:
        self.errors[place] = error
        self._settled()

    def fail_unsent(self, error: DriverError) -> None:
        """Every question that has not been sent; none of them will be."""
        for place in range(self.sent, len(self.messages)):
            self.fail(place, error)

    def wait(self, timeout_s: float) -> bool:
        """Whether all are settled. For one thread at a time."""
        return self._left == 0 or self._complete.acquire(timeout=timeout_s)

    @property
    def complete(self) -> bool:
        """Whether all are settled."""
        return self._left == 0

    def result(self) -> list[Frame]:
        """Answers in order, once all are settled. Raises the first error in order."""
        if self.errors:
            raise self.errors[min(self.errors)]
        return [frame for frame in self.frames if frame is not None]

    def _settled(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._complete.release()


class Begun(Asked):
    """The one question that begins a long operation, and what the operation says of itself from then on.

    session, seq: what names the operation; 0 until it is sent.
    """

    __slots__ = ("_events", "seq", "session")

    def __init__(self, message: Request, device_s: float = 0.0) -> None:
        super().__init__([message], device_s)
        self.session = self.seq = 0
        self._events: SimpleQueue[EventMessage | DriverError] = SimpleQueue()

    def happened(self, event: EventMessage | DriverError) -> None:
        self._events.put(event)

    def next_event(self, timeout_s: float) -> EventMessage | None:
        """The next one in the order in which they came, None when none came in time. Raises what ended the link."""
        try:
            event = self._events.get(timeout=timeout_s)
        except Empty:
            return None
        if isinstance(event, DriverError):
            raise event
        return event
