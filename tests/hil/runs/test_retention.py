"""Retention runs on a simulated lab whose time the test turns: schedule, rest in between, stopping and going on, what the maps tell."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firmware_protocol.codes import Route
from hil.analysis.retention import analyse_retention
from hil.analysis.retention_states import History
from hil.model.plans import RetentionPlan, route
from hil.model.refusals import PlanRefused, check_plan
from hil.model.runs import ContactMade, Event, MapMeasured, ObjectMeasured, StepMeasured, Waiting
from hil.runs.execute import execute
from hil.runs.submit import dry_run, expand
from hil.station.station import Station
from hil.store.protocol import Store
from simulator.physics.fab import PRESETS
from tests.hil.runs.helpers import context_of, opened, plan_of
from tests.hil.runs.simulated_lab import SimulatedLab

HOME = (0, 0)
BEGAN = datetime(2026, 1, 2, tzinfo=UTC)
LOOSE = replace(PRESETS["clean"], stability=24.0)
"""An array that forgets within the hour."""


@dataclass
class Clock:
    """The test's time: of the lab, and of the service."""

    seconds: float = 0.0
    waits: list[float] = field(default_factory=list[float])

    def ns(self) -> int:
        return int(self.seconds * 1e9)

    def now(self) -> datetime:
        return BEGAN + timedelta(seconds=self.seconds)

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.seconds += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lab(tmp_path: Path, clock: Clock) -> Iterator[SimulatedLab]:
    with SimulatedLab(tmp_path, fab=LOOSE, age_ns=clock.ns) as running:
        yield running


def retention(**fields: Any) -> RetentionPlan:
    asked = {"kind": "retention", "dies": [HOME], "kernels": [0, 1], "interval_s": 10.0, "count": 4, **fields}
    plan = plan_of(**asked)
    assert isinstance(plan, RetentionPlan)
    return plan


def events_of(plan: RetentionPlan, station: Station, clock: Clock, done: Any = None, **stored: Any) -> Iterator[Event]:
    """As the conductor pulls them; where it would wait, the clock is turned."""
    context = replace(context_of(station.lab, plan, **stored), now=clock.now, monotonic=lambda: clock.seconds)
    for event in execute(plan, station, context, done or {}):
        if isinstance(event, Waiting):
            clock.wait(event.seconds)
        else:
            yield event


def maps_of(events: list[Event]) -> list[Any]:
    return [event.map for event in events if isinstance(event, MapMeasured)]


def test_the_kernels_are_read_once_every_interval_and_each_map_tells_when(lab: SimulatedLab, store: Store, clock: Clock) -> None:
    with opened(lab.config, store) as station:
        maps = maps_of(list(events_of(retention(write="P"), station, clock)))
    assert [each.meta["round"] for each in maps] == [0, 1, 2, 3]
    assert [each.meta["elapsed_s"] for each in maps] == pytest.approx([0, 10, 20, 30])
    assert clock.waits == pytest.approx([10, 10, 10])
    assert all(each.state == "as_found" and each.meta["written"] == "P" and each.meta["interval_s"] == 10 for each in maps)
    assert maps[1].meta["elapsed_s_of_kernels"] == [pytest.approx(10), pytest.approx(10), None, None]
    assert np.isfinite(maps[2].siemens[:2]).all() and np.isnan(maps[2].siemens[2:]).all()
    assert lab.is_safe()


def test_the_schedule_does_not_drift_and_a_missed_slot_is_not_made_up_for(lab: SimulatedLab, store: Store, clock: Clock) -> None:
    plan = retention(count=5, kernels=[0])
    with opened(lab.config, store) as station:
        times: list[float] = []
        for event in events_of(plan, station, clock):
            if isinstance(event, MapMeasured):
                times.append(clock.seconds)
                # A reading that takes two seconds, and once one that takes longer than the interval.
                clock.seconds += 17.0 if len(times) == 3 else 2.0
    assert times == pytest.approx([0, 10, 20, 37, 50])


def test_the_needles_stay_down_in_a_short_pause_with_everything_off(lab: SimulatedLab, store: Store, clock: Clock) -> None:
    seen: list[tuple[bool, Any, bool]] = []
    real = clock.wait

    def look(seconds: float) -> None:
        seen.append((lab.world.output_on, lab.world.selected, lab.world.needles.touching))
        real(seconds)

    clock.wait = look  # type: ignore[method-assign]
    with opened(lab.config, store) as station:
        events = list(events_of(retention(lift_after_s=60.0), station, clock))
    assert len([event for event in events if isinstance(event, ContactMade)]) == 1
    assert seen == [(False, (Route.NONE, None), True)] * 3


def test_the_needles_are_up_in_a_long_pause(lab: SimulatedLab, store: Store, clock: Clock) -> None:
    seen: list[bool] = []
    real = clock.wait

    def look(seconds: float) -> None:
        seen.append(lab.is_safe())
        real(seconds)

    clock.wait = look  # type: ignore[method-assign]
    with opened(lab.config, store) as station:
        events = list(events_of(retention(interval_s=3600.0), station, clock))
    assert len([event for event in events if isinstance(event, ContactMade)]) == 4
    assert seen == [True] * 3


def test_several_dies_are_read_in_turn_in_every_round(lab: SimulatedLab, store: Store, clock: Clock) -> None:
    plan = retention(dies="all", kernels=[3], count=3)
    with opened(lab.config, store) as station:
        measured = [event for event in events_of(plan, station, clock) if isinstance(event, MapMeasured)]
    assert [(event.die, event.map.meta["round"]) for event in measured] == [
        (die, number) for number in range(3) for die in route(plan, lab.config)
    ]
    assert len(clock.waits) == 2, "the second die follows at once"


