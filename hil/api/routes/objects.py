"""Arrays that plans refer to and results point to, by the sha256 of their npy bytes."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from starlette.concurrency import run_in_threadpool

from hil.api.answers import IMMUTABLE, answer_array, array_responses
from hil.api.arrays import ArrayResource, Form, Row
from hil.api.auth import Operator, Reader
from hil.api.context import Context, Services
from hil.api.models import EXAMPLE_SHA256, SHA256_PATTERN, StoredObject
from hil.api.npy_checks import check_plain_npy
from hil.api.problems import Problem, documented
from hil.model.maps import sha256_hex

LARGEST_BYTES = 8_000_000
Sha256 = Annotated[str, Path(pattern=SHA256_PATTERN, examples=[EXAMPLE_SHA256])]
NPY_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {Form.NPY: {"schema": {"type": "string", "format": "binary"}}}},
}
router = APIRouter(prefix="/objects", tags=["objects"])


@router.put("/{sha256}", openapi_extra=NPY_BODY, responses=documented(413, 422, 507))
async def put_object(request: Request, context: Context, _: Operator, sha256: Sha256) -> StoredObject:
    """Stores a plain npy array (numbers, C order, up to 8 MB). Idempotent; durable when it answers."""
    return await run_in_threadpool(_store, context, sha256, await request.body())


def _store(services: Services, sha256: str, data: bytes) -> StoredObject:
    try:
        shape, dtype = check_plain_npy(data)
    except ValueError as error:
        raise Problem(422, f"the body is no plain npy array: {error}") from error
    if (found := sha256_hex(data)) != sha256:
        raise Problem(422, f"the body's sha256 is {found}, the path says {sha256}; send the bytes that were hashed")
    services.store.put_object(data)
    return StoredObject(sha256=sha256, shape=list(shape), dtype=dtype.name)


@router.get(
    "/{sha256}",
    response_class=Response,
    responses={**array_responses("the array", {"shape": [2], "values": [0.5, None]}), **documented(404, 406, 422)},
)
async def get_object(request: Request, context: Context, _: Reader, sha256: Sha256) -> Response:
    """The array as it was stored."""

    def find() -> ArrayResource:
        context.store.get_object(sha256)
        return ArrayResource(sha256, (Row({"values": sha256}),), ("values",))

    return await answer_array(request, context, find, cache=IMMUTABLE)
