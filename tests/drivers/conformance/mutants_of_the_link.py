"""Boards that each break one promise of frames, sessions, order or messages. `LINK_MUTANTS`: the board, and the rules it must be
found out by, and no others."""

import zlib
from dataclasses import replace

from cobs import cobs

from firmware_protocol import codes, messages
from firmware_protocol.codes import DeviceState, Opcode, SafeReason, Status
from firmware_protocol.events import Role
from firmware_protocol.framing import CRC, HEADER, Deframer, Frame, Kind, Rejected, RejectReason
from firmware_protocol.messages import Message, Refusal, Request
from firmware_protocol.rules import REQUEST_BY_OPCODE, rule_for
from firmware_protocol.schema import reserved_bytes
from firmware_protocol.session import Endpoint
from tests.drivers.conformance.small_board import SmallBoard


def altered(frame: Frame, **fields: object) -> Frame:
    values = {name: getattr(frame, name) for name in ("kind", "opcode", "seq", "session", "boot_id", "status", "credit", "payload")}
    return Frame(**{**values, **fields})  # type: ignore[arg-type]


def ordered(frame: Frame) -> bool:
    return frame.kind is Kind.REQUEST and rule_for(frame.opcode).ordered


class Pieces(SmallBoard):
    """Sees what lies between delimiters before the deframer does."""

    rest = b""

    def feed(self, data: bytes, now_ns: int) -> None:
        *pieces, self.rest = (self.rest + data).split(b"\0")
        for piece in pieces:
            super().feed(self.seen(piece) + b"\0", now_ns)

    def seen(self, piece: bytes) -> bytes:
        return piece


# --- F
class TakesWrongCrc(Pieces):
    def seen(self, piece: bytes) -> bytes:
        try:
            raw = cobs.decode(piece)
        except cobs.DecodeError:
            return piece
        if len(raw) < HEADER.size + CRC.size:
            return piece
        body = raw[: -CRC.size]
        return cobs.encode(body + CRC.pack(zlib.crc32(body)))


class CountsNoRejects(SmallBoard):
    def count_rejected(self, rejected: Rejected) -> None: ...


class TakesChunksForFrames(SmallBoard):
    def feed(self, data: bytes, now_ns: int) -> None:
        self.deframer = Deframer()
        super().feed(data, now_ns)


class KnowsOneCobsForm(Pieces):
    def seen(self, piece: bytes) -> bytes:
        try:
            return piece if cobs.encode(cobs.decode(piece)) == piece else b""
        except cobs.DecodeError:
            return piece


class CountsBabbleByTheByte(SmallBoard):
    def count_rejected(self, rejected: Rejected) -> None:
        for _ in range(2 if rejected.reason is RejectReason.BABBLE else 1):
            super().count_rejected(rejected)


class ObeysOneOrderLessAfterNoise(SmallBoard):
    """What follows a rejected run in the same breath is lost with it, questions excepted."""

    deaf = False

    def count_rejected(self, rejected: Rejected) -> None:
        super().count_rejected(rejected)
        self.deaf = True

    def hear(self, frame: Frame) -> None:
        lost, self.deaf = self.deaf and frame.opcode == Opcode.ECHO and self.endpoint.owns(frame), False
        if not lost:
            super().hear(frame)


class LosesLongPayloads(SmallBoard):
    def hear(self, frame: Frame) -> None:
        if len(frame.payload) <= 1024:
            super().hear(frame)


class AnswersAnswers(SmallBoard):
    def hear(self, frame: Frame) -> None:
        if frame.kind is Kind.RESPONSE:
            self.out.append(self.endpoint.respond(frame, Status.OK))
        super().hear(frame)


# --- S
class GreetsNobody(SmallBoard):
    def hear(self, frame: Frame) -> None:
        if frame.opcode == Opcode.HELLO and frame.session == 0:
            self.out.append(self.endpoint.respond(frame, Status.OK, self.do_hello(frame, messages.Hello()).encode()))
        else:
            super().hear(frame)


class BeginsANonceAgain(SmallBoard):
    def hear(self, frame: Frame) -> None:
        if frame.opcode == Opcode.HELLO and frame.session == self.endpoint.session:
            self.endpoint = self.make_endpoint()
        super().hear(frame)


class IgnoresTheMajorVersion(SmallBoard):
    def hear(self, frame: Frame) -> None:
        if frame.opcode == Opcode.HELLO and len(frame.payload) == messages.Hello.layout.size:
            frame = altered(frame, payload=bytes([codes.PROTOCOL_MAJOR]) + frame.payload[1:])
        super().hear(frame)


