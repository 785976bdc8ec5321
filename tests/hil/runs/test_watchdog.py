"""The second net: emergency stops, resets, and a worker that dies, falls silent or is stuck."""

import math
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from drivers.protocols import SourceMeter
from drivers.smu.keithley2450 import open_keithley2450
from drivers.smu.values import SmuReading
from hil.model.lab import SmuSection, load_lab
from hil.model.runs import RunState
from hil.runs.heart import STALE_S
from hil.runs.leaving import WORKER, last_outcome, tell_left
from hil.runs.lifesign import LOCK_NAME, LifeSign, Word
from hil.runs.vigil import LONGEST_LOOK_S, MISSED_S
from hil.runs.watchdog import AGAIN, GRACE_S, RETRY_S, Watchdog
from hil.store.errors import StoreError
from hil.store.protocol import Store
from tests.hil.runs.behind_relay import behind_relay, silence
from tests.hil.runs.helpers import plan_of
from tests.hil.runs.simulated_lab import SimulatedLab
from tests.hil.runs.threads import Service
from tests.support.relay import unchanged
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
def time() -> HandTime:
    return HandTime()


@pytest.fixture
def dog(lab: SimulatedLab, store: Store, tmp_path: Path, time: HandTime) -> Iterator[Watchdog]:
    with closing(Watchdog(lab.config, store, tmp_path, time)) as made:
        yield made


class Worker:
    """What the watchdog sees of one. The lock is free once it `died`."""

    def __init__(self, data: Path) -> None:
        self._lock = FileLock(data / LOCK_NAME)
        self._lock.acquire()
        self.sign = LifeSign(data)
        self.sign.say(Word.WORKING)

    def died(self) -> None:
        self._lock.release()


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    made = Worker(tmp_path)
    yield made
    made.died()
    made.sign.close()


def passes(time: HandTime, dog: Watchdog, seconds: float) -> None:
    """The watchdog looks all the while, and had looked before."""
    dog.look()
    began_s, looks = time.seconds, math.ceil(seconds / LONGEST_LOOK_S) + 1
    for look in range(1, looks + 1):
        time.seconds = began_s + seconds * look / looks
        dog.look()


def told(store: Store, what: str) -> list[str]:
    return [event.payload["text"] for event in store.events() if event.kind == "station" and event.payload["what"] == what]


def test_an_emergency_stop_in_the_middle_of_a_run_stops_aborts_and_latches(lab: SimulatedLab, store: Store, tmp_path: Path) -> None:
    with Service(lab.config, store, watchdog=tmp_path) as service:
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


def test_an_emergency_stop_works_without_any_worker(lab: SimulatedLab, store: Store, dog: Watchdog) -> None:
    lab.world.touch((0, 0))
    store.latch_estop("anna", "smoke")
    dog.look()
    assert lab.is_safe()
    assert (store.station().estop or {})["outcome"]["prober"] == "safe"


def test_a_stop_that_did_not_reach_an_instrument_is_told_and_tried_again(tmp_path: Path, store: Store) -> None:
    time = HandTime()
    with SimulatedLab(tmp_path) as first:
        lab = first.config
        ports = [int(section.address.rstrip(":SOCKET").rsplit(":", 1)[-1]) for section in (lab.prober, lab.smu, lab.crossbar)]
    dog = Watchdog(lab, store, tmp_path, time)
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
    lab: SimulatedLab, store: Store, tmp_path: Path
) -> None:
    with behind_relay(lab, "prober") as (toml, line):
        dog = Watchdog(load_lab(toml), store, tmp_path)
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


def test_what_became_of_one_stop_is_not_told_of_the_next(lab: SimulatedLab, store: Store, dog: Watchdog) -> None:
    store.latch_estop("anna", "smoke")
    dog.look()
    store.clear_estop("anna")
    store.latch_estop("ben", "fire")
    dog.look()
    assert lab.controller_state() == "ESTOPPED", "cleared for the first, then latched for the second"
    assert (store.station().estop or {})["outcome"]["crossbar"] == "safe"


def test_told_to_go_it_helps_a_worker_that_does_not_leave_and_tells_how_the_station_was_left(
    lab: SimulatedLab, store: Store, dog: Watchdog, worker: Worker, time: HandTime
) -> None:
    lab.world.touch((0, 0))
    dog.look()
    assert not dog.may_leave()
    assert lab.world.needles.touching, "the worker has a moment to do it itself"
    passes(time, dog, GRACE_S)
    assert not dog.may_leave(), "it may still be at it"
    assert lab.is_safe()
    lab.world.touch((0, 0))
    worker.died()
    passes(time, dog, MISSED_S + 0.1)
    assert dog.may_leave()
    assert lab.is_safe(), "what was verified while the worker lived is verified again"
    assert last_outcome(store, 0) == {"smu": "safe", "crossbar": "safe", "prober": "safe"}


def test_told_to_go_it_does_not_touch_what_the_worker_left_safe(lab: SimulatedLab, store: Store, dog: Watchdog, worker: Worker) -> None:
    dog.look()
    tell_left(store, WORKER, {"smu": "safe", "crossbar": "safe", "prober": "safe"})
    worker.sign.say(Word.GONE)
    lab.world.touch((0, 0))
    dog.look()
    assert dog.may_leave()
    assert lab.world.needles.touching


