"""The station and its switches. Rule: the emergency stop is a row that the watchdog acts on; the answer says what it found."""

import time
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool

from hil.api.auth import Operator, Reader, who
from hil.api.context import Context, Services
from hil.api.models import Estop, Station
from hil.api.problems import Problem, documented
from hil.api.views import estop_view, station_view
from hil.runs.leaving import SEPARATING

OUTCOME_WITHIN_S = 2.0
CLEARED_WITHIN_S = 3.0
QUEUE_LOOKS_BACK = 1000
"""Newest runs among which queued and running ones are looked for."""
Reason = Annotated[str, Query(max_length=500, description="stands in the record", examples=["smoke"])]
router = APIRouter(prefix="/station", tags=["station"])


def _station(services: Services) -> Station:
    return station_view(services.store, services.lab, services.store.runs(limit=QUEUE_LOOKS_BACK), services.now())


@router.get("", responses=documented())
async def get_station(context: Context, _: Reader) -> Station:
    """Instruments, die in contact, limits, interlocks, queue, contact trend, probe card."""
    return await run_in_threadpool(_station, context)


@router.post("/estop", responses=documented(409, 422, 507))
async def estop(context: Context, token: Reader, reason: Reason = "") -> Estop:
    """Outputs off, everything deselected, prober separated, latched. Any valid token may do it, and again does no harm.

    Waits up to 2 s for what the watchdog found. `outcome` and `safe` are null when it has not reported by then; a prober that
    is "separating" by then is not safe yet.
    """
    store = context.store
    deadline = time.monotonic() + OUTCOME_WITHIN_S
    await run_in_threadpool(store.latch_estop, who(token), reason)
    while True:
        seen = context.hub.generation
        latched = estop_view((await run_in_threadpool(store.station)).estop)
        if latched is None:
            raise Problem(409, "the emergency stop was cleared while it was carried out; look at GET /api/v1/station")
        done = latched.outcome is not None and SEPARATING not in latched.outcome.values()
        if done or not await context.hub.changed_since(seen, deadline - time.monotonic()):
            return latched


@router.post("/reset", responses=documented(409, 422, 507))
async def reset(
    context: Context,
    token: Operator,
    force: Annotated[bool, Query(description="clear it although an instrument is not known to be safe")] = False,
) -> Station:
    """Clears the latch. Refused while an instrument is not known to be safe, unless someone looked and says `force`.

    A latch of the controller's own is cleared by the watchdog: waits up to 3 s until the worker has seen that it is gone.
    """
    deadline = time.monotonic() + CLEARED_WITHIN_S
    seen = context.hub.generation
    station = await run_in_threadpool(_reset, context, who(token), force)
    while station.interlocks.estop is not None and await context.hub.changed_since(seen, deadline - time.monotonic()):
        seen = context.hub.generation
        station = await run_in_threadpool(_station, context)
    return station


def _reset(services: Services, by: str, force: bool) -> Station:
    record = services.store.station()
    doubts = _doubts(estop_view(record.estop), record.may_be_on)
    if doubts and not force:
        raise Problem(409, f"not known to be safe: {'; '.join(doubts)}. Check by hand, then reset with ?force=true (hil reset --force)")
    if record.may_be_on is not None:
        services.store.latch_may_be_on(None, by)
    services.store.clear_estop(by)
    return _station(services)


def _doubts(latched: Estop | None, may_be_on: str | None) -> list[str]:
    """Why the station cannot be taken for safe; empty when it can."""
    doubts = [may_be_on] if may_be_on is not None else []
    if latched is not None and latched.outcome is None:
        doubts.append("the emergency stop has no outcome yet")
    if latched is not None and latched.outcome is not None:
        doubts += [f"{name}: {text}" for name, text in latched.outcome.items() if text != "safe"]
    return doubts


@router.post("/release", responses=documented(507))
async def release(context: Context, token: Operator) -> Station:
    """Lets a queue go on that a failed run holds."""

    def let_go() -> Station:
        context.store.release_queue(who(token))
        return _station(context)

    return await run_in_threadpool(let_go)
