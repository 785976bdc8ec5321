"""The SMU's and the prober's drivers on the simulated instruments, whose grammar and state are nobody's echo of the driver."""

from collections.abc import Iterator

import pytest

from drivers.errors import MotionRefused
from drivers.prober.sentio import Sentio, open_sentio
from drivers.prober.sentio_codes import ProberBug, ProberNeedsOperator
from drivers.smu.keithley2450 import Keithley2450, open_keithley2450
from drivers.smu.values import SourceSettings
from firmware_protocol.codes import Route
from tests.support.simulated_lab import SEED, SimulatedLab, simulated_lab


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
        prober._session.ask("map:step_die -1, 0, 0")
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
        assert (state.home_set, state.contact_set, state.die, state.in_contact) == (False, False, None, True)
        for motion in (lambda: prober.go_to_die(0, 0), prober.contact):
            with pytest.raises(MotionRefused, match=r"unknown height .*set the contact height at the prober"):
                motion()
        prober.close()
