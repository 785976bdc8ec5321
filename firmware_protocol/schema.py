"""The messages as tables: name, type, offset and width of every field. What is generated for other languages and for readers is
made from here; nothing about a layout is written down a second time.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, fields

from firmware_protocol.messages import Message

_C_TYPES = {"B": "uint8_t", "b": "int8_t", "H": "uint16_t", "h": "int16_t", "I": "uint32_t", "i": "int32_t", "q": "int64_t"}


@dataclass(frozen=True)
class Field:
    """One field of a message. c_type: as in stdint.h; "uint8_t[]" for a tail, "uint8_t[n]" for n bytes. width: bytes, 0 for a tail."""

    name: str
    c_type: str
    offset: int
    width: int

    @property
    def is_tail(self) -> bool:
        return self.width == 0


def fields_of(message: type[Message]) -> tuple[Field, ...]:
    """Fixed fields in order, reserved bytes left out, then the tail."""
    names = [field.name for field in fields(message)]
    found: list[Field] = []
    offset = 0
    for count, code in _codes(message.layout.format):
        width = struct.calcsize(f"<{count}{code}")
        if code != "x":
            c_type = f"uint8_t[{count}]" if code == "s" else _C_TYPES[code]
            found.append(Field(names[len(found)], c_type, offset, width))
        offset += width
    if message.tail_unit:
        found.append(Field(names[len(found)], "uint8_t[]", offset, 0))
    if len(found) != len(names):
        raise AssertionError(f"{message.__name__}: layout {message.layout.format} has {len(found)} fields for {names}")
    return tuple(found)


def _codes(layout: str) -> Iterator[tuple[int, str]]:
    """(count, code) per field of a struct format; only byte strings and padding have a count above 1."""
    digits = ""
    for character in layout.removeprefix("<"):
        if character.isdigit():
            digits += character
            continue
        count = int(digits or 1)
        yield from [(count, character)] if character in "sx" else [(1, character)] * count
        digits = ""


def reserved_bytes(message: type[Message]) -> tuple[int, ...]:
    """Offsets of the bytes that must be 0."""
    held = {offset for field in fields_of(message) for offset in range(field.offset, field.offset + field.width)}
    return tuple(offset for offset in range(message.layout.size) if offset not in held)
