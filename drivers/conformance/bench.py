"""The board under test as the rules see it: sessions and numbers by hand, so that they can also be wrong on purpose.

Silence is proven without waiting for it: STATUS is asked behind what must not be answered, and its answer ends the listening.
"""

from collections.abc import Callable
from dataclasses import dataclass

from drivers.conformance.wire import ANSWER_S, Wire
from firmware_protocol.codes import DeviceState, EventCode, Opcode, Status
from firmware_protocol.framing import DELIMITER, Frame, Kind
from firmware_protocol.messages import (
    ClearFault,
    Disarm,
    GetStatus,
    Hello,
    HelloResponse,
    Malformed,
    Message,
    Refusal,
    Request,
    StatusResponse,
)
from firmware_protocol.rules import rule_for

GOLDEN_SESSION = 0xBEEF
"""Quoted by the golden vectors; never opened here."""
_FIRST_TAG = 0x8000


class Broken(Exception):
    """A rule does not hold. about: the message it showed in."""

    def __init__(self, about: str, expected: str, got: str) -> None:
        super().__init__(f"{about}: expected {expected}; got {got}")
        self.about, self.expected, self.got = about, expected, got


class Skip(Exception):
    """A rule has nothing to test on this board; the text says why."""


@dataclass(frozen=True)
class Heard:
    """What came before the answer to a STATUS asked last, and that answer."""

    frames: tuple[Frame, ...]
    status: StatusResponse


class Bench:
    """session, boot_id: of the session opened last. events: EVENT frames that came meanwhile. strays: answers nobody waited for."""

    def __init__(self, wire: Wire, nonces: Callable[[], int]) -> None:
        self.wire = wire
        self.session = 0
        self.boot_id = 0
        self.opened: set[int] = {0}
        self.events: list[Frame] = []
        self.strays: list[Frame] = []
        self.figures: dict[str, float] = {}
        self._nonces = nonces
        self._hello: HelloResponse | None = None
        self._next_seq = 1
        self._next_tag = _FIRST_TAG

    @property
    def hello_said(self) -> HelloResponse:
        """The answer to the last HELLO that opened a session."""
        assert self._hello is not None, "no session yet"
        return self._hello

    @property
    def window(self) -> int:
        return max(1, self.hello_said.window)

    # --- numbers and frames
    def number(self) -> int:
        """The next sequence number of the session; who takes it must use it."""
        seq, self._next_seq = self._next_seq, (self._next_seq + 1) & 0xFFFF
        return seq

    def tag(self) -> int:
        tag, self._next_tag = self._next_tag, _FIRST_TAG | ((self._next_tag + 1) & 0x7FFF)
        return tag

    def nonce(self) -> int:
        """One that was not used before in this run."""
        while (nonce := self._nonces()) in self.opened or nonce == GOLDEN_SESSION:
            pass
        return nonce

    def frame(self, message: Request, seq: int, *, session: int | None = None, boot_id: int | None = None) -> bytes:
        return self.raw(message.opcode, seq, message.encode(), session=session, boot_id=boot_id)

    def raw(self, opcode: int, seq: int, payload: bytes, *, session: int | None = None, boot_id: int | None = None) -> bytes:
        """Wire bytes of a request, well-formed or not; session and boot id are those of the present session unless given."""
        quoted = (self.session if session is None else session, self.boot_id if boot_id is None else boot_id)
        return Frame(Kind.REQUEST, opcode, seq, *quoted, payload=payload).encode()

    # --- questions
    def greet(self, message: Hello | None = None, session: int | None = None, within_s: float = ANSWER_S) -> Frame:
        """Say HELLO; when it is granted, its session is the present one and the next number is 1."""
        nonce = self.nonce() if session is None else session
        self.opened.add(nonce)
        tag = self.tag()
        self.wire.write(self.frame(message or Hello(), tag, session=nonce, boot_id=0))
        answer = self.answer_to(Opcode.HELLO, tag, nonce, within_s)
        if answer.status == Status.OK:
            self.session, self.boot_id, self._next_seq = nonce, answer.boot_id, 1
        return answer

    def hello(self, message: Hello | None = None) -> HelloResponse:
        """A new session. Raises Broken when it is refused."""
        asked = message or Hello()
        said_back = decoded(asked, self._granted(self.greet(asked)))
        assert isinstance(said_back, HelloResponse)
        self._hello = said_back
        return said_back

    def ask(self, message: Request, within_s: float = ANSWER_S) -> Frame:
        """The answer, whatever it says. Raises Broken when none comes."""
        return self.ask_raw(message.opcode, message.encode(), within_s)

    def ask_raw(self, opcode: int, payload: bytes, within_s: float = ANSWER_S) -> Frame:
        seq = self.number() if rule_for(opcode).ordered else self.tag()
        self.wire.write(self.raw(opcode, seq, payload))
        return self.answer_to(opcode, seq, self.session, within_s)

    def answer_to(self, opcode: int, seq: int, session: int, within_s: float = ANSWER_S) -> Frame:
        """Frames that answer something else are kept in `events` and `strays`. Raises Broken when no answer comes."""
        deadline_s = self.wire.now_s() + within_s
        while (left_s := deadline_s - self.wire.now_s()) > 0:
            frame = self.wire.next_frame(left_s)
            if frame is None:
                break
            if frame.kind is Kind.RESPONSE and (frame.opcode, frame.seq, frame.session) == (opcode, seq, session):
                return frame
            (self.events if frame.kind is Kind.EVENT else self.strays).append(frame)
        raise Broken(f"{name_of(opcode)} seq {seq}", "an answer", f"none within {within_s:g} s")

    def granted(self, message: Request, within_s: float = ANSWER_S) -> Message:
        """What the answer says. Raises Broken unless it was carried out."""
        return decoded(message, self._granted(self.ask(message, within_s)))

    def refused(self, message: Request, status: Status, value: int | None = None, limit: int | None = None) -> None:
        """Raises Broken unless the message is refused with `status` and, where given, these numbers."""
        check_refusal(self.ask(message), status, value, limit)

    def _granted(self, frame: Frame) -> Frame:
        if frame.status != Status.OK:
            raise Broken(about(frame), "OK", said(frame))
        return frame

    # --- what was not answered
    def probe(self, data: bytes) -> Heard:
        """Send `data`, then STATUS: everything that was answered before it. Raises Broken when STATUS is not answered."""
        before = (len(self.strays), len(self.events))
        tag = self.tag()
        self.wire.write(data + self.frame(GetStatus(), tag))
        answer = self.answer_to(Opcode.STATUS, tag, self.session)
        frames = (*self.strays[before[0] :], *self.events[before[1] :])
        del self.strays[before[0] :]
        return Heard(frames, StatusResponse.decode(self._granted(answer).payload))

    def status(self) -> StatusResponse:
        return self.probe(b"").status

    def resynchronise(self) -> StatusResponse:
        """Ends whatever half frame the line may hold; forgets what was heard. Raises Broken when nothing answers."""
        status = self.probe(DELIMITER).status
        self.strays.clear()
        self.events.clear()
        return status

    def make_safe(self) -> StatusResponse:
        """SAFE and at rest, from whatever state, in the present session. Raises Broken when the board does not comply."""
        status = self.status()
        if status.state == DeviceState.ESTOPPED:
            self.granted(ClearFault(status.safe_reason, status.stops))
        elif status.state != DeviceState.SAFE or status.operation:
            self.granted(Disarm())
        return self.status()


