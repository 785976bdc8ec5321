"""What a route may use: handed in by create_app, reached by dependency, never a global."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from anyio import CapacityLimiter
from fastapi import Depends, Request

from hil.api.longpoll import ChangeHub
from hil.model.lab import LabConfig
from hil.store.protocol import Store


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Services:
    """store and lab: of this station. now: the clock. hub: tells waiters that the store changed.

    drawing: at most two pictures at once, so that they never take the threads that answer everybody else.
    """

    store: Store
    lab: LabConfig
    hub: ChangeHub
    now: Callable[[], datetime]
    drawing: CapacityLimiter


def services_of(request: Request) -> Services:
    return request.app.state.services


Context = Annotated[Services, Depends(services_of)]
