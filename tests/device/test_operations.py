"""Long operations: accepted at once, told of while they run, asked after when over, ended by whoever may."""

from collections.abc import Callable

import numpy as np
import pytest

from firmware_protocol import messages
from firmware_protocol.codes import (
    CODE_MASKED,
    DeviceState,
    JunctionResult,
    Opcode,
    OperationState,
    PulseOutcome,
    SafeReason,
    Status,
    Wear,
)
from firmware_protocol.geometry import Geometry
from firmware_protocol.messages import Request
from firmware_protocol.questions import Ticket
from tests.support.device_end import DeviceEnd, device_end
from tests.support.device_host import MS, US, DeviceHost, S, program, u16

READ_UV = 100_000
KERNEL_NS = 5 * 25 * US + 20 * 10 * US
ITEM_NS = 25 * US + 975_000


def begin(host: DeviceHost, request: Request) -> tuple[Ticket, int]:
    """(ticket, estimated ms) of a long operation."""
    ticket = host.send(request)
    said = host.answer(ticket, MS)
    assert said.status is Status.ACCEPTED, said
    assert isinstance(said.message, messages.Accepted)
    return ticket, said.message.estimate_ms


def verify(targets: bytes, *, first: int = 1, max_pulses: int = 2, tolerance: int = 10, kernel: int = 0) -> messages.WriteVerify:
    return messages.WriteVerify(kernel, max_pulses, 1, READ_UV, first, 100_000, -200_000, 975_000, tolerance, tolerance, targets)


def done_of(host: DeviceHost) -> messages.Done:
    (done,) = [event for _, _, event in host.events if isinstance(event, messages.Done)]
    return done


def operation(host: DeviceHost, session: int = 0, seq: int = 0) -> messages.OperationResponse:
    answer = host.ask(messages.Operation(session, seq))
    assert isinstance(answer, messages.OperationResponse)
    return answer


def result(host: DeviceHost, ticket: Ticket, part: int, session: int = 0x1111) -> bytes:
    answer = host.ask(messages.Result(session, ticket.seq, part))
    assert isinstance(answer, messages.ResultResponse)
    assert (answer.of_session, answer.of_seq, answer.part) == (session, ticket.seq, part)
    return answer.data


HIGH_LOW = u16(60_000, CODE_MASKED, 1, *[CODE_MASKED] * 10, 60_000, *[CODE_MASKED] * 6)
"""Three junctions to be written, to codes that no reading reaches: 0 and 13 upwards, 2 downwards."""
LONG: dict[str, Callable[[], Request]] = {
    "READ_DIE": lambda: messages.ReadDie(0, 2, 100, READ_UV),
    "SCAN": lambda: messages.Scan(0, 5, 0xFFFF, 0, 10_000, 5_000),
}


# --- READ_DIE


def test_a_die_is_accepted_at_once_then_streamed_block_by_block(end: DeviceEnd, host: DeviceHost) -> None:
    begun_ns = host.now_ns
    ticket, estimate_ms = begin(host, messages.ReadDie(0, 2, 16, READ_UV))
    assert host.now_ns - begun_ns <= US
    kernel_ns = 5 * 25 * US + 16 * 20 * 10 * US
    assert abs(estimate_ms - 2 * kernel_ns / MS) <= 1.5
    assert host.status().operation == Opcode.READ_DIE
    running = operation(host)
    assert (running.of_session, running.of_seq, running.of_opcode, running.state) == (
        0x1111,
        ticket.seq,
        Opcode.READ_DIE,
        OperationState.RUNNING,
    )
    assert (running.total, running.first_pulse_id, running.pulses) == (2, 0, 0)
    host.advance(S)
    (first_ns, _, first), (second_ns, _, second) = [each for each in host.events if isinstance(each[2], messages.Block)]
    assert [round((at_ns - begun_ns) / kernel_ns, 1) for at_ns in (first_ns, second_ns)] == [1.0, 2.0]
    for index, block in enumerate((first, second)):
        assert isinstance(block, messages.Block)
        assert (block.index, block.kernel, block.averages, block.read_uv) == (index, index, 16, READ_UV)
        assert all(end.shows(20 * index + place, int(code)) for place, code in enumerate(np.frombuffer(block.codes, "<u2")))
    assert {seq for _, seq, _ in host.events} == {ticket.seq}
    assert done_of(host) == messages.Done(OperationState.DONE, 2, 2, 0)
    over = operation(host, 0x1111, ticket.seq)
    assert (over.state, over.done, over.total, over.remaining_ms) == (OperationState.DONE, 2, 2, 0)
    assert host.status().operation == 0
    for part in (0, 1):
        assert host.refused(messages.Result(0x1111, ticket.seq, part))[0] is Status.REFUSED_RANGE


