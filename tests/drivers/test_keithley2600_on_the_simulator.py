"""The 2600B's driver on the simulated 2636B over real sockets, whose language and trigger model are nobody's echo of the driver."""

import contextlib
import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace

import numpy as np
import pytest

from drivers.crossbar import open_crossbar
from drivers.errors import DriverError, OutputMayBeOn, Refused
from drivers.smu.keithley2600 import Keithley2600, open_keithley2600
from drivers.smu.values import CurrentSourceSettings, Floats, OffState, ScanSettings, Settings, SmuTrace, SourceSettings
from firmware_protocol.codes import Route
from simulator.clock import Clock
from simulator.faults import DirectionPlan, Fault, FaultName, LinePlan
from simulator.instruments.controller import Controller
from simulator.instruments.keithley2600 import Keithley2600 as Simulated2600
from simulator.line import LineSettings
from simulator.server import Access, Host
from simulator.world import World
from tests.simulator.worlds import touching
from tests.support.scripted_server import visa_address
from tests.support.simulated_lab import CountedPulseIds, running_loop

FAST = SourceSettings(limit_amps=1.0, range_volts=0.2, nplc=0.001, autozero=False, measure_range_amps=1.0)
"""Of the contact pads, a few ohms."""


@dataclass
class Bench:
    """A 2636B with its needles on a die. dead_socket: its address. board: of the controller that steps the junctions. inside: does
    something in the thread of the pretended lab."""

    world: World
    device: Simulated2600
    address: str
    dead_socket: str
    board: str
    inside: Callable[[Callable[[], object]], None]

    def edges(self, count: int = 1) -> None:
        """What the controller says to the meter, all in the same moment."""
        self.inside(lambda: [self.world.trigger.ready.edge(Clock("fast").now_ns()) for _ in range(count)])

    @property
    def ohms(self) -> float:
        return self.world.needles.contact_ohms()

    @property
    def errors(self) -> int:
        return len(self.device.tsp.instrument.errors)

    @property
    def sourced(self) -> tuple[bool, float]:
        """Whether the output is on, and the level at the terminals."""
        channel = self.device.tsp.instrument.smus[0].source.channel
        return channel.output, channel.drive_now.level


@contextmanager
def bench(plan: LinePlan | None = None, most_clients: int = 20) -> Iterator[Bench]:
    world, clock = touching("clean"), Clock("fast")
    device = Simulated2600(world, clock.wall_ns)
    controller = Controller(world, boot_id=7, serial=f"SIM{world.seed}", now_ns=clock.now_ns(), wall_ns=clock.wall_ns)
    world.select(Route.CONTACT_PADS, None)
    line = LineSettings() if plan is None else LineSettings(plan=plan, seed=1, delimiter=b"\n")
    with running_loop() as run:
        host = Host(clock)
        port = run(host.serve(device, 0, line, access=Access(most_clients=most_clients)))
        dead, board = run(host.serve_dead_socket(device)), run(host.serve(controller))
        try:
            yield Bench(world, device, visa_address(port), visa_address(dead), f"socket://127.0.0.1:{board}", lambda do: run(_done(do)))
        finally:
            run(host.__aexit__(None, None, None))


async def _done(do: Callable[[], object]) -> None:
    do()


@pytest.fixture
def sim() -> Iterator[Bench]:
    with bench() as running:
        yield running


@pytest.fixture
def smu(sim: Bench) -> Iterator[Keithley2600]:
    driver = open_keithley2600(sim.address, 5.0)
    yield driver
    driver.close()


def switched_on(smu: Keithley2600, settings: Settings = FAST) -> None:
    smu.configure(settings)
    smu.output_on()


def require_left_well(sim: Bench, smu: Keithley2600) -> None:
    """Output on, level zero, nothing running, no word that was not understood."""
    assert smu.output_is_on()
    assert sim.sourced == (True, 0.0)
    assert not sim.device.tsp.instrument.busy
    assert sim.errors == 0


