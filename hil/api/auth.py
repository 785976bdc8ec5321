"""Who may do what. Rule: deny by default: every route states the scope it needs as a dependency, or is in OPEN_PATHS.

Scopes contain each other: read < operate < admin. The emergency stop needs any valid token.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Depends, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.concurrency import run_in_threadpool

from hil.api.context import Context
from hil.api.problems import UNAUTHORIZED_DETAIL, Problem
from hil.store.records import Scope, TokenRecord

ORDER: tuple[Scope, ...] = ("read", "operate", "admin")
OPEN_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
LONGEST_TOKEN = 200
_BEARER = HTTPBearer(auto_error=False, description="a token of `hil token create`")


def needs(scope: Scope) -> Callable[..., Awaitable[TokenRecord]]:
    """A dependency that lets tokens of this scope and above pass, and gives the route the token's record."""

    async def check(context: Context, sent: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)]) -> TokenRecord:
        # One constant answer for a missing, malformed, unknown and revoked token: it tells a guesser nothing.
        known = None
        if sent is not None and len(sent.credentials) <= LONGEST_TOKEN:
            known = await run_in_threadpool(context.store.check_token, sent.credentials)
        if known is None:
            raise Problem(401, UNAUTHORIZED_DETAIL, headers={"WWW-Authenticate": 'Bearer realm="hil"'})
        if ORDER.index(known.scope) < ORDER.index(scope):
            raise Problem(403, f"this needs the scope {scope}; token {known.id} ({known.name}) has {known.scope}")
        return known

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
