"""Whoever waits for a map looks again for a map, or for a revoked token, and for nothing else."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from hil.api.watermark import Watermark
from hil.model.runs import Step, StepMeasured
from hil.store import open_store
from hil.store.errors import StoreError
from hil.store.protocol import Store
from tests.support.service import put_conductance, put_defects, running_run


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(tmp_path)
    yield store
    store.close()


def test_steps_heartbeats_and_new_tokens_leave_it_where_it_was(store: Store) -> None:
    run, watermark = running_run(store), Watermark(store)
    before = watermark()
    store.heartbeat()
    store.append(run, StepMeasured(Step(0, (0, -1), 0), {}))
    store.publish_station({"error": None})
    store.create_token("read", "new")
    assert watermark() == before


def test_every_map_moves_it(store: Store) -> None:
    run, watermark = running_run(store), Watermark(store)
    seen = [watermark()]
    for seed in range(3):
        put_conductance(store, run, (0, 0), seed)
        seen.append(watermark())
        put_defects(store, run, (0, 0), seed)
        seen.append(watermark())
    assert len(set(seen)) == len(seen)


def test_a_map_among_pages_of_other_events_moves_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hil.api.watermark.PAGE", 2)
    run, watermark = running_run(store), Watermark(store)
    before = watermark()
    for number in range(5):
        store.note("note", str(number))
    put_conductance(store, run, (0, 0))
    store.note("note", "last")
    assert watermark() != before


def test_a_revoked_token_moves_it_once(store: Store) -> None:
    record, _ = store.create_token("read", "gone")
    watermark = Watermark(store)
    before = watermark()
    store.revoke_token(record.id)
    after = watermark()
    store.heartbeat()
    assert after != before and watermark() == after


class FailingOnce:
    """A store whose events cannot be read the first time."""

    def __init__(self, store: Store) -> None:
        self._store, self._failed = store, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def events(self, *args: Any, **kwargs: Any) -> Any:
        if not self._failed:
            self._failed = True
            raise StoreError("disk gone")
        return self._store.events(*args, **kwargs)


def test_a_map_that_came_while_the_store_could_not_be_read_is_not_missed(store: Store) -> None:
    run, watermark = running_run(store), Watermark(cast("Store", FailingOnce(store)))
    put_conductance(store, run, (0, 0))
    with pytest.raises(StoreError):
        watermark()
    assert watermark() == 1
