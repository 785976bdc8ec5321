"""Sweeps, switching and readings through the SMU with processes, sockets and REST alone, for each model of SMU; compared with what the
simulated wafer is known to be."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hil.client import LabClient, PlanRefused
from hil.model.defects import Defect
from simulator.physics.fab import load_fab
from simulator.physics.wafer import Wafer
from tests.acceptance.processes import SEED, Service, SimulatedLab

DIE = (-1, 0)


@dataclass
class Served:
    model: str
    client: LabClient

    def measured(self, **plan: Any) -> dict[str, np.ndarray]:
        """Arrays of one die by name."""
        run = self.client.start({"wafer": "W1", "dies": [DIE], **plan}).wait(timeout_s=60)
        return run.results().get(DIE, {})

    def read(self, path: str, **fields: Any) -> np.ndarray:
        self.measured(kind="read", path=path, kernels=[0, 7], **fields)
        return self.client.conductance_map("W1", *DIE, state="as_found").array[[0, 7]]


@pytest.fixture(scope="module", params=["keithley2450", "keithley2600"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder: Path = tmp_path_factory.mktemp(request.param)
    with SimulatedLab(folder, "--smu", request.param, "--dies", "4") as sim, Service(sim.toml, folder / "data") as service:
        yield Served(request.param, service.client())


@pytest.fixture(scope="module")
def good() -> list[list[int]]:
    """Good junctions of two kernels, as the simulator knows them."""
    codes = Wafer(SEED, load_fab("default")).die(DIE).true_classes()
    return [[kernel, *map(int, np.argwhere(codes[kernel] == Defect.GOOD)[place])] for kernel in (0, 7) for place in (0, 40)]


def test_the_smu_reads_a_die_in_scans_as_the_board_does(served: Served) -> None:
    board, smu = served.read("board", averages=64), served.read("smu", nplc=0.1)
    truth = Wafer(SEED, load_fab("default")).die(DIE).true_classes()[[0, 7]]
    whole = truth == Defect.GOOD
    assert np.isfinite(smu).all()
    assert np.abs(smu[whole] / board[whole] - 1).max() < 0.1
    meta = served.client.maps("W1", *DIE, limit=1)[0]
    assert (meta["path"], meta["nplc"], meta["flagged"]["not_measured"]) == ("smu", 0.1, 30 * 625)
    assert meta["instruments"]["smu"].keys() >= {"model", "serial", "firmware", "calibration_date", "line_hertz"}


def test_a_loop_through_both_switching_voltages_is_a_hysteresis(served: Served, good: list[list[int]]) -> None:
    loop = [0.0, 0.1, 0.9, 0.1, 0.0, -0.1, -0.9, -0.1, 0.0, 0.1]
    got = served.measured(kind="iv_sweep", junctions=good, volts=loop, nplc=0.1, compliance_amps=1e-3)
    assert got["iv_junctions"].tolist() == good and got["iv_level_volts"].tolist() == loop
    assert not got["iv_limited"].any() and (np.diff(got["iv_at_s"], axis=1) > 0).all()
    p, ap = got["iv_amps"][:, 3] / 0.1, got["iv_amps"][:, [7, 9]] / [-0.1, 0.1]
    assert (p[:, None] > 1.3 * ap).all(), "written to P on the way up, to AP on the way down"


def test_a_sweep_into_its_limit_ends_there_and_flags_exactly_that_point(served: Served, good: list[list[int]]) -> None:
    got = served.measured(kind="iv_sweep", junctions=good, start_volts=0.02, stop_volts=0.2, points=10, compliance_amps=2e-5)
    assert (got["iv_limited"].sum(axis=1) == 1).all()
    for amps, limited in zip(got["iv_amps"], got["iv_limited"], strict=True):
        first = int(limited.argmax())
        assert np.isfinite(amps[:first]).all() and np.isnan(amps[first:]).all()
        assert np.nanmax(np.append(amps[:first], 0.0)) < 2e-5


def test_stronger_pulses_switch_more_often_and_their_intervals_hold_the_rate(served: Served, good: list[list[int]]) -> None:
    got = served.measured(kind="switching", junctions=good, pulse_volts=[-0.5, -0.65, -0.9], pulse_s=[1e-7], repeats=10, path="smu")
    assert (got["switching_trials"] == 10).all()
    rates = got["switching_switched"][..., 0] / got["switching_trials"][..., 0]
    assert (np.diff(rates, axis=1) >= 0).all() and rates[:, 0].max() < 0.2 and rates[:, 2].min() > 0.8
    assert (got["switching_low"][..., 0] <= rates).all() and (rates <= got["switching_high"][..., 0]).all()


def test_what_a_junction_may_not_be_given_is_refused_with_value_and_limit(served: Served, good: list[list[int]]) -> None:
    base = {"kind": "iv_sweep", "wafer": "W1", "junctions": good}
    for fields, field, says in (
        ({"volts": [1.2]}, "volts", r"volts is 1\.2, beyond the station's limit of 1 V"),
        ({"volts": [0.1], "compliance_amps": 0.01}, "compliance_amps", r"0\.01, beyond the station's limit of 0\.002 A"),
        ({"start": 0.1, "stop": 0.2, "points": 1000, "nplc": 1.0}, "dwell_s", r"beyond 10 \(limits\.dwell_s\)"),
    ):
        with pytest.raises(PlanRefused, match=says) as refused:
            served.client.start({**base, **fields})
        assert refused.value.field == field
