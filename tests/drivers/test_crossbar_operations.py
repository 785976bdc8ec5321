"""Long operations and batches: the real driver, the simulated controller, and a line between them that loses what it should not."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from drivers.board_link import SessionTaken
from drivers.board_values import WriteVerifySettings
from drivers.crossbar import Crossbar, open_crossbar, open_crossbar_for_safety
from drivers.errors import EmergencyStopped, LinkError, LinkLost, NotSent, OutcomeUnknown, OverLimit, Refused
from firmware_protocol.codes import EventCode, JunctionResult, Opcode, Route
from firmware_protocol.framing import Deframer, Frame, Kind
from firmware_protocol.geometry import Geometry
from firmware_protocol.limits import Limits
from firmware_protocol.messages import ReadBlock
from simulator.board import ADC_STEP_AMPS
from simulator.clock import Clock
from simulator.faults import DirectionPlan, Fault, FaultName, LinePlan
from simulator.instruments.controller import Controller
from simulator.line import LineSettings
from simulator.physics.fab import PRESETS
from simulator.physics.wafer import Wafer
from simulator.server import Host
from simulator.world import World
from tests.support.relay import Relay, relay
from tests.support.simulated_lab import SMALL, CountedPulseIds, SimulatedLab, running_loop, simulated_lab

BAUD = 921_600
ALL = np.ones((SMALL.rows, SMALL.columns), dtype=np.bool_)
EIGHT_KERNELS = Geometry(8, 20, 20)
P_AMPS = 20e-6
SETTINGS = WriteVerifySettings(
    read_volts=0.1,
    set_volts=0.8,
    reset_volts=-0.8,
    pulse_s=1e-6,
    tolerance_in_amps=4e-6,
    tolerance_out_amps=4.5e-6,
    max_pulses=8,
)


@pytest.fixture
def lab() -> Iterator[SimulatedLab]:
    with simulated_lab() as made:
        made.world.touch((0, 0))
        yield made


@contextmanager
def opened(address: str, ids: CountedPulseIds | None = None, timeout_s: float = 2.0) -> Iterator[Crossbar]:
    with closing(open_crossbar(address, BAUD, ids or CountedPulseIds(), timeout_s)) as crossbar:
        yield crossbar


@pytest.fixture
def crossbar(lab: SimulatedLab) -> Iterator[Crossbar]:
    with opened(lab.lab.crossbar.address) as made:
        yield made


def losing(lost: Callable[[Frame], bool]) -> Callable[[bytes], bytes]:
    """Passes one direction's bytes but for the frames that `lost` names."""
    waiting = bytearray()

    def passing(data: bytes) -> bytes:
        waiting.extend(data)
        whole, _, rest = bytes(waiting).rpartition(b"\0")
        if not whole and not waiting.endswith(b"\0"):
            return b""
        waiting[:] = rest
        kept = b""
        for piece in whole.split(b"\0"):
            found = Deframer().feed(piece + b"\0")
            if not (found and isinstance(found[0], Frame) and lost(found[0])):
                kept += piece + b"\0"
        return kept

    return passing


def first(opcode: int, kind: Kind = Kind.RESPONSE, then: Callable[[], object] = lambda: None) -> Callable[[Frame], bool]:
    """Loses the first frame of this opcode; `then` happens instead."""
    seen: list[Frame] = []

    def lost(frame: Frame) -> bool:
        if seen or (frame.opcode, frame.kind) != (opcode, kind):
            return False
        seen.append(frame)
        then()
        return True

    return lost


@contextmanager
def over_a_line(lab: SimulatedLab, ids: CountedPulseIds | None = None, timeout_s: float = 1.0) -> Iterator[tuple[Relay, Crossbar]]:
    with relay(lab.lab.crossbar.address) as line, opened(line.address, ids, timeout_s) as crossbar:
        yield line, crossbar


# --- whole dies


def test_a_die_is_what_its_kernels_are(lab: SimulatedLab, crossbar: Crossbar) -> None:
    die = crossbar.read_die(0.1, averages=64)
    assert die.amps.shape == SMALL.shape
    for kernel in range(SMALL.kernels):
        one = crossbar.read_kernel(kernel, 0.1, averages=64)
        np.testing.assert_allclose(die.amps[kernel], one.amps, rtol=0.02)
        np.testing.assert_array_equal(die.saturated[kernel], one.saturated)


