"""The simulated controller's firmware, bytes in and bytes out, with the time as an argument."""

from collections.abc import Iterator

import numpy as np
import pytest

from firmware_protocol import dictionary, messages
from firmware_protocol.codes import CODE_SATURATED, DeviceState, Direction, PulseOutcome, Route, SafeReason, Status
from firmware_protocol.limits import Limits
from firmware_protocol.messages import Request
from simulator.instruments import adc
from simulator.instruments.controller import Controller
from simulator.instruments.pulse_log import COMMANDS_KEPT, PulseLog
from simulator.world import World
from tests.simulator.controller_client import MS, SMALL, Client, program, small_world

BUSY_READ_NS = 5 * 25_000 + 20 * 10_000
"""Five columns switched and settled, twenty conversions."""


@pytest.fixture
def world() -> World:
    return small_world()


@pytest.fixture
def controller(world: World) -> Controller:
    return Controller(world, boot_id=5)


@pytest.fixture
def client(controller: Controller) -> Iterator[Client]:
    made = Client(controller, session=0x1111)
    made.ask(messages.Hello())
    yield made
    made.port.close()


# --- who it is


def test_hello_and_the_dictionary_agree_and_say_simulated(client: Client) -> None:
    hello = client.ask(messages.Hello())
    assert isinstance(hello, messages.HelloResponse)
    chunk = client.ask(messages.GetDict(0, 2048))
    assert isinstance(chunk, messages.DictChunk)
    found = dictionary.decode(chunk.chunk + client.frame(messages.GetDict(len(chunk.chunk), 2048)).payload[4:])
    assert found.geometry == hello.geometry == SMALL
    assert (found.origin.simulated, found.origin.seed) == (True, 3)
    assert hello.limits == Limits()
    assert (hello.adc_zero_code, hello.adc_code_pa) == (22_282, 38_147)


def test_the_dictionary_beyond_its_end_is_refused(client: Client) -> None:
    status, refusal = client.refused(messages.GetDict(100_000, 1))
    assert (status, refusal.value) == (Status.REFUSED_RANGE, 100_000)


# --- the dead man


@pytest.mark.parametrize("route", [Route.JUNCTION, Route.CONTACT_PADS])
def test_silence_of_the_owner_isolates_a_selected_path(world: World, controller: Controller, client: Client, route: Route) -> None:
    client.ask(messages.Select(route, 7 if route is Route.JUNCTION else 0xFFFF))
    controller.tick(1499 * MS)
    assert world.selected[0] is route
    controller.tick(1501 * MS)
    assert world.selected == (Route.NONE, None)
    assert (controller.state, controller.safe_reason) == (DeviceState.SAFE, SafeReason.DEAD_MAN)


def test_silence_of_the_owner_disarms(controller: Controller, client: Client) -> None:
    client.arm()
    controller.tick(1501 * MS)
    client.now_ns = 1600 * MS
    assert client.status_of(program(1, 0)) is Status.REFUSED_NOT_ARMED


def test_every_frame_of_the_owner_starts_the_silence_anew(controller: Controller, client: Client) -> None:
    client.ask(messages.Select(Route.JUNCTION, 7))
    for now_ms in range(1000, 10_000, 1000):
        client.now_ns = now_ms * MS
        client.ask(messages.KeepAlive())
        controller.tick((now_ms + 999) * MS)
    assert controller.state is DeviceState.SELECTED


def test_frames_of_others_and_broken_ones_do_not_count_as_the_owner(controller: Controller, client: Client) -> None:
    client.ask(messages.Select(Route.JUNCTION, 7))
    onlooker = Client(controller, session=0)
    for now_ms in (500, 1000, 1400):
        onlooker.now_ns = now_ms * MS
        onlooker.status()
        onlooker.port.feed(b"\x05nonsense\0", now_ms * MS)
    controller.tick(1501 * MS)
    assert controller.state is DeviceState.SAFE


