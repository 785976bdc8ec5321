"""The committed golden vectors are what the messages give today, and this reader agrees with every verdict in them."""

import json
from typing import Any

import pytest

from firmware_protocol import codes, messages, vectors
from firmware_protocol.framing import Deframer, Frame, Kind, Rejected, RejectReason
from firmware_protocol.messages import REQUESTS

VECTORS: list[dict[str, Any]] = [json.loads(line) for line in vectors.PATH.read_text(encoding="utf-8").splitlines()]
ACCEPTED = [vector for vector in VECTORS if "fields" in vector]


def test_the_committed_file_is_what_the_messages_give() -> None:
    assert vectors.PATH.read_text(encoding="utf-8") == vectors.text()


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_the_reader_agrees_with_the_verdict(vector: dict[str, Any]) -> None:
    verdicts = [
        "accept" if isinstance(found, Frame) else found.reason
        for found in Deframer().feed(bytes.fromhex(vector["wire"]))
        if isinstance(found, Frame | Rejected)
    ]
    assert verdicts == vector["verdicts"]


@pytest.mark.parametrize("vector", ACCEPTED, ids=lambda vector: vector["name"])
def test_an_accepted_frame_has_the_fields_and_the_bytes_of_the_vector(vector: dict[str, Any]) -> None:
    fields = {name: value for name, value in vector["fields"].items() if name != "message"}
    frame = Frame(**{**fields, "kind": Kind(fields["kind"]), "payload": bytes.fromhex(fields["payload"])})
    assert Deframer().feed(bytes.fromhex(vector["wire"])) == [frame]
    assert frame.raw().hex() == vector["raw"]
    assert (frame.encode().hex() == vector["wire"]) == vector["canonical"]


@pytest.mark.parametrize("vector", [vector for vector in ACCEPTED if "message" in vector["fields"]], ids=lambda vector: vector["name"])
def test_a_payload_decodes_to_the_message_of_the_vector(vector: dict[str, Any]) -> None:
    expected = dict(vector["fields"]["message"])
    message_type = getattr(messages, expected.pop("name"))
    message = message_type.decode(bytes.fromhex(vector["fields"]["payload"]))
    assert {name: value.hex() if isinstance(value, bytes) else value for name, value in vars(message).items()} == expected


def test_every_request_every_status_and_every_reason_has_a_vector() -> None:
    names = {vector["name"] for vector in VECTORS}
    assert {f"request {request.opcode.name}" for request in REQUESTS} <= names
    assert {f"answer {status.name}" for status in codes.Status if status >= 16} <= names
    assert {verdict for vector in VECTORS for verdict in vector["verdicts"]} == {"accept", *RejectReason}


def test_the_lengths_around_full_runs_are_covered() -> None:
    lengths = {len(bytes.fromhex(vector["raw"])) for vector in ACCEPTED}
    assert {253, 254, 255, 256, 507, 508, 509, 510} <= lengths
    assert any(not vector["canonical"] for vector in ACCEPTED)
