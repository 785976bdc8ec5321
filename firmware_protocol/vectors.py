"""Golden vectors: frames as fields, as raw bytes and as bytes on the wire, with the verdict of whoever reads them.

Rule: made from the messages, committed as vectors.jsonl, and compared in the tests: a change of the wire is a change of
that file. Another implementation replays the file line by line. Write it anew with `python -m firmware_protocol.vectors`.

Each line: name; wire (hex, delimiters included); verdicts (one per frame on the wire: "accept" or the reason of
rejection); for accepted ones fields, raw (hex, before COBS) and canonical (whether wire is what an encoder must send).
"""

import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cobs import cobs

from firmware_protocol import codes, messages
from firmware_protocol.codes import MAX_PAYLOAD, Status
from firmware_protocol.framing import CRC, HEADER, Frame, Kind, RejectReason
from firmware_protocol.limits import Limits
from firmware_protocol.messages import Message

PATH = Path(__file__).with_name("vectors.jsonl")
Vector = dict[str, Any]

_LIMITS = Limits().encode()
_U16_PAIR = struct.pack("<2H", 626, 19_999)
_GAIN = struct.pack("<4i", 10_000, -400_000, -10_000, 400_000)
_REQUESTS: tuple[messages.Request, ...] = (
    messages.Hello(),
    messages.GetDict(1024, 1024),
    messages.Echo(b"\x00\x01\xff"),
    messages.GetStatus(),
    messages.Arm(0xDEADBEEF),
    messages.EmergencyStop(),
    messages.KeepAlive(),
    messages.SetLimits(_LIMITS),
    messages.Disarm(),
    messages.ClearFault(codes.SafeReason.ESTOP, 3),
    messages.Select(codes.Route.JUNCTION, 19_999),
    messages.ReadBlock(31, 16, 100_000),
    messages.Program(4_000_000_001, -800_000, 100, _U16_PAIR),
    messages.Vmm(0, 1, codes.Direction.ROWS, 1, struct.pack("<25h", *range(-12_000, 13_000, 1000))),
    messages.QueryPulse(4_000_000_001),
    messages.Abort(513),
    messages.Scan(0, 20_000, 624, 100, 50, 250),
    messages.Counters(31, codes.Wear.NEGATIVE_PULSES),
    messages.ReadList(1, -100_000, _U16_PAIR),
    messages.ReadDie(0, 32, 1, 100_000),
    messages.WriteVerify(
        3, 5, 4, 100_000, 4_000_000_003, 800_000, -800_000, 100, 120, 200, struct.pack("<3H", 24_000, codes.CODE_MASKED, 23_000)
    ),
    messages.OuterProduct(3, 4_000_000_100, 800_000, 100, struct.pack("<50b", *[1, -1, 0, 2, -2] * 10)),
    messages.GetCalibration(codes.CalibrationTable.COLUMN_ORDER),
    messages.SetCalibration(codes.CalibrationTable.COLUMN_ORDER, 2, 1, bytes(range(25))),
    messages.Operation(),
    messages.Result(0xBEEF, 513, 1),
)
_ANSWERS: tuple[tuple[messages.Request, Message], ...] = (
    (
        messages.Hello(),
        messages.HelloResponse(
            1, 0, 8, 0, 2048, 32, 25, 25, 22_282, 38_147, 2000, 0x01020304, Limits().crc32, 41, 1_000, codes.ALL_CAPABILITIES, _LIMITS
        ),
    ),
    (messages.GetDict(0, 4), messages.DictChunk(0, b"\x78\xda\x00\x01")),
    (messages.Echo(b"\xff"), messages.EchoResponse(b"\xff")),
    (messages.GetStatus(), messages.StatusResponse(1, 1, 3, 0, 626, 0xBEEF, 41, 41, 20_000, 2, Limits().crc32, 60_000, 3)),
    (messages.Arm(0), messages.Empty()),
    (messages.SetLimits(_LIMITS), messages.LimitsResponse(_LIMITS)),
    (messages.ReadBlock(31, 16, 100_000), messages.ReadBlockResponse(31, 0, 16, 100_000, struct.pack("<3H", 22_282, 0xFFFF, 0xFFFD))),
    (messages.Program(1, 0, 1, b""), messages.ProgramResponse(4_000_000_001, 4_000_000_002, b"\x00\x01")),
    (messages.Vmm(0, 1, 0, 1, b""), messages.VmmResponse(0, 1, 0, 1, struct.pack("<2H", 22_282, 30_000))),
    (messages.QueryPulse(1), messages.QueryPulseResponse(4_000_000_001, codes.PulseOutcome.EXECUTED, 0xBEEF)),
    (messages.Counters(31, 0), messages.CountersResponse(31, 0, struct.pack("<3H", 0, 5, 0xFFFF))),
    (messages.ReadList(1, 1, b""), messages.ReadListResponse(1, -100_000, struct.pack("<4H", 626, 22_282, 19_999, 0xFFFF))),
    (messages.OuterProduct(0, 0, 0, 0, b""), messages.OuterProductResponse(4_000_000_100, 4_000_000_259, 160, 8)),
    (messages.GetCalibration(0), messages.CalibrationResponse(0, 2, zlib.crc32(_GAIN), _GAIN)),
    (messages.Operation(), messages.OperationResponse(0xBEEF, 513, codes.Opcode.WRITE_VERIFY, 0, 600, 625, 4_000_000_003, 900, 12)),
    (messages.Result(0, 0, 0), messages.ResultResponse(0xBEEF, 513, 0, bytes([0, 1, 2, 0, 1, 5]))),
)
_ACCEPTED = messages.Accepted(4_000)
_EVENTS: tuple[messages.EventMessage, ...] = (
    messages.Block(31, 31, 1, 100_000, struct.pack("<3H", 22_282, 0xFFFF, 0xFFFD)),
    messages.Progress(600, 625),
    messages.Done(codes.OperationState.STOPPED, 600, 625, 900),
)
_RUN_LENGTHS = (253, 254, 255, 256, 507, 508, 509, 510)
"""Raw lengths around full COBS runs of 254, where encoders of other makes differ."""


