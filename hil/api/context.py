"""What a route may use: handed in by create_app, reached by dependency, never a global."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from anyio import CapacityLimiter
from fastapi import Depends, Request

from hil.api.longpoll import ChangeHub
from hil.api.memo import Memo
from hil.model.lab import LabConfig
from hil.store.protocol import Store


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Services:
    """store and lab: of this station. now: the clock. memo: what the store said since its last commit.

    hub: wakes at every commit; maps: only where a map was made or a token revoked.
    drawing, encoding: so many pictures and JSON arrays at once, so that they never take the threads, nor the interpreter,
    that answer everybody else.
    """

    store: Store
    lab: LabConfig
    hub: ChangeHub
    now: Callable[[], datetime]
    drawing: CapacityLimiter
    encoding: CapacityLimiter
    maps: ChangeHub
    memo: Memo

    def close(self) -> None:
        """Ends every wait. Safe from a signal handler."""
        for hub in (self.hub, self.maps):
            hub.close()


def services_of(request: Request) -> Services:
    return request.app.state.services


Context = Annotated[Services, Depends(services_of)]
