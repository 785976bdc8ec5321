"""The second net: emergency stops, resets, and a worker that falls silent."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from hil.model.lab import load_lab
from hil.model.runs import RunState
from hil.runs.heart import STALE_S, Heart
from hil.runs.leaving import WORKER, last_outcome, tell_left
from hil.runs.watchdog import GRACE_S, NEWCOMER_S, Watchdog
from hil.runs.worker import LOCK_NAME
from hil.store.protocol import Store
from tests.hil.runs.behind_relay import behind_relay, silence
from tests.hil.runs.helpers import plan_of
from tests.hil.runs.simulated_lab import SimulatedLab
from tests.hil.runs.threads import Service
from tests.support.waiting import until


class HandTime:
    """Seconds that pass only when told."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[SimulatedLab]:
    with SimulatedLab(tmp_path, dies=4) as running:
        yield running


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / LOCK_NAME


def test_an_emergency_stop_in_the_middle_of_a_run_stops_aborts_and_latches(lab: SimulatedLab, store: Store, lock: Path) -> None:
    with Service(lab.config, store, watchdog=lock) as service:
        run = service.submit(plan_of(kind="characterise", max_pulses=20))
        waiting = service.submit(plan_of(kind="read", dies=[(0, 0)]))
        service.underway(run)
        store.latch_estop("anna", "smoke")
        until(lambda: (store.station().estop or {}).get("outcome") == {"smu": "safe", "crossbar": "safe", "prober": "safe"})
        assert lab.is_safe()
        aborted = service.ended(run)
        assert (aborted.state, aborted.error) == (RunState.ABORTED, "emergency stop by anna: smoke")
        assert store.run(waiting.id).state is RunState.QUEUED
        assert store.station().held is None
        store.clear_estop("anna")
        assert service.ended(waiting).state is RunState.FINISHED, "after the reset the queue goes on"
    assert store.station().may_be_on is None


def test_an_emergency_stop_works_without_any_worker(lab: SimulatedLab, store: Store, lock: Path) -> None:
    dog = Watchdog(lab.config, store, lock)
    lab.world.touch((0, 0))
    store.latch_estop("anna", "smoke")
    dog.look()
    assert lab.is_safe()
    assert (store.station().estop or {})["outcome"]["prober"] == "safe"


def test_a_stop_that_did_not_reach_an_instrument_is_told_and_tried_again(tmp_path: Path, store: Store, lock: Path) -> None:
    time = HandTime()
    with SimulatedLab(tmp_path) as first:
        lab = first.config
        ports = [int(section.address.rstrip(":SOCKET").rsplit(":", 1)[-1]) for section in (lab.prober, lab.smu, lab.crossbar)]
    dog = Watchdog(lab, store, lock, time)
    store.latch_estop("anna", "smoke")
    dog.look()
    outcome = (store.station().estop or {})["outcome"]
    assert str(ports[1]) in outcome["smu"]
    assert store.station().may_be_on is not None
    with SimulatedLab(tmp_path, ports=ports):
        time.seconds += 5
        dog.look()
        assert (store.station().estop or {})["outcome"] == {"smu": "safe", "crossbar": "safe", "prober": "safe"}
        assert store.station().may_be_on is None


def test_with_a_silent_prober_the_rest_of_the_outcome_is_told_before_the_prober_is_given_up(
    lab: SimulatedLab, store: Store, lock: Path
) -> None:
    with behind_relay(lab, "prober") as (toml, line):
        dog = Watchdog(load_lab(toml), store, lock)
        lab.world.touch((0, 0))
        silence(line)
        store.latch_estop("anna", "smoke")
        looking = threading.Thread(target=dog.look)
        looking.start()
        until(lambda: (store.station().estop or {})["outcome"] is not None, 2)
        assert (store.station().estop or {})["outcome"] == {"smu": "safe", "crossbar": "safe", "prober": "separating"}
        assert lab.controller_state() == "ESTOPPED"
        looking.join(20)
        said = (store.station().estop or {})["outcome"]["prober"]
        assert said not in ("safe", "separating")
        assert said in str([event.payload["text"] for event in store.events() if event.payload.get("what") == "not_safe"])


def test_what_became_of_one_stop_is_not_told_of_the_next(lab: SimulatedLab, store: Store, lock: Path) -> None:
    dog = Watchdog(lab.config, store, lock)
    store.latch_estop("anna", "smoke")
    dog.look()
    store.clear_estop("anna")
    store.latch_estop("ben", "fire")
    dog.look()
    assert lab.controller_state() == "ESTOPPED", "cleared for the first, then latched for the second"
    assert (store.station().estop or {})["outcome"]["crossbar"] == "safe"