class WantsItsOwnMinorVersion(SmallBoard):
    def execute(self, frame: Frame, message: Request) -> bytes:
        if isinstance(message, messages.Hello) and message.protocol_minor > codes.PROTOCOL_MINOR:
            return self.endpoint.respond(frame, Status.REFUSED_VERSION, Refusal(message.protocol_minor, codes.PROTOCOL_MINOR).encode())
        return super().execute(frame, message)


class ObeysAnySession(SmallBoard):
    def hear(self, frame: Frame) -> None:
        super().hear(altered(frame, session=self.endpoint.session) if ordered(frame) else frame)


class ObeysThoughItRefuses(SmallBoard):
    """The answer says BAD_SESSION, and yet it was done."""

    def hear(self, frame: Frame) -> None:
        if ordered(frame) and frame.session != self.endpoint.session and frame.opcode in REQUEST_BY_OPCODE:
            self.execute(frame, REQUEST_BY_OPCODE[frame.opcode].decode(frame.payload))
        super().hear(frame)


class ForgetsTheBootId(SmallBoard):
    def hear(self, frame: Frame) -> None:
        super().hear(altered(frame, boot_id=self.endpoint.boot_id) if ordered(frame) else frame)


class AnswersQuestionsOfItsHostOnly(SmallBoard):
    def hear(self, frame: Frame) -> None:
        if frame.opcode in (Opcode.GET_DICT, Opcode.QUERY_PULSE) and not self.endpoint.owns(frame):
            self.out.append(self.endpoint.respond(frame, Status.REFUSED_BAD_SESSION))
        else:
            super().hear(frame)


class ObeysTheFormerHost(SmallBoard):
    former = 0

    def hear(self, frame: Frame) -> None:
        if frame.opcode == Opcode.HELLO and frame.session != self.endpoint.session:
            self.former = self.endpoint.session
        super().hear(altered(frame, session=self.endpoint.session) if ordered(frame) and frame.session == self.former else frame)


class RestartsWithEachSession(SmallBoard):
    def do_hello(self, frame: Frame, message: messages.Hello) -> Message:
        self.endpoint.boot_id += 1
        return super().do_hello(frame, message)


class ChattersWhenKeptAlive(SmallBoard):
    def do_keepalive(self, _frame: Frame, _message: Request) -> Message:
        return messages.EchoResponse(b"alive")


class KeepsAliveForAnybody(SmallBoard):
    def hear(self, frame: Frame) -> None:
        super().hear(altered(frame, session=self.endpoint.session) if frame.opcode == Opcode.KEEPALIVE else frame)


# --- W
class GrantsItsOwnWindow(SmallBoard):
    def do_hello(self, frame: Frame, message: messages.Hello) -> Message:
        return super().do_hello(frame, replace(message, window=8))


class Gaps(SmallBoard):
    """Knows which ordered frames the session passes over in silence."""

    expected = 1

    def hear(self, frame: Frame) -> None:
        if frame.opcode == Opcode.HELLO and frame.session != self.endpoint.session:
            self.expected = 1
        before = len(self.out)
        super().hear(frame)
        if not (ordered(frame) and self.endpoint.owns(frame)):
            return
        ahead = (frame.seq - self.expected) % 65_536
        if ahead == 0:
            self.expected += 1
        elif len(self.out) == before:
            self.silent(frame, ahead < 32_768)

    def silent(self, frame: Frame, gap: bool) -> None: ...


class NumbersKeepAlives(Gaps):
    """A KEEPALIVE must be the next in order, as if it were one."""

    def hear(self, frame: Frame) -> None:
        if frame.opcode == Opcode.KEEPALIVE and self.endpoint.owns(frame) and frame.seq != self.expected:
            numbers = Refusal(frame.seq, self.expected).encode()
            self.out.append(self.endpoint.respond(frame, Status.REFUSED_SEQUENCE, numbers))
        else:
            super().hear(frame)


class RefusesEveryFrameOfAGap(Gaps):
    def silent(self, frame: Frame, gap: bool) -> None:
        if gap:
            numbers = Refusal(frame.seq, self.expected).encode()
            self.out.append(self.endpoint.respond(frame, Status.REFUSED_SEQUENCE, numbers))


class AnswersStaleOrders(Gaps):
    def silent(self, frame: Frame, gap: bool) -> None:
        if not gap:
            self.out.append(self.endpoint.respond(frame, Status.REFUSED_SEQUENCE))


class NamesTheWrongNumber(SmallBoard):
    def hear(self, frame: Frame) -> None:
        super().hear(frame)
        if self.out and (answer := Deframer().feed(self.out[-1])[0]).status == Status.REFUSED_SEQUENCE:  # type: ignore[union-attr]
            self.out[-1] = altered(answer, payload=Refusal(frame.seq, frame.seq).encode()).encode()  # type: ignore[arg-type]