# --- who it is, and what it is set to
def test_the_simulated_smu_says_so_itself(sim: Bench, smu: Keithley2600):
    identity = smu.identify()
    assert (identity.model, identity.simulated, identity.seed) == ("Model 2636B", True, sim.world.seed)
    assert smu.capabilities.model == "2636B"
    provenance = smu.provenance()
    assert (provenance.firmware, provenance.line_hertz) == (identity.firmware, 60.0)


@pytest.mark.parametrize(
    "settings",
    [
        SourceSettings(1e-6, off_state=OffState.HIGH_IMPEDANCE, four_wire=True, settle_s=1e-3),
        SourceSettings(1e-2, 20.0, nplc=10.0, measure_range_amps=1e-2, autozero=False, off_state=OffState.ZERO),
        SourceSettings(0.1, 200.0, nplc=25.0),
        SourceSettings(1.5, 20.0),
        CurrentSourceSettings(0.5, 1e-9),
        CurrentSourceSettings(20.0, 1.5, nplc=0.001, measure_range_volts=20.0, autozero=False),
    ],
)
def test_every_setting_is_understood_on_top_of_every_other(sim: Bench, smu: Keithley2600, settings: Settings):
    for each in (FAST, settings, CurrentSourceSettings(1.0, 0.1), SourceSettings(0.1, 200.0), settings):
        smu.configure(each)
    assert sim.errors == 0
    smu.output_on()
    smu.output_off()


@pytest.mark.parametrize("amps", [1e-9, 100e-9, 10e-3, 1.234567e-9, 1.234567e-3])
def test_limits_and_levels_arrive_with_all_their_digits(sim: Bench, smu: Keithley2600, amps: float):
    smu.configure(SourceSettings(limit_amps=amps))
    settings = sim.device.tsp.instrument.smus[0].settings
    assert settings["source.limiti"] == amps
    smu.configure(CurrentSourceSettings(limit_volts=1.0, range_amps=amps))
    smu.output_on()
    smu.measure(amps)
    assert sim.errors == 0


def test_prompts_that_a_client_of_before_switched_on_are_no_answers(sim: Bench):
    sim.device.tsp.instrument.prompts = True
    with closing(open_keithley2600(sim.address, 0.5)) as smu:
        with contextlib.suppress(DriverError):
            smu.identify()
        smu.configure(FAST)
        smu.output_on()
        assert smu.measure(0.02).volts == pytest.approx(0.02, rel=0.05)
    assert not sim.device.tsp.instrument.prompts


# --- single readings
def test_a_reading_is_the_pads_and_afterwards_the_level_is_zero(sim: Bench, smu: Keithley2600):
    switched_on(smu)
    reading = smu.measure(0.02)
    assert reading.volts / reading.amps == pytest.approx(sim.ohms, rel=0.02)
    assert not reading.in_compliance
    require_left_well(sim, smu)


@pytest.mark.parametrize("settle_s", [None, 1e-3])
def test_a_level_settles_before_its_reading(smu: Keithley2600, settle_s: float | None):
    switched_on(smu, replace(FAST, settle_s=settle_s))
    assert smu.measure(0.02).volts == pytest.approx(0.02, abs=5e-4)


@pytest.mark.parametrize(("limit_amps", "limited"), [(1e-3, True), (1.0, False)])
def test_a_limited_reading_is_flagged_and_a_free_one_is_not(smu: Keithley2600, limit_amps: float, limited: bool):
    switched_on(smu, SourceSettings(limit_amps=limit_amps))
    reading = smu.measure(0.02)
    assert reading.in_compliance is limited
    assert abs(reading.amps) <= limit_amps * 1.001


def test_a_current_source_measures_the_volts_over_the_pads(sim: Bench, smu: Keithley2600):
    switched_on(smu, CurrentSourceSettings(limit_volts=1.0, range_amps=0.01))
    reading = smu.measure(0.01)
    assert reading.volts / reading.amps == pytest.approx(sim.ohms, rel=0.02)
    require_left_well(sim, smu)


