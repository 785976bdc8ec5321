"""What only the firmware in C promises: one small step a poll, a full transmitter, a memory that fails, small builds.

What both ends promise alike is tested in tests/device.
"""

from collections.abc import Iterator

import pytest

from firmware_protocol import messages
from firmware_protocol.codes import (
    CODE_MASKED,
    CODE_SATURATED,
    Capability,
    DeviceState,
    JunctionResult,
    OperationState,
    PulseOutcome,
    SafeReason,
    Status,
)
from firmware_protocol.framing import STOP_ZEROS
from firmware_protocol.geometry import Geometry
from tests.support.c_end import CEnd, library
from tests.support.device_host import MS, DeviceHost, program, u16

SMALL = Geometry(2, 4, 5)
READ_UV = 100_000
P_CODE, AP_CODE = 22_282 + 524, 22_282 + 262
"""Readings of 200 uS and 100 uS at 100 mV, in steps of 38,147 pA above the zero code."""


@pytest.fixture
def end() -> Iterator[CEnd]:
    made = CEnd(SMALL)
    yield made
    made.close()


@pytest.fixture
def host(end: CEnd) -> DeviceHost:
    made = DeviceHost(end)
    made.hello()
    return made


def test_one_poll_gives_one_pulse_and_a_stop_between_two_polls_leaves_the_rest() -> None:
    end = CEnd(SMALL, fast=True)
    host = DeviceHost(end)
    host.hello()
    host.arm()
    wire = host.frame(program(1, *range(10)), 2).encode()
    c, device = library(), end._device
    c.hil_device_feed(device, wire, len(wire))
    assert end.pulses() == []
    for given in range(1, 4):
        assert c.hil_device_poll(device)
        assert len(end.pulses()) == given
    c.hil_device_feed(device, b"\0" * STOP_ZEROS, STOP_ZEROS)
    assert end.isolated
    host.advance(10 * MS)
    assert len(end.pulses()) == 3
    assert [host.fate(n) for n in (3, 4)] == [PulseOutcome.EXECUTED, PulseOutcome.REFUSED]
    assert host.status().state == DeviceState.ESTOPPED
    end.close()


def test_one_poll_reads_one_junction() -> None:
    end = CEnd(SMALL, fast=True)
    host = DeviceHost(end)
    host.hello()
    c, device = library(), end._device
    wire = host.frame(messages.ReadBlock(0, 1, READ_UV), 1).encode()
    c.hil_device_feed(device, wire, len(wire))
    assert [c.hil_device_poll(device) for _ in range(21)] == [True] * 20 + [False]
    assert host.status().reads == 20
    end.close()


def test_a_memory_that_cannot_be_written_means_no_pulse_at_all(end: CEnd, host: DeviceHost) -> None:
    host.arm()
    host.ask(program(1, 0))
    end.fail_memory(True)
    assert host.refused(program(2, 1)) == (Status.FAULT_INTERNAL, 2, 1)
    targets = u16(P_CODE, *[CODE_MASKED] * 19)
    write = messages.WriteVerify(0, 3, 1, READ_UV, 2, 800_000, -800_000, 100, 10, 20, targets)
    assert host.refused(write)[0] is Status.FAULT_INTERNAL
    assert (len(end.pulses()), host.status().last_pulse_id, host.status().operation) == (1, 1, 0)
    end.fail_memory(False)
    host.ask(program(2, 1))
    assert len(end.pulses()) == 2


def test_a_table_that_cannot_be_stored_is_not_in_force(end: CEnd, host: DeviceHost) -> None:
    end.fail_memory(True)
    assert host.refused(messages.SetCalibration(1, 1, 0, bytes([4, 3, 2, 1, 0])))[0] is Status.FAULT_INTERNAL
    kept = host.ask(messages.GetCalibration(1))
    assert isinstance(kept, messages.CalibrationResponse)
    assert (kept.version, kept.data) == (0, b"")
    end.fail_memory(False)
    host.arm()
    host.ask(program(1, 0))
    assert end.pulses()[0][0] == 0


