"""The host is gone: whatever it left running or waiting ends within the dead man's time, in whatever state; and one that keeps alive
keeps all of it going, also when its window is full."""

from collections.abc import Sequence

import pytest

from firmware_protocol import messages
from firmware_protocol.codes import DeviceState, Opcode, OperationState, PulseOutcome, SafeReason, Status
from firmware_protocol.messages import Request
from firmware_protocol.questions import Ticket
from tests.support.c_end import CEnd
from tests.support.device_end import SMALL, DeviceEnd
from tests.support.device_host import MS, US, DeviceHost, S, program, tight, u16

DEAD_MAN_NS, OFF_NS = 1_500 * MS, 2_000 * MS
ITEM_NS = 1_025 * US
"""One pulse of 1 ms with its switching and settling."""
JUNCTION_NS = (25 + 4096 * 10) * US
"""One reading with the most averages."""
REFUSED_SAFE = (Status.REFUSED_CONFIG, messages.Refusal(DeviceState.SAFE))


def programs(count: int) -> list[Request]:
    return [program(1 + 625 * n, *(i % 40 for i in range(625)), uv=100_000 + n, ns=1_000_000) for n in range(count)]


def readings(count: int) -> list[Request]:
    return [messages.ReadBlock(n % 2, 4096, 100_000) for n in range(count)]


def leave(host: DeviceHost, requests: Sequence[Request]) -> list[Ticket]:
    """Say all that and then nothing for two seconds."""
    assert host.now_ns < MS
    tickets = [host.send(request) for request in requests]
    while host.now_ns < OFF_NS:
        host.advance(20 * MS)
    return tickets


def nobody_asks(host: DeviceHost) -> messages.StatusResponse:
    """STATUS of session 0, which does not speak for the owner."""
    (frame,) = [found for found in host.raw(host.frame(messages.GetStatus(), 1, session=0, boot_id=0).encode()) if found.session == 0]
    return messages.StatusResponse.decode(frame.payload)


def assert_over(end: DeviceEnd, host: DeviceHost) -> None:
    """Isolated by the dead man, and nothing is driven any more."""
    status = nobody_asks(host)
    assert (status.state, status.safe_reason, status.operation, end.isolated) == (DeviceState.SAFE, SafeReason.DEAD_MAN, 0, True)
    host.advance(100 * S)
    later = nobody_asks(host)
    assert (later.pulses, later.reads) == (status.pulses, status.reads)
    assert later.pulses == len(end.pulses())


def test_behind_one_list_of_pulses_the_board_disarms(end: DeviceEnd, host: DeviceHost) -> None:
    host.arm()
    (ticket,) = leave(host, programs(1))
    assert host.answers[ticket].message == messages.ProgramResponse(1, 625, bytes(625))
    assert_over(end, host)
    assert len(end.pulses()) == 625


def test_of_seven_lists_the_running_one_is_cut_and_the_rest_never_begun(end: DeviceEnd, host: DeviceHost) -> None:
    host.arm()
    heard_ns = host.now_ns
    tickets = leave(host, programs(7))
    said = [host.answers[ticket] for ticket in tickets]
    given = len(end.pulses())
    assert given * ITEM_NS <= DEAD_MAN_NS < (given + 1) * ITEM_NS
    assert [each.status for each in said] == [Status.OK] * 3 + [Status.REFUSED_CONFIG] * 4
    outcomes = b"".join(each.message.outcomes for each in said[:3] if isinstance(each.message, messages.ProgramResponse))
    assert outcomes == bytes([PulseOutcome.EXECUTED] * given + [PulseOutcome.REFUSED] * (3 * 625 - given))
    assert {(each.status, each.message) for each in said[3:]} == {REFUSED_SAFE}
    assert all(DEAD_MAN_NS <= each.at_ns - heard_ns <= OFF_NS for each in said[2:])
    assert_over(end, host)
    assert host.status().last_pulse_id == 3 * 625, "the ids of what was never begun are free"
    assert [host.fate(n) for n in (given, given + 1, 3 * 625, 3 * 625 + 1)] == [
        PulseOutcome.EXECUTED, PulseOutcome.REFUSED, PulseOutcome.REFUSED, PulseOutcome.NEVER_SEEN,
    ]  # fmt: skip


@pytest.mark.parametrize("state", [DeviceState.ARMED, DeviceState.SAFE])
def test_of_seven_readings_the_running_one_is_cut_and_the_rest_never_begun(end: DeviceEnd, host: DeviceHost, state: DeviceState) -> None:
    host.enter(state)
    tickets = leave(host, readings(7))
    said = [host.answers[ticket] for ticket in tickets]
    assert said[0].status is Status.OK
    assert {(each.status, each.message) for each in said[1:]} == {REFUSED_SAFE}
    assert nobody_asks(host).reads * JUNCTION_NS <= DEAD_MAN_NS + JUNCTION_NS
    assert_over(end, host)


def test_a_die_is_not_read_on_for_nobody_even_though_nothing_was_armed(end: DeviceEnd, host: DeviceHost) -> None:
    (ticket,) = leave(host, [messages.ReadDie(0, 2, 4096, 100_000)])
    assert host.answers[ticket].status is Status.ACCEPTED
    assert [(each.state, each.done) for _, _, each in host.events if isinstance(each, messages.Done)] == [(OperationState.DEAD_MAN, 1)]
    assert nobody_asks(host).reads * JUNCTION_NS <= DEAD_MAN_NS + JUNCTION_NS
    assert_over(end, host)
    told = host.ask(messages.Operation())
    assert isinstance(told, messages.OperationResponse)
    assert (told.state, told.done, told.remaining_ms) == (OperationState.DEAD_MAN, 1, 0)


