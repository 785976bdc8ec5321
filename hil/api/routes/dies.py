"""One die: its maps, newest first, its newest map, its defect map and a picture of it."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from hil.api.answers import REVALIDATE, Wait, answer_array, array_responses
from hil.api.auth import Reader
from hil.api.context import Context
from hil.api.models import EXAMPLE_SHA256, FURTHEST_DIE, MapPage
from hil.api.pages import Limit, page_newest_first
from hil.api.pictures import PICTURE, answer_picture
from hil.api.problems import documented
from hil.api.resources import StateQuery, die_on_wafer, newest_of_die, newest_record
from hil.api.views import map_view
from hil.model.plans import WAFER_NAME

router = APIRouter(prefix="/dies/{wafer}/{x}/{y}", tags=["dies"])
X = Annotated[int, Path(ge=-FURTHEST_DIE, le=FURTHEST_DIE, description="column in the wafer frame, home die 0", examples=[-3])]
Y = Annotated[int, Path(ge=-FURTHEST_DIE, le=FURTHEST_DIE, description="row in the wafer frame, home die 0", examples=[0])]
WaferName = Annotated[str, Path(pattern=WAFER_NAME, examples=["W1"])]
MAP_EXAMPLE = {"die": [0, 0], "map_id": EXAMPLE_SHA256, "measured_at": "2026-11-22T08:30:00.000Z", "shape": [32, 25, 25]}


@router.get("/maps", responses=documented(404, 422))
async def list_maps(context: Context, _: Reader, wafer: WaferName, x: X, y: Y, limit: Limit = 100, cursor: str | None = None) -> MapPage:
    """Every map of the die, newest first."""

    def fetch() -> MapPage:
        die = die_on_wafer(context.store, wafer, x, y)
        fetched = context.store.maps_of_die(wafer, die, limit=limit + 1, before=cursor)
        items, next_cursor = page_newest_first(fetched, lambda record: record.id, limit)
        return MapPage(items=[map_view(record) for record in items], next_cursor=next_cursor)

    return await run_in_threadpool(fetch)


@router.get(
    "/maps/latest",
    response_class=Response,
    responses={**array_responses("(32, 25, 25) float32 siemens, NaN = not measured", MAP_EXAMPLE), **documented(404, 406, 422)},
)
async def latest_map(
    request: Request,
    context: Context,
    _: Reader,
    wafer: WaferName,
    x: X,
    y: Y,
    state: Annotated[StateQuery | None, Query(description="without it, the newest of any state")] = None,
    wait: Wait = 0,
) -> Response:
    """The die's newest conductance map; with `wait`, as soon as there is one that If-None-Match does not name."""
    return await answer_array(request, context, newest_of_die(context, (wafer, x, y), "conductance", state), wait)


@router.get(
    "/defects",
    response_class=Response,
    responses={**array_responses("(32, 25, 25) uint8 defect codes", MAP_EXAMPLE), **documented(404, 406, 422)},
)
async def defects(request: Request, context: Context, _: Reader, wafer: WaferName, x: X, y: Y, wait: Wait = 0) -> Response:
    """The die's newest defect map; the Arrow and JSON forms hold `line_fault` too."""
    return await answer_array(request, context, newest_of_die(context, (wafer, x, y), "defects", None), wait)


@router.get("/defects.png", response_class=Response, responses={**PICTURE, **documented(404, 422)})
async def defects_picture(request: Request, context: Context, _: Reader, wafer: WaferName, x: X, y: Y) -> Response:
    """The die's newest defect map as a picture."""
    record = await run_in_threadpool(newest_record, context.store, (wafer, x, y), "defects")
    return await answer_picture(request, context, record, REVALIDATE)
