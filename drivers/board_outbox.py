"""What waits to be sent and what waits for an answer. Called by the link under its lock; does no I/O.

Rule 1: what does not fit the window waits here, in order. Rule 2: every question ends: answered, failed, or never sent.
"""

from collections import deque
from collections.abc import Callable

from drivers.board_asked import Asked, Begun
from drivers.errors import DriverError, LinkLost, Refused
from firmware_protocol.codes import Opcode
from firmware_protocol.framing import Frame
from firmware_protocol.messages import EventMessage
from firmware_protocol.questions import Ticket
from firmware_protocol.rules import rule_for
from firmware_protocol.session import WINDOW, Endpoint, NotOpen


class Outbox:
    """address: for the texts of errors. clock: monotonic time, ns."""

    def __init__(self, address: str, endpoint: Endpoint, clock: Callable[[], int]) -> None:
        self._address = address
        self._endpoint = endpoint
        self._clock = clock
        self._unsent: deque[Asked] = deque()
        self._sent: dict[Ticket, tuple[Asked, int]] = {}
        self._begun: dict[int, Begun] = {}

    def put(self, asked: Asked) -> bytes:
        """What to write now."""
        if len(asked.messages) == 1 and not rule_for(asked.messages[0].opcode).ordered:
            return self.wire_of_next(asked)  # Needs no place in the window, so it does not wait for one.
        if asked.messages:
            self._unsent.append(asked)
        return self.wire()

    def wire(self) -> bytes:
        """Everything that the window has room for, in one piece."""
        wires: list[bytes] = []
        while self._unsent:
            asked = self._unsent[0]
            ordered = rule_for(asked.messages[asked.sent].opcode).ordered
            if not (self._endpoint.may_ask() if ordered else len(self._sent) < WINDOW):
                break
            wires.append(self.wire_of_next(asked))
            if asked.sent == len(asked.messages):
                self._unsent.popleft()
        return b"".join(wires)

    def wire_of_next(self, asked: Asked) -> bytes:
        place = asked.sent
        try:
            ticket, wire = self._endpoint.request(asked.messages[place], self._clock(), round(asked.device_s * 1e9))
        except NotOpen as error:
            asked.sent += 1
            asked.fail(place, LinkLost(f"{self._address}: {error}"))
            return b""
        except ValueError as error:
            asked.sent += 1
            asked.fail(place, Refused(f"{self._address}: {error}"))
            return b""
        self.note(asked, ticket)
        return wire

    def note(self, asked: Asked, ticket: Ticket) -> None:
        """Its next message is being sent under this ticket."""
        self._sent[ticket] = (asked, asked.sent)
        asked.sent += 1
        if isinstance(asked, Begun):
            asked.session, asked.seq = self._endpoint.session, ticket.seq
            self._begun[ticket.seq] = asked

    def answered(self, ticket: Ticket, frame: Frame) -> None:
        if waiting := self._sent.pop(ticket, None):  # None: the line failed between two events.
            waiting[0].answer(waiting[1], frame)

    def lost(self, ticket: Ticket, error: DriverError) -> None:
        if waiting := self._sent.pop(ticket, None):
            waiting[0].fail(waiting[1], error)

    def happened(self, seq: int, event: EventMessage) -> None:
        if begun := self._begun.get(seq):
            begun.happened(event)

    def ended(self, begun: Begun) -> None:
        """Nobody listens to this operation any more."""
        self._begun.pop(begun.seq, None)

    @property
    def outstanding(self) -> bool:
        """Whether anything of the owner's waits to be sent or for its answer."""
        return bool(self._unsent) or any(ticket.opcode != Opcode.KEEPALIVE for ticket in self._sent)

    def withdraw(self, asked: Asked, error: DriverError) -> None:
        """What of it has not been sent never will be."""
        if asked in self._unsent:
            self._unsent.remove(asked)
            asked.fail_unsent(error)

    def drop_unsent(self, error: DriverError) -> None:
        for asked in self._unsent:
            asked.fail_unsent(error)
        self._unsent.clear()

    def fail_all(self, error: DriverError) -> None:
        for asked, place in self._sent.values():
            asked.fail(place, error)
        for begun in self._begun.values():
            begun.happened(error)
        self._sent.clear()
        self._begun.clear()
        self.drop_unsent(error)