def test_a_part_of_a_die_says_where_it_begins(crossbar: Crossbar) -> None:
    part = crossbar.read_die(0.1, first_kernel=1)
    assert (part.first_kernel, part.amps.shape) == (1, (1, SMALL.rows, SMALL.columns))


@pytest.mark.parametrize(("first_kernel", "kernels"), [(0, 3), (2, None), (-1, 1), (0, 0)])
def test_kernels_that_do_not_exist_are_refused_before_anything_is_sent(crossbar: Crossbar, first_kernel: int, kernels: int | None) -> None:
    before = crossbar.counts().sent
    with pytest.raises(Refused):
        crossbar.read_die(0.1, first_kernel=first_kernel, kernels=kernels)
    assert crossbar.counts().sent == before


def test_blocks_lost_on_the_line_are_read_again(lab: SimulatedLab) -> None:
    with over_a_line(lab) as (line, crossbar):
        line.to_host = losing(lambda frame: frame.opcode == EventCode.BLOCK)
        assert np.isfinite(crossbar.read_die(0.1).amps).all()


def test_an_end_lost_on_the_line_is_asked_for(lab: SimulatedLab) -> None:
    with over_a_line(lab) as (line, crossbar):
        line.to_host = losing(lambda frame: frame.opcode == EventCode.DONE)
        start_s = time.monotonic()
        assert np.isfinite(crossbar.read_die(0.1).amps).all()
        assert time.monotonic() - start_s < 2.0


def test_a_firmware_without_streams_is_read_block_by_block(crossbar: Crossbar, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crossbar, "_can", lambda message: message.opcode != Opcode.READ_DIE)
    assert [kernel for kernel, _ in crossbar.stream_die(0.1)] == [0, 1]


class SlowBoard:
    """A controller of many kernels whose readings take their time. truth: the controller itself."""

    def __init__(self, geometry: Geometry) -> None:
        self.world = World(Wafer(5, PRESETS["clean"], ((0, 0),), geometry))
        self.world.touch((0, 0))
        self.clock = Clock("real")
        self.truth = Controller(self.world, boot_id=9, now_ns=self.clock.now_ns())


@contextmanager
def slow_board(
    geometry: Geometry = EIGHT_KERNELS, line: LineSettings | None = None, pty: bool = False
) -> Iterator[tuple[SlowBoard, Crossbar]]:
    board = SlowBoard(geometry)
    boot_ids = iter(range(10, 1000))
    with running_loop() as run, ExitStack() as ending:

        async def begin() -> str:
            host = Host(board.clock)
            await host.__aenter__()
            ending.callback(lambda: run(host.__aexit__(None, None, None)))
            restart = lambda: board.truth.reboot(next(boot_ids), board.clock.now_ns())  # noqa: E731
            if pty:
                return await host.serve_pty(board.truth, line, restart)
            return f"socket://127.0.0.1:{await host.serve(board.truth, line=line, on_reboot=restart)}"

        with opened(run(begin())) as crossbar:
            yield board, crossbar


def test_closing_the_iterator_ends_the_reading() -> None:
    with slow_board() as (_, crossbar):
        stream = crossbar.stream_die(0.1, averages=20)
        kernel, _ = next(stream)
        stream.close()  # type: ignore[attr-defined]
        assert kernel == 0
        assert crossbar._status().operation == 0
        assert crossbar.read_kernel(3, 0.1).amps.shape == (20, 20), "and the board is free at once"


def test_an_emergency_stop_ends_a_die_at_once() -> None:
    with slow_board() as (_, crossbar):
        threading.Timer(0.2, crossbar.emergency_stop).start()
        start_s = time.monotonic()
        with pytest.raises(EmergencyStopped, match="READ_DIE was ended"):
            crossbar.read_die(0.1, averages=200)
        assert time.monotonic() - start_s < 2.0


