"""Analysis of switching and retention runs over REST: from what the run stored, with assumptions that can be changed."""

from dataclasses import asdict
from typing import Any

import httpx
import numpy as np
import pytest

from hil.analysis.switching import SwitchingTable
from hil.model.maps import ConductanceMap
from hil.model.plans import PLAN
from hil.model.runs import MapMeasured, ObjectMeasured, RunState
from hil.runs.submit import submit_plan
from tests.support.service import SHAPE, SIMULATED, Service, lab_config, running_run
from tests.support.switching_bench import VOLTS, switched_die

DIE = (0, 0)
META = {"origin": SIMULATED}


def started(service: Service, **plan: Any) -> str:
    asked = PLAN.validate_python({"wafer": "W1", "dies": [DIE], **plan})
    run = submit_plan(service.store, lab_config(), asked, "tester")
    service.store.set_state(run.id, RunState.RUNNING)
    return run.id


@pytest.fixture(scope="module")
def table() -> SwitchingTable:
    return switched_die(3, 1, 12, 3, pulse_volts=[round(float(each), 3) for each in VOLTS[1][::2]])[0]


@pytest.fixture
def switching(service: Service, table: SwitchingTable) -> str:
    run = started(service, kind="switching", junctions=table.places.tolist(), pulse_volts=[0.4], pulse_s=[1e-7])
    arrays = asdict(table)
    for name in ("pulse_volts", "pulse_s", "switched", "trials", "siemens_p", "siemens_ap"):
        service.store.append(run, ObjectMeasured(DIE, f"switching_{name}", arrays[name], META))
    service.store.append(run, ObjectMeasured(DIE, "switching_junctions", table.places.astype(np.uint8), META))
    return run


def retention(service: Service, flips: int) -> str:
    """Two readings of a die; so many of its junctions changed in between."""
    run = started(service, kind="retention", interval_s=100.0, count=2, write="P")
    for number in range(2):
        siemens = np.full(SHAPE, 3.3e-4, np.float32)
        siemens.flat[: flips * number] = 1.9e-4
        times = {"run": run, "round": number, "written": "P", "elapsed_s_of_kernels": [100.0 * number] * SHAPE[0], "temperature_c": 25.0}
        service.store.append(run, MapMeasured(DIE, ConductanceMap(siemens, "as_found", 0.1, {**META, **times})))
        if number == 0:
            service.store.append(run, ObjectMeasured(DIE, "retention_other", np.full(SHAPE, 1.9e-4, np.float32), META))
    return run


def test_a_switching_run_gives_both_exponents_and_the_odds_of_the_likelier_one(http: httpx.Client, switching: str) -> None:
    found = http.get(f"/api/v1/runs/{switching}/analysis").json()
    assert (found["kind"], found["exponent"], found["dies"]) == ("switching", 1, [[0, 0]])
    assert found["origin"] == "simulated; seed=20261122" and found["log10_odds"] > 0
    fit = found["polarities"]["p_to_ap"]["fits"]["1"]
    assert fit["stability"]["low"] < 60 < fit["stability"]["high"]
    assert "junctions" not in fit


def test_assumptions_can_be_changed_and_stand_in_the_answer(http: httpx.Client, switching: str) -> None:
    path = f"/api/v1/runs/{switching}/analysis"
    usual, less = http.get(path).json(), http.get(f"{path}?access_ohms=500&junctions=true").json()
    assert less["assumptions"]["access_ohms"] == 500
    assert len(less["polarities"]["ap_to_p"]["fits"]["2"]["junctions"]) == 12
    at = [each["polarities"]["ap_to_p"]["fits"]["1"]["critical_volts"]["mean"] for each in (usual, less)]
    assert at[1] > at[0], "less lost in the access device, more across the junction"
    assert http.get(f"{path}?access_ohms=-1").status_code == 422


def test_a_retention_run_gives_a_value_or_a_bound(service: Service, http: httpx.Client) -> None:
    found = http.get(f"/api/v1/runs/{retention(service, 40)}/analysis").json()
    assert found["changes"] == {"p_to_ap": 40, "ap_to_p": 0} and found["junctions"] == 20_000
    assert found["stability"]["low"] < found["stability"]["mean"]
    assert found["stability"]["high"] is None, "one fraction cannot tell mean and spread"
    bound = http.get(f"/api/v1/runs/{retention(service, 0)}/analysis").json()
    assert bound["stability"]["mean"] is None and bound["stability"]["low"] == pytest.approx(np.log(2e6 / (np.log(20) * 1e-9)), rel=1e-6)


def test_a_run_without_results_yet_says_when_there_will_be_some(service: Service, http: httpx.Client) -> None:
    run = started(service, kind="switching", junctions=[[0, 0, 0]], pulse_volts=[0.4], pulse_s=[1e-7])
    assert "when a die's last kernel is done" in http.get(f"/api/v1/runs/{run}/analysis").json()["detail"]
    once = started(service, kind="retention", interval_s=1.0, count=2)
    reply = http.get(f"/api/v1/runs/{once}/analysis")
    assert reply.status_code == 404 and "two readings" in reply.json()["detail"]


def test_a_run_of_another_kind_has_no_analysis(service: Service, http: httpx.Client) -> None:
    reply = http.get(f"/api/v1/runs/{running_run(service.store)}/analysis")
    assert reply.status_code == 409 and "of kind characterise" in reply.json()["detail"]
    assert http.get("/api/v1/runs/nobody/analysis").status_code == 404
