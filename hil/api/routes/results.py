"""Results of a run that are no maps: traces, switching probabilities, products, result codes. Listed with what is known of them, or one
array by its die and name."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from starlette.concurrency import run_in_threadpool

from hil.api.answers import Missing, Wait, answer_array, array_responses
from hil.api.arrays import ArrayResource, Row
from hil.api.auth import Reader
from hil.api.context import Context, Services
from hil.api.models import Coordinate, RunObjects
from hil.api.problems import documented
from hil.api.routes.runs import RunId
from hil.api.views import object_view, origin_header
from hil.store.protocol import Store
from hil.store.records import ObjectRecord

ResultName = Annotated[str, Path(pattern=r"^[a-z0-9_]{1,64}$", examples=["iv_amps"])]
EXAMPLE = {"die": [0, 0], "shape": [1, 3], "values": [[0.0, 3.3e-5, None]]}
router = APIRouter(prefix="/runs", tags=["runs"])


@router.get("/{run_id}/objects", responses=documented(404, 422))
async def list_objects(context: Context, _: Reader, run_id: RunId) -> RunObjects:
    """Every array the run has stored so far beside its maps, with its metadata, oldest first."""
    return await run_in_threadpool(_listed, context, run_id)


def _listed(services: Services, run_id: str) -> RunObjects:
    return RunObjects(items=[object_view(record) for record in services.store.objects_of_run(run_id)])


@router.get(
    "/{run_id}/objects/{x}/{y}/{name}",
    response_class=Response,
    responses={**array_responses("the array", EXAMPLE), **documented(404, 406, 422)},
)
async def get_result(
    request: Request, context: Context, _: Reader, run_id: RunId, x: Coordinate, y: Coordinate, name: ResultName, wait: Wait = 0
) -> Response:
    """One array of one die. `?wait=20`: as soon as it is measured."""
    return await answer_array(request, context, lambda: _result(context.store, run_id, (x, y), name), wait)


def _result(store: Store, run_id: str, die: tuple[int, int], name: str) -> ArrayResource:
    """Raises NotFound for an unknown run, Missing while the run has no such result of the die."""
    for record in store.objects_of_run(run_id):
        if (record.die, record.name) == (die, name):
            return _resource(record)
    raise Missing(f"run {run_id} has no result {name} of die {die} yet; GET /api/v1/runs/{run_id}/objects lists those it has")


def _resource(record: ObjectRecord) -> ArrayResource:
    headers = {"Lab-Origin": origin_header([record.meta]), "Lab-Measured-At": record.at}
    return ArrayResource(record.object, (Row({"values": record.object}, None, record.die, record.at),), ("values",), headers=headers)
