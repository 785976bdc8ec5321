"""Keeping one measured kernel: our transaction (data, event, progress) beside a bare INSERT with the same durability.

python -m benchmarks.keep_a_step
"""

import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hil.model.runs import Step, StepMeasured
from hil.store import open_store
from tests.support.service import running_run

REPEATS = 32
ARRAYS = {name: np.full((25, 25), 2e-4, np.float32) for name in ("p", "ap")}


def median_ms(call: Callable[[int], object]) -> float:
    times = []
    for index in range(REPEATS):
        started = time.perf_counter()
        call(index)
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1e3


def bare(folder: Path) -> float:
    connection = sqlite3.connect(folder / "bare.sqlite", isolation_level=None)
    for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "CREATE TABLE kept (step INTEGER, data BLOB)"):
        connection.execute(statement)
    blob = b"".join(array.tobytes() for array in ARRAYS.values())
    took_ms = median_ms(lambda index: connection.execute("INSERT INTO kept VALUES (?, ?)", (index, blob)))
    connection.close()
    return took_ms


def ours(folder: Path) -> float:
    store = open_store(folder / "data")
    run = running_run(store, dies=[[0, 0]])
    took_ms = median_ms(lambda index: store.append(run, StepMeasured(Step(index, (0, 0), index), ARRAYS)))
    store.close()
    return took_ms


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        ours_ms, bare_ms = ours(Path(folder)), bare(Path(folder))
    print(f"keep a kernel: {ours_ms:.1f} ms; a bare durable INSERT {bare_ms:.1f} ms ({ours_ms / bare_ms:.1f} x)")


if __name__ == "__main__":
    main()
