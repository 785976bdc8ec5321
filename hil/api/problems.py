"""Every error leaves as an RFC 9457 problem document, through one handler. Rule: the table below is the only place that
maps an exception to a status; a route raises what the store and the model raise, or a Problem."""

import logging
import math
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from hil.model.refusals import PlanRefused
from hil.model.runs import IllegalTransition
from hil.runs.errors import CommandMissing
from hil.store.errors import Corrupt, KeyConflict, NotFound, StoreError, Unwritable

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:mtj-hil:problem:"
LOG = logging.getLogger("hil.api")
SHOWN_CHARACTERS = 120
"""Longest piece of a client's own input that an error repeats."""


@dataclass(frozen=True)
class Kind:
    """One kind of problem: HTTP status, the last part of its `type`, and a title that never varies."""

    status: int
    slug: str
    title: str


KINDS: Mapping[type[Exception], Kind] = {
    PlanRefused: Kind(422, "plan-refused", "The plan is beyond the station's limits"),
    RequestValidationError: Kind(422, "invalid-request", "The request is not valid"),
    KeyConflict: Kind(422, "key-reused", "The Idempotency-Key was used before with another body"),
    IllegalTransition: Kind(409, "illegal-transition", "The run cannot change to that state"),
    NotFound: Kind(404, "not-found", "No such thing"),
    Corrupt: Kind(500, "corrupt-object", "Stored bytes no longer match their hash"),
    CommandMissing: Kind(501, "command-missing", "The controller's firmware lacks a command"),
    StoreError: Kind(503, "store-failed", "The store could not do it"),
    Unwritable: Kind(507, "store-unwritable", "The store cannot be written"),
    Exception: Kind(500, "internal-error", "The service failed"),
}
BY_STATUS: Mapping[int, Kind] = {
    kind.status: kind
    for kind in (
        Kind(400, "bad-request", "The request cannot be read"),
        Kind(401, "unauthorized", "A valid token is needed"),
        Kind(403, "forbidden", "The token's scope does not allow this"),
        Kind(404, "not-found", "No such thing"),
        Kind(405, "method-not-allowed", "The method is not allowed here"),
        Kind(406, "not-acceptable", "None of the accepted forms can be given"),
        Kind(409, "conflict", "The present state does not allow this"),
        Kind(413, "too-large", "The body is too large"),
        Kind(415, "unsupported-media-type", "The body is of a type that is not read here"),
        Kind(422, "invalid-request", "The request is not valid"),
        KINDS[CommandMissing],
        Kind(503, "not-ready", "The service is not ready"),
        KINDS[Unwritable],
    )
}


class ProblemDocument(BaseModel):
    """RFC 9457. `type` is stable and names the kind; `detail` names the thing, the value, the limit and what to do."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["urn:mtj-hil:problem:not-found"])
    title: str = Field(examples=["No such thing"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["die (-99, 99) is not on wafer W1, which has 36 dies"])
    instance: str = Field(description="path of the request", examples=["/api/v1/dies/W1/-99/99/defects"])


class Problem(HTTPException):
    """An error a route raises itself. extra: further members of the document; the kind follows from the status.

    An HTTPException, because the framework lets only those through while it reads a body.
    """

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None, **extra: Any) -> None:
        super().__init__(status, detail, headers)
        self.kind, self.extra = BY_STATUS[status], extra


def shown(value: object) -> Any:
    """A client's value as it may stand in an answer: JSON without NaN, what is long cut to SHOWN_CHARACTERS of text."""
    if value is None or (isinstance(value, (bool, int)) and abs(value) < 2**63):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"


def _validation_errors(error: RequestValidationError) -> list[dict[str, Any]]:
    """field, value and message of each error; pydantic's own input may hold NaN and may be long."""
    return [
        {"field": _field(item["loc"], error.body), "value": shown(item.get("input")), "message": str(item["msg"])}
        for item in error.errors()
    ]


def _field(loc: tuple[Any, ...], body: Any) -> str:
    """`dies.0.1`: without where it was found (body, query), the plan's kind and the branch of a union that was tried."""
    kind = body.get("kind") if isinstance(body, dict) else None
    parts = [str(part) for part in loc[1:] if part != kind and "[" not in str(part)]
    return ".".join(parts) or str(loc[0])


def _refusal_extra(error: Exception) -> dict[str, Any]:
    if isinstance(error, PlanRefused):
        return {"field": error.field, "value": shown(error.value), "limit": shown(error.limit)}
    if isinstance(error, RequestValidationError):
        return {"errors": _validation_errors(error)}
    if isinstance(error, CommandMissing):
        return {"kind": error.kind, "command": error.command, "firmware": shown(error.firmware)}
    return {}


