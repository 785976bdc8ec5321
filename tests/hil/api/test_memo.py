"""What the store said is kept until anything is committed, and not a moment longer."""

import asyncio
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, cast

import pytest

from hil.api.memo import KEPT_S, MOST_ANSWERS, Memo
from hil.store import open_store
from hil.store.errors import NotFound
from hil.store.protocol import Store
from tests.support.service import Board, mounted, put_conductance, running_run

LATEST = "/api/v1/dies/W1/0/0/maps/latest"


class Looks:
    """Answers with how often it was asked."""

    def __init__(self) -> None:
        self.made: Iterator[int] = count(1)

    def __call__(self) -> int:
        return next(self.made)


def test_a_commit_by_another_process_makes_it_look_again(tmp_path: Path) -> None:
    here, elsewhere = open_store(tmp_path), open_store(tmp_path)
    look = Looks()

    async def main() -> list[int]:
        memo = Memo(here.changes)
        before = [await memo.ask("a", look) for _ in range(3)]
        elsewhere.heartbeat()
        return [*before, await memo.ask("a", look)]

    assert asyncio.run(main()) == [1, 1, 1, 2]
    here.close()
    elsewhere.close()


def test_a_look_during_which_something_was_committed_is_not_kept_for_later() -> None:
    versions = [1]

    def look() -> int:
        versions.append(2)
        return len(versions)

    async def main() -> list[int]:
        memo = Memo(lambda: versions[-1])
        return [await memo.ask("a", look) for _ in range(3)]

    assert asyncio.run(main()) == [2, 3, 3]


def test_what_was_not_there_is_looked_for_again() -> None:
    answers = iter([None, NotFound("not yet"), 7])

    def look() -> int | None:
        answer = next(answers)
        if isinstance(answer, NotFound):
            raise answer
        return answer

    async def main() -> list[int | None]:
        memo = Memo(lambda: 1)
        first = await memo.ask("a", look)
        with pytest.raises(NotFound):
            await memo.ask("a", look)
        return [first, await memo.ask("a", look), await memo.ask("a", look)]

    assert asyncio.run(main()) == [None, 7, 7]


def test_it_keeps_neither_for_ever_nor_without_end() -> None:
    now_s, look = [0.0], Looks()

    async def main() -> list[int]:
        memo = Memo(lambda: 1, lambda: now_s[0])
        first = await memo.ask("a", look)
        now_s[0] = KEPT_S
        later = await memo.ask("a", look)
        for other in range(MOST_ANSWERS):
            await memo.ask(other, look)
        return [first, later, await memo.ask("a", look)]

    assert asyncio.run(main()) == [1, 2, 3 + MOST_ANSWERS]


class CountingStore:
    """A store that notes what it is asked."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        def noted(*args: Any, **kwargs: Any) -> Any:
            self.asked.append(name)
            return method(*args, **kwargs)

        return noted


def test_a_client_that_has_the_newest_map_costs_the_store_no_look_while_nothing_is_committed(board: Board, tmp_path: Path) -> None:
    counting: list[CountingStore] = []

    def seen_as(store: Store) -> Store:
        counting.append(CountingStore(store))
        return cast("Store", counting[0])

    with mounted(board, tmp_path, seen_as) as service, service.client() as client:
        run = running_run(service.store)
        put_conductance(service.store, run, (0, 0))
        known = {"If-None-Match": client.get(LATEST).headers["etag"]}
        assert client.get(LATEST, headers=known).status_code == 304
        counting[0].asked.clear()
        assert [client.get(LATEST, headers=known).status_code for _ in range(5)] == [304] * 5
        assert not {"check_token", "wafer", "newest_map"} & set(counting[0].asked)
        put_conductance(service.store, run, (0, 0), seed=2)
        assert client.get(LATEST, headers=known).status_code == 200
