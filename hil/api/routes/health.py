"""For whoever watches the service: is it up, can it measure, how much has it done. Open, and without secrets."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.concurrency import run_in_threadpool

from hil.api.context import Context, Services
from hil.api.metrics import registry_of
from hil.api.models import Health, Readiness
from hil.api.problems import Problem, documented
from hil.api.views import HEARTBEAT_STALE_S, seconds_since

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> Health:
    """The process answers."""
    return Health()


@router.get("/readyz", responses=documented(503))
async def readyz(context: Context) -> Readiness:
    """The store can be read, the worker reports, every instrument is connected and no output may be on; else 503 naming what is not."""
    return await run_in_threadpool(_readiness, context)


def _readiness(services: Services) -> Readiness:
    station = services.store.station()
    if station.may_be_on is not None:
        raise Problem(503, "the SMU's output may be on: it could not be verified off; GET /api/v1/station says why")
    if station.heartbeat_at is None:
        raise Problem(503, "the worker does not run yet, or has ended; look at the service's log")
    age_s = seconds_since(station.heartbeat_at, services.now())
    if age_s >= HEARTBEAT_STALE_S:
        raise Problem(503, f"the worker has not reported for {age_s:.0f} s (limit {HEARTBEAT_STALE_S:g} s); look at the service's log")
    instruments: dict[str, dict[str, object]] = station.snapshot.get("instruments") or {}
    if not instruments:
        raise Problem(503, "the worker has not connected to the instruments yet; `hil check` tells which one does not answer")
    gone = [name for name, state in instruments.items() if state.get("connected") is False]
    if gone:
        raise Problem(503, f"not connected: {', '.join(gone)}; `hil check` tells why")
    return Readiness(instruments=sorted(instruments))


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}})
async def metrics(context: Context) -> Response:
    """Prometheus text: runs by state, maps, what went over each wire and what went wrong there, the switches of the station."""
    text = await run_in_threadpool(lambda: generate_latest(registry_of(context)))
    return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST})
