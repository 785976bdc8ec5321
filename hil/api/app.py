"""Puts the API together. Rule: everything it uses is handed in; two apps in one process share nothing."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import datetime

from anyio import CapacityLimiter
from fastapi import FastAPI
from fastapi.middleware import Middleware

from hil.api import problems
from hil.api.context import Services, utc_now
from hil.api.edge import LOOPBACK, BodyLimit, HostAllowList, InFlightLimit
from hil.api.longpoll import ChangeHub
from hil.api.memo import Memo
from hil.api.openapi import describe
from hil.api.routes import (
    analysis,
    calibrations,
    card,
    changes,
    dies,
    document,
    events,
    health,
    imports,
    maps,
    models,
    objects,
    results,
    runs,
    station,
    statistics,
    vmm,
    wafers,
)
from hil.api.warning import OutputWarning
from hil.api.watermark import Watermark
from hil.model.lab import LabConfig
from hil.store.protocol import Store

PREFIX = "/api/v1"
PICTURES_AT_ONCE = 2
JSON_ARRAYS_AT_ONCE = 2
MOST_IN_FLIGHT = 500
NEVER_BUSY = frozenset({("GET", "/healthz"), ("POST", f"{PREFIX}/station/estop")})
"""What is answered however many requests are: a full house must not stand in the way of the emergency stop."""


@asynccontextmanager
async def _watching(app: FastAPI) -> AsyncGenerator[None, None]:
    services: Services = app.state.services
    watchers = [asyncio.create_task(hub.run()) for hub in (services.hub, services.maps)]
    try:
        yield
    finally:
        services.close()
        await asyncio.gather(*watchers)


def create_app(store: Store, lab: LabConfig, hosts: Iterable[str] = (), now: Callable[[], datetime] = utc_now) -> FastAPI:
    """The service over a store. hosts: names it answers to besides loopback. now: the clock, UTC."""
    app = FastAPI(
        title="mtj-hil",
        version="1",
        lifespan=_watching,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        middleware=[
            Middleware(HostAllowList, names=LOOPBACK | set(hosts)),
            Middleware(InFlightLimit, most=MOST_IN_FLIGHT, exempt=NEVER_BUSY),
            Middleware(BodyLimit, limit_bytes=objects.LARGEST_BYTES),
            Middleware(OutputWarning),
        ],
    )
    app.state.services = _services(store, lab, now)
    problems.install(app)
    app.include_router(health.router)
    for part in (
        station,
        card,
        wafers,
        statistics,
        dies,
        imports,
        changes,
        vmm,
        maps,
        calibrations,
        objects,
        runs,
        results,
        analysis,
        models,
        events,
        document,
    ):
        app.include_router(part.router, prefix=PREFIX)
    describe(app)
    return app


def _services(store: Store, lab: LabConfig, now: Callable[[], datetime]) -> Services:
    return Services(
        store=store,
        lab=lab,
        hub=ChangeHub(store.changes),
        now=now,
        drawing=CapacityLimiter(PICTURES_AT_ONCE),
        encoding=CapacityLimiter(JSON_ARRAYS_AT_ONCE),
        maps=ChangeHub(Watermark(store)),
        memo=Memo(store.changes),
    )


def end_streams(app: FastAPI) -> None:
    """Ends every stream and long poll, so that a stopping server need not wait for them. Safe from a signal handler."""
    services: Services = app.state.services
    services.close()