def golden() -> Iterator[Vector]:
    """Every vector, always the same."""
    yield from _requests()
    yield from _answers()
    yield from _runs()
    yield from _rejects()


def _hex_fields(message: Message) -> dict[str, Any]:
    return {name: value.hex() if isinstance(value, bytes) else int(value) for name, value in asdict(message).items()}


def _accept(name: str, frame: Frame, message: Message | None = None) -> Vector:
    fields: dict[str, Any] = {**frame._asdict(), "kind": int(frame.kind), "payload": frame.payload.hex()}
    if message is not None:
        fields["message"] = {"name": type(message).__name__, **_hex_fields(message)}
    return {
        "name": name,
        "fields": fields,
        "raw": frame.raw().hex(),
        "wire": frame.encode().hex(),
        "verdicts": ["accept"],
        "canonical": True,
    }


def _requests() -> Iterator[Vector]:
    for seq, message in enumerate(_REQUESTS):
        boot_id = 0 if isinstance(message, messages.Hello) else 0x0102
        frame = Frame(Kind.REQUEST, message.opcode, seq, 0xBEEF, boot_id, payload=message.encode())
        yield _accept(f"request {message.opcode.name}", frame, message)


def _answers() -> Iterator[Vector]:
    for seq, (request, answer) in enumerate(_ANSWERS):
        frame = Frame(Kind.RESPONSE, request.opcode, seq, 0xBEEF, 0x0102, Status.OK, 8, answer.encode())
        yield _accept(f"answer {request.opcode.name}", frame, answer)
    accepted = Frame(Kind.RESPONSE, codes.Opcode.READ_DIE, 513, 0xBEEF, 0x0102, Status.ACCEPTED, 8, _ACCEPTED.encode())
    yield _accept("answer ACCEPTED", accepted, _ACCEPTED)
    for event in _EVENTS:
        yield _accept(f"event {event.opcode.name}", Frame(Kind.EVENT, event.opcode, 513, 0xBEEF, 0x0102, 0, 8, event.encode()), event)
    for status in Status:
        if status >= Status.REFUSED_UNSUPPORTED:
            refusal = messages.Refusal(-1_300_000, 1_200_000)
            frame = Frame(Kind.RESPONSE, codes.Opcode.PROGRAM, 65_535, 0xBEEF, 0x0102, status, 0, refusal.encode())
            yield _accept(f"answer {status.name}", frame, refusal)


