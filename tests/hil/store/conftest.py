"""A store in a temporary directory, a clock that is turned by hand, and the values tests put into it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from hil.model.maps import ConductanceMap
from hil.model.runs import RunState, Step
from hil.store import open_store
from hil.store.protocol import Store
from hil.store.records import RunRecord

PLAN = {"kind": "read", "wafer": "W1", "dies": "all"}


class HandClock:
    """Time stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def store(tmp_path: Path, clock: HandClock) -> Iterator[Store]:
    opened = open_store(tmp_path / "data", clock)
    opened.ensure_wafer("W1", [(0, 0), (-3, 0)])
    yield opened
    opened.close()


def steps(count: int = 3) -> list[Step]:
    return [Step(index, (-3, 0), index) for index in range(count)]


def queued(store: Store, count: int = 3) -> RunRecord:
    return store.submit(PLAN, "hash", steps(count), "kernel", "anna")


def running(store: Store, count: int = 3) -> RunRecord:
    return store.set_state(queued(store, count).id, RunState.RUNNING)


def conductance(value: float, **meta: object) -> ConductanceMap:
    return ConductanceMap(np.full((2, 3, 3), value, np.float32), "P", 0.1, {"value": value, **meta})
