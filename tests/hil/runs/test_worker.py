"""The worker against the simulated lab: runs from the queue to their end, and everything that can come between."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from drivers.crossbar import open_crossbar_for_safety
from hil.api.views import station_view
from hil.model.plans import Plan
from hil.model.runs import RunState
from hil.runs.bench import LONGEST_RETRY_S, Bench
from hil.runs.stops import Stops
from hil.station.emergency import clear_emergency
from hil.store.protocol import Store
from hil.store.records import RunRecord
from hil.store.shelf import utc_now
from tests.hil.runs.helpers import plan_of
from tests.hil.runs.simulated_lab import SimulatedLab
from tests.hil.runs.threads import Service
from tests.support.waiting import until

LONG = plan_of(kind="characterise", max_pulses=20)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[SimulatedLab]:
    with SimulatedLab(tmp_path, dies=4) as running:
        yield running


def _events(store: Store, run_id: str, kind: str) -> list[dict[str, object]]:
    return [event.payload for event in store.events(run_id=run_id, limit=10_000) if event.kind == kind]


def test_a_run_goes_from_the_queue_to_finished_and_the_store_knows_everything(lab: SimulatedLab, store: Store) -> None:
    with Service(lab.config, store) as service:
        run = service.ended(service.submit(plan_of(kind="characterise")))
        assert (run.state, run.done, run.total, run.error) == (RunState.FINISHED, 16, 16, None)
        until(lambda: store.station().snapshot.get("die_in_contact", "unset") is None)
    maps = store.newest_maps("W1", "defects")
    assert [(each.die[1], each.die[0]) for each in maps] == sorted((y, x) for x, y in lab.config.wafer.dies)
    assert [payload["done"] for payload in _events(store, run.id, "step")] == list(range(1, 17))
    assert len(_events(store, run.id, "map")) == 3 * 4
    assert len(_events(store, run.id, "contact")) == 4
    # Four commands a kernel at the least: two pulses, two readings.
    assert run.wires["crossbar"]["sent"] >= 16 * 4
    assert run.wires["smu"]["sent"] >= 4
    assert run.wires["prober"]["sent"] >= 4 * 3
    assert lab.is_safe()
    assert store.station().heartbeat_at is None
    assert lab.world.damage == []


def test_a_paused_run_is_safe_and_goes_on_where_it_stopped(lab: SimulatedLab, store: Store) -> None:
    with Service(lab.config, store) as service:
        run = service.submit(LONG)
        service.underway(run)
        store.want(run.id, "pause")
        paused = service.reached(run, RunState.PAUSED)
        assert 0 < paused.done < paused.total
        assert lab.is_safe()
        store.want(run.id, "resume")
        finished = service.ended(run)
    assert (finished.state, finished.done) == (RunState.FINISHED, 16)
    indices = [payload["index"] for payload in _events(store, run.id, "step")]
    assert indices == list(range(16)), "every step once, in order"
    assert finished.wires["crossbar"]["sent"] > paused.wires["crossbar"]["sent"] > 0, "wires add up over both sessions"
    assert len(store.newest_maps("W1", "defects")) == 4


def test_an_aborted_run_is_safe_keeps_what_it_measured_and_lets_the_next_one_go(lab: SimulatedLab, store: Store) -> None:
    with Service(lab.config, store) as service:
        run, following = service.submit(LONG), service.submit(plan_of(kind="contact_check", dies=[(0, 0)]))
        service.underway(run, 5)
        store.want(run.id, "abort")
        assert service.ended(run).state is RunState.ABORTED
        assert len(store.newest_maps("W1", "conductance", "P")) >= 1
        assert service.ended(following).state is RunState.FINISHED


def wished_at(service: Service, store: Store, run: RunRecord, wish: str, due: Callable[[], bool]) -> None:
    """The operator's wish comes at the first checkpoint from which it is due."""
    checkpoint, wished = service.stops[0].checkpoint, False

    def and_wish() -> None:
        nonlocal wished
        if not wished and due():
            wished = True
            store.want(run.id, wish)
        checkpoint()

    service.stops[0].checkpoint = and_wish


@pytest.mark.parametrize(
    "plan",
    [
        plan_of(
            kind="iv_sweep", dies=[(0, 0)], junctions=[[0, r, c] for r in range(25) for c in range(25)], start=-0.1, stop=0.1, points=41
        ),
        plan_of(kind="switching", dies=[(0, 0)], junctions=[[0, 3, 7]], pulse_volts=[0.5], pulse_s=[1e-7], repeats=1000),
        plan_of(kind="read", path="smu", dies=[(0, 0)], kernels=[0], averages=1, nplc=1.0),
    ],
)
def test_an_abort_does_not_wait_for_the_end_of_a_long_step(lab: SimulatedLab, store: Store, plan: Plan) -> None:
    service = Service(lab.config, store)
    run = service.submit(plan)
    wished_at(service, store, run, "abort", lambda: "contact" in {event.kind for event in store.events(run_id=run.id)})
    with service:
        aborted = service.ended(run)
        assert (aborted.state, aborted.done, aborted.error) == (RunState.ABORTED, 0, None)
        assert lab.is_safe()
        assert not store.station().held
        assert service.ended(service.submit(plan_of(kind="read", dies=[(0, 0)], kernels=[0]))).state is RunState.FINISHED
    assert lab.world.damage == []


