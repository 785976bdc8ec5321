"""Bytes <-> frames. Rule 1: a frame either arrives whole and checked, or not at all; the reason is named and counted.
Rule 2: whatever came before, reading starts afresh at the next 0x00.

On the wire: COBS(header, payload, CRC-32) and a 0x00. CRC-32 is ISO-HDLC (zlib.crc32) over header and payload.
Header, 12 bytes, little-endian: version and kind u8, opcode u8, seq u16, session u16, boot_id u16, status u8, credit u8,
length u16. Two COBS forms exist where the data end in a full run of 254; the short one is sent, both are read.
"""

import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import NamedTuple, Self

from cobs import cobs

from firmware_protocol.codes import MAX_PAYLOAD, PROTOCOL_MAJOR

HEADER = struct.Struct("<BBHHHBBH")
CRC = struct.Struct("<I")
DELIMITER = b"\0"
STOP_ZEROS = 16
"""This many 0x00 in a row mean emergency stop: valid traffic never holds more than two."""
BUFFER_LIMIT = 2300
"""Longest run without a 0x00 that is kept: the longest frame is 2,073 bytes in COBS."""


class Kind(IntEnum):
    REQUEST = 1
    RESPONSE = 2
    EVENT = 3


_KINDS = {PROTOCOL_MAJOR << 4 | kind: kind for kind in Kind}
"""First byte of a frame of this version -> its kind."""


class RejectReason(StrEnum):
    COBS = "cobs"
    SHORT = "short"
    CRC = "crc"
    VERSION = "version"
    KIND = "kind"
    OVER_MAX = "over_max"
    LENGTH_LIE = "length_lie"
    RESERVED = "reserved"
    BABBLE = "babble"


class FrameError(ValueError):
    """Bytes that are no frame. `reason` is what the counters count."""

    def __init__(self, reason: RejectReason, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class Frame(NamedTuple):
    """One checked frame. status and credit are 0 in a request.

    A named tuple, because thousands are made every second and a frozen dataclass costs four times as much to make.
    """

    kind: Kind
    opcode: int
    seq: int
    session: int
    boot_id: int
    status: int = 0
    credit: int = 0
    payload: bytes = b""

    def raw(self) -> bytes:
        """Header, payload and CRC before COBS. Raises ValueError when a field or the payload does not fit."""
        if len(self.payload) > MAX_PAYLOAD:
            raise ValueError(f"payload of {len(self.payload)} bytes is over the link's {MAX_PAYLOAD}")
        try:
            head = HEADER.pack(
                PROTOCOL_MAJOR << 4 | self.kind,
                self.opcode,
                self.seq,
                self.session,
                self.boot_id,
                self.status,
                self.credit,
                len(self.payload),
            )
        except struct.error as error:
            raise ValueError(f"{self!r} does not fit the header: {error}") from error
        body = head + self.payload
        return body + CRC.pack(zlib.crc32(body))

    def encode(self) -> bytes:
        """Wire bytes, delimiter included. Raises ValueError like `raw`."""
        return cobs.encode(self.raw()) + DELIMITER

    @classmethod
    def decode(cls, raw: bytes) -> Self:
        """From raw bytes, after COBS. Raises FrameError naming the first rule broken."""
        if len(raw) < HEADER.size + CRC.size:
            raise FrameError(RejectReason.SHORT, f"{len(raw)} bytes; the shortest frame has {HEADER.size + CRC.size}")
        body, crc = raw[: -CRC.size], raw[-CRC.size :]
        if zlib.crc32(body).to_bytes(CRC.size, "little") != crc:
            raise FrameError(RejectReason.CRC, f"CRC-32 {crc.hex()} does not match the bytes ({zlib.crc32(body):08x}, as a number)")
        version_kind, opcode, seq, session, boot_id, status, credit, length = HEADER.unpack_from(body)
        kind = _KINDS.get(version_kind)
        if kind is None or length != len(body) - HEADER.size or length > MAX_PAYLOAD:
            raise _header_error(version_kind, length, len(body) - HEADER.size)
        if kind is Kind.REQUEST and (status or credit):
            raise FrameError(RejectReason.RESERVED, f"a request with status {status} and credit {credit}; both are reserved, 0")
        return cls(kind, opcode, seq, session, boot_id, status, credit, body[HEADER.size :])


def _header_error(version_kind: int, length: int, actual: int) -> FrameError:
    """The first rule that the header breaks."""
    if version_kind >> 4 != PROTOCOL_MAJOR:
        return FrameError(RejectReason.VERSION, f"protocol major {version_kind >> 4}; this end speaks {PROTOCOL_MAJOR}")
    if version_kind not in _KINDS:
        return FrameError(RejectReason.KIND, f"frame kind {version_kind & 0x0F} is not 1, 2 or 3")
    if length > MAX_PAYLOAD:
        return FrameError(RejectReason.OVER_MAX, f"length field says {length} bytes of payload; the limit is {MAX_PAYLOAD}")
    return FrameError(RejectReason.LENGTH_LIE, f"length field says {length} bytes of payload, {actual} came")


@dataclass(frozen=True, slots=True)
class Rejected:
    """Bytes up to a delimiter that were no frame."""

    reason: RejectReason
    detail: str


@dataclass(frozen=True, slots=True)
class StopMarker:
    """Sixteen 0x00 in a row arrived."""


Received = Frame | Rejected | StopMarker


class Deframer:
    """The reading end of one byte stream. Never holds more than BUFFER_LIMIT bytes, never raises."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._discarding = False
        self._zeros = 0

    def feed(self, data: bytes) -> list[Received]:
        """Everything that `data` completes, in order; how the stream is cut into calls makes no difference."""
        found: list[Received] = []
        *ended, rest = data.split(DELIMITER)
        for piece in ended:
            if piece and not self._buffer and not self._discarding and len(piece) <= BUFFER_LIMIT:
                self._zeros = 1
                found.append(_decode_wire(piece))  # The common case: a whole frame in one piece.
                continue
            self._append(piece, found)
            self._end(found)
        self._append(rest, found)
        return found

    def _append(self, piece: bytes, found: list[Received]) -> None:
        if not piece:
            return
        self._zeros = 0
        if self._discarding:
            return
        if len(self._buffer) + len(piece) > BUFFER_LIMIT:
            self._buffer.clear()
            self._discarding = True
            found.append(Rejected(RejectReason.BABBLE, f"more than {BUFFER_LIMIT} bytes without a delimiter"))
            return
        self._buffer += piece

    def _end(self, found: list[Received]) -> None:
        self._zeros += 1
        if self._buffer:
            found.append(_decode_wire(bytes(self._buffer)))
            self._buffer.clear()
        self._discarding = False
        if self._zeros == STOP_ZEROS:
            found.append(StopMarker())


def _decode_wire(stuffed: bytes) -> Frame | Rejected:
    try:
        return Frame.decode(cobs.decode(stuffed))
    except cobs.DecodeError as error:
        return Rejected(RejectReason.COBS, str(error))
    except FrameError as error:
        return Rejected(error.reason, str(error))
