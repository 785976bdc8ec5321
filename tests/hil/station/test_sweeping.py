"""A sweep that is stopped, or whose junction the controller let go, leaves nothing on and nothing behind."""

import threading
from collections.abc import Callable

import numpy as np
import pytest

from firmware_protocol.codes import Route
from hil.station.errors import NotInContact, PathOpened
from hil.station.station import Station, open_station
from hil.station.sweeping import SweepHow
from tests.support.simulated_lab import CountedPulseIds, SimulatedLab

DIE = (0, 0)
HOW = SweepHow(np.linspace(0.0, 0.2, 11), 1e-3, nplc=1.0)


class Stop(Exception):
    pass


class Watched:
    """Checkpoints, the second of which since the output is on, the first one of the sweep itself, is when something happens."""

    def __init__(self, sim: SimulatedLab, happens: Callable[[], None]) -> None:
        self._sim, self._happens, self._since_on = sim, happens, 0

    def __call__(self) -> None:
        self._since_on += self._sim.smu.output or self._since_on > 0
        if self._since_on == 2:
            self._happens()


def in_contact(sim: SimulatedLab, checkpoint: Callable[[], None]) -> Station:
    station = open_station(sim.lab, CountedPulseIds(), checkpoint)
    station.go_to(DIE)
    station.contact(DIE)
    return station


def dark(sim: SimulatedLab) -> bool:
    return not sim.smu.output and sim.world.selected == (Route.NONE, None)


def test_what_the_checkpoint_raises_ends_the_sweep_off_and_isolated(sim: SimulatedLab):
    def stop() -> None:
        raise Stop

    with in_contact(sim, Watched(sim, stop)) as station:
        with pytest.raises(Stop):
            station.sweep([(0, 0, 0)], HOW)
        assert dark(sim)
        assert np.isfinite(station.sweep([(0, 0, 0)], HOW).amps).all(), "and the next one is as if nothing had been"


def test_a_controller_that_lets_go_of_the_junction_leaves_no_open_circuit_behind(sim: SimulatedLab):
    ticked = threading.Event()

    def dead_man() -> None:
        sim.crossbar.tick(10**18)
        ticked.set()

    with in_contact(sim, Watched(sim, dead_man)) as station:
        with pytest.raises(PathOpened, match=r"junction \(1, 2, 3\) was to be measured .* selected None \(DEAD_MAN\)"):
            station.sweep([(1, 2, 3)], HOW)
        assert ticked.is_set() and dark(sim)


def test_a_contact_lost_during_a_sweep_never_leaves_the_station(sim: SimulatedLab):
    with in_contact(sim, Watched(sim, sim.world.lift)) as station, pytest.raises(NotInContact, match="discarded"):
        station.sweep([(0, 0, 0)], HOW)


def test_junctions_are_connected_and_left_at_zero_volts(sim: SimulatedLab):
    with in_contact(sim, lambda: None) as station:
        sim.world.events.clear()
        found = station.sweep([(0, 0, 0), (1, 3, 4)], HOW)
    assert found.amps.shape == (2, 11) and np.isfinite(found.amps).all()
    assert sim.world.events.count("junction") == 2
    assert "hot switch" not in sim.world.events


@pytest.mark.parametrize("amps", [1e-9, 105.5e-6])
def test_a_limit_that_no_fixed_range_holds_is_the_instruments_all_the_same(sim: SimulatedLab, amps: float):
    limits: list[float] = []
    with in_contact(sim, lambda: limits.append(sim.smu.instrument.channel.drive_now.limit)) as station:
        limits.clear()
        traces = station.sweep([(0, 1, 2)], SweepHow(np.array([0.0, 0.3, 0.0]), amps, nplc=1.0, stop_when_limited=False))
    assert limits[-1] == amps
    assert traces.limited[0, 1] == np.isnan(traces.amps[0, 1]) == (amps < 1e-6)
