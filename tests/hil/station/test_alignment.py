"""A wafer that may have moved on the chuck is not touched before somebody has seen to it, whatever run or process comes next."""

import pytest

from drivers.errors import MotionRefused
from hil.station.errors import NotAligned
from hil.station.station import Station, open_station
from hil.station.touchdowns import NeedleLogInMemory
from tests.support.simulated_lab import CountedPulseIds, SimulatedLab

DIE = (0, 0)


def station_on(sim: SimulatedLab, log: NeedleLogInMemory, run: str) -> Station:
    log.at("W1", run)
    return open_station(sim.lab, CountedPulseIds(), lambda: None, log)


def touch(station: Station) -> None:
    station.go_to(DIE)
    station.contact(DIE)


def seat_again(sim: SimulatedLab) -> None:
    """The pump runs, and somebody switches the vacuum on and aligns at the panel, of which no client hears."""
    sim.prober.vacuum_lost = False
    sim.prober.chuck.vacuum_on = True


def seen_without_vacuum(sim: SimulatedLab, log: NeedleLogInMemory, run: str) -> None:
    with station_on(sim, log, run) as station:
        touch(station)
        sim.prober.lose_vacuum()
        station.snapshot()
        seat_again(sim)
        with pytest.raises(MotionRefused, match="not aligned"):
            touch(station)


def test_the_next_run_does_not_touch_a_wafer_that_was_seen_without_vacuum(sim: SimulatedLab) -> None:
    log = NeedleLogInMemory()
    seen_without_vacuum(sim, log, "r1")
    made = sim.world.needles.touchdowns
    with station_on(sim, log, "r2") as station, pytest.raises(NotAligned, match=r"the vacuum was seen off.*align it at the prober"):
        touch(station)
    assert sim.world.needles.touchdowns == made


def test_whoever_lets_the_run_go_on_that_was_stopped_for_it_has_aligned(sim: SimulatedLab) -> None:
    log = NeedleLogInMemory()
    seen_without_vacuum(sim, log, "r1")
    with station_on(sim, log, "r2") as station, pytest.raises(NotAligned):
        touch(station)
    with station_on(sim, log, "r2") as station:
        touch(station)
    with station_on(sim, log, "r3") as station:
        touch(station)
    assert log.alignment_doubt() is None


def test_the_run_that_saw_it_happen_was_told_by_that(sim: SimulatedLab) -> None:
    log = NeedleLogInMemory()
    seen_without_vacuum(sim, log, "r1")
    with station_on(sim, log, "r1") as station:
        touch(station)
    assert log.alignment_doubt() is None


def test_what_is_seen_between_two_runs_stops_the_next_one_even_if_that_was_paused_meanwhile(sim: SimulatedLab) -> None:
    log = NeedleLogInMemory()
    with station_on(sim, log, "r1") as station:
        log.at("W1", None)
        sim.prober.lose_vacuum()
        station.snapshot()
        seat_again(sim)
    with station_on(sim, log, "r1") as station, pytest.raises(NotAligned):
        touch(station)
