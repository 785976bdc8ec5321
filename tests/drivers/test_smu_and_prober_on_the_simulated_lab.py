"""The SMU's and the prober's drivers on the simulated instruments, whose grammar and state are nobody's echo of the driver."""

from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest

from drivers.crossbar import open_crossbar
from drivers.errors import MotionRefused, ProberBug, ProberNeedsOperator, Refused
from drivers.prober.sentio import Sentio, open_sentio
from drivers.prober.sentio_commands_map import step_die
from drivers.smu.keithley2450 import Keithley2450, open_keithley2450
from drivers.smu.values import CurrentSourceSettings, Floats, OffState, ScanSettings, Settings, SmuTrace, SourceSettings
from firmware_protocol.codes import Route
from simulator.clock import Clock
from simulator.server import Access, Host
from tests.support.scripted_server import visa_address
from tests.support.simulated_lab import SEED, CountedPulseIds, SimulatedLab, running_loop, simulated_lab


@pytest.fixture
def sim() -> Iterator[SimulatedLab]:
    with simulated_lab() as running:
        yield running


@pytest.fixture
def smu(sim: SimulatedLab) -> Iterator[Keithley2450]:
    driver = open_keithley2450(sim.lab.smu.address, 5.0)
    yield driver
    driver.close()


@pytest.fixture
def prober(sim: SimulatedLab) -> Iterator[Sentio]:
    driver = open_sentio(sim.lab.prober.address, 5.0)
    yield driver
    driver.close()


# --- SMU
def test_every_word_of_the_configuration_is_understood_and_a_nanoampere_arrives_as_one(sim: SimulatedLab, smu: Keithley2450):
    smu.configure(SourceSettings(limit_amps=1e-9, range_volts=0.2, nplc=0.01, four_wire=True))
    assert 1e-9 in sim.smu.values.values()
    assert sim.smu.status.errors == 0
    assert not sim.smu.output


def test_the_simulated_smu_says_so_itself(smu: Keithley2450):
    identity = smu.identify()
    assert (identity.simulated, identity.seed) == (True, SEED)


def test_a_limited_reading_is_flagged_and_a_free_one_is_not(sim: SimulatedLab, smu: Keithley2450):
    sim.world.touch((0, 0))
    sim.world.select(Route.CONTACT_PADS, None)
    for limit_amps, limited in ((1e-3, True), (1.0, False)):
        smu.configure(SourceSettings(limit_amps=limit_amps))
        smu.output_on()
        reading = smu.measure(0.02)
        assert reading.in_compliance is limited
        assert reading.amps <= limit_amps * 1.001
        assert reading.volts / reading.amps == pytest.approx(sim.world.needles.contact_ohms(), rel=0.02), "the source is read back"


def test_a_level_that_is_configured_starts_at_zero(sim: SimulatedLab, smu: Keithley2450):
    for _ in range(2):
        smu.configure(SourceSettings(limit_amps=1e-3))
        smu.output_on()
        assert sim.smu.number("LEVEL", "VOLT") == 0.0
        smu.measure(0.3)


FAST = SourceSettings(limit_amps=1.0, range_volts=0.2, nplc=0.01, autozero=False, measure_range_amps=1.0)


def on_the_pads(sim: SimulatedLab, smu: Keithley2450, settings: Settings = FAST) -> float:
    """The meter switched on with the contact pads between its needles; their resistance, ohm."""
    sim.world.touch((0, 0))
    sim.world.select(Route.CONTACT_PADS, None)
    smu.configure(settings)
    smu.output_on()
    return sim.world.needles.contact_ohms()


def require_left_well(sim: SimulatedLab, smu: Keithley2450) -> None:
    """Output on, level zero, nothing of ours left behind, no word that was not understood."""
    assert smu.output_is_on() and sim.smu.number("LEVEL", sim.smu.source) == 0.0
    assert sim.smu.buffers.keys() == {"defbuffer1", "defbuffer2"}
    assert sim.smu.status.errors == 0


@pytest.mark.parametrize(
    "settings",
    [
        SourceSettings(1e-6, off_state=OffState.HIGH_IMPEDANCE, four_wire=True, settle_s=1e-3),
        SourceSettings(1e-2, 20.0, nplc=10.0, measure_range_amps=1e-2, autozero=False, off_state=OffState.ZERO),
        CurrentSourceSettings(0.5, 1e-6, off_state=OffState.GUARD),
        CurrentSourceSettings(21.0, 1.0, nplc=0.01, measure_range_volts=20.0, autozero=False),
    ],
)
def test_every_setting_is_understood_on_top_of_every_other(sim: SimulatedLab, smu: Keithley2450, settings: Settings):
    for each in (FAST, settings, CurrentSourceSettings(1.0, 0.1), settings):
        smu.configure(each)
    assert sim.smu.status.errors == 0
    smu.output_on()
    smu.output_off()


