"""The web server inside `hil serve`. Rule: a signal stops the worker first; streams end at once; all of it within seconds."""

import logging
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Protocol

import uvicorn
from fastapi import FastAPI

from hil.api.app import end_streams
from hil.store.protocol import Store

GRACE_S = 2
WORKER_STOPS_WITHIN_S = 5.0
"""Then it is killed. Safe is the station before that: the watchdog helps after a second."""


class Worker(Protocol):
    def stop(self, timeout_s: float = ...) -> None: ...


class Ending:
    """Stops the worker and remembers since when. since: number of the last event before it."""

    def __init__(self, supervisor: Worker, store: Store) -> None:
        self._supervisor, self._store = supervisor, store
        self.since = store.last_event()

    def stop(self, timeout_s: float = 10.0) -> None:
        try:
            self.since = self._store.last_event()
        finally:
            self._supervisor.stop(timeout_s)


@dataclass(frozen=True)
class Hooks:
    """started: once clients are answered. signalled: first thing after a signal."""

    started: Callable[[], None]
    signalled: Callable[[], None]


class Server(uvicorn.Server):
    """uvicorn with our own order of stopping. Its own would end the process by the signal, before anything is cleaned up."""

    def __init__(self, config: uvicorn.Config, hooks: Hooks) -> None:
        super().__init__(config)
        self._hooks = hooks

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._hooks.started()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self.should_exit:
            self.force_exit = True
            return
        self._hooks.signalled()
        self.should_exit = True


def run_service(app: FastAPI, worker: Worker, listener: socket.socket, started: Callable[[], None]) -> None:
    """Serves until a signal. The worker has stopped when this returns."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    stopping = threading.Thread(target=worker.stop, args=(WORKER_STOPS_WITHIN_S,), name="stop-worker")

    def signalled() -> None:
        stopping.start()
        end_streams(app)

    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        timeout_graceful_shutdown=GRACE_S,
    )
    Server(config, Hooks(started, signalled)).run(sockets=[listener])
    if stopping.ident is None:
        worker.stop(WORKER_STOPS_WITHIN_S)
    else:
        stopping.join()
