"""What the controller keeps of its junctions: outer products, wear, calibration, and what became of pulse ids."""

import zlib
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_protocol import messages
from firmware_protocol.codes import CalibrationTable, Direction, PulseOutcome, Route, Status, Wear
from simulator.instruments.controller import Controller
from simulator.instruments.outer_product import events_of, pulses_of
from simulator.instruments.pulse_log import COMMANDS_KEPT, PulseLog
from simulator.instruments.wear import MOST, WearCounters
from tests.simulator.controller_client import SMALL, US, Client, RecordingWorld, codes_of, opened, program, small_world

ORDER = bytes([2, 0, 1, 4, 3])


@pytest.fixture
def world() -> RecordingWorld:
    return small_world()


@pytest.fixture
def controller(world: RecordingWorld) -> Controller:
    return Controller(world, boot_id=5)


@pytest.fixture
def client(controller: Controller) -> Client:
    return opened(controller)


def counts(rows: list[int], columns: list[int]) -> bytes:
    return np.array(rows + columns, np.int8).tobytes()


# --- outer products


def test_an_outer_product_pulses_quadrant_by_quadrant_each_event_at_once(world: RecordingWorld, client: Client) -> None:
    client.arm()
    request = messages.OuterProduct(1, 10, 700_000, 1000, counts([2, -1, 0, 1], [1, 0, -1, 0, 2]))
    answer = client.ask(request)
    plus_plus = [[20, 24, 35, 39], [24, 39], [20, 24], [24]]
    minus_minus = [[27]]
    plus_minus = [[22, 37], [22]]
    minus_plus = [[25, 29], [29]]
    expected = [(device, 700_000, 1000) for event in plus_plus + minus_minus for device in event]
    expected += [(device, -700_000, 1000) for event in plus_minus + minus_plus for device in event]
    assert world.pulses == expected
    assert answer == messages.OuterProductResponse(10, 25, 16, 9)
    assert client.busy_ns == 9 * 26 * US
    assert (client.status().pulses, client.status().last_pulse_id, client.fate(25)) == (16, 25, PulseOutcome.EXECUTED)