def test_a_pause_keeps_what_the_needles_came_down_for(lab: SimulatedLab, store: Store) -> None:
    service = Service(lab.config, store)
    run = service.submit(plan_of(kind="contact_check"))
    wished_at(service, store, run, "pause", lambda: "contact" in {event.kind for event in store.events(run_id=run.id)})
    with service:
        paused = service.reached(run, RunState.PAUSED)
        assert paused.done == 1
        assert lab.is_safe()
        store.want(run.id, "resume")
        assert service.ended(run).state is RunState.FINISHED
    assert set(store.touchdowns("W1").values()) == {1}, "no die is touched twice for one result"


def test_told_to_stop_the_worker_makes_safe_and_marks_the_run_interrupted(lab: SimulatedLab, store: Store) -> None:
    with Service(lab.config, store) as service:
        run = service.submit(LONG)
        service.underway(run)
    stopped = store.run(run.id)
    assert (stopped.state, stopped.error) == (RunState.INTERRUPTED, "the service was told to stop")
    assert lab.is_safe()
    with Service(lab.config, store) as service:
        store.want(run.id, "resume")
        assert service.ended(run).state is RunState.FINISHED
    assert [payload["index"] for payload in _events(store, run.id, "step")] == list(range(16))


def test_a_failure_of_the_run_is_told_in_words_and_holds_the_queue(lab: SimulatedLab, store: Store) -> None:
    lab.world.needles.dirt_ohms = 1e6
    with Service(lab.config, store) as service:
        run, waiting = service.submit(plan_of(kind="read")), service.submit(plan_of(kind="contact_check", dies=[(0, 0)]))
        failed = service.ended(run)
        assert failed.state is RunState.FAILED
        assert failed.error is not None
        assert "3 dies in a row without contact, limit 3" in failed.error
        assert "Traceback" not in failed.error
        assert store.station().held == f"run {run.id} failed: {failed.error}"
        assert store.run(waiting.id).state is RunState.QUEUED
        lab.world.needles.dirt_ohms = 0.0
        store.release_queue("anna")
        assert service.ended(waiting).state is RunState.FINISHED
    assert store.newest_maps("W1", "conductance") == []


def test_instruments_that_are_away_are_named_and_found_again_and_the_run_waits(tmp_path: Path, store: Store) -> None:
    with SimulatedLab(tmp_path) as gone:
        lab = gone.config
        ports = [int(section.address.rstrip(":SOCKET").rsplit(":", 1)[-1]) for section in (lab.prober, lab.smu, lab.crossbar)]
    with Service(lab, store) as service:
        until(lambda: store.station().snapshot.get("error") is not None, 20)
        assert store.station().snapshot["instruments"]["smu"]["connected"] is False
        assert str(ports[1]) in store.station().snapshot["error"]
        assert store.station().may_be_on is not None, "an SMU nobody can reach may be on"
        paused = service.reached(service.submit(plan_of(kind="read")), RunState.PAUSED)
        assert paused.error is not None
        assert str(ports[1]) in paused.error
        assert f"hil resume {paused.id}" in paused.error
        with SimulatedLab(tmp_path, ports=ports):
            until(lambda: store.station().snapshot.get("error", "unset") is None, 20)
            assert store.station().may_be_on is None
            assert store.run(paused.id).state is RunState.PAUSED, "nobody but a person lets it go on"
            store.want(paused.id, "resume")
            assert service.ended(paused).state is RunState.FINISHED
            service.stop()


def test_an_output_that_somebody_else_could_not_verify_off_is_verified_anew(lab: SimulatedLab, store: Store) -> None:
    with Service(lab.config, store):
        until(lambda: store.station().snapshot.get("error", "unset") is None, 20)
        store.latch_may_be_on("the SMU's output may be on: the watchdog got no answer")
        until(lambda: store.station().may_be_on is None, 10)
    texts = [event.payload["text"] for event in store.events() if event.payload.get("what") == "may_be_on"]
    assert texts[-1] == "outputs are verified off"


