"""The real processes and real signals: nothing of ours may be left running, and nothing live."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import psutil
import pytest

from hil.model.runs import RunState
from hil.runs import watchdog, worker
from hil.runs.submit import submit_plan
from hil.runs.supervisor import Supervisor
from hil.store.protocol import Store
from hil.store.records import RunRecord
from tests.hil.runs.helpers import plan_of
from tests.hil.runs.simulated_lab import SimulatedLab
from tests.support.waiting import until

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
STARTED_S = 40
LONG = plan_of(kind="characterise", max_pulses=20)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[SimulatedLab]:
    with SimulatedLab(tmp_path, dies=36) as running:
        yield running


@pytest.fixture
def supervisor(lab: SimulatedLab, tmp_path: Path) -> Iterator[Supervisor]:
    made = Supervisor(lab.toml, tmp_path / "data")
    yield made
    made.stop(15)
    assert not _ours(tmp_path)


def _ours(data: Path) -> dict[str, psutil.Process]:
    """Worker and watchdog of this test that are alive, by name."""
    found: dict[str, psutil.Process] = {}
    for process in psutil.process_iter(["cmdline", "status"]):
        line = process.info["cmdline"] or []
        if str(data / "data") in line and process.info["status"] != psutil.STATUS_ZOMBIE:
            found[next(part.rsplit(".", 1)[1] for part in line if part.startswith("hil.runs."))] = process
    return found


def _underway(store: Store, lab: SimulatedLab) -> RunRecord:
    run = submit_plan(store, lab.config, LONG, "anna")
    until(lambda: store.run(run.id).done >= 5, STARTED_S)
    assert lab.world.needles.touching
    return run


def test_a_service_that_is_stopped_leaves_the_station_safe_and_the_run_interrupted(
    lab: SimulatedLab, store: Store, supervisor: Supervisor, tmp_path: Path
) -> None:
    supervisor.start()
    assert supervisor.alive()
    run = _underway(store, lab)
    worker = _ours(tmp_path)["worker"]
    supervisor.stop(15)
    assert lab.is_safe()
    assert not supervisor.alive()
    assert not worker.is_running()
    stopped = store.run(run.id)
    assert (stopped.state, stopped.error) == (RunState.INTERRUPTED, "the service was told to stop")
    assert stopped.done == len(store.steps_done(run.id)) >= 5
    assert store.station().heartbeat_at is None
    assert store.station().may_be_on is None


def test_a_killed_worker_is_replaced_by_one_that_makes_safe_first(
    lab: SimulatedLab, store: Store, supervisor: Supervisor, tmp_path: Path
) -> None:
    supervisor.start()
    run = _underway(store, lab)
    dead = _ours(tmp_path)["worker"]
    dead.kill()
    until(lambda: store.run(run.id).state is RunState.INTERRUPTED, STARTED_S)
    assert lab.is_safe()
    until(supervisor.alive)
    assert _ours(tmp_path)["worker"].pid != dead.pid
    done = store.steps_done(run.id)
    store.want(run.id, "resume")
    until(lambda: store.run(run.id).done > len(done), STARTED_S)
    indices = [event.payload["index"] for event in store.events(run_id=run.id, limit=5000) if event.kind == "step"]
    assert indices == list(range(len(indices))), "no step lost, none measured twice"


def test_a_frozen_worker_is_made_up_for_by_the_watchdog(lab: SimulatedLab, store: Store, supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start()
    _underway(store, lab)
    worker = _ours(tmp_path)["worker"]
    worker.suspend()
    try:
        until(lab.is_safe, 15)
    finally:
        worker.resume()
    # Told once the worker lets go of the store, should it have been frozen in the middle of a write.
    until(lambda: any(event.payload.get("what") == "worker_silent" for event in store.events(limit=5000)), 15)


def test_when_the_main_process_dies_its_children_make_safe_and_leave(lab: SimulatedLab, store: Store, tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from hil.runs.supervisor import Supervisor; "
        "Supervisor(Path(sys.argv[1]), Path(sys.argv[2])).start(); time.sleep(300)"
    )
    main = subprocess.Popen([sys.executable, "-c", code, str(lab.toml), str(tmp_path / "data")], stdout=subprocess.DEVNULL)
    run = _underway(store, lab)
    main.kill()
    main.wait()
    until(lambda: not set(_ours(tmp_path)) & {"worker", "watchdog"}, 15)
    assert lab.is_safe()
    assert store.run(run.id).state is RunState.INTERRUPTED


def test_when_everything_is_killed_the_next_start_makes_safe_before_anything_else(
    lab: SimulatedLab, store: Store, supervisor: Supervisor, tmp_path: Path
) -> None:
    first = Supervisor(lab.toml, tmp_path / "data")
    first.start()
    run = _underway(store, lab)
    children = _ours(tmp_path)
    assert set(children) == {"worker", "watchdog"}
    for process in children.values():
        process.kill()
    first.stop(0)
    announced = {record.id for record in store.maps_of_run(run.id)}
    supervisor.start()
    until(lambda: store.run(run.id).state is RunState.INTERRUPTED, STARTED_S)
    assert lab.is_safe()
    assert {record.id for record in store.maps_of_run(run.id)} == announced
    for record in store.maps_of_run(run.id):
        store.get_object(record.object)


def test_a_worker_on_its_own_obeys_ctrl_c(lab: SimulatedLab, store: Store, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hil.runs.worker", "--lab", str(lab.toml), "--data", str(tmp_path / "data")]
    worker = subprocess.Popen(command)
    run = _underway(store, lab)
    worker.send_signal(signal.SIGINT)
    assert worker.wait(15) == 0
    assert lab.is_safe()
    assert store.run(run.id).state is RunState.INTERRUPTED


def test_a_second_worker_on_the_same_data_is_turned_away(lab: SimulatedLab, store: Store, tmp_path: Path) -> None:
    from filelock import FileLock

    with FileLock(tmp_path / "data" / "worker.lock"):
        command = [sys.executable, "-m", "hil.runs.worker", "--lab", str(lab.toml), "--data", str(tmp_path / "data"), "--lock-s", "0.1"]
        turned_away = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert turned_away.returncode == 2
    assert "another worker uses" in turned_away.stderr
    assert "Traceback" not in turned_away.stderr


@pytest.mark.parametrize("process", [worker, watchdog])
def test_a_lab_file_that_is_missing_is_one_readable_line(process: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert process.main(["--lab", str(tmp_path / "no.toml"), "--data", str(tmp_path / "data")]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"{process.__name__.rsplit('.', 1)[1]}: {tmp_path / 'no.toml'}: no such file")
    assert said.count("\n") == 1


def test_a_data_directory_that_cannot_be_used_is_one_readable_line(
    lab: SimulatedLab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert worker.main(["--lab", str(lab.toml), "--data", str(tmp_path / "file" / "data")]) == 2
    assert "choose another --data directory" in capsys.readouterr().err
