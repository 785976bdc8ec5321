"""Server-sent events from the journal. Rule: a client that lost the connection names the last number it saw, and gets all
that follow; nothing is kept in memory for it."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable

from fastapi import Request
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from hil.api.auth import admit
from hil.api.context import Services
from hil.api.problems import Problem
from hil.api.views import event_view, run_view
from hil.model.runs import ENDED
from hil.store.errors import NotFound
from hil.store.records import EventRecord

BATCH = 500
PING_S = 15
IDLE_S = 3600.0
END = "end"
LAST_POSSIBLE = 2**63 - 1
"""Largest number that SQLite can hold."""
Welcome = Callable[[], Awaitable[bool]]
"""Whether the client may still read: asked before anything is sent."""


def welcome(services: Services, request: Request) -> Welcome:
    """False once the token of the request is revoked."""

    async def may_read() -> bool:
        try:
            await admit(services, request, "read")
        except Problem:
            return False
        return True

    return may_read


def after_number(last_event_id: str | None, after: int | None) -> int:
    """Where to go on: the browser's Last-Event-ID beats the query. Raises Problem 422 for what is no event number."""
    if last_event_id is None or not last_event_id.strip():
        return after or 0
    text = last_event_id.strip()
    # Length first: to read a number of thousands of digits is work, and above a limit an error.
    if not text.isdecimal() or len(text) > len(str(LAST_POSSIBLE)) or int(text) > LAST_POSSIBLE:
        raise Problem(422, f"Last-Event-ID is {last_event_id[:40]!r}; it must be the number of an event, at most {LAST_POSSIBLE}")
    return int(text)


def _sent(record: EventRecord) -> ServerSentEvent:
    return ServerSentEvent(event_view(record).model_dump_json(), event=record.kind, id=str(record.number))


async def all_events(services: Services, may_read: Welcome, after: int) -> AsyncIterator[ServerSentEvent]:
    """Every event after a number, for as long as the client, its token and the service live."""
    while not services.hub.closing:
        seen = services.hub.generation
        records = await run_in_threadpool(services.store.events, after, None, BATCH)
        if not await may_read():
            return
        for record in records:
            after = record.number
            yield _sent(record)
        if not records:
            await services.hub.changed_since(seen, IDLE_S)


async def run_events(services: Services, may_read: Welcome, run_id: str, after: int) -> AsyncIterator[ServerSentEvent]:
    """The events of one run; after its last one an event `end` with the run itself, and the stream is over."""
    while not services.hub.closing:
        seen = services.hub.generation
        # The run first, its events second: an end seen here has all its events behind it.
        end = await run_in_threadpool(_end_of, services, run_id)
        records = await run_in_threadpool(services.store.events, after, run_id, BATCH)
        if not await may_read():
            return
        for record in records:
            after = record.number
            yield _sent(record)
        if not records and end is not None:
            yield end
            return
        if not records:
            await services.hub.changed_since(seen, IDLE_S)


def _end_of(services: Services, run_id: str) -> ServerSentEvent | None:
    """The last event of a run's stream; None while the run lives. A queued run that was deleted has ended too."""
    try:
        run = services.store.run(run_id)
    except NotFound:
        return ServerSentEvent(json.dumps({"id": run_id, "state": "deleted"}), event=END)
    return ServerSentEvent(run_view(run, services.now()).model_dump_json(), event=END) if run.state in ENDED else None


def stream(events: AsyncIterator[ServerSentEvent]) -> EventSourceResponse:
    return EventSourceResponse(events, ping=PING_S)
