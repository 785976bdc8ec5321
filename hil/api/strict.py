"""JSON as RFC 8259 has it, and not too much of it, from those who may send it. Rule 1: the token is checked before the body is
read. Rule 2: NaN, Infinity and halves of characters are refused before anything looks at the values."""

import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from hil.api.auth import admit, needed_scope
from hil.api.context import services_of
from hil.api.edge import too_large
from hil.api.problems import Problem, shown
from hil.store.records import Scope

LARGEST_JSON_BYTES = 64_000
"""A plan that names 4000 dies."""
LARGEST_WAFER_BYTES = 256_000
"""A wafer of 10 000 dies, the most that one may have."""
JSON = "application/json"


def _refuse(word: str) -> float:
    raise Problem(422, f"the body holds {word}, which is no JSON number; leave the field out or give a finite value")


class StrictRequest(Request):
    largest_bytes = LARGEST_JSON_BYTES

    async def json(self) -> Any:
        body = await self.body()
        if len(body) > self.largest_bytes:
            raise too_large(self.largest_bytes)
        return parse_strict(body)


def parse_strict(body: bytes) -> Any:
    """Raises Problem 422 for NaN, infinities and lone surrogates, 400 for what is no JSON at all."""
    try:
        parsed = json.loads(body.decode(), parse_constant=_refuse)
        # A lone surrogate can only come in as an escape, and nothing can be done with it: not stored, not sent back.
        if b"\\u" in body:
            json.dumps(parsed, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise Problem(400, f"the body is not JSON: {error.msg} at character {error.pos + 1}") from error
    except UnicodeDecodeError as error:
        raise Problem(400, f"the body is not UTF-8: {error.reason} at byte {error.start}") from error
    except UnicodeEncodeError as error:
        raise Problem(422, "the body holds half a character (a surrogate without its other half); leave it out") from error
    except RecursionError as error:
        raise Problem(400, "the body is nested too deeply") from error
    except ValueError as error:
        raise Problem(422, "the body holds a whole number of thousands of digits; give a smaller one") from error
    return parsed


def _check_type(request: Request) -> None:
    """Raises Problem 415 for a body that is announced as anything but JSON, or as nothing."""
    headers = request.headers
    media = headers.get("content-type", "").partition(";")[0].strip().lower()
    empty = headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers
    if not empty and media != JSON and not (media.startswith("application/") and media.endswith("+json")):
        raise Problem(415, f"Content-Type is {shown(media) or 'missing'}; send {JSON}")


class StrictRoute(APIRoute):
    """A route whose JSON body is read only for a token that may send it, and parsed strictly."""

    request_class: type[StrictRequest] = StrictRequest

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        scopes: list[Scope] = [scope for part in self.dependant.dependencies if (scope := needed_scope(part.call))]
        takes_body = self.body_field is not None

        async def strictly(request: Request) -> Response:
            for scope in scopes:
                await admit(services_of(request), request, scope)
            if takes_body:
                _check_type(request)
            return await handle(self.request_class(request.scope, request.receive))

        return strictly


class WaferRequest(StrictRequest):
    largest_bytes = LARGEST_WAFER_BYTES


class WaferRoute(StrictRoute):
    """A route whose body may name every die of a wafer."""

    request_class = WaferRequest
