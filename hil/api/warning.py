"""What must not be overlooked stands on every answer. Rule: while an output may still be on, each carries `Lab-Warning` with the
reason, from the moment that is known until an off is verified or somebody who has looked takes it back."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hil.api.context import Services
from hil.store.errors import StoreError

HEADER = "Lab-Warning"
_STRANGERS = (401, 403)
"""Answers to those who may not read."""
_LONGEST = 1_000


class OutputWarning:
    """Pure ASGI, innermost: an answer's header is asked for when it leaves."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        services: Services = scope["app"].state.services

        async def warned(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] not in _STRANGERS:
                text = await _latched(services)
                if text:
                    MutableHeaders(scope=message)[HEADER] = text
            await send(message)

        await self._app(scope, receive, warned)


async def _latched(services: Services) -> str:
    """Empty while nothing is. A store that cannot be read is told by the answer itself."""
    try:
        return await services.memo.ask(HEADER, lambda: _one_line(services.store.station().may_be_on or ""))
    except StoreError:
        return ""


def _one_line(text: str) -> str:
    """As a header may hold it."""
    return " ".join(text.split()).encode("ascii", "replace").decode()[:_LONGEST]