@pytest.mark.parametrize("amps", [1e-9, 100e-9, 10e-3, 1.234567e-9, 1.234567e-3])
def test_limits_arrive_with_all_their_digits(sim: SimulatedLab, smu: Keithley2450, amps: float):
    smu.configure(SourceSettings(limit_amps=amps))
    assert sim.smu.number("LIMIT", "VOLT") == amps


def test_provenance_is_the_instruments_own(smu: Keithley2450):
    provenance = smu.provenance()
    assert provenance.firmware == smu.identify().firmware
    assert provenance.line_hertz in (50.0, 60.0)


def test_a_current_source_measures_the_volts_over_the_pads(sim: SimulatedLab, smu: Keithley2450):
    ohms = on_the_pads(sim, smu, CurrentSourceSettings(limit_volts=1.0, range_amps=0.01))
    reading = smu.measure(0.01)
    assert reading.amps == pytest.approx(0.01, rel=1e-3) and reading.volts / reading.amps == pytest.approx(ohms, rel=0.02)
    assert smu.measure(-0.01).volts < 0
    require_left_well(sim, smu)


@pytest.mark.parametrize("levels", [np.linspace(-0.1, 0.1, 101), np.random.default_rng(5).uniform(-0.1, 0.1, 2_700)], ids=["even", "list"])
def test_a_sweep_measures_every_level_in_its_order(sim: SimulatedLab, smu: Keithley2450, levels: Floats):
    ohms = on_the_pads(sim, smu)
    trace = smu.sweep(levels)
    assert (trace.ended, len(trace)) == ("done", len(levels)) and np.array_equal(trace.level, levels)
    assert np.abs(trace.volts - levels).max() < 1e-3
    assert np.abs(trace.amps - trace.volts / ohms).max() < 3e-3
    assert (np.diff(trace.at_s) > 0).all()
    require_left_well(sim, smu)


@pytest.mark.parametrize("stop", [True, False])
def test_a_sweep_into_its_limit_flags_exactly_the_limited_points(sim: SimulatedLab, smu: Keithley2450, stop: bool):
    limit_amps = 0.01
    ohms = on_the_pads(sim, smu, SourceSettings(limit_amps=limit_amps, range_volts=0.2, nplc=0.01, measure_range_amps=limit_amps))
    levels = np.linspace(0.0, 0.1, 21)
    trace = smu.sweep(levels, stop_when_limited=stop)
    limited = levels > limit_amps * ohms
    assert trace.ended == ("limited" if stop else "done")
    assert list(trace.limited) == list(limited[: int(limited.argmax()) + 1] if stop else limited)
    assert np.array_equal(np.isnan(trace.amps), trace.limited)
    require_left_well(sim, smu)


def test_pulses_are_at_zero_between_their_points(sim: SimulatedLab, smu: Keithley2450):
    ohms = on_the_pads(sim, smu)
    levels = np.array([0.05, -0.05, 0.1])
    trace = smu.pulsed_sweep(levels, 2e-3, 10e-3)
    assert np.abs(trace.amps - levels / ohms).max() < 3e-3
    assert np.diff(trace.at_s) == pytest.approx(10e-3, rel=0.1)
    require_left_well(sim, smu)
    assert smu.measure(0.05).amps == pytest.approx(0.05 / ohms, rel=0.05), "the settings are as configured again"


def test_an_off_from_outside_ends_a_sweep_and_nobody_switches_on_again(sim: SimulatedLab, smu: Keithley2450):
    on_the_pads(sim, smu, SourceSettings(limit_amps=1.0, range_volts=0.2, nplc=0.01, settle_s=1.0))
    with closing(open_keithley2450(sim.lab.smu.address, 5.0)) as watchdog:
        stopped: list[bool] = []

        def stop() -> None:
            if not stopped:
                watchdog.output_off()
                stopped.append(True)

        with pytest.raises(Refused):
            smu.sweep(np.linspace(0.01, 0.1, 100_000), checkpoint=stop)
    assert not sim.smu.output


def scanned(sim: SimulatedLab, smu: Keithley2450, count: int) -> tuple[SmuTrace, int]:
    """Junctions of the die, one after the other, hand in hand with the controller; and edges the meter missed."""
    with (
        closing(open_crossbar(sim.lab.crossbar.address, sim.lab.crossbar.baud, CountedPulseIds())) as crossbar,
        smu.scan(ScanSettings(count, 0.1)) as readings,
        crossbar.scan((0, 0, 0), count, settle_s=0.0, step_timeout_s=5.0) as steps,
    ):
        for _ in steps.progress():
            pass
        assert steps.result().edges_in == count == readings.taken()
        return readings.read(), readings.missed_edges()


