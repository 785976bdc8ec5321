"""Server-sent events: numbered, resumable, ending with the run."""

import json
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from hil.client.sse import Event, parse
from hil.model.runs import RunState, Step, StepMeasured
from tests.support.service import Service, put_defects, running_run


@contextmanager
def listening(http: httpx.Client, path: str, last: int | None = None) -> Generator[Iterator[Event]]:
    headers = {} if last is None else {"Last-Event-ID": str(last)}
    with http.stream("GET", path, headers=headers, timeout=10) as reply:
        assert reply.status_code == 200
        assert reply.headers["content-type"].startswith("text/event-stream")
        yield parse(reply.iter_lines())


def test_a_runs_stream_ends_with_the_run(service: Service, http: httpx.Client) -> None:
    run = running_run(service.store)
    with listening(http, f"/api/v1/runs/{run}/events") as events:
        assert [next(events).kind for _ in range(2)] == ["run", "run"]
        service.store.append(run, StepMeasured(Step(0, (0, -1), 0), {}))
        record = put_defects(service.store, run, (0, 0))
        service.store.set_state(run, RunState.FINISHED)
        rest = list(events)
    assert [event.kind for event in rest] == ["step", "map", "run", "end"]
    assert rest[1].data["payload"]["map"] == record.id
    assert (rest[-1].number, rest[-1].data["state"], rest[-1].data["id"]) == (None, "finished", run)


def test_numbers_grow_and_a_client_goes_on_after_the_last_one_it_saw(service: Service, http: httpx.Client) -> None:
    run = running_run(service.store)
    for index in range(5):
        service.store.append(run, StepMeasured(Step(index, (0, -1), index), {}))
    service.store.set_state(run, RunState.FINISHED)
    path = f"/api/v1/runs/{run}/events"
    with listening(http, path) as events:
        whole = list(events)
    numbers = [event.number for event in whole[:-1]]
    assert numbers == sorted(set(numbers))  # type: ignore[type-var]
    assert all(event.data["number"] == event.number for event in whole[:-1])
    for at, seen in enumerate(numbers):
        with listening(http, path, seen) as events:
            assert list(events) == whole[at + 1 :]
    with listening(http, f"{path}?after={numbers[2]}") as events:
        assert list(events) == whole[3:]


def test_the_stations_stream_tells_of_every_run_and_of_the_station(service: Service, http: httpx.Client) -> None:
    with listening(http, "/api/v1/events") as events:
        run = running_run(service.store)
        service.store.latch_estop("tester", "smoke")
        seen = [next(events) for _ in range(4)]
    assert [event.kind for event in seen] == ["wafer", "run", "run", "station"]
    assert seen[1].data["run"] == run
    assert seen[3].data["payload"]["what"] == "estop"


def test_an_event_is_sent_while_others_are_still_to_come(service: Service, http: httpx.Client) -> None:
    run = running_run(service.store)
    with listening(http, "/api/v1/events", service.store.last_event()) as events:
        for index in range(3):
            service.store.append(run, StepMeasured(Step(index, (0, -1), index), {}))
            assert next(events).data["payload"]["index"] == index


def test_a_queued_run_that_is_deleted_ends_its_stream(service: Service, http: httpx.Client) -> None:
    run = http.post("/api/v1/runs", json={"kind": "read", "wafer": "W1"}).json()["id"]
    with listening(http, f"/api/v1/runs/{run}/events") as events:
        assert next(events).data["payload"]["state"] == "queued"
        with service.client() as other:
            assert other.delete(f"/api/v1/runs/{run}").status_code == 204
        rest = list(events)
    assert rest[-1] == Event(None, "end", {"id": run, "state": "deleted"})


@pytest.mark.parametrize("path", ["/api/v1/events", "/api/v1/runs/{run}/events"])
def test_a_stream_ends_when_its_token_is_revoked_and_tells_nothing_more(service: Service, path: str) -> None:
    run = running_run(service.store)
    record, token = service.store.create_token("read", "gone")
    headers = {"Authorization": f"Bearer {token}"}
    with (
        httpx.Client(base_url=service.url, headers=headers, trust_env=False) as client,
        listening(client, path.format(run=run), service.store.last_event() - 1) as events,
    ):
        assert next(events).data["payload"]["state"] == "running"
        service.store.revoke_token(record.id)
        service.store.append(run, StepMeasured(Step(0, (0, -1), 0), {}))
        assert list(events) == []


@pytest.mark.parametrize("number", [str(2**63), "9" * 30, "9" * 5000])
def test_a_number_beyond_every_event_is_refused(http: httpx.Client, number: str) -> None:
    for reply in (http.get("/api/v1/events", headers={"Last-Event-ID": number}), http.get(f"/api/v1/events?after={number}")):
        assert reply.status_code == 422 and reply.headers["content-type"] == "application/problem+json"


def test_a_number_that_is_none_is_refused(http: httpx.Client) -> None:
    reply = http.get("/api/v1/events", headers={"Last-Event-ID": "yesterday"})
    assert reply.status_code == 422 and "yesterday" in reply.json()["detail"]


@pytest.mark.parametrize(
    ("lines", "events"),
    [
        (["id: 3", "event: map", 'data: {"a": 1}', ""], [Event(3, "map", {"a": 1})]),
        ([": ping", "", "data:{}", ""], [Event(None, "message", {})]),
        (['data: {"a":', "data: 1}", ""], [Event(None, "message", {"a": 1})]),
        (["retry: 5", "", "id: x", "data: {}", ""], [Event(None, "message", {})]),
        (['data: {"cut": "short"}'], []),
    ],
)
def test_the_reader_follows_the_standard(lines: list[str], events: list[Event]) -> None:
    assert list(parse(lines)) == events


def test_text_with_line_ends_travels_whole(service: Service, http: httpx.Client) -> None:
    text = "first\r\nid: 99\n\nevent: forged"
    service.store.latch_estop("tester", text)
    with listening(http, "/api/v1/events") as events:
        event = next(events)
    told: dict[str, Any] = event.data["payload"]
    assert (event.kind, told["text"]) == ("station", text)
    assert "\n" not in json.dumps(told)
