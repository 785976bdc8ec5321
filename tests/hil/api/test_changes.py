"""Changes of a die over HTTP: two runs, what they share and what a junction did on its own."""

import httpx
import numpy as np
import pytest

from hil.analysis.classify import classify
from hil.model.lab import DieIndex
from hil.model.maps import ConductanceMap
from hil.model.runs import MapMeasured, RunState
from hil.store.protocol import Store
from tests.support.service import SIMULATED, Service, running_run

SHAPE = (32, 25, 25)
SHORTED = (3, 4, 5)


def _session(store: Store, die: DieIndex, seed: int, shorted: bool) -> str:
    """A finished run: good junctions with 4 % spread, the same ones every time, read with noise; one of them shorted or not."""
    run = running_run(store)
    truth, noise = np.random.default_rng(1), np.random.default_rng(seed)
    maps: list[ConductanceMap] = []
    spread = np.exp(0.04 * truth.standard_normal(SHAPE))
    for state, level in (("P", 335e-6), ("AP", 186e-6)):
        siemens = level * spread * (1.02 if shorted else 1.0)
        if shorted:
            siemens[SHORTED] = 900e-6
        siemens = siemens + 1.5e-6 * noise.standard_normal(SHAPE)
        meta = {"origin": SIMULATED, "x": die[0], "y": die[1], "run": run, "read_volts": 0.1, "averages": 4, "path": "board"}
        maps.append(ConductanceMap(siemens.astype(np.float32), "P" if state == "P" else "AP", 0.1, {**meta, "state": state}))
        store.append(run, MapMeasured(die, maps[-1]))
    ids = {str(record.state): record.id for record in store.maps_of_run(run)}
    found = classify(*maps)
    meta = {"origin": SIMULATED, "x": die[0], "y": die[1], "run": run, "inputs": ids, **found.meta}
    store.append(run, MapMeasured(die, type(found)(found.codes, found.line_fault, found.confidence, found.rule, meta)))
    store.set_state(run, RunState.FINISHED)
    return run


@pytest.fixture
def runs(service: Service) -> tuple[str, str]:
    return _session(service.store, (0, 0), 2, shorted=False), _session(service.store, (0, 0), 3, shorted=True)


def test_a_new_short_is_told_from_the_shift_of_the_die(http: httpx.Client, runs: tuple[str, str]) -> None:
    reply = http.get("/api/v1/dies/W1/0/0/changes")
    assert reply.status_code == 200, reply.text
    found = reply.json()
    assert (found["from"], found["to"], found["tested"]) == (*runs, 20_000)
    assert found["changes"][0]["junction"] == list(SHORTED)
    assert found["class_changes"] == {"good to short": 1}
    assert found["changed"] <= 4
    for state in ("P", "AP"):
        assert found["shift"][state]["ratio"]["low"] < 1.02 < found["shift"][state]["ratio"]["high"]


def test_runs_are_named_or_are_the_last_two(http: httpx.Client, runs: tuple[str, str]) -> None:
    first, second = runs
    for query in ({"from": first}, {"to": second}, {"from": first, "to": second, "limit": 0}):
        found = http.get("/api/v1/dies/W1/0/0/changes", params=query).json()
        assert (found["from"], found["to"]) == runs
    assert found["changes"] == []
    back = http.get("/api/v1/dies/W1/0/0/changes", params={"from": second, "to": first}).json()
    assert back["class_changes"] == {"short to good": 1}


def test_what_cannot_be_compared_is_said(http: httpx.Client, runs: tuple[str, str]) -> None:
    first, _ = runs
    for query, status, said in (
        ({"from": "r99-000000"}, 404, "r99-000000"),
        ({"from": first, "to": first}, 422, "both"),
        ({"to": first}, 404, "2 sessions"),
    ):
        reply = http.get("/api/v1/dies/W1/0/0/changes", params=query)
        assert (reply.status_code, said in reply.json()["detail"]) == (status, True), reply.text
    assert "characterise" in http.get("/api/v1/dies/W1/1/0/changes").json()["detail"]
