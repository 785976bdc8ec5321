"""Pulses: what is refused before the first one, what is given in which order, and what is said of each afterwards."""

from collections.abc import Sequence

import pytest

from firmware_protocol import messages
from firmware_protocol.codes import CODE_MASKED, PulseOutcome, Status
from firmware_protocol.messages import Request
from tests.support.device_end import DeviceEnd
from tests.support.device_host import MS, DeviceHost, S, program, tight, u16

MAX_ID = 0xFFFF_FFFF
EXECUTED, REFUSED, NEVER_SEEN, LOST = PulseOutcome.EXECUTED, PulseOutcome.REFUSED, PulseOutcome.NEVER_SEEN, PulseOutcome.LOST


def i8(*values: int) -> bytes:
    return bytes(value & 0xFF for value in values)


def outer(first: int, counts: bytes, uv: int = 100_000, ns: int = 100, kernel: int = 0) -> messages.OuterProduct:
    return messages.OuterProduct(kernel, first, uv, ns, counts)


ONE = i8(1, 0, 0, 0, 1, 0, 0, 0, 0)


# --- PROGRAM


def test_pulses_are_given_in_order_with_their_waveform_and_answered_one_by_one(end: DeviceEnd, host: DeviceHost) -> None:
    host.arm()
    answer = host.ask(program(7, 5, 0, 39, 5, uv=-250_000, ns=123))
    assert answer == messages.ProgramResponse(7, 10, bytes([EXECUTED] * 4))
    assert list(end.pulses()) == [(device, -250_000, 123) for device in (5, 0, 39, 5)]
    status = host.status()
    assert (status.last_pulse_id, status.pulses) == (10, 4)
    assert [host.fate(n) for n in (7, 8, 9, 10, 11)] == [EXECUTED] * 4 + [NEVER_SEEN]


def test_the_checks_of_a_pulse_command_come_in_one_order(end: DeviceEnd, host: DeviceHost) -> None:
    host.ask(tight(pulses_per_command=4))
    wrong: list[tuple[Request, tuple[Status, int, int]]] = [
        (program(0, 1, 2, 3, 4, 40, uv=2_000_000, ns=0), (Status.REFUSED_LIMIT, 5, 4)),
        (program(0, 1, 40, 3, uv=2_000_000, ns=0), (Status.REFUSED_RANGE, 40, 39)),
        (program(0, 1, 2, uv=-1_200_001, ns=0), (Status.REFUSED_LIMIT, -1_200_001, 1_200_000)),
        (program(0, 1, 2, ns=0), (Status.REFUSED_LIMIT, 0, 1_000_000)),
        (program(0, 1, 2, ns=1_000_001), (Status.REFUSED_LIMIT, 1_000_001, 1_000_000)),
        (program(0, 1, 2), (Status.REFUSED_PULSE_ID, 0, 0)),
        (program(0), (Status.REFUSED_LIMIT, 0, 4)),
    ]
    assert [host.refused(request)[0] for request, _ in wrong] == [Status.REFUSED_NOT_ARMED] * len(wrong)
    host.arm()
    assert [host.refused(request) for request, _ in wrong] == [refused for _, refused in wrong]
    host.advance(S)
    assert end.pulses() == []
    assert (host.status().last_pulse_id, host.fate(1)) == (0, NEVER_SEEN)


def test_a_limit_itself_is_still_allowed(end: DeviceEnd, host: DeviceHost) -> None:
    host.arm()
    host.ask(program(1, 39, uv=1_200_000, ns=1_000_000))
    host.ask(program(2, 0, uv=-1_200_000, ns=1))
    host.ask(program(3, *[0] * 625))
    assert len(end.pulses()) == 627


def test_an_odd_byte_is_malformed(end: DeviceEnd, host: DeviceHost) -> None:
    host.arm()
    assert host.refused(messages.Program(1, 100_000, 100, b"\0\0\0"))[0] is Status.REFUSED_MALFORMED
    assert end.pulses() == []


@pytest.mark.parametrize("first", [0, 1, 9, 10])
def test_an_id_at_or_below_the_last_is_never_given_again(end: DeviceEnd, host: DeviceHost, first: int) -> None:
    host.arm()
    host.ask(program(9, 1, 2))
    for request in (program(first, 0), outer(first, ONE)):
        assert host.refused(request) == (Status.REFUSED_PULSE_ID, first, 10)
    assert len(end.pulses()) == 2