def test_an_emergency_stop_drops_what_was_never_sent() -> None:
    with slow_board() as (board, crossbar):
        waiting = crossbar._link.submit([ReadBlock(0, 5, 100_000)] * 30)
        start_s = time.monotonic()
        crossbar.emergency_stop()
        assert time.monotonic() - start_s < 0.2
        assert board.truth.state.name == "ESTOPPED"
        with pytest.raises(Refused):
            crossbar._link.wait(waiting)
        unsent = [error for place, error in waiting.errors.items() if place >= waiting.sent]
        assert len(unsent) == 30 - waiting.sent > 0
        assert all(isinstance(error, NotSent) for error in unsent)


# --- single junctions and products


def test_single_junctions_are_read_in_the_order_asked_for(crossbar: Crossbar) -> None:
    junctions = [(1, 3, 4), (0, 0, 0), (1, 3, 4), (0, 2, 1)]
    read = crossbar.read_junctions(junctions, 0.1, averages=64)
    kernels = [crossbar.read_kernel(kernel, 0.1, averages=64).amps for kernel in range(2)]
    np.testing.assert_allclose(read.amps, [kernels[k][r, c] for k, r, c in junctions], rtol=0.02)


def test_a_list_longer_than_a_frame_is_read_in_parts(crossbar: Crossbar) -> None:
    assert crossbar.read_junctions([(0, 1, 2)] * 1100, 0.1).amps.shape == (1100,)


def test_a_junction_that_does_not_exist_is_refused(crossbar: Crossbar) -> None:
    with pytest.raises(Refused, match="no such junction: column 5"):
        crossbar.read_junctions([(0, 0, 5)], 0.1)


@pytest.mark.parametrize("direction", ["rows", "columns"])
def test_a_product_over_kernels_is_that_of_each_kernel(crossbar: Crossbar, direction: str) -> None:
    driven = SMALL.rows if direction == "rows" else SMALL.columns
    volts = np.random.default_rng(3).uniform(-0.05, 0.05, (300, 2, driven))
    together = crossbar.vmm_blocks(0, volts, direction)
    for kernel in range(2):
        alone = crossbar.vmm(kernel, volts[:, kernel], direction)
        np.testing.assert_allclose(together[:, kernel], alone, atol=5 * ADC_STEP_AMPS)
    assert np.abs(together[:, 0] - together[:, 1]).max() > 20 * ADC_STEP_AMPS, "each kernel had inputs of its own"


def test_no_vectors_give_no_currents(crossbar: Crossbar) -> None:
    assert crossbar.vmm_blocks(0, np.empty((0, 2, SMALL.rows))).shape == (0, 2, SMALL.columns)


# --- writing


def targets(crossbar: Crossbar, kernel: int = 0) -> np.ndarray:
    """A checkerboard of the two currents that this die's junctions have; one junction is left alone."""
    crossbar.pulse(kernel, ALL, 0.8, 1e-6)
    p = crossbar.read_kernel(kernel, 0.1, 64).amps
    crossbar.pulse(kernel, ALL, -0.8, 1e-6)
    ap = crossbar.read_kernel(kernel, 0.1, 64).amps
    wanted = np.where(np.indices(p.shape).sum(axis=0) % 2 == 0, np.median(p), np.median(ap))
    wanted[0, 0] = np.nan
    return wanted


def test_a_kernel_is_written_and_verified_by_the_board(lab: SimulatedLab, crossbar: Crossbar) -> None:
    wanted = targets(crossbar)
    reading = crossbar.write_verify(0, wanted, SETTINGS)
    assert reading.ended == "DONE"
    assert reading.results[0, 0] == JunctionResult.LEFT
    assert reading.pulses[0, 0] == 0
    written = ~np.isnan(wanted)
    assert reading.in_tolerance[written].all()
    assert np.abs(reading.amps - wanted)[written].max() <= SETTINGS.tolerance_in_amps
    assert reading.pulses_given == reading.pulses.sum() > 0


def test_ids_of_a_verified_write_are_settled_to_the_last(lab: SimulatedLab) -> None:
    ids = CountedPulseIds()
    with opened(lab.lab.crossbar.address, ids) as crossbar:
        wanted = targets(crossbar)
        reading = crossbar.write_verify(0, wanted, SETTINGS)
        _, outcomes = ids.settled[-1]
        assert len(outcomes) == 19 * SETTINGS.max_pulses
        assert outcomes == ("executed",) * reading.pulses_given + ("refused",) * (len(outcomes) - reading.pulses_given)
        assert crossbar.pulse(0, ALL, 0.1, 1e-7).all(), "the ids go on above those set aside"


