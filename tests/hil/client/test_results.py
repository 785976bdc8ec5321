"""Results that are no maps, as a client gets them."""

from collections.abc import Iterator

import numpy as np
import pytest

from hil.client import LabClient, NotFound
from hil.model.runs import ObjectMeasured
from tests.support.service import SIMULATED, Service, running_run

META = {"kind": "switching", "origin": SIMULATED}


@pytest.fixture
def lab(service: Service) -> Iterator[LabClient]:
    with LabClient(service.url, service.token()) as client:
        yield client


@pytest.fixture
def run(service: Service) -> str:
    made = running_run(service.store)
    for die in ((0, 0), (-3, 0)):
        service.store.append(made, ObjectMeasured(die, "switching_trials", np.full((1, 2, 1), 4 + die[0], np.uint32), META))
        service.store.append(made, ObjectMeasured(die, "switching_low", np.array([[[0.1], [np.nan]]]), META))
    return made


def test_the_arrays_of_a_run_come_by_die_and_name(lab: LabClient, run: str) -> None:
    found = lab.results(run)
    assert set(found) == {(0, 0), (-3, 0)}
    assert found[-3, 0]["switching_trials"].tolist() == [[[1], [1]]] and found[-3, 0]["switching_trials"].dtype == np.uint32
    np.testing.assert_array_equal(found[0, 0]["switching_low"], [[[0.1], [np.nan]]])


def test_of_one_die_alone_and_from_the_run_itself(lab: LabClient, run: str) -> None:
    only = lab.run(run).results((0, 0))
    assert list(only) == [(0, 0)] and set(only[0, 0]) == {"switching_trials", "switching_low"}


def test_the_list_tells_what_is_known_of_each(lab: LabClient, run: str) -> None:
    told = lab.result_list(run)
    assert [(each["x"], each["y"], each["name"]) for each in told[::2]] == [(0, 0, "switching_trials"), (-3, 0, "switching_trials")]
    assert told[0]["meta"] == META and told[0]["shape"] == [1, 2, 1]


def test_an_unknown_run_has_no_results(lab: LabClient) -> None:
    with pytest.raises(NotFound):
        lab.results("nobody")
