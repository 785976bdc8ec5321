"""Trained networks: checkpoints with the hashes of the maps they were made for, what was found of them, and their reports."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Request, Response
from starlette.concurrency import run_in_threadpool

from hil.api.answers import IMMUTABLE
from hil.api.auth import Operator, Reader, who
from hil.api.checkpoints import header_of
from hil.api.context import Context, Services
from hil.api.etags import none_match, strong
from hil.api.models import EXAMPLE_SHA256, SHA256_PATTERN, Evaluation, Model, ModelPage
from hil.api.pages import Limit, page_newest_first
from hil.api.problems import Problem, documented
from hil.api.strict import StrictRoute
from hil.model.maps import sha256_hex
from hil.store.records import ModelRecord

SAFETENSORS = "application/octet-stream"
HTML = "text/html; charset=utf-8"
SANDBOX = "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""A report is somebody's page: it may show itself, and do nothing."""
ModelId = Annotated[str, Path(pattern=SHA256_PATTERN, examples=[EXAMPLE_SHA256])]
BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
router = APIRouter(prefix="/models", tags=["models"], route_class=StrictRoute)


def _body(media: str) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {media: BINARY}}}


def _view(services: Services, record: ModelRecord) -> Model:
    found = [Evaluation(at=each.at, by=each.by, body=each.body) for each in services.store.evaluations(record.id)]
    header = record.header
    return Model(
        id=record.id,
        at=record.at,
        by=record.by,
        size_bytes=record.size_bytes,
        metadata=header["metadata"],
        tensors=header["tensors"],
        evaluations=found,
        report=record.report is not None,
    )


@router.get("", responses=documented(404, 422))
async def list_models(context: Context, _: Reader, limit: Limit = 100, cursor: str | None = None) -> ModelPage:
    """Checkpoints, newest first."""

    def fetch() -> ModelPage:
        fetched = context.store.models(limit=limit + 1, before=cursor)
        items, next_cursor = page_newest_first(fetched, lambda record: record.id, limit)
        return ModelPage(items=[_view(context, record) for record in items], next_cursor=next_cursor)

    return await run_in_threadpool(fetch)


@router.get("/{model_id}", responses=documented(404, 422))
async def get_model(context: Context, _: Reader, model_id: ModelId) -> Model:
    """What a checkpoint says of itself, and what was found of it."""
    return await run_in_threadpool(lambda: _view(context, context.store.model(model_id)))


@router.put("/{model_id}", openapi_extra=_body(SAFETENSORS), responses=documented(413, 422, 507))
async def put_model(request: Request, context: Context, token: Operator, model_id: ModelId) -> Model:
    """Stores a checkpoint (safetensors, up to 8 MB) under the sha256 of its bytes. Idempotent; durable when it answers."""
    data = await request.body()

    def keep() -> Model:
        try:
            header = header_of(data)
        except ValueError as error:
            raise Problem(422, f"the body is no safetensors checkpoint: {error}") from error
        if (found := sha256_hex(data)) != model_id:
            raise Problem(422, f"the body's sha256 is {found}, the path says {model_id}; send the bytes that were hashed")
        return _view(context, context.store.put_model(data, header, who(token)))

    return await run_in_threadpool(keep)


@router.get(
    "/{model_id}/checkpoint",
    response_class=Response,
    responses={200: {"description": "the bytes as they were stored", "content": {SAFETENSORS: BINARY}}, **documented(404, 422)},
)
async def get_checkpoint(request: Request, context: Context, _: Reader, model_id: ModelId) -> Response:
    """The checkpoint itself, safetensors."""
    headers = {"ETag": strong(model_id, "safetensors"), "Cache-Control": IMMUTABLE}
    await run_in_threadpool(context.store.model, model_id)
    if not none_match(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(await run_in_threadpool(context.store.get_object, model_id), media_type=SAFETENSORS, headers=headers)


@router.post("/{model_id}/evaluations", status_code=201, responses=documented(400, 404, 413, 415, 422, 507))
async def add_evaluation(
    context: Context,
    token: Operator,
    model_id: ModelId,
    body: Annotated[dict[str, Any], Body(examples=[{"wafer": "W1", "errors": {"0,0": 0.031}}])],
) -> Evaluation:
    """Adds what was found of the model: any JSON object, such as errors by die and the maps they were found on."""
    record = await run_in_threadpool(context.store.add_evaluation, model_id, body, who(token))
    return Evaluation(at=record.at, by=record.by, body=record.body)


@router.put("/{model_id}/report", openapi_extra=_body("text/html"), responses=documented(404, 413, 422, 507))
async def put_report(request: Request, context: Context, _: Operator, model_id: ModelId) -> Model:
    """Stores the model's report: one HTML page with everything in it, UTF-8. Replaces an earlier one."""
    page = await request.body()

    def keep() -> Model:
        try:
            text = page.decode()
        except UnicodeDecodeError as error:
            raise Problem(422, f"the report is not UTF-8: {error.reason} at byte {error.start}") from error
        if not text.strip():
            raise Problem(422, "the report is empty; send one HTML page")
        return _view(context, context.store.put_report(model_id, page))

    return await run_in_threadpool(keep)


@router.get(
    "/{model_id}/report",
    response_class=Response,
    responses={200: {"description": "one HTML page", "content": {"text/html": {"schema": {"type": "string"}}}}, **documented(404, 422)},
)
async def get_report(context: Context, _: Reader, model_id: ModelId) -> Response:
    """The model's report. It runs no script and loads nothing."""

    def find() -> bytes:
        record = context.store.model(model_id)
        if record.report is None:
            raise Problem(404, f"model {model_id} has no report; PUT one at this address")
        return context.store.get_object(record.report)

    headers = {"Content-Security-Policy": SANDBOX, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"}
    return Response(await run_in_threadpool(find), media_type=HTML, headers=headers)
