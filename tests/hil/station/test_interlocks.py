"""What must not change while the needles are down, and what is found out about it although nobody moved them."""

from collections.abc import Callable

import pytest

from drivers.errors import MotionRefused
from hil.station.errors import InterlockOpen, NotInContact, WrongDie
from hil.station.station import Station, open_station
from tests.support.simulated_lab import CountedPulseIds, SimulatedLab

DIE = (0, 0)


class Clock:
    """Seconds that pass when told to."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def lose_vacuum(sim: SimulatedLab) -> None:
    sim.prober.lose_vacuum()


def open_door(sim: SimulatedLab) -> None:
    sim.prober.doors.open("prober")


def in_contact(sim: SimulatedLab, clock: Clock) -> Station:
    station = open_station(sim.lab, CountedPulseIds(), lambda: None, monotonic=clock)
    station.go_to(DIE)
    station.contact(DIE)
    return station


@pytest.mark.parametrize(("happen", "told"), [(lose_vacuum, "the chuck vacuum is off: align"), (open_door, "a door is open: close it")])
def test_what_was_measured_while_vacuum_or_door_were_open_is_discarded(
    sim: SimulatedLab, happen: Callable[[SimulatedLab], None], told: str
) -> None:
    clock = Clock()
    with in_contact(sim, clock) as station:
        station.read_kernel(0, 0.1, 1, "board")
        happen(sim)
        clock.now_s += 1.0
        with pytest.raises(InterlockOpen, match=rf"down on die \(0, 0\), {told}.*discarded"):
            station.read_kernel(1, 0.1, 1, "board")
        with pytest.raises(NotInContact):
            station.read_kernel(1, 0.1, 1, "board")
    assert sim.safe
    assert sim.world.damage == []


@pytest.mark.parametrize("happen", [lose_vacuum, open_door])
def test_needles_do_not_come_down_before_it_is_put_right(sim: SimulatedLab, happen: Callable[[SimulatedLab], None]) -> None:
    with open_station(sim.lab, CountedPulseIds(), lambda: None) as station:
        station.go_to(DIE)
        happen(sim)
        with pytest.raises(MotionRefused):
            station.contact(DIE)
    assert sim.world.needles.touchdowns == 0


def test_vacuum_and_doors_are_looked_at_once_a_second(sim: SimulatedLab) -> None:
    clock = Clock()
    with in_contact(sim, clock) as station:
        asked = []
        for clock.now_s in (0.5, 0.9, 1.0, 1.5, 2.0):
            before = station.wires()["prober"]["sent"]
            with station.proven_contact():
                pass
            asked.append(station.wires()["prober"]["sent"] - before)
        assert [questions > 2 for questions in asked] == [False, False, True, False, True]


def test_a_prober_that_says_another_die_than_it_was_sent_to_is_not_believed(sim: SimulatedLab) -> None:
    with open_station(sim.lab, CountedPulseIds(), lambda: None) as station:
        prober = station._instruments.prober
        here = prober.go_to_die(0, 0)
        prober.go_to_die = lambda x, y: here
        with pytest.raises(WrongDie, match=r"sent to die \(-1, 0\), the prober reads back \(0, 0\), separated"):
            station.go_to((-1, 0))
