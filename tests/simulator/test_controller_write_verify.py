"""WRITE_VERIFY: the decisions on codes alone, and the operation on a die with the usual defects."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from firmware_protocol import messages
from firmware_protocol.codes import (
    CODE_MASKED,
    CODE_NOT_MEASURED,
    CODE_SATURATED,
    DeviceState,
    JunctionResult,
    OperationState,
    PulseOutcome,
    Route,
    SafeReason,
    Status,
)
from firmware_protocol.geometry import Geometry
from firmware_protocol.limits import Limits
from simulator.instruments import adc
from simulator.instruments.controller import Controller
from simulator.instruments.write_verifying import Target
from simulator.physics.die import CLASS_VOLTS, GOOD
from tests.simulator.controller_client import MS, US, Client, RecordingWorld, codes_of, opened, small_world

READ_NS = (5 * 25 + 20 * 10) * US
PULSE_NS = 26 * US


def request(targets: NDArray[np.integer], **changes: int) -> messages.WriteVerify:
    plain = messages.WriteVerify(0, 5, 1, 100_000, 1, 900_000, -900_000, 1000, 120, 200, targets.astype("<u2").tobytes())
    return replace(plain, **changes)


@pytest.fixture
def world() -> RecordingWorld:
    made = small_world()
    made.wafer.die((0, 0)).state_p[:] = False
    return made


@pytest.fixture
def controller(world: RecordingWorld) -> Controller:
    return Controller(world, boot_id=5)


@pytest.fixture
def client(controller: Controller) -> Client:
    made = opened(controller)
    made.arm()
    return made


def state_codes(world: RecordingWorld, kernel: int = 0) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(codes when parallel, codes when antiparallel), flat, of a perfect board."""
    die = world.wafer.die((0, 0))
    amps = (CLASS_VOLTS * die.cell_siemens(state_p, CLASS_VOLTS)[kernel].ravel() for state_p in (True, False))
    parallel, antiparallel = (np.rint(each * 1e12 / adc.CODE_PA).astype(np.int64) + adc.ZERO_CODE for each in amps)
    return parallel, antiparallel


def results(client: Client) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint16]]:
    """(JunctionResult, pulses, last code), flat."""
    latest = client.operation()
    parts = [client.ask(messages.Result(latest.of_session, latest.of_seq, part)) for part in (0, 1)]
    assert all(isinstance(part, messages.ResultResponse) for part in parts)
    pairs = np.frombuffer(parts[0].data, np.uint8).reshape(-1, 2)  # type: ignore[attr-defined]
    return pairs[:, 0], pairs[:, 1], codes_of(parts[1].data)  # type: ignore[attr-defined]


# --- what one reading decides


def target(*codes: int, **changes: int) -> Target:
    return Target(request(np.array(codes), **changes))


def seen(decider: Target, *codes: int) -> list[int]:
    """Who needs a pulse; gives it."""
    needing = decider.seen(np.array(codes, "<u2"))
    decider.pulses[needing] += 1
    return list(needing)


def test_only_what_is_beyond_the_inner_tolerance_needs_a_pulse() -> None:
    assert seen(target(25_000, 25_000, 25_000, 25_000), 25_120, 24_880, 25_121, 24_879) == [2, 3]


def test_a_settled_junction_is_left_alone_until_it_is_beyond_the_outer_tolerance() -> None:
    decider = target(25_000)
    assert [seen(decider, code) for code in (25_100, 25_200, 24_800, 25_201, 25_200, 25_120)] == [[], [], [], [0], [0], []]
    assert decider.results()[0] == JunctionResult.IN_TOLERANCE


def test_a_masked_junction_is_never_pulsed_whatever_it_reads() -> None:
    decider = target(CODE_MASKED, 25_000)
    assert [seen(decider, 20_000, 20_000), seen(decider, CODE_SATURATED, 25_000)] == [[1], []]
    assert list(decider.results()) == [JunctionResult.LEFT, JunctionResult.IN_TOLERANCE]


def test_a_saturated_reading_ends_the_writing_of_a_junction_for_good() -> None:
    decider = target(25_000)
    assert [seen(decider, code) for code in (20_000, CODE_SATURATED, 20_000, 25_000)] == [[0], [], [], []]
    assert decider.results()[0] == JunctionResult.UNREADABLE


