"""Faults 1 to 4: bytes damaged, frames lost, doubled, late, answers lost. No pulse twice, none lost after its answer, no value astray."""

import random

import pytest

from firmware_protocol import messages
from firmware_protocol.codes import Opcode, Status
from firmware_protocol.framing import Frame
from simulator.faults import DirectionPlan, Fault, FaultName
from tests.support.device_end import DeviceEnd
from tests.support.device_host import MS, DeviceHost, program
from tests.support.faulty_line import SEVEN, TIMING, Trial

PULSES = 1200
LATENCY = {"latency_ns": MS, "jitter_ns": MS // 5}
DELAY = Fault(FaultName.DELAY, 0.02, hold_ns=300 * MS)
GOOD = DirectionPlan((), **LATENCY)


def plan(*faults: Fault) -> DirectionPlan:
    return DirectionPlan(faults, **LATENCY)


def sound(end: DeviceEnd, there: DirectionPlan, back: DirectionPlan, seed: int) -> Trial:
    """A trial in which every promise was kept."""
    trial = Trial(end, PULSES, there, seed, back=back)
    trial.run(20 * PULSES)
    assert trial.done, f"stood still after {trial.frames} frames"
    assert trial.times_applied() == dict.fromkeys(range(1, PULSES + 1), 1), "I1: once each"
    assert trial.in_order()
    assert trial.ended.executed == set(range(1, PULSES + 1)), "I2: and each confirmed"
    assert (trial.ended.late, trial.downs) == (0, {}), "I3: within the deadline, without losing the session"
    assert trial.ended.reads > 100
    assert trial.ended.wrong == 0, "I4: no value of another junction"
    return trial


def test_f01_flipped_bits_and_bursts_are_dropped_counted_and_sent_again_in_time(end: DeviceEnd) -> None:
    hurt = plan(Fault(FaultName.FLIP, 0.08), Fault(FaultName.NOISE, 0.08, noise_bytes=20))
    trial = sound(end, hurt, hurt, 1)
    assert trial.retransmitted > 20
    host = DeviceHost(end, 0x7777)
    host._clock[0] = trial.now_ns
    assert host.status().rejected_frames > 20


@pytest.mark.parametrize("kind", ["drop", "double", "swap"])
def test_f02_a_damaged_byte_costs_its_frame_and_at_most_the_next_one(end: DeviceEnd, host: DeviceHost, kind: str) -> None:
    wire = host.frame(messages.GetStatus(), 77).encode()
    after = [host.frame(messages.GetStatus(), 100 + n).encode() for n in range(2)]
    for place in range(len(wire)):
        damaged = {
            "drop": wire[:place] + wire[place + 1 :],
            "double": wire[: place + 1] + wire[place:],
            "swap": wire[:place] + wire[place : place + 2][::-1] + wire[place + 2 :],
        }[kind]
        answered = [frame.seq for frame in host.raw(damaged + b"".join(after)) if frame.opcode == Opcode.STATUS]
        assert answered[-1:] == [101], f"{kind} at byte {place}: {answered}"
    hurt = plan(Fault(FaultName[kind.upper()], 0.1))
    sound(end, hurt, hurt, 2)


@pytest.mark.parametrize(
    "fault", [Fault(FaultName.LOSE, 0.1), Fault(FaultName.REPEAT, 0.2), Fault(FaultName.DELAY, 0.02, hold_ns=300 * MS)]
)
def test_f03_frames_lost_doubled_or_late_are_answered_from_memory_and_late_answers_dropped(end: DeviceEnd, fault: Fault) -> None:
    trial = sound(end, plan(fault), plan(fault), 3)
    assert trial.host.counters.late > 0 or fault.name is FaultName.LOSE


def test_f03_frames_out_of_order_are_executed_in_order_once(end: DeviceEnd, host: DeviceHost) -> None:
    host.arm()
    frames = [host.frame(program(n, n), n + 1) for n in range(1, 8)]
    dice = random.Random(3)
    for _ in range(30):
        order = dice.sample(frames, len(frames))
        host.raw(b"".join(frame.encode() for frame in order))
        host.advance(MS)
    assert [device for device, _, _ in end.pulses()] == [*range(1, 8)]


def test_f03_an_answer_is_taken_by_session_and_number_alone(host: DeviceHost) -> None:
    """Late answers of an old session, of another number and of another opcode: each is counted and none is taken."""
    endpoint = host.endpoint
    ticket, wire = endpoint.request(messages.Echo(b"mine"), host.now_ns)
    (right,) = [frame for frame in _answers(host, wire) if frame.opcode == Opcode.ECHO]
    before = endpoint.counters.late
    for wrong in (
        right._replace(session=right.session + 1),
        right._replace(seq=right.seq + 1),
        right._replace(opcode=Opcode.KEEPALIVE),
        right,
    ):
        assert endpoint.receive(wrong, host.now_ns) == []
    assert endpoint.counters.late == before + 4
    assert not endpoint._questions.waits_for(ticket)


def _answers(host: DeviceHost, wire: bytes) -> list[Frame]:
    host._asked.update({ticket: messages.Echo(b"") for ticket in list(host.endpoint._questions._waiting)})
    return host.raw(wire)


def test_f04_an_answer_lost_after_execution_is_given_again_without_a_second_execution(end: DeviceEnd) -> None:
    trial = sound(end, GOOD, plan(Fault(FaultName.LOSE, 0.25)), 4)
    assert trial.retransmitted > 50


def test_f04_every_answer_of_a_window_lost_is_given_again(end: DeviceEnd, host: DeviceHost) -> None:
    host.arm()
    wires = [host.frame(program(n, n), n + 1).encode() for n in range(1, 9)]
    host.raw(b"".join(wires))
    host.advance(5 * MS)
    again = host.raw(b"".join(b"\0" + wire for wire in wires))
    assert [(frame.opcode, frame.seq, frame.status) for frame in again] == [(Opcode.PROGRAM, n + 1, Status.OK) for n in range(1, 9)]
    assert len(end.pulses()) == 8


@pytest.mark.parametrize("probability", [0.01, 0.03])
def test_f01_to_f04_together_and_the_account_is_whole(end: DeviceEnd, probability: float) -> None:
    hurt = plan(*(Fault(name, probability) for name in SEVEN))
    trial = sound(end, hurt, hurt, 5)
    assert trial.now_ns < PULSES * TIMING.max_rto_ns
