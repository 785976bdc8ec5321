"""The two readers and writers of frames, Python's and C's, on the same random bytes."""

import ctypes
import random
from collections.abc import Iterator

from firmware_protocol.codes import MAX_PAYLOAD
from firmware_protocol.framing import BUFFER_LIMIT, HEADER, Deframer, Frame, Kind, Rejected, RejectReason, StopMarker
from tests.support.c_end import library

_REASONS = tuple(RejectReason)
_STOP = 0xFF
Found = Frame | RejectReason | type[StopMarker]


def c_encode(frame: Frame) -> bytes:
    """Wire bytes as C writes them; b"" where it refuses."""
    fields = HEADER.pack(frame.kind, frame.opcode, frame.seq, frame.session, frame.boot_id, frame.status, frame.credit, len(frame.payload))
    wire = ctypes.create_string_buffer(2100)
    count = library().shim_write(fields, frame.payload, wire)
    return wire.raw[:count]


def c_read(pieces: list[bytes]) -> list[Found]:
    """What C finds in the bytes of one stream, fed piece by piece."""
    library().shim_reset()
    return [found for piece in pieces for found in _records(piece)]


def _records(piece: bytes) -> Iterator[Found]:
    room = ctypes.create_string_buffer(4 * len(piece) + BUFFER_LIMIT + 64)
    count = library().shim_read(piece, len(piece), room)
    records = room.raw[:count]
    at = 0
    while at < len(records):
        verdict = records[at]
        if verdict == _STOP:
            yield StopMarker
        elif verdict:
            yield _REASONS[verdict - 1]
        else:
            end = at + 3 + int.from_bytes(records[at + 1 : at + 3], "little")
            kind, *fields, length = HEADER.unpack_from(records, at + 3)
            payload = records[at + 3 + HEADER.size : end]
            assert len(payload) == length
            yield Frame(Kind(kind), *fields, payload)
            at = end - 1
        at += 1


def python_read(pieces: list[bytes]) -> list[Found]:
    deframer = Deframer()
    return [_plain(found) for piece in pieces for found in deframer.feed(piece)]


def _plain(found: Frame | Rejected | StopMarker) -> Found:
    if isinstance(found, Rejected):
        return found.reason
    return found if isinstance(found, Frame) else StopMarker


def random_frame(rng: random.Random) -> Frame:
    kind = rng.choice(list(Kind))
    longest = rng.choice([0, 16, 64, 300, 600, MAX_PAYLOAD]) if rng.random() < 0.3 else 48
    payload = rng.randbytes(rng.randint(0, longest))
    if rng.random() < 0.3:
        payload = payload.replace(payload[:1], b"\0") if rng.random() < 0.5 else bytes(byte or 1 for byte in payload)
    said = (0, 0) if kind is Kind.REQUEST else (rng.randrange(256), rng.randrange(256))
    numbers = [rng.choice([0, 1, 0x0101, 0xFFFF, rng.randrange(0x10000)]) for _ in range(3)]
    return Frame(kind, rng.randrange(256), *numbers, *said, payload)


def spoilt(rng: random.Random, wire: bytes) -> bytes:
    """The wire with something wrong somewhere, or a valid one in company."""
    at, roll = rng.randrange(len(wire)), rng.randrange(8)
    if roll < 3:
        return wire[:at] + bytes([wire[at] ^ 1 << rng.randrange(8)]) + wire[at + 1 :]
    if roll == 3:
        return wire[:at] + wire[at + 1 :]
    if roll == 4:
        return wire[:at] + rng.randbytes(rng.randint(5, 20)) + wire[at:]
    if roll == 5:
        return b"\0" * rng.randint(1, 40) + wire
    if roll == 6:
        return bytes([rng.randrange(1, 256)]) * rng.choice([1, 254, 255, BUFFER_LIMIT, BUFFER_LIMIT + 1]) + wire
    return wire[:at] + wire


def pieces_of(rng: random.Random, data: bytes) -> list[bytes]:
    """The same bytes in pieces of any length."""
    cuts = sorted(rng.randint(0, len(data)) for _ in range(rng.randint(0, 4)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def compare_codecs(count: int, seed: int) -> int:
    """How many of `count` random frames C writes otherwise than Python, or reads otherwise, whole, in pieces or spoilt."""
    rng = random.Random(seed)
    different = 0
    for _ in range(count):
        frame = random_frame(rng)
        wire = frame.encode()
        data = spoilt(rng, wire) if rng.random() < 0.5 else wire
        pieces = pieces_of(rng, data)
        different += c_encode(frame) != wire or c_read(pieces) != python_read([data])
    return different
