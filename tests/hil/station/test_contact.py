"""Contact on the simulated lab: proven by the SMU, retried within the budget, and never with anything driven."""

import pytest

from drivers.errors import MotionRefused
from drivers.smu.values import SourceSettings
from hil.station.errors import CardSpent, CleaningDue, ContactFailed, NotInContact, TouchdownsSpent
from hil.station.station import open_station
from hil.station.touchdowns import NeedleLogInMemory
from hil.store.errors import Unwritable
from tests.support.simulated_lab import CountedPulseIds, SimulatedLab

DIE = (0, 0)


class Stop(Exception):
    pass


def opened(sim: SimulatedLab, checkpoint=lambda: None, **limits: float):
    return open_station(sim.with_limits(**limits), CountedPulseIds(), checkpoint)


def touch(station, die=DIE):
    station.go_to(die)
    return station.contact(die)


def test_a_good_contact_takes_one_touchdown_and_is_measured_through_the_pads(sim: SimulatedLab):
    with opened(sim) as station:
        result = touch(station)
        assert result.touchdowns == 1
        assert result.ohms == pytest.approx(sim.world.needles.contact_ohms(), rel=0.02)
        assert sim.world.die_in_contact == DIE
        assert not sim.smu.output
    assert sim.world.damage == []


def test_nothing_is_driven_while_the_needles_go_down_or_up(sim: SimulatedLab):
    with opened(sim) as station:
        touch(station)
        sim.world.events.clear()
        touch(station, (-1, 0))
    events = sim.world.events
    for motion in ("needles up", "needles down"):
        before = events[: events.index(motion)]
        assert "output off" in before, "the SMU is off first"
        assert before.index("output off") < before.index("isolated") < len(before), "then everything is isolated"
    driven = [index for index, event in enumerate(events) if event in ("output on", "pads", "junction")]
    down, up = events.index("needles down"), len(events) - 1 - events[::-1].index("needles up")
    assert all(down < index < up for index in driven)
    assert "output off" in events[max(index for index in driven) : up]


def test_dirty_needles_are_tried_again_then_with_overtravel_and_then_it_is_no_contact(sim: SimulatedLab):
    sim.world.needles.dirt_ohms = 20_000.0
    with opened(sim) as station:
        with pytest.raises(
            ContactFailed, match=r"no contact on die \(0, 0\): 40(\.\d)? kOhm after 3 touchdowns, limit 1 kOhm; clean the probe card"
        ) as failure:
            touch(station)
        assert failure.value.touchdowns == sim.world.needles.touchdowns == 3
        assert failure.value.finding == "high resistance"
        assert sim.safe
        with pytest.raises(NotInContact):
            station.read_kernel(0, 0.1, 1, "board")
    assert sim.world.damage == []


def test_overtravel_comes_after_two_touches_and_is_taken_back_for_the_next_die(sim: SimulatedLab):
    with opened(sim, contact_ohms=5.0) as station:
        result = touch(station)
        assert (result.touchdowns, result.overtravel_um) == (3, 20.0)
        assert result.ohms < 5.0
        assert sim.prober.chuck.overtravel_on
        touch(station, (-1, 0))
    assert sim.world.touchdowns_um == pytest.approx([0.0, 0.0, 20.0] * 2)
    assert sim.world.damage == []


@pytest.mark.parametrize("leave", ["go on", "no contact", "make safe", "emergency", "close"])
def test_overtravel_of_the_ladder_is_off_again_however_the_die_is_left(sim: SimulatedLab, leave: str):
    with opened(sim, contact_ohms=1e-3 if leave == "no contact" else 5.0) as station:
        if leave == "no contact":
            with pytest.raises(ContactFailed, match="after 3 touchdowns"):
                touch(station)
        else:
            touch(station)
            assert sim.prober.chuck.overtravel_on
        {"go on": lambda: station.go_to((-1, 0)), "make safe": station.make_safe, "emergency": station.emergency_stop}.get(leave, int)()
        assert sim.prober.chuck.overtravel_on is (leave == "close")
    assert not sim.prober.chuck.overtravel_on
    assert not sim.world.needles.touching


