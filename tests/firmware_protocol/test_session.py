"""Both ends of a session, frame by frame: what is executed, what is answered again, what is given up."""

from itertools import pairwise

import pytest

from firmware_protocol.answers import Answers, Place
from firmware_protocol.codes import DeviceState, Opcode, Status
from firmware_protocol.events import Abandoned, Answered, Event, Execute, Happened, LinkDown, LostBy, Role, Transmit
from firmware_protocol.framing import STOP_ZEROS, Deframer, Frame, Kind, StopMarker
from firmware_protocol.limits import Limits
from firmware_protocol.messages import (
    Accepted,
    Arm,
    Disarm,
    Done,
    Echo,
    EchoResponse,
    EmergencyStop,
    Empty,
    EventMessage,
    GetStatus,
    Hello,
    HelloResponse,
    KeepAlive,
    Program,
    Progress,
    ReadDie,
    Refusal,
    Request,
)
from firmware_protocol.questions import MILLISECOND_NS, RoundTrip, Timing
from firmware_protocol.rules import refusal
from firmware_protocol.session import Endpoint, NotOpen, WindowFull, decode_answer

NONCE, BOOT = 0xABCD, 7
TIMING = Timing(first_rto_ns=100 * MILLISECOND_NS, give_up_ns=1000 * MILLISECOND_NS)


def frames(data: bytes) -> list[Frame]:
    return [found for found in Deframer().feed(data) if isinstance(found, Frame)]


def one(data: bytes) -> Frame:
    (frame,) = frames(data)
    return frame


def hello_response(window: int = 8) -> bytes:
    return HelloResponse(1, 0, window, 0, 2048, 32, 25, 25, 0, 0, 0, 0, 0, 0, 0, 0x7F, Limits().encode()).encode()


def answer(device: Endpoint, event: Event) -> bytes:
    """What a device that does everything asked sends back."""
    if isinstance(event, Transmit):
        return event.data
    assert isinstance(event, Execute)
    payload = hello_response() if isinstance(event.message, Hello) else Empty().encode()
    if isinstance(event.message, Echo):
        payload = EchoResponse(event.message.data).encode()
    return device.respond(event.frame, Status.OK, payload)


def exchange(host: Endpoint, device: Endpoint, wire: bytes, now_ns: int = 0) -> list[Event]:
    """Deliver to the device, its answers to the host; the host's events."""
    replies = b"".join(answer(device, event) for frame in frames(wire) for event in device.receive(frame, now_ns))
    return [event for frame in frames(replies) for event in host.receive(frame, now_ns)]


@pytest.fixture
def host() -> Endpoint:
    return Endpoint(Role.HOST, session=NONCE, timing=TIMING)


@pytest.fixture
def device() -> Endpoint:
    return Endpoint(Role.DEVICE, boot_id=BOOT)


@pytest.fixture
def opened(host: Endpoint, device: Endpoint) -> tuple[Endpoint, Endpoint]:
    exchange(host, device, host.request(Hello(), 0)[1])
    assert host.open
    return host, device


def request_frame(message: Request, seq: int, session: int = NONCE, boot_id: int = BOOT) -> Frame:
    return Frame(Kind.REQUEST, message.opcode, seq, session, boot_id, payload=message.encode())


# --- the device


def test_a_request_is_executed_once_and_answered_as_often_as_it_comes(opened: tuple[Endpoint, Endpoint]) -> None:
    _, device = opened
    frame = request_frame(Echo(b"x"), 1)
    (first,) = device.receive(frame, 0)
    assert isinstance(first, Execute)
    sent = device.respond(frame, Status.OK, b"x")
    assert [device.receive(frame, 0), device.receive(frame, 0)] == [[Transmit(sent)], [Transmit(sent)]]


def test_a_refusal_is_remembered_like_any_answer(opened: tuple[Endpoint, Endpoint]) -> None:
    _, device = opened
    frame = request_frame(Program(1, 1, 1, b"\0\0"), 1)
    device.receive(frame, 0)
    sent = device.respond(frame, Status.REFUSED_LIMIT, Refusal(5, 4).encode())
    assert device.receive(frame, 0) == [Transmit(sent)]


