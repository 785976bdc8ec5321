"""The journal: data and announcement are one."""

import numpy as np
import pytest

from hil.model.maps import DefectMap, from_npy_bytes
from hil.model.runs import ContactMade, MapMeasured, Noted, ObjectMeasured, RunState, Step, StepMeasured
from hil.store.errors import NotFound, StoreError
from hil.store.protocol import Store
from tests.hil.store.conftest import conductance, queued, running

DIE = (-3, 0)


def test_events_are_numbered_upwards_without_gaps_for_one_writer(store: Store) -> None:
    run = running(store)
    first = store.append(run.id, ContactMade(DIE, 12.5, 1))
    second = store.append(run.id, Noted("retry", "touched again", {"ohms": 4e4}))
    assert second.number == first.number + 1 == store.last_event()
    assert first.payload == {"die": [-3, 0], "ohms": 12.5, "touchdowns": 1, "overtravel_um": 0.0}
    assert second.payload == {"note": "retry", "text": "touched again", "data": {"ohms": 4e4}}


def test_events_resume_after_a_number_and_filter_by_run(store: Store) -> None:
    one, two = running(store), running(store)
    seen = store.last_event()
    store.append(one.id, ContactMade(DIE, 1.0, 1))
    store.append(two.id, ContactMade(DIE, 2.0, 1))
    assert [event.payload["ohms"] for event in store.events(after=seen)] == [1.0, 2.0]
    assert [event.payload["ohms"] for event in store.events(after=seen, run_id=two.id)] == [2.0]
    assert len(store.events(limit=3)) == 3


def test_a_step_counts_once_and_keeps_its_arrays(store: Store) -> None:
    run = running(store, 2)
    p = np.arange(9, dtype=np.float32).reshape(3, 3)
    event = store.append(run.id, StepMeasured(Step(1, DIE, 1), {"p": p}, flagged=4))
    assert event.payload == {"index": 1, "die": [-3, 0], "kernel": 1, "flagged": 4, "done": 1, "total": 2}
    done = store.steps_done(run.id)
    assert list(done) == [1]
    np.testing.assert_array_equal(done[1]["p"], p)
    assert store.run(run.id).done == 1
    with pytest.raises(StoreError, match="step 1 is already done"):
        store.append(run.id, StepMeasured(Step(1, DIE, 1), {"p": p}))
    assert store.run(run.id).done == 1


def test_a_step_that_was_not_planned_is_refused_whole(store: Store) -> None:
    run = running(store, 2)
    seen = store.last_event()
    with pytest.raises(StoreError, match="step 9"):
        store.append(run.id, StepMeasured(Step(9, DIE, 9), {"p": np.zeros((1, 1))}))
    assert store.steps_done(run.id) == {}
    assert store.last_event() == seen


@pytest.mark.parametrize("state", [None, RunState.INTERRUPTED, RunState.ABORTED])
def test_only_a_running_run_can_record(store: Store, state: RunState | None) -> None:
    run = queued(store) if state is None else store.set_state(running(store).id, state)
    with pytest.raises(StoreError, match=f"is {run.state}"):
        store.append(run.id, ContactMade(DIE, 1.0, 1))


def test_a_map_exists_from_its_event_on(store: Store) -> None:
    run = running(store)
    event = store.append(run.id, MapMeasured(DIE, conductance(1e-4, measured_at="2026-01-01T00:00:00.000Z")))
    record = store.map(event.payload["map"])
    assert event.payload == {"map": record.id, "wafer": "W1", "die": [-3, 0], "kind": "conductance", "state": "P"}
    assert (record.wafer, record.die, record.run, record.state) == ("W1", DIE, run.id, "P")
    assert record.measured_at == "2026-01-01T00:00:00.000Z"
    np.testing.assert_array_equal(from_npy_bytes(store.get_object(record.object)), np.full((2, 3, 3), 1e-4, np.float32))


def test_a_defect_map_keeps_its_three_arrays(store: Store) -> None:
    codes = np.ones((2, 3, 3), np.uint8)
    measured = DefectMap(codes, codes * 2, np.full((2, 3, 3), 0.5, np.float32), "rule-1", {"rule": "rule-1"})
    record = store.map(store.append(running(store).id, MapMeasured(DIE, measured)).payload["map"])
    assert record.line_object is not None
    assert record.confidence_object is not None
    values = [from_npy_bytes(store.get_object(sha256)).flat[0] for sha256 in (record.object, record.line_object, record.confidence_object)]
    assert values == [1, 2, 0.5]


def test_a_map_without_its_row_does_not_exist(store: Store) -> None:
    with pytest.raises(StoreError):
        store.append(queued(store).id, MapMeasured(DIE, conductance(1e-4)))
    assert store.newest_map("W1", DIE, "conductance") is None
    with pytest.raises(NotFound):
        store.map("0" * 64)


def test_an_object_is_told_by_its_hash(store: Store) -> None:
    event = store.append(running(store).id, ObjectMeasured(DIE, "vmm_amps", np.ones((2, 1, 3), np.float32)))
    assert event.payload["name"] == "vmm_amps"
    assert from_npy_bytes(store.get_object(event.payload["object"])).shape == (2, 1, 3)


def test_the_objects_of_a_run_are_found_with_what_was_told_of_them(store: Store) -> None:
    run = running(store).id
    meta = {"kind": "iv_sweep", "nplc": 0.1}
    store.append(run, ObjectMeasured(DIE, "iv_amps", np.full((2, 3), np.nan), meta))
    store.append(run, ObjectMeasured(DIE, "iv_limited", np.zeros((2, 3), np.uint8), meta))
    amps, limited = store.objects_of_run(run)
    assert (amps.die, amps.name, amps.shape, amps.dtype, amps.meta) == (DIE, "iv_amps", [2, 3], "float64", meta)
    assert from_npy_bytes(store.get_object(limited.object)).dtype == np.uint8
    with pytest.raises(NotFound):
        store.objects_of_run("nobody")
