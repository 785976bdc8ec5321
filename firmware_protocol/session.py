"""One conversation between a host and a device, without I/O: bytes and the time go in, events come out.

Rule 1: which request is legal when stands in `rules`; this file only follows it.
Rule 2: an ordered request is executed at most once, whatever the line does: lost, cut, garbled or doubled frames.
Rule 3: an answer belongs to a request only if session, sequence number and opcode agree; anything else is counted and dropped.
"""

from firmware_protocol.answers import Answers, Place
from firmware_protocol.codes import ALL_CAPABILITIES, PROTOCOL_MAJOR, Capability, Opcode, Status
from firmware_protocol.events import Abandoned, Answered, Event, Execute, Happened, LinkCounters, LinkDown, LostBy, Role, Transmit
from firmware_protocol.framing import DELIMITER, STOP_ZEROS, Frame, Kind
from firmware_protocol.messages import EmergencyStop, EventMessage, Hello, HelloResponse, Malformed, Message, Refusal, Request
from firmware_protocol.questions import Questions, Ticket, Timing
from firmware_protocol.rules import EVENT_BY_OPCODE, REQUEST_BY_OPCODE, rule_for

WINDOW = 8
CACHE = 16


class NotOpen(Exception):
    """A request of the session before HELLO was answered, or after the session ended."""


class WindowFull(Exception):
    """The oldest request without an answer is a whole window back; wait for its answer."""


