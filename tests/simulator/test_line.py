"""The time a line takes, in virtual time: ten bits a byte, each frame there when its last byte is, no drift."""

import random

import pytest

from simulator.faults import DirectionPlan, Fault, FaultName, Incident, LinePlan
from simulator.line import CHUNK_NS, Cable, LineSettings, Wire

BAUD = 1_000_000
BYTE_NS = 10_000


def taken(wire: Wire, now_ns: int) -> bytes:
    return b"".join(what for what in wire.take(now_ns) if isinstance(what, bytes))


def test_a_byte_is_there_when_its_tenth_bit_is() -> None:
    wire = Wire(BAUD)
    wire.send(b"abc\0", 500)
    assert taken(wire, 500 + BYTE_NS - 1) == b""
    assert taken(wire, 500 + BYTE_NS) == b"a"
    assert taken(wire, 500 + 3 * BYTE_NS) == b"bc"
    assert wire.waiting == 1
    assert taken(wire, 500 + 10 * BYTE_NS) == b"\0"
    assert (wire.waiting, wire.due_ns()) == (0, None)


def test_what_is_sent_while_the_line_is_busy_begins_when_it_is_free() -> None:
    wire = Wire(BAUD)
    wire.send(b"1234", 0)
    wire.send(b"56", BYTE_NS)
    assert taken(wire, 5 * BYTE_NS) == b"12345"
    assert taken(wire, 6 * BYTE_NS) == b"6"


def test_it_is_due_at_the_end_of_each_frame_though_many_were_sent_in_one_go() -> None:
    wire = Wire(BAUD)
    wire.send(b"ab\0cdef\0", 0)
    assert wire.due_ns() == 3 * BYTE_NS
    assert taken(wire, 3 * BYTE_NS) == b"ab\0"
    assert wire.due_ns() == 8 * BYTE_NS


def test_a_long_frame_is_due_in_chunks_and_then_at_its_end() -> None:
    wire = Wire(BAUD)
    wire.send(b"x" * 250, 0)
    steps = []
    while (due_ns := wire.due_ns()) is not None:
        steps.append((due_ns, len(taken(wire, due_ns))))
    assert steps == [(CHUNK_NS, 100), (2 * CHUNK_NS, 100), (250 * BYTE_NS, 50)]


@pytest.mark.parametrize("baud", [9_600, 115_200, 921_600, 12_000_000])
def test_nothing_drifts_however_late_it_is_asked(baud: int) -> None:
    wire, rng, now_ns, got = Wire(baud), random.Random(3), 0, b""
    sent = b"".join(rng.randbytes(50) + b"\0" for _ in range(400))
    for start in range(0, len(sent), 51):
        wire.send(sent[start : start + 51], 0)
    while (due_ns := wire.due_ns()) is not None:
        now_ns = max(now_ns, due_ns + rng.randrange(300_000))
        got += taken(wire, now_ns)
    assert got == sent
    ideal_ns = len(sent) * 10 * 1_000_000_000 / baud
    assert ideal_ns <= now_ns <= ideal_ns + 300_000 + 400


def test_a_wire_without_a_speed_takes_no_time() -> None:
    wire = Wire(0)
    wire.send(b"a" * 5_000, 7)
    assert wire.due_ns() == 7
    assert taken(wire, 7) == b"a" * 5_000


def test_an_incident_keeps_its_place_among_the_bytes() -> None:
    wire = Wire(BAUD)
    wire.send(b"ab", 0)
    wire.send(Incident.REBOOT, 0)
    wire.send(b"cd", 0)
    assert wire.take(2 * BYTE_NS - 1) == [b"a"]
    assert wire.take(9 * BYTE_NS) == [b"b", Incident.REBOOT, b"cd"]


def test_a_plain_cable_costs_nothing_and_a_slow_one_is_slow_both_ways() -> None:
    assert Cable(LineSettings(), 0).connection() == (None, None)
    for way in Cable(LineSettings(BAUD), 0).connection():
        assert way is not None
        way.send(b"12\0", 0)
        assert way.due_ns() == 3 * BYTE_NS


def test_faults_come_before_the_wire_so_that_noise_takes_its_time_too() -> None:
    noisy = LinePlan(to_host=DirectionPlan((Fault(FaultName.NOISE, at=frozenset({1}), noise_bytes=7),)))
    _, to_host = Cable(LineSettings(BAUD, noisy), 0).connection()
    assert to_host is not None
    to_host.send(b"ab\0", 0)
    assert to_host.waiting == 10
    got = to_host.take(10 * BYTE_NS)
    assert isinstance(got[0], bytes) and len(got[0]) == 10 and got[0].endswith(b"ab\0")


def test_a_second_connection_counts_the_same_cables_frames() -> None:
    plan = LinePlan(to_device=DirectionPlan((Fault(FaultName.LOSE, at=frozenset({2})),)))
    cable = Cable(LineSettings(0, plan), 0)
    for number, expected in ((1, [b"1\0"]), (2, []), (3, [b"3\0"])):
        way, _ = cable.connection()
        assert way is not None
        way.send(b"%d\0" % number, 0)
        assert way.take(0) == expected
