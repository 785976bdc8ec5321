"""A host for one device end, on virtual time and without a line between them: what is due leaves at once and arrives at once."""

from dataclasses import dataclass

import numpy as np

from firmware_protocol import messages
from firmware_protocol.codes import DeviceState, PulseOutcome, Route, Status
from firmware_protocol.events import Answered, Happened, Role
from firmware_protocol.framing import Deframer, Frame, Kind
from firmware_protocol.limits import Limits
from firmware_protocol.messages import EventMessage, Message, Refusal, Request
from firmware_protocol.questions import Ticket, Timing
from firmware_protocol.session import Endpoint, decode_answer
from tests.support.device_end import DeviceEnd

US, MS, S = 1_000, 1_000_000, 1_000_000_000
NEVER_AGAIN = Timing(first_rto_ns=10**18, min_rto_ns=10**18, max_rto_ns=10**18, give_up_ns=10**18)
"""The host of this suite repeats nothing by itself: what is repeated, the test repeats."""
MOST_TURNS = 100_000


@dataclass(frozen=True)
class Said:
    """One answer. at_ns: when it left the device."""

    status: Status
    message: Message
    at_ns: int
    frame: Frame


class DeviceHost:
    """One host. now_ns: the time of the whole bench, shared with other hosts by giving them this one as `beside`.

    answers: by ticket. events: (time, seq of the operation, what it said). frames: everything that came, in order.
    """

    def __init__(self, end: DeviceEnd, session: int = 0x1111, beside: "DeviceHost | None" = None) -> None:
        self.end = end
        self.endpoint = Endpoint(Role.HOST, session=session, timing=NEVER_AGAIN)
        self.deframer = Deframer()
        self.answers: dict[Ticket, Said] = {}
        self.events: list[tuple[int, int, EventMessage]] = []
        self.frames: list[tuple[int, Frame]] = []
        self._asked: dict[Ticket, Request] = {}
        self._hosts: list[DeviceHost] = [self] if beside is None else beside._hosts
        if beside is not None:
            self._hosts.append(self)
        self._clock = [0] if beside is None else beside._clock

    @property
    def now_ns(self) -> int:
        return self._clock[0]

    # --- time
    def advance(self, ns: int) -> None:
        """Let so much time pass; whatever the device says meanwhile has come."""
        self.until(self.now_ns + ns)

    def until(self, to_ns: int) -> None:
        for _ in range(MOST_TURNS):
            self._drain()
            due_ns = self.end.due_ns(self.now_ns)
            if due_ns is None or due_ns > to_ns:
                self._clock[0] = max(self.now_ns, to_ns)
                self._drain()
                return
            self._clock[0] = max(self.now_ns, due_ns)
        raise AssertionError(f"the device is due at {due_ns} for ever and says nothing")

    def _drain(self) -> None:
        for _ in range(MOST_TURNS):
            if not (data := self.end.take(self.now_ns)):
                due_ns = self.end.due_ns(self.now_ns)
                if due_ns is None or due_ns > self.now_ns:
                    return
            for host in self._hosts:
                host._hear(data)

    def _hear(self, data: bytes) -> None:
        for found in self.deframer.feed(data):
            assert isinstance(found, Frame), f"the device sent what is no frame: {found}"
            self.frames.append((self.now_ns, found))
            for event in self.endpoint.receive(found, self.now_ns):
                if isinstance(event, Answered):
                    request = self._asked[event.ticket]
                    message = decode_answer(type(request), event.frame)
                    self.answers[event.ticket] = Said(Status(event.frame.status), message, self.now_ns, event.frame)
                elif isinstance(event, Happened):
                    self.events.append((self.now_ns, event.seq, event.message))

    # --- requests
    def send(self, message: Request) -> Ticket:
        """Say it now; what it brings about comes with the time."""
        ticket, wire = self.endpoint.request(message, self.now_ns)
        self._asked[ticket] = message
        self.end.feed(wire, self.now_ns)
        self._drain()
        return ticket

    def answer(self, ticket: Ticket, within_ns: int = 100 * S) -> Said:
        """Let time pass until it is answered."""
        last_ns = self.now_ns + within_ns
        while ticket not in self.answers:
            due_ns = self.end.due_ns(self.now_ns)
            assert due_ns is not None and due_ns <= last_ns, f"{ticket} is never answered: now {self.now_ns}, next {due_ns}"
            self.until(due_ns)
        return self.answers[ticket]

    def say(self, message: Request) -> Said:
        return self.answer(self.send(message))

    def ask(self, message: Request) -> Message:
        """The answer to something that must be done."""
        said = self.say(message)
        assert said.status in (Status.OK, Status.ACCEPTED), f"{message}: {said.status.name} {said.message}"
        return said.message

    def refused(self, message: Request) -> tuple[Status, int, int]:
        """(status, value, limit) of the answer to something that must not be done."""
        said = self.say(message)
        assert isinstance(said.message, Refusal), f"{message} was carried out: {said.message}"
        return said.status, said.message.value, said.message.limit

    # --- below the session
    def frame(self, message: Request, seq: int, **header: int) -> Frame:
        """A request frame as this host would send it, with single header fields changed."""
        fields: dict[str, int] = {"session": self.endpoint.session, "boot_id": self.endpoint.boot_id, **header}
        return Frame(Kind.REQUEST, message.opcode, seq, payload=message.encode(), **fields)

    def raw(self, data: bytes) -> list[Frame]:
        """Bytes straight to the device; the frames that came at once."""
        before = len(self.frames)
        self.end.feed(data, self.now_ns)
        self._drain()
        return [frame for _, frame in self.frames[before:]]

    # --- what every test does
    def hello(self) -> messages.HelloResponse:
        answer = self.ask(messages.Hello())
        assert isinstance(answer, messages.HelloResponse)
        return answer

    def again(self, session: int | None = None) -> messages.HelloResponse:
        """A new session, as after a lost connection."""
        self.endpoint = Endpoint(Role.HOST, session=session or self.endpoint.session + 1, timing=NEVER_AGAIN)
        self.deframer = Deframer()
        self.answers.clear()
        self._asked.clear()
        return self.hello()

    def arm(self) -> None:
        self.ask(messages.Arm(self.status().limits_crc32))

    def status(self) -> messages.StatusResponse:
        answer = self.ask(messages.GetStatus())
        assert isinstance(answer, messages.StatusResponse)
        return answer

    def fate(self, pulse_id: int) -> PulseOutcome:
        return self.fate_and_owner(pulse_id)[0]

    def fate_and_owner(self, pulse_id: int) -> tuple[PulseOutcome, int]:
        """What became of a pulse, and the session whose command it belongs to; 0: none that is known."""
        answer = self.ask(messages.QueryPulse(pulse_id))
        assert isinstance(answer, messages.QueryPulseResponse)
        assert answer.pulse_id == pulse_id
        return PulseOutcome(answer.outcome), answer.of_session

    def enter(self, state: DeviceState) -> None:
        """Bring a device that is SAFE into a state."""
        if state is DeviceState.SELECTED:
            self.ask(messages.Select(Route.JUNCTION, 7))
        elif state is DeviceState.ARMED:
            self.arm()
        elif state is DeviceState.ESTOPPED:
            self.ask(messages.EmergencyStop())
        assert self.status().state == state


def u16(*values: int) -> bytes:
    return np.array(values, "<u2").tobytes()


def program(first: int, *devices: int, uv: int = 100_000, ns: int = 100) -> messages.Program:
    return messages.Program(first, uv, ns, u16(*devices))


def tight(**changes: int) -> messages.SetLimits:
    """SET_LIMITS with the board's own values but these."""
    return messages.SetLimits(Limits(**changes).encode())
