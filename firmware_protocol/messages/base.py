"""One frozen dataclass per message, its code and layout beside its fields.

Rule 1: integers only, little-endian, the unit in the name; a float never crosses the wire.
Rule 2: a message has fixed-width fields and at most one tail of bytes; it decodes only if every byte is accounted for.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Self

from firmware_protocol.codes import MAX_PAYLOAD, EventCode, Opcode


class Malformed(ValueError):
    """Bytes that are no message of this protocol; the text says which rule they break."""


@dataclass(frozen=True)
class Message:
    """Base: `layout` packs the fields in order; a field named `tail_field` takes the remaining bytes."""

    opcode: ClassVar[Opcode | EventCode]
    layout: ClassVar[struct.Struct] = struct.Struct("<")
    tail_unit: ClassVar[int] = 0
    """Size of one tail item in bytes; 0 where the message has no tail."""

    def encode(self) -> bytes:
        """Payload bytes. Raises ValueError when a value does not fit its field or the payload its maximum."""
        values = (*vars(self).values(),)  # In the order of the fields; dataclasses.astuple copies deeply, which costs more than the rest.
        tail: bytes = values[-1] if self.tail_unit else b""
        try:
            payload = self.layout.pack(*(values[:-1] if self.tail_unit else values)) + tail
        except struct.error as error:
            raise ValueError(f"{self!r} does not fit the link: {error}") from error
        if len(payload) > MAX_PAYLOAD:
            raise ValueError(f"{type(self).__name__} of {len(payload)} bytes is over the link's {MAX_PAYLOAD}; send it in parts")
        return payload

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Raises Malformed unless the payload is exactly one such message."""
        fixed, unit = cls.layout.size, cls.tail_unit
        excess = len(payload) - fixed
        if excess < 0 or (excess and not unit) or (unit and excess % unit):
            shape = f"{fixed} bytes" + (f" and a tail in steps of {unit}" if unit else "")
            raise Malformed(f"{cls.__name__}: payload of {len(payload)} bytes, expected {shape}")
        build: Callable[..., Self] = cls
        message = build(*cls.layout.unpack_from(payload), *([payload[fixed:]] if unit else []))
        if "x" in cls.layout.format and message.encode() != payload:
            raise Malformed(f"{cls.__name__}: a reserved byte is not 0")
        return message


class Request(Message):
    """Host to device. `response` is the message that answers it when the status is OK, or ACCEPTED for a long operation."""

    opcode: ClassVar[Opcode]
    response: "ClassVar[type[Message]]"


class EventMessage(Message):
    """Device to host, unasked and unconfirmed: whoever needs a lost one asks for what it said (OPERATION, RESULT, READ_BLOCK)."""

    opcode: ClassVar[EventCode]


@dataclass(frozen=True)
class Empty(Message):
    """An answer that says no more than its status."""


@dataclass(frozen=True)
class Refusal(Message):
    """Payload of every response whose status is not OK: what was refused and the limit, in integers the host can print.

    value, limit: in the unit of the field refused; 0 where neither applies.
    """

    layout: ClassVar[struct.Struct] = struct.Struct("<qq")
    value: int = 0
    limit: int = 0


@dataclass(frozen=True)
class Accepted(Message):
    """Answer, with status ACCEPTED, to what begins a long operation: it runs now and ends with the event DONE.

    estimate_ms: how long it takes if nothing goes wrong; what waits for an edge of the trigger line is not in it.
    """

    layout: ClassVar[struct.Struct] = struct.Struct("<I")
    estimate_ms: int
