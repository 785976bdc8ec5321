"""Calibrations and uncertainties over HTTP."""

from dataclasses import replace

import httpx
import numpy as np
import pyarrow as pa
import pytest

from hil.analysis.board_model import Layout, Prior
from hil.client import LabClient
from hil.model.maps import ConductanceMap
from hil.model.runs import CalibrationMade, MapMeasured
from hil.store.protocol import Store
from tests.support.service import SIMULATED, Service, put_conductance, running_run, some_siemens

DOCUMENT = {
    "board": {"serial": "SIM7", "model": "XB-32", "vendor": "v", "firmware": "f"}, "smu": {"serial": "SIM7", "model": "2450"},
    "wafer": "W1", "x": 0, "y": 0, "run": "r1", "measured_at": "2026-01-02T03:04:05.000Z", "temperature_c": 25.0, "origin": SIMULATED,
    "model": "lines-1", "rows": 2, "columns": 3, "levels": [0.1, 0.2], "averages": 16, "junctions": 6, "smu_errors": [],
    "noise": {"amps": 3e-7, "siemens": [3e-4], "relative": [0.001]},
    "fit": {"readings": 24.0, "left_out": 0.0, "chi_squared": 20.0, "residual_amps": 5e-8, "ratio": 1.0},
}  # fmt: skip
LAYOUT = Layout(2, 3, (0.1, 0.2))


def _put(store: Store, run: str, valid_s: float) -> str:
    values = np.arange(float(LAYOUT.size))
    made = CalibrationMade((0, 0), {**DOCUMENT, "valid_s": valid_s}, values, np.diag(LAYOUT.sigmas(Prior()) ** 2))
    return str(store.append(run, made).payload["calibration"])


def _put_map(store: Store, run: str) -> str:
    siemens = some_siemens(3)
    made = ConductanceMap(siemens, "P", 0.1, {"origin": SIMULATED}, uncertainty=siemens * np.float32(0.01), uncorrected=siemens * 2)
    return str(store.append(run, MapMeasured((0, 0), made)).payload["map"])


def test_calibrations_are_listed_newest_first_and_say_whether_they_are_valid(service: Service, http: httpx.Client) -> None:
    run = running_run(service.store)
    old, new = _put(service.store, run, 60.0), _put(service.store, run, 1e9)
    items = http.get("/api/v1/calibrations").json()["items"]
    assert [(each["id"], each["version"], each["valid"]) for each in items] == [(new, 2, True), (old, 1, False)]
    page = http.get("/api/v1/calibrations", params={"limit": 1}).json()
    assert http.get("/api/v1/calibrations", params={"limit": 1, "cursor": page["next_cursor"]}).json()["items"][0]["id"] == old


def test_one_calibration_tells_every_line(service: Service, http: httpx.Client) -> None:
    found = http.get(f"/api/v1/calibrations/{_put(service.store, running_run(service.store), 60.0)}").json()
    assert len(found["sense_lines"]) == 3 and len(found["drive_lines"]) == 2
    assert found["sense_lines"][1]["gain"] == 1.0 and found["sense_lines"][1]["offset_amps"] == 4.0
    assert found["sense_lines"][2]["gain_uncertainty"] == pytest.approx(Prior().gain)
    assert (found["drive_lines"][1]["gain"], found["drive_lines"][1]["offset_volts"]) == (10.0, 12.0)
    assert found["level_volts"] == [13.0, 14.0]
    assert http.get(f"/api/v1/objects/{found['values']}").status_code == 200
    missing = http.get(f"/api/v1/calibrations/{'a' * 64}")
    assert missing.status_code == 404 and "/calibrations lists them" in missing.json()["detail"]


def test_a_maps_uncertainty_is_at_its_own_address_and_beside_it_in_arrow_and_json(service: Service, http: httpx.Client) -> None:
    run = running_run(service.store)
    made = _put_map(service.store, run)
    with LabClient(service.url, service.token("read")) as lab:
        siemens, uncertainty = lab.map(made).array, lab.map_uncertainty(made)
        np.testing.assert_array_equal(uncertainty, siemens * np.float32(0.01))
        np.testing.assert_array_equal(lab.map_uncorrected(made), siemens * 2)
        stack = lab.with_uncertainty("W1")
        np.testing.assert_array_equal(stack.uncertainty[0], uncertainty)
        np.testing.assert_array_equal(stack.siemens[0], siemens)
    for path in (f"/api/v1/maps/{made}", "/api/v1/wafers/W1/conductance"):
        arrow = http.get(path, headers={"Accept": "application/vnd.apache.arrow.stream"})
        assert {"siemens", "uncertainty"} <= set(pa.ipc.open_stream(arrow.content).schema.names)
    told = http.get(f"/api/v1/maps/{made}/uncertainty", headers={"Accept": "application/json"}).json()
    assert told["uncertainty"][0][0][0] is None, "not measured"
    assert told["uncertainty"][0][0][1] == pytest.approx(float(uncertainty[0, 0, 1]))


def test_a_stack_with_a_map_that_has_none_says_nothing_of_uncertainty(service: Service, http: httpx.Client) -> None:
    run = running_run(service.store)
    _put_map(service.store, run)
    put_conductance(service.store, run, (1, 0))
    arrow = http.get("/api/v1/wafers/W1/conductance", headers={"Accept": "application/vnd.apache.arrow.stream"})
    assert "uncertainty" not in pa.ipc.open_stream(arrow.content).schema.names
    reply = http.get("/api/v1/wafers/W1/uncertainty")
    assert reply.status_code == 404 and "die (1, 0)" in reply.json()["detail"]
    assert replace(LAYOUT, levels=()).size == 13