def test_nothing_is_switched_on_after_a_reset_with_its_own_limit(sim: Bench, smu: Keithley2600):
    smu.configure(SourceSettings(limit_amps=1e-6))
    sim.device.tsp.instrument.reset()
    with pytest.raises(Refused, match="configure it again"):
        smu.output_on()
    assert sim.sourced == (False, 0.0)


def test_an_open_interlock_keeps_the_output_off_and_opening_it_ends_a_sweep(sim: Bench, smu: Keithley2600):
    smu.configure(SourceSettings(0.1, 200.0))
    sim.device.set_interlock(False, 0)
    with pytest.raises(Refused, match="802"):
        smu.output_on()
    assert sim.sourced == (False, 0.0)


# --- sweeps
@pytest.mark.parametrize("levels", [np.linspace(-0.1, 0.1, 101), np.random.default_rng(5).uniform(-0.1, 0.1, 350)], ids=["even", "list"])
def test_a_sweep_measures_every_level_in_its_order(sim: Bench, smu: Keithley2600, levels: Floats):
    switched_on(smu)
    trace = smu.sweep(levels)
    assert (trace.ended, len(trace)) == ("done", len(levels))
    assert np.array_equal(trace.level, levels)
    assert np.abs(trace.volts - levels).max() < 1e-3
    assert np.abs(trace.amps - levels / sim.ohms).max() < 3e-3
    assert (np.diff(trace.at_s) > 0).all()
    require_left_well(sim, smu)


@pytest.mark.parametrize("stop", [True, False])
def test_a_sweep_into_its_limit_flags_exactly_the_limited_points(sim: Bench, smu: Keithley2600, stop: bool):
    limit_amps = 0.01
    switched_on(smu, SourceSettings(limit_amps=limit_amps, range_volts=0.2, nplc=0.01, measure_range_amps=limit_amps))
    levels = np.linspace(0.0, 0.1, 21)
    trace = smu.sweep(levels, stop_when_limited=stop)
    limited = levels > limit_amps * sim.ohms
    assert trace.ended == ("limited" if stop else "done")
    assert list(trace.limited) == list(limited[: int(limited.argmax()) + 1] if stop else limited)
    assert np.array_equal(np.isnan(trace.amps), trace.limited)
    require_left_well(sim, smu)


def test_amps_are_swept_into_a_voltage_limit(sim: Bench, smu: Keithley2600):
    limit_volts = 0.05
    switched_on(smu, CurrentSourceSettings(limit_volts=limit_volts, range_amps=0.1, nplc=0.01))
    levels = np.linspace(0.0, 0.05, 11)
    trace = smu.sweep(levels, stop_when_limited=False)
    assert trace.source == "amps"
    assert list(trace.limited) == list(levels * sim.ohms > limit_volts)
    assert np.array_equal(np.isnan(trace.volts), trace.limited)
    require_left_well(sim, smu)


def test_pulses_are_at_zero_between_their_points_and_the_settings_stay(sim: Bench, smu: Keithley2600):
    switched_on(smu, SourceSettings(limit_amps=0.1, range_volts=0.2, nplc=0.01))
    levels = np.array([0.05, -0.05, 0.1, 0.02])
    trace = smu.pulsed_sweep(levels, 2e-3, 10e-3)
    assert np.abs(trace.amps - levels / sim.ohms).max() < 3e-3
    assert np.diff(trace.at_s) == pytest.approx(10e-3, rel=0.01)
    require_left_well(sim, smu)
    assert sim.device.tsp.instrument.smus[0].settings["measure.autorangei"] == 1
    assert smu.measure(0.05).amps == pytest.approx(0.05 / sim.ohms, rel=0.05)


