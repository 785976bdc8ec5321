"""What is turned away before anything is routed. Rule 1: Host is one of an exact allow-list, so that a page elsewhere cannot
rebind its name to us. Rule 2: no body is larger than the limit, announced or not. Rule 3: so many requests at once and no
more, counted as requests: a connection that asks nothing takes nobody's place."""

from collections.abc import Collection, Iterable

from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hil.api.problems import Problem, problem_response, shown

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def host_name(header: str) -> str:
    """`[::1]:8765` gives `::1`, `Lab.Example:80` gives `lab.example`."""
    if header.startswith("["):
        return header[1:].partition("]")[0].lower()
    return header.partition(":")[0].lower()


def too_large(limit_bytes: int) -> Problem:
    return Problem(413, f"the body is larger than {limit_bytes} bytes", limit=limit_bytes)


class HostAllowList:
    """Pure ASGI, outermost: answers 400 for any other name."""

    def __init__(self, app: ASGIApp, names: Iterable[str]) -> None:
        self._app, self._names = app, frozenset(name.lower() for name in names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("host", "")
        if host_name(given) in self._names:
            await self._app(scope, receive, send)
            return
        refusal = Problem(
            400,
            f"Host is {shown(given)!r}; this service answers to {', '.join(sorted(self._names))}; `hil serve --allow-host NAME` adds one",
        )
        await problem_response(Request(scope), refusal)(scope, receive, send)


class InFlightLimit:
    """Pure ASGI: answers 503 while `most` requests are being answered, streams and long polls included.

    exempt: (method, path) of those that are answered nevertheless, and not counted.
    """

    def __init__(self, app: ASGIApp, most: int, exempt: Collection[tuple[str, str]]) -> None:
        self._app, self._most, self._exempt = app, most, exempt
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (scope["method"], scope["path"]) in self._exempt:
            await self._app(scope, receive, send)
            return
        if self._in_flight >= self._most:
            refusal = Problem(503, f"{self._most} requests are being answered already; try again", headers={"Retry-After": "1"})
            await problem_response(Request(scope), refusal)(scope, receive, send)
            return
        self._in_flight += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._in_flight -= 1


class BodyLimit:
    """Pure ASGI: answers 413 for a body announced too large, and stops reading one that turns out to be."""

    def __init__(self, app: ASGIApp, limit_bytes: int) -> None:
        self._app, self._limit_bytes = app, limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdecimal() and int(announced) > self._limit_bytes:
            await problem_response(Request(scope), too_large(self._limit_bytes))(scope, receive, send)
            return
        await self._app(scope, self._counting(receive), send)

    def _counting(self, receive: Receive) -> Receive:
        seen_bytes = 0

        async def counted() -> Message:
            nonlocal seen_bytes
            message = await receive()
            seen_bytes += len(message.get("body", b""))
            if seen_bytes > self._limit_bytes:
                raise too_large(self._limit_bytes)
            return message

        return counted
