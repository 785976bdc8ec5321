"""The real API over a real store on a real socket, with maps written through the store as the worker writes them."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import uvicorn
from numpy.typing import NDArray
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Scope_

from hil.api.app import create_app, end_streams
from hil.cli.serve import listen
from hil.model.lab import DieIndex, LabConfig
from hil.model.maps import ConductanceMap, DefectMap, MapState
from hil.model.plans import PLAN
from hil.model.runs import MapMeasured, RunState
from hil.runs.submit import submit_plan
from hil.store import open_store
from hil.store.protocol import Store
from hil.store.records import MapRecord, Scope
from tests.support.waiting import until

SHAPE = (32, 25, 25)
DIES: tuple[DieIndex, ...] = ((0, -1), (-3, 0), (0, 0), (1, 0))
NOWHERE = {"driver": "none", "address": "none"}
SIMULATED = {"simulated": True, "seed": 20261122}


def lab_config() -> LabConfig:
    """A lab whose instruments nobody opens."""
    return LabConfig.model_validate(
        {"station": {"name": "bench"}, "prober": NOWHERE, "smu": NOWHERE, "crossbar": NOWHERE, "wafer": {"dies": DIES}}
    )


def running_run(store: Store, wafer: str = "W1", dies: object = "all") -> str:
    """A run that was submitted and taken from the queue."""
    run = submit_plan(store, lab_config(), PLAN.validate_python({"kind": "characterise", "wafer": wafer, "dies": dies}), "tester")
    store.set_state(run.id, RunState.RUNNING)
    return run.id


def some_siemens(seed: int) -> NDArray[np.float32]:
    """Conductances with a junction that was not measured."""
    siemens = np.random.default_rng(seed).uniform(2e-5, 2e-4, SHAPE).astype(np.float32)
    siemens[0, 0, 0] = np.nan
    return siemens


def some_codes(seed: int) -> NDArray[np.uint8]:
    codes = np.zeros(SHAPE, np.uint8)
    codes[seed % SHAPE[0], 1, 2] = 1
    codes[0, 3, :] = 2
    return codes


def put_conductance(
    store: Store, run: str, die: DieIndex, seed: int = 1, state: MapState = "P", meta: dict[str, object] | None = None
) -> MapRecord:
    kept = {"origin": SIMULATED, "seed_of_test": seed, "x": die[0], "y": die[1], **(meta or {})}
    store.append(run, MapMeasured(die, ConductanceMap(some_siemens(seed), state, 0.1, kept)))
    return store.maps_of_run(run)[-1]


def put_defects(store: Store, run: str, die: DieIndex, seed: int = 1) -> MapRecord:
    lines = np.zeros(SHAPE, np.uint8)
    lines[0, 3, :] = 1
    meta = {"origin": SIMULATED, "seed_of_test": seed, "x": die[0], "y": die[1], "rule": "rule-1"}
    made = DefectMap(some_codes(seed), lines, np.full(SHAPE, 0.5, np.float32), "rule-1", meta)
    store.append(run, MapMeasured(die, made))
    return store.maps_of_run(run)[-1]


@dataclass(frozen=True)
class Service:
    """A served store. url: of the socket it listens on."""

    url: str
    store: Store

    def token(self, scope: Scope = "operate") -> str:
        return self.store.create_token(scope, f"{scope}-token")[1]

    def client(self, scope: Scope | None = "operate") -> httpx.Client:
        headers = {} if scope is None else {"Authorization": f"Bearer {self.token(scope)}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=20, trust_env=False)


class Board:
    """One listening server on which each test puts an app of its own: starting a server costs more than most tests."""

    def __init__(self) -> None:
        self.app: ASGIApp | None = None
        self._listener = listen("127.0.0.1", 0)
        config = uvicorn.Config(self._route, interface="asgi3", log_config=None, access_log=False, ws="none", lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread.start()
        until(lambda: self._server.started)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Runs a coroutine in the server's loop."""
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        self._listener.close()

    def _serve(self) -> None:
        async def main() -> None:
            self._loop = asyncio.get_running_loop()
            await self._server.serve([self._listener])

        asyncio.run(main())

    async def _route(self, scope: Scope_, receive: Receive, send: Send) -> None:
        assert self.app is not None, "no test put an app on the board"
        await self.app(scope, receive, send)


@contextmanager
def mounted(
    board: Board, data: Path, seen_as: Callable[[Store], Store] = lambda store: store, lab: LabConfig | None = None
) -> Generator[Service]:
    """The service over the store in `data`, on the board. seen_as: what the app gets instead of the store. lab: whose instruments a worker
    has, if one has any."""
    store = open_store(data)
    app = create_app(seen_as(store), lab or lab_config())
    lifespan = app.router.lifespan_context(app)
    board.run(lifespan.__aenter__())
    board.app = app
    try:
        yield Service(board.url, store)
    finally:
        board.app = None
        board.run(lifespan.__aexit__(None, None, None))
        store.close()


@contextmanager
def served(data: Path, port: int = 0) -> Generator[Service]:
    """The service on a socket of its own, which is gone after the block."""
    store = open_store(data)
    app = create_app(store, lab_config())
    listener = listen("127.0.0.1", port)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=2, ws="none"))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        until(lambda: server.started)
        yield Service(f"http://127.0.0.1:{listener.getsockname()[1]}", store)
    finally:
        end_streams(app)
        server.should_exit = True
        thread.join(10)
        listener.close()
        store.close()
    assert not thread.is_alive(), "the server did not stop"
