"""Calibration tables: who may replace one, and that the column order holds for everything the device does."""

import zlib

import numpy as np
import pytest

from firmware_protocol import messages
from firmware_protocol.codes import CODE_MASKED, CalibrationTable, DeviceState, Direction, Route, Status, Wear
from tests.support.device_end import SMALL, DeviceEnd
from tests.support.device_host import MS, DeviceHost, S, program, u16

ORDER = bytes([2, 0, 1, 4, 3])
LINES = np.arange(10, dtype="<i4").tobytes()


def physical(device: int, order: bytes = ORDER) -> int:
    kernel, row, column = SMALL.coordinates(device)
    return SMALL.device(kernel, row, order[column])


def order(version: int, replaces: int, data: bytes = ORDER) -> messages.SetCalibration:
    return messages.SetCalibration(CalibrationTable.COLUMN_ORDER, version, replaces, data)


def test_a_table_never_written_has_version_0_and_nothing_in_it(host: DeviceHost) -> None:
    for table in CalibrationTable:
        assert host.ask(messages.GetCalibration(table)) == messages.CalibrationResponse(table, 0, zlib.crc32(b""), b"")


def test_a_table_is_kept_told_and_outlives_a_restart(end: DeviceEnd, host: DeviceHost) -> None:
    kept = messages.CalibrationResponse(CalibrationTable.SENSE_LINES, 7, zlib.crc32(LINES * 1), LINES)
    assert host.ask(messages.SetCalibration(CalibrationTable.SENSE_LINES, 7, 0, LINES)) == kept
    host.ask(order(3, 0))
    end.restart(host.now_ns)
    host.again()
    assert host.ask(messages.GetCalibration(CalibrationTable.SENSE_LINES)) == kept
    assert host.ask(messages.GetCalibration(CalibrationTable.COLUMN_ORDER)) == messages.CalibrationResponse(1, 3, zlib.crc32(ORDER), ORDER)


@pytest.mark.parametrize(
    ("request_", "refused"),
    [
        (messages.SetCalibration(2, 5, 4, ORDER), (Status.REFUSED_RANGE, 2, 1)),
        (order(5, 4, ORDER[:4]), (Status.REFUSED_RANGE, 4, 5)),
        (order(5, 4, ORDER + b"\5"), (Status.REFUSED_RANGE, 6, 5)),
        (messages.SetCalibration(CalibrationTable.SENSE_LINES, 5, 4, LINES[:-1]), (Status.REFUSED_RANGE, 39, 40)),
        (order(5, 4), (Status.REFUSED_CONFIG, 4, 3)),
        (order(5, 0), (Status.REFUSED_CONFIG, 0, 3)),
    ],
)
def test_a_table_that_cannot_replace_the_one_in_force_is_refused(
    host: DeviceHost, request_: messages.SetCalibration, refused: tuple[Status, int, int]
) -> None:
    host.ask(order(3, 0, bytes(range(5))))
    assert host.refused(request_) == refused
    assert host.ask(messages.GetCalibration(1)) == messages.CalibrationResponse(1, 3, zlib.crc32(bytes(range(5))), bytes(range(5)))


@pytest.mark.parametrize("data", [bytes([0, 1, 2, 3, 3]), bytes([1, 2, 3, 4, 5]), bytes([0, 1, 2, 3, 255])])
def test_an_order_that_is_no_permutation_is_refused(end: DeviceEnd, host: DeviceHost, data: bytes) -> None:
    assert host.refused(order(1, 0, data))[0] is Status.REFUSED_RANGE
    host.arm()
    host.ask(program(1, 0, 1))
    assert [device for device, _, _ in end.pulses()] == [0, 1]


@pytest.mark.parametrize("version", [0, 2, 3])
def test_a_version_that_does_not_grow_is_refused(host: DeviceHost, version: int) -> None:
    host.ask(order(3, 0))
    assert host.refused(order(version, 3))[0] is Status.REFUSED_CONFIG


