"""One map by its id: immutable, so it may be kept for ever."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from starlette.concurrency import run_in_threadpool

from hil.api.answers import IMMUTABLE, answer_array, array_responses
from hil.api.arrays import ArrayResource
from hil.api.auth import Reader
from hil.api.context import Context
from hil.api.models import EXAMPLE_SHA256, SHA256_PATTERN, MapMeta
from hil.api.pictures import PICTURE, answer_picture
from hil.api.problems import Problem, documented
from hil.api.resources import one_map, part_of_map
from hil.api.routes.dies import MAP_EXAMPLE
from hil.api.views import map_view
from hil.store.protocol import Store
from hil.store.records import MapRecord

MapId = Annotated[str, Path(pattern=SHA256_PATTERN, examples=[EXAMPLE_SHA256])]
PictureId = Annotated[str, Path(pattern=SHA256_PATTERN, examples=[EXAMPLE_SHA256])]
router = APIRouter(prefix="/maps", tags=["maps"])


@router.get("/{map_id}.png", response_class=Response, responses={**PICTURE, **documented(404, 422)})
async def picture(request: Request, context: Context, _: Reader, map_id: PictureId) -> Response:
    """The map as a picture."""
    record = await run_in_threadpool(context.store.map, map_id)
    return await answer_picture(request, context, record, IMMUTABLE)


@router.get(
    "/{map_id}",
    response_class=Response,
    responses={**array_responses("the map's array; npy: the bytes in the store", MAP_EXAMPLE), **documented(404, 406, 422)},
)
async def get_map(request: Request, context: Context, _: Reader, map_id: MapId) -> Response:
    """Siemens (float32) of a conductance map, codes (uint8) of a defect map."""
    return await answer_array(request, context, lambda: one_map(context.store.map(map_id)), cache=IMMUTABLE)


@router.get("/{map_id}/meta", responses=documented(404, 422))
async def meta(context: Context, _: Reader, response: Response, map_id: MapId) -> MapMeta:
    """Everything known about the measurement."""
    response.headers["Cache-Control"] = IMMUTABLE
    return map_view(await run_in_threadpool(context.store.map, map_id))


@router.get(
    "/{map_id}/uncertainty",
    response_class=Response,
    responses={
        **array_responses("standard uncertainty, float32 siemens; of a defect map its confidence, float32 in 0 to 1", MAP_EXAMPLE),
        **documented(404, 406, 422),
    },
)
async def uncertainty(request: Request, context: Context, _: Reader, map_id: MapId) -> Response:
    """Standard uncertainty of every conductance (k = 1; 1.96 of them to either side hold 95 %), or confidence of a defect map's classes."""
    return await answer_array(request, context, lambda: _uncertainty(context.store, map_id), cache=IMMUTABLE)


def _uncertainty(store: Store, map_id: str) -> ArrayResource:
    record = store.map(map_id)
    if record.confidence_object is not None:
        return part_of_map(record, "confidence", record.confidence_object)
    if record.kind == "conductance":
        return _part(record, "uncertainty")
    raise Problem(404, f"defect map {map_id[:12]} has no confidence array")


@router.get(
    "/{map_id}/uncorrected",
    response_class=Response,
    responses={**array_responses("float32 siemens as read", MAP_EXAMPLE), **documented(404, 406, 422)},
)
async def uncorrected(request: Request, context: Context, _: Reader, map_id: MapId) -> Response:
    """What the instrument read of each junction, before contact and calibration were taken off."""
    return await answer_array(request, context, lambda: _part(context.store.map(map_id), "uncorrected"), cache=IMMUTABLE)


def _part(record: MapRecord, name: str) -> ArrayResource:
    if name not in record.parts:
        what = f"{record.kind} map {record.id[:12]} has no array {name}"
        raise Problem(404, f"{what}: it was imported, made by an earlier release, or read by an SMU whose accuracy is not known here")
    return part_of_map(record, name, record.parts[name])


@router.get(
    "/{map_id}/lines",
    response_class=Response,
    responses={
        **array_responses("line faults, uint8: bit 0 row, bit 1 column, bit 2 shorted segment", MAP_EXAMPLE),
        **documented(404, 406, 422),
    },
)
async def lines(request: Request, context: Context, _: Reader, map_id: MapId) -> Response:
    """The array beside a defect map that tells of whole lines."""
    return await answer_array(request, context, lambda: _lines(context.store, map_id), cache=IMMUTABLE)


def _lines(store: Store, map_id: str) -> ArrayResource:
    record = store.map(map_id)
    if record.line_object is None:
        raise Problem(404, f"{record.kind} map {map_id[:12]} has no line faults; a defect map has")
    return part_of_map(record, "line_fault", record.line_object)
