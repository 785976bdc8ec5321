"""What happens, as it happens: server-sent events, numbered, resumable by Last-Event-ID."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from sse_starlette import EventSourceResponse
from starlette.concurrency import run_in_threadpool

from hil.api.auth import Reader
from hil.api.context import Context
from hil.api.problems import documented
from hil.api.routes.runs import RunId
from hil.api.streams import LAST_POSSIBLE, after_number, all_events, run_events, stream, welcome

LastEventId = Annotated[str | None, Header(alias="Last-Event-ID", description="number of the last event seen", examples=["41"])]
After = Annotated[int | None, Query(ge=0, le=LAST_POSSIBLE, description="the same, for a client that cannot set headers")]
STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "numbered events; `data` is an EventBody",
        "content": {
            "text/event-stream": {
                "schema": {"type": "string"},
                "example": 'id: 42\r\nevent: state\r\ndata: {"number": 42, "run": "7", "at": "2026-11-22T08:30:00.000Z"}\r\n\r\n',
            }
        },
    }
}
router = APIRouter(tags=["events"])


@router.get("/events", response_class=EventSourceResponse, responses={**STREAM, **documented(422)})
async def events(
    request: Request, context: Context, _: Reader, last_event_id: LastEventId = None, after: After = None
) -> EventSourceResponse:
    """Every event of the station, for ever."""
    return stream(all_events(context, welcome(context, request), after_number(last_event_id, after)))


@router.get("/runs/{run_id}/events", response_class=EventSourceResponse, responses={**STREAM, **documented(404, 422)})
async def events_of_run(
    request: Request, context: Context, _: Reader, run_id: RunId, last_event_id: LastEventId = None, after: After = None
) -> EventSourceResponse:
    """The events of one run; the stream ends with the run, its last event is `end`."""
    await run_in_threadpool(context.store.run, run_id)
    return stream(run_events(context, welcome(context, request), run_id, after_number(last_event_id, after)))