def test_ids_end_and_do_not_wrap(end: DeviceEnd, host: DeviceHost) -> None:
    host.arm()
    host.ask(program(MAX_ID - 2, 0))
    assert host.refused(program(MAX_ID - 1, 0, 1, 2)) == (Status.REFUSED_PULSE_ID, MAX_ID - 1, MAX_ID - 2)
    host.ask(program(MAX_ID - 1, 3, 4))
    for first in (MAX_ID, 0, 1):
        assert host.refused(program(first, 0)) == (Status.REFUSED_PULSE_ID, first, MAX_ID)
    assert [host.fate(MAX_ID - n) for n in (2, 1, 0)] == [EXECUTED] * 3
    assert [device for device, _, _ in end.pulses()] == [0, 3, 4]


# --- what became of an id


def test_skipped_ids_were_never_seen(host: DeviceHost) -> None:
    host.arm()
    host.ask(program(5, 0))
    host.ask(program(20, 0))
    assert [host.fate(n) for n in (5, 6, 19, 20, 21)] == [EXECUTED, NEVER_SEEN, NEVER_SEEN, EXECUTED, NEVER_SEEN]


def test_items_of_a_running_command_are_not_seen_before_they_are_given(end: DeviceEnd, host: DeviceHost) -> None:
    host.arm()
    host.send(program(1, *range(10), ns=975_000))
    host.advance(5 * MS + MS // 2)
    assert [host.fate(n) for n in (1, 4, 7, 10)] == [EXECUTED, EXECUTED, NEVER_SEEN, NEVER_SEEN]
    host.advance(20 * MS)
    assert [host.fate(n) for n in (1, 4, 7, 10)] == [EXECUTED] * 4


def test_at_least_64_commands_are_remembered_and_older_ones_are_said_to_be_lost(host: DeviceHost) -> None:
    host.arm()
    for n in range(1, 401):
        host.ask(program(2 * n, 0))
    assert [host.fate(2 * n) for n in range(337, 401)] == [EXECUTED] * 64
    assert host.fate(2) is LOST
    assert host.fate(0) is LOST
    assert {host.fate(2 * n) for n in range(1, 401)} <= {EXECUTED, LOST}


def test_a_restart_in_the_middle_leaves_the_whole_command_used_up(end: DeviceEnd, host: DeviceHost) -> None:
    host.arm()
    host.send(program(101, *range(10), ns=975_000))
    host.advance(3 * MS + MS // 2)
    end.restart(host.now_ns)
    assert 3 <= len(end.pulses()) <= 4
    assert host.again().last_pulse_id == 110
    assert [host.fate(n) for n in (101, 110, 111)] == [LOST, LOST, NEVER_SEEN]
    host.arm()
    assert host.refused(program(110, 0)) == (Status.REFUSED_PULSE_ID, 110, 110)
    host.advance(S)
    assert len(end.pulses()) <= 4


def test_the_last_id_is_durable_before_the_first_pulse(end: DeviceEnd, host: DeviceHost) -> None:
    host.arm()
    host.send(program(1, *range(10), ns=975_000))
    end.restart(host.now_ns)
    assert len(end.pulses()) <= 1
    assert host.again().last_pulse_id == 10


def test_a_command_that_waits_has_not_used_its_ids(end: DeviceEnd, host: DeviceHost) -> None:
    host.arm()
    host.send(program(1, *range(10), ns=975_000))
    host.send(program(11, *range(10)))
    host.advance(MS)
    end.restart(host.now_ns)
    assert host.again().last_pulse_id == 10


# --- OUTER_PRODUCT


def expected_pulses(
    rows: Sequence[int], columns: Sequence[int], uv: int, ns: int, kernel: int = 0
) -> tuple[list[tuple[int, int, int]], int]:
    """(pulses in order, events), from the words of OUTER_PRODUCT's description."""
    found: list[tuple[int, int, int]] = []
    events = 0
    for row_sign, column_sign in ((1, 1), (-1, -1), (1, -1), (-1, 1)):
        row_counts = [value * row_sign if value * row_sign > 0 else 0 for value in rows]
        column_counts = [value * column_sign if value * column_sign > 0 else 0 for value in columns]
        for i in range(1, max(row_counts) + 1):
            for j in range(1, max(column_counts) + 1):
                chosen = [(r, c) for r, most in enumerate(row_counts) if most >= i for c, limit in enumerate(column_counts) if limit >= j]
                events += bool(chosen)
                found += [((kernel * 4 + r) * 5 + c, uv * row_sign * column_sign, ns) for r, c in chosen]
    return found, events


@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        ((1, 0, 0, 0), (1, 0, 0, 0, 0)),
        ((2, 1, 0, 3), (1, 2, 0, 0, 1)),
        ((-2, 1, 0, 3), (1, -2, 0, 0, 1)),
        ((-1, -1, -1, -1), (-2, -2, -2, -2, -2)),
        ((-3, 3, 1, -1), (3, -3, 0, 1, -1)),
    ],
)
def test_an_outer_product_gives_each_junction_its_product_of_pulses(
    end: DeviceEnd, host: DeviceHost, rows: tuple[int, ...], columns: tuple[int, ...]
) -> None:
    wanted, events = expected_pulses(rows, columns, 300_000, 200, kernel=1)
    host.arm()
    answer = host.ask(outer(5, i8(*rows, *columns), 300_000, 200, kernel=1))
    last = 5 + len(wanted) - 1
    assert answer == messages.OuterProductResponse(5, last, len(wanted), events)
    assert list(end.pulses()) == wanted
    assert (host.fate(5), host.fate(last), host.fate(last + 1)) == (EXECUTED, EXECUTED, NEVER_SEEN)


