"""How a route answers with an array: negotiate, look, wait if asked, 304 or bytes. One path for every array of the API."""

import time
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

from anyio import to_thread
from fastapi import Query, Request, Response

from hil.api.arrays import ArrayResource, Form, negotiate
from hil.api.auth import admit
from hil.api.context import Services
from hil.api.etags import none_match, strong
from hil.api.problems import Problem

IMMUTABLE = "private, max-age=31536000, immutable"
REVALIDATE = "no-cache"
LONGEST_WAIT_S = 60
Wait = Annotated[
    float,
    Query(
        ge=0,
        le=LONGEST_WAIT_S,
        allow_inf_nan=False,
        description="long poll: up to so many seconds, answering the moment there is something that If-None-Match does not name",
        examples=[20],
    ),
]
Find = Callable[[], ArrayResource]
"""Looks in the catalogue only, never at bytes. Raises Problem 404 while there is nothing to show."""


async def answer_array(request: Request, services: Services, find: Find, wait_s: float = 0, cache: str = REVALIDATE) -> Response:
    """The array in the form the client prefers, 304 when it has it already, or the problem `find` raises."""
    form = negotiate(request.headers.get("accept"))
    condition = request.headers.get("if-none-match")
    deadline = time.monotonic() + wait_s
    address = ("array", request.scope["path"], request.scope["query_string"])
    while True:
        seen = services.maps.generation
        found = await services.memo.ask(address, partial(_look, find))
        new = isinstance(found, ArrayResource) and none_match(condition, strong(found.identity, form.tag))
        if new or not await services.maps.changed_since(seen, deadline - time.monotonic()):
            break
        # The wait may have been long, and the token revoked in it.
        await admit(services, request, "read")
    if isinstance(found, str):
        raise Missing(found)
    headers = {"ETag": strong(found.identity, form.tag), "Vary": "Accept", "Cache-Control": cache, **found.headers}
    if not new:
        return Response(status_code=304, headers=headers)
    limiter = services.encoding if form is Form.JSON else None
    body = await to_thread.run_sync(found.body, form, services.store.get_object, limiter=limiter)
    return Response(body, media_type=form.value, headers=headers)


def _look(find: Find) -> ArrayResource | str:
    """A missing map is an answer to wait on, told in words; an unknown wafer or die is not: that is raised as something else."""
    try:
        return find()
    except Missing as missing:
        return missing.detail


class Missing(Problem):
    """404 that a measurement may end: nothing of this kind has been measured yet."""

    def __init__(self, detail: str) -> None:
        super().__init__(404, detail)


def array_responses(what: str, example: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    """OpenAPI: the three forms of an array and 304."""
    binary = {"schema": {"type": "string", "format": "binary"}}
    headers = {
        name: {"schema": {"type": "string"}, "description": text}
        for name, text in {
            "ETag": "strong, of this form",
            "Lab-Origin": "`measured` or `simulated; seed=20261122`",
            "Lab-Measured-At": "UTC, of the newest map",
        }.items()
    }
    content: dict[str, Any] = {
        Form.NPY: binary,
        Form.ARROW: binary,
        Form.JSON: {"schema": {"type": "object"}, "example": example},
    }
    return {200: {"description": what, "headers": headers, "content": content}, 304: {"description": "the client has this already"}}
