"""Fault 17, the service's side: a disk that is full, read-only or held by another program pauses the job and is a 507; what can be
read is read on, and with room again all goes on."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine, event

from hil.model.maps import npy_bytes, sha256_hex
from hil.model.runs import RunState
from hil.runs.heart import BEAT_S
from hil.runs.lifesign import LifeSign, Word
from hil.store.protocol import Store
from tests.hil.api.test_problems import expect_problem
from tests.hil.runs.helpers import plan_of
from tests.hil.runs.simulated_lab import SimulatedLab
from tests.hil.runs.threads import Service
from tests.support.service import Service as Served
from tests.support.service import put_conductance, running_run, some_siemens
from tests.support.waiting import until

LONG = plan_of(kind="characterise", max_pulses=20)
RUNS = "/api/v1/runs"
UNHEARD_S = 1.0
Trouble = Callable[[Store], AbstractContextManager[None]]


def engine_of(store: Store) -> Engine:
    return store._db._engine  # type: ignore[attr-defined]


@contextmanager
def with_pragma(store: Store, bad: str, good: str) -> Iterator[None]:
    """A limit that SQLite itself keeps, on every connection of this store."""
    pragma = bad

    def keep(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute(pragma)

    event.listen(engine_of(store), "checkout", keep)
    try:
        yield
    finally:
        pragma = good


@contextmanager
def full(store: Store) -> Iterator[None]:
    with with_pragma(store, "PRAGMA max_page_count=1", "PRAGMA max_page_count=1073741823"):
        yield


@contextmanager
def read_only(store: Store) -> Iterator[None]:
    with with_pragma(store, "PRAGMA query_only=ON", "PRAGMA query_only=OFF"):
        yield


@contextmanager
def locked(store: Store) -> Iterator[None]:
    holder = sqlite3.connect(str(engine_of(store).url.database), isolation_level=None, timeout=5)
    holder.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        holder.execute("ROLLBACK")
        holder.close()


TROUBLES = pytest.mark.parametrize("trouble", [full, read_only, locked])


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer waits ten seconds for another one in earnest, and the worker may be unheard for three."""
    monkeypatch.setattr("hil.store.database._BUSY_MS", 250)
    monkeypatch.setattr("hil.runs.heart.UNHEARD_S", UNHEARD_S)


@TROUBLES
def test_f17_the_job_pauses_safe_and_goes_on_when_there_is_room_again(lab: SimulatedLab, store: Store, trouble: Trouble) -> None:
    with Service(lab.config, store) as service:
        run = service.submit(LONG)
        service.underway(run, 1)
        with trouble(store):
            until(lab.is_safe, 10)
            given = lab.world.needles.touchdowns, lab.controller_pulses()
            assert store.run(run.id).done < 8
            assert (lab.world.needles.touchdowns, lab.controller_pulses()) == given, "no pulse without a durable intent"
        paused = service.reached(run, RunState.PAUSED)
        assert paused.error is not None
        assert "hil.sqlite cannot be written" in paused.error
        assert f"when it can be written again, `hil resume {run.id}`" in paused.error
        assert store.station().held is None
        store.want(run.id, "resume")
        finished = service.ended(run)
    assert (finished.state, finished.done, finished.error) == (RunState.FINISHED, 8, None)
    steps = [each.payload["index"] for each in store.events(run_id=run.id, limit=5000) if each.kind == "step"]
    assert steps == list(range(8))
    assert lab.world.damage == []


@TROUBLES
def test_f17_an_idle_worker_outlives_it_and_measures_afterwards(lab: SimulatedLab, store: Store, tmp_path: Path, trouble: Trouble) -> None:
    with Service(lab.config, store, watchdog=tmp_path) as service:
        until(lambda: store.station().snapshot.get("error", "unset") is None, 20)
        run = service.submit(plan_of(kind="read", dies=[(0, 0)]))
        service.ended(run)
        with trouble(store), closing(LifeSign(tmp_path)) as sign:
            beats = sign.read().beats
            until(lambda: sign.read().beats > beats + 2 * UNHEARD_S / BEAT_S, 10)
            # The watchdog stands in, and takes the controller for it. A full disk still has room for the record of a heartbeat.
            assert sign.read().word is (Word.WORKING if trouble is full else Word.UNHEARD)
        if trouble is not full:
            until(lambda: any(each.payload.get("what") == "worker_silent" for each in store.events(limit=5000)), 5)
        assert all(thread.is_alive() for thread in service._threads)
        assert service.ended(service.submit(plan_of(kind="read", dies=[(0, 0)]))).state is RunState.FINISHED


@TROUBLES
def test_f17_the_api_answers_507_to_what_would_be_written_and_reads_on(service: Served, http: httpx.Client, trouble: Trouble) -> None:
    run = running_run(service.store)
    record = put_conductance(service.store, run, (0, 0))
    plan = {"kind": "characterise", "wafer": "W1"}
    queued = http.post(RUNS, json=plan).json()["id"]
    with trouble(service.store):
        replies = [http.post(RUNS, json=plan) for _ in range(6)]
        made = [reply.json()["id"] for reply in replies if reply.status_code == 202]
        document = expect_problem(replies[-1], 507)
        assert document["type"] == "urn:mtj-hil:problem:store-unwritable"
        assert "hil.sqlite cannot be written" in document["detail"]
        assert "find that one" in document["detail"] if trouble is locked else "free space" in document["detail"]
        if trouble is not full:  # a little room is left in pages that are there already
            for path in (f"{RUNS}/{queued}/abort", f"{RUNS}/{run}/pause", "/api/v1/station/estop", "/api/v1/station/release"):
                expect_problem(http.post(path), 507)
            expect_problem(http.delete(f"{RUNS}/{queued}"), 507)
            expect_problem(http.put("/api/v1/wafers/W9"), 507)
        for path in (RUNS, f"{RUNS}/{run}", "/api/v1/station", f"/api/v1/maps/{record.id}", "/api/v1/wafers/W1", "/metrics", "/healthz"):
            assert http.get(path).status_code == 200, path
        assert http.post(RUNS, params={"dry_run": "true"}, json=plan).status_code == 200, "asking writes nothing"
        assert [each["id"] for each in http.get(RUNS).json()["items"]] == [*made[::-1], queued, run], "all or nothing"
    assert http.post(RUNS, json=plan).status_code == 202


def test_f17_an_array_that_the_disk_does_not_take_is_a_507_and_leaves_nothing_behind(
    service: Served, http: httpx.Client, tmp_path: Path
) -> None:
    data = npy_bytes(some_siemens(3))
    sha256 = sha256_hex(data)
    # Where its folder should be there is a file: not even root can write into that.
    place = tmp_path / "objects" / sha256[:2]
    place.write_text("")
    document = expect_problem(http.put(f"/api/v1/objects/{sha256}", content=data), 507)
    assert sha256[:2] in document["detail"]
    assert http.get(f"/api/v1/objects/{sha256}").status_code in (404, 500)
    place.unlink()
    assert http.put(f"/api/v1/objects/{sha256}", content=data).status_code == 200
    assert http.get(f"/api/v1/objects/{sha256}").content == data