def test_a_part_of_a_die_counts_its_blocks_from_0(host: DeviceHost) -> None:
    begin(host, messages.ReadDie(1, 1, 1, READ_UV))
    host.advance(S)
    (block,) = [event for _, _, event in host.events if isinstance(event, messages.Block)]
    assert (block.index, block.kernel, done_of(host).done) == (0, 1, 1)


@pytest.mark.parametrize("name", ["python", "c"])
def test_a_line_that_takes_nothing_holds_the_reading_back(name: str) -> None:
    with device_end(name, Geometry(12, 4, 5)) as end:
        host = DeviceHost(end)
        host.hello()
        begin(host, messages.ReadDie(0, 12, 1, READ_UV))
        host._clock[0] += S
        end.feed(host.frame(messages.GetStatus(), 99).encode(), host.now_ns)
        host.advance(0)
        (status,) = [frame for _, frame in host.frames if frame.opcode == Opcode.STATUS]
        assert messages.StatusResponse.decode(status.payload).reads <= 3 * 20, "two blocks wait and one may be on its way"
        host.advance(S)
        blocks = [event for _, _, event in host.events if isinstance(event, messages.Block)]
        assert [(block.index, block.kernel) for block in blocks] == [(n, n) for n in range(12)]
        assert done_of(host).done == 12


# --- WRITE_VERIFY


def test_a_verified_write_pulses_what_is_off_its_target_pass_by_pass(end: DeviceEnd, host: DeviceHost) -> None:
    host.arm()
    begun_ns = host.now_ns
    ticket, estimate_ms = begin(host, verify(HIGH_LOW, first=5, max_pulses=3))
    host.advance(MS)
    running = operation(host)
    assert (running.of_opcode, running.first_pulse_id, running.total) == (Opcode.WRITE_VERIFY, 5, 3)
    host.advance(S)
    up, down = (100_000, 975_000), (-200_000, 975_000)
    assert list(end.pulses()) == [(0, *up), (2, *down), (13, *up)] * 3
    progress = [event for _, _, event in host.events if isinstance(event, messages.Progress)]
    assert progress == [messages.Progress(0, 3)] * 4
    assert done_of(host) == messages.Done(OperationState.DONE, 0, 3, 9)
    done_ns = next(at_ns for at_ns, _, event in host.events if isinstance(event, messages.Done))
    took_ns = done_ns - begun_ns
    assert abs(took_ns - (4 * KERNEL_NS + 9 * ITEM_NS)) <= 10 * US
    assert took_ns <= estimate_ms * MS <= 3 * took_ns
    results = np.frombuffer(result(host, ticket, 0), "<u1").reshape(20, 2)
    wanted = [(JunctionResult.NOT_REACHED, 3) if place in (0, 2, 13) else (JunctionResult.LEFT, 0) for place in range(20)]
    assert [(int(state), int(pulses)) for state, pulses in results] == wanted
    codes = np.frombuffer(result(host, ticket, 1), "<u2")
    assert all(end.shows(place, int(code)) for place, code in enumerate(codes))
    assert host.refused(messages.Result(0x1111, ticket.seq, 2))[0] is Status.REFUSED_RANGE
    status = host.status()
    assert (status.state, status.operation, status.last_pulse_id, status.pulses) == (DeviceState.ARMED, 0, 13, 9)
    assert [host.fate(n) for n in (4, 5, 13, 14)] == [
        PulseOutcome.NEVER_SEEN, PulseOutcome.EXECUTED, PulseOutcome.EXECUTED, PulseOutcome.NEVER_SEEN,
    ]  # fmt: skip
    counted = host.ask(messages.Counters(0, Wear.READINGS))
    assert isinstance(counted, messages.CountersResponse)
    assert set(np.frombuffer(counted.counts, "<u2")) == {4}


