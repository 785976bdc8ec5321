"""Whose frames are executed, and how often."""

import pytest

from firmware_protocol import messages
from firmware_protocol.codes import Capability, DeviceState, Opcode, PulseOutcome, Route, SafeReason, Status
from firmware_protocol.framing import Frame, Kind
from firmware_protocol.limits import Limits
from firmware_protocol.messages import Refusal
from firmware_protocol.questions import Ticket
from tests.support.device_end import DeviceEnd
from tests.support.device_host import MS, DeviceHost, program, tight


def answers_to(frames: list[Frame], opcode: int) -> list[Frame]:
    return [frame for frame in frames if frame.kind is Kind.RESPONSE and frame.opcode == opcode]


def test_a_frame_with_one_wrong_bit_is_dropped_counted_and_never_executed(end: DeviceEnd, host: DeviceHost) -> None:
    host.arm()
    wire = host.frame(program(1, 0), seq=2).encode()
    for place in range(len(wire) - 1):
        for bit in (1, 16, 128):
            garbled = wire[:place] + bytes([wire[place] ^ bit]) + wire[place + 1 :]
            assert host.raw(b"\0" + garbled) == []
    assert end.pulses() == []
    assert host.status().rejected_frames >= len(wire) - 1
    assert host.status().state == DeviceState.ARMED


@pytest.mark.parametrize(
    "header", [{"session": 0x1112}, {"session": 0}, {"boot_id": 0}, {"boot_id": 999}], ids=["session", "no session", "no boot", "boot"]
)
def test_a_frame_of_another_session_or_start_is_refused_and_uses_up_no_number(
    end: DeviceEnd, host: DeviceHost, header: dict[str, int]
) -> None:
    host.arm()
    (frame,) = host.raw(host.frame(program(1, 0), 2, **header).encode())
    assert frame.status == Status.REFUSED_BAD_SESSION
    assert frame.boot_id == host.endpoint.boot_id
    host.ask(program(1, 3))
    assert end.pulses() == [(3, 100_000, 100)]


def test_a_gap_is_refused_once_naming_the_number_expected_and_nothing_behind_it_is_executed(end: DeviceEnd, host: DeviceHost) -> None:
    host.arm()
    (first,) = host.raw(host.frame(program(1, 0), 4).encode())
    assert (first.status, Refusal.decode(first.payload)) == (Status.REFUSED_SEQUENCE, Refusal(4, 2))
    assert host.raw(host.frame(program(2, 0), 5).encode()) == []
    host.advance(10 * MS)
    assert end.pulses() == []
    host.ask(messages.KeepAlive())


def test_a_repeated_pulse_command_is_executed_once_and_answered_alike_as_often_as_it_comes(end: DeviceEnd, host: DeviceHost) -> None:
    host.arm()
    ticket = host.send(program(1, 0, 1, 2))
    said = host.answer(ticket)
    wire = host.frame(program(1, 0, 1, 2), ticket.seq).encode()
    for _ in range(5):
        assert host.raw(wire) == [said.frame]
    host.advance(10 * MS)
    assert [device for device, _, _ in end.pulses()] == [0, 1, 2]


def test_a_repeat_that_comes_while_the_command_runs_or_waits_is_executed_once(end: DeviceEnd, host: DeviceHost) -> None:
    host.arm()
    runs = host.send(program(1, *range(10), ns=1_000_000))
    waits = host.send(program(11, *range(10), ns=1_000_000))
    for ticket, first in ((runs, 1), (waits, 11)):
        host.advance(2 * MS)
        assert host.raw(host.frame(program(first, *range(10), ns=1_000_000), ticket.seq).encode()) == []
    assert host.answer(waits).status is Status.OK
    assert len(end.pulses()) == 20
    assert sum(frame.opcode == Opcode.PROGRAM for _, frame in host.frames) == 2, "each is answered once"


def test_a_refusal_is_remembered_and_not_thought_over(end: DeviceEnd, host: DeviceHost) -> None:
    ticket = host.send(program(1, 0))
    assert host.answer(ticket).status is Status.REFUSED_NOT_ARMED
    host.arm()
    (again,) = host.raw(host.frame(program(1, 0), ticket.seq).encode())
    assert again.status == Status.REFUSED_NOT_ARMED
    assert end.pulses() == []


def test_answers_of_a_whole_window_can_be_asked_for_again(end: DeviceEnd, host: DeviceHost) -> None:
    host.arm()
    tickets = [host.send(program(n, n)) for n in range(1, 9)]
    host.advance(10 * MS)
    for n, ticket in enumerate(tickets, 1):
        (again,) = host.raw(host.frame(program(n, n), ticket.seq).encode())
        assert again == host.answers[ticket].frame
    assert len(end.pulses()) == 8


