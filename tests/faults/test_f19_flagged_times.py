"""Fault 19, the service's side: durations follow the monotonic clock, and times kept after the wall's clock was set say so."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from hil.model.runs import RunState
from hil.runs.bench import Bench
from hil.runs.clock import TOLERANCE_S, WallClock
from hil.runs.conduct import Conductor
from hil.runs.stops import Stops
from hil.runs.submit import submit_plan
from hil.store.protocol import Store
from hil.store.records import RunRecord
from tests.hil.runs.helpers import plan_of
from tests.hil.runs.simulated_lab import SimulatedLab

HOUR_S = 3600.0


class Clocks:
    """Two clocks that go together, a tenth of a second at each look, until somebody sets the wall's."""

    def __init__(self) -> None:
        self.seconds, self.set_by_s = 1000.0, 0.0

    def monotonic(self) -> float:
        self.seconds += 0.1
        return self.seconds

    def now(self) -> datetime:
        return datetime(2026, 11, 22, tzinfo=UTC) + timedelta(seconds=self.monotonic() + self.set_by_s)


def perform(lab: SimulatedLab, store: Store, clocks: Clocks, run: RunRecord, watch: Callable[[], None] = lambda: None) -> RunRecord:
    """One session of the run. watch: called at every checkpoint."""

    class Watching(Stops):
        def checkpoint(self) -> None:
            watch()
            super().checkpoint()

    stops = Watching(store, os.getppid())
    bench = Bench(lab.config, store, stops)
    try:
        Conductor(lab.config, store, bench, stops, clocks.now, clocks.monotonic).perform(run)
    finally:
        bench.leave()
    return store.run(run.id)


def notes(store: Store, run: RunRecord) -> list[dict[str, object]]:
    told = [event.payload for event in store.events(run_id=run.id, limit=5000) if event.kind == "noted"]
    return [payload for payload in told if payload["note"] == "clock stepped"]


def flags(store: Store, run: RunRecord) -> list[bool]:
    return ["clock_stepped" in record.meta for record in store.maps_of_run(run.id)]


@pytest.mark.parametrize("step_s", [HOUR_S, -HOUR_S])
def test_f19_maps_measured_after_the_clock_was_set_say_so_and_how_long_they_took_stays_true(
    lab: SimulatedLab, store: Store, step_s: float
) -> None:
    clocks, run = Clocks(), submit_plan(store, lab.config, plan_of(kind="characterise"), "anna")

    def set_it() -> None:
        if store.run(run.id).done == 5:
            clocks.set_by_s = step_s

    assert perform(lab, store, clocks, run, set_it).state is RunState.FINISHED
    (told,) = notes(store, run)
    assert told["data"] == {"seconds": pytest.approx(step_s, abs=0.5)}
    assert f"set by {step_s:+.0f} s" in str(told["text"])
    assert flags(store, run) == [False] * 3 + [True] * 3, "the first die was done before"
    assert all(record.meta["clock_stepped"] for record in store.maps_of_run(run.id)[3:])
    assert all(0 < record.meta["duration_s"] < 100 for record in store.maps_of_run(run.id))


def test_f19_a_run_that_was_paused_keeps_the_flag_when_it_goes_on(lab: SimulatedLab, store: Store) -> None:
    clocks, run = Clocks(), submit_plan(store, lab.config, plan_of(kind="read"), "anna")

    def set_it_and_pause() -> None:
        if store.run(run.id).done == 2:
            clocks.set_by_s = HOUR_S
        if store.run(run.id).done == 3:
            store.want(run.id, "pause")

    assert perform(lab, store, clocks, run, set_it_and_pause).state is RunState.PAUSED
    store.want(run.id, "resume")
    assert perform(lab, store, clocks, store.run(run.id)).state is RunState.FINISHED
    assert (len(notes(store, run)), flags(store, run)) == (1, [True, True])


def test_f19_clocks_that_go_together_flag_nothing(lab: SimulatedLab, store: Store) -> None:
    clocks, run = Clocks(), submit_plan(store, lab.config, plan_of(kind="read"), "anna")
    assert perform(lab, store, clocks, run).state is RunState.FINISHED
    assert (notes(store, run), flags(store, run)) == ([], [False, False])


@pytest.mark.parametrize("by_s", [TOLERANCE_S - 0.1, TOLERANCE_S + 0.1, -TOLERANCE_S - 0.1])
def test_f19_a_step_counts_from_two_seconds_on_and_slow_drift_never_does(by_s: float) -> None:
    wall, at = datetime(2026, 1, 1, tzinfo=UTC), 50.0

    def now() -> datetime:
        return wall

    clock = WallClock(now, lambda: at)
    for _ in range(1000):
        wall, at = wall + timedelta(seconds=10.05), at + 10.0
        assert not clock.stepped()
    wall += timedelta(seconds=by_s)
    assert clock.stepped() == (abs(by_s) > TOLERANCE_S)
    assert clock.news() == (pytest.approx(by_s, abs=0.01) if clock.stepped() else None)
    assert clock.news() is None, "told once"