@pytest.mark.parametrize("lost", [EventCode.DONE, EventCode.PROGRESS])
def test_a_verified_write_whose_events_are_lost_ends_all_the_same(lab: SimulatedLab, lost: EventCode) -> None:
    with over_a_line(lab) as (line, crossbar):
        wanted = targets(crossbar)
        line.to_host = losing(lambda frame: frame.opcode == lost)
        assert crossbar.write_verify(0, wanted, SETTINGS).in_tolerance.sum() == 19


@pytest.mark.parametrize("lost", [Opcode.WRITE_VERIFY, EventCode.DONE])
def test_a_verified_write_whose_line_is_cut_is_found_again(lab: SimulatedLab, lost: int) -> None:
    ids = CountedPulseIds()
    with over_a_line(lab, ids) as (line, crossbar):
        wanted = targets(crossbar)
        kind = Kind.RESPONSE if lost == Opcode.WRITE_VERIFY else Kind.EVENT
        line.to_host = losing(first(lost, kind, line.cut))
        before = crossbar.status().pulses
        reading = crossbar.write_verify(0, wanted, SETTINGS)
        assert reading.pulses_given == crossbar.status().pulses - before
        assert ids.settled[-1][1].count("executed") == reading.pulses_given
        assert "unknown" not in ids.settled[-1][1]


def test_a_verified_write_lost_on_the_way_there_never_began(lab: SimulatedLab) -> None:
    ids = CountedPulseIds()
    with over_a_line(lab, ids) as (line, crossbar):
        wanted = targets(crossbar)
        before = crossbar.status().pulses
        line.to_device = losing(first(Opcode.WRITE_VERIFY, Kind.REQUEST, line.cut))
        with pytest.raises(Refused, match="never began"):
            crossbar.write_verify(0, wanted, SETTINGS)
        assert set(ids.settled[-1][1]) == {"refused"}
        assert crossbar.status().pulses == before


@pytest.mark.parametrize(("way", "outcome"), [("to_device", "refused"), ("to_host", "unknown")])
def test_after_a_restart_the_durable_id_says_whether_it_began(lab: SimulatedLab, way: str, outcome: str) -> None:
    ids = CountedPulseIds()
    with over_a_line(lab, ids) as (line, crossbar):
        wanted = targets(crossbar)

        def restart() -> None:
            lab.crossbar.reboot(61_000, time.monotonic_ns())
            line.cut()

        kind = Kind.REQUEST if way == "to_device" else Kind.RESPONSE
        setattr(line, way, losing(first(Opcode.WRITE_VERIFY, kind, restart)))
        with pytest.raises(Refused if outcome == "refused" else OutcomeUnknown):
            crossbar.write_verify(0, wanted, SETTINGS)
        assert set(ids.settled[-1][1]) == {outcome}


def test_a_pulse_lost_before_a_restart_is_known_not_to_be_executed(lab: SimulatedLab) -> None:
    ids = CountedPulseIds()
    with over_a_line(lab, ids) as (line, crossbar):

        def restart() -> None:
            lab.crossbar.reboot(61_000, time.monotonic_ns())
            line.cut()

        line.to_device = losing(first(Opcode.PROGRAM, Kind.REQUEST, restart))
        with pytest.raises(Refused, match="restarted before these pulses reached it"):
            crossbar.pulse(0, ALL, 0.1, 1e-7)
        assert ids.settled == [(1, ("refused",) * 20)]


def test_an_emergency_stop_during_a_verified_write_leaves_every_id_settled() -> None:
    geometry = Geometry(1, 25, 25)
    with slow_board(geometry) as (board, crossbar):
        ids = crossbar._ids
        assert isinstance(ids, CountedPulseIds)
        threading.Timer(0.15, crossbar.emergency_stop).start()
        impossible = WriteVerifySettings(0.1, 0.2, -0.2, 1e-4, 1e-7, 1e-7, max_pulses=50)
        reading = crossbar.write_verify(0, np.full((25, 25), 3 * P_AMPS), impossible)
        assert reading.ended == "STOPPED"
        assert reading.pulses_given == ids.settled[-1][1].count("executed") == crossbar.status().pulses
        assert (reading.results == JunctionResult.NOT_DONE).any()
        assert board.world.selected == (Route.NONE, None)