def name_of(opcode: int) -> str:
    for codes in (Opcode, EventCode):
        if opcode in list(codes):
            return codes(opcode).name
    return f"opcode {opcode}"


def status_name(status: int) -> str:
    return Status(status).name if status in list(Status) else f"status {status}"


def about(frame: Frame) -> str:
    return f"{name_of(frame.opcode)} seq {frame.seq}"


def said(frame: Frame) -> str:
    """Status, and the numbers of a refusal."""
    if frame.status in (Status.OK, Status.ACCEPTED):
        return status_name(frame.status)
    try:
        refusal = Refusal.decode(frame.payload)
    except Malformed:
        return f"{status_name(frame.status)} with a payload of {len(frame.payload)} bytes that is no Refusal"
    return f"{status_name(frame.status)} (value {refusal.value}, limit {refusal.limit})"


def decoded(message: Request, frame: Frame) -> Message:
    """Raises Broken when the payload is not the message's response."""
    try:
        return message.response.decode(frame.payload)
    except Malformed as error:
        raise Broken(about(frame), f"a {message.response.__name__}", str(error)) from error


def check_refusal(frame: Frame, status: Status, value: int | None = None, limit: int | None = None) -> None:
    """Raises Broken unless the frame refuses so. A refusal always carries a Refusal, also where its numbers mean nothing."""
    expected = status.name
    if value is not None or limit is not None:
        shown = ["any" if number is None else str(number) for number in (value, limit)]
        expected += f" (value {shown[0]}, limit {shown[1]})"
    if frame.status != status:
        raise Broken(about(frame), expected, said(frame))
    try:
        refusal = Refusal.decode(frame.payload)
    except Malformed as error:
        raise Broken(about(frame), f"{expected} with a Refusal", said(frame)) from error
    if value not in (None, refusal.value) or limit not in (None, refusal.limit):
        raise Broken(about(frame), expected, said(frame))


def check(holds: bool, about_what: str, expected: object, got: object) -> None:
    """Raises Broken."""
    if not holds:
        raise Broken(about_what, str(expected), str(got))
