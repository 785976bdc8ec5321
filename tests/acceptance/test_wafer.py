"""A whole wafer over the wire: 36 dies, each delivered while it is measured, each as the simulator knows it to be."""

import threading
from dataclasses import dataclass

import numpy as np
import pytest

from hil.client import LabClient
from hil.client.run import Run
from hil.model.defects import Defect
from simulator.physics.fab import load_fab
from simulator.physics.wafer import Wafer
from tests.acceptance.processes import SEED, Service, hil


@dataclass
class Measured:
    client: LabClient
    run: Run
    dies: list[tuple[int, int]]
    codes: np.ndarray
    delivered: list[list[tuple[int, int]]]


pytestmark = pytest.mark.timeout(400)
"""The whole wafer is measured before the first test begins."""


@pytest.fixture(scope="module")
def wafer(service: Service) -> Measured:
    """Characterises every die while another client watches."""
    delivered: list[list[tuple[int, int]]] = []
    run = service.client().start({"kind": "characterise", "wafer": "W1", "dies": "all"})

    def watch() -> None:
        for stack in service.client().watch_defects("W1"):
            delivered.append(list(stack.dies))
            if len(stack.dies) == 36:
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    run.wait(progress=False)
    watcher.join(20)
    client = service.client()
    stack = client.defects("W1")
    return Measured(client, run.refresh(), list(stack.dies), stack.codes, delivered)


def test_every_die_is_measured_and_none_missed_by_the_watcher(wafer: Measured) -> None:
    assert wafer.run.state == "finished", wafer.run.error
    assert len(wafer.dies) == 36
    assert len(wafer.delivered[-1]) == 36
    # Each delivery is at most a few dies further than the one before: while it was measured, not at the end.
    assert len(wafer.delivered) >= 30


def test_nothing_is_delivered_when_nothing_changed(wafer: Measured) -> None:
    stacks = wafer.client.watch_defects("W1", timeout_s=1.5)
    assert len(next(stacks).dies) == 36
    assert list(stacks) == []


def test_the_defect_maps_agree_with_the_simulators_truth(wafer: Measured) -> None:
    truth = Wafer(SEED, load_fab("default"))
    true_codes = np.stack([truth.die((x, y)).true_classes() for x, y in wafer.dies])
    for defect in (Defect.SHORT, Defect.OPEN):
        really = true_codes == defect
        found = np.count_nonzero(wafer.codes[really] == defect) / np.count_nonzero(really)
        assert found >= 0.99, f"{defect.name}: {found:.4f} of {np.count_nonzero(really)}"
    good = true_codes == Defect.GOOD
    called_bad = np.count_nonzero(wafer.codes[good] != Defect.GOOD) / np.count_nonzero(good)
    assert called_bad <= 1e-3, f"{called_bad:.5f} of the good junctions called bad"


def test_the_measurement_went_over_the_wires(wafer: Measured) -> None:
    wires = wafer.run.wires
    assert wires["crossbar"]["received"] >= 36 * 32 * 2 * 2  # a pulse and a read per state and kernel
    assert wires["smu"]["sent"] >= 36  # the contact check of each die
    assert wires["prober"]["sent"] >= 36 * 3  # step, contact, separate


def test_a_map_names_its_origin_and_survives_its_own_hash(wafer: Measured, service: Service) -> None:
    import hashlib

    import httpx

    answer = httpx.get(f"{service.url}/api/v1/dies/W1/-3/0/defects", headers={"Authorization": f"Bearer {service.token}"})
    assert answer.headers["lab-origin"] == f"simulated; seed={SEED}"
    stored = wafer.client.get_object(hashlib.sha256(answer.content).hexdigest())
    assert np.array_equal(stored, wafer.codes[wafer.dies.index((-3, 0))])


def test_the_command_line_shows_a_die_with_negative_coordinates(wafer: Measured, service: Service) -> None:
    done = hil("map", "W1", "-3", "0", "--kind", "defects", environment={"HIL_URL": service.url, "HIL_TOKEN": service.token})
    assert done.returncode == 0, done.stderr
    assert "short" in done.stdout
