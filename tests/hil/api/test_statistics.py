"""Statistics of a wafer over HTTP: counted from the newest maps of complete dies, and from nothing else."""

import httpx
import numpy as np

from hil.model.defects import Defect
from tests.support.service import Service, put_conductance, put_defects, running_run, some_codes


def complete_die(service: Service, run: str, die: tuple[int, int], seed: int) -> None:
    for state in ("P", "AP"):
        put_conductance(service.store, run, die, seed, state, {"read_volts": 0.1, "state": state})
    put_defects(service.store, run, die, seed)


def test_rates_are_those_of_the_newest_defect_maps(service: Service, http: httpx.Client) -> None:
    run = running_run(service.store)
    for seed, die in ((1, (0, 0)), (2, (1, 0))):
        complete_die(service, run, die, seed)
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
    complete_die(service, run, (0, 0), 1)
    put_defects(service.store, run, (1, 0), 2)
    assert http.get("/api/v1/wafers/W1/statistics").json()["dies"] == 1


def test_a_wafer_without_a_complete_die_says_what_to_run(service: Service, http: httpx.Client) -> None:
    running_run(service.store)
    reply = http.get("/api/v1/wafers/W1/statistics")
    assert reply.status_code == 404
    assert "characterise" in reply.json()["detail"]
