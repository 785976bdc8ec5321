"""Readings through the board: whose they are, what is refused, and what they count for."""

import numpy as np
import pytest

from firmware_protocol import messages
from firmware_protocol.codes import Direction, Route, Status, Wear
from firmware_protocol.messages import Request
from tests.support.device_end import SMALL, DeviceEnd
from tests.support.device_host import DeviceHost, program, u16

READ_UV = 100_000


def codes_of(data: bytes) -> list[int]:
    return [int(code) for code in np.frombuffer(data, "<u2")]


def counters(host: DeviceHost, kernel: int, wear: int) -> list[int]:
    answer = host.ask(messages.Counters(kernel, wear))
    assert isinstance(answer, messages.CountersResponse)
    assert (answer.kernel, answer.wear) == (kernel, wear)
    return codes_of(answer.counts)


@pytest.mark.parametrize("kernel", [0, 1])
def test_a_block_shows_each_junction_in_its_place(end: DeviceEnd, host: DeviceHost, kernel: int) -> None:
    answer = host.ask(messages.ReadBlock(kernel, 16, READ_UV))
    assert isinstance(answer, messages.ReadBlockResponse)
    assert (answer.kernel, answer.flags, answer.averages, answer.read_uv) == (kernel, 0, 16, READ_UV)
    codes = codes_of(answer.codes)
    assert len(codes) == 20
    assert all(end.shows(20 * kernel + place, code) for place, code in enumerate(codes))


def test_a_list_is_answered_in_its_own_order_each_with_its_device(end: DeviceEnd, host: DeviceHost) -> None:
    wanted = [39, 0, 17, 17, 5, *range(39, -1, -1)]
    answer = host.ask(messages.ReadList(16, READ_UV, u16(*wanted)))
    assert isinstance(answer, messages.ReadListResponse)
    assert (answer.averages, answer.read_uv) == (16, READ_UV)
    pairs = np.frombuffer(answer.readings, "<u2").reshape(-1, 2)
    assert [int(device) for device, _ in pairs] == wanted
    assert all(end.shows(int(device), int(code)) for device, code in pairs)


@pytest.mark.parametrize(
    ("request_", "refused"),
    [
        (messages.ReadBlock(2, 1, READ_UV), (Status.REFUSED_RANGE, 2, 1)),
        (messages.ReadBlock(0, 1, 300_001), (Status.REFUSED_LIMIT, 300_001, 300_000)),
        (messages.ReadBlock(0, 1, -300_001), (Status.REFUSED_LIMIT, -300_001, 300_000)),
        (messages.ReadBlock(0, 0, READ_UV), (Status.REFUSED_RANGE, 0, 4096)),
        (messages.ReadBlock(0, 4097, READ_UV), (Status.REFUSED_RANGE, 4097, 4096)),
        (messages.ReadList(1, READ_UV, u16(3, 40)), (Status.REFUSED_RANGE, 40, 39)),
        (messages.ReadList(1, READ_UV, b""), (Status.REFUSED_RANGE, 0, 510)),
        (messages.ReadList(1, READ_UV, u16(*[0] * 511)), (Status.REFUSED_RANGE, 511, 510)),
        (messages.ReadList(1, 300_001, u16(0)), (Status.REFUSED_LIMIT, 300_001, 300_000)),
        (messages.ReadList(0, READ_UV, u16(0)), (Status.REFUSED_RANGE, 0, 4096)),
        (messages.ReadDie(0, 3, 1, READ_UV), (Status.REFUSED_RANGE, 2, 1)),
        (messages.ReadDie(2, 1, 1, READ_UV), (Status.REFUSED_RANGE, 2, 1)),
        (messages.ReadDie(0, 2, 1, 300_001), (Status.REFUSED_LIMIT, 300_001, 300_000)),
        (messages.ReadDie(0, 2, 0, READ_UV), (Status.REFUSED_RANGE, 0, 4096)),
        (messages.Vmm(0, 3, 0, 1, u16(*[0] * 12)), (Status.REFUSED_RANGE, 2, 1)),
        (messages.Vmm(1, 2, 0, 1, u16(*[0] * 8)), (Status.REFUSED_RANGE, 2, 1)),
        (messages.Vmm(0, 1, 2, 1, u16(*[0] * 4)), (Status.REFUSED_RANGE, 2, 1)),
        (messages.Vmm(0, 1, 0, 1, u16(30_001, 0, 0, 0)), (Status.REFUSED_LIMIT, 300_010, 300_000)),
    ],
)
def test_what_cannot_be_read_is_refused_and_reads_nothing(host: DeviceHost, request_: Request, refused: tuple[Status, int, int]) -> None:
    assert host.refused(request_) == refused
    assert host.status().reads == 0
    assert counters(host, 0, Wear.READINGS) == [0] * 20


@pytest.mark.parametrize(
    "request_",
    [
        messages.ReadDie(0, 0, 1, READ_UV),
        messages.Vmm(0, 0, 0, 1, b""),
        messages.Vmm(0, 1, 0, 0, b""),
        messages.Vmm(0, 1, 0, 1, u16(0, 0, 0)),
        messages.Vmm(0, 1, 0, 2, u16(0, 0, 0, 0)),
        messages.Vmm(0, 1, 0, 205, u16(*[0] * 820)),
        messages.Vmm(0, 2, 0, 103, u16(*[0] * 824)),
    ],
)
def test_counts_that_do_not_fit_are_refused(host: DeviceHost, request_: Request) -> None:
    assert host.refused(request_)[0] is Status.REFUSED_RANGE
    assert host.status().reads == 0


