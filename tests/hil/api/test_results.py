"""Results of a run that are no maps, over REST: listed with their metadata, fetched by die and name, waited for."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import httpx
import numpy as np
import pytest

from hil.model.maps import from_npy_bytes, npy_bytes, sha256_hex
from hil.model.runs import ObjectMeasured
from hil.store.database import FILE_NAME
from tests.support.service import SIMULATED, Service, put_conductance, running_run

AMPS = np.array([[1e-5, np.nan, 3e-5]])
META = {"kind": "iv_sweep", "origin": SIMULATED, "nplc": 0.1}
NPY = {"Accept": "application/x-npy"}


@pytest.fixture
def run(service: Service) -> str:
    made = running_run(service.store)
    service.store.append(made, ObjectMeasured((-3, 0), "iv_amps", AMPS, META))
    service.store.append(made, ObjectMeasured((0, 0), "iv_limited", np.zeros((1, 3), np.uint8), META))
    return made


def test_the_results_of_a_run_are_listed_with_what_is_known_of_them(service: Service, http: httpx.Client, run: str) -> None:
    put_conductance(service.store, run, (0, 0))
    listed = http.get(f"/api/v1/runs/{run}/objects").json()["items"]
    assert [(each["x"], each["y"], each["name"], each["shape"], each["dtype"]) for each in listed] == [
        (-3, 0, "iv_amps", [1, 3], "float64"),
        (0, 0, "iv_limited", [1, 3], "uint8"),
    ]
    assert listed[0]["meta"] == META and listed[0]["object"] == sha256_hex(npy_bytes(AMPS))
    assert http.get("/api/v1/runs/nobody/objects").status_code == 404


def test_a_result_is_the_array_as_stored_with_its_origin(http: httpx.Client, run: str) -> None:
    reply = http.get(f"/api/v1/runs/{run}/objects/-3/0/iv_amps", headers=NPY)
    assert reply.status_code == 200
    assert reply.headers["lab-origin"] == "simulated; seed=20261122" and reply.headers["lab-measured-at"].endswith("Z")
    np.testing.assert_array_equal(from_npy_bytes(reply.content), AMPS)
    assert http.get(reply.url.path, headers={**NPY, "If-None-Match": reply.headers["etag"]}).status_code == 304
    assert http.get(reply.url.path, headers={"Accept": "application/json"}).json()["values"] == [[1e-5, None, 3e-5]]


@pytest.mark.parametrize("where", ["0/0/iv_amps", "-3/0/iv_limited", "-3/0/nothing"])
def test_what_the_run_does_not_have_is_told_with_where_to_look(http: httpx.Client, run: str, where: str) -> None:
    reply = http.get(f"/api/v1/runs/{run}/objects/{where}")
    assert reply.status_code == 404 and f"/api/v1/runs/{run}/objects lists those it has" in reply.json()["detail"]


def test_a_result_of_an_earlier_release_has_no_shape_to_tell(http: httpx.Client, run: str, tmp_path: Path) -> None:
    """Its journal told die, name and object alone."""
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as rows, rows:
        rows.execute("UPDATE events SET payload = json_remove(payload, '$.shape', '$.dtype', '$.meta') WHERE kind = 'object'")
    listed = http.get(f"/api/v1/runs/{run}/objects").json()["items"]
    assert [(each["shape"], each["dtype"], each["meta"]) for each in listed] == [(None, None, {})] * 2
    assert http.get(f"/api/v1/runs/{run}/objects/-3/0/iv_amps", headers=NPY).headers["lab-origin"] == "unknown"


def test_a_result_can_be_waited_for(service: Service, http: httpx.Client, run: str) -> None:
    replies: list[httpx.Response] = []
    waiting = threading.Thread(target=lambda: replies.append(http.get(f"/api/v1/runs/{run}/objects/1/0/iv_amps?wait=20", headers=NPY)))
    waiting.start()
    service.store.append(run, ObjectMeasured((1, 0), "iv_amps", 2 * AMPS, META))
    waiting.join(20)
    np.testing.assert_array_equal(from_npy_bytes(replies[0].content), 2 * AMPS)
