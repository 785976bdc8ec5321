"""Life of a run: submit, look, pause, resume, abort, delete. Every change is a row; the worker acts on it."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Path, Query, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from hil.api.auth import Operator, Reader, who
from hil.api.context import Context, Services
from hil.api.models import DryRun, Run, RunPage
from hil.api.pages import Limit, page_newest_first
from hil.api.problems import documented
from hil.api.strict import StrictRoute
from hil.api.views import run_view
from hil.model.plans import Plan
from hil.runs.submit import dry_run, submit_plan

PREFIX = "/api/v1/runs"
RunId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$", examples=["7"])]
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="the same key and body give the same run; with another body it is refused (422)",
        examples=["wafer-W1-monday"],
    ),
]
EXAMPLES: list[dict[str, Any]] = [
    {"kind": "characterise", "wafer": "W1", "dies": [[0, 0], [-3, 0]]},
    {"kind": "rehearse", "wafer": "W1", "dies": "all"},
    {"kind": "iv_sweep", "wafer": "W1", "dies": [[0, 0]], "junctions": [[0, 3, 7]], "start": -0.5, "stop": 0.5, "points": 101},
    {"kind": "switching", "wafer": "W1", "dies": [[0, 0]], "junctions": [[0, 3, 7]], "pulse_volts": [0.4, 0.45], "pulse_s": [1e-7]},
]
PlanBody = Annotated[Plan, Body(examples=EXAMPLES)]
DRY: dict[int | str, dict[str, Any]] = {200: {"model": DryRun, "description": "`?dry_run=true`: what it would do; nothing queued"}}
router = APIRouter(prefix="/runs", tags=["runs"], route_class=StrictRoute)


def _view(services: Services, run_id: str) -> Run:
    return run_view(services.store.run(run_id), services.now())


@router.post("", status_code=202, response_model=Run, responses={**DRY, **documented(400, 413, 415, 422, 501, 507)})
async def submit(
    context: Context,
    token: Operator,
    plan: PlanBody,
    key: Key = None,
    dry: Annotated[bool, Query(alias="dry_run", description="only say what it would do")] = False,
) -> Response:
    """Queues a plan. A wafer not seen before is registered with the die map of lab.toml."""
    if dry:
        return JSONResponse(await run_in_threadpool(dry_run, context.store, context.lab, plan))
    record = await run_in_threadpool(submit_plan, context.store, context.lab, plan, who(token), key)
    body = run_view(record, context.now()).model_dump(mode="json")
    return JSONResponse(body, status_code=202, headers={"Location": f"{PREFIX}/{record.id}"})


@router.get("", responses=documented(404, 422))
async def list_runs(context: Context, _: Reader, limit: Limit = 100, cursor: str | None = None) -> RunPage:
    """Runs, newest first."""
    fetched = await run_in_threadpool(context.store.runs, limit=limit + 1, before=cursor)
    items, next_cursor = page_newest_first(fetched, lambda record: record.id, limit)
    now = context.now()
    return RunPage(items=[run_view(record, now) for record in items], next_cursor=next_cursor)


@router.get("/{run_id}", responses=documented(404, 422))
async def get_run(context: Context, _: Reader, run_id: RunId) -> Run:
    """One run."""
    return await run_in_threadpool(_view, context, run_id)


async def _want(services: Services, run_id: str, wanted: str) -> Run:
    return run_view(await run_in_threadpool(services.store.want, run_id, wanted), services.now())


@router.post("/{run_id}/pause", responses=documented(404, 409, 422, 507))
async def pause(context: Context, _: Operator, run_id: RunId) -> Run:
    """Stops a running run after the present step; the station is made safe, and it can be resumed."""
    return await _want(context, run_id, "pause")


@router.post("/{run_id}/resume", responses=documented(404, 409, 422, 507))
async def resume(context: Context, _: Operator, run_id: RunId) -> Run:
    """Puts a paused or interrupted run at the head of the queue; it goes on after its last committed step.

    A run that a lost instrument or a full disk paused says so in `error`; no other run starts before it was resumed or aborted.
    """
    return await _want(context, run_id, "resume")


@router.post("/{run_id}/abort", responses=documented(404, 409, 422, 507))
async def abort(context: Context, _: Operator, run_id: RunId) -> Run:
    """Ends a run for good after the present step; what it measured stays."""
    return await _want(context, run_id, "abort")


@router.delete("/{run_id}", status_code=204, response_class=Response, responses=documented(404, 409, 422, 507))
async def delete(context: Context, _: Operator, run_id: RunId) -> Response:
    """Takes a queued run out of the queue, as if it had never been there."""
    await run_in_threadpool(context.store.delete_queued, run_id)
    return Response(status_code=204)