def test_an_outer_product_is_cut_between_events_and_a_list_of_readings_between_junctions(end: DeviceEnd, host: DeviceHost) -> None:
    host.ask(tight(dead_man_ms=100))
    host.arm()
    outer = host.send(messages.OuterProduct(0, 1, 100_000, 1_000_000, bytes([10, 10, 10, 10, 11, 0, 0, 0, 0])))
    host.advance(OFF_NS)
    said = host.answers[outer]
    assert isinstance(said.message, messages.OuterProductResponse)
    assert (said.status, said.message.executed, said.message.events) == (Status.OK, 97 * 4, 97)
    reading = host.send(messages.ReadList(4096, 100_000, u16(*range(40))))
    host.advance(OFF_NS)
    assert (host.answers[reading].status, host.answers[reading].message) == REFUSED_SAFE
    assert_over(end, host)


def test_what_is_heard_in_the_queue_counts_when_it_arrives_not_when_it_is_begun(end: DeviceEnd, host: DeviceHost) -> None:
    tickets = [host.send(request) for request in readings(2)]
    host.advance(1000 * MS)
    tickets += [host.send(request) for request in readings(2)]
    spoke_ns = host.now_ns
    host.until(spoke_ns + OFF_NS)
    statuses = [host.answers[ticket].status for ticket in tickets]
    assert statuses == [Status.OK] * 3 + [Status.REFUSED_CONFIG]
    assert abs(host.answers[tickets[3]].at_ns - spoke_ns - DEAD_MAN_NS) <= 20 * MS
    assert_over(end, host)


def test_whoever_is_heard_again_goes_on_by_the_rules(end: DeviceEnd, host: DeviceHost) -> None:
    host.arm()
    tickets = leave(host, [*programs(7)[:6], messages.Echo(b"waits")])
    assert host.answers[tickets[-1]].status is Status.REFUSED_CONFIG, "whatever waits"
    given, last = len(end.pulses()), host.status().last_pulse_id
    assert host.refused(program(last + 1, 0))[0] is Status.REFUSED_NOT_ARMED
    assert host.ask(messages.Echo(b"here")) == messages.EchoResponse(b"here")
    host.arm()
    host.ask(program(last + 1, 0))
    assert len(end.pulses()) == given + 1


# --- keeping alive


@pytest.mark.parametrize("requests", [programs(8), readings(8)], ids=["programs", "readings"])
def test_keeping_alive_with_a_full_window_keeps_all_of_it_going(end: DeviceEnd, host: DeviceHost, requests: list[Request]) -> None:
    host.arm()
    tickets = [host.send(request) for request in requests]
    assert not host.endpoint.may_ask()
    while tickets[-1] not in host.answers:
        host.advance(500 * MS)
        kept = host.send(messages.KeepAlive())
        assert host.answers[kept].at_ns == host.now_ns, "it never waits"
    assert [host.answers[ticket].status for ticket in tickets] == [Status.OK] * 8
    assert host.now_ns > 3 * DEAD_MAN_NS
    assert host.status().state == DeviceState.ARMED
    assert len(end.pulses()) == (8 * 625 if isinstance(requests[0], messages.Program) else 0)


def test_keeping_alive_keeps_a_die_going_that_was_begun_in_safe(host: DeviceHost) -> None:
    host.ask(tight(dead_man_ms=100))
    host.ask(messages.ReadDie(0, 2, 4096, 100_000))
    for _ in range(20):
        host.advance(90 * MS)
        host.ask(messages.KeepAlive())
    assert [each.state for _, _, each in host.events if isinstance(each, messages.Done)] == [OperationState.DONE]
    host.advance(OFF_NS)
    assert host.status().safe_reason == SafeReason.BOOT, "nothing was left that silence had to end"


def test_keeping_alive_takes_no_number_and_is_the_owners_alone(end: DeviceEnd, host: DeviceHost) -> None:
    wire = host.frame(messages.KeepAlive(), 77).encode()
    assert [(frame.status, frame.payload) for frame in host.raw(wire * 3)] == [(Status.OK, b"")] * 3
    assert host.send(messages.Echo(b"")).seq == 1
    host.advance(MS)
    (said,) = host.answers.keys() & {Ticket(Opcode.ECHO, 1)}
    assert host.answers[said].status is Status.OK
    for header in ({"session": 0x2222}, {"boot_id": host.endpoint.boot_id ^ 1}, {"session": 0, "boot_id": 0}):
        (refused,) = host.raw(host.frame(messages.KeepAlive(), 1, **header).encode())
        assert refused.status == Status.REFUSED_BAD_SESSION


# --- a board whose functions take their time themselves


def test_on_real_hardware_the_dead_man_acts_between_two_pulses() -> None:
    end = CEnd(SMALL, hardware=True)
    host = DeviceHost(end)
    host.hello()
    host.arm()
    end.feed(b"".join(host.endpoint.request(request, 0)[1] for request in programs(7)), 0)
    for now_ns in range(ITEM_NS, 3 * S, ITEM_NS):
        end.step(now_ns)
    assert 1 < len(end.pulses()) <= DEAD_MAN_NS // ITEM_NS + 1
    assert end.isolated
    while end.take(3 * S):
        pass
    assert host.status().safe_reason == SafeReason.DEAD_MAN
    end.close()