class Enough(Refused):
    """As an emergency stop is one: nothing happened, for whoever does not know what raised it."""


@pytest.mark.parametrize(("averages", "pulsing"), [(400, False), (40, True)], ids=["in a long reading", "between pulses"])
def test_who_waits_for_a_verified_write_is_asked_twice_a_second_and_can_end_it_at_once(averages: int, pulsing: bool) -> None:
    with slow_board(Geometry(1, 25, 25)) as (_, crossbar):
        begun_s, asked_s = time.monotonic(), [0.0]

        def checkpoint() -> None:
            asked_s.append(time.monotonic() - begun_s)
            if asked_s[-1] > 0.8:
                raise Enough

        # A reading takes 2.5 s, or 0.25 s; all of it would take minutes.
        impossible = WriteVerifySettings(0.1, 0.2, -0.2, 1e-4, 1e-7, 1e-7, max_pulses=200, averages=averages)
        with pytest.raises(Enough):
            crossbar.write_verify(0, np.full((25, 25), 3 * P_AMPS), impossible, checkpoint)
        ended_s = time.monotonic() - begun_s
        assert np.diff([*asked_s, ended_s]).max() < 0.8
        assert ended_s < 2.0
        assert crossbar._status().operation == 0
        ids = crossbar._ids
        assert isinstance(ids, CountedPulseIds)
        outcomes = ids.settled[-1][1]
        assert "unknown" not in outcomes
        assert (outcomes.count("executed") > 0) == pulsing
        assert outcomes.count("executed") == crossbar.status().pulses


@pytest.mark.parametrize("restarts", [False, True])
def test_a_verified_write_given_up_on_a_line_that_is_cut_is_settled_over_another_session(lab: SimulatedLab, restarts: bool) -> None:
    ids = CountedPulseIds()
    with over_a_line(lab, ids) as (line, crossbar):
        wanted = targets(crossbar)
        before = crossbar.status().pulses

        def checkpoint() -> None:
            if restarts:
                lab.crossbar.reboot(61_000, time.monotonic_ns())
            line.cut()
            raise Enough

        with pytest.raises(Enough):
            crossbar.write_verify(0, wanted, SETTINGS, checkpoint)
        outcomes = ids.settled[-1][1]
        if restarts:
            assert set(outcomes) == {"unknown"}
        else:
            assert "unknown" not in outcomes
            assert outcomes.count("executed") == crossbar.status().pulses - before


def test_a_target_may_lie_where_the_converter_ends(crossbar: Crossbar) -> None:
    least, most = crossbar.converter_amps()
    wanted = np.full(ALL.shape, most)
    wanted[0] = least
    everywhere = replace(SETTINGS, tolerance_in_amps=most - least, tolerance_out_amps=most - least)
    assert crossbar.write_verify(0, wanted, everywhere).in_tolerance.all()
    with pytest.raises(OverLimit):
        crossbar.write_verify(0, np.full(ALL.shape, most + 1e-7), everywhere)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"max_pulses": 0}, "max_pulses"),
        ({"set_volts": -0.8}, "set_volts"),
        ({"reset_volts": 0.8}, "reset_volts"),
        ({"read_volts": -0.1}, "read_volts"),
        ({"read_volts": 0.4}, r"0\.3 V"),
        ({"set_volts": 1.3}, r"1\.2 V"),
        ({"pulse_s": 2e-3}, r"0\.001 s"),
        ({"tolerance_in_amps": 5e-6}, "tolerance_in"),
        ({"tolerance_out_amps": 1.0}, "65535"),
    ],
)
def test_settings_that_make_no_sense_are_refused_before_an_id_is_used(crossbar: Crossbar, change: dict[str, float], what: str) -> None:
    settings = WriteVerifySettings(**{**vars(SETTINGS), **change})
    with pytest.raises(Refused, match=what):
        crossbar.write_verify(0, np.full(ALL.shape, P_AMPS), settings)
    assert crossbar._ids == CountedPulseIds()