def test_a_frame_that_comes_after_the_silence_finds_everything_isolated_already(world: World, client: Client) -> None:
    client.ask(messages.Select(Route.JUNCTION, 7))
    client.now_ns = 2000 * MS
    client.ask(messages.KeepAlive())
    assert world.selected == (Route.NONE, None)


def test_the_time_of_a_command_is_silence_all_the_same(controller: Controller, client: Client) -> None:
    client.arm()
    asked_ns = client.now_ns
    client.ask(messages.ReadBlock(0, 4096, 100_000))
    assert client.busy_ns > 800 * MS
    controller.tick(asked_ns + 1499 * MS)
    assert controller.state is DeviceState.ARMED
    controller.tick(asked_ns + 1501 * MS)
    assert controller.state is DeviceState.SAFE


def test_a_command_in_work_is_due_at_its_end_or_when_its_owner_has_been_silent_for_too_long(controller: Controller, client: Client) -> None:
    reading = messages.ReadList(4096, 100_000, bytes(2 * 10))
    client.send(reading)
    assert controller.next_ns(client.now_ns) == 10 * (25 + 4096 * 10) * 1000
    client.send(*[reading] * 3)
    client.run(1499 * MS)
    assert controller.next_ns(client.now_ns) == Limits().dead_man_ms * MS


def test_while_everything_is_isolated_silence_changes_nothing(controller: Controller, client: Client) -> None:
    client.ask(messages.Disarm())
    controller.tick(10**15)
    assert controller.safe_reason is SafeReason.HOST


def test_time_that_a_fast_clock_does_not_take_is_not_credited_to_a_silent_host(world: World) -> None:
    controller = Controller(world, boot_id=5, wall_ns=lambda _busy_ns: 0)
    client = Client(controller, session=9)
    client.ask(messages.Hello())
    client.arm()
    for _ in range(20):
        client.ask(messages.ReadBlock(0, 4096, 100_000))
    assert client.busy_ns == 0, "half a second of board time each"
    controller.tick(client.now_ns + Limits().dead_man_ms * MS)
    assert controller.safe_reason is SafeReason.DEAD_MAN


@pytest.mark.parametrize("limits", [Limits(dead_man_ms=0), Limits(pulses_per_command=0), Limits(read_uv=0)])
def test_limits_that_would_make_the_board_useless_are_refused(client: Client, limits: Limits) -> None:
    status, refusal = client.refused(messages.SetLimits(limits.encode()))
    assert status is Status.REFUSED_LIMIT
    assert refusal.value < refusal.limit


def test_a_lost_connection_changes_nothing_until_the_dead_man(world: World, controller: Controller, client: Client) -> None:
    client.ask(messages.Select(Route.JUNCTION, 7))
    client.port.close()
    assert world.selected == (Route.JUNCTION, 7)
    controller.tick(1501 * MS)
    assert world.selected == (Route.NONE, None)


def test_a_tightened_dead_man_strikes_earlier(controller: Controller, client: Client) -> None:
    client.ask(messages.SetLimits(Limits(dead_man_ms=300).encode()))
    client.ask(messages.Select(Route.JUNCTION, 7))
    controller.tick(301 * MS)
    assert controller.state is DeviceState.SAFE


# --- sessions


def test_a_new_session_changes_no_output_but_has_to_arm_for_itself(world: World, controller: Controller, client: Client) -> None:
    client.ask(messages.Select(Route.JUNCTION, 7))
    second = Client(controller, session=0x2222)
    second.ask(messages.Hello())
    assert world.selected == (Route.JUNCTION, 7)
    second.arm()
    third = Client(controller, session=0x3333)
    third.ask(messages.Hello())
    assert (controller.state, controller.safe_reason) == (DeviceState.SAFE, SafeReason.NEW_SESSION)