def test_overtravel_that_a_crash_left_on_is_off_before_the_next_touchdown(sim: SimulatedLab):
    needles = NeedleLogInMemory()
    crashed = open_station(sim.with_limits(contact_ohms=5.0), CountedPulseIds(), lambda: None, needles)
    touch(crashed)
    crashed._instruments.close()
    assert sim.prober.chuck.overtravel_on
    with open_station(sim.lab, CountedPulseIds(), lambda: None, needles) as station:
        assert touch(station).overtravel_um == 0.0
    assert not sim.prober.chuck.overtravel_on


def test_a_disk_that_takes_nothing_keeps_no_needle_down_and_lets_none_come_down(sim: SimulatedLab):
    class Full(NeedleLogInMemory):
        full = False

        def lend_overtravel(self, on: bool) -> None:
            self._require_room()
            super().lend_overtravel(on)

        def book(self, die, attempt: int) -> int:
            self._require_room()
            return super().book(die, attempt)

        def _require_room(self) -> None:
            if self.full:
                raise Unwritable("disk full")

    needles = Full()
    with open_station(sim.with_limits(contact_ohms=5.0), CountedPulseIds(), lambda: None, needles) as station:
        touch(station)
        needles.full = True
        assert station.make_safe() == {"smu": "safe", "crossbar": "safe", "prober": "safe"}
        made = sim.world.needles.touchdowns
        with pytest.raises(Unwritable):
            touch(station)
        assert sim.world.needles.touchdowns == made


def test_overtravel_that_was_on_before_is_nobodys_to_switch_off(sim: SimulatedLab):
    sim.prober.chuck.overtravel_on = True
    with opened(sim) as station:
        assert touch(station).overtravel_um == 20.0
    assert sim.prober.chuck.overtravel_on


def test_overtravel_beyond_the_labs_limit_is_not_a_rung(sim: SimulatedLab):
    with opened(sim, contact_ohms=5.0, overtravel_um=10.0) as station:
        with pytest.raises(ContactFailed, match="after 2 touchdowns"):
            touch(station)
        assert not sim.prober.chuck.overtravel_on


def test_the_prober_itself_does_not_touch_while_the_output_is_on(sim: SimulatedLab):
    with opened(sim) as station:
        station.go_to(DIE)
        station._instruments.smu.configure(SourceSettings(limit_amps=1e-3, limit_volts=0.1))
        station._instruments.smu.output_on()
        with pytest.raises(MotionRefused, match="the SMU's output is not verified off"):
            station._instruments.prober.contact()
        assert sim.world.needles.touchdowns == 0
        station._instruments.prober.separate()


def test_dirty_needles_are_cleaned_where_the_lab_lets_the_prober_do_that(sim: SimulatedLab):
    sim.world.needles.dirt_ohms = 20_000.0
    with opened(sim, cleanings_per_wafer=1) as station:
        result = touch(station)
        assert (result.touchdowns, sim.world.die_in_contact) == (4, DIE)
        sim.world.needles.dirt_ohms = 20_000.0
        with pytest.raises(ContactFailed, match="after 3 touchdowns"):
            touch(station, (-1, 0))
    assert sim.world.damage == []


def test_needles_that_touch_nothing_are_not_cleaned_for_that(sim: SimulatedLab):
    sim.prober.chuck.heights.contact_um = sim.world.needles.contact_z_um - 100.0
    cleaned: list[bool] = []
    sim.world.needles.clean = lambda: cleaned.append(True)
    with opened(sim, cleanings_per_wafer=1) as station, pytest.raises(ContactFailed):
        touch(station)
    assert not cleaned


def test_needles_are_cleaned_when_it_is_due_before_they_come_down_again(sim: SimulatedLab):
    with opened(sim, cleanings_per_wafer=2, touchdowns_per_cleaning=2) as station:
        for _ in range(4):
            touch(station)
            sim.world.needles.dirt_ohms += 100.0
        assert sim.world.needles.dirt_ohms < 300.0
        touch(station)
        touch(station)
        with pytest.raises(CleaningDue, match=r"2 touchdowns since they were cleaned, limit 2 .*`hil card cleaned`"):
            touch(station)
        assert sim.safe