class Endpoint:
    """Either end of a session. A host asks (`request`, `poll`), a device answers (`respond`); both `receive`.

    session: a host's nonce, 0 for one that only asks what any session may ask; a device takes it from HELLO.
    boot_id: a device's, new at every start; a host learns it from HELLO.
    heard_ns: when the session's owner was last heard (device).
    capabilities: what HELLO granted, all of it before. able: what this end can do.
    """

    def __init__(
        self,
        role: Role,
        *,
        session: int = 0,
        boot_id: int = 0,
        window: int = WINDOW,
        cache: int = CACHE,
        timing: Timing | None = None,
        able: Capability = ALL_CAPABILITIES,
    ) -> None:
        self.role = role
        self.session = session
        self.boot_id = boot_id
        self.heard_ns = 0
        self.open = False
        self.counters = LinkCounters()
        self.capabilities = able
        self._able = able
        self._window = window
        self._answers = Answers(window, cache)
        self._questions = Questions(window, timing or Timing())

    def receive(self, frame: Frame, now_ns: int) -> list[Event]:
        """What a frame from the other end means. Frames that mean nothing here are counted and give []."""
        self.counters.received += 1
        if self.role is Role.DEVICE and frame.kind is Kind.REQUEST:
            return self._asked(frame, now_ns)
        if self.role is Role.HOST and frame.kind is Kind.RESPONSE:
            return self._told(frame, now_ns)
        if self.role is Role.HOST and frame.kind is Kind.EVENT:
            return self._event_came(frame)
        self.counters.unexpected += 1
        return []

    # --- host

    def may_ask(self) -> bool:
        """Whether the window has room for one more ordered request."""
        return self._questions.may_ask()

    def request(self, message: Request, now_ns: int, extra_ns: int = 0) -> tuple[Ticket, bytes]:
        """Ticket of the request and the bytes to send now. extra_ns: how long the device itself may take.

        Raises NotOpen, WindowFull; ValueError when the message does not fit a frame.
        """
        rule = rule_for(message.opcode)
        if not (rule.any_session or self.open):
            raise NotOpen(f"{message.opcode.name} needs a session; say HELLO first")
        if rule.ordered and not self._questions.may_ask():
            raise WindowFull(f"{self._questions.window} requests are waiting for an answer")
        payload = message.encode()
        seq = self._questions.number(rule.ordered)
        boot_id = 0 if message.opcode is Opcode.HELLO else self.boot_id
        wire = Frame(Kind.REQUEST, message.opcode, seq, self.session, boot_id, payload=payload).encode()
        ticket = Ticket(message.opcode, seq)
        self._questions.add(ticket, wire, rule.ordered, now_ns, extra_ns)
        self.counters.sent += 1
        return ticket, wire

    def emergency_stop(self, now_ns: int) -> tuple[Ticket, bytes]:
        """Sixteen zero bytes and ESTOP: goes ahead of everything, needs no session and no place in the window."""
        ticket, wire = self.request(EmergencyStop(), now_ns)
        return ticket, DELIMITER * STOP_ZEROS + wire

    def poll(self, now_ns: int) -> list[Event]:
        """What the passing of time means: requests to send again, or a link that is down."""
        if self._questions.overdue(now_ns) is not None:
            return self.end(LostBy.SILENCE)
        if not self._questions.timed_out(now_ns):
            return []
        self.counters.timeouts += 1
        return self._send_again(now_ns)

    def next_poll_ns(self) -> int | None:
        """When `poll` will next have something to say; None while nothing waits."""
        return self._questions.next_event_ns()

    def end(self, reason: LostBy) -> list[Event]:
        """The session is over: every request in flight is abandoned."""
        self.open = False
        return [*(Abandoned(ticket, reason) for ticket in self._questions.abandon()), LinkDown(reason)]

    def _told(self, frame: Frame, now_ns: int) -> list[Event]:
        ticket = Ticket(frame.opcode, frame.seq)
        if frame.session != self.session:
            self.counters.late += 1
            return []
        if self.boot_id not in (0, frame.boot_id):
            return self.end(LostBy.REBOOT)
        if not self._questions.waits_for(ticket):
            self.counters.late += 1
            return []
        if frame.status == Status.REFUSED_SEQUENCE:
            self.counters.naks += 1
            return self._send_again(now_ns)
        if frame.status == Status.REFUSED_BAD_SESSION and frame.opcode != Opcode.HELLO:
            self.counters.bad_session += 1
            return self.end(LostBy.SESSION)
        self._questions.settle(ticket, now_ns)
        if frame.opcode == Opcode.HELLO and frame.status == Status.OK:
            self._welcome(frame)
        return [Answered(ticket, frame)]

    def _event_came(self, frame: Frame) -> list[Event]:
        if not self.open or frame.session != self.session:
            self.counters.late += 1
            return []
        if frame.boot_id != self.boot_id:
            return self.end(LostBy.REBOOT)
        message = EVENT_BY_OPCODE.get(frame.opcode)
        if message is None:
            self.counters.unexpected += 1
            return []
        try:
            return [Happened(frame.seq, message.decode(frame.payload))]
        except Malformed:
            self.counters.unexpected += 1
            return []

    def _welcome(self, frame: Frame) -> None:
        try:
            hello = HelloResponse.decode(frame.payload)
        except Malformed:
            return  # The session stays closed; whoever reads the answer finds the same fault and names it.
        self.boot_id = frame.boot_id
        self.open = True
        self.capabilities = Capability(hello.capabilities & ALL_CAPABILITIES)
        self._questions.window = max(1, min(self._questions.window, hello.window))

    def _send_again(self, now_ns: int) -> list[Event]:
        wires = self._questions.resend(now_ns)
        self.counters.retransmitted += len(wires)
        # The leading delimiter ends whatever half frame the line may hold.
        return [Transmit(DELIMITER + wire) for wire in wires]

    # --- device

    def owns(self, frame: Frame) -> bool:
        """Whether the frame comes from the session that now holds the device."""
        return self.open and frame.session == self.session and frame.boot_id == self.boot_id

    def respond(self, frame: Frame, status: Status, payload: bytes = b"") -> bytes:
        """Bytes of the answer to an executed frame, remembered where it may be asked for again."""
        if status not in (Status.OK, Status.ACCEPTED) and not payload:
            payload = Refusal().encode()
        answer = Frame(Kind.RESPONSE, frame.opcode, frame.seq, frame.session, self.boot_id, status, self._window, payload)
        wire = answer.encode()
        if rule_for(frame.opcode).ordered and self.owns(frame) and status is not Status.REFUSED_SEQUENCE:
            self._answers.remember(frame.seq, wire)
        self.counters.sent += 1
        return wire

    def event(self, seq: int, message: EventMessage, session: int | None = None) -> bytes:
        """Bytes of an event of the operation that the request `seq` began. Sent once; it may get lost. session: the present one."""
        of_session = self.session if session is None else session
        frame = Frame(Kind.EVENT, message.opcode, seq, of_session, self.boot_id, Status.OK, self._window, message.encode())
        self.counters.sent += 1
        return frame.encode()

    def _asked(self, frame: Frame, now_ns: int) -> list[Event]:
        if self.owns(frame):
            self.heard_ns = now_ns
        if frame.opcode == Opcode.HELLO:
            return self._hello(frame, now_ns)
        rule = rule_for(frame.opcode)
        if not (rule.any_session or self.owns(frame)):
            self.counters.bad_session += 1
            return [Transmit(self.respond(frame, Status.REFUSED_BAD_SESSION))]
        return self._in_order(frame) if rule.ordered else self._decoded(frame)

    def _hello(self, frame: Frame, now_ns: int) -> list[Event]:
        try:
            hello = Hello.decode(frame.payload)
        except Malformed:
            return [Transmit(self.respond(frame, Status.REFUSED_MALFORMED))]
        if hello.protocol_major != PROTOCOL_MAJOR:
            versions = Refusal(hello.protocol_major, PROTOCOL_MAJOR).encode()
            return [Transmit(self.respond(frame, Status.REFUSED_VERSION, versions))]
        if frame.session == 0 or (frame.session == self.session and self._answers.expected != 1):
            # A nonce at work is not begun again: what was executed under it would be executed, or answered, a second time.
            return [Transmit(self.respond(frame, Status.REFUSED_BAD_SESSION))]
        if frame.session != self.session:
            self.session = frame.session
            self._answers.restart()
        self.open = True
        self.heard_ns = now_ns
        self.capabilities = Capability(hello.capabilities) & self._able
        return [Execute(frame, hello)]

    def _in_order(self, frame: Frame) -> list[Event]:
        place = self._answers.place(frame.seq)
        if place is Place.NEW:
            return self._decoded(frame)
        if place is Place.AGAIN:
            self.counters.replayed += 1
            return [Transmit(self._answers.recall(frame.seq))]
        if place is Place.GAP:
            self.counters.naks += 1
            expected = Refusal(frame.seq, self._answers.expected).encode()
            return [Transmit(self.respond(frame, Status.REFUSED_SEQUENCE, expected))]
        self.counters.stale += 1
        return []

    def _decoded(self, frame: Frame) -> list[Event]:
        request = REQUEST_BY_OPCODE.get(frame.opcode)
        missing = rule_for(frame.opcode).needs & ~(self.capabilities if self.owns(frame) else self._able)
        if request is None or missing:
            return [Transmit(self.respond(frame, Status.REFUSED_UNSUPPORTED, Refusal(frame.opcode).encode()))]
        try:
            return [Execute(frame, request.decode(frame.payload))]
        except Malformed:
            return [Transmit(self.respond(frame, Status.REFUSED_MALFORMED, Refusal(len(frame.payload)).encode()))]


def decode_answer(request: type[Request], frame: Frame) -> Message:
    """The message that answers `request`: its response when the status is OK or ACCEPTED, a Refusal otherwise. Raises Malformed."""
    return request.response.decode(frame.payload) if frame.status in (Status.OK, Status.ACCEPTED) else Refusal.decode(frame.payload)
