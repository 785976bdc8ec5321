"""Faults 14, 15, 16 and 21: numbers that end, values over the limits, junctions that are none, a stop with everything under way."""

import numpy as np
import pytest

from firmware_protocol import messages
from firmware_protocol.codes import CODE_MASKED, CODE_SATURATED, DeviceState, JunctionResult, Status
from firmware_protocol.messages import Request
from tests.device.test_stopping import test_an_emergency_stop_ends_a_batch_with_the_window_full_within_one_item as stop_in_a_batch
from tests.support.device_end import DeviceEnd
from tests.support.device_host import MS, DeviceHost, S, program, tight, u16

MAX_ID = 0xFFFF_FFFF
WRITE = {"max_pulses": 2, "averages": 1, "read_uv": 100_000, "set_uv": 100_000, "reset_uv": -100_000, "width_ns": 100}


def write(targets: bytes = u16(60_000, *[CODE_MASKED] * 19), **changes: int) -> messages.WriteVerify:
    fields = {**WRITE, **changes}
    return messages.WriteVerify(
        0, fields["max_pulses"], fields["averages"], fields["read_uv"], 1, fields["set_uv"], fields["reset_uv"], fields["width_ns"],
        10, 20, targets,
    )  # fmt: skip


def test_f14_numbers_of_frames_wrap_without_a_stall_a_gap_or_a_double(end: DeviceEnd, host: DeviceHost) -> None:
    host.arm()
    for n in range(65_600):
        ticket, wire = host.endpoint.request(messages.KeepAlive(), host.now_ns)
        host._asked[ticket] = messages.KeepAlive()
        end.feed(wire, host.now_ns)
        if n % 8 == 7:
            host._drain()
            assert ticket in host.answers
            host.answers.clear()
            host.frames.clear()
    assert ticket.seq < 100, "the count has gone round"
    wrapped = host.send(program(1, 5))
    host.answer(wrapped)
    host.raw(host.frame(program(1, 5), wrapped.seq).encode())
    assert len(end.pulses()) == 1


def test_f14_pulse_ids_end_in_a_refusal_and_never_wrap(end: DeviceEnd, host: DeviceHost) -> None:
    host.arm()
    host.ask(program(MAX_ID - 1, 1))
    assert host.refused(program(MAX_ID, 1, 2))[0] is Status.REFUSED_PULSE_ID
    host.ask(program(MAX_ID, 3))
    for request in (program(0, 1), program(1, 1), program(MAX_ID, 1), write()):
        assert host.refused(request)[0] is Status.REFUSED_PULSE_ID
    end.restart(host.now_ns)
    host.again()
    host.arm()
    assert host.refused(program(1, 1)) == (Status.REFUSED_PULSE_ID, 1, MAX_ID)
    assert [device for device, _, _ in end.pulses()] == [1, 3]


OVER: list[Request] = [
    program(1, 0, uv=1_200_001), program(1, 0, uv=-1_200_001), program(1, 0, uv=-(2**31)), program(1, 0, uv=2**31 - 1),
    program(1, 0, ns=0), program(1, 0, ns=1_000_001), program(1, 0, ns=MAX_ID), program(1, *[0] * 626),
    messages.OuterProduct(0, 1, 1_200_001, 100, bytes([1, 0, 0, 0, 1, 0, 0, 0, 0])),
    messages.OuterProduct(0, 1, 100_000, 1_000_001, bytes([1, 0, 0, 0, 1, 0, 0, 0, 0])),
    messages.OuterProduct(0, 1, 100_000, 100, bytes([127] * 9)),
    write(set_uv=1_200_001), write(reset_uv=-1_200_001), write(read_uv=300_001), write(width_ns=1_000_001),
    messages.ReadBlock(0, 1, 300_001), messages.ReadBlock(0, 1, -300_001), messages.ReadBlock(0, 1, -(2**31)),
    messages.ReadList(1, 300_001, u16(0)), messages.ReadDie(0, 1, 1, -300_001),
    messages.Vmm(0, 1, 0, 1, u16(30_001, 0, 0, 0)), messages.Vmm(0, 1, 0, 1, u16(0x8000, 0, 0, 0)),
]  # fmt: skip


