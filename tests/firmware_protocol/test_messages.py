"""A message decodes only if every byte is accounted for, and says what does not fit before anything is sent."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_protocol.codes import MAX_PAYLOAD, Opcode
from firmware_protocol.messages import REQUESTS, Echo, Malformed, Program, ReadBlock, Request, Select, Vmm
from firmware_protocol.rules import RULES


def test_every_opcode_has_one_request_and_one_rule() -> None:
    opcodes = [request.opcode for request in REQUESTS]
    assert sorted(opcodes) == sorted(Opcode) == sorted(RULES)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.one_of(
        st.builds(ReadBlock, st.integers(0, 255), st.integers(0, 65_535), st.integers(-(2**31), 2**31 - 1)),
        st.builds(Select, st.integers(0, 255), st.integers(0, 65_535)),
        st.builds(
            Program,
            st.integers(0, 2**32 - 1),
            st.integers(-(2**31), 2**31 - 1),
            st.integers(0, 2**32 - 1),
            st.binary(max_size=200).map(lambda tail: tail[: len(tail) // 2 * 2]),
        ),
        st.builds(Echo, st.binary(max_size=200)),
    )
)
def test_what_is_encoded_decodes_to_itself(message: Request) -> None:
    assert type(message).decode(message.encode()) == message


@pytest.mark.parametrize("request_type", REQUESTS, ids=lambda request: request.opcode.name)
def test_a_payload_of_the_wrong_length_is_malformed(request_type: type[Request]) -> None:
    fixed, unit = request_type.layout.size, request_type.tail_unit
    wrong = ([bytes(fixed - 1)] if fixed else []) + ([bytes(fixed + 1)] if unit != 1 else [])
    for payload in wrong:
        with pytest.raises(Malformed, match=request_type.__name__):
            request_type.decode(payload)


def test_a_reserved_byte_that_is_not_zero_is_malformed() -> None:
    payload = bytearray(Select(1, 5).encode())
    payload[1] = 1
    with pytest.raises(Malformed, match="reserved"):
        Select.decode(bytes(payload))


def test_a_value_too_large_for_its_field_is_named_before_sending() -> None:
    with pytest.raises(ValueError, match="70000"):
        ReadBlock(0, 70_000, 0).encode()


def test_a_payload_over_the_maximum_is_refused_before_sending() -> None:
    with pytest.raises(ValueError, match=str(MAX_PAYLOAD)):
        Vmm(0, 1, 0, 41, bytes(2050)).encode()
