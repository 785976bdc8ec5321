"""Every way the lab can say no, as one tree, rebuilt from the service's problem documents.

LabError
  ServiceUnreachable   nobody listens, or the connection broke
  UnexpectedReply      something answered that is not this service
  Unauthorized         401: no valid token
  Forbidden            403: the token's scope does not allow it
  NotFound             404: no such wafer, die, map, run
  Conflict             409: the present state does not allow it
  RequestRefused       400, 405, 406, 413, 422: the request is wrong
    PlanRefused        beyond the station's limits; field, value, limit
  ServiceFailed        5xx
  RunEnded             a run that was waited for did not finish; run
  RunTimeout           a run did not end in time

str() of each is one readable line.
"""

from collections.abc import Mapping
from typing import Any

import httpx

TYPE_PREFIX = "urn:mtj-hil:problem:"
SHOWN_CHARACTERS = 200


class LabError(Exception):
    """status: HTTP status, or None when there was no answer. problem: the service's problem document, or {}."""

    def __init__(self, text: str, status: int | None = None, problem: Mapping[str, Any] | None = None) -> None:
        super().__init__(" ".join(text.split()))
        self.status, self.problem = status, dict(problem or {})


class ServiceUnreachable(LabError):
    """Nobody listens at the address, or the connection broke."""


class UnexpectedReply(LabError):
    """The answer is not one of this service: the address may be another program's."""


class Unauthorized(LabError):
    """The token is missing, unknown or revoked."""


class Forbidden(LabError):
    """The token's scope does not allow it."""


class NotFound(LabError):
    """No such wafer, die, map, run or object."""


class Conflict(LabError):
    """The present state of the run or the station does not allow it."""


class RequestRefused(LabError):
    """The request itself is wrong; the text names the field and the value."""


class PlanRefused(RequestRefused):
    """A plan beyond the station's limits."""

    @property
    def field(self) -> str:
        return str(self.problem.get("field"))

    @property
    def value(self) -> Any:
        return self.problem.get("value")

    @property
    def limit(self) -> Any:
        return self.problem.get("limit")


class ServiceFailed(LabError):
    """The service answered that it failed."""


class RunEnded(LabError):
    """A run that was waited for ended without finishing. run_id, state and error say which and why."""

    def __init__(self, run_id: str, state: str, error: str | None) -> None:
        super().__init__(f"run {run_id} {state}" + (f": {error}" if error else ""))
        self.run_id, self.state, self.error = run_id, state, error


class RunTimeout(LabError):
    """A run did not end within the time given."""


_BY_SLUG: Mapping[str, type[LabError]] = {"plan-refused": PlanRefused}
_BY_STATUS: Mapping[int, type[LabError]] = {401: Unauthorized, 403: Forbidden, 404: NotFound, 409: Conflict}


def error_of(response: httpx.Response) -> LabError:
    """The error a refusing answer stands for. The body must have been read."""
    problem = _problem(response)
    if problem is None:
        said = response.text[:SHOWN_CHARACTERS] or "nothing"
        return UnexpectedReply(
            f"{response.request.url} answered {response.status_code} without a problem document ({said}); is this the lab's address?",
            response.status_code,
        )
    slug = str(problem.get("type", "")).removeprefix(TYPE_PREFIX)
    kind = _BY_SLUG.get(slug) or _BY_STATUS.get(response.status_code) or (RequestRefused if response.status_code < 500 else ServiceFailed)
    return kind(str(problem.get("detail") or problem.get("title")), response.status_code, problem)


def _problem(response: httpx.Response) -> dict[str, Any] | None:
    if not response.headers.get("content-type", "").startswith("application/problem+json"):
        return None
    try:
        document = response.json()
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def unreachable(url: str, error: httpx.TransportError) -> ServiceUnreachable:
    """What to tell somebody whose service does not answer."""
    why = "nobody listens there" if isinstance(error, httpx.ConnectError) else (str(error) or type(error).__name__)
    return ServiceUnreachable(f"{url}: {why}; start the service with `hil serve --lab lab.toml`, or give its address with --url or HIL_URL")