def test_a_pulse_lasts_as_long_as_it_was_asked_to(sim: Bench, smu: Keithley2600):
    switched_on(smu)
    stood: list[tuple[float, int]] = []
    channel = sim.device.tsp.instrument.smus[0].source.channel
    drive = channel.drive

    def watched(wanted: object, now_ns: int) -> None:
        drive(wanted, now_ns)  # type: ignore[arg-type]
        stood.append((channel.drive_now.level, now_ns))

    channel.drive = watched  # type: ignore[method-assign]
    smu.pulsed_sweep(np.array([0.05, 0.1]), 1e-3, 5e-3)
    changes = [stood[0], *(later for before, later in itertools.pairwise(stood) if before[0] != later[0])]
    begun, ended = changes[0:4:2], changes[1:4:2]
    assert [level for level, _ in begun] == [0.05, 0.1]
    assert [level for level, _ in ended] == [0.0, 0.0]
    assert [(end - begin) / 1e9 for (_, begin), (_, end) in zip(begun, ended, strict=True)] == pytest.approx([1e-3, 1e-3], rel=0.01)
    assert (begun[1][1] - begun[0][1]) / 1e9 == pytest.approx(5e-3, rel=0.01)


def test_an_off_from_outside_ends_a_sweep_and_nobody_switches_on_again(sim: Bench, smu: Keithley2600):
    switched_on(smu, SourceSettings(limit_amps=1.0, range_volts=0.2, nplc=0.01, settle_s=1.0))
    with closing(open_keithley2600(sim.address, 5.0)) as watchdog:
        stopped: list[bool] = []

        def stop() -> None:
            if not stopped:
                watchdog.output_off()
                stopped.append(True)

        with pytest.raises(Refused, match="went off while measuring"):
            smu.sweep(np.linspace(0.01, 0.1, 50_000), checkpoint=stop)
    assert sim.sourced[0] is False
    smu.output_on()
    smu.measure(0.01)
    require_left_well(sim, smu)


# --- scans
def scanned(sim: Bench, smu: Keithley2600, count: int) -> tuple[list[SmuTrace], int]:
    """Junctions of the die, one after the other, hand in hand with the controller; and edges the meter missed."""
    with (
        closing(open_crossbar(sim.board, 921_600, CountedPulseIds())) as crossbar,
        smu.scan(ScanSettings(count, 0.1)) as readings,
        crossbar.scan((0, 0, 0), count, settle_s=0.0, step_timeout_s=5.0) as steps,
    ):
        found = [readings.read() for _ in steps.progress()]
        assert steps.result().edges_in == count == readings.taken()
        return [*found, readings.read()], readings.missed_edges()


def test_a_scan_measures_each_junction_hand_in_hand_with_the_controller(sim: Bench, smu: Keithley2600):
    sim.world.select(Route.NONE, None)
    switched_on(smu, SourceSettings(limit_amps=1e-3, range_volts=0.2, nplc=0.01, autozero=False, measure_range_amps=1e-3))
    parts, missed = scanned(sim, smu, 400)
    amps, at_s = (np.concatenate([getattr(part, name) for part in parts]) for name in ("amps", "at_s"))
    assert (len(amps), missed) == (400, 0)
    assert not np.isnan(amps).any()
    assert len(np.unique(amps)) == 400
    assert at_s[0] == 0
    assert (np.diff(at_s) > 0).all()
    require_left_well(sim, smu)


def test_an_edge_that_comes_while_another_waits_is_a_missed_one(sim: Bench, smu: Keithley2600):
    switched_on(smu, SourceSettings(limit_amps=1.0, range_volts=0.2, nplc=25.0, autozero=False, measure_range_amps=1.0))
    with smu.scan(ScanSettings(10, 0.02)) as readings:
        assert readings.missed_edges() == 0
        sim.edges(3)
        assert readings.missed_edges() == 1
    require_left_well(sim, smu)


def test_leaving_a_scan_early_leaves_nothing_running(sim: Bench, smu: Keithley2600):
    switched_on(smu)
    with smu.scan(ScanSettings(10, 0.02)) as readings:
        assert sim.device.tsp.instrument.busy
        assert sim.sourced == (True, 0.02)
        assert readings.taken() == 0
    require_left_well(sim, smu)


# --- off
def test_closing_leaves_the_output_as_it_is_and_a_newcomer_switches_it_off(sim: Bench, smu: Keithley2600):
    switched_on(smu)
    smu.close()
    assert sim.sourced == (True, 0.0)
    with closing(open_keithley2600(sim.address, 5.0)) as newcomer:
        assert newcomer.output_is_on()
        newcomer.output_off()
    assert sim.sourced == (False, 0.0)