def test_what_is_left_as_it_is_gets_no_pulse(lab: SimulatedLab, store: Store, clock: Clock) -> None:
    with opened(lab.config, store) as station:
        before = lab.controller_pulses()
        events = list(events_of(retention(), station, clock))
        assert lab.controller_pulses() == before
    assert not [event for event in events if isinstance(event, ObjectMeasured)]


def test_a_state_that_is_written_is_there_and_the_other_is_kept_beside_it(lab: SimulatedLab, store: Store, clock: Clock) -> None:
    with opened(lab.config, store) as station:
        events = list(events_of(retention(write="AP", kernels=[1], count=1), station, clock))
    (other,) = [event for event in events if isinstance(event, ObjectMeasured)]
    assert other.name == "retention_other" and other.array.dtype == np.float32
    ap = maps_of(events)[0].siemens[1]
    assert (other.array[1] > 1.3 * ap).mean() > 0.99
    assert np.isnan(other.array[0]).all()


def test_a_run_that_was_stopped_goes_on_with_the_next_reading_and_keeps_the_time_of_writing(
    lab: SimulatedLab, store: Store, clock: Clock
) -> None:
    plan, done, maps = retention(write="P", count=4), {}, []
    with opened(lab.config, store) as station:
        for event in events_of(plan, station, clock):
            if isinstance(event, StepMeasured):
                done[event.step.index] = dict(event.arrays)
                if event.step.index == 2:
                    break
            if isinstance(event, MapMeasured):
                maps.append(event.map)
        assert lab.controller_pulses() > 0
        clock.seconds += 100.0
        before = lab.controller_pulses()
        rest = list(events_of(plan, station, clock, done, touched={HOME}, stored={(HOME, "round 0"): "m", (HOME, "retention_other"): "o"}))
        assert lab.controller_pulses() == before, "nothing is written again"
    assert [event.step.index for event in rest if isinstance(event, StepMeasured)] == [3, 4, 5, 6, 7]
    found = maps_of(rest)
    assert [each.meta["round"] for each in found] == [1, 2, 3]
    assert found[0].meta["elapsed_s_of_kernels"][:2] == pytest.approx([10, 110]), "kernel 0 before the stop, kernel 1 after it"
    assert [each.meta["elapsed_s"] for each in found[1:]] == pytest.approx([110, 120]), "overdue at once, then on the grid again"


def test_the_wall_clock_set_meanwhile_changes_no_elapsed_time(lab: SimulatedLab, store: Store, clock: Clock) -> None:
    plan = retention(count=3, kernels=[0])
    with opened(lab.config, store) as station:
        context = replace(context_of(lab.config, plan), monotonic=lambda: clock.seconds, now=clock.now)
        set_by = iter([0, *[7200] * 100])
        context = replace(context, now=lambda: clock.now() + timedelta(seconds=next(set_by)))
        maps = []
        for event in execute(plan, station, context, {}):
            if isinstance(event, Waiting):
                clock.wait(event.seconds)
            if isinstance(event, MapMeasured):
                maps.append(event.map)
    assert [each.meta["elapsed_s"] for each in maps] == pytest.approx([0, 10, 20])


def test_the_readings_give_back_the_stability_of_the_array(lab: SimulatedLab, store: Store, clock: Clock) -> None:
    plan = retention(write="P", kernels="all", count=6, interval_s=8.0)
    with opened(lab.config, store) as station:
        events = list(events_of(plan, station, clock))
    maps = maps_of(events)
    other = next(event.array for event in events if isinstance(event, ObjectMeasured))
    siemens = np.stack([each.siemens for each in maps]).astype(np.float64)
    elapsed = np.array([each.meta["elapsed_s_of_kernels"] for each in maps], dtype=np.float64)
    found = analyse_retention([History(siemens, elapsed, siemens[0], other.astype(np.float64), temperature_c=25.0)])
    truth = lab.world.wafer.die(HOME).junctions.stability.mean()
    assert found.stability.mean == pytest.approx(truth, rel=0.05)
    assert found.stability.low is not None and found.stability.high is not None
    assert found.stability.low < truth < found.stability.high


def test_a_dry_run_tells_rounds_touchdowns_and_how_long_it_takes(lab: SimulatedLab, store: Store) -> None:
    would = dry_run(store, lab.config, retention(interval_s=3600.0, count=10))
    assert (would["steps"], would["touchdowns"], would["pulses_per_junction_at_most"]) == (20, 10, 0)
    assert would["duration_s"] == pytest.approx(9 * 3600, rel=0.01)
    assert dry_run(store, lab.config, retention(write="P"))["touchdowns"] == 1
    assert dry_run(store, lab.config, retention(write="P"))["pulses_per_junction_at_most"] == 10


def test_more_steps_than_a_run_may_have_are_refused_with_value_and_limit(lab: SimulatedLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hil.model.refusals.MOST_STEPS", 100)
    check_plan(retention(count=50), lab.config)
    with pytest.raises(PlanRefused, match="51 rounds of 1 dies with 2 kernels are 102 steps, above 100") as refused:
        check_plan(retention(count=51), lab.config)
    assert (refused.value.field, refused.value.limit) == ("count", 50)
    assert len(expand(retention(count=3), lab.config)) == 6
