"""Live vector-matrix products on a die that a run of kind `hold` keeps in contact. Rule: the web process asks, the worker answers; a
request that nobody took in time is withdrawn, so that nothing is driven for somebody who has gone."""

import time
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Body, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from hil.api.answers import array_responses
from hil.api.arrays import ArrayResource, Row, negotiate
from hil.api.auth import Operator
from hil.api.context import Context, Services
from hil.api.problems import Problem, documented
from hil.api.resources import die_on_wafer
from hil.api.routes.dies import WaferName, X, Y
from hil.api.strict import StrictRoute
from hil.api.views import origin_header
from hil.model.lab import DieIndex
from hil.model.maps import npy_bytes
from hil.model.plans import KernelNumber, ObjectRef, PositiveFinite, VmmPlan
from hil.runs.submit import check_vmm
from hil.store.records import LiveRecord, RunRecord

ANSWER_WITHIN_S = 10.0
LARGEST_BATCH = 4096
router = APIRouter(prefix="/dies/{wafer}/{x}/{y}", tags=["dies"], route_class=StrictRoute)
Number = Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)]


class VmmBody(BaseModel):
    """inputs: (batch, lines) in units of read_volts, or the object of an array (batch, lines) or (batch, kernels, lines), float32.
    kernels: all of them, or so many in this order. direction: which lines are driven."""

    model_config = ConfigDict(extra="forbid")

    inputs: list[list[Number]] | ObjectRef = Field(examples=[[[0.0, 1.0, 0.5]]])
    read_volts: PositiveFinite = 0.1
    kernels: Literal["all"] | list[KernelNumber] = Field(default="all", examples=[[0, 1]])
    direction: Literal["rows", "columns"] = "rows"


EXAMPLE = {"die": [0, 0], "shape": [1, 1, 25], "values": [[[3.3e-5]]]}


@router.post(
    "/vmm",
    response_class=Response,
    responses={**array_responses("(batch, kernels, 25) float32 A", EXAMPLE), **documented(400, 404, 406, 409, 413, 415, 422, 503, 507)},
)
async def vmm(request: Request, context: Context, _: Operator, wafer: WaferName, x: X, y: Y, body: Annotated[VmmBody, Body()]) -> Response:
    """Currents of the die in contact, now. Queue a run of kind `hold` first: it touches down and keeps the die for such requests.

    409 when the die is not held in contact, or the station is busy; 422 beyond the station's limits.
    """
    form = negotiate(request.headers.get("accept"))
    number, run = await run_in_threadpool(_ask, context, wafer, (x, y), body)
    sha256, meta = await _answer(context, number, run)
    record = ArrayResource(sha256, (Row({"values": sha256}, None, (x, y)),), ("values",))
    content = await run_in_threadpool(record.body, form, context.store.get_object)
    headers = {"Lab-Origin": origin_header([meta]), "Lab-Object": sha256, "Cache-Control": "no-store"}
    return Response(content, media_type=form.value, headers=headers)


def _ask(services: Services, wafer: str, die: DieIndex, body: VmmBody) -> tuple[int, RunRecord]:
    """Raises Problem 409, PlanRefused, NotFound."""
    die_on_wafer(services.store, wafer, *die)
    run = _holder(services, wafer, die)
    inputs = body.inputs if isinstance(body.inputs, ObjectRef) else ObjectRef(object=_stored(services, body.inputs))
    plan = VmmPlan.model_validate({
        **body.model_dump(exclude={"inputs"}), "kind": "vmm", "wafer": wafer, "dies": [die], "inputs": inputs.model_dump()
    })  # fmt: skip
    batch = check_vmm(plan, services.lab, services.store)
    if batch > LARGEST_BATCH:
        raise Problem(422, f"inputs has {batch} vectors, limit {LARGEST_BATCH} for a live request; split it, or queue a run of kind vmm")
    return services.store.ask_live(run.id, plan.model_dump(mode="json")), run


def _stored(services: Services, rows: list[list[float]]) -> str:
    if not rows or len({len(row) for row in rows}) != 1:
        raise Problem(422, f"inputs has {len(rows)} rows of different lengths or none; give (batch, lines)")
    return services.store.put_object(npy_bytes(np.array(rows, dtype=np.float32)))


def _holder(services: Services, wafer: str, die: DieIndex) -> RunRecord:
    """The run that holds the die in contact. Raises Problem 409."""
    run = services.store.running()
    how = f'queue {{"kind": "hold", "wafer": "{wafer}", "dies": [[{die[0]}, {die[1]}]]}} and ask again when it is in contact'
    if run is None:
        raise Problem(409, f"die {die} of wafer {wafer} is not in contact: nothing runs; {how}")
    if run.plan["kind"] != "hold":
        raise Problem(409, f"the station is busy with run {run.id} ({run.plan['kind']}); wait for it, then {how}")
    held = services.store.station().snapshot.get("die_in_contact")
    if run.plan["wafer"] != wafer or held != list(die):
        other = f"run {run.id} holds wafer {run.plan['wafer']}, die in contact: {held}"
        raise Problem(409, f"die {die} of wafer {wafer} is not in contact: {other}; {how}")
    return run


async def _answer(services: Services, number: int, run: RunRecord) -> tuple[str, dict[str, Any]]:
    """sha256 of the answer, and who gave it. Raises Problem 409 when it was refused or the run has ended, 503 when nobody took it."""
    deadline = time.monotonic() + ANSWER_WITHIN_S
    while True:
        seen = services.hub.generation
        record = await run_in_threadpool(services.store.live, number)
        if record.answer is not None:
            return record.answer, record.meta or {}
        if record.error is not None:
            raise Problem(409, record.error)
        if not await services.hub.changed_since(seen, deadline - time.monotonic()):
            break
    raise await run_in_threadpool(_withdrawn, services, record, run)


def _withdrawn(services: Services, record: LiveRecord, run: RunRecord) -> Problem:
    state = services.store.run(run.id).state
    what = "withdrawn" if services.store.withdraw_live(record.number) else "being carried out, its answer lost"
    return Problem(503, f"no answer within {ANSWER_WITHIN_S:g} s: run {run.id} is {state}; the request was {what}")