@pytest.mark.parametrize(
    ("request_", "refused"),
    [
        (outer(0, i8(*[0] * 9), kernel=9, ns=0), (Status.REFUSED_LIMIT, 0, 6)),
        (outer(0, i8(1, 1, 1, 1, 1, 1, 0, 0, 0), kernel=9, ns=0), (Status.REFUSED_LIMIT, 8, 6)),
        (outer(0, ONE, kernel=2, uv=2_000_000, ns=0), (Status.REFUSED_RANGE, 2, 1)),
        (outer(0, ONE, uv=1_200_001, ns=0), (Status.REFUSED_LIMIT, 1_200_001, 1_200_000)),
        (outer(0, ONE, ns=0), (Status.REFUSED_LIMIT, 0, 1_000_000)),
        (outer(0, ONE), (Status.REFUSED_PULSE_ID, 0, 0)),
        (outer(MAX_ID, i8(1, 1, 0, 0, 1, 0, 0, 0, 0)), (Status.REFUSED_PULSE_ID, MAX_ID, 0)),
    ],
)
def test_an_outer_product_is_refused_whole(end: DeviceEnd, host: DeviceHost, request_: Request, refused: tuple[Status, int, int]) -> None:
    host.ask(tight(pulses_per_command=6))
    host.arm()
    assert host.refused(request_) == refused
    assert (end.pulses(), host.status().last_pulse_id) == ([], 0)


@pytest.mark.parametrize("counts", [b"", i8(1, 1), i8(*[1] * 10)])
def test_counts_that_are_not_rows_and_columns_are_refused(end: DeviceEnd, host: DeviceHost, counts: bytes) -> None:
    host.arm()
    assert host.refused(outer(1, counts))[0] is Status.REFUSED_RANGE
    assert end.pulses() == []


@pytest.mark.parametrize("uv", [0, -100_000])
def test_an_outer_product_has_a_positive_amplitude(end: DeviceEnd, host: DeviceHost, uv: int) -> None:
    host.arm()
    assert host.refused(outer(1, ONE, uv=uv))[0] in (Status.REFUSED_LIMIT, Status.REFUSED_RANGE)
    assert end.pulses() == []


# --- WRITE_VERIFY is refused like PROGRAM


def verify(first: int = 1, targets: bytes = u16(60_000, *[0xFFFD] * 19), **changes: int) -> messages.WriteVerify:
    fields = {
        "kernel": 0, "max_pulses": 2, "averages": 1, "read_uv": 100_000, "set_uv": 100_000, "reset_uv": -100_000,
        "width_ns": 100, "tolerance_in": 10, "tolerance_out": 20, **changes,
    }  # fmt: skip
    return messages.WriteVerify(
        fields["kernel"], fields["max_pulses"], fields["averages"], fields["read_uv"], first, fields["set_uv"], fields["reset_uv"],
        fields["width_ns"], fields["tolerance_in"], fields["tolerance_out"], targets,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (verify(kernel=2), Status.REFUSED_RANGE),
        (verify(targets=u16(60_000)), Status.REFUSED_RANGE),
        (verify(targets=u16(60_000, *[0xFFFD] * 20)), Status.REFUSED_RANGE),
        (verify(targets=u16(0xFFFF, *[0xFFFD] * 19)), Status.REFUSED_RANGE),
        (verify(targets=u16(0xFFFE, *[0xFFFD] * 19)), Status.REFUSED_RANGE),
        (verify(set_uv=0), Status.REFUSED_RANGE),
        (verify(reset_uv=0), Status.REFUSED_RANGE),
        (verify(set_uv=-100_000), Status.REFUSED_RANGE),
        (verify(reset_uv=100_000), Status.REFUSED_RANGE),
        (verify(read_uv=0), Status.REFUSED_RANGE),
        (verify(read_uv=-100_000), Status.REFUSED_RANGE),
        (verify(max_pulses=0), Status.REFUSED_RANGE),
        (verify(tolerance_in=21), Status.REFUSED_RANGE),
        (verify(averages=0), Status.REFUSED_RANGE),
        (verify(averages=4097), Status.REFUSED_RANGE),
        (verify(read_uv=300_001), Status.REFUSED_LIMIT),
        (verify(set_uv=1_200_001), Status.REFUSED_LIMIT),
        (verify(reset_uv=-1_200_001), Status.REFUSED_LIMIT),
        (verify(width_ns=0), Status.REFUSED_LIMIT),
        (verify(width_ns=1_000_001), Status.REFUSED_LIMIT),
        (verify(first=0), Status.REFUSED_PULSE_ID),
        (verify(first=MAX_ID), Status.REFUSED_PULSE_ID),
    ],
)
def test_a_verified_write_is_refused_whole(end: DeviceEnd, host: DeviceHost, request_: Request, status: Status) -> None:
    host.arm()
    assert host.refused(request_)[0] is status
    assert (end.pulses(), host.status().last_pulse_id, host.status().operation, host.status().reads) == ([], 0, 0, 0)