def test_told_to_go_it_helps_a_worker_that_does_not_leave_and_tells_how_the_station_was_left(
    lab: SimulatedLab, store: Store, lock: Path
) -> None:
    time = HandTime()
    dog = Watchdog(lab.config, store, lock, time)
    lab.world.touch((0, 0))
    store.heartbeat()
    with FileLock(lock):
        dog.look()
        assert not dog.may_leave()
        assert lab.world.needles.touching, "the worker has a moment to do it itself"
        time.seconds += GRACE_S
        assert not dog.may_leave(), "it may still be at it"
        assert lab.is_safe()
    lab.world.touch((0, 0))
    assert dog.may_leave()
    assert lab.is_safe(), "what was verified while the worker lived is verified again"
    assert last_outcome(store, 0) == {"smu": "safe", "crossbar": "safe", "prober": "safe"}


def test_told_to_go_it_does_not_touch_what_the_worker_left_safe(lab: SimulatedLab, store: Store, lock: Path) -> None:
    dog = Watchdog(lab.config, store, lock)
    store.heartbeat()
    dog.look()
    tell_left(store, WORKER, {"smu": "safe", "crossbar": "safe", "prober": "safe"})
    store.end_heartbeat()
    lab.world.touch((0, 0))
    dog.look()
    assert dog.may_leave()
    assert lab.world.needles.touching


def test_a_reset_clears_the_controller(lab: SimulatedLab, store: Store, lock: Path) -> None:
    dog = Watchdog(lab.config, store, lock)
    store.latch_estop("anna", "smoke")
    dog.look()
    assert lab.controller_state() == "ESTOPPED"
    store.clear_estop("anna")
    dog.look()
    assert lab.controller_state() == "SAFE"


def test_a_silent_worker_is_made_up_for_once_and_only_after_the_limit(lab: SimulatedLab, store: Store, lock: Path) -> None:
    time = HandTime()
    dog = Watchdog(lab.config, store, lock, time)
    lab.world.touch((0, 0))
    store.heartbeat()
    dog.look()
    time.seconds += STALE_S - 0.1
    dog.look()
    assert lab.world.needles.touching
    assert dog.guarding
    time.seconds += 0.2
    dog.look()
    assert lab.is_safe()
    assert not dog.guarding
    notes = [event.payload["what"] for event in store.events() if event.kind == "station"]
    assert notes == ["worker_silent"]


def test_a_newcomer_that_has_the_lock_gets_a_moment_for_its_first_beat(lab: SimulatedLab, store: Store, lock: Path) -> None:
    time = HandTime()
    dog = Watchdog(lab.config, store, lock, time)
    lab.world.touch((0, 0))
    store.heartbeat()
    dog.look()
    with FileLock(lock):
        time.seconds += STALE_S + NEWCOMER_S - 0.1
        dog.look()
        assert lab.world.needles.touching
        time.seconds += 0.2
        dog.look()
    assert lab.is_safe(), "whoever has the lock and stays silent is made up for all the same"


def test_a_worker_that_left_in_good_order_raises_no_alarm(lab: SimulatedLab, store: Store, lock: Path) -> None:
    time = HandTime()
    dog = Watchdog(lab.config, store, lock, time)
    store.heartbeat()
    dog.look()
    lab.world.touch((0, 0))
    store.end_heartbeat()
    dog.look()
    time.seconds += 60
    dog.look()
    assert not dog.guarding
    assert lab.world.needles.touching, "nobody's business"


def test_a_heartbeat_of_yesterday_is_no_worker_of_today(lab: SimulatedLab, store: Store, lock: Path) -> None:
    store.heartbeat()
    time = HandTime()
    dog = Watchdog(lab.config, store, lock, time)
    dog.look()
    time.seconds += 60
    dog.look()
    assert not dog.guarding


def test_a_main_loop_that_hangs_falls_silent(store: Store) -> None:
    idle_s = 0.0
    with Heart(store, lambda: idle_s, patience_s=1.0):
        until(lambda: store.station().heartbeat_at is not None)
        idle_s = 2.0
        first = _settled(store)
        assert store.station().heartbeat_at == first
        idle_s = 0.0
        until(lambda: store.station().heartbeat_at != first)
    assert store.station().heartbeat_at is None


def _settled(store: Store) -> str | None:
    """The last beat: two looks, more than a beat apart, that agree."""
    seen: list[str | None] = []

    def same() -> bool:
        seen.append(store.station().heartbeat_at)
        return len(seen) > 400 and len(set(seen[-400:])) == 1

    until(same, 20)
    return seen[-1]