def test_an_unknown_table_cannot_be_asked_for(host: DeviceHost) -> None:
    assert host.refused(messages.GetCalibration(2)) == (Status.REFUSED_RANGE, 2, 1)


@pytest.mark.parametrize("state", [DeviceState.SELECTED, DeviceState.ARMED])
def test_a_table_is_replaced_only_where_everything_is_isolated(host: DeviceHost, state: DeviceState) -> None:
    host.enter(state)
    assert host.refused(order(1, 0))[0] is Status.REFUSED_CONFIG


@pytest.mark.parametrize("restarted", [False, True])
def test_the_column_order_holds_for_every_access(end: DeviceEnd, host: DeviceHost, restarted: bool) -> None:
    host.ask(order(1, 0))
    if restarted:
        end.restart(host.now_ns)
        host.again()
    host.ask(messages.Select(Route.JUNCTION, 7))
    assert end.connected == physical(7)
    assert host.status().device == 7
    host.arm()
    host.ask(program(1, 0, 7, 39))
    host.ask(messages.OuterProduct(1, 4, 100_000, 100, bytes([0, 0, 1, 0, 0, 1, 1, 0, 0])))
    host.ask(messages.WriteVerify(0, 1, 1, 100_000, 10, 100_000, -1, 100, 1, 1, u16(*[CODE_MASKED] * 17, *[60_000] * 3)))
    host.advance(S)
    logical = [0, 7, 39, SMALL.device(1, 2, 1), SMALL.device(1, 2, 2), 17, 18, 19]
    assert [device for device, _, _ in end.pulses()] == [physical(device) for device in logical]
    answer = host.ask(messages.Counters(0, Wear.POSITIVE_PULSES))
    assert isinstance(answer, messages.CountersResponse)
    assert [int(n) for n in np.frombuffer(answer.counts, "<u2")] == [int(device in (0, 7, 17, 18, 19)) for device in range(20)]


def test_the_column_order_holds_for_every_reading(end: DeviceEnd, host: DeviceHost) -> None:
    host.ask(order(1, 0))
    block = host.ask(messages.ReadBlock(1, 16, 100_000))
    assert isinstance(block, messages.ReadBlockResponse)
    listed = host.ask(messages.ReadList(16, 100_000, u16(*range(20, 40))))
    assert isinstance(listed, messages.ReadListResponse)
    host.ask(messages.ReadDie(1, 1, 16, 100_000))
    host.advance(100 * MS)
    (streamed,) = [each for _, _, each in host.events if isinstance(each, messages.Block)]
    rows = [messages.Vmm(1, 1, Direction.ROWS, 1, u16(*[10_000 * (row == wanted) for row in range(4)])) for wanted in range(4)]
    products = b"".join(answer.codes for row in rows if isinstance(answer := host.ask(row), messages.VmmResponse))
    pairs = np.frombuffer(listed.readings, "<u2").reshape(-1, 2)
    for codes in (np.frombuffer(block.codes, "<u2"), np.frombuffer(streamed.codes, "<u2"), pairs[:, 1], np.frombuffer(products, "<u2")):
        assert all(end.shows(physical(20 + place), int(code)) for place, code in enumerate(codes))
    assert [int(device) for device in pairs[:, 0]] == list(range(20, 40))


def test_a_product_driven_by_columns_drives_the_physical_ones(end: DeviceEnd, host: DeviceHost) -> None:
    host.ask(order(1, 0))
    for column in range(5):
        inputs = u16(*[10_000 * (each == column) for each in range(5)])
        answer = host.ask(messages.Vmm(0, 1, Direction.COLUMNS, 1, inputs))
        assert isinstance(answer, messages.VmmResponse)
        codes = np.frombuffer(answer.codes, "<u2")
        assert all(end.shows(physical(SMALL.device(0, row, column)), int(code)) for row, code in enumerate(codes))