def test_instruments_that_vanish_in_the_middle_pause_the_run_with_their_name(lab: SimulatedLab, store: Store) -> None:
    with Service(lab.config, store) as service:
        run = service.submit(LONG)
        service.underway(run)
        lab.shut_down()
        paused = service.reached(run, RunState.PAUSED)
        assert paused.error is not None
        assert "Traceback" not in paused.error
        assert "127.0.0.1" in paused.error
        assert store.station().may_be_on is not None
        until(lambda: store.station().snapshot["instruments"]["prober"]["connected"] is False, 20)


def test_a_plan_that_lab_toml_forbids_by_now_fails_before_anything_moves(lab: SimulatedLab, store: Store) -> None:
    with Service(lab.config, store) as early:
        until(lambda: bool(store.station().snapshot))
        early.stop()
        run = early.submit(plan_of(kind="read", read_volts=0.2))
    with Service(lab.changed(read_volts=0.1), store) as service:
        failed = service.ended(run)
    assert failed.error is not None
    assert "read_volts is 0.2" in failed.error
    assert lab.world.needles.touchdowns == 0


def test_the_station_is_made_safe_before_anything_else(lab: SimulatedLab, store: Store) -> None:
    lab.world.touch((0, 0))
    lab.world.set_output(True, 0.1)
    assert not lab.is_safe()
    with Service(lab.config, store):
        until(lambda: bool(store.station().snapshot), 20)
        assert lab.is_safe()


def test_touchdowns_of_a_wafer_outlive_runs_restarts_and_failures(lab: SimulatedLab, store: Store) -> None:
    tight = lab.changed(touchdowns_per_die=4)
    check = plan_of(kind="contact_check", dies=[(0, 0)])
    with Service(tight, store) as service:
        assert service.ended(service.submit(check)).state is RunState.FINISHED
        lab.world.needles.dirt_ohms = 1e6
        assert service.ended(service.submit(check)).state is RunState.FAILED
        lab.world.needles.dirt_ohms = 0.0
        store.release_queue("anna")
    made = lab.world.needles.touchdowns
    assert store.touchdowns("W1") == {(0, 0): made}
    with Service(tight, store) as service:
        for _ in range(4 - made):
            assert service.ended(service.submit(check)).state is RunState.FINISHED
        refused = service.ended(service.submit(check))
        assert refused.state is RunState.FAILED
        assert "no die could be measured" in (refused.error or "")
        assert "4 touchdowns made, limit 4" in (refused.error or "")
        assert lab.world.needles.touchdowns == 4
        store.release_queue("anna")
        other = plan_of(kind="contact_check", dies=[(0, 0)], wafer="W2")
        assert service.ended(service.submit(other)).state is RunState.FINISHED, "another wafer has other pads"
        refused = service.ended(service.submit(check))
        assert "limit 4" in (refused.error or ""), "and back on the first one nothing is forgotten"
    assert store.touchdowns("W1") == {(0, 0): 4}


def _latch_from_elsewhere(lab: SimulatedLab) -> None:
    """Sixteen zero bytes, as anybody on the line can send them."""
    with open_crossbar_for_safety(lab.config.crossbar.address) as line:
        line.emergency_stop()


def test_a_latch_of_the_controllers_own_is_shown_and_a_reset_brings_the_station_back(
    lab: SimulatedLab, store: Store, tmp_path: Path
) -> None:
    def shown() -> str | None:
        estop = station_view(store, lab.config, [], utc_now()).interlocks.estop
        return None if estop is None else estop.reason

    with Service(lab.config, store, watchdog=tmp_path) as service:
        until(lambda: store.station().snapshot.get("crossbar") is not None, 20)
        assert shown() is None
        _latch_from_elsewhere(lab)
        until(lambda: shown() == "latched at the controller", 5)
        until(lambda: "latched" in (store.station().snapshot["error"] or ""), 5)
        assert shown() == "latched at the controller"
        store.clear_estop("anna")
        until(lambda: shown() is None and store.station().snapshot["error"] is None, 5)
        assert service.ended(service.submit(plan_of(kind="contact_check", dies=[(0, 0)]))).state is RunState.FINISHED


def test_after_a_reset_nobody_waits_out_the_patience_of_before(lab: SimulatedLab, store: Store) -> None:
    seconds = 100.0
    stops = Stops(store, os.getppid(), lambda: seconds)
    bench = Bench(lab.config, store, stops, lambda: seconds)
    _latch_from_elsewhere(lab)
    for _ in range(5):
        seconds += LONGEST_RETRY_S + 1
        bench.tend()
    assert "latched" in store.station().snapshot["error"]
    clear_emergency(lab.config)
    seconds += 1
    bench.tend()
    assert store.station().snapshot["error"] is not None, "patience has grown to ten seconds"
    store.clear_estop("anna")
    for _ in range(2):
        seconds += 1
        bench.tend()
    assert store.station().snapshot["error"] is None
    assert bench.leave() == {"smu": "safe", "crossbar": "safe", "prober": "safe"}
