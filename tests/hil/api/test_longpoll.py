"""Waiting for a map: answered the moment it exists."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from hil.api.longpoll import ChangeHub
from hil.model.runs import Step, StepMeasured
from hil.store.errors import StoreError
from hil.store.protocol import Store
from hil.store.records import MapRecord
from tests.support.service import Board, Service, mounted, put_conductance, put_defects, running_run
from tests.support.waiting import until

DEFECTS = "/api/v1/dies/W1/0/0/defects"


def waiting_threads() -> int:
    return sum("AnyIO worker" in thread.name for thread in threading.enumerate())


def test_a_long_poll_answers_with_the_new_body_while_the_writer_goes_on(service: Service, http: httpx.Client) -> None:
    run = running_run(service.store)
    put_defects(service.store, run, (0, 0), seed=1)
    tag = http.get(DEFECTS).headers["etag"]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(http.get, DEFECTS, params={"wait": 20}, headers={"If-None-Match": tag})
        record = put_defects(service.store, run, (0, 0), seed=2)
        reply = waiting.result(10)
    assert reply.status_code == 200
    assert reply.headers["lab-map-id"] == record.id
    assert reply.content == service.store.get_object(record.object)


def test_a_long_poll_that_sees_no_change_ends_with_304_when_its_time_is_up(service: Service, http: httpx.Client) -> None:
    run = running_run(service.store)
    put_defects(service.store, run, (0, 0))
    tag = http.get(DEFECTS).headers["etag"]
    started = time.monotonic()
    # A change of something else must not end the wait.
    put_conductance(service.store, run, (1, 0))
    reply = http.get(DEFECTS, params={"wait": 0.3}, headers={"If-None-Match": tag})
    assert reply.status_code == 304
    assert time.monotonic() - started >= 0.3


def test_a_map_that_does_not_exist_yet_can_be_waited_for(service: Service, http: httpx.Client) -> None:
    run = running_run(service.store)
    assert http.get(DEFECTS, params={"wait": 0.1}).status_code == 404
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(http.get, DEFECTS, params={"wait": 20})
        record = put_defects(service.store, run, (0, 0))
        assert waiting.result(10).headers["lab-map-id"] == record.id


def test_nobody_waits_for_what_can_never_come(service: Service, http: httpx.Client) -> None:
    running_run(service.store)
    started = time.monotonic()
    assert http.get("/api/v1/dies/W1/99/99/defects", params={"wait": 30}).status_code == 404
    assert http.get("/api/v1/wafers/W9/defects", params={"wait": 30}).status_code == 404
    assert time.monotonic() - started < 15


@pytest.mark.parametrize("wait", ["-1", "61", "nan", "inf", "soon"])
def test_a_wait_beyond_a_minute_or_none_at_all_is_refused(service: Service, http: httpx.Client, wait: str) -> None:
    running_run(service.store)
    reply = http.get(DEFECTS, params={"wait": wait})
    assert reply.status_code == 422 and "wait" in reply.json()["detail"]


def test_many_wait_at_once_without_a_thread_each_and_all_are_answered(service: Service) -> None:
    run = running_run(service.store)
    waiters = 60
    with ExitStack() as stack:
        client = stack.enter_context(service.client())
        pool = stack.enter_context(ThreadPoolExecutor(waiters))
        tag = client.get("/api/v1/wafers/W1/defects").headers["etag"]

        def wait() -> str:
            reply = client.get("/api/v1/wafers/W1/defects", params={"wait": 20}, headers={"If-None-Match": tag})
            return reply.headers["lab-dies"]

        answers = [pool.submit(wait) for _ in range(waiters)]
        until(lambda: client.get("/healthz").status_code == 200)
        assert waiting_threads() <= 40
        put_defects(service.store, run, (0, 0))
        assert {answer.result(15) for answer in answers} == {"0,0"}


def in_hub(read: Callable[[], int], work: Callable[[ChangeHub], object]) -> object:
    """Runs a coroutine function beside a hub's own task."""

    async def main() -> object:
        hub = ChangeHub(read)
        task = asyncio.create_task(hub.run())
        try:
            return await work(hub)  # type: ignore[misc]
        finally:
            hub.close()
            await asyncio.wait_for(task, 5)

    return asyncio.run(main())


