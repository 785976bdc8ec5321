"""The queue and the life of a run."""

import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hil.model.runs import ENDED, TRANSITIONS, IllegalTransition, RunState
from hil.store.errors import KeyConflict, NotFound
from hil.store.protocol import Store
from tests.hil.store.conftest import PLAN, HandClock, queued, running, steps

QUEUED, RUNNING, PAUSED, FAILED, ABORTED = RunState.QUEUED, RunState.RUNNING, RunState.PAUSED, RunState.FAILED, RunState.ABORTED


def test_a_submitted_run_is_queued_with_its_steps(store: Store) -> None:
    run = queued(store, 3)
    assert (run.state, run.done, run.total, run.unit, run.requested_by) == (QUEUED, 0, 3, "kernel", "anna")
    assert store.steps(run.id) == steps(3)
    assert store.run(run.id) == run


def test_the_queue_is_first_in_first_out(store: Store) -> None:
    first, second = queued(store), queued(store)
    assert store.next_queued() == first
    store.set_state(first.id, RUNNING)
    assert store.next_queued() == second


def test_a_resumed_run_goes_before_all_others(store: Store) -> None:
    first, second = running(store), queued(store)
    store.set_state(first.id, PAUSED)
    assert store.next_queued() == second
    store.want(first.id, "resume")
    head = store.next_queued()
    assert head is not None
    assert head.id == first.id


def test_a_failed_run_holds_the_queue_until_it_is_released(store: Store) -> None:
    failed, waiting = running(store), queued(store)
    store.set_state(failed.id, FAILED, "smu: no answer")
    assert store.next_queued() is None
    assert store.station().held == f"run {failed.id} failed: smu: no answer"
    store.release_queue("bob")
    assert store.next_queued() == waiting


def test_nothing_is_taken_from_the_queue_while_the_emergency_stop_is_latched(store: Store) -> None:
    run = queued(store)
    store.latch_estop("bob", "smoke")
    assert store.next_queued() is None
    store.clear_estop("bob")
    assert store.next_queued() == run


def test_runs_are_listed_newest_first_in_pages(store: Store) -> None:
    ids = [queued(store).id for _ in range(5)]
    first = store.runs(limit=2)
    second = store.runs(limit=2, before=first[-1].id)
    assert [run.id for run in first + second] == ids[:0:-1]


def test_a_run_that_does_not_exist_is_named(store: Store) -> None:
    for call in (store.run, store.steps, store.delete_queued, lambda run: store.want(run, "abort")):
        with pytest.raises(NotFound, match="r77"):
            call("r77")


def test_only_a_queued_run_can_be_deleted(store: Store) -> None:
    run = queued(store)
    store.delete_queued(run.id)
    with pytest.raises(NotFound):
        store.run(run.id)
    assert store.events()[-1].payload == {"run": run.id, "state": "deleted", "error": None}
    with pytest.raises(IllegalTransition, match="is running"):
        store.delete_queued(running(store).id)


def test_the_same_key_and_body_give_the_same_run(store: Store) -> None:
    first = store.submit(PLAN, "hash", steps(), "kernel", "anna", ("key", "body"))
    assert store.submit(PLAN, "hash", steps(), "kernel", "anna", ("key", "body")).id == first.id
    assert len(store.runs()) == 1


def test_the_same_key_with_another_body_is_refused(store: Store) -> None:
    run = store.submit(PLAN, "hash", steps(), "kernel", "anna", ("key", "body"))
    with pytest.raises(KeyConflict, match=run.id):
        store.submit(PLAN, "hash", steps(), "kernel", "anna", ("key", "other"))