class ExecutesDuplicates(SmallBoard):
    """Answers them from memory all the same."""

    def __init__(self) -> None:
        super().__init__()
        self.done: set[tuple[int, int]] = set()

    def hear(self, frame: Frame) -> None:
        if ordered(frame) and self.endpoint.owns(frame) and frame.opcode in REQUEST_BY_OPCODE:
            if (frame.session, frame.seq) in self.done and frame.opcode == Opcode.CLEAR_FAULT:
                self.isolate(SafeReason.HOST)
            self.done.add((frame.session, frame.seq))
        super().hear(frame)


class RemembersTooFewAnswers(SmallBoard):
    def make_endpoint(self) -> Endpoint:
        return Endpoint(Role.DEVICE, boot_id=0x0707, able=self.able, window=4, cache=4)


class ForgetsRefusals(SmallBoard):
    """A refused order is executed anew when it is repeated, and the answer is another."""

    refusals = 0

    def hear(self, frame: Frame) -> None:
        super().hear(frame)
        if self.out and (answer := Deframer().feed(self.out[-1])[0]).status == Status.REFUSED_CONFIG:  # type: ignore[union-attr]
            self.refusals += 1
            if frame.opcode == Opcode.CLEAR_FAULT and self.state is DeviceState.SAFE:
                self.out[-1] = altered(answer, credit=self.refusals).encode()  # type: ignore[arg-type]


# --- M
class IgnoresUnknownOpcodes(SmallBoard):
    def hear(self, frame: Frame) -> None:
        if frame.opcode in REQUEST_BY_OPCODE:
            super().hear(frame)


class UnknownOpcodesTakeNoPlace(SmallBoard):
    def hear(self, frame: Frame) -> None:
        if frame.opcode in REQUEST_BY_OPCODE or frame.kind is not Kind.REQUEST:
            super().hear(frame)
        else:
            self.out.append(self.endpoint.respond(frame, Status.REFUSED_UNSUPPORTED, Refusal(frame.opcode).encode()))


class TakesAnyLength(SmallBoard):
    def hear(self, frame: Frame) -> None:
        request = REQUEST_BY_OPCODE.get(frame.opcode)
        if request is not None and not request.tail_unit:
            frame = altered(frame, payload=frame.payload[: request.layout.size].ljust(request.layout.size, b"\xff"))
        super().hear(frame)


class IgnoresReservedBytes(SmallBoard):
    def hear(self, frame: Frame) -> None:
        request = REQUEST_BY_OPCODE.get(frame.opcode)
        payload = bytearray(frame.payload)
        for offset in reserved_bytes(request) if request is not None and len(payload) >= request.layout.size else ():
            payload[offset] = 0
        super().hear(altered(frame, payload=bytes(payload)))


LINK_MUTANTS: dict[type[SmallBoard], set[str]] = {
    TakesWrongCrc: {"F1"},
    CountsNoRejects: {"F1", "F3", "F5"},
    TakesChunksForFrames: {"F2"},
    KnowsOneCobsForm: {"F4"},
    CountsBabbleByTheByte: {"F1", "F5"},
    ObeysOneOrderLessAfterNoise: {"F3", "F5"},
    LosesLongPayloads: {"F6"},
    AnswersAnswers: {"F7"},
    GreetsNobody: {"S1"},
    BeginsANonceAgain: {"S2"},
    IgnoresTheMajorVersion: {"S3"},
    WantsItsOwnMinorVersion: {"S4"},
    ObeysAnySession: {"S5", "S8"},
    ObeysThoughItRefuses: {"S5"},
    ForgetsTheBootId: {"S6"},
    AnswersQuestionsOfItsHostOnly: {"S7"},
    ObeysTheFormerHost: {"S8"},
    RestartsWithEachSession: {"S9"},
    ChattersWhenKeptAlive: {"S10"},
    NumbersKeepAlives: {"S10", "M2", "E3", "T1"},
    KeepsAliveForAnybody: {"S10"},
    GrantsItsOwnWindow: {"W1"},
    RefusesEveryFrameOfAGap: {"W2"},
    NamesTheWrongNumber: {"W2"},
    ExecutesDuplicates: {"W3"},
    RemembersTooFewAnswers: {"W4"},
    AnswersStaleOrders: {"W5"},
    ForgetsRefusals: {"W6"},
    IgnoresUnknownOpcodes: {"M1"},
    UnknownOpcodesTakeNoPlace: {"M1"},
    TakesAnyLength: {"M2"},
    IgnoresReservedBytes: {"M3"},
}