def test_a_verified_write_is_not_bounded_by_the_pulses_of_a_command(host: DeviceHost) -> None:
    host.ask(tight(pulses_per_command=1))
    host.arm()
    assert host.say(verify(targets=u16(*[60_000] * 20), max_pulses=10)).status is Status.ACCEPTED


def test_a_verified_write_sets_its_ids_aside_before_the_first_pulse(end: DeviceEnd, host: DeviceHost) -> None:
    host.arm()
    host.ask(verify(first=11, targets=u16(*[60_000] * 3, *[0xFFFD] * 17), max_pulses=4))
    assert end.pulses() == []
    end.restart(host.now_ns)
    assert host.again().last_pulse_id == 22


# --- whose they are


def test_two_sessions_that_used_neighbouring_ids_are_told_apart(end: DeviceEnd, host: DeviceHost) -> None:
    first = host.endpoint.session
    host.arm()
    host.ask(program(1, 0, 1, 2))
    second = DeviceHost(end, 0x2222, beside=host)
    second.hello()
    second.arm()
    assert second.refused(program(3, 7)) == (Status.REFUSED_PULSE_ID, 3, 3)
    second.ask(program(4, 3))
    second.ask(outer(6, ONE))
    assert [second.fate_and_owner(n) for n in range(8)] == [
        (LOST, 0), (EXECUTED, first), (EXECUTED, first), (EXECUTED, first), (EXECUTED, 0x2222), (NEVER_SEEN, 0), (EXECUTED, 0x2222),
        (NEVER_SEEN, 0),
    ]  # fmt: skip
    assert [second.fate_and_owner(n)[1] for n in (3, 4)] == [first, 0x2222], "whoever asks"
    end.restart(host.now_ns)
    host.again(0x3333)
    assert [host.fate_and_owner(n) for n in (3, 4, 6, 7)] == [(LOST, 0)] * 3 + [(NEVER_SEEN, 0)]


def test_ids_of_a_running_command_are_its_sessions_also_those_that_it_has_not_come_to(end: DeviceEnd, host: DeviceHost) -> None:
    first = host.endpoint.session
    host.arm()
    host.send(program(1, *range(10), ns=1_000_000))
    host.advance(3 * MS)
    running = [host.fate_and_owner(n) for n in (1, 10, 11)]
    assert running == [(EXECUTED, first), (NEVER_SEEN, first), (NEVER_SEEN, 0)]
    second = DeviceHost(end, 0x2222, beside=host)
    second.hello()
    assert [second.fate_and_owner(n) for n in (1, 10, 11)] == [(EXECUTED, first), (REFUSED, first), (NEVER_SEEN, 0)]


def test_ids_that_a_verified_write_set_aside_are_its_sessions(host: DeviceHost) -> None:
    first = host.endpoint.session
    host.arm()
    targets = u16(60_000, *[CODE_MASKED] * 19)
    ticket = host.send(messages.WriteVerify(0, 3, 1, 100_000, 5, 100_000, -100_000, 100, 10, 20, targets))
    host.ask(messages.Abort(ticket.seq))
    assert [host.fate_and_owner(n) for n in (4, 5, 7, 8)] == [(NEVER_SEEN, 0), (REFUSED, first), (REFUSED, first), (NEVER_SEEN, 0)]