@pytest.mark.parametrize("request_", OVER, ids=lambda request: type(request).__name__)
def test_f15_a_value_over_a_limit_is_refused_by_the_device_itself_and_the_die_untouched(
    end: DeviceEnd, host: DeviceHost, request_: Request
) -> None:
    host.arm()
    assert host.refused(request_)[0] is Status.REFUSED_LIMIT
    host.advance(S)
    status = host.status()
    assert (end.pulses(), status.reads, status.last_pulse_id, status.state) == ([], 0, 0, DeviceState.ARMED)


@pytest.mark.parametrize(
    "request_", [program(1, 0, uv=900_001), program(1, 0, ns=5001), program(1, *[0] * 11), messages.ReadBlock(0, 1, 200_001)]
)
def test_f15_tightened_limits_bind_the_device_and_a_restart_does_not_lift_the_boards(
    end: DeviceEnd, host: DeviceHost, request_: Request
) -> None:
    host.ask(tight(device_uv=900_000, read_uv=200_000, pulse_ns=5000, pulses_per_command=10))
    host.arm()
    assert host.refused(request_)[0] is Status.REFUSED_LIMIT
    end.restart(host.now_ns)
    host.again()
    host.ask(tight(device_uv=5_000_000))
    host.arm()
    assert host.refused(program(1, 0, uv=1_200_001))[0] is Status.REFUSED_LIMIT
    assert end.pulses() == []


def test_f16_a_junction_beyond_the_converter_is_a_code_of_its_own_and_the_rest_goes_on(end: DeviceEnd, host: DeviceHost) -> None:
    for device in (3, 19):
        end.short(device)
    block = host.ask(messages.ReadBlock(0, 16, 100_000))
    assert isinstance(block, messages.ReadBlockResponse)
    codes = np.frombuffer(block.codes, "<u2")
    assert [place for place, code in enumerate(codes) if code == CODE_SATURATED] == [3, 19]
    assert all(end.shows(place, int(code)) for place, code in enumerate(codes) if place not in (3, 19))
    listed = host.ask(messages.ReadList(16, 100_000, u16(19, 2, 3)))
    assert isinstance(listed, messages.ReadListResponse)
    pairs = np.frombuffer(listed.readings, "<u2").reshape(-1, 2)
    assert [int(code) == CODE_SATURATED for _, code in pairs] == [True, False, True]


def test_f16_a_verified_write_leaves_an_unreadable_junction_alone_and_does_the_others(end: DeviceEnd, host: DeviceHost) -> None:
    end.short(3)
    host.arm()
    ticket = host.send(write(u16(60_000, CODE_MASKED, CODE_MASKED, 60_000, *[CODE_MASKED] * 16)))
    host.advance(S)
    assert [device for device, _, _ in end.pulses()] == [0, 0]
    answer = host.ask(messages.Result(0x1111, ticket.seq, 0))
    assert isinstance(answer, messages.ResultResponse)
    results = np.frombuffer(answer.data, "<u1").reshape(20, 2)
    assert [tuple(map(int, results[place])) for place in (0, 1, 3)] == [
        (JunctionResult.NOT_REACHED, 2), (JunctionResult.LEFT, 0), (JunctionResult.UNREADABLE, 0),
    ]  # fmt: skip
    (done,) = [event for _, _, event in host.events if isinstance(event, messages.Done)]
    assert (done.total, done.pulses) == (2, 2)


@pytest.mark.parametrize("stop", ["zeros", "own session", "no session"])
def test_f21_a_stop_in_a_batch_of_160_with_the_window_full_gives_one_more_pulse_at_most_and_refuses_the_rest(
    end: DeviceEnd, host: DeviceHost, stop: str
) -> None:
    stop_in_a_batch(end, host, stop)


def test_f21_a_stop_behind_eight_full_frames_is_heard_where_it_arrives(end: DeviceEnd, host: DeviceHost) -> None:
    host.arm()
    wires = [host.frame(program(625 * n + 1, *[n] * 625, ns=975_000), n + 2).encode() for n in range(8)]
    host.raw(b"".join(wires) + b"\0" * 16)
    host.advance(2 * MS)
    assert end.isolated
    assert len(end.pulses()) <= 1
    host.advance(10 * S)
    assert len(end.pulses()) <= 1
    assert host.status().state == DeviceState.ESTOPPED
