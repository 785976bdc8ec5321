"""M: opcodes and payloads. What is not exactly a message of the protocol is refused, and takes its place in the sequence.

Every payload here is refused by a correct board, and is meaningless to one that does not look: ones in every field.
"""

from collections.abc import Iterator

from drivers.conformance.bench import Bench, about, check, check_refusal, name_of, said
from drivers.conformance.rule import rule
from firmware_protocol.codes import Capability, Opcode, Status
from firmware_protocol.messages import REQUESTS, Echo, Request
from firmware_protocol.rules import rule_for
from firmware_protocol.schema import fields_of, reserved_bytes

UNKNOWN_OPCODE = 127
_UNTOUCHED = frozenset({Opcode.ESTOP, Opcode.HELLO})
"""Not sent garbled in a session: a board that takes them would latch, or change its session."""


@rule("M1", "an unknown opcode is unsupported and takes its place in the sequence")
def an_unknown_opcode_is_unsupported(bench: Bench) -> None:
    check_refusal(bench.ask_raw(UNKNOWN_OPCODE, b"?"), Status.REFUSED_UNSUPPORTED, UNKNOWN_OPCODE)
    _goes_on(bench)


@rule("M2", "a payload of the wrong length is malformed and takes its place in the sequence")
def a_wrong_length_is_malformed(bench: Bench) -> None:
    for message in _spoken(bench):
        fixed, unit = message.layout.size, message.tail_unit
        lengths = ([fixed - 1] if fixed else []) + ([fixed + 1] if unit != 1 else [])
        for length in lengths:
            answer = bench.ask_raw(message.opcode, b"\xff" * length)
            check(answer.status == Status.REFUSED_MALFORMED, f"{about(answer)} of {length} bytes", "REFUSED_MALFORMED", said(answer))
            check_refusal(answer, Status.REFUSED_MALFORMED)
    _goes_on(bench)


@rule("M3", "a reserved byte that is not 0 is malformed")
def a_reserved_byte_is_zero(bench: Bench) -> None:
    for message in _spoken(bench):
        for offset in reserved_bytes(message):
            payload = bytearray(harmless_payload(message))
            payload[offset] = 1
            answer = bench.ask_raw(message.opcode, bytes(payload))
            what = f"{about(answer)} with byte {offset} not 0"
            check(answer.status == Status.REFUSED_MALFORMED, what, "REFUSED_MALFORMED", said(answer))
    _goes_on(bench)


def _spoken(bench: Bench) -> Iterator[type[Request]]:
    """Requests that this board understands and that are harmless when garbled."""
    granted = Capability(bench.hello_said.capabilities)
    for message in REQUESTS:
        if message.opcode not in _UNTOUCHED and rule_for(message.opcode).needs in granted:
            yield message


def harmless_payload(message: type[Request]) -> bytes:
    """A payload of the right length: ones in every field, zeros in the reserved bytes, no tail."""
    payload = bytearray(message.layout.size)
    for field in fields_of(message):
        payload[field.offset : field.offset + field.width] = b"\xff" * field.width
    return bytes(payload)


def _goes_on(bench: Bench) -> None:
    answer = bench.ask(Echo(b"next"))
    check(answer.status == Status.OK, f"{name_of(Opcode.ECHO)} after it", "OK", said(answer))