@pytest.mark.parametrize(
    ("request_", "codes"),
    [
        (messages.Vmm(0, 1, Direction.ROWS, 204, u16(*[0] * 816)), 1020),
        (messages.Vmm(0, 2, Direction.ROWS, 102, u16(*[0] * 816)), 1020),
        (messages.Vmm(0, 2, Direction.COLUMNS, 100, u16(*[0] * 1000)), 800),
    ],
)
def test_products_fill_a_frame(host: DeviceHost, request_: messages.Vmm, codes: int) -> None:
    answer = host.ask(request_)
    assert isinstance(answer, messages.VmmResponse)
    assert (answer.first_kernel, answer.blocks, answer.direction, answer.vectors) == (
        request_.first_kernel, request_.blocks, request_.direction, request_.vectors,
    )  # fmt: skip
    assert len(answer.codes) == 2 * codes


def test_a_product_over_several_kernels_is_each_kernels_own(end: DeviceEnd, host: DeviceHost) -> None:
    """One row driven, nothing else: each sensed code is that one junction's reading."""
    inputs = [0] * 16
    inputs[2], inputs[4 + 3], inputs[8 + 0], inputs[12 + 1] = (READ_UV // 10,) * 4
    answer = host.ask(messages.Vmm(0, 2, Direction.ROWS, 2, u16(*inputs)))
    assert isinstance(answer, messages.VmmResponse)
    codes = np.array(codes_of(answer.codes)).reshape(2, 2, 5)
    for vector, block, row in ((0, 0, 2), (0, 1, 3), (1, 0, 0), (1, 1, 1)):
        for column in range(5):
            assert end.shows(SMALL.device(block, row, column), int(codes[vector, block, column])), (vector, block, column)


def test_while_a_path_is_closed_nothing_is_read(host: DeviceHost) -> None:
    host.ask(messages.Select(Route.JUNCTION, 7))
    for request in (messages.ReadBlock(0, 1, READ_UV), messages.ReadList(1, READ_UV, u16(0)), messages.ReadDie(0, 1, 1, READ_UV)):
        assert host.refused(request)[0] is Status.REFUSED_CONFIG


# --- COUNTERS


def test_every_reading_counts_once_whatever_it_averages(host: DeviceHost) -> None:
    host.ask(messages.ReadBlock(0, 16, READ_UV))
    host.ask(messages.ReadList(100, READ_UV, u16(0, 3, 3, 25)))
    host.ask(messages.ReadDie(0, 2, 2, READ_UV))
    host.advance(10**9)
    kernels = [[2] * 20, [1] * 20]
    kernels[0][0] += 1
    kernels[0][3] += 2
    kernels[1][5] += 1
    assert [counters(host, kernel, Wear.READINGS) for kernel in (0, 1)] == kernels
    assert host.status().reads == 20 + 4 + 40


def test_a_product_counts_every_junction_of_the_kernel_once_a_vector(host: DeviceHost) -> None:
    host.ask(messages.Vmm(1, 1, Direction.ROWS, 7, u16(*[0] * 28)))
    assert counters(host, 0, Wear.READINGS) == [0] * 20
    assert counters(host, 1, Wear.READINGS) == [7] * 20


def test_pulses_count_by_sign(host: DeviceHost) -> None:
    host.arm()
    host.ask(program(1, 3, 3, 25))
    host.ask(program(4, 3, 24, uv=-100_000))
    host.ask(messages.OuterProduct(1, 6, 100_000, 100, bytes([1, 255, 0, 0, 2, 0, 0, 0, 0])))
    positive, negative = ([counters(host, kernel, wear) for kernel in (0, 1)] for wear in (Wear.POSITIVE_PULSES, Wear.NEGATIVE_PULSES))
    assert (positive[0][3], positive[1][5], positive[1][0], sum(map(sum, positive))) == (2, 1, 2, 5)
    assert (negative[0][3], negative[1][4], negative[1][5], sum(map(sum, negative))) == (1, 1, 2, 4)
    host.ask(messages.Disarm())
    assert counters(host, 0, Wear.READINGS) == [0] * 20


def test_a_counter_stays_at_its_end(host: DeviceHost) -> None:
    most = messages.Vmm(0, 1, Direction.ROWS, 204, u16(*[0] * 816))
    for _ in range(322):
        host.ask(most)
    assert counters(host, 0, Wear.READINGS) == [0xFFFF] * 20
    assert host.status().reads > 0xFFFF


@pytest.mark.parametrize(("kernel", "wear", "refused"), [(2, 0, (2, 1)), (0, 3, (3, 2))])
def test_a_counter_that_does_not_exist_is_refused(host: DeviceHost, kernel: int, wear: int, refused: tuple[int, int]) -> None:
    assert host.refused(messages.Counters(kernel, wear)) == (Status.REFUSED_RANGE, *refused)


def test_a_restart_starts_the_counters_anew(end: DeviceEnd, host: DeviceHost) -> None:
    host.ask(messages.ReadBlock(0, 1, READ_UV))
    end.restart(host.now_ns)
    host.again()
    assert counters(host, 0, Wear.READINGS) == [0] * 20