def test_a_reset_clears_the_controller(lab: SimulatedLab, store: Store, dog: Watchdog) -> None:
    store.latch_estop("anna", "smoke")
    dog.look()
    assert lab.controller_state() == "ESTOPPED"
    store.clear_estop("anna")
    dog.look()
    assert lab.controller_state() == "SAFE"


def test_a_worker_that_died_is_made_up_for_once_as_soon_as_a_beat_is_missed(
    lab: SimulatedLab, store: Store, dog: Watchdog, worker: Worker, time: HandTime, tmp_path: Path
) -> None:
    lab.world.touch((0, 0))
    lab.world.set_output(True, 0.1)
    store.heartbeat()
    worker.died()
    passes(time, dog, MISSED_S - 0.01)
    assert lab.world.output_on
    assert dog.guarding
    passes(time, dog, 0.02)
    assert lab.is_safe()
    assert not dog.guarding
    assert store.station().heartbeat_at is None, "the service knows at once that nobody is at work"
    passes(time, dog, 60)
    assert told(store, "worker_silent") == ["the worker died; the watchdog made the station safe as far as it could"]
    with FileLock(tmp_path / LOCK_NAME, timeout=0):
        pass  # free for the next one


def test_while_it_stands_in_for_a_dead_worker_no_other_one_takes_up_the_station(
    lab: SimulatedLab, store: Store, worker: Worker, tmp_path: Path
) -> None:
    with behind_relay(lab, "smu") as (toml, line), closing(Watchdog(load_lab(toml), store, tmp_path)) as dog:
        free: list[bool] = []

        def try_lock(data: bytes) -> bytes:
            newcomer = FileLock(tmp_path / LOCK_NAME, timeout=0)
            with suppress(Timeout), newcomer:
                free.append(True)
            free.append(False)
            return data

        worker.died()
        line.to_device = try_lock
        until(lambda: dog.look() or bool(free), 5)
        assert not any(free)


def test_a_silent_worker_is_made_up_for_once_and_only_after_the_limit(
    lab: SimulatedLab, store: Store, dog: Watchdog, worker: Worker, time: HandTime
) -> None:
    lab.world.touch((0, 0))
    dog.look()
    passes(time, dog, STALE_S - 0.1)
    assert lab.world.needles.touching, "whoever has the lock may only be slow"
    assert dog.guarding
    passes(time, dog, 0.2)
    assert lab.is_safe(), "it has the lock and stays silent"
    assert not dog.guarding
    passes(time, dog, 60)
    assert told(store, "worker_silent") == [
        "no sign of life from the worker for 1.2 s; the watchdog made the station safe as far as it could"
    ]


def test_a_worker_that_beats_again_is_guarded_again(lab: SimulatedLab, store: Store, dog: Watchdog, worker: Worker, time: HandTime) -> None:
    passes(time, dog, STALE_S + 0.1)
    worker.sign.say(Word.WORKING)
    dog.look()
    assert dog.guarding
    lab.world.touch((0, 0))
    passes(time, dog, STALE_S + 0.1)
    assert lab.is_safe()
    assert len(told(store, "worker_silent")) == 2


@pytest.mark.parametrize(("word", "says"), [(Word.STUCK, "its main loop does not come by"), (Word.UNHEARD, "the store has taken no word")])
def test_a_worker_that_says_it_is_not_well_is_made_up_for_at_once_and_once(
    lab: SimulatedLab, store: Store, dog: Watchdog, worker: Worker, time: HandTime, word: Word, says: str
) -> None:
    lab.world.touch((0, 0))
    dog.look()
    worker.sign.say(word)
    dog.look()
    assert lab.is_safe()
    for _ in range(5):
        worker.sign.say(word)
        passes(time, dog, 0.1)
    (text,) = told(store, "worker_silent")
    assert says in text
    worker.died()
    lab.world.touch((0, 0))
    passes(time, dog, MISSED_S + 0.1)
    assert lab.is_safe(), "what it did before it died nobody knows"


def test_time_in_which_the_watchdog_itself_did_not_look_is_no_silence(
    lab: SimulatedLab, dog: Watchdog, worker: Worker, time: HandTime
) -> None:
    lab.world.touch((0, 0))
    dog.look()
    for _ in range(3):
        time.seconds += 3600  # the lid of the computer was closed
        dog.look()
        assert lab.world.needles.touching
        worker.sign.say(Word.WORKING)
        dog.look()