def test_threads_that_race_with_one_key_make_one_run(store: Store) -> None:
    made: list[str] = []
    barrier = threading.Barrier(8)

    def submit() -> None:
        barrier.wait()
        made.append(store.submit(PLAN, "hash", steps(), "kernel", "anna", ("key", "body")).id)

    threads = [threading.Thread(target=submit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 8
    assert len(set(made)) == 1
    assert len(store.runs()) == 1


def test_deleting_a_queued_run_frees_its_key(store: Store) -> None:
    first = store.submit(PLAN, "hash", steps(), "kernel", "anna", ("key", "body"))
    store.delete_queued(first.id)
    assert store.submit(PLAN, "hash", steps(), "kernel", "anna", ("key", "body")).id != first.id


def test_a_wish_for_a_running_run_waits_for_the_worker(store: Store) -> None:
    run = running(store)
    assert store.want(run.id, "pause").wanted == "pause"
    assert store.want(run.id, "resume").wanted is None
    assert store.want(run.id, "abort").wanted == "abort"
    assert store.want(run.id, "pause").wanted == "abort", "an abort is not taken back"
    assert store.set_state(run.id, ABORTED).wanted is None


@pytest.mark.parametrize("ended", [RunState.PAUSED, RunState.INTERRUPTED])
def test_an_abort_granted_after_the_workers_last_look_is_not_lost(store: Store, ended: RunState) -> None:
    run = running(store)
    store.want(run.id, "pause")
    store.want(run.id, "abort")
    assert store.set_state(run.id, ended).state is ABORTED


def test_while_a_run_is_paused_only_its_wafer_is_measured(store: Store) -> None:
    paused = running(store)
    store.set_state(paused.id, RunState.PAUSED)
    other = store.submit({**PLAN, "wafer": "W2"}, "hash", steps(), "kernel", "anna")
    assert store.next_queued() is None
    same = queued(store)
    assert store.next_queued() == same
    store.want(same.id, "abort")
    store.want(paused.id, "abort")
    head = store.next_queued()
    assert head is not None
    assert head.id == other.id


def test_an_unknown_wish_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="'dance'"):
        store.want(running(store).id, "dance")


def test_runs_left_running_become_interrupted_and_can_be_resumed(store: Store) -> None:
    lost, waiting = running(store), queued(store)
    assert [run.id for run in store.interrupt_running()] == [lost.id]
    assert store.run(lost.id).state is RunState.INTERRUPTED
    assert store.run(waiting.id).state is QUEUED
    assert store.want(lost.id, "resume").state is QUEUED
    assert store.interrupt_running() == []


def test_times_are_kept_across_a_pause(store: Store, clock: HandClock) -> None:
    run = running(store)
    clock.advance(10)
    store.set_state(run.id, PAUSED)
    assert store.run(run.id).ended_at is None
    store.want(run.id, "resume")
    clock.advance(10)
    store.set_state(run.id, RUNNING)
    ended = store.set_state(run.id, RunState.FINISHED)
    assert (ended.started_at, ended.ended_at) == ("2026-01-02T03:04:05.000Z", "2026-01-02T03:04:25.000Z")


def test_wires_are_kept_with_the_run(store: Store) -> None:
    run = running(store)
    store.set_wires(run.id, {"smu": {"unit": "SCPI messages", "sent": 3}})
    assert store.run(run.id).wires == {"smu": {"unit": "SCPI messages", "sent": 3}}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.sampled_from(list(RunState)), max_size=8))
def test_the_store_allows_exactly_the_transitions_of_the_table(store: Store, changes: list[RunState]) -> None:
    run_id, state = queued(store, 1).id, QUEUED
    for wanted in changes:
        if wanted in TRANSITIONS[state]:
            state = store.set_state(run_id, wanted).state
            assert state is wanted
        else:
            with pytest.raises(IllegalTransition, match=run_id):
                store.set_state(run_id, wanted)
        assert store.run(run_id).state is state
        assert (store.run(run_id).ended_at is not None) == (state in ENDED)


ENDINGS = {"take": RUNNING, "end": RunState.FINISHED, "obey": RunState.PAUSED}
"""What the worker does of its own accord; "obey": it saw a pause."""


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wishes=st.lists(st.sampled_from(["pause", "resume", "abort", "take", "end", "obey"]), max_size=8))
def test_no_order_of_wishes_brings_a_run_where_the_table_does_not(store: Store, wishes: list[str]) -> None:
    run_id = queued(store, 1).id
    for wish in wishes:
        before = store.run(run_id).state
        try:
            if wish in ENDINGS:
                store.set_state(run_id, ENDINGS[wish])
            else:
                store.want(run_id, wish)
        except IllegalTransition:
            assert store.run(run_id).state is before
        after = store.run(run_id).state
        assert after is before or after in TRANSITIONS[before]
