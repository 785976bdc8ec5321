"""Maps measured elsewhere: brought to a die, checked, and marked as imported wherever they are shown."""

from importlib.metadata import version
from typing import Annotated

from fastapi import APIRouter, Header, Response
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from hil.api.auth import Operator, who
from hil.api.context import Context, Services
from hil.api.models import EXAMPLE_SHA256
from hil.api.problems import Problem, documented, shown
from hil.api.resources import die_on_wafer
from hil.api.routes.dies import WaferName, X, Y
from hil.api.routes.runs import PREFIX as RUNS
from hil.api.strict import StrictRoute
from hil.model.imports import ImportBody, ImportRefused
from hil.runs.importing import Importer, brought

router = APIRouter(prefix="/dies/{wafer}/{x}/{y}", tags=["dies"], route_class=StrictRoute)
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key", min_length=1, max_length=200, description="the same key and body bring the maps once", examples=["W7-0,0"]
    ),
]


class Imported(BaseModel):
    """run: the record of this import. maps: id of each map by its state, and of the defect map where P and AP are both there."""

    run: str
    maps: dict[str, str] = Field(examples=[{"P": EXAMPLE_SHA256, "AP": EXAMPLE_SHA256, "defects": EXAMPLE_SHA256}])


@router.post("/import", status_code=201, responses=documented(400, 404, 413, 415, 422, 507))
async def bring(
    context: Context, token: Operator, response: Response, wafer: WaferName, x: X, y: Y, body: ImportBody, key: Key = None
) -> Imported:
    """Makes conductance maps of arrays stored before (PUT /objects), and a defect map once P and AP are both there, from imports alone.

    Values that cannot be conductances are refused with value and limit; NaN is "not measured". A wafer not seen before is registered
    with the die map of lab.toml. Origin: `imported`.
    """
    made = await run_in_threadpool(_bring, context, (wafer, x, y), body, who(token), key)
    response.headers["Location"] = f"{RUNS}/{made.run}"
    return made


def _bring(services: Services, where: tuple[str, int, int], body: ImportBody, by: str, key: str | None) -> Imported:
    wafer, x, y = where
    services.store.ensure_wafer(wafer, services.lab.wafer.dies)
    die = die_on_wafer(services.store, wafer, x, y)
    importer = Importer(services.store, services.lab, services.now(), version("mtj-hil"))
    try:
        run = importer.bring(wafer, die, body, by, key)
    except ImportRefused as error:
        raise Problem(422, str(error), field=f"maps.{error.field}", value=shown(error.value), limit=shown(error.limit)) from error
    return Imported(run=run.id, maps=brought(services.store.maps_of_run(run.id)))
