"""Runs within their budgets of touchdowns: rehearsed, resumed die by die, ended by a card that is worn, with nothing lost by a restart."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hil.model.plans import route
from hil.model.runs import ContactMade, RunState, StepMeasured
from hil.runs.execute import execute
from hil.store.protocol import Store
from hil.store.records import RunRecord
from tests.hil.runs.helpers import context_of, opened, plan_of
from tests.hil.runs.simulated_lab import SimulatedLab
from tests.hil.runs.threads import Service
from tests.support.waiting import until


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[SimulatedLab]:
    with SimulatedLab(tmp_path, dies=4) as running:
        yield running


def told(store: Store, run: RunRecord, kind: str) -> list[dict[str, Any]]:
    return [event.payload for event in store.events(run_id=run.id, limit=10_000) if event.kind == kind]


# --- rehearsing
def test_a_rehearsal_visits_every_die_of_the_route_and_touches_none(lab: SimulatedLab, store: Store) -> None:
    plan = plan_of(kind="rehearse")
    seen: list[tuple[int, int] | None] = []
    with opened(lab.config, store) as station:
        for event in execute(plan, station, context_of(lab.config, plan), {}):
            assert isinstance(event, StepMeasured)
            seen.append(lab.world.needles.die_below)
            assert not lab.world.needles.touching
    assert seen == list(route(plan, lab.config))
    assert lab.world.needles.touchdowns == 0
    assert store.card().touchdowns == 0


def test_a_rehearsal_counts_dies_and_leaves_no_map(lab: SimulatedLab, store: Store) -> None:
    with Service(lab.config, store) as service:
        run = service.ended(service.submit(plan_of(kind="rehearse")))
    assert (run.state, run.done, run.total, run.unit) == (RunState.FINISHED, 4, 4, "die")
    assert [step["done"] for step in told(store, run, "step")] == [1, 2, 3, 4]
    assert store.maps_of_run(run.id) == []
    assert told(store, run, "contact") == []


# --- going on
def test_a_resumed_run_does_not_touch_the_dies_that_are_done(lab: SimulatedLab, store: Store) -> None:
    plan = plan_of(kind="contact_check")
    with opened(lab.config, store) as station:
        events = execute(plan, station, context_of(lab.config, plan), {})
        done = [event.step for event in events if isinstance(event, StepMeasured)][:2]
    lab.world.needles.wear.of_die.clear()
    with opened(lab.config, store) as station:
        rest = list(execute(plan, station, context_of(lab.config, plan), {step.index: {} for step in done}))
    touched = {event.die for event in rest if isinstance(event, ContactMade)}
    assert touched == set(lab.world.needles.touchdowns_of_die) == set(route(plan, lab.config)) - {step.die for step in done}


def test_a_run_paused_in_the_middle_goes_on_and_only_the_die_it_was_on_is_touched_again(lab: SimulatedLab, store: Store) -> None:
    with Service(lab.config, store) as service:
        run = service.submit(plan_of(kind="characterise", max_pulses=20))
        service.underway(run, 5)
        store.want(run.id, "pause")
        paused = service.reached(run, RunState.PAUSED)
    on_the_way = [] if paused.done % 4 == 0 else [store.steps(run.id)[paused.done].die]
    with Service(lab.config, store) as service:
        store.want(run.id, "resume")
        assert service.ended(run).state is RunState.FINISHED
    assert store.touchdowns("W1") == {die: 1 + (die in on_the_way) for die in lab.config.wafer.dies}
    assert store.touchdowns("W1") == lab.world.needles.touchdowns_of_die


def test_a_die_whose_budget_is_spent_is_no_contact_and_the_others_are_measured(lab: SimulatedLab, store: Store) -> None:
    tight = lab.changed(touchdowns_per_die=1)
    with Service(tight, store) as service:
        assert service.ended(service.submit(plan_of(kind="contact_check", dies=[(0, 0)]))).state is RunState.FINISHED
    with Service(tight, store) as service:
        run = service.ended(service.submit(plan_of(kind="contact_check")))
    assert (run.state, run.done) == (RunState.FINISHED, 3)
    (noted,) = told(store, run, "noted")
    assert (noted["note"], noted["data"]) == ("no contact", {"die": [0, 0], "steps_left": 1, "touchdowns_in_all": 1, "finding": None})
    assert set(store.touchdowns("W1").values()) == {1}


def test_touchdowns_of_a_ladder_that_a_stop_cuts_short_are_not_lost(lab: SimulatedLab, store: Store) -> None:
    lab.world.needles.dirt_ohms = 20_000.0
    with Service(lab.config, store) as service:
        run = service.submit(plan_of(kind="contact_check"))
        until(lambda: lab.world.needles.touchdowns > 0, 20)
    assert store.run(run.id).state in (RunState.INTERRUPTED, RunState.FAILED)
    assert store.touchdowns("W1") == lab.world.needles.touchdowns_of_die


# --- the probe card
@pytest.mark.parametrize(("limit", "advice"), [("touchdowns_per_card", "hil card new"), ("touchdowns_per_cleaning", "hil card cleaned")])
def test_worn_needles_pause_the_run_until_somebody_says_what_was_done(lab: SimulatedLab, store: Store, limit: str, advice: str) -> None:
    with Service(lab.changed(**{limit: 3}), store) as service:
        run = service.submit(plan_of(kind="contact_check"))
        paused = service.reached(run, RunState.PAUSED)
        assert paused.done == 3
        assert paused.error is not None
        assert f"limit 3 (limits.{limit})" in paused.error
        assert advice in paused.error and f"`hil resume {run.id}`" in paused.error
        assert lab.is_safe()
        store.want(run.id, "resume")
        assert service.reached(run, RunState.PAUSED).done == 3, "saying so first is what it takes"
        until(lambda: store.run(run.id).error is not None)
        if limit == "touchdowns_per_card":
            store.new_card("anna", "Q-114")
        else:
            store.card_cleaned("anna")
        store.want(run.id, "resume")
        assert service.ended(run).state is RunState.FINISHED
    assert lab.world.needles.touchdowns == 4


def test_touchdowns_at_the_panel_count_for_the_card_and_are_told(lab: SimulatedLab, store: Store) -> None:
    check = plan_of(kind="contact_check", dies=[(0, 0)])
    with Service(lab.config, store) as service:
        assert service.ended(service.submit(check)).state is RunState.FINISHED
    for _ in range(2):
        lab.world.touch((0, 0))
    lab.world.lift()
    with Service(lab.config, store) as service:
        assert service.ended(service.submit(check)).state is RunState.FINISHED
    assert (store.card().touchdowns, store.card().elsewhere) == (4, 2)
    assert lab.world.needles.touchdowns == 4
    (note,) = [event.payload for event in store.events(limit=10_000) if event.payload.get("what") == "touchdowns_elsewhere"]
    assert "2 touchdowns more than were booked here" in note["text"]


def test_the_trend_shows_each_touchdown_of_every_run_after_a_restart(lab: SimulatedLab, store: Store) -> None:
    for _ in range(2):
        with Service(lab.config, store) as service:
            run = service.ended(service.submit(plan_of(kind="contact_check", dies=[(0, 0)])))
    trend = store.contact_trend()
    assert [(each.die, each.on_die, each.on_card, each.finding) for each in trend] == [
        ((0, 0), 1, 1, "contact"),
        ((0, 0), 2, 2, "contact"),
    ]
    assert trend[-1].run == run.id
    assert trend[-1].ohms == pytest.approx(told(store, run, "contact")[0]["ohms"])


def test_a_climbed_ladder_and_a_cleaning_agree_with_the_probers_own_count(lab: SimulatedLab, store: Store) -> None:
    lab.world.needles.dirt_ohms = 20_000.0
    with Service(lab.changed(cleanings_per_wafer=1), store) as service:
        run = service.ended(service.submit(plan_of(kind="contact_check", dies=[(0, 0)])))
    assert run.state is RunState.FINISHED, run.error
    (contact,) = told(store, run, "contact")
    assert (contact["touchdowns"], contact["overtravel_um"]) == (4, 20.0)
    assert [each.finding for each in store.contact_trend()] == ["high resistance"] * 3 + ["contact"]
    card = store.card()
    assert (card.touchdowns, card.since_cleaning, card.elsewhere) == (4 + 5, 1, 0)
    assert [event for event in store.events(limit=10_000) if event.payload.get("what") == "touchdowns_elsewhere"] == []
    assert lab.world.damage == []


# --- a wafer that may have moved
def test_no_run_of_a_later_process_touches_a_wafer_that_lay_without_vacuum_before_somebody_saw_to_it(
    lab: SimulatedLab, store: Store
) -> None:
    with Service(lab.config, store) as service:
        until(lambda: store.station().snapshot.get("prober") is not None, 20)
        lab.prober.lose_vacuum()
        until(lambda: any(event.payload.get("what") == "not_aligned" for event in store.events()), 20)
    lab.prober.vacuum_lost, lab.prober.chuck.vacuum_on = False, True
    with Service(lab.config, store) as service:
        run = service.reached(service.submit(plan_of(kind="contact_check")), RunState.PAUSED, RunState.FINISHED)
        assert run.state is RunState.PAUSED
        assert "may no longer lie as it was aligned (the vacuum was seen off)" in (run.error or "")
        assert store.touchdowns("W1") == {}
        store.want(run.id, "resume")
        assert service.ended(run).state is RunState.FINISHED
        assert service.ended(service.submit(plan_of(kind="contact_check", dies=[(0, 0)]))).state is RunState.FINISHED
    assert lab.world.damage == []