def test_one_gap_is_refused_once_naming_the_number_expected(opened: tuple[Endpoint, Endpoint]) -> None:
    _, device = opened
    (event,) = device.receive(request_frame(Echo(b"c"), 3), 0)
    assert isinstance(event, Transmit)
    refused = one(event.data)
    assert (refused.status, Refusal.decode(refused.payload)) == (Status.REFUSED_SEQUENCE, Refusal(3, 1))
    assert [device.receive(request_frame(Echo(b"c"), seq), 0) for seq in (4, 5, 3)] == [[], [], []]
    assert isinstance(device.receive(request_frame(Echo(b"a"), 1), 0)[0], Execute)
    assert isinstance(device.receive(request_frame(Echo(b"c"), 3), 0)[0], Transmit), "the next gap is refused again"


@pytest.mark.parametrize(("session", "boot_id"), [(NONCE + 1, BOOT), (NONCE, BOOT + 1), (0, BOOT), (NONCE, 0)])
def test_a_request_of_another_session_or_start_is_never_executed(opened: tuple[Endpoint, Endpoint], session: int, boot_id: int) -> None:
    _, device = opened
    (event,) = device.receive(request_frame(Program(1, 1, 1, b"\0\0"), 1, session, boot_id), 0)
    assert isinstance(event, Transmit)
    assert one(event.data).status == Status.REFUSED_BAD_SESSION
    assert isinstance(device.receive(request_frame(Echo(b""), 1), 0)[0], Execute), "it must not use up a number either"


def test_nothing_of_a_session_is_executed_before_hello(device: Endpoint) -> None:
    (event,) = device.receive(request_frame(Disarm(), 1), 0)
    assert isinstance(event, Transmit)


@pytest.mark.parametrize("message", [GetStatus(), EmergencyStop()])
def test_status_and_emergency_stop_are_executed_for_any_session(opened: tuple[Endpoint, Endpoint], message: Request) -> None:
    _, device = opened
    for seq, session, boot_id in ((0, 0, 0), (9999, 1, 1), (9999, 1, 1)):
        assert isinstance(device.receive(request_frame(message, seq, session, boot_id), 0)[0], Execute)


def test_only_the_owner_is_heard(opened: tuple[Endpoint, Endpoint]) -> None:
    _, device = opened
    device.receive(request_frame(GetStatus(), 0, 0, 0), 500)
    assert device.heard_ns == 0
    device.receive(request_frame(KeepAlive(), 1), 600)
    assert device.heard_ns == 600


def test_a_new_hello_starts_the_count_anew_and_ends_the_old_session(opened: tuple[Endpoint, Endpoint]) -> None:
    old, device = opened
    exchange(old, device, old.request(Echo(b"1"), 0)[1])
    new = Endpoint(Role.HOST, session=NONCE + 1)
    exchange(new, device, new.request(Hello(), 0)[1])
    assert [type(event) for event in exchange(new, device, new.request(Echo(b"2"), 0)[1])] == [Answered]
    events = exchange(old, device, old.request(Echo(b"3"), 0)[1])
    assert events == [Abandoned(events[0].ticket, LostBy.SESSION), LinkDown(LostBy.SESSION)]  # type: ignore[union-attr]
    assert not old.open


def test_an_event_reaches_the_session_that_it_belongs_to_and_no_other(opened: tuple[Endpoint, Endpoint]) -> None:
    host, device = opened
    done = Done(2, 3, 8, 0)
    assert host.receive(one(device.event(4, done)), 0) == [Happened(4, done)]
    device.receive(request_frame(Hello(), 0, NONCE + 1, 0), 0)
    assert host.receive(one(device.event(4, done)), 0) == []
    assert host.receive(one(device.event(4, done, session=NONCE)), 0) == [Happened(4, done)]