def test_a_target_that_the_converter_cannot_show_is_refused(crossbar: Crossbar) -> None:
    with pytest.raises(OverLimit, match="beyond what the converter shows"):
        crossbar.write_verify(0, np.full(ALL.shape, 1.0), SETTINGS)


def test_an_outer_product_gives_each_junction_its_pulses(lab: SimulatedLab) -> None:
    ids = CountedPulseIds()
    with opened(lab.lab.crossbar.address, ids) as crossbar:
        rows, columns = np.array([2, 0, -1, 1]), np.array([1, 0, -3, 0, 2])
        outcome = crossbar.outer_product(0, rows, columns, 0.1, 1e-7)
        assert (outcome.pulses, outcome.executed) == (24, 24)
        wear = crossbar.wear(0)
        product = np.outer(rows, columns)
        np.testing.assert_array_equal(wear.positive_pulses, np.maximum(product, 0))
        np.testing.assert_array_equal(wear.negative_pulses, np.maximum(-product, 0))
        assert ids.settled == [(1, ("executed",) * 24)]


def test_an_outer_product_of_too_many_pulses_is_refused_whole(crossbar: Crossbar) -> None:
    crossbar.tighten_limits(Limits(pulses_per_command=10))
    with pytest.raises(OverLimit, match="20 pulses"):
        crossbar.outer_product(0, np.ones(4, np.int8), np.ones(5, np.int8), 0.1, 1e-7)
    assert crossbar.status().pulses == 0


def test_an_outer_product_whose_answer_was_lost_with_the_line_is_asked_after(lab: SimulatedLab) -> None:
    ids = CountedPulseIds()
    with over_a_line(lab, ids) as (line, crossbar):
        line.to_host = losing(first(Opcode.OUTER_PRODUCT, then=line.cut))
        assert crossbar.outer_product(0, np.ones(4, np.int8), np.ones(5, np.int8), 0.1, 1e-7).executed == 20
        assert ids.settled == [(1, ("executed",) * 20)]


# --- what an earlier process left


def test_a_later_process_learns_what_became_of_pulses(lab: SimulatedLab) -> None:
    with opened(lab.lab.crossbar.address) as crossbar:
        crossbar.pulse(0, ALL, 0.1, 1e-7)
    with opened(lab.lab.crossbar.address, CountedPulseIds()) as later:
        assert later.pulse_outcomes(1, 20) == ["executed"] * 20
        assert later.pulse_outcomes(21, 20) == ["refused"] * 20, "never seen, and this session ended the one that could have sent them"


def test_a_board_that_restarted_knows_no_old_pulse_but_which_never_came(lab: SimulatedLab) -> None:
    with opened(lab.lab.crossbar.address) as crossbar:
        crossbar.pulse(0, ALL, 0.1, 1e-7)
    lab.crossbar.reboot(61_000, time.monotonic_ns())
    with opened(lab.lab.crossbar.address) as later:
        assert later.pulse_outcomes(1, 20) == ["unknown"] * 20
        assert later.pulse_outcomes(21, 1) == ["refused"]


# --- the owner lives, the line does not


def test_whoever_waits_for_a_long_operation_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    """The board isolates after 1 s of silence, an owner who asks nothing is given up after 0.6 s; the writing takes 2 s."""
    monkeypatch.setattr("drivers.board_owner.OWNER_PATIENCE_S", 0.6)
    with slow_board(Geometry(1, 25, 25)) as (board, crossbar):
        crossbar.tighten_limits(Limits(dead_man_ms=1000))
        impossible = WriteVerifySettings(0.1, 0.2, -0.2, 1e-4, 1e-7, 1e-7, max_pulses=25)
        reading = crossbar.write_verify(0, np.full((25, 25), 3 * P_AMPS), impossible)
        assert reading.ended == "DONE"
        assert (reading.results == JunctionResult.NOT_REACHED).all()
        assert board.truth.state.name == "ARMED"