def _detail(error: Exception, kind: Kind, extra: Mapping[str, Any]) -> str:
    if isinstance(error, RequestValidationError):
        return "; ".join(f"{item['field']}: {item['message']} (got {item['value']})" for item in extra["errors"][:3])
    if kind.slug == "internal-error":
        reference = uuid.uuid4().hex[:12]
        LOG.error("unhandled error, reference %s", reference, exc_info=error)
        return f"an error nobody foresaw; the service's log has it under reference {reference}"
    return str(error)


def _kind_of(error: Exception) -> Kind:
    if isinstance(error, HTTPException):
        return BY_STATUS.get(error.status_code, Kind(error.status_code, f"http-{error.status_code}", error.detail))
    return next(KINDS[cls] for cls in type(error).__mro__ if cls in KINDS)


def _describe(request: Request, error: Exception) -> tuple[Kind, str, dict[str, Any], dict[str, str]]:
    """(kind, detail, further members, headers) of any exception."""
    if isinstance(error, Problem):
        return error.kind, error.detail, error.extra, dict(error.headers or {})
    kind = _kind_of(error)
    if isinstance(error, HTTPException):
        detail = error.detail if error.detail not in ("Not Found", "Method Not Allowed") else _no_route(request, kind)
        return kind, detail, {}, dict(error.headers or {})
    extra = _refusal_extra(error)
    return kind, _detail(error, kind, extra), extra, {}


def _no_route(request: Request, kind: Kind) -> str:
    what = "there is nothing at" if kind.status == 404 else f"{request.method} is not possible at"
    return f"{what} {shown(request.url.path)}; /api/v1/openapi.json lists what there is"


def problem_response(request: Request, error: Exception) -> JSONResponse:
    """The one error handler."""
    kind, detail, extra, headers = _describe(request, error)
    document = ProblemDocument(
        type=TYPE_PREFIX + kind.slug, title=kind.title, status=kind.status, detail=detail, instance=request.scope["path"], **extra
    )
    return JSONResponse(document.model_dump(mode="json"), status_code=kind.status, headers=headers, media_type=MEDIA_TYPE)


async def _handle(request: Request, error: Exception) -> JSONResponse:
    return problem_response(request, error)


def install(app: FastAPI) -> None:
    """Route every exception to the one handler. Only `Exception` itself is re-raised to the server, for its log."""
    for kind in (*KINDS, HTTPException):
        app.add_exception_handler(kind, _handle)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI `responses` for the problems a route can answer with, each with an example."""
    return {status: _documented_one(BY_STATUS[status]) for status in sorted({*statuses, 401, 403})}


def _documented_one(kind: Kind) -> dict[str, Any]:
    example = {
        "type": TYPE_PREFIX + kind.slug,
        "title": kind.title,
        "status": kind.status,
        "detail": EXAMPLES[kind.status],
        "instance": "/api/v1/runs",
    }
    schema = {"$ref": "#/components/schemas/ProblemDocument"}
    return {"description": kind.title, "content": {MEDIA_TYPE: {"schema": schema, "example": example}}}


UNAUTHORIZED_DETAIL = "send a valid token as `Authorization: Bearer TOKEN`; `hil token create --scope read` makes one"
EXAMPLES: Mapping[int, str] = {
    400: "the body is not JSON: Expecting value at character 1",
    401: UNAUTHORIZED_DETAIL,
    403: "this needs the scope operate; token t1 (lab-screen) has read",
    404: "die (-99, 99) is not on wafer W1, which has 36 dies",
    405: "PATCH is not possible at /api/v1/runs; /api/v1/openapi.json lists what there is",
    406: "Accept is text/csv; this can be given as application/x-npy, application/vnd.apache.arrow.stream, application/json",
    409: "run 7 is finished and cannot become aborted; possible: nothing: it has ended",
    413: "the body is larger than 1000000 bytes",
    415: "Content-Type is text/plain; send application/json",
    422: "read_volts is 9, above the station's limit of 1 V (limits.device_volts); lower it or change lab.toml",
    501: "a plan of kind program needs the controller's command PROGRAM, which its firmware 0.9 does not have; update the firmware",
    503: "the worker has not reported for 12 s; look at the service's log",
    507: "hil-data/hil.sqlite cannot be written: database or disk is full; free space or fix the permissions",
}