def test_two_clients_may_send_halves_of_frames_at_once(controller: Controller, client: Client) -> None:
    onlooker = Client(controller, session=0)
    _, status = onlooker.endpoint.request(messages.GetStatus(), 0)
    onlooker.port.feed(status[:9], 0)
    client.ask(messages.KeepAlive())
    assert onlooker.port.take(0) == b""
    onlooker.port.feed(status[9:], 0)
    assert onlooker.port.take(0) != b""


def test_after_a_restart_the_session_is_gone_and_the_last_pulse_id_is_not(controller: Controller, client: Client) -> None:
    client.arm()
    client.ask(program(41, 0, 1))
    controller.reboot(6, 0)
    hello = Client(controller, session=0x4444).ask(messages.Hello())
    assert isinstance(hello, messages.HelloResponse)
    assert (hello.last_pulse_id, controller.state, controller.safe_reason) == (42, DeviceState.SAFE, SafeReason.BOOT)


def test_a_boot_id_that_the_link_cannot_carry_is_refused(world: World) -> None:
    with pytest.raises(ValueError, match="boot_id is 0"):
        Controller(world, boot_id=0)


# --- emergency stop


def test_an_emergency_stop_latches_until_its_reason_is_quoted(world: World, controller: Controller, client: Client) -> None:
    client.ask(messages.Select(Route.JUNCTION, 7))
    Client(controller, session=0).ask(messages.EmergencyStop())
    assert world.selected == (Route.NONE, None)
    for message in (messages.Select(Route.JUNCTION, 7), messages.Arm(Limits().crc32), messages.ReadBlock(0, 1, 1), program(1, 0)):
        assert client.status_of(message) is Status.REFUSED_ESTOP
    client.ask(messages.Disarm())
    assert controller.state is DeviceState.ESTOPPED
    assert client.refused(messages.ClearFault(SafeReason.DEAD_MAN, 1)) == (
        Status.REFUSED_CONFIG,
        messages.Refusal(SafeReason.DEAD_MAN, SafeReason.ESTOP),
    )
    Client(controller, session=0).ask(messages.EmergencyStop())
    assert client.refused(messages.ClearFault(SafeReason.ESTOP, 1)) == (Status.REFUSED_CONFIG, messages.Refusal(1, 2))
    client.ask(messages.ClearFault(SafeReason.ESTOP, client.status().stops))
    assert controller.state is DeviceState.SAFE


def test_sixteen_zeros_from_any_client_stop_it_without_an_answer(controller: Controller, client: Client) -> None:
    client.arm()
    other = controller.connect()
    other.feed(bytes(10), 0)
    assert controller.state is DeviceState.ARMED
    other.feed(bytes(6), 0)
    assert controller.state is DeviceState.ESTOPPED
    assert other.take(0) == b""


# --- limits