def test_reconnecting_waits_for_a_line_that_comes_back(lab: SimulatedLab) -> None:
    with over_a_line(lab) as (line, crossbar):
        line.cut()
        with pytest.raises(LinkError):
            crossbar.status()
        crossbar.reconnect(patience_s=5.0)
        assert crossbar.read_kernel(0, 0.1).amps.shape == ALL.shape
        assert crossbar.counts().reconnects == 1


def test_reconnecting_ends_by_its_patience(lab: SimulatedLab) -> None:
    with over_a_line(lab) as (line, crossbar):
        line._closing.set()
        line.cut()
        start_s = time.monotonic()
        with pytest.raises(LinkError):
            crossbar.reconnect(patience_s=0.5)
        assert time.monotonic() - start_s < 4.0


def test_a_session_that_was_taken_is_not_reconnected(lab: SimulatedLab, crossbar: Crossbar) -> None:
    with open_crossbar_for_safety(lab.lab.crossbar.address) as line:
        line.isolate()
    with pytest.raises(SessionTaken):
        crossbar.select_contact_pads()
    with pytest.raises(SessionTaken):
        crossbar.reconnect(1.0)


def test_a_stream_on_a_line_that_is_cut_says_so(lab: SimulatedLab) -> None:
    with over_a_line(lab) as (line, crossbar):
        line.to_host = losing(first(EventCode.DONE, Kind.EVENT, line.cut))
        with pytest.raises(LinkLost):
            crossbar.read_die(0.1)


SEVEN = ("flip", "drop", "double", "swap", "cut", "repeat", "lose")


@pytest.mark.parametrize("pty", [False, True])
def test_on_a_line_with_seven_faults_nothing_is_given_twice_and_nothing_is_misread(pty: bool) -> None:
    faults = DirectionPlan(tuple(Fault(FaultName(name), probability=0.01) for name in SEVEN))
    with slow_board(SMALL, LineSettings(plan=LinePlan(faults, faults), seed=3), pty) as (board, crossbar):
        truth = board.truth
        given = 0
        for _ in range(12):
            given += int(crossbar.pulse(0, ALL, 0.1, 1e-7).sum())
            given += crossbar.outer_product(1, np.ones(4, np.int8), np.ones(5, np.int8), 0.1, 1e-7).executed
            given += crossbar.write_verify(0, np.full(ALL.shape, P_AMPS), replace(SETTINGS, max_pulses=2)).pulses_given
            assert np.isfinite(crossbar.read_die(0.1).amps).all()
        assert crossbar._status().pulses == given
        counts = crossbar.counts()
        assert counts.retransmitted > 0
        assert sum(counts.rejected.values()) > 0
        assert truth.state.name == "ARMED"


@pytest.mark.parametrize("way", ["to_device", "to_host"])
@pytest.mark.parametrize("what", ["disconnect", "reboot"])
def test_whatever_ends_the_line_every_pulse_is_settled_truly(what: str, way: str) -> None:
    """A line that breaks, or a board that restarts, at every 19th frame once the driver is connected."""
    plan = DirectionPlan((Fault(FaultName(what), at=frozenset(range(20, 2000, 19))),))
    executed = unknown = 0
    with slow_board(SMALL, LineSettings(plan=LinePlan(**{way: plan}), seed=11)) as (board, crossbar):
        given = count_pulses(board)
        for _ in range(150):
            try:
                executed += int(crossbar.pulse(0, ALL, 0.1, 1e-7).sum())
            except OutcomeUnknown as error:
                unknown += error.count
            except (LinkError, Refused):
                pass
            if crossbar._link.down:
                with suppress(LinkError):
                    crossbar.reconnect(2.0)
        ids = crossbar._ids
        assert isinstance(ids, CountedPulseIds)
        outcomes = [outcome for _, settled in ids.settled for outcome in settled]
        assert outcomes.count("executed") == executed
        assert outcomes.count("unknown") == unknown
        assert executed <= given[0] <= executed + unknown
        assert crossbar.counts().reconnects > 5


def count_pulses(board: SlowBoard) -> list[int]:
    """How many the world has seen from now on."""
    given, give = [0], board.world.pulse

    def counting(devices: NDArray[np.integer], volts: float, width_s: float) -> None:
        given[0] += len(devices)
        give(devices, volts, width_s)

    board.world.pulse = counting  # type: ignore[method-assign]
    return given


# --- scans, calibration


