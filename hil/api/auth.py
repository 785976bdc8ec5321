"""Who may do what. Rule: deny by default: every route states the scope it needs as a dependency, or is in OPEN_PATHS.

Scopes contain each other: read < operate < admin. The emergency stop needs any valid token.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from hil.api.context import Context, Services
from hil.api.problems import UNAUTHORIZED_DETAIL, Problem
from hil.store.records import Scope, TokenRecord

ORDER: tuple[Scope, ...] = ("read", "operate", "admin")
OPEN_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
LONGEST_TOKEN = 200
_BEARER = HTTPBearer(auto_error=False, description="a token of `hil token create`")


async def _admit(services: Services, sent: HTTPAuthorizationCredentials | None, scope: Scope) -> TokenRecord:
    """Raises Problem 401: one constant answer for a missing, malformed, unknown and revoked token tells a guesser nothing; 403."""
    known = None
    if sent is not None and len(sent.credentials) <= LONGEST_TOKEN:
        look = partial(services.store.check_token, sent.credentials)
        known = await services.memo.ask(("token", sent.credentials), look)
    if known is None:
        raise Problem(401, UNAUTHORIZED_DETAIL, headers={"WWW-Authenticate": 'Bearer realm="hil"'})
    if ORDER.index(known.scope) < ORDER.index(scope):
        raise Problem(403, f"this needs the scope {scope}; token {known.id} ({known.name}) has {known.scope}")
    return known


async def admit(services: Services, request: Request, scope: Scope) -> TokenRecord:
    """The token of a request outside the dependencies: before a body is read, and again after a wait. Raises Problem 401, 403."""
    return await _admit(services, await _BEARER(request), scope)


def needs(scope: Scope) -> Callable[..., Awaitable[TokenRecord]]:
    """A dependency that lets tokens of this scope and above pass, and gives the route the token's record."""

    async def check(context: Context, sent: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)]) -> TokenRecord:
        return await _admit(context, sent, scope)

    check.needed_scope = scope  # type: ignore[attr-defined]
    return check


def needed_scope(dependency: Callable[..., Any] | None) -> Scope | None:
    """The scope a dependency made by `needs` asks for; None for any other."""
    return getattr(dependency, "needed_scope", None)


def who(token: TokenRecord) -> str:
    """How a token's owner is named in rows and logs."""
    return token.name or token.id


Reader = Annotated[TokenRecord, Depends(needs("read"))]
Operator = Annotated[TokenRecord, Depends(needs("operate"))]