@pytest.mark.parametrize(
    ("message", "status", "value", "limit"),
    [
        (program(1, 0, uv=1_200_001), Status.REFUSED_LIMIT, 1_200_001, 1_200_000),
        (program(1, 0, uv=-1_200_001), Status.REFUSED_LIMIT, -1_200_001, 1_200_000),
        (program(1, 0, ns=1_000_001), Status.REFUSED_LIMIT, 1_000_001, 1_000_000),
        (program(1, 0, ns=0), Status.REFUSED_LIMIT, 0, 1_000_000),
        (program(1, 0, 40), Status.REFUSED_RANGE, 40, 39),
        (program(1), Status.REFUSED_LIMIT, 0, 625),
        (program(1, *[0] * 626), Status.REFUSED_LIMIT, 626, 625),
        (program(0, 0), Status.REFUSED_PULSE_ID, 0, 0),
        (program(0xFFFF_FFFF, 0, 0), Status.REFUSED_PULSE_ID, 0xFFFF_FFFF, 0),
        (messages.ReadBlock(2, 1, 100_000), Status.REFUSED_RANGE, 2, 1),
        (messages.ReadBlock(0, 0, 100_000), Status.REFUSED_RANGE, 0, 4096),
        (messages.ReadBlock(0, 1, 300_001), Status.REFUSED_LIMIT, 300_001, 300_000),
        (messages.ReadBlock(0, 1, -300_001), Status.REFUSED_LIMIT, -300_001, 300_000),
        (messages.Vmm(0, 1, 0, 1, np.array([0, 0, 0, -30_001], "<i2").tobytes()), Status.REFUSED_LIMIT, 300_010, 300_000),
        (messages.Vmm(0, 1, 0, 2, bytes(8)), Status.REFUSED_RANGE, 2, 204),
        (messages.Vmm(0, 1, 0, 0, b""), Status.REFUSED_RANGE, 0, 204),
        (messages.Vmm(0, 1, 2, 1, bytes(8)), Status.REFUSED_RANGE, 2, 1),
        (messages.Select(Route.JUNCTION, 40), Status.REFUSED_RANGE, 40, 39),
        (messages.Select(3), Status.REFUSED_RANGE, 3, 2),
        (messages.Select(Route.CONTACT_PADS, 1), Status.REFUSED_RANGE, 1, 0xFFFF),
        (messages.Arm(1), Status.REFUSED_CONFIG, 1, Limits().crc32),
    ],
)
def test_what_is_out_of_limits_is_refused_whole_naming_value_and_limit(
    world: World, client: Client, message: Request, status: Status, value: int, limit: int
) -> None:
    client.arm()
    before = world.wafer.die((0, 0)).state_p.copy()
    assert client.refused(message) == (status, messages.Refusal(value, limit))
    assert (world.wafer.die((0, 0)).state_p == before).all()
    after = client.status()
    assert (after.pulses, after.last_pulse_id, after.state) == (0, 0, DeviceState.ARMED)


def test_a_list_with_one_bad_item_pulses_nothing(world: World, client: Client) -> None:
    client.arm()
    client.ask(program(1, *range(40), uv=-1_000_000, ns=1000))
    before = world.wafer.die((0, 0)).state_p.copy()
    assert client.status_of(program(41, 0, 1, 2, 40, uv=1_000_000, ns=1000)) is Status.REFUSED_RANGE
    assert (world.wafer.die((0, 0)).state_p == before).all()


def test_limits_set_by_the_host_only_tighten_and_hold(client: Client) -> None:
    client.ask(messages.SetLimits(Limits(device_uv=700_000, pulse_ns=2_000_000).encode()))
    answer = client.ask(messages.SetLimits(Limits(device_uv=900_000).encode()))
    assert isinstance(answer, messages.LimitsResponse)
    assert answer.limits == Limits(device_uv=700_000)
    assert client.status_of(messages.Arm(Limits().crc32)) is Status.REFUSED_CONFIG
    client.ask(messages.Arm(answer.limits.crc32))
    assert client.status_of(program(1, 0, uv=700_001)) is Status.REFUSED_LIMIT
    assert client.status_of(messages.SetLimits(Limits().encode())) is Status.REFUSED_CONFIG, "not while armed"


# --- pulses


def test_a_pulse_needs_arming(client: Client) -> None:
    assert client.status_of(program(1, 0)) is Status.REFUSED_NOT_ARMED


def test_pulses_are_applied_in_order_and_their_fate_is_remembered(world: World, client: Client) -> None:
    client.arm()
    answer = client.ask(program(10, 3, 4, uv=1_000_000, ns=1000))
    assert isinstance(answer, messages.ProgramResponse)
    assert (answer.last_pulse_id, answer.outcomes) == (11, bytes([PulseOutcome.EXECUTED] * 2))
    assert world.wafer.die((0, 0)).state_p.flat[3]
    assert world.wafer.die((0, 0)).state_p.flat[4]
    fates = {pulse_id: client.ask(messages.QueryPulse(pulse_id)) for pulse_id in (9, 10, 11, 12)}
    assert [fates[pulse_id].outcome for pulse_id in (10, 11, 12)] == [
        PulseOutcome.EXECUTED,
        PulseOutcome.EXECUTED,
        PulseOutcome.NEVER_SEEN,
    ]


