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
from hil.api.edge import LOOPBACK, BodyLimit, HostAllowList
from hil.api.longpoll import ChangeHub
from hil.api.openapi import describe
from hil.api.routes import dies, document, events, health, maps, objects, runs, station, statistics, wafers
from hil.model.lab import LabConfig
from hil.store.protocol import Store

PREFIX = "/api/v1"
PICTURES_AT_ONCE = 2


@asynccontextmanager
async def _watching(app: FastAPI) -> AsyncGenerator[None, None]:
    hub: ChangeHub = app.state.services.hub
    watcher = asyncio.create_task(hub.run())
    try:
        yield
    finally:
        hub.close()
        await watcher


def create_app(store: Store, lab: LabConfig, hosts: Iterable[str] = (), now: Callable[[], datetime] = utc_now) -> FastAPI:
    """The service over a store. hosts: names it answers to besides loopback. now: the clock, UTC."""
    app = FastAPI(
        title="mtj-hil",
        version="1",
        lifespan=_watching,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        middleware=[Middleware(HostAllowList, names=LOOPBACK | set(hosts)), Middleware(BodyLimit, limit_bytes=objects.LARGEST_BYTES)],
    )
    app.state.services = Services(store, lab, ChangeHub(store.changes), now, CapacityLimiter(PICTURES_AT_ONCE))
    problems.install(app)
    app.include_router(health.router)
    for part in (station, wafers, statistics, dies, maps, objects, runs, events, document):
        app.include_router(part.router, prefix=PREFIX)
    describe(app)
    return app


def end_streams(app: FastAPI) -> None:
    """Ends every stream and long poll, so that a stopping server need not wait for them. Safe from a signal handler."""
    services: Services = app.state.services
    services.hub.close()