def test_a_scan_measures_each_junction_hand_in_hand_with_the_controller(sim: SimulatedLab, smu: Keithley2450):
    sim.world.touch((0, 0))
    smu.configure(SourceSettings(limit_amps=1e-3, range_volts=0.2, nplc=0.01, autozero=False, measure_range_amps=1e-3))
    smu.output_on()
    trace, missed = scanned(sim, smu, 40)
    assert (len(trace), missed) == (40, 0) and not trace.limited.any()
    assert len(np.unique(trace.amps)) == 40 and (np.diff(trace.at_s) > 0).all()
    require_left_well(sim, smu)


def test_closing_leaves_the_output_as_it_is_and_a_newcomer_switches_it_off(sim: SimulatedLab, smu: Keithley2450):
    smu.configure(SourceSettings(limit_amps=1e-3))
    smu.output_on()
    smu.close()
    assert sim.smu.output
    newcomer = open_keithley2450(sim.lab.smu.address, 5.0)
    assert newcomer.output_is_on()
    newcomer.output_off()
    assert not sim.smu.output
    newcomer.close()


@pytest.fixture
def one_client(sim: SimulatedLab) -> Iterator[tuple[str, str]]:
    """The meter hosted once more, for a single client at a time; its address and its dead socket's."""
    with running_loop() as run:
        host = Host(Clock("fast"))
        run(host.__aenter__())
        port = run(host.serve(sim.smu, access=Access(most_clients=1)))
        dead = run(host.serve_dead_socket(sim.smu))
        yield visa_address(port), visa_address(dead)
        run(host.__aexit__(None, None, None))


def test_where_a_hung_worker_has_the_only_connection_the_watchdog_gets_through(sim: SimulatedLab, one_client: tuple[str, str]):
    address, dead_socket = one_client
    with closing(open_keithley2450(address, 5.0)) as hung:
        hung.configure(FAST)
        hung.output_on()
        with closing(open_keithley2450(address, 0.8, dead_socket=dead_socket)) as watchdog:
            watchdog.output_off()
        assert not sim.smu.output
        assert not hung.output_is_on(), "whose connection was cut; it connects anew"


def test_an_instrument_that_was_reset_is_not_switched_on_with_other_limits(sim: SimulatedLab, smu: Keithley2450):
    smu.configure(SourceSettings(limit_amps=1e-9))
    sim.smu.instrument.reset()
    with pytest.raises(Refused, match=r"the (range|limit) reads"):
        smu.output_on()
    assert not sim.smu.output
    smu.configure(SourceSettings(limit_amps=1e-9))
    smu.output_on()


# --- prober
def test_every_die_of_the_map_is_reached_and_has_its_name(sim: SimulatedLab, prober: Sentio):
    for die in sim.lab.wafer.dies:
        assert prober.go_to_die(*die).die == die == sim.world.needles.die_below
    with pytest.raises(ProberBug, match="ArgumentOutOfBounds"):
        prober.go_to_die(9, 9)


def test_a_driver_that_forgot_everything_cannot_move_in_contact_either(sim: SimulatedLab, prober: Sentio):
    prober.go_to_die(0, 0)
    prober.contact()
    with pytest.raises(MotionRefused, match="separate first"):
        prober.go_to_die(-1, 0)
    with pytest.raises(ProberNeedsOperator, match="InvalidOperation"):
        prober._session.ask(step_die(-1, 0))
    assert sim.world.damage == []


def test_a_newcomer_separates_a_chuck_that_another_client_left_in_contact(sim: SimulatedLab, prober: Sentio):
    prober.go_to_die(0, 0)
    prober.contact()
    assert sim.world.needles.touching
    newcomer = open_sentio(sim.lab.prober.address, 5.0)
    assert not newcomer.separate().in_contact
    assert not sim.world.needles.touching
    newcomer.close()
    assert prober.go_to_die(-1, 0).die == (-1, 0)


def test_contact_counts_are_the_probers_own(sim: SimulatedLab, prober: Sentio):
    prober.go_to_die(0, 0)
    before = prober.contact_count()
    prober.contact()
    assert prober.contact_count() == before + 1


def test_preconditions_are_read_from_the_machine(sim: SimulatedLab, prober: Sentio):
    sim.prober.doors_closed = False
    sim.prober.chuck.vacuum_on = False
    with pytest.raises(MotionRefused, match=r"vacuum is off.*door is open"):
        prober.contact()
    assert not sim.world.needles.touching


def test_a_cold_prober_moves_nowhere_and_says_what_it_needs():
    with simulated_lab(cold=True) as sim:
        prober = open_sentio(sim.lab.prober.address, 5.0)
        state = prober.state()
        assert (state.home_set, state.contact_set, state.die, state.in_contact) == (False, False, None, False)
        with pytest.raises(MotionRefused, match=r"home position is not set; set it at the prober"):
            prober.go_to_die(0, 0)
        with pytest.raises(MotionRefused, match=r"lowered .*set the contact height at the prober"):
            prober.contact()
        prober.close()
