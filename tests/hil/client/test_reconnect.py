"""What the client does when the connection breaks: take it up again, miss nothing, give up in the end."""

import threading
from pathlib import Path

import httpx
import pytest

from hil.client import DefectStack, Event, LabClient, ServiceUnreachable
from hil.client.watching import GIVE_UP_AFTER_S, LONG_POLL_S, Retry, watch
from hil.model.runs import RunState, Step, StepMeasured
from tests.support.service import put_defects, running_run, served


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


def test_a_watch_goes_on_when_the_service_was_away(tmp_path: Path) -> None:
    with served(tmp_path) as before:
        lab, port = LabClient(before.url, before.token()), port_of(before.url)
        run = running_run(before.store)
        put_defects(before.store, run, (0, 0))
        watching = lab.watch_defects("W1", timeout_s=60)
        assert next(watching).dies == ((0, 0),)
    seen: list[DefectStack] = []
    thread = threading.Thread(target=lambda: seen.append(next(watching)))
    thread.start()
    with lab, served(tmp_path, port) as after:
        put_defects(after.store, run, (1, 0))
        thread.join(30)
    assert [stack.dies for stack in seen] == [((0, 0), (1, 0))]


def test_events_go_on_after_the_last_one_when_the_service_was_away(tmp_path: Path) -> None:
    with served(tmp_path) as before:
        lab, port = LabClient(before.url, before.token()), port_of(before.url)
        run = running_run(before.store)
        events = lab.events(run=run)
        first = [next(events) for _ in range(2)]
    rest: list[Event] = []
    thread = threading.Thread(target=lambda: rest.extend(events))
    thread.start()
    with lab, served(tmp_path, port) as after:
        after.store.append(run, StepMeasured(Step(0, (0, -1), 0), {}))
        after.store.set_state(run, RunState.FINISHED)
        thread.join(30)
    assert [event.kind for event in first + rest] == ["run", "run", "step", "run", "end"]


class Clock:
    """Time that passes only while somebody sleeps or waits."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.pauses: list[float] = []

    def read(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now_s += seconds

    def retry(self) -> Retry:
        return Retry(clock=self.read, sleep=self.sleep)


def test_a_connection_that_stays_lost_is_given_up_after_a_minute_with_growing_pauses() -> None:
    clock = Clock()
    answers = iter([httpx.Response(200, headers={"ETag": '"a"'})])

    def look(_etag: str | None, _wait_s: float) -> httpx.Response:
        answer = next(answers, None)
        if answer is None:
            raise ServiceUnreachable("gone")
        return answer

    watching = watch(look, None, clock.retry())
    next(watching)
    with pytest.raises(ServiceUnreachable):
        next(watching)
    assert GIVE_UP_AFTER_S < clock.now_s < GIVE_UP_AFTER_S + 5
    assert clock.pauses == sorted(clock.pauses) and len(clock.pauses) < 50


def test_an_early_304_is_no_reason_for_a_storm_of_questions() -> None:
    clock, asked = Clock(), 0

    def look(_etag: str | None, _wait_s: float) -> httpx.Response:
        nonlocal asked
        asked += 1
        return httpx.Response(304)

    assert list(watch(look, 30.0, clock.retry())) == []
    assert asked < 30


def test_each_question_names_the_tag_of_the_last_answer_and_waits_no_longer_than_asked() -> None:
    clock = Clock()
    asked: list[tuple[str | None, float]] = []

    def look(etag: str | None, wait_s: float) -> httpx.Response:
        asked.append((etag, wait_s))
        clock.now_s += wait_s
        return httpx.Response(200, headers={"ETag": f'"{len(asked)}"'}) if len(asked) < 3 else httpx.Response(304)

    assert len(list(watch(look, 50.0, clock.retry()))) == 2
    assert asked == [(None, LONG_POLL_S), ('"1"', LONG_POLL_S), ('"2"', 10.0)]