def test_where_a_hung_worker_has_the_only_connection_the_watchdog_gets_through():
    with bench(most_clients=1) as sim, closing(open_keithley2600(sim.address, 5.0)) as hung:
        switched_on(hung)
        with closing(open_keithley2600(sim.address, 0.8, dead_socket=sim.dead_socket)) as watchdog:
            watchdog.output_off()
        assert sim.sourced == (False, 0.0)
        assert not hung.output_is_on(), "whose connection was cut; it connects anew"


def test_where_our_own_connection_is_the_only_one_and_stuck_off_gets_through_on_a_new_one():
    with bench(most_clients=1) as sim, closing(open_keithley2600(sim.address, 20.0)) as smu:
        switched_on(smu)
        with smu._link.lock:
            elsewhere = threading.Thread(target=smu.output_off)
            elsewhere.start()
            elsewhere.join(5)
        assert sim.sourced == (False, 0.0)
        assert not smu.output_is_on()


def test_an_instrument_that_takes_lines_and_carries_none_out_may_be_on():
    with bench() as sim, closing(open_keithley2600(sim.address, 5.0)) as smu:
        switched_on(smu)
        sim.device.stick(1 << 62)
        with pytest.raises(OutputMayBeOn, match="treat the needles as live"):
            smu.output_off()


# --- bad lines
def bad_answers(probability: float) -> LinePlan:
    held = {FaultName.DELAY: 150_000_000, FaultName.SPLIT: 2_000_000}
    names = (FaultName.FLIP, FaultName.SWAP, FaultName.CUT, FaultName.LOSE, FaultName.SPLIT, FaultName.DELAY)
    return LinePlan(to_host=DirectionPlan(tuple(Fault(name, probability=probability, hold_ns=held.get(name, 0)) for name in names)))


def again(what: Callable[[], SmuTrace]) -> SmuTrace:
    """What it gives once the line lets it."""
    for _ in range(50):
        try:
            return what()
        except DriverError:
            continue
    raise AssertionError("never settled")


def ready(smu: Keithley2600) -> None:
    for _ in range(50):
        try:
            smu.configure(FAST)
            return smu.output_on()
        except DriverError:
            continue
    raise AssertionError("never settled")


def test_a_sweep_over_a_bad_line_is_whole_and_true_or_raises_with_the_output_off():
    levels = np.random.default_rng(3).uniform(-0.1, 0.1, 60)
    with bench(bad_answers(0.01)) as sim, closing(open_keithley2600(sim.address, 0.1)) as smu:
        whole = 0
        for _ in range(50):
            ready(smu)
            try:
                trace = smu.sweep(levels)
            except DriverError:
                assert sim.sourced[0] is False
                continue
            assert np.array_equal(trace.level, levels)
            assert np.abs(trace.amps - levels / sim.ohms).max() < 3e-3
            whole += 1
            if whole == 3:
                return
        raise AssertionError("no sweep came through")


def scanned_over_a_bad_line(sim: Bench, smu: Keithley2600, count: int) -> list[SmuTrace]:
    """Raises DriverError when the line kept it from being begun or ended."""
    found: list[SmuTrace] = []
    ready(smu)
    with smu.scan(ScanSettings(count, 0.02)) as readings:
        for _ in range(count):
            sim.edges()
            found.append(again(readings.read))
        while sum(map(len, found)) < count:
            found.append(again(readings.read))
    return found


def test_a_scan_over_a_bad_line_loses_and_doubles_no_reading():
    with bench(bad_answers(0.01)) as sim, closing(open_keithley2600(sim.address, 0.1)) as smu:
        for _ in range(20):
            with contextlib.suppress(DriverError):
                parts = scanned_over_a_bad_line(sim, smu, 50)
                break
        amps, at_s = (np.concatenate([getattr(part, name) for part in parts]) for name in ("amps", "at_s"))
        assert len(amps) == 50
        assert (np.diff(at_s) > 0).all()
        assert np.abs(amps - 0.02 / sim.ohms).max() < 3e-3
