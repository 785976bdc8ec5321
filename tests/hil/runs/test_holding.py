"""A die held in contact for live products: the real API, worker and simulated lab, each on its sockets."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hil.client import LabClient
from hil.client.errors import Conflict, LabError, RunEnded
from hil.client.errors import PlanRefused as Refused
from hil.model.maps import npy_bytes
from hil.model.runs import RunState
from tests.hil.runs import threads
from tests.hil.runs.helpers import plan_of
from tests.hil.runs.simulated_lab import SimulatedLab
from tests.support.service import Board, Service, mounted
from tests.support.service_fixtures import board
from tests.support.waiting import until

__all__ = ["board"]


@pytest.fixture
def api(board: Board, lab: SimulatedLab, tmp_path: Path) -> Iterator[Service]:
    with mounted(board, tmp_path / "held", lab=lab.config) as service:
        yield service


@pytest.fixture
def worker(api: Service, lab: SimulatedLab) -> Iterator[threads.Service]:
    with threads.Service(lab.config, api.store) as running:
        yield running


@pytest.fixture
def client(api: Service, worker: threads.Service) -> Iterator[LabClient]:
    with LabClient(api.url, token=api.token()) as opened:
        yield opened


def test_products_of_a_held_die_are_those_of_its_conductances_and_one_touchdown_serves_them_all(
    client: LabClient, lab: SimulatedLab, api: Service
) -> None:
    inputs = np.zeros((2, 2, 25), np.float32)
    inputs[0, 0, 3], inputs[1, 1, 7] = 1.0, 1.0
    die = lab.world.wafer.die((0, 0))
    siemens = np.where(die.state_p, die.cell_siemens(True, 0.1), die.cell_siemens(False, 0.1))
    with client.hold("W1", 0, 0) as held:
        amps = held.vmm(inputs, kernels=[2, 0])
        again = held.vmm(np.eye(25, dtype=np.float32)[:1], kernels=[1])
        assert client.station()["die_in_contact"] == [0, 0]
    assert (amps.shape, amps.dtype, again.shape) == ((2, 2, 25), np.float32, (1, 1, 25))
    assert np.nanmax(np.abs(amps[0, 0] - 0.1 * siemens[2, 3])) < 0.05 * 0.1 * siemens[2, 3].max() + 2e-6
    assert np.nanmax(np.abs(amps[1, 1] - 0.1 * siemens[0, 7])) < 0.05 * 0.1 * siemens[0, 7].max() + 2e-6
    assert lab.world.needles.touchdowns == 1
    until(lab.is_safe)
    assert lab.world.damage == []
    (run,) = api.store.runs()
    assert run.state is RunState.ABORTED


def test_the_answer_says_where_it_comes_from_and_json_does_for_a_few_vectors(client: LabClient, api: Service) -> None:
    with client.hold("W1", 0, 0), api.client() as http:
        body = {"inputs": [[0.0, 1.0, -0.5]], "kernels": [3]}
        answer = http.post("/api/v1/dies/W1/0/0/vmm", json=body, headers={"Accept": "application/json"})
        assert answer.status_code == 200, answer.text
        assert answer.headers["Lab-Origin"].startswith("simulated")
        assert answer.json()["shape"] == [1, 1, 25]
        assert http.get(f"/api/v1/objects/{answer.headers['Lab-Object']}").status_code == 200
        ragged = http.post("/api/v1/dies/W1/0/0/vmm", json={"inputs": [[0.0], [0.0, 1.0]]})
        assert ragged.status_code == 422


def test_what_is_beyond_a_limit_is_refused_and_the_die_is_held_on(client: LabClient) -> None:
    with client.hold("W1", 0, 0) as held:
        with pytest.raises(Refused, match=r"read_volts is 0\.9"):
            held.vmm(np.zeros((1, 25)), read_volts=0.9)
        with pytest.raises(LabError, match="kernel 77"):
            held.vmm(np.zeros((1, 25)), kernels=[77])
        assert held.vmm(np.zeros((1, 25)), kernels=[0]).shape == (1, 1, 25)


def test_a_die_that_nobody_holds_is_refused_with_what_to_do(client: LabClient, api: Service, lab: SimulatedLab) -> None:
    x, y = next(die for die in lab.config.wafer.dies if die != (0, 0))
    client.put_wafer("W1")
    with api.client() as http:
        nothing = http.post("/api/v1/dies/W1/0/0/vmm", json={"inputs": [[0.0]]})
        assert nothing.status_code == 409
        assert '"kind": "hold"' in nothing.json()["detail"]
        with client.hold("W1", 0, 0):
            other = http.post(f"/api/v1/dies/W1/{x}/{y}/vmm", json={"inputs": [[0.0]]})
            assert other.status_code == 409
            assert "die in contact: [0, 0]" in other.json()["detail"]


def test_nobody_asking_for_the_idle_time_lets_the_die_go_by_itself(client: LabClient, lab: SimulatedLab) -> None:
    run = client.start({"kind": "hold", "wafer": "W1", "dies": [[0, 0]], "idle_s": 0.05})
    assert run.wait(timeout_s=30).state == "finished"
    until(lab.is_safe)
    assert lab.world.needles.touchdowns == 1


def test_an_emergency_stop_ends_the_hold_and_whoever_asks_next_is_told(client: LabClient, api: Service, lab: SimulatedLab) -> None:
    with client.hold("W1", 0, 0) as held:
        api.store.latch_estop("anna", "smoke")
        until(lambda: api.store.running() is None)
        with pytest.raises(Conflict, match="not in contact"):
            held.vmm(np.zeros((1, 25)))
    assert lab.is_safe()


def test_a_hold_that_gets_no_contact_says_so_instead_of_waiting(client: LabClient, lab: SimulatedLab) -> None:
    lab.world.needles.dirt_ohms = 1e6
    with pytest.raises(RunEnded, match="without contact"), client.hold("W1", 0, 0):
        raise AssertionError("never in contact")


def test_a_request_is_taken_once_or_withdrawn_but_never_both(api: Service) -> None:
    store = api.store
    run = store.submit({"kind": "hold", "wafer": "W1"}, "h", [], "die", "anna")
    gone = store.live(store.ask_live(run.id, {}))
    assert (gone.state, gone.error) == ("refused", "the run that held the die has ended")
    store.set_state(run.id, RunState.RUNNING)
    first, second = store.ask_live(run.id, {"n": 1}), store.ask_live(run.id, {"n": 2})
    taken = store.take_live(run.id)
    assert taken is not None
    assert (taken.number, taken.request) == (first, {"n": 1})
    assert not store.withdraw_live(first)
    assert store.withdraw_live(second)
    assert store.take_live(run.id) is None
    store.answer_live(first, npy_bytes(np.zeros(1)), {"origin": {}})
    assert store.live(first).state == "answered"


def test_what_was_asked_of_a_run_that_stopped_is_refused_and_never_done_when_it_is_resumed(api: Service) -> None:
    store = api.store
    run = store.submit({"kind": "hold", "wafer": "W1"}, "h", [], "die", "anna")
    store.set_state(run.id, RunState.RUNNING)
    taken, asked = store.ask_live(run.id, {"n": 1}), store.ask_live(run.id, {"n": 2})
    assert store.take_live(run.id) is not None
    store.interrupt_running()
    assert [store.live(number).state for number in (taken, asked)] == ["refused", "refused"]
    store.want(run.id, "resume")
    store.set_state(run.id, RunState.RUNNING)
    assert store.take_live(run.id) is None


def test_a_hold_names_exactly_one_die() -> None:
    for dies in ("all", [(0, 0), (1, 0)]):
        with pytest.raises(ValueError, match="exactly one die"):
            plan_of(kind="hold", dies=dies)