def test_what_is_within_tolerance_gets_no_pulse(end: DeviceEnd, host: DeviceHost) -> None:
    block = host.ask(messages.ReadBlock(0, 64, READ_UV))
    assert isinstance(block, messages.ReadBlockResponse)
    host.arm()
    ticket, _ = begin(host, verify(block.codes, tolerance=500))
    host.advance(S)
    assert end.pulses() == []
    assert done_of(host) == messages.Done(OperationState.DONE, 20, 20, 0)
    assert set(result(host, ticket, 0)) == {JunctionResult.IN_TOLERANCE, 0} == {0}
    assert len([event for _, _, event in host.events if isinstance(event, messages.Progress)]) == 1, "one pass, which only reads"
    assert host.status().last_pulse_id == 40, "set aside, whether used or not"


def test_a_write_of_nothing_is_one_reading(end: DeviceEnd, host: DeviceHost) -> None:
    host.arm()
    ticket, _ = begin(host, verify(u16(*[CODE_MASKED] * 20)))
    host.advance(S)
    assert (end.pulses(), done_of(host)) == ([], messages.Done(OperationState.DONE, 0, 0, 0))
    assert result(host, ticket, 0) == bytes([JunctionResult.LEFT, 0]) * 20
    host.ask(program(1, 0))


@pytest.mark.parametrize("how", ["abort", "disarm", "stop", "zeros", "hello"])
def test_a_verified_write_ends_when_it_is_ended_and_says_how_far_it_came(end: DeviceEnd, host: DeviceHost, how: str) -> None:
    host.arm()
    ticket, _ = begin(host, verify(HIGH_LOW, max_pulses=100))
    host.advance(50 * MS)
    given = len(end.pulses())
    assert 40 <= given <= 50
    session = 0x1111
    if how == "abort":
        assert host.refused(messages.Abort(ticket.seq + 7))[0] is Status.REFUSED_RANGE
        host.ask(messages.Abort(ticket.seq))
    elif how == "disarm":
        host.ask(messages.Disarm())
    elif how == "stop":
        host.ask(messages.EmergencyStop())
    elif how == "zeros":
        host.raw(b"\0" * 16)
    else:
        host.again()
    host.advance(ITEM_NS + 5 * MS)
    assert given <= len(end.pulses()) <= given + 1
    given = len(end.pulses())
    over = operation(host, session, ticket.seq)
    stopped = how in ("stop", "zeros")
    assert over.state == (OperationState.STOPPED if stopped else OperationState.ABORTED)
    assert (over.pulses, over.first_pulse_id, over.remaining_ms) == (given, 1, 0)
    if how != "hello":
        done = done_of(host)
        assert (done.state, done.pulses) == (over.state, given)
    state, reason = {
        "abort": (DeviceState.ARMED, None),
        "disarm": (DeviceState.SAFE, SafeReason.HOST),
        "hello": (DeviceState.SAFE, SafeReason.NEW_SESSION),
    }.get(how, (DeviceState.ESTOPPED, SafeReason.ESTOP))
    assert host.status().state == state
    assert reason is None or host.status().safe_reason == reason
    results = np.frombuffer(result(host, ticket, 0, session), "<u1").reshape(20, 2)
    assert int(results[:, 1].sum()) == given
    assert {int(each) for each in results[[0, 2, 13], 0]} == {JunctionResult.NOT_DONE}
    assert [host.fate(n) for n in (1, given)] == [PulseOutcome.EXECUTED] * 2
    assert host.fate(given + 1) in (PulseOutcome.REFUSED, PulseOutcome.NEVER_SEEN)
    assert host.status().last_pulse_id == 300
    host.advance(S)
    assert len(end.pulses()) == given