def test_a_scan_steps_with_the_edges_and_ends_isolated(lab: SimulatedLab, crossbar: Crossbar) -> None:
    trigger = lab.world.trigger
    connected: list[int | None] = []

    def measured(now_ns: int) -> None:
        connected.append(lab.world.selected[1])
        threading.Timer(0.001, lambda: lab_edge(lab)).start()

    ends = trigger.ready.listen(measured)
    with crossbar.scan((0, 1, 0), 3, settle_s=1e-4, step_timeout_s=1.0, sentinel=(0, 0, 0), sentinel_every=3) as scan:
        steps = list(scan.progress())
        reading = scan.result()
    ends()
    assert reading.sound, reading
    assert reading.steps == 5
    assert connected == [0, 5, 6, 7, 0]
    assert all(total == 5 for _, total in steps)
    assert lab.world.selected == (Route.NONE, None)
    assert crossbar.status().state == "SAFE"


def lab_edge(lab: SimulatedLab) -> None:
    lab.world.trigger.measured.edge(time.monotonic_ns())


def test_a_scan_that_the_meter_does_not_step_times_out(lab: SimulatedLab, crossbar: Crossbar) -> None:
    with crossbar.scan((0, 0, 0), 4, settle_s=0.0, step_timeout_s=0.1) as scan:
        reading = scan.result()
    assert (reading.ended, reading.sound, reading.edges_in) == ("TIMED_OUT", False, 0)
    assert lab.world.selected == (Route.NONE, None)


def test_leaving_a_scan_ends_it(lab: SimulatedLab, crossbar: Crossbar) -> None:
    with crossbar.scan((0, 0, 0), 4, settle_s=0.0, step_timeout_s=10.0):
        pass
    assert crossbar._status().operation == 0
    assert lab.world.selected == (Route.NONE, None)
    crossbar.read_kernel(0, 0.1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"count": 41}, {"count": 0}, {"settle_s": 2.0}, {"step_timeout_s": 0.0}, {"sentinel_every": 3}, {"first": (0, 4, 0)},
    ],
)  # fmt: skip
def test_a_scan_that_makes_no_sense_connects_nothing(lab: SimulatedLab, crossbar: Crossbar, wrong: dict[str, object]) -> None:
    asked = {"first": (0, 0, 0), "count": 2, "settle_s": 0.0, "step_timeout_s": 1.0, **wrong}
    with pytest.raises(Refused), crossbar.scan(**asked):  # type: ignore[arg-type]
        pass
    assert lab.world.selected == (Route.NONE, None)


def test_a_calibration_is_replaced_by_who_has_seen_the_one_in_force(crossbar: Crossbar) -> None:
    empty = crossbar.calibration("COLUMN_ORDER")
    assert empty.version == 0
    order = empty.replaced_by(np.array([4, 3, 2, 1, 0]))
    assert crossbar.set_calibration(order, replaces=0).values.tolist() == [4, 3, 2, 1, 0]
    assert crossbar.calibration("COLUMN_ORDER").version == 1
    with pytest.raises(Refused, match="REFUSED_CONFIG"):
        crossbar.set_calibration(empty.replaced_by(np.arange(5)), replaces=0)


def test_a_calibration_of_lines_keeps_gain_and_offset(crossbar: Crossbar) -> None:
    lines = crossbar.calibration("SENSE_LINES")
    values = np.stack([np.arange(5) - 2, np.arange(5) * 1000], axis=1)
    assert crossbar.set_calibration(lines.replaced_by(values), replaces=0).values.tolist() == values.tolist()


@pytest.mark.parametrize("values", [[0, 1, 2, 3, 3], [0, 1, 2, 3], [0, 1, 2, 3, 300]])
def test_what_is_no_order_of_columns_is_refused(crossbar: Crossbar, values: list[int]) -> None:
    with pytest.raises(Refused):
        crossbar.set_calibration(crossbar.calibration("COLUMN_ORDER").replaced_by(np.array(values)), replaces=0)


def test_a_table_that_does_not_exist_is_named(crossbar: Crossbar) -> None:
    with pytest.raises(Refused, match="SENSE_LINES, COLUMN_ORDER"):
        crossbar.calibration("GAINS")