def test_a_repeated_hello_does_not_start_the_count_anew(opened: tuple[Endpoint, Endpoint]) -> None:
    _, device = opened
    frame = request_frame(Program(1, 1, 1, b"\0\0"), 1)
    device.receive(frame, 0)
    sent = device.respond(frame, Status.OK, b"done")
    (event,) = device.receive(Frame(Kind.REQUEST, Opcode.HELLO, 1, NONCE, 0, payload=Hello().encode()), 0)
    assert isinstance(event, Transmit)
    assert one(event.data).status == Status.REFUSED_BAD_SESSION
    assert device.receive(frame, 0) == [Transmit(sent)]


def test_another_major_version_is_refused_with_both_versions_and_no_session(device: Endpoint) -> None:
    (event,) = device.receive(Frame(Kind.REQUEST, Opcode.HELLO, 1, NONCE, 0, payload=Hello(protocol_major=9).encode()), 0)
    assert isinstance(event, Transmit)
    assert (one(event.data).status, Refusal.decode(one(event.data).payload)) == (Status.REFUSED_VERSION, Refusal(9, 1))
    assert not device.open


@pytest.mark.parametrize(
    ("session", "payload", "status"),
    [(0, Hello().encode(), Status.REFUSED_BAD_SESSION), (NONCE, b"?", Status.REFUSED_MALFORMED)],
)
def test_a_hello_without_a_nonce_or_garbled_opens_nothing(device: Endpoint, session: int, payload: bytes, status: Status) -> None:
    (event,) = device.receive(Frame(Kind.REQUEST, Opcode.HELLO, 1, session, 0, payload=payload), 0)
    assert isinstance(event, Transmit)
    assert one(event.data).status == status
    assert not device.open


def test_what_cannot_be_read_is_refused_and_takes_its_place_in_the_sequence(opened: tuple[Endpoint, Endpoint]) -> None:
    _, device = opened
    (malformed,) = device.receive(Frame(Kind.REQUEST, Opcode.ARM, 1, NONCE, BOOT, payload=b"\0"), 0)
    (unknown,) = device.receive(Frame(Kind.REQUEST, 200, 2, NONCE, BOOT), 0)
    assert isinstance(malformed, Transmit)
    assert isinstance(unknown, Transmit)
    assert [one(malformed.data).status, one(unknown.data).status] == [Status.REFUSED_MALFORMED, Status.REFUSED_UNSUPPORTED]
    assert isinstance(device.receive(request_frame(Echo(b""), 3), 0)[0], Execute)


def test_a_frame_that_is_not_for_this_end_is_counted_and_ignored(host: Endpoint, device: Endpoint) -> None:
    response = Frame(Kind.RESPONSE, Opcode.ECHO, 1, NONCE, BOOT)
    assert device.receive(response, 0) == host.receive(request_frame(Echo(b""), 1), 0) == []
    assert device.counters.unexpected == host.counters.unexpected == 1


def test_a_cache_shorter_than_the_window_is_refused() -> None:
    with pytest.raises(ValueError, match="stand still"):
        Endpoint(Role.DEVICE, boot_id=1, window=8, cache=4)


def test_the_cache_holds_a_whole_window() -> None:
    answers = Answers(window=8, cache=8)
    for seq in range(1, 9):
        assert answers.place(seq) is Place.NEW
        answers.remember(seq, bytes([seq]))
    assert [answers.place(seq) for seq in range(1, 9)] == [Place.AGAIN] * 8
    assert answers.recall(1) == b"\x01"


def test_a_number_long_gone_is_neither_executed_nor_answered() -> None:
    answers = Answers(window=1, cache=1)
    for seq in (1, 2):
        answers.place(seq)
        answers.remember(seq, b"")
    assert answers.place(1) is Place.STALE


# --- the host


def test_a_request_before_hello_is_refused_here(host: Endpoint) -> None:
    with pytest.raises(NotOpen, match="HELLO"):
        host.request(Disarm(), 0)