def test_a_uart_break_stops_like_sixteen_zeros(end: CEnd, host: DeviceHost) -> None:
    host.arm()
    host.send(program(1, *range(10), ns=1_000_000))
    waits = host.send(program(11, 0))
    host.advance(3 * MS)
    end.stop_button(host.now_ns)
    assert end.isolated
    assert host.answer(waits).status is Status.REFUSED_ESTOP
    assert len(end.pulses()) in (2, 3)
    assert (host.status().state, host.status().safe_reason) == (DeviceState.ESTOPPED, SafeReason.ESTOP)


def test_answers_that_find_no_room_are_dropped_and_can_be_asked_for_again(end: CEnd, host: DeviceHost) -> None:
    tickets = [host.frame(messages.Echo(bytes([n]) * 2000), n) for n in range(1, 101)]
    for frame in tickets:
        end.feed(frame.encode(), host.now_ns)  # Nobody takes: 100 answers of 2 kB are more than the transmitter holds.
    came = host.raw(b"")
    assert 50 < len(came) < 100
    (again,) = host.raw(tickets[-1].encode())
    assert (again.seq, again.payload) == (100, bytes([100]) * 2000)


def test_the_simulated_junctions_switch_and_their_defects_show(end: CEnd, host: DeviceHost) -> None:
    host.arm()
    end.spoil(1, 1)
    end.short(2)
    host.ask(program(1, *range(4), uv=800_000))
    before = host.ask(messages.ReadList(1, READ_UV, u16(0, 1, 2, 3)))
    host.ask(program(5, *range(4), uv=-800_000))
    after = host.ask(messages.ReadList(1, READ_UV, u16(0, 1, 2, 3)))
    assert isinstance(before, messages.ReadListResponse) and isinstance(after, messages.ReadListResponse)
    codes = [[int.from_bytes(answer.readings[4 * i + 2 : 4 * i + 4], "little") for i in range(4)] for answer in (before, after)]
    assert (codes[0][0], codes[0][3], codes[1][0], codes[1][3]) == (P_CODE, P_CODE, AP_CODE, AP_CODE)
    assert codes[0][1] == codes[1][1], "stuck"
    assert codes[0][2] == codes[1][2] == CODE_SATURATED


def test_a_verified_write_reaches_what_can_be_reached_and_says_what_cannot(end: CEnd, host: DeviceHost) -> None:
    host.arm()
    end.short(3)
    end.spoil(0, 1)
    stuck_at_p = end.shows(0, P_CODE)
    targets = [P_CODE if n % 2 else AP_CODE for n in range(20)]
    targets[0] = AP_CODE if stuck_at_p else P_CODE
    targets[19] = CODE_MASKED
    ticket = host.send(messages.WriteVerify(0, 3, 1, READ_UV, 10, 800_000, -800_000, 100, 50, 80, u16(*targets)))
    host.advance(1000 * MS)
    (done,) = [event for _, _, event in host.events if isinstance(event, messages.Done)]
    assert (done.state, done.done, done.total) == (OperationState.DONE, 17, 19)
    result = host.ask(messages.Result(host.endpoint.session, ticket.seq, 0))
    assert isinstance(result, messages.ResultResponse)
    outcomes, counts = result.data[::2], result.data[1::2]
    assert (outcomes[0], counts[0]) == (JunctionResult.NOT_REACHED, 3)
    assert (outcomes[3], counts[3]) == (JunctionResult.UNREADABLE, 0)
    assert (outcomes[19], counts[19]) == (JunctionResult.LEFT, 0)
    assert {outcomes[n] for n in (1, 2, *range(4, 19))} == {JunctionResult.IN_TOLERANCE}
    assert sum(counts) == done.pulses == len(end.pulses())
    assert all(end.shows(n, targets[n]) for n in (1, 2, *range(4, 19)))


def test_a_geometry_beyond_the_compiled_sizes_is_refused() -> None:
    with pytest.raises(ValueError, match="beyond the sizes"):
        CEnd(Geometry(32, 25, 26))


def test_every_capability_is_offered(host: DeviceHost) -> None:
    assert host.again().capabilities == Capability(0x7F)