def _runs() -> Iterator[Vector]:
    for length in _RUN_LENGTHS:
        frame = _without_zeros(length - HEADER.size - CRC.size)
        yield _accept(f"raw length {length}", frame)
    # Header and length field without a zero byte: the data end exactly with a full run, which has two forms.
    frame = _without_zeros(508 - HEADER.size - CRC.size)
    long_form = {**_accept("raw length 508, long form", frame), "wire": (cobs.encode(frame.raw()) + b"\x01\x00").hex()}
    yield {**long_form, "canonical": False}
    yield _accept("longest payload", Frame(Kind.RESPONSE, 1, 1, 1, 1, payload=bytes(range(256)) * (MAX_PAYLOAD // 256)))
    yield _accept("empty payload", Frame(Kind.EVENT, 255, 65_535, 65_535, 65_535, 255, 255))


def _without_zeros(length: int) -> Frame:
    """A frame whose raw bytes hold no zero but, below 256 bytes of payload, the upper byte of the length."""
    for fill in range(1, 256):
        frame = Frame(Kind.RESPONSE, 1, 0x0101, 0x0101, 0x0101, 1, 1, bytes([fill]) * length)
        if 0 not in frame.raw()[HEADER.size :]:
            return frame
    raise AssertionError(f"no filling of {length} bytes gives a CRC without a zero byte")


def _rejects() -> Iterator[Vector]:
    good = Frame(Kind.REQUEST, codes.Opcode.ECHO, 7, 0xBEEF, 0x0102, payload=b"echo").raw()
    body = good[: -CRC.size]
    yield _reject("wrong CRC", good[:-1] + bytes([good[-1] ^ 1]), RejectReason.CRC)
    yield _reject("one bit of the payload flipped", good[:12] + bytes([good[12] ^ 0x10]) + good[13:], RejectReason.CRC)
    yield _reject("shorter than header and CRC", good[:15], RejectReason.SHORT)
    yield _reject("nothing but a CRC", CRC.pack(zlib.crc32(b"")), RejectReason.SHORT)
    yield _reject("major version 2", _sealed(bytes([0x21]) + body[1:]), RejectReason.VERSION)
    yield _reject("kind 0", _sealed(bytes([0x10]) + body[1:]), RejectReason.KIND)
    yield _reject("kind 4", _sealed(bytes([0x14]) + body[1:]), RejectReason.KIND)
    yield _reject("length field one too long", _sealed(body[:10] + struct.pack("<H", 5) + body[12:]), RejectReason.LENGTH_LIE)
    yield _reject("length field one too short", _sealed(body[:10] + struct.pack("<H", 3) + body[12:]), RejectReason.LENGTH_LIE)
    over = _sealed(body[:10] + struct.pack("<H", MAX_PAYLOAD + 1) + bytes(MAX_PAYLOAD + 1))
    yield _reject("one byte over the longest payload", over, RejectReason.OVER_MAX)
    yield _reject("a request with a status", _sealed(body[:8] + b"\x01" + body[9:]), RejectReason.RESERVED)
    yield _reject("a request with a credit", _sealed(body[:9] + b"\x01" + body[10:]), RejectReason.RESERVED)
    yield {"name": "COBS run past the end", "wire": "05414200", "verdicts": [RejectReason.COBS]}
    yield {"name": "no delimiter for 2,301 bytes", "wire": (b"\x41" * 2301 + b"\0").hex(), "verdicts": [RejectReason.BABBLE]}
    wire = cobs.encode(good)
    # Both halves of a broken frame happen to be valid COBS, too short to be frames.
    cut = wire[:9] + b"\0"
    yield {"name": "a zero inside", "wire": (cut + wire[10:] + b"\0").hex(), "verdicts": [RejectReason.SHORT] * 2}
    yield {"name": "the frame after a cut one", "wire": (cut + wire + b"\0").hex(), "verdicts": [RejectReason.SHORT, "accept"]}


def _sealed(body: bytes) -> bytes:
    return body + CRC.pack(zlib.crc32(body))


def _reject(name: str, raw: bytes, reason: RejectReason) -> Vector:
    return {"name": name, "raw": raw.hex(), "wire": (cobs.encode(raw) + b"\0").hex(), "verdicts": [reason]}


def text() -> str:
    """The content of vectors.jsonl."""
    return "".join(json.dumps(vector) + "\n" for vector in golden())


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
