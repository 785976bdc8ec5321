"""What ends a command or a path before its time: emergency stop, the dead man, DISARM, another host."""

import pytest

from firmware_protocol import messages
from firmware_protocol.codes import DeviceState, Opcode, OperationState, PulseOutcome, Route, SafeReason, Status
from tests.support.device_end import DeviceEnd
from tests.support.device_host import MS, US, DeviceHost, program, tight, u16

ZEROS = b"\0" * 16
ITEM_NS = 1_000_000
"""One pulse with its switching and settling, with widths of 975 us."""


def long_program(first: int, count: int) -> messages.Program:
    return program(first, *(n % 40 for n in range(count)), ns=975_000)


@pytest.mark.parametrize("stop", ["zeros", "own session", "no session"])
def test_an_emergency_stop_ends_a_batch_with_the_window_full_within_one_item(end: DeviceEnd, host: DeviceHost, stop: str) -> None:
    host.arm()
    running = host.send(long_program(1, 160))
    waiting = [host.send(request) for request in (
        program(161, 1), messages.ReadBlock(0, 1, 100_000), messages.Echo(b"x"), messages.Select(Route.JUNCTION, 7),
        messages.Arm(host.status().limits_crc32), messages.Disarm(), messages.Echo(b"y"),
    )]  # fmt: skip
    host.advance(20 * ITEM_NS + ITEM_NS // 2)
    stopped_ns = host.now_ns
    if stop == "zeros":
        assert {frame.opcode for frame in host.raw(ZEROS)}.isdisjoint({Opcode.ESTOP}), "zeros have no answer of their own"
    else:
        header = {"session": 0, "boot_id": 0} if stop == "no session" else {}
        host.raw(host.frame(messages.EmergencyStop(), 77, **header).encode())
    host.advance(ITEM_NS + 5 * MS)
    said = host.answers[running]
    given = len(end.pulses())
    assert given in (20, 21)
    assert said.status is Status.OK
    assert isinstance(said.message, messages.ProgramResponse)
    assert said.message.outcomes == bytes([PulseOutcome.EXECUTED] * given + [PulseOutcome.REFUSED] * (160 - given))
    assert said.at_ns - stopped_ns <= ITEM_NS + 5 * MS
    assert [host.answers[ticket].status for ticket in waiting] == [
        Status.REFUSED_ESTOP, Status.REFUSED_ESTOP, Status.OK, Status.REFUSED_ESTOP, Status.REFUSED_ESTOP, Status.OK, Status.OK,
    ]  # fmt: skip
    assert end.isolated
    status = host.status()
    assert (status.state, status.safe_reason, status.last_pulse_id) == (DeviceState.ESTOPPED, SafeReason.ESTOP, 160)
    assert [host.fate(n) for n in (1, given, given + 1, 160, 161)] == [
        PulseOutcome.EXECUTED, PulseOutcome.EXECUTED, PulseOutcome.REFUSED, PulseOutcome.REFUSED, PulseOutcome.NEVER_SEEN,
    ]  # fmt: skip
    host.advance(1000 * MS)
    assert len(end.pulses()) == given


def test_fifteen_zeros_stop_nothing_and_sixteen_in_any_split_do(end: DeviceEnd, host: DeviceHost) -> None:
    host.ask(messages.Select(Route.JUNCTION, 7))
    host.raw(host.frame(messages.Echo(b""), 2).encode()[:-1] + b"\0" * 15)
    host.raw(b"\x05" + b"\0" * 15)
    assert end.connected == 7
    host.raw(b"\x05")
    for _ in range(15):
        host.raw(b"\0")
    assert end.connected == 7
    host.raw(b"\0")
    host.advance(MS)
    assert end.isolated
    assert host.status().state == DeviceState.ESTOPPED


def test_an_emergency_stop_cuts_an_outer_product_between_events(end: DeviceEnd, host: DeviceHost) -> None:
    host.arm()
    counts = bytes([4, 4, 4, 4, 4, 4, 4, 4, 4])
    ticket = host.send(messages.OuterProduct(0, 1, 100_000, 975_000, counts))
    host.advance(5 * ITEM_NS + ITEM_NS // 2)
    host.raw(ZEROS)
    host.advance(ITEM_NS + 5 * MS)
    said = host.answers[ticket]
    assert isinstance(said.message, messages.OuterProductResponse)
    assert said.status is Status.OK
    assert said.message.executed == len(end.pulses()) == 20 * said.message.events
    assert said.message.events in (5, 6)
    assert (host.fate(1), host.fate(said.message.executed), host.fate(said.message.executed + 1), host.fate(320)) == (
        PulseOutcome.EXECUTED, PulseOutcome.EXECUTED, PulseOutcome.REFUSED, PulseOutcome.REFUSED,
    )  # fmt: skip


@pytest.mark.parametrize(
    "request_",
    [messages.ReadBlock(0, 4096, 100_000), messages.ReadList(4096, 100_000, u16(1, 2, 3)), messages.Vmm(0, 2, 0, 8, u16(*[1000] * 64))],
)
def test_a_reading_cut_by_an_emergency_stop_is_no_reading(end: DeviceEnd, host: DeviceHost, request_: messages.Request) -> None:
    ticket = host.send(request_)
    host.advance(100 * US)
    host.raw(ZEROS)
    host.advance(6 * MS)
    assert host.answers[ticket].status is Status.REFUSED_ESTOP


# --- the dead man


@pytest.mark.parametrize("route", [Route.JUNCTION, Route.CONTACT_PADS])
def test_silence_of_the_owner_isolates_a_selected_path(end: DeviceEnd, host: DeviceHost, route: Route) -> None:
    host.ask(messages.Select(route, 7 if route is Route.JUNCTION else 0xFFFF))
    host.advance(1499 * MS)
    assert not end.isolated
    host.advance(2 * MS)
    assert end.isolated
    assert (host.status().state, host.status().safe_reason) == (DeviceState.SAFE, SafeReason.DEAD_MAN)


def test_silence_of_the_owner_disarms(end: DeviceEnd, host: DeviceHost) -> None:
    host.arm()
    host.advance(1501 * MS)
    assert host.refused(program(1, 0))[0] is Status.REFUSED_NOT_ARMED
    assert end.pulses() == []


def test_a_tightened_dead_man_strikes_earlier(end: DeviceEnd, host: DeviceHost) -> None:
    host.ask(tight(dead_man_ms=100))
    host.ask(messages.Select(Route.JUNCTION, 7))
    host.advance(101 * MS)
    assert end.isolated


def test_any_frame_of_the_owner_starts_the_silence_anew_and_nobody_elses_does(end: DeviceEnd, host: DeviceHost) -> None:
    host.ask(messages.Select(Route.JUNCTION, 7))
    for _ in range(5):
        host.advance(1400 * MS)
        host.ask(messages.KeepAlive())
    host.advance(1400 * MS)
    host.status()
    host.advance(1400 * MS)
    assert end.connected == 7, "a question of the owner is the owner too"
    host.advance(50 * MS)
    host.raw(host.frame(messages.GetStatus(), 1, session=0, boot_id=0).encode())
    host.raw(host.frame(messages.KeepAlive(), 1, session=0x2222).encode())
    host.raw(b"\x05nonsense\0")
    host.advance(51 * MS)
    assert end.isolated


def test_a_frame_that_comes_after_the_silence_finds_everything_isolated_already(end: DeviceEnd, host: DeviceHost) -> None:
    host.arm()
    host._clock[0] += 2000 * MS
    assert host.refused(program(1, 0))[0] is Status.REFUSED_NOT_ARMED
    assert end.pulses() == []


def test_while_everything_is_isolated_silence_changes_nothing(host: DeviceHost) -> None:
    host.ask(messages.Disarm())
    host.advance(60_000 * MS)
    assert host.status().safe_reason == SafeReason.HOST


def test_a_long_operation_does_not_speak_for_its_owner(end: DeviceEnd, host: DeviceHost) -> None:
    host.ask(tight(dead_man_ms=100))
    host.arm()
    heard_ns = host.now_ns
    host.ask(messages.WriteVerify(0, 50, 1, 100_000, 1, 100_000, -100_000, 975_000, 10, 20, u16(*[60_000] * 20)))
    host.advance(300 * MS)
    ((at_ns, _, done),) = [each for each in host.events if isinstance(each[2], messages.Done)]
    assert isinstance(done, messages.Done)
    assert done.state == OperationState.DEAD_MAN
    assert at_ns - heard_ns <= 103 * MS
    assert done.pulses == len(end.pulses()) <= 103
    assert (host.status().state, host.status().safe_reason) == (DeviceState.SAFE, SafeReason.DEAD_MAN)


def test_a_host_that_keeps_alive_keeps_a_long_operation_going(end: DeviceEnd, host: DeviceHost) -> None:
    host.ask(tight(dead_man_ms=100))
    host.arm()
    host.ask(messages.WriteVerify(0, 20, 1, 100_000, 1, 100_000, -100_000, 975_000, 10, 20, u16(*[60_000] * 20)))
    for _ in range(20):
        host.advance(50 * MS)
        host.ask(messages.KeepAlive())
    assert [each[2].state for each in host.events if isinstance(each[2], messages.Done)] == [OperationState.DONE]
    assert len(end.pulses()) == 400


# --- DISARM


def test_disarm_waits_for_the_command_before_it(end: DeviceEnd, host: DeviceHost) -> None:
    host.arm()
    host.send(long_program(1, 20))
    ticket = host.send(messages.Disarm())
    host.advance(10 * ITEM_NS)
    assert ticket not in host.answers
    assert host.answer(ticket).status is Status.OK
    assert len(end.pulses()) == 20
    assert (host.status().state, host.status().safe_reason) == (DeviceState.SAFE, SafeReason.HOST)


def test_disarm_is_always_granted_and_a_latch_stays(end: DeviceEnd, host: DeviceHost) -> None:
    host.ask(messages.Disarm())
    host.ask(messages.EmergencyStop())
    host.ask(messages.Disarm())
    assert host.status().state == DeviceState.ESTOPPED