counts_of = st.lists(st.integers(-128, 127), min_size=1, max_size=6).map(lambda values: np.array(values, np.int64) // 16)


@given(counts_of, counts_of)
@settings(max_examples=60, deadline=None)
def test_every_junction_gets_the_product_of_its_counts(rows: np.ndarray, columns: np.ndarray) -> None:
    given_pulses = Counter[int]()
    for event in events_of(0, rows, columns):
        assert event.devices.size
        assert (np.diff(event.devices) > 0).all()
        for device in event.devices:
            given_pulses[int(device)] += event.sign
    product = np.outer(rows, columns).ravel()
    assert [given_pulses[device] for device in range(product.size)] == list(product)
    assert pulses_of(rows, columns) == np.abs(product).sum()


def test_the_most_negative_count_counts_as_its_magnitude() -> None:
    assert pulses_of(np.array([-128]), np.array([-1])) == 128
    assert len(list(events_of(0, np.array([-128]), np.array([-1])))) == 128


@pytest.mark.parametrize(
    ("message", "status", "value", "limit"),
    [
        (messages.OuterProduct(0, 1, 1, 1, bytes(8)), Status.REFUSED_RANGE, 8, 9),
        (messages.OuterProduct(0, 1, 1, 1, bytes(9)), Status.REFUSED_LIMIT, 0, 625),
        (messages.OuterProduct(0, 1, 1, 1, counts([126, 0, 0, 0], [5, 0, 0, 0, 0])), Status.REFUSED_LIMIT, 630, 625),
        (messages.OuterProduct(2, 1, 1, 1, counts([1, 0, 0, 0], [1, 0, 0, 0, 0])), Status.REFUSED_RANGE, 2, 1),
        (messages.OuterProduct(0, 1, 0, 1, counts([1, 0, 0, 0], [1, 0, 0, 0, 0])), Status.REFUSED_LIMIT, 0, 1_200_000),
        (messages.OuterProduct(0, 1, 1_200_001, 1, counts([1, 0, 0, 0], [1, 0, 0, 0, 0])), Status.REFUSED_LIMIT, 1_200_001, 1_200_000),
        (messages.OuterProduct(0, 1, 1, 0, counts([1, 0, 0, 0], [1, 0, 0, 0, 0])), Status.REFUSED_LIMIT, 0, 1_000_000),
        (messages.OuterProduct(0, 0, 1, 1, counts([1, 0, 0, 0], [1, 0, 0, 0, 0])), Status.REFUSED_PULSE_ID, 0, 0),
    ],
)
def test_an_outer_product_out_of_limits_is_refused_whole(
    world: RecordingWorld, client: Client, message: messages.Request, status: Status, value: int, limit: int
) -> None:
    client.arm()
    assert client.refused(message) == (status, messages.Refusal(value, limit))
    assert (world.pulses, client.status().last_pulse_id) == ([], 0)


# --- wear


def wear(client: Client, kernel: int, kind: Wear) -> list[int]:
    answer = client.ask(messages.Counters(kernel, kind))
    assert isinstance(answer, messages.CountersResponse)
    assert (answer.kernel, answer.wear) == (kernel, kind)
    return list(map(int, codes_of(answer.counts)))


def test_pulses_are_counted_by_junction_and_polarity(client: Client) -> None:
    client.arm()
    client.ask(program(1, 0, 1, 1, uv=500_000))
    client.ask(program(4, 1, 20, uv=-500_000))
    client.ask(program(6, 1, uv=0))
    client.ask(messages.OuterProduct(1, 7, 500_000, 100, counts([1, 0, 0, 0], [2, 0, 0, 0, 0])))
    assert wear(client, 0, Wear.POSITIVE_PULSES) == [1, 2] + [0] * 18
    assert wear(client, 0, Wear.NEGATIVE_PULSES) == [0, 1] + [0] * 18
    assert wear(client, 1, Wear.POSITIVE_PULSES) == [2] + [0] * 19
    assert wear(client, 1, Wear.NEGATIVE_PULSES) == [1] + [0] * 19


def test_a_reading_counts_once_whatever_it_averages_and_a_product_once_for_each_vector(client: Client) -> None:
    client.ask(messages.ReadBlock(0, 100, 100_000))
    client.ask(messages.ReadList(100, 100_000, np.array([3, 3, 21], "<u2").tobytes()))
    client.ask(messages.ReadDie(0, 2, 1, 100_000))
    client.done()
    client.ask(messages.Vmm(1, 1, Direction.ROWS, 3, bytes(3 * 8)))
    assert wear(client, 0, Wear.READINGS) == [2, 2, 2, 4] + [2] * 16
    assert wear(client, 1, Wear.READINGS) == [4, 5] + [4] * 18


def test_counters_stop_at_their_highest_number() -> None:
    counters = WearCounters(SMALL)
    counters.read_kernel(0, MOST - 1)
    assert counters.counts(0, Wear.READINGS)[0, 0] == MOST - 1
    counters.read_kernel(0, 5)
    assert counters.counts(0, Wear.READINGS)[0, 0] == MOST


def test_wear_of_what_does_not_exist_is_refused_and_a_restart_counts_anew(controller: Controller, client: Client) -> None:
    assert client.refused(messages.Counters(2, 0)) == (Status.REFUSED_RANGE, messages.Refusal(2, 1))
    assert client.refused(messages.Counters(0, 3)) == (Status.REFUSED_RANGE, messages.Refusal(3, 2))
    client.ask(messages.ReadBlock(0, 1, 1))
    controller.reboot(6, client.now_ns)
    assert wear(opened(controller, 2, client.time), 0, Wear.READINGS) == [0] * 20


# --- calibration


def set_order(client: Client, order: bytes = ORDER, version: int = 1, replaces: int = 0) -> messages.Message:
    return client.ask(messages.SetCalibration(CalibrationTable.COLUMN_ORDER, version, replaces, order))


def test_a_table_that_was_never_written_has_version_0_and_nothing_in_it(client: Client) -> None:
    for table in CalibrationTable:
        assert client.ask(messages.GetCalibration(table)) == messages.CalibrationResponse(table, 0, 0, b"")


def test_a_table_is_replaced_by_whoever_has_seen_it_and_outlives_a_restart(controller: Controller, client: Client) -> None:
    answer = set_order(client)
    assert answer == messages.CalibrationResponse(1, 1, zlib.crc32(ORDER), ORDER)
    gains = np.arange(10, dtype="<i4").tobytes()
    client.ask(messages.SetCalibration(CalibrationTable.SENSE_LINES, 7, 0, gains))
    controller.reboot(6, client.now_ns)
    again = opened(controller, 2, client.time)
    assert again.ask(messages.GetCalibration(1)) == answer
    assert again.ask(messages.GetCalibration(0)) == messages.CalibrationResponse(0, 7, zlib.crc32(gains), gains)
    again.ask(messages.Select(Route.JUNCTION, 0))
    assert controller.state.name == "SELECTED"


@pytest.mark.parametrize(
    ("table", "version", "replaces", "data", "status", "value", "limit"),
    [
        (2, 5, 3, ORDER, Status.REFUSED_RANGE, 2, 1),
        (1, 5, 3, ORDER[:4], Status.REFUSED_RANGE, 4, 5),
        (1, 5, 3, bytes([0, 1, 2, 3, 3]), Status.REFUSED_RANGE, 5, 5),
        (1, 5, 3, bytes([1, 2, 3, 4, 5]), Status.REFUSED_RANGE, 5, 5),
        (0, 5, 0, bytes(39), Status.REFUSED_RANGE, 39, 40),
        (1, 5, 2, ORDER, Status.REFUSED_CONFIG, 2, 3),
        (1, 3, 3, ORDER, Status.REFUSED_CONFIG, 3, 3),
    ],
)
def test_a_table_that_breaks_a_rule_changes_nothing(
    client: Client, table: int, version: int, replaces: int, data: bytes, status: Status, value: int, limit: int
) -> None:
    before = set_order(client, version=3)
    assert client.refused(messages.SetCalibration(table, version, replaces, data)) == (status, messages.Refusal(value, limit))
    assert client.ask(messages.GetCalibration(1)) == before


def test_tables_are_written_only_while_everything_is_isolated(client: Client) -> None:
    request = messages.SetCalibration(CalibrationTable.COLUMN_ORDER, 1, 0, ORDER)
    client.ask(messages.Select(Route.JUNCTION, 0))
    assert client.status_of(request) is Status.REFUSED_CONFIG
    client.arm()
    assert client.status_of(request) is Status.REFUSED_CONFIG
    assert client.refused(messages.GetCalibration(2)) == (Status.REFUSED_RANGE, messages.Refusal(2, 1))


def test_the_order_of_the_columns_is_applied_to_every_access(world: RecordingWorld, client: Client) -> None:
    set_order(client)
    die = world.wafer.die((0, 0))
    client.ask(messages.Select(Route.JUNCTION, 8))  # Row 1, column 3.
    assert world.selected == (Route.JUNCTION, 9)
    assert client.status().device == 8
    client.ask(messages.Disarm())
    client.arm()
    die.state_p[:] = False
    client.ask(program(1, 20, 26, uv=1_000_000, ns=1000))
    assert [device for device, _, _ in world.pulses] == [22, 25]
    assert sorted(np.flatnonzero(die.state_p)) == [22, 25]
    client.ask(messages.OuterProduct(1, 3, 1_000, 100, counts([0, 0, 0, 1], [1, 0, 0, 1, 0])))
    assert [device for device, _, _ in world.pulses[2:]] == [37, 39]
    assert np.flatnonzero(wear(client, 1, Wear.POSITIVE_PULSES)).tolist() == [0, 6, 15, 18]
    block = client.ask(messages.ReadBlock(1, 64, 100_000))
    assert isinstance(block, messages.ReadBlockResponse)
    assert sorted(np.argsort(codes_of(block.codes))[-2:]) == [0, 6]
    single = client.ask(messages.ReadList(64, 100_000, np.array([20, 22, 26], "<u2").tobytes()))
    assert isinstance(single, messages.ReadListResponse)
    code = dict(codes_of(single.readings).reshape(-1, 2).tolist())
    assert code[22] < min(code[20], code[26])


@pytest.mark.parametrize("direction", list(Direction))
def test_products_know_the_order_of_the_columns(world: RecordingWorld, client: Client, direction: Direction) -> None:
    set_order(client)
    die = world.wafer.die((0, 0))
    die.state_p[:] = False
    die.state_p[1, 2, 4] = True  # Physical column 4 is logical column 3.
    driven = SMALL.rows if direction is Direction.ROWS else SMALL.columns
    one_by_one = (np.eye(driven) * 10_000).astype("<i2")
    answer = client.ask(messages.Vmm(1, 1, direction, driven, one_by_one.tobytes()))
    assert isinstance(answer, messages.VmmResponse)
    codes = codes_of(answer.codes).reshape(driven, -1)
    where = np.unravel_index(codes.argmax(), codes.shape)
    assert where == ((2, 3) if direction is Direction.ROWS else (3, 2))


# --- pulse ids


def test_ids_never_asked_for_are_never_seen_and_those_forgotten_are_lost() -> None:
    log = PulseLog(10)
    for index in range(COMMANDS_KEPT + 1):
        record = log.begin(20 + 10 * index, 3)
        log.given(record, 3)
        record.running = False
    asked = (10, 22, 29, 30, 32, 35, log.last, log.last + 1)
    lost, seen, never = PulseOutcome.LOST, PulseOutcome.EXECUTED, PulseOutcome.NEVER_SEEN
    assert [log.fate(pulse_id)[0] for pulse_id in asked] == [lost, lost, never, seen, seen, never, seen, never]


def test_ids_skipped_before_the_first_command_are_never_seen(client: Client) -> None:
    client.arm()
    client.ask(program(10, 0))
    assert [client.fate(pulse_id) for pulse_id in (9, 10, 11, 0xFFFF_FFFF)] == [2, 0, 2, 2]


def test_the_highest_id_can_be_used_and_then_none(client: Client) -> None:
    client.arm()
    assert client.status_of(program(0xFFFF_FFFE, 0, 1)) is Status.OK
    assert client.fate(0xFFFF_FFFF) == PulseOutcome.EXECUTED
    assert client.refused(program(0xFFFF_FFFF, 0)) == (Status.REFUSED_PULSE_ID, messages.Refusal(0xFFFF_FFFF, 0xFFFF_FFFF))


def test_a_refused_list_leaves_the_fate_of_its_ids_never_seen(client: Client) -> None:
    client.arm()
    client.ask(program(1, 0))
    assert client.status_of(program(5, 40)) is Status.REFUSED_RANGE
    assert (client.fate(5), client.status().last_pulse_id) == (PulseOutcome.NEVER_SEEN, 1)