def test_a_change_between_looking_and_waiting_is_not_missed() -> None:
    async def work(hub: ChangeHub) -> bool:
        seen = hub.generation
        hub.wake()
        return await hub.changed_since(seen, 60)

    assert in_hub(lambda: 1, work) is True


def test_nobody_looks_again_when_the_time_is_up_whatever_changed() -> None:
    async def work(hub: ChangeHub) -> list[bool]:
        seen = hub.generation
        hub.wake()
        return [await hub.changed_since(seen, within_s) for within_s in (0, -0.1)]

    assert in_hub(lambda: 1, work) == [False, False]


class CountingStore:
    """A store that counts how often a newest map was looked for."""

    def __init__(self, store: Store) -> None:
        self._store, self.looks = store, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def newest_map(self, *args: Any) -> MapRecord | None:
        self.looks += 1
        return self._store.newest_map(*args)


@pytest.fixture
def counted(board: Board, tmp_path: Path) -> Iterator[tuple[Service, CountingStore]]:
    seen: list[CountingStore] = []

    def seen_as(store: Store) -> Store:
        seen.append(CountingStore(store))
        return cast("Store", seen[0])

    with mounted(board, tmp_path, seen_as) as service:
        yield service, seen[0]


def test_steps_of_another_die_make_no_waiter_look_in_the_catalogue(counted: tuple[Service, CountingStore]) -> None:
    service, counting = counted
    run = running_run(service.store)
    with service.client() as http, ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(http.get, DEFECTS, params={"wait": 20}) for _ in range(3)]
        until(lambda: counting.looks >= 1)
        for index in range(30):
            service.store.append(run, StepMeasured(Step(index, (0, -1), index), {}))
            service.store.heartbeat()
        record = put_defects(service.store, run, (0, 0))
        assert {answer.result(10).headers["lab-map-id"] for answer in waiting} == {record.id}
    assert counting.looks <= 6, "each waiter once before the map and once after"


def test_a_long_poll_of_a_revoked_token_ends_with_401(counted: tuple[Service, CountingStore]) -> None:
    service, counting = counted
    running_run(service.store)
    record, token = service.store.create_token("read", "gone")
    headers = {"Authorization": f"Bearer {token}"}
    started = time.monotonic()
    with httpx.Client(base_url=service.url, headers=headers, timeout=20, trust_env=False) as client, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.get, DEFECTS, params={"wait": 15})
        until(lambda: counting.looks == 1)
        service.store.revoke_token(record.id)
        assert waiting.result(10).status_code == 401
    assert time.monotonic() - started < 10


def test_closing_ends_every_wait_at_once() -> None:
    async def work(hub: ChangeHub) -> list[bool]:
        while hub.generation == 0:
            await hub.changed_since(0, 5)
        waiting = [asyncio.create_task(hub.changed_since(hub.generation, 3600)) for _ in range(3)]
        await asyncio.wait(waiting, timeout=0.05)
        hub.close()
        await asyncio.wait_for(asyncio.gather(*waiting), 5)
        return [task.result() for task in waiting] + [await hub.changed_since(0, 3600)]

    assert in_hub(lambda: 1, work) == [False] * 4


def test_a_store_that_cannot_be_read_for_a_while_does_not_end_the_watching(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hil.api.longpoll.AFTER_FAILURE_S", 0.01)
    answers = iter([1, StoreError("disk gone"), StoreError("disk gone")])

    def read() -> int:
        answer = next(answers, 2)
        if isinstance(answer, StoreError):
            raise answer
        return answer

    async def work(hub: ChangeHub) -> int:
        async def twice() -> None:
            while hub.generation < 2:
                await hub.changed_since(hub.generation, 5)

        await asyncio.wait_for(twice(), 10)
        return hub.generation

    assert in_hub(read, work) == 2
