"""The real API over a real store on a real socket, with maps written through the store as the worker writes them."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import uvicorn
from numpy.typing import NDArray

from hil.api.app import create_app, end_streams
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
    kept = {"origin": SIMULATED, "seed_of_test": seed, **(meta or {})}
    store.append(run, MapMeasured(die, ConductanceMap(some_siemens(seed), state, 0.1, kept)))
    return store.maps_of_run(run)[-1]


def put_defects(store: Store, run: str, die: DieIndex, seed: int = 1) -> MapRecord:
    lines = np.zeros(SHAPE, np.uint8)
    lines[0, 3, :] = 1
    made = DefectMap(some_codes(seed), lines, np.full(SHAPE, 0.5, np.float32), "rule-1", {"origin": SIMULATED, "seed_of_test": seed})
    store.append(run, MapMeasured(die, made))
    return store.maps_of_run(run)[-1]


@dataclass(frozen=True)
class Service:
    """A served store. url: of the socket it listens on."""

    url: str
    store: Store
    server: uvicorn.Server

    def token(self, scope: Scope = "operate") -> str:
        return self.store.create_token(scope, f"{scope}-token")[1]

    def client(self, scope: Scope | None = "operate") -> httpx.Client:
        headers = {} if scope is None else {"Authorization": f"Bearer {self.token(scope)}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=20, trust_env=False)


@contextmanager
def served(data: Path, port: int = 0) -> Iterator[Service]:
    """Serves the store in `data` from a thread, until the block ends."""
    store = open_store(data)
    app = create_app(store, lab_config())
    listener = socket.create_server(("127.0.0.1", port))
    config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=2, ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        until(lambda: server.started)
        yield Service(f"http://127.0.0.1:{listener.getsockname()[1]}", store, server)
    finally:
        end_streams(app)
        server.should_exit = True
        thread.join(10)
        listener.close()
        store.close()
    assert not thread.is_alive(), "the server did not stop"
