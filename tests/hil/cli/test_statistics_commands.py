"""`hil statistics`, `hil changes` and `hil twin` on a service whose store holds two simulated dies."""

import json
import tomllib
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from firmware_protocol.geometry import Geometry
from hil.analysis.classify import classify
from hil.analysis.measured import MeasuredDie
from hil.analysis.sampler import sample_dies
from hil.cli.measured_dies import measured_dies
from hil.client import LabClient
from hil.model.maps import ConductanceMap
from hil.model.runs import MapMeasured, RunState
from simulator.fast import wafer_maps
from simulator.physics.fab import load_fab
from simulator.physics.wafer import Wafer
from tests.hil.cli.conftest import Command
from tests.support.service import SIMULATED, Service, running_run
from tests.support.service_fixtures import *  # noqa: F403
from tests.support.stored_dies import put_dies

READING = {"averages": 4, "path": "board", "read_volts": 0.1}
DIES = ((0, 0), (1, 0))


@cache
def simulated(read_seed: int = 1) -> tuple[MeasuredDie, ...]:
    wafer = Wafer(8, load_fab("default"), DIES, Geometry())
    found: list[MeasuredDie] = []
    for place, high, low in zip(DIES, *wafer_maps(wafer, read_seed), strict=True):
        maps = ConductanceMap(high, "P", 0.1, dict(READING)), ConductanceMap(low, "AP", 0.1, dict(READING))
        found.append(MeasuredDie(*maps, classify(*maps), place))
    return tuple(found)


@pytest.fixture
def access(service: Service) -> tuple[str, ...]:
    return ("--url", service.url, "--token", service.token("read"))


def test_statistics_are_told_to_people_and_to_scripts(hil: Command, service: Service, access: tuple[str, ...]) -> None:
    put_dies(service.store, simulated())
    said = hil("statistics", "W1", *access)
    assert said.code == 0, said.err
    for part in ("W1: 2 dies, 40000 junctions", "short", "open_row", "between dies", "depends on place"):
        assert part in said.out
    found = json.loads(hil("statistics", "W1", "--json", *access).out)
    drawn = sample_dies(found, 2, np.random.default_rng(1))
    assert drawn.codes.shape == (2, 32, 25, 25)


def test_changes_name_the_runs_and_the_shift_of_the_die(hil: Command, service: Service, access: tuple[str, ...]) -> None:
    first, second = (put_dies(service.store, simulated(seed)) for seed in (1, 2))
    said = hil("changes", "W1", "1", "0", *access)
    assert said.code == 0, said.err
    assert f"from {first} to {second}" in said.out and "P: the whole die" in said.out
    found = json.loads(hil("changes", "W1", "1", "0", "--from", first, "--to", second, "--json", *access).out)
    assert found["tested"] > 19_000 and found["changed"] < 10
    assert hil("changes", "W1", "0", "0", "--from", "r1-000000", *access).code == 1


def test_a_twin_is_written_and_its_original_is_taken_for_it(
    hil: Command, service: Service, access: tuple[str, ...], tmp_path: Path
) -> None:
    put_dies(service.store, simulated())
    put_dies(service.store, simulated(2), "W2")
    file = tmp_path / "twin.toml"
    said = hil("twin", "W1", "--out", file, "--against", "W2", *access)
    assert said.code == 0, said.out + said.err
    assert "as pillars" in said.out and "W2 as a twin of W1: taken" in said.out
    assert load_fab(str(file)).tmr == pytest.approx(1.2, rel=0.03)
    assert set(tomllib.loads(file.read_text())["dies"]) == {"0,0", "1,0"}


def test_a_wafer_that_is_no_twin_is_rejected_with_exit_code_1(hil: Command, service: Service, access: tuple[str, ...]) -> None:
    put_dies(service.store, simulated())
    off = []
    for die in simulated(2):
        maps = [ConductanceMap(each.siemens * np.float32(0.98), each.state, each.read_volts, each.meta) for each in (die.p, die.ap)]
        off.append(MeasuredDie(maps[0], maps[1], die.defects, die.die))
    put_dies(service.store, off, "W2")
    told = hil("twin", "W1", "--against", "W2", "--json", *access)
    assert told.code == 1
    assert json.loads(told.out)["holds"] is False


def test_what_a_twin_needs_is_said(hil: Command, service: Service, access: tuple[str, ...], tmp_path: Path) -> None:
    running_run(service.store)
    assert "--out FILE" in hil("twin", "W1", *access).err
    assert "characterise" in hil("twin", "W1", "--out", tmp_path / "twin.toml", *access).err


def test_maps_without_a_defect_map_are_classified_here(service: Service) -> None:
    """As imported ones are."""
    run = running_run(service.store)
    (die, _) = simulated()
    for one in (die.p, die.ap):
        meta = {**READING, "origin": SIMULATED, "x": 0, "y": 0, "run": run, "state": one.state}
        service.store.append(run, MapMeasured((0, 0), ConductanceMap(one.siemens, one.state, 0.1, meta)))
    service.store.set_state(run, RunState.FINISHED)
    with LabClient(service.url, service.token("read")) as lab:
        (found,) = measured_dies(lab, "W1")
    assert np.array_equal(found.defects.codes, die.defects.codes)
    assert np.array_equal(found.p.siemens, die.p.siemens)
