"""The codec in C against the golden vectors, against Python on random bytes, and against frames that a line has spoilt."""

import json
import random
import subprocess
from typing import Any

import pytest

from firmware_protocol import vectors
from firmware_protocol.codes import MAX_PAYLOAD
from firmware_protocol.framing import BUFFER_LIMIT, STOP_ZEROS, Frame, Kind, RejectReason, StopMarker
from tests.support.c_end import build_fuzz
from tests.support.codec_pair import c_encode, c_read, compare_codecs

VECTORS: list[dict[str, Any]] = [json.loads(line) for line in vectors.PATH.read_text(encoding="utf-8").splitlines()]
FRAMES = 20_000
SPOILT_FRAMES = 300_000


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_a_golden_vector_is_read_with_its_verdict_its_fields_and_written_canonically(vector: dict[str, Any]) -> None:
    found = c_read([bytes.fromhex(vector["wire"])])
    assert ["accept" if isinstance(each, Frame) else each for each in found] == vector["verdicts"]
    if "fields" not in vector:
        return
    fields = {name: value for name, value in vector["fields"].items() if name != "message"}
    expected = Frame(**{**fields, "kind": Kind(fields["kind"]), "payload": bytes.fromhex(fields["payload"])})
    assert found == [expected]
    assert (c_encode(expected).hex() == vector["wire"]) == vector["canonical"]


def test_python_and_c_write_and_read_random_frames_alike_whole_in_pieces_and_spoilt() -> None:
    assert compare_codecs(FRAMES, seed=1) == 0


def test_no_spoilt_frame_is_accepted_as_another() -> None:
    said = subprocess.run([str(build_fuzz()), str(SPOILT_FRAMES), "1"], capture_output=True, text=True, timeout=60, check=False)
    assert said.stdout == f"{SPOILT_FRAMES} spoilt frames, 0 accepted as another\n"
    assert said.returncode == 0


def test_a_payload_over_the_links_maximum_is_not_written() -> None:
    assert len(c_encode(Frame(Kind.RESPONSE, 1, 1, 1, 1, payload=bytes(MAX_PAYLOAD)))) > MAX_PAYLOAD
    assert c_encode(Frame(Kind.RESPONSE, 1, 1, 1, 1, payload=bytes(MAX_PAYLOAD + 1))) == b""


@pytest.mark.parametrize(
    ("zeros", "stops"), [(STOP_ZEROS - 1, 0), (STOP_ZEROS, 1), (STOP_ZEROS + 1, 1), (300, 1)], ids=["15 zeros", "16", "17", "300"]
)
def test_sixteen_zeros_in_a_row_are_one_stop_however_they_come(zeros: int, stops: int) -> None:
    assert c_read([b"\0" * zeros]) == [StopMarker] * stops
    assert c_read([b"\0"] * zeros) == [StopMarker] * stops


def test_babble_is_named_once_and_the_next_frame_is_read() -> None:
    frame = Frame(Kind.REQUEST, 2, 7, 1, 1, payload=b"after")
    assert c_read([b"\x41" * (BUFFER_LIMIT + 5000), b"\0" + frame.encode()]) == [RejectReason.BABBLE, frame]
    assert c_read([b"\x41" * BUFFER_LIMIT + b"\0"]) == [RejectReason.COBS]


def test_any_bytes_at_all_are_survived() -> None:
    rng = random.Random(3)
    frame = Frame(Kind.REQUEST, 2, 7, 1, 1, payload=b"after")
    for _ in range(200):
        noise = rng.randbytes(rng.randint(1, 5000))
        assert c_read([noise, b"\0", frame.encode()])[-1] == frame