def test_the_window_is_a_range_not_a_count(opened: tuple[Endpoint, Endpoint]) -> None:
    host, device = opened
    first = host.request(Echo(b"1"), 0)[1]
    later = b"".join(host.request(Echo(b"n"), 0)[1] for _ in range(7))
    exchange(host, device, first)
    assert host.may_ask()
    second_window = host.request(Echo(b"9"), 0)[1]
    with pytest.raises(WindowFull):
        host.request(Echo(b"10"), 0)
    # Everything after the oldest is answered; the oldest still blocks, because only the range counts.
    replies = b"".join(answer(device, event) for frame in frames(later + second_window) for event in device.receive(frame, 0))
    for frame in frames(replies)[1:]:
        host.receive(frame, 0)
    assert not host.may_ask()
    host.receive(frames(replies)[0], 0)
    assert host.may_ask()


def test_the_device_may_grant_a_smaller_window(host: Endpoint) -> None:
    _, wire = host.request(Hello(), 0)
    greeting = one(wire)
    host.receive(Frame(Kind.RESPONSE, Opcode.HELLO, greeting.seq, NONCE, BOOT, payload=hello_response(window=2)), 0)
    host.request(Echo(b""), 0)
    host.request(Echo(b""), 0)
    assert not host.may_ask()


def test_an_answer_is_matched_by_session_number_and_opcode(opened: tuple[Endpoint, Endpoint]) -> None:
    host, _ = opened
    ticket, wire = host.request(Echo(b"mine"), 0)
    right = Frame(Kind.RESPONSE, Opcode.ECHO, ticket.seq, NONCE, BOOT, payload=b"mine")
    for wrong in (
        Frame(Kind.RESPONSE, Opcode.ECHO, ticket.seq + 1, NONCE, BOOT),
        Frame(Kind.RESPONSE, Opcode.DISARM, ticket.seq, NONCE, BOOT),
        Frame(Kind.RESPONSE, Opcode.ECHO, ticket.seq, NONCE + 1, BOOT),
    ):
        assert host.receive(wrong, 0) == []
    assert host.receive(right, 0) == [Answered(ticket, right)]
    assert host.receive(right, 0) == [], "the second copy is late"
    assert host.counters.late == 4
    assert wire