def test_silence_is_heard_while_the_store_cannot_even_be_read(
    lab: SimulatedLab, store: Store, dog: Watchdog, worker: Worker, time: HandTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> int:
        raise StoreError("disk I/O error")

    lab.world.touch((0, 0))
    monkeypatch.setattr(store, "changes", broken)
    for _ in range(20):
        time.seconds += LONGEST_LOOK_S / 2
        with pytest.raises(StoreError):
            dog.look()
    assert lab.is_safe()
    monkeypatch.undo()
    dog.look()
    assert len(told(store, "worker_silent")) == 1, "told once it can be"


def test_what_could_not_be_verified_off_is_tried_again_until_it_is_and_told_when_it_changes(
    lab: SimulatedLab, store: Store, worker: Worker, time: HandTime, tmp_path: Path
) -> None:
    with behind_relay(lab, "smu") as (toml, line), closing(Watchdog(load_lab(toml), store, tmp_path, time)) as dog:
        lab.world.touch((0, 0))
        lab.world.set_output(True, 0.1)
        silence(line)
        worker.died()
        passes(time, dog, MISSED_S + 0.1)
        assert "SMU's output may be on" in (store.station().may_be_on or "")
        assert not lab.world.needles.touching, "the others are safe all the same"
        passes(time, dog, 2 * RETRY_S)
        assert len(told(store, "worker_silent")) == 1
        line.to_device = line.to_host = unchanged
        passes(time, dog, RETRY_S + 0.1)
        assert lab.is_safe()
        assert store.station().may_be_on is None
        assert told(store, "worker_silent")[1:] == [f"{AGAIN}; the watchdog made the station safe as far as it could"]
        lab.world.touch((0, 0))
        passes(time, dog, 2 * RETRY_S)
        assert lab.world.needles.touching, "what is verified is left alone"


def test_once_a_worker_is_at_work_again_the_watchdog_leaves_the_rest_to_it(
    lab: SimulatedLab, store: Store, worker: Worker, time: HandTime, tmp_path: Path
) -> None:
    with behind_relay(lab, "smu") as (toml, line), closing(Watchdog(load_lab(toml), store, tmp_path, time)) as dog:
        silence(line)
        dog.look()
        worker.sign.say(Word.STUCK)
        dog.look()
        assert store.station().may_be_on is not None
        worker.sign.say(Word.WORKING)
        line.to_device = line.to_host = unchanged
        lab.world.touch((0, 0))
        for _ in range(2 * math.ceil(RETRY_S)):
            worker.sign.say(Word.WORKING)
            passes(time, dog, 0.9)
        assert lab.world.needles.touching


class HangingMeter:
    """The driver of an SMU that does not come back from a reading until it may."""

    may_go_on = threading.Event()

    def __init__(self, smu: SourceMeter) -> None:
        self._smu = smu

    def __getattr__(self, name: str) -> object:
        return getattr(self._smu, name)

    def measure(self, level: float) -> SmuReading:
        assert HangingMeter.may_go_on.wait(30)
        return self._smu.measure(level)


def open_hanging(address: str, timeout_s: float) -> HangingMeter:
    return HangingMeter(open_keithley2450(address, timeout_s))


def test_a_main_loop_that_hangs_in_a_driver_with_the_output_on_is_made_up_for_soon_after_the_answer_was_due(
    lab: SimulatedLab, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = EntryPoint("hanging", f"{__name__}:open_hanging", "hil.drivers")
    monkeypatch.setattr("hil.station.instruments.entry_points", lambda group: [hanging, *entry_points(group=group)])
    HangingMeter.may_go_on.clear()
    sections = ("prober", "smu", "crossbar")
    hasty = {name: getattr(lab.config, name).model_copy(update={"timeout_s": 0.2}) for name in sections}
    hasty["smu"] = SmuSection(driver="hanging", address=lab.config.smu.address, timeout_s=0.2)
    with Service(lab.config.model_copy(update=hasty), store, watchdog=tmp_path) as service:
        run = service.submit(plan_of(kind="contact_check", dies=[(0, 0)]))
        until(lambda: lab.world.output_on, 20)
        until(lambda: not lab.world.output_on, 10)
        until(lambda: bool(told(store, "worker_silent")), 10)
        assert "its main loop does not come by" in told(store, "worker_silent")[0]
        HangingMeter.may_go_on.set()
        assert service.ended(run).state is RunState.FAILED, "somebody switched off beneath it"
        assert lab.is_safe()


def test_a_worker_that_left_in_good_order_raises_no_alarm(lab: SimulatedLab, dog: Watchdog, worker: Worker, time: HandTime) -> None:
    dog.look()
    lab.world.touch((0, 0))
    worker.sign.say(Word.GONE)
    worker.died()
    passes(time, dog, 60)
    assert not dog.guarding
    assert lab.world.needles.touching, "nobody's business"


def test_a_record_in_the_store_alone_is_no_worker(lab: SimulatedLab, store: Store, dog: Watchdog, time: HandTime) -> None:
    store.heartbeat()
    lab.world.touch((0, 0))
    passes(time, dog, 60)
    assert not dog.guarding
    assert lab.world.needles.touching


def test_a_worker_that_died_before_the_watchdog_came_is_made_up_for(
    lab: SimulatedLab, store: Store, worker: Worker, time: HandTime, tmp_path: Path
) -> None:
    lab.world.touch((0, 0))
    worker.died()
    with closing(Watchdog(lab.config, store, tmp_path, time)) as dog:
        passes(time, dog, MISSED_S + 0.1)
        assert lab.is_safe()
