"""Wafers: which there are, how their dies stand, and the newest maps of a wafer in one array."""

from collections import Counter
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from hil.api.answers import Wait, answer_array, array_responses
from hil.api.auth import Operator, Reader
from hil.api.context import Context, Services
from hil.api.models import EXAMPLE_SHA256, Wafer, WaferBody, WaferDetail, WaferPage
from hil.api.pages import Limit, page_by_key
from hil.api.problems import Problem, documented
from hil.api.resources import StateQuery, uncertainty_stack, wafer_stack
from hil.api.strict import WaferRoute
from hil.api.views import DieFacts, die_view, good_fraction, wafer_view
from hil.model.defects import Defect
from hil.model.maps import from_npy_bytes
from hil.model.plans import WAFER_NAME

WaferName = Annotated[str, Path(pattern=WAFER_NAME, examples=["W1"])]
STACK_EXAMPLE = {"dies": [{"die": [0, 0], "map_id": EXAMPLE_SHA256, "measured_at": "2026-11-22T08:30:00.000Z"}], "shape": [1, 32, 25, 25]}
router = APIRouter(prefix="/wafers", tags=["wafers"], route_class=WaferRoute)


@router.get("", responses=documented(422))
async def list_wafers(context: Context, _: Reader, limit: Limit = 100, cursor: str | None = None) -> WaferPage:
    """Registered wafers, by name."""
    found = sorted(await run_in_threadpool(context.store.wafers), key=lambda record: record.name)
    items, next_cursor = page_by_key([wafer_view(record) for record in found], lambda wafer: wafer.name, limit, cursor)
    return WaferPage(items=items, next_cursor=next_cursor)


@router.put("/{wafer}", responses=documented(400, 409, 413, 415, 422, 507))
async def put_wafer(context: Context, _: Operator, wafer: WaferName, body: WaferBody | None = None) -> Wafer:
    """Registers a wafer; again with the same dies changes nothing, with others it is refused (409)."""
    dies = context.lab.wafer.dies if body is None or body.dies is None else tuple(body.dies)
    if len(set(dies)) != len(dies):
        raise Problem(422, "dies names a die twice")
    record = await run_in_threadpool(context.store.ensure_wafer, wafer, dies)
    if set(record.dies) != set(dies):
        raise Problem(409, f"wafer {wafer} is registered with {len(record.dies)} dies, not with these {len(dies)}; take another name")
    return wafer_view(record)


@router.get("/{wafer}", responses=documented(404, 422))
async def get_wafer(context: Context, _: Reader, wafer: WaferName) -> WaferDetail:
    """The wafer map: each die's status and counts, and the yield."""
    return await run_in_threadpool(_detail, context, wafer)


def _detail(services: Services, name: str) -> WaferDetail:
    store = services.store
    record = store.wafer(name)
    read = {found.die: found for found in store.newest_maps(name, "conductance")}
    defects = {found.die: found for found in store.newest_maps(name, "defects")}
    counts = {die: _counts(store.get_object(found.object)) for die, found in defects.items()}
    made, touched = store.touchdowns(name), store.newest_touches(name)
    total: Counter[str] = Counter()
    for of_die in counts.values():
        total.update(of_die)
    return WaferDetail(
        name=record.name,
        created_at=record.created_at,
        dies=[
            die_view(die, DieFacts(read.get(die), defects.get(die), counts.get(die), made.get(die, 0), touched.get(die)))
            for die in record.dies
        ],
        characterised=len(defects),
        counts=dict(total),
        yield_fraction=good_fraction(total),
    )


def _counts(npy: bytes) -> dict[str, int]:
    """Junctions per class of a defect map, by name."""
    numbers = np.bincount(from_npy_bytes(npy).ravel(), minlength=256)
    return {defect.name.lower(): int(numbers[defect]) for defect in Defect if numbers[defect]}


@router.get(
    "/{wafer}/conductance",
    response_class=Response,
    responses={**array_responses("(n, 32, 25, 25) float32 siemens, NaN = not measured", STACK_EXAMPLE), **documented(404, 406, 422)},
)
async def conductance(
    request: Request,
    context: Context,
    _: Reader,
    wafer: WaferName,
    state: Annotated[StateQuery | None, Query(description="without it, the newest of any state")] = None,
    wait: Wait = 0,
) -> Response:
    """Newest map of every measured die, stacked; header `Lab-Dies: x,y;x,y;...` names them, ordered by (y, x)."""
    return await answer_array(request, context, wafer_stack(context, wafer, "conductance", state), wait)


@router.get(
    "/{wafer}/uncertainty",
    response_class=Response,
    responses={**array_responses("(n, 32, 25, 25) float32 siemens, standard uncertainty", STACK_EXAMPLE), **documented(404, 406, 422)},
)
async def uncertainty(
    request: Request, context: Context, _: Reader, wafer: WaferName, state: Annotated[StateQuery | None, Query()] = None, wait: Wait = 0
) -> Response:
    """Standard uncertainties of the maps that `/wafers/{wafer}/conductance` gives, in the same order. 404 where one of them has none."""
    return await answer_array(request, context, uncertainty_stack(context, wafer, state), wait)


@router.get(
    "/{wafer}/defects",
    response_class=Response,
    responses={**array_responses("(n, 32, 25, 25) uint8 defect codes", STACK_EXAMPLE), **documented(404, 406, 422)},
)
async def defects(request: Request, context: Context, _: Reader, wafer: WaferName, wait: Wait = 0) -> Response:
    """Newest defect map of every measured die, stacked; the Arrow and JSON forms hold `line_fault` too."""
    return await answer_array(request, context, wafer_stack(context, wafer, "defects"), wait)