def test_silence_is_answered_by_sending_again_ever_more_slowly_then_given_up(opened: tuple[Endpoint, Endpoint]) -> None:
    host, _ = opened
    ticket, wire = host.request(Echo(b"x"), 0)
    times: list[int] = []
    events: list[Event] = []
    while not any(isinstance(event, LinkDown) for event in events):
        now_ns = host.next_poll_ns()
        assert now_ns is not None
        events = host.poll(now_ns)
        times.append(now_ns // MILLISECOND_NS)
        if isinstance(events[0], Transmit):
            assert events == [Transmit(b"\0" + wire)]
    assert events == [Abandoned(ticket, LostBy.SILENCE), LinkDown(LostBy.SILENCE)]
    gaps = [later - earlier for earlier, later in pairwise(times[:-1])]
    assert times[0] == 25, "the measured round trip of 0 leaves the minimum"
    assert gaps == [50, 100, 200, 400]
    assert times[-1] == 1000


def test_a_long_operation_is_not_sent_again_while_the_device_may_be_busy(opened: tuple[Endpoint, Endpoint]) -> None:
    host, _ = opened
    host.request(Echo(b"long"), 0, extra_ns=10**10)
    assert host.poll(10**10) == []
    assert isinstance(host.poll(10**10 + 25 * MILLISECOND_NS)[0], Transmit)


def test_a_refused_gap_sends_everything_again_in_order(opened: tuple[Endpoint, Endpoint]) -> None:
    host, device = opened
    wires = [host.request(Echo(bytes([n])), 0)[1] for n in range(3)]
    (event,) = device.receive(one(wires[2]), 0)
    assert isinstance(event, Transmit)
    again = host.receive(one(event.data), 0)
    assert again == [Transmit(b"\0" + wire) for wire in wires]
    assert host.counters.retransmitted == 3


def test_another_boot_id_abandons_everything_in_flight(opened: tuple[Endpoint, Endpoint]) -> None:
    host, _ = opened
    tickets = [host.request(Program(1, 1, 1, b"\0\0"), 0)[0] for _ in range(3)]
    events = host.receive(Frame(Kind.RESPONSE, Opcode.PROGRAM, 1, NONCE, BOOT + 1, Status.REFUSED_BAD_SESSION), 0)
    assert events == [*(Abandoned(ticket, LostBy.REBOOT) for ticket in tickets), LinkDown(LostBy.REBOOT)]
    assert host.next_poll_ns() is None, "nothing is sent again"
    with pytest.raises(NotOpen):
        host.request(Echo(b""), 0)


def test_an_emergency_stop_needs_no_session_and_no_room_in_the_window(opened: tuple[Endpoint, Endpoint]) -> None:
    host, device = opened
    for _ in range(8):
        host.request(Echo(b""), 0)
    ticket, wire = host.emergency_stop(0)
    found = Deframer().feed(wire)
    assert wire[:STOP_ZEROS] == b"\0" * STOP_ZEROS
    assert isinstance(found[0], StopMarker)
    assert isinstance(found[1], Frame)
    assert isinstance(device.receive(found[1], 0)[0], Execute)
    assert ticket.opcode == Opcode.ESTOP


def test_a_garbled_answer_to_hello_opens_nothing(host: Endpoint) -> None:
    ticket, _ = host.request(Hello(), 0)
    host.receive(Frame(Kind.RESPONSE, Opcode.HELLO, ticket.seq, NONCE, BOOT, payload=b"short"), 0)
    assert not host.open


def test_the_retransmission_time_follows_the_measured_round_trip() -> None:
    round_trip = RoundTrip(Timing())
    assert round_trip.rto_ns == 200 * MILLISECOND_NS
    for _ in range(50):
        round_trip.measured(100 * MILLISECOND_NS)
    assert 100 * MILLISECOND_NS <= round_trip.rto_ns < 110 * MILLISECOND_NS
    for _ in range(30):
        round_trip.back_off()
    assert round_trip.rto_ns == Timing().max_rto_ns
    round_trip.alive()
    assert round_trip.rto_ns < 110 * MILLISECOND_NS


# --- the one table


@pytest.mark.parametrize(
    ("opcode", "state", "status"),
    [
        (Opcode.PROGRAM, DeviceState.SAFE, Status.REFUSED_NOT_ARMED),
        (Opcode.PROGRAM, DeviceState.SELECTED, Status.REFUSED_NOT_ARMED),
        (Opcode.PROGRAM, DeviceState.ARMED, None),
        (Opcode.PROGRAM, DeviceState.ESTOPPED, Status.REFUSED_ESTOP),
        (Opcode.READ_BLOCK, DeviceState.SELECTED, Status.REFUSED_CONFIG),
        (Opcode.SET_LIMITS, DeviceState.ARMED, Status.REFUSED_CONFIG),
        (Opcode.CLEAR_FAULT, DeviceState.SAFE, Status.REFUSED_CONFIG),
        (Opcode.DISARM, DeviceState.ESTOPPED, None),
        (Opcode.ESTOP, DeviceState.ARMED, None),
        (Opcode.HELLO, DeviceState.ESTOPPED, None),
    ],
)
def test_the_table_says_what_is_legal_when(opcode: Opcode, state: DeviceState, status: Status | None) -> None:
    assert refusal(opcode, state) == status


def test_arm_must_come_in_a_session() -> None:
    device = Endpoint(Role.DEVICE, boot_id=BOOT)
    (event,) = device.receive(request_frame(Arm(1), 1), 0)
    assert isinstance(event, Transmit)


# --- events of long operations


def event_frame(host: Endpoint, message: EventMessage, **header: int) -> Frame:
    fields = {"session": host.session, "boot_id": host.boot_id, **header}
    return Frame(Kind.EVENT, message.opcode, 5, payload=message.encode(), **fields)


def test_an_event_of_the_session_says_what_happened_to_which_operation(opened: tuple[Endpoint, Endpoint]) -> None:
    host, device = opened
    wire = device.event(5, Progress(3, 9))
    assert host.receive(one(wire), 0) == [Happened(5, Progress(3, 9))]
    assert host.receive(event_frame(host, Done(0, 1, 1, 0)), 0) == [Happened(5, Done(0, 1, 1, 0))]


def test_an_event_settles_no_request_and_is_not_answered(opened: tuple[Endpoint, Endpoint]) -> None:
    host, device = opened
    ticket, _ = host.request(Echo(b""), 0)
    host.receive(event_frame(host, Progress(1, 2), boot_id=BOOT)._replace(seq=ticket.seq), 0)
    assert host.next_poll_ns() is not None, "the request still waits"
    assert device.receive(event_frame(host, Progress(1, 2)), 0) == []
    assert device.counters.unexpected == 1


def test_an_event_of_another_session_or_before_hello_is_late(host: Endpoint, opened: tuple[Endpoint, Endpoint]) -> None:
    assert host.receive(event_frame(host, Progress(1, 2), session=NONCE + 1), 0) == []
    assert Endpoint(Role.HOST, session=NONCE).receive(event_frame(host, Progress(1, 2)), 0) == []
    assert host.counters.late == 1


def test_an_event_after_a_restart_ends_the_session_as_an_answer_would(opened: tuple[Endpoint, Endpoint]) -> None:
    host, _ = opened
    ticket, _ = host.request(Program(1, 1, 1, b"\0\0"), 0)
    assert host.receive(event_frame(host, Progress(1, 2), boot_id=BOOT + 1), 0) == [
        Abandoned(ticket, LostBy.REBOOT),
        LinkDown(LostBy.REBOOT),
    ]


def test_an_event_that_nobody_knows_or_that_cannot_be_read_is_counted_and_dropped(opened: tuple[Endpoint, Endpoint]) -> None:
    host, _ = opened
    good = event_frame(host, Progress(1, 2))
    assert host.receive(good._replace(opcode=99), 0) == host.receive(good._replace(payload=b"?"), 0) == []
    assert host.counters.unexpected == host.counters.errors == 2


def test_a_device_may_tell_the_owner_of_an_ended_operation(opened: tuple[Endpoint, Endpoint]) -> None:
    _, device = opened
    assert one(device.event(5, Done(2, 0, 1, 0), session=77)).session == 77


def test_a_request_beyond_what_was_granted_is_unsupported_and_takes_its_place(host: Endpoint, device: Endpoint) -> None:
    exchange(host, device, host.request(Hello(capabilities=0), 0)[1])
    assert host.capabilities == 0x7F, "this device's answer claims all; what it serves is what was granted"
    (event,) = device.receive(request_frame(ReadDie(0, 1, 1, 1), 1), 0)
    assert isinstance(event, Transmit)
    assert (one(event.data).status, Refusal.decode(one(event.data).payload).value) == (Status.REFUSED_UNSUPPORTED, Opcode.READ_DIE)
    assert isinstance(device.receive(request_frame(Echo(b""), 2), 0)[0], Execute)


@pytest.mark.parametrize("status", [Status.OK, Status.ACCEPTED, Status.BUSY, Status.REFUSED_RANGE])
def test_an_answer_is_read_as_its_status_says(status: Status) -> None:
    carried_out = status in (Status.OK, Status.ACCEPTED)
    payload = Accepted(12).encode() if carried_out else Refusal(3, 4).encode()
    frame = Frame(Kind.RESPONSE, Opcode.READ_DIE, 1, 1, 1, status, payload=payload)
    assert decode_answer(ReadDie, frame) == (Accepted(12) if carried_out else Refusal(3, 4))


def test_the_cache_keeps_the_newest_answers(opened: tuple[Endpoint, Endpoint]) -> None:
    _, device = opened
    for seq in range(1, 40):
        frame = request_frame(Echo(b""), seq)
        device.receive(frame, 0)
        device.respond(frame, Status.OK, b"")
    assert [bool(device.receive(request_frame(Echo(b""), seq), 0)) for seq in (10, 32, 39)] == [False, True, True]
    assert device.counters.stale == 1
