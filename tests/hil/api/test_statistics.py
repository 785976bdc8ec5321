"""Statistics of a wafer over HTTP: counted from the newest defect maps and the maps those came from, nothing else."""

import httpx
import numpy as np

from hil.model.defects import Defect
from hil.model.runs import RunState
from tests.support.complete_dies import READING, put_complete_die
from tests.support.service import Service, put_conductance, put_defects, running_run, some_codes, some_siemens


def test_rates_are_those_of_the_newest_defect_maps(service: Service, http: httpx.Client) -> None:
    run = running_run(service.store)
    for seed, die in ((1, (0, 0)), (2, (1, 0))):
        put_complete_die(service.store, run, die, seed)
    reply = http.get("/api/v1/wafers/W1/statistics")
    assert reply.status_code == 200, reply.text
    found = reply.json()
    codes = np.stack([some_codes(1), some_codes(2)])
    assert found["dies"] == 2
    assert found["junctions"] == codes.size
    assert found["rates"]["short"]["count"] == np.count_nonzero(codes == Defect.SHORT)
    assert found["rates"]["open"]["per_die"] == [int(np.count_nonzero(each == Defect.OPEN)) for each in codes]
    assert found["rates"]["open"]["low"] < found["rates"]["open"]["rate"] < found["rates"]["open"]["high"]
    assert found["origin"] == "simulated; seed=20261122"


def test_a_die_without_both_states_does_not_count(service: Service, http: httpx.Client) -> None:
    run = running_run(service.store)
    put_complete_die(service.store, run, (0, 0), 1)
    put_defects(service.store, run, (1, 0), 2)
    assert http.get("/api/v1/wafers/W1/statistics").json()["dies"] == 1


def test_a_class_is_never_paired_with_conductances_of_another_run(service: Service, http: httpx.Client) -> None:
    first = running_run(service.store)
    put_complete_die(service.store, first, (0, 0), 1)
    service.store.set_state(first, RunState.FINISHED)
    second = running_run(service.store)
    put_conductance(service.store, second, (0, 0), 7, "P", READING)
    service.store.set_state(second, RunState.INTERRUPTED)
    shorts = http.get("/api/v1/wafers/W1/statistics").json()["conductance"]["short"]
    hit = some_codes(1) == Defect.SHORT
    assert shorts["P"]["mean_siemens"] == float(some_siemens(1)[hit].astype(np.float64).mean())
    assert shorts["AP"]["mean_siemens"] == float(some_siemens(11)[hit].astype(np.float64).mean())


def test_a_wafer_without_a_complete_die_says_what_to_run(service: Service, http: httpx.Client) -> None:
    running_run(service.store)
    reply = http.get("/api/v1/wafers/W1/statistics")
    assert reply.status_code == 404
    assert "characterise" in reply.json()["detail"]