def test_pulses_are_capped_and_the_result_says_whether_it_ever_was_there() -> None:
    never, drifted = target(25_000, max_pulses=2), target(25_000, max_pulses=1)
    assert [seen(never, 20_000) for _ in range(4)] == [[0], [0], [], []]
    assert [seen(drifted, code) for code in (25_000, 20_000, 20_000)] == [[], [0], []]
    assert never.results()[0] == JunctionResult.NOT_REACHED
    assert drifted.results()[0] == JunctionResult.DRIFTED


def test_before_a_reading_follows_the_last_pulse_nothing_is_said_of_it() -> None:
    decider = target(25_000, max_pulses=1)
    assert decider.results()[0] == JunctionResult.NOT_DONE
    seen(decider, 20_000)
    assert decider.results()[0] == JunctionResult.NOT_DONE


# --- on the board


def test_passes_read_pulse_in_row_major_order_and_end_with_a_reading(world: RecordingWorld, client: Client) -> None:
    parallel, antiparallel = state_codes(world)
    wanted = np.where(np.arange(20) % 3 == 0, parallel, antiparallel)
    world.wafer.die((0, 0)).state_p[0].flat[[1, 2]] = True
    begun_ns = client.now_ns
    accepted = client.ask(request(wanted, tolerance_in=300, tolerance_out=400, averages=1))
    assert accepted == messages.Accepted(-(-(6 * READ_NS + 100 * PULSE_NS) // MS))
    done = client.done()
    devices = [device for device, _, _ in world.pulses]
    assert devices[:9] == [0, 1, 2, 3, 6, 9, 12, 15, 18]
    assert [uv for _, uv, _ in world.pulses[:4]] == [900_000, -900_000, -900_000, 900_000]
    assert (done.state, done.done, done.total, done.pulses) == (OperationState.DONE, 20, 20, len(devices))
    passes = [event for event in client.events if isinstance(event, messages.Progress)]
    assert passes[0] == messages.Progress(11, 20)
    assert passes[-1] == messages.Progress(20, 20)
    assert client.now_ns == begun_ns + len(passes) * READ_NS + len(devices) * PULSE_NS
    assert (client.status().state, client.status().pulses) == (DeviceState.ARMED, len(devices))


@pytest.mark.parametrize("fast", [False, True])
def test_it_reaches_a_random_target_with_the_good_junctions_of_a_usual_die(fast: bool) -> None:
    world = small_world("default", geometry=Geometry(2, 25, 25))
    client = opened(Controller(world, boot_id=5, **({"wall_ns": lambda _busy_ns: 0} if fast else {})))
    client.arm()
    parallel, antiparallel = state_codes(world, 1)
    bits = np.random.default_rng(11).random(625) < 0.5
    tolerance = int(0.3 * np.median(parallel - antiparallel))
    wanted = np.where(bits, parallel, antiparallel)
    wanted[:5] = CODE_MASKED
    client.ask(request(wanted, kernel=1, max_pulses=20, averages=16, tolerance_in=tolerance, tolerance_out=tolerance))
    done = client.done()
    found, pulses, codes = results(client)
    good = world.wafer.die((0, 0)).true_classes()[1].ravel() == GOOD
    good[:5] = False
    assert good.sum() > 550
    assert (found[good] == JunctionResult.IN_TOLERANCE).all()
    assert (world.wafer.die((0, 0)).state_p[1].ravel() == bits)[good].all()
    assert (found[:5] == JunctionResult.LEFT).all()
    assert done.pulses == pulses.sum() == len(world.pulses)
    assert done.done == (found == JunctionResult.IN_TOLERANCE).sum()
    assert set(found) <= {0, 1, 2, 3}
    unreadable = found == JunctionResult.UNREADABLE
    assert (unreadable == (codes == CODE_SATURATED))[5:].all()
    assert (pulses[found == JunctionResult.NOT_REACHED] == 20).all()


def test_what_cannot_be_reached_uses_up_its_pulses_and_no_more(world: RecordingWorld, client: Client) -> None:
    wanted = np.full(20, CODE_MASKED)
    wanted[[4, 7]] = 60_000
    client.ask(request(wanted, max_pulses=3))
    done = client.done()
    found, pulses, codes = results(client)
    assert (done.done, done.total, done.pulses) == (0, 2, 6)
    assert list(np.flatnonzero(pulses)) == [4, 7]
    assert list(found[[4, 7]]) == [JunctionResult.NOT_REACHED] * 2
    assert (codes > 0).all() and CODE_NOT_MEASURED not in codes
    assert [device for device, _, _ in world.pulses] == [4, 7, 4, 7, 4, 7]


def test_with_nothing_to_write_it_reads_once_and_gives_no_pulse(world: RecordingWorld, client: Client) -> None:
    client.ask(request(np.full(20, CODE_MASKED), first_pulse_id=50))
    assert client.done() == messages.Done(OperationState.DONE, 0, 0, 0)
    assert (world.pulses, client.status().last_pulse_id, client.status().reads) == ([], 49, 20)


# --- its pulse ids


def test_all_ids_it_may_need_are_set_aside_before_the_first_pulse(controller: Controller, client: Client) -> None:
    (ticket,) = client.send(request(np.full(20, 60_000), first_pulse_id=100))
    assert ticket in client.answers
    assert client.status().last_pulse_id == 199
    client.run(client.now_ns + READ_NS + 7 * PULSE_NS)
    fates = [client.fate(pulse_id) for pulse_id in (99, 100, 106, 107, 199, 200)]
    assert fates == [PulseOutcome.NEVER_SEEN, PulseOutcome.EXECUTED, PulseOutcome.EXECUTED, *[PulseOutcome.NEVER_SEEN] * 3]
    controller.reboot(6, client.now_ns)
    assert opened(controller, 0x2222, client.time).status().last_pulse_id == 199


def test_ids_it_did_not_need_are_refused_and_never_given_again(world: RecordingWorld, client: Client) -> None:
    parallel, _ = state_codes(world)
    client.ask(request(parallel, tolerance_in=300, tolerance_out=300))
    pulses = client.done().pulses
    assert 20 <= pulses < 100
    assert [client.fate(pulse_id) for pulse_id in (pulses, pulses + 1, 100, 101)] == [
        PulseOutcome.EXECUTED,
        PulseOutcome.REFUSED,
        PulseOutcome.REFUSED,
        PulseOutcome.NEVER_SEEN,
    ]
    assert client.refused(request(parallel, first_pulse_id=100)) == (Status.REFUSED_PULSE_ID, messages.Refusal(100, 100))


@pytest.mark.parametrize("first", [0, 0xFFFF_FFFF - 98])
def test_ids_that_are_used_or_would_wrap_are_refused(client: Client, first: int) -> None:
    assert client.refused(request(np.full(20, 25_000), first_pulse_id=first)) == (Status.REFUSED_PULSE_ID, messages.Refusal(first, 0))
    assert client.status().last_pulse_id == 0


# --- how it ends early


@pytest.mark.parametrize("end", ["stop", "abort", "disarm", "session"])
def test_ended_in_the_middle_of_a_burst_it_has_given_the_pulses_whose_time_had_come(
    world: RecordingWorld, controller: Controller, client: Client, end: str
) -> None:
    (ticket,) = client.send(request(np.full(20, 60_000)))
    client.run(client.now_ns + READ_NS + 7 * PULSE_NS + 1)
    if end == "session":
        opened(controller, 0x2222, client.time)
    else:
        client.ask({"stop": messages.EmergencyStop(), "abort": messages.Abort(ticket.seq), "disarm": messages.Disarm()}[end])
    client.listen()
    state = OperationState.STOPPED if end == "stop" else OperationState.ABORTED
    assert client.events[-1] == messages.Done(state, 0, 20, 7)
    assert [device for device, _, _ in world.pulses] == list(range(7))
    onlooker = Client(controller, 0, client.time)
    found, pulses, _ = results(onlooker)
    assert (found == JunctionResult.NOT_DONE).all()
    assert list(pulses) == [1] * 7 + [0] * 13
    assert (onlooker.operation().first_pulse_id, onlooker.operation().pulses) == (1, 7)
    assert [onlooker.fate(7), onlooker.fate(8)] == [PulseOutcome.EXECUTED, PulseOutcome.REFUSED]
    states = {"stop": DeviceState.ESTOPPED, "abort": DeviceState.ARMED}
    assert controller.state is states.get(end, DeviceState.SAFE)


def test_the_dead_man_ends_it_with_the_pulses_whose_time_had_come(world: RecordingWorld, controller: Controller, client: Client) -> None:
    begun_ns = client.now_ns
    client.ask(request(np.full(20, 60_000), max_pulses=255, width_ns=1_000_000))
    heard_ns = client.now_ns
    client.now_ns = begun_ns + 3_600_000 * MS
    controller.tick(client.now_ns)
    while not client.events or not isinstance(client.events[-1], messages.Done):
        client.listen()
    assert client.events[-1].state == OperationState.DEAD_MAN
    assert (controller.state, controller.safe_reason) == (DeviceState.SAFE, SafeReason.DEAD_MAN)
    silence_ns = Limits().dead_man_ms * MS + heard_ns - begun_ns
    assert len(world.pulses) * 1_025 * US < silence_ns
    assert world.selected == (Route.NONE, None)


def test_a_host_that_falls_silent_ends_it_in_time_when_the_board_is_looked_after(
    world: RecordingWorld, controller: Controller, client: Client
) -> None:
    client.ask(request(np.full(20, 60_000), max_pulses=255, width_ns=1_000_000))
    heard_ns = client.now_ns
    while controller.state is DeviceState.ARMED:
        client.now_ns += 5 * MS
        controller.tick(client.now_ns)
    assert heard_ns + 1500 * MS <= client.now_ns < heard_ns + 1510 * MS
    given = len(world.pulses)
    assert given == pytest.approx((1500 * MS) / (1_025 * US + READ_NS / 20), abs=2)
    client.run(client.now_ns + 1000 * MS)
    assert len(world.pulses) == given


def test_under_a_fast_clock_a_silent_host_is_not_served_for_ever(world: RecordingWorld) -> None:
    controller = Controller(world, boot_id=5, wall_ns=lambda _busy_ns: 0)
    client = opened(controller)
    client.arm()
    client.port.feed(client.endpoint.request(request(np.full(20, 60_000), max_pulses=255), 0)[1], 0)
    while controller.next_ns(client.now_ns) is not None and client.now_ns < 10_000 * MS:
        client.now_ns += 500 * MS
        controller.tick(client.now_ns)
    assert client.now_ns <= 2_000 * MS
    assert len(world.pulses) < 20 * 20
    assert controller.safe_reason is SafeReason.DEAD_MAN


# --- refused


@pytest.mark.parametrize(
    ("changes", "status", "value", "limit"),
    [
        ({"kernel": 2}, Status.REFUSED_RANGE, 2, 1),
        ({"set_uv": 0}, Status.REFUSED_RANGE, 0, 0),
        ({"reset_uv": 1}, Status.REFUSED_RANGE, 1, 0),
        ({"read_uv": -1}, Status.REFUSED_RANGE, -1, 0),
        ({"max_pulses": 0}, Status.REFUSED_RANGE, 0, 255),
        ({"tolerance_in": 201}, Status.REFUSED_RANGE, 201, 200),
        ({"averages": 0}, Status.REFUSED_RANGE, 0, 4096),
        ({"read_uv": 300_001}, Status.REFUSED_LIMIT, 300_001, 300_000),
        ({"set_uv": 1_200_001}, Status.REFUSED_LIMIT, 1_200_001, 1_200_000),
        ({"reset_uv": -1_200_001}, Status.REFUSED_LIMIT, -1_200_001, 1_200_000),
        ({"width_ns": 0}, Status.REFUSED_LIMIT, 0, 1_000_000),
    ],
)
def test_what_is_out_of_range_is_refused_and_sets_no_id_aside(
    client: Client, changes: dict[str, int], status: Status, value: int, limit: int
) -> None:
    assert client.refused(request(np.full(20, 25_000), **changes)) == (status, messages.Refusal(value, limit))
    after = client.status()
    assert (after.last_pulse_id, after.operation, after.reads) == (0, 0, 0)


@pytest.mark.parametrize(("targets", "value", "limit"), [([25_000] * 19, 19, 20), ([25_000] * 19 + [CODE_NOT_MEASURED], 0xFFFE, 0xFFFC)])
def test_targets_that_are_too_few_or_no_readings_are_refused(client: Client, targets: list[int], value: int, limit: int) -> None:
    assert client.refused(request(np.array(targets))) == (Status.REFUSED_RANGE, messages.Refusal(value, limit))


def test_writing_needs_arming_and_is_not_limited_by_the_length_of_a_list(controller: Controller, client: Client) -> None:
    client.ask(messages.Disarm())
    assert client.status_of(request(np.full(20, 25_000))) is Status.REFUSED_NOT_ARMED
    tight = Limits(pulses_per_command=1)
    client.ask(messages.SetLimits(tight.encode()))
    client.ask(messages.Arm(tight.crc32))
    assert client.status_of(request(np.full(20, 25_000))) is Status.ACCEPTED
