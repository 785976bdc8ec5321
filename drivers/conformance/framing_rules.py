"""F: bytes into frames. What is no frame is counted and never answered; reading starts afresh at the next 0x00."""

import json
from collections.abc import Iterator
from typing import Any

from cobs import cobs

from drivers.conformance.bench import Bench, Broken, Heard, check, said
from drivers.conformance.rule import rule
from firmware_protocol import vectors
from firmware_protocol.codes import Opcode, Status
from firmware_protocol.framing import BUFFER_LIMIT, CRC, DELIMITER, HEADER, Frame, Kind
from firmware_protocol.messages import Echo, EchoResponse

_FULL_RUN = 254
_ACCEPT = "accept"


def check_echoed(heard: Heard, expected: list[tuple[int, bytes]], what: str) -> None:
    """Raises Broken unless exactly these (seq, data) were answered, in this order."""
    for frame in heard.frames:
        check(frame.status == Status.OK, what, "OK", said(frame))
    got = [(frame.seq, frame.payload) for frame in heard.frames]
    if got != expected:
        raise Broken(what, f"answers to seq {[seq for seq, _ in expected]}, data unchanged", f"answers to seq {[seq for seq, _ in got]}")


def _rejects() -> Iterator[dict[str, Any]]:
    for line in vectors.PATH.read_text(encoding="utf-8").splitlines():
        vector = json.loads(line)
        if vector["verdicts"] != [_ACCEPT]:
            yield vector


@rule("F1", "what the golden vectors reject is not answered, and counted")
def rejects_are_counted(bench: Bench) -> None:
    counted = bench.status().rejected_frames
    for vector in _rejects():
        heard = bench.probe(DELIMITER + bytes.fromhex(vector["wire"]))
        verdicts = vector["verdicts"]
        counted += sum(verdict != _ACCEPT for verdict in verdicts)
        answers = [said(frame) for frame in heard.frames]
        check(len(answers) == verdicts.count(_ACCEPT), f"vector {vector['name']!r}", f"{verdicts.count(_ACCEPT)} answers", answers)
        got = heard.status.rejected_frames
        check(got == counted, f"vector {vector['name']!r}", f"STATUS.rejected_frames {counted}", got)


@rule("F2", "how the bytes are split or joined makes no difference")
def splits_make_no_difference(bench: Bench) -> None:
    seq = bench.number()
    for byte in bench.frame(Echo(b"split"), seq):
        bench.wire.write(bytes([byte]))
    answer = bench.answer_to(Opcode.ECHO, seq, bench.session)
    check(answer.payload == b"split", "ECHO byte by byte", b"split", answer.payload)
    numbers = [bench.number() for _ in range(min(3, bench.window))]
    joined = b"".join(bench.frame(Echo(bytes([seq])), seq) for seq in numbers)
    check_echoed(bench.probe(joined), [(seq, bytes([seq])) for seq in numbers], "ECHOs in one write")


@rule("F3", "noise costs the frame it touches and no other")
def noise_costs_one_frame(bench: Bench) -> None:
    counted = bench.status().rejected_frames
    seq = bench.number()
    noise = bytes(range(1, 200)) * 3
    heard = bench.probe(noise + DELIMITER + bench.frame(Echo(b"after"), seq))
    check_echoed(heard, [(seq, b"after")], "ECHO after noise and a delimiter")
    check(heard.status.rejected_frames == counted + 1, "noise", f"STATUS.rejected_frames {counted + 1}", heard.status.rejected_frames)
    touched = bench.probe(noise + bench.frame(Echo(b"touched"), seq + 1))
    check_echoed(touched, [], "ECHO that noise without a delimiter runs into")
    seq = bench.number()
    check_echoed(bench.probe(bench.frame(Echo(b"next"), seq)), [(seq, b"next")], "ECHO after a lost one")


@rule("F4", "both COBS forms of a full last run are read")
def both_cobs_forms_are_read(bench: Bench) -> None:
    seq = bench.number()
    data, raw = _ending_in_a_full_run(bench, seq)
    short = cobs.encode(raw)
    long_form = short + b"\x01" + DELIMITER
    check_echoed(bench.probe(long_form), [(seq, data)], "ECHO in the long form")
    seq = bench.number()
    data, raw = _ending_in_a_full_run(bench, seq)
    check_echoed(bench.probe(cobs.encode(raw) + DELIMITER), [(seq, data)], "ECHO in the short form")


def _ending_in_a_full_run(bench: Bench, seq: int) -> tuple[bytes, bytes]:
    """Data and raw bytes of an ECHO whose last 254 bytes hold no zero, with one before them (the length's upper byte)."""
    for fill in range(1, 256):
        data = bytes([fill]) * (_FULL_RUN - CRC.size)
        raw = Frame(Kind.REQUEST, Opcode.ECHO, seq, bench.session, bench.boot_id, payload=data).raw()
        if 0 not in raw[HEADER.size :]:
            return data, raw
    raise AssertionError("no filling gives a CRC without a zero byte")


@rule("F5", "a run without an end is dropped up to the next delimiter, and counted once")
def an_endless_run_is_dropped(bench: Bench) -> None:
    counted = bench.status().rejected_frames
    seq = bench.number()
    heard = bench.probe(b"\x41" * (2 * BUFFER_LIMIT + 1) + DELIMITER + bench.frame(Echo(b"after"), seq))
    check_echoed(heard, [(seq, b"after")], "ECHO after 4,601 bytes and a delimiter")
    check(heard.status.rejected_frames == counted + 1, "4,601 bytes", f"STATUS.rejected_frames {counted + 1}", heard.status.rejected_frames)


@rule("F6", "a payload of the length that HELLO grants passes whole")
def the_longest_payload_passes(bench: Bench) -> str:
    data = bytes(index * 7 & 0xFF for index in range(bench.hello_said.max_payload))
    answer = bench.granted(Echo(data))
    assert isinstance(answer, EchoResponse)
    check(answer.data == data, f"ECHO of {len(data)} bytes", "the same bytes", f"{len(answer.data)} bytes")
    return f"{len(data)} bytes"


@rule("F7", "frames that are no requests are not answered")
def other_kinds_are_not_answered(bench: Bench) -> None:
    for kind in (Kind.RESPONSE, Kind.EVENT):
        wire = Frame(kind, Opcode.ECHO, 1, bench.session, bench.boot_id, payload=b"x").encode()
        heard = bench.probe(wire)
        check(not heard.frames, f"a frame of kind {kind.name}", "no answer", [said(frame) for frame in heard.frames])
    check(bench.ask(Echo(b"")).seq == 1, "ECHO seq 1 after them", "an answer to seq 1", "another")