# --- who may ask, and for how long


@pytest.mark.parametrize("name", list(LONG))
def test_anybody_may_ask_after_the_latest_operation(end: DeviceEnd, host: DeviceHost, name: str) -> None:
    ticket, _ = begin(host, LONG[name]())
    for header in ({"session": 0, "boot_id": 0}, {"session": 0x9999}):
        (frame,) = host.raw(host.frame(messages.Operation(), 3, **header).encode())
        answer = messages.OperationResponse.decode(frame.payload)
        assert (frame.status, answer.of_session, answer.of_seq) == (Status.OK, 0x1111, ticket.seq)
    host.ask(messages.Abort(ticket.seq))
    assert host.refused(messages.Operation(0x1111, ticket.seq + 1))[0] is Status.REFUSED_RANGE
    assert host.refused(messages.Operation(0x2222, ticket.seq))[0] is Status.REFUSED_RANGE
    assert operation(host).state == OperationState.ABORTED
    assert host.refused(messages.Abort(ticket.seq))[0] is Status.REFUSED_RANGE, "it runs no more"


def test_an_operation_is_remembered_until_the_next_one_begins(host: DeviceHost) -> None:
    host.arm()
    first, _ = begin(host, verify(HIGH_LOW, max_pulses=1))
    host.advance(S)
    host.ask(messages.ReadBlock(0, 1, READ_UV))
    host.ask(program(500, 1))
    assert len(result(host, first, 0)) == 40
    second, _ = begin(host, messages.ReadDie(0, 1, 1, READ_UV))
    assert host.refused(messages.Operation(0x1111, first.seq))[0] is Status.REFUSED_RANGE
    assert host.refused(messages.Result(0x1111, first.seq, 0))[0] is Status.REFUSED_RANGE
    assert operation(host).of_seq == second.seq


def test_a_repeated_request_of_a_long_operation_begins_nothing(end: DeviceEnd, host: DeviceHost) -> None:
    host.arm()
    ticket, _ = begin(host, verify(HIGH_LOW, max_pulses=1))
    wire = host.frame(verify(HIGH_LOW, max_pulses=1), ticket.seq).encode()
    (again,) = host.raw(wire)
    assert again.status == Status.ACCEPTED
    host.advance(S)
    (late,) = host.raw(wire)
    assert late == again
    host.advance(S)
    assert len(end.pulses()) == 3
    assert done_of(host).pulses == 3


def test_a_new_session_ends_the_old_ones_reading(end: DeviceEnd, host: DeviceHost) -> None:
    ticket, _ = begin(host, messages.ReadDie(0, 2, 4096, READ_UV))
    host.advance(MS)
    host.again()
    assert host.status().operation == 0
    assert host.status().safe_reason == SafeReason.NEW_SESSION
    assert operation(host, 0x1111, ticket.seq).state == OperationState.ABORTED


def test_a_restart_forgets_the_operation(end: DeviceEnd, host: DeviceHost) -> None:
    ticket, _ = begin(host, messages.ReadDie(0, 2, 4096, READ_UV))
    end.restart(host.now_ns)
    host.again()
    assert host.refused(messages.Operation())[0] is Status.REFUSED_RANGE
    assert host.refused(messages.Result(0x1111, ticket.seq, 0))[0] is Status.REFUSED_RANGE
    host.advance(S)
    assert host.events == []