def test_a_card_at_its_end_is_not_let_down_again(sim: SimulatedLab):
    with opened(sim, touchdowns_per_card=2) as station:
        touch(station)
        touch(station, (-1, 0))
        with pytest.raises(CardSpent, match=r"2 touchdowns, limit 2 \(limits.touchdowns_per_card\); .*`hil card new`"):
            touch(station)
        assert sim.safe
        assert sim.world.needles.touchdowns == 2


def test_needles_that_touch_nothing_are_open(sim: SimulatedLab):
    sim.prober.chuck.heights.contact_um = sim.world.needles.contact_z_um - 100.0
    with opened(sim) as station, pytest.raises(ContactFailed, match=r"open after 3 touchdowns.*check the contact height") as failure:
        touch(station)
    assert failure.value.finding == "open"


def test_the_budget_of_touchdowns_ends_the_ladder_and_holds_for_the_die(sim: SimulatedLab):
    needles = NeedleLogInMemory()
    needles.at("W1", None)
    with open_station(sim.with_limits(touchdowns_per_die=2), CountedPulseIds(), lambda: None, needles) as station:
        touch(station)
        touch(station)
        with pytest.raises(TouchdownsSpent, match=r"die \(0, 0\): 2 touchdowns made, limit 2"):
            touch(station)
        assert sim.safe
        touch(station, (-1, 0))
        needles.at("W2", None)
        touch(station)


def test_touchdowns_of_an_earlier_station_count(sim: SimulatedLab):
    needles = NeedleLogInMemory()
    for _ in range(2):
        with open_station(sim.with_limits(touchdowns_per_die=2), CountedPulseIds(), lambda: None, needles) as station:
            touch(station)
    with (
        open_station(sim.with_limits(touchdowns_per_die=2), CountedPulseIds(), lambda: None, needles) as station,
        pytest.raises(TouchdownsSpent, match="2 touchdowns made, limit 2"),
    ):
        touch(station)


def test_touchdowns_that_somebody_else_makes_count_for_the_card(sim: SimulatedLab):
    with opened(sim, touchdowns_per_card=4) as station:
        touch(station)
        station.make_safe()
        for _ in range(3):
            sim.world.touch(DIE)
            sim.world.lift()
        with pytest.raises(CardSpent, match="4 touchdowns"):
            touch(station)


@pytest.mark.parametrize("made", [1, 2, 3])
def test_a_ladder_that_is_cut_short_loses_no_touchdown(sim: SimulatedLab, made: int):
    sim.world.needles.dirt_ohms = 20_000.0
    needles = NeedleLogInMemory()

    def stop() -> None:
        if sim.world.needles.touchdowns == made:
            raise Stop

    limits = sim.with_limits(cleanings_per_wafer=1, contact_ohms=1e-3)
    with pytest.raises(Stop), open_station(limits, CountedPulseIds(), stop, needles) as station:
        touch(station)
    assert needles.wear(DIE).on_die == sim.world.needles.touchdowns == made
    assert sim.safe


def test_a_refused_contact_spends_no_touchdown(sim: SimulatedLab):
    with opened(sim, touchdowns_per_die=1) as station:
        sim.prober.doors_closed = False
        with pytest.raises(MotionRefused, match="door is open"):
            touch(station)
        sim.prober.doors_closed = True
        touch(station)


def test_contact_on_another_die_than_the_one_under_the_needles_is_refused(sim: SimulatedLab):
    with opened(sim) as station:
        station.go_to((0, 0))
        with pytest.raises(NotInContact, match=r"die \(-1, 0\) asked for, the prober stands on \(0, 0\)"):
            station.contact((-1, 0))
        assert sim.world.needles.touchdowns == 0


def test_a_stop_between_touchdowns_leaves_what_make_safe_can_make_safe(sim: SimulatedLab):
    sim.world.needles.dirt_ohms = 20_000.0
    calls: list[int] = []

    def stop_at_the_third_checkpoint() -> None:
        calls.append(sim.world.needles.touchdowns)
        if sim.world.needles.touchdowns == 1:
            raise Stop

    with pytest.raises(Stop), opened(sim, stop_at_the_third_checkpoint) as station:
        touch(station)
    assert calls[-1] == 1
    assert sim.safe
