"""A writer that is killed in the middle: everything it announced is there, nothing it did not announce is."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hil.model.maps import from_npy_bytes
from hil.model.runs import RunState
from hil.store import open_store

ROUNDS = 4
WRITER = """
import sys
from pathlib import Path
import numpy as np
from hil.model.maps import ConductanceMap
from hil.model.runs import MapMeasured, RunState, Step, StepMeasured
from hil.store import open_store

store = open_store(Path(sys.argv[1]))
run = store.submit({"kind": "read", "wafer": "W1"}, "h", [Step(n, (0, 0), n) for n in range(100000)], "kernel", "t")
store.set_state(run.id, RunState.RUNNING)
for n in range(100000):
    siemens = np.full((8, 25, 25), n, np.float32)
    store.append(run.id, StepMeasured(Step(n, (0, 0), n), {"p": siemens[0]}))
    event = store.append(run.id, MapMeasured((0, 0), ConductanceMap(siemens, "P", 0.1, {"run": run.id, "n": n})))
    print(event.payload["map"], n, flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_kill_9_in_the_middle_of_writing_loses_nothing_announced_and_leaves_no_ghost(tmp_path: Path) -> None:
    announced: dict[str, int] = {}
    for attempt in range(ROUNDS):
        announced |= _write_and_kill(tmp_path, lines=7 + 5 * attempt)
    store = open_store(tmp_path)
    for map_id, value in announced.items():
        array = from_npy_bytes(store.get_object(store.map(map_id).object))
        assert np.all(array == value)
    told = [event.payload["map"] for run in store.runs() for event in _events(store, run.id) if event.kind == "map"]
    stored = [record.id for run in store.runs() for record in store.maps_of_run(run.id)]
    assert sorted(told) == sorted(stored), "a map is its event"
    assert set(announced) <= set(stored)
    # At most one map per kill was stored but not yet printed.
    assert len(stored) - len(announced) <= ROUNDS
    for run in store.runs():
        assert len(store.steps_done(run.id)) == store.run(run.id).done
    assert [run.state for run in store.interrupt_running()] == [RunState.INTERRUPTED] * ROUNDS
    store.close()


def _write_and_kill(data: Path, lines: int) -> dict[str, int]:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(data)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    seen = [writer.stdout.readline() for _ in range(lines)]
    writer.send_signal(signal.SIGKILL)
    seen += [line for line in writer.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    writer.stdout.close()
    assert writer.wait(30) == -signal.SIGKILL
    return {line.split()[0]: int(line.split()[1]) for line in seen}


def _events(store, run_id: str):  # type: ignore[no-untyped-def]
    after = 0
    while page := store.events(after, run_id):
        yield from page
        after = page[-1].number