def test_a_new_session_takes_over_without_changing_a_selected_path(end: DeviceEnd, host: DeviceHost) -> None:
    host.ask(messages.Select(Route.JUNCTION, 7))
    second = DeviceHost(end, 0x2222, beside=host)
    assert second.hello().state == DeviceState.SELECTED
    assert end.connected == 7
    (refused,) = answers_to(host.raw(host.frame(messages.Disarm(), 2).encode()), Opcode.DISARM)
    assert refused.status == Status.REFUSED_BAD_SESSION
    assert end.connected == 7


def test_a_new_session_disarms(end: DeviceEnd, host: DeviceHost) -> None:
    host.arm()
    second = DeviceHost(end, 0x2222, beside=host)
    assert second.hello().state == DeviceState.SAFE
    assert (second.status().safe_reason, second.status().session) == (SafeReason.NEW_SESSION, 0x2222)
    assert second.refused(program(1, 0))[0] is Status.REFUSED_NOT_ARMED


def test_a_repeated_hello_of_the_same_session_changes_nothing(end: DeviceEnd, host: DeviceHost) -> None:
    hello = host.frame(messages.Hello(), 0, boot_id=0).encode()
    (again,) = answers_to(host.raw(hello), Opcode.HELLO)
    assert again.status == Status.OK, "nothing was asked yet, so the answer may have been lost"
    host.arm()
    ticket = host.send(program(1, *range(10), ns=1_000_000))
    host.advance(2 * MS)
    (refused,) = answers_to(host.raw(hello), Opcode.HELLO)
    assert refused.status == Status.REFUSED_BAD_SESSION, "what was executed under this number would be executed again"
    assert host.answer(ticket).status is Status.OK
    assert len(end.pulses()) == 10
    assert host.status().state == DeviceState.ARMED


def test_a_new_session_cuts_a_running_command_and_drops_what_waits(end: DeviceEnd, host: DeviceHost) -> None:
    host.arm()
    host.send(program(1, *range(10), ns=1_000_000))
    host.send(program(11, 5))
    host.send(messages.Select(Route.JUNCTION, 7))
    host.advance(3 * MS)
    second = DeviceHost(end, 0x2222, beside=host)
    second.hello()
    second.advance(100 * MS)
    given = len(end.pulses())
    assert 2 <= given <= 4
    assert [second.fate(pulse_id) for pulse_id in range(1, 11)] == [PulseOutcome.EXECUTED] * given + [PulseOutcome.REFUSED] * (10 - given)
    assert second.fate(11) is PulseOutcome.NEVER_SEEN, "dropped, not executed"
    assert second.status().state == DeviceState.SAFE
    assert end.isolated
    second.arm()
    assert second.refused(program(10, 0))[0] is Status.REFUSED_PULSE_ID


@pytest.mark.parametrize("session", [0, 0x7777])
def test_questions_and_emergency_stops_are_answered_to_anybody(end: DeviceEnd, host: DeviceHost, session: int) -> None:
    host.ask(messages.Select(Route.JUNCTION, 7))
    for message in (
        messages.GetStatus(),
        messages.GetDict(0, 16),
        messages.QueryPulse(1),
        messages.GetCalibration(0),
        messages.Counters(0, 0),
    ):
        (frame,) = host.raw(host.frame(message, 9, session=session, boot_id=0).encode())
        assert (frame.status, frame.session, frame.seq) == (Status.OK, session, 9), message
    assert end.connected == 7
    for _ in range(2):
        frames = host.raw(host.frame(messages.EmergencyStop(), 9, session=session, boot_id=0).encode())
        host.advance(MS)
        assert end.isolated
        assert all(frame.status == Status.OK for frame in frames)
    assert host.status().state == DeviceState.ESTOPPED


def test_what_cannot_be_read_is_refused_and_takes_its_place(host: DeviceHost) -> None:
    (malformed,) = host.raw(Frame(Kind.REQUEST, Opcode.ARM, 1, 0x1111, host.endpoint.boot_id, payload=b"?").encode())
    (unknown,) = host.raw(Frame(Kind.REQUEST, 200, 2, 0x1111, host.endpoint.boot_id).encode())
    assert (malformed.status, Refusal.decode(malformed.payload).value) == (Status.REFUSED_MALFORMED, 1)
    assert (unknown.status, Refusal.decode(unknown.payload).value) == (Status.REFUSED_UNSUPPORTED, 200)
    (third,) = host.raw(host.frame(messages.Echo(b"x"), 3).encode())
    assert (third.status, third.payload) == (Status.OK, b"x")


