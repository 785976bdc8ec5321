"""A message as a table says the same as the message itself: every byte of a layout belongs to a field or is reserved."""

import struct
from dataclasses import fields

import pytest

from firmware_protocol.messages import (
    EVENTS,
    REQUESTS,
    Accepted,
    HelloResponse,
    Malformed,
    Message,
    ReadBlock,
    Refusal,
    Scan,
    Select,
    SetLimits,
)
from firmware_protocol.schema import fields_of, reserved_bytes

EVERY = sorted({*REQUESTS, *(request.response for request in REQUESTS), *EVENTS, Refusal, Accepted}, key=lambda message: message.__name__)


@pytest.mark.parametrize("message", EVERY, ids=lambda message: message.__name__)
def test_fields_and_reserved_bytes_fill_a_layout_exactly(message: type[Message]) -> None:
    held = [offset for field in fields_of(message) for offset in range(field.offset, field.offset + field.width)]
    assert sorted([*held, *reserved_bytes(message)]) == list(range(message.layout.size))


@pytest.mark.parametrize("message", EVERY, ids=lambda message: message.__name__)
def test_a_tail_is_the_last_field_and_begins_where_the_layout_ends(message: type[Message]) -> None:
    tails = [field for field in fields_of(message) if field.is_tail]
    assert len(tails) == (1 if message.tail_unit else 0)
    assert not tails or (tails[0] == fields_of(message)[-1] and tails[0].offset == message.layout.size)


@pytest.mark.parametrize("message", [each for each in EVERY if reserved_bytes(each)], ids=lambda message: message.__name__)
def test_each_reserved_byte_that_is_not_zero_makes_the_message_malformed(message: type[Message]) -> None:
    message.decode(bytes(message.layout.size))
    for offset in reserved_bytes(message):
        payload = bytearray(message.layout.size)
        payload[offset] = 1
        with pytest.raises(Malformed, match="reserved"):
            message.decode(bytes(payload))


def test_a_field_lies_where_the_encoder_puts_it() -> None:
    payload = ReadBlock(kernel=3, averages=515, read_uv=-2).encode()
    where = {field.name: payload[field.offset : field.offset + field.width] for field in fields_of(ReadBlock)}
    assert where == {"kernel": b"\x03", "averages": b"\x03\x02", "read_uv": struct.pack("<i", -2)}
    assert [(field.name, field.c_type) for field in fields_of(Select)] == [("route", "uint8_t"), ("device", "uint16_t")]


def test_bytes_of_a_fixed_number_are_one_field() -> None:
    (limits,) = fields_of(SetLimits)
    assert (limits.c_type, limits.width, limits.is_tail) == ("uint8_t[16]", 16, False)
    assert fields_of(HelloResponse)[-1].offset == 40


def test_fields_come_in_the_order_of_the_message() -> None:
    assert [field.name for field in fields_of(Scan)] == [field.name for field in fields(Scan)]
