"""JSON as RFC 8259 has it, and not too much of it: NaN and Infinity are refused before anything looks at the values."""

import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from hil.api.edge import too_large
from hil.api.problems import Problem

LARGEST_JSON_BYTES = 1_000_000


def _refuse(word: str) -> float:
    raise Problem(422, f"the body holds {word}, which is no JSON number; leave the field out or give a finite value")


class StrictRequest(Request):
    async def json(self) -> Any:
        body = await self.body()
        if len(body) > LARGEST_JSON_BYTES:
            raise too_large(LARGEST_JSON_BYTES)
        return parse_strict(body)


def parse_strict(body: bytes) -> Any:
    """Raises Problem 422 for NaN and infinities, 400 for what is no JSON at all."""
    try:
        return json.loads(body, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise Problem(400, f"the body is not JSON: {error.msg} at character {error.pos + 1}") from error
    except UnicodeDecodeError as error:
        raise Problem(400, f"the body is not UTF-8: {error.reason} at byte {error.start}") from error
    except RecursionError as error:
        raise Problem(400, "the body is nested too deeply") from error


class StrictRoute(APIRoute):
    """A route whose JSON body is parsed strictly."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def strictly(request: Request) -> Response:
            return await handle(StrictRequest(request.scope, request.receive))

        return strictly