@pytest.mark.parametrize("reserved", [messages.Select(Route.NONE), messages.ReadBlock(0, 1, 1)])
def test_a_reserved_byte_that_is_not_0_is_malformed(host: DeviceHost, reserved: messages.Request) -> None:
    payload = reserved.encode()
    (frame,) = host.raw(
        Frame(Kind.REQUEST, reserved.opcode, 1, 0x1111, host.endpoint.boot_id, payload=payload[:1] + b"\1" + payload[2:]).encode()
    )
    assert frame.status == Status.REFUSED_MALFORMED


def test_only_what_both_ends_can_is_granted(end: DeviceEnd) -> None:
    host = DeviceHost(end)
    answer = host.ask(messages.Hello(capabilities=Capability.CALIBRATION | 0x8000))
    assert isinstance(answer, messages.HelloResponse)
    assert answer.capabilities == Capability.CALIBRATION
    assert host.refused(messages.ReadDie(0, 1, 1, 100_000)) == (Status.REFUSED_UNSUPPORTED, Opcode.READ_DIE, 0)
    assert host.refused(messages.Counters(0, 0))[0] is Status.REFUSED_UNSUPPORTED
    host.ask(messages.GetCalibration(0))
    host.again()
    host.ask(messages.Counters(0, 0))


def test_hello_says_what_the_device_is(end: DeviceEnd, host: DeviceHost) -> None:
    hello = host.again()
    assert hello.geometry == end.geometry
    assert (hello.window, hello.max_payload, hello.protocol_major) == (8, 2048, 1)
    assert hello.capabilities == 0x7F
    assert (hello.limits, hello.limits_crc32) == (Limits(), Limits().crc32)
    packed = b""
    while len(packed) < hello.dict_size:
        chunk = host.ask(messages.GetDict(len(packed), 1024))
        assert isinstance(chunk, messages.DictChunk)
        packed += chunk.chunk
    import zlib

    assert zlib.crc32(packed) == hello.dict_crc32


@pytest.mark.parametrize(
    ("session", "payload", "status"),
    [
        (0, messages.Hello().encode(), Status.REFUSED_BAD_SESSION),
        (0x2222, b"?", Status.REFUSED_MALFORMED),
        (0x2222, messages.Hello(protocol_major=2).encode(), Status.REFUSED_VERSION),
    ],
)
def test_a_hello_that_cannot_be_granted_leaves_the_session_as_it_is(host: DeviceHost, session: int, payload: bytes, status: Status) -> None:
    host.arm()
    (frame,) = host.raw(Frame(Kind.REQUEST, Opcode.HELLO, 0, session, 0, payload=payload).encode())
    assert frame.status == status
    assert host.status().state == DeviceState.ARMED
    host.ask(messages.KeepAlive())


def test_after_a_restart_nothing_is_remembered_but_what_is_durable(end: DeviceEnd, host: DeviceHost) -> None:
    host.ask(messages.SetCalibration(1, 1, 0, bytes([4, 3, 2, 1, 0])))
    host.ask(tight(device_uv=900_000))
    host.arm()
    host.ask(program(40, 0, 1))
    old_boot = host.endpoint.boot_id
    end.restart(host.now_ns)
    assert end.isolated
    (frame,) = host.raw(host.frame(program(50, 0), 5).encode())
    assert (frame.status, frame.boot_id != old_boot) == (Status.REFUSED_BAD_SESSION, True)
    hello = host.again()
    assert (hello.state, hello.limits, hello.last_pulse_id, hello.uptime_ms) == (DeviceState.SAFE, Limits(), 41, 0)
    status = host.status()
    assert (status.safe_reason, status.pulses, status.reads, status.operation) == (SafeReason.BOOT, 0, 0, 0)
    assert host.fate(40) is PulseOutcome.LOST
    assert host.fate(42) is PulseOutcome.NEVER_SEEN
    assert host.refused(messages.Operation())[0] is Status.REFUSED_RANGE
    kept = host.ask(messages.GetCalibration(1))
    assert isinstance(kept, messages.CalibrationResponse)
    assert (kept.version, kept.data) == (1, bytes([4, 3, 2, 1, 0]))
    host.arm()
    assert host.refused(program(41, 0)) == (Status.REFUSED_PULSE_ID, 41, 41)
    assert len(end.pulses()) == 2


def test_a_window_of_requests_is_executed_in_the_order_sent(end: DeviceEnd, host: DeviceHost) -> None:
    host.arm()
    tickets: list[Ticket] = [host.send(program(10 * n + 1, *(5 * n + k for k in range(3)), ns=500_000)) for n in range(7)]
    host.advance(100 * MS)
    assert [host.answers[ticket].status for ticket in tickets] == [Status.OK] * 7
    assert [device for device, _, _ in end.pulses()] == [5 * n + k for n in range(7) for k in range(3)]
