"""From plan to physics over processes, sockets and REST alone: critical voltage and thermal stability of a simulated array are recovered,
and a run that mostly waits can be paused, resumed and aborted while it does."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hil.client import LabClient
from simulator.physics.die import Die
from simulator.physics.fab import load_fab
from simulator.physics.wafer import Wafer
from tests.acceptance.processes import SEED, Service, SimulatedLab, wait_until

DIE = (0, 0)
FAB = 'base = "clean"\nstability = 28.0\n'
"""An array that forgets while one looks at it."""


@pytest.fixture(scope="module")
def fab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fab") / "loose.toml"
    path.write_text(FAB)
    return path


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, fab: Path) -> Iterator[LabClient]:
    folder = tmp_path_factory.mktemp("loose")
    with SimulatedLab(folder, "--fab", str(fab), "--dies", "1") as sim, Service(sim.toml, folder / "data") as service:
        yield service.client()


@pytest.fixture(scope="module")
def die(fab: Path) -> Die:
    return Wafer(SEED, load_fab(str(fab))).die(DIE)


def within(told: dict[str, Any], truth: float) -> None:
    assert told["mean"] == pytest.approx(truth, rel=0.05)
    assert told["low"] < truth < told["high"]


def test_array_means_of_a_switching_run_are_recovered_with_the_exponent_and_its_odds(client: LabClient, die: Die) -> None:
    junctions = [[3, row, column] for row in range(0, 25, 4) for column in range(0, 25, 5)]
    volts = [*np.arange(0.26, 0.50, 0.02), *-np.arange(0.40, 0.70, 0.02)]
    run = client.start(
        {"kind": "switching", "wafer": "W1", "dies": [DIE], "junctions": junctions, "repeats": 3, "pulse_s": [1e-7, 1e-5],
         "pulse_volts": [round(float(each), 3) for each in volts]}
    ).wait(timeout_s=100)  # fmt: skip
    found = client.analysis(run.id)
    assert found["exponent"] == 1 and found["log10_odds"] > 1 and found["origin"].startswith("simulated")
    of = die.junctions[tuple(np.array(junctions).T)]
    for name, asymmetry in (("ap_to_p", 1.0), ("p_to_ap", die.law.asymmetry)):
        fit = found["polarities"][name]["fits"]["1"]
        assert fit["critical_volts"]["mean"] == pytest.approx(asymmetry * of.critical_volts.mean(), rel=0.05)
        assert fit["stability"]["mean"] == pytest.approx(of.stability.mean(), rel=0.05)


def test_the_stability_of_the_array_is_recovered_from_a_retention_run(client: LabClient, die: Die) -> None:
    run = client.start({"kind": "retention", "wafer": "W1", "dies": [DIE], "write": "P", "interval_s": 0.5, "count": 5}).wait(timeout_s=100)
    maps = [each for each in client.maps("W1", *DIE) if each["run"] == run.id]
    assert [each["round"] for each in maps] == [4, 3, 2, 1, 0]
    found = client.analysis(run.id)
    assert found["changes"]["p_to_ap"] > 50 and found["temperature_c"] == pytest.approx(25, abs=1)
    within(found["stability"], float(die.junctions.stability.mean()))


def test_a_run_that_waits_for_its_next_reading_heeds_the_operator_at_once(client: LabClient) -> None:
    run = client.start(
        {"kind": "retention", "wafer": "W1", "dies": [DIE], "kernels": [0], "interval_s": 3600, "count": 3, "lift_after_s": 1}
    )
    wait_until(lambda: client.run(run.id).json["progress"]["done"] == 1, 30, "the first reading")
    client.pause(run.id)
    wait_until(lambda: client.run(run.id).state == "paused", 10, "paused")
    wait_until(lambda: client.station()["die_in_contact"] is None, 10, "separated, and said so")
    client.resume(run.id)
    wait_until(lambda: client.run(run.id).state == "running", 10, "running again")
    assert client.run(run.id).json["progress"]["done"] == 1, "the next reading is an hour away still"
    client.abort(run.id)
    wait_until(lambda: client.run(run.id).state == "aborted", 10, "aborted")