@pytest.mark.parametrize("first", [1, 10, 11])
def test_an_id_at_or_below_the_last_is_never_executed_again(client: Client, first: int) -> None:
    client.arm()
    client.ask(program(10, 0, 1))
    assert client.refused(program(first, 0)) == (Status.REFUSED_PULSE_ID, messages.Refusal(first, 11))
    assert client.status().pulses == 2


def test_the_log_says_lost_rather_than_guess() -> None:
    log = PulseLog()
    for first in range(1, 2 * COMMANDS_KEPT + 1):
        record = log.begin(first, 1)
        log.given(record, 1)
    assert log.fate(1)[0] is PulseOutcome.LOST
    assert log.fate(2 * COMMANDS_KEPT)[0] is PulseOutcome.EXECUTED
    assert PulseLog(last=100).fate(50) == (PulseOutcome.LOST, 0), "after a restart"


# --- measuring and its time


def test_reading_is_refused_while_the_smu_is_connected(client: Client) -> None:
    client.ask(messages.Select(Route.JUNCTION, 0))
    assert client.status_of(messages.ReadBlock(0, 1, 100_000)) is Status.REFUSED_CONFIG
    assert client.status_of(messages.Vmm(0, 1, 0, 1, bytes(8))) is Status.REFUSED_CONFIG


def test_a_block_is_row_major_and_its_codes_are_the_converters(world: World, client: Client) -> None:
    client.arm()
    client.ask(program(1, *range(40), uv=-1_000_000, ns=1000))
    client.ask(program(41, SMALL.device(1, 2, 3), uv=1_000_000, ns=1000))
    answer = client.ask(messages.ReadBlock(1, 16, 100_000))
    assert isinstance(answer, messages.ReadBlockResponse)
    codes = np.frombuffer(answer.codes, "<u2").reshape(4, 5)
    assert (answer.kernel, answer.averages, answer.read_uv) == (1, 16, 100_000)
    assert np.unravel_index(codes.argmax(), codes.shape) == (2, 3)


@pytest.mark.parametrize(
    ("message", "busy_ns"),
    [
        (messages.ReadBlock(0, 1, 100_000), BUSY_READ_NS),
        (messages.ReadBlock(0, 16, 100_000), BUSY_READ_NS + 15 * 20 * 10_000),
        (program(1, 0, 1, 2, ns=1000), 3 * (5_000 + 20_000 + 1000)),
        (messages.Vmm(0, 1, Direction.ROWS, 2, bytes(16)), 5_000 + 2 * (20_000 + 5 * 10_000)),
        (messages.Vmm(0, 1, Direction.COLUMNS, 2, bytes(20)), 5_000 + 2 * (20_000 + 4 * 10_000)),
        (messages.KeepAlive(), 0),
        (messages.Select(Route.JUNCTION, 0), 5_000),
    ],
)
def test_each_command_takes_the_boards_time(client: Client, message: Request, busy_ns: int) -> None:
    client.arm()
    client.ask(message)
    assert client.busy_ns == busy_ns


def test_the_converter_codes_what_it_cannot_express_as_saturated() -> None:
    amps = np.array([0.0, 1.6e-3, 1.7e-3, -0.8e-3, -0.9e-3, 1e9, np.nan])
    codes = adc.convert(amps, 16)
    assert list(codes == CODE_SATURATED) == [False, False, True, False, True, True, True]
    back = (codes[[0, 1, 3]].astype(float) - adc.ZERO_CODE) * adc.CODE_PA * 1e-12
    assert np.abs(back - amps[[0, 1, 3]]).max() < 0.1e-6


def test_one_conversion_has_twelve_bits_and_averages_add_fractions() -> None:
    amps = np.linspace(0, 1e-4, 5000)
    for averages, step in ((1, 16), (4, 4), (16, 1), (100, 1)):
        codes = adc.convert(amps, averages)
        assert (codes % step == 0).all()
        assert len(np.unique(codes)) > 2500 / step
