"""`hil place` on a service whose store holds two simulated dies: files that say what is written where."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from hil.client import LabClient
from hil.model.plans import PLAN
from hil.training.adc import Converter
from hil.training.bench import Budget
from hil.training.methods import PLACED
from hil.training.net import parse_net
from tests.hil.cli.conftest import Command
from tests.hil.cli.test_statistics_commands import simulated
from tests.hil.training.conftest import one_thread, tiny
from tests.support.kept_network import keep_placed
from tests.support.service import Service
from tests.support.service_fixtures import *  # noqa: F403
from tests.support.stored_dies import put_dies

__all__ = ["one_thread", "tiny"]


@pytest.fixture
def access(service: Service) -> tuple[str, ...]:
    put_dies(service.store, simulated())
    return ("--url", service.url, "--token", service.token("operate"))


@pytest.mark.parametrize("name", ["50-12-4x2", "50-12-4x2+2r1c"])
def test_every_die_gets_a_bit_map_a_table_and_a_plan_that_agree(
    hil: Command, service: Service, access: tuple[str, ...], tiny: Budget, tmp_path: Path, name: str
) -> None:
    net = parse_net(name, "independent")
    keep_placed(service, net, tiny, tmp_path / "m.safetensors")
    told = hil("place", tmp_path / "m.safetensors", "--wafer", "W1", "--out", tmp_path / "out", "--json", *access)
    assert told.code == 0, told.err
    found = json.loads(told.out)
    dies = {each.die: each for each in simulated()}
    assert (found["method"], found["net"], [each["die"] for each in found["dies"]]) == (PLACED, name, [[0, 0], [1, 0]])
    for each in found["dies"]:
        target = np.load(each["target"])
        assert each["junctions"] == np.count_nonzero(target != 255) == 2 * net.weights
        siemens = np.fmax(*(one.siemens for one in (dies[tuple(each["die"])].p, dies[tuple(each["die"])].ap)))[target != 255]
        assert Converter().most_amps / (25 * siemens.max()) < each["most_read_volts"] < Converter().most_amps / siemens.max()
        plan = json.loads(Path(each["plan"]).read_text())
        assert PLAN.validate_python(plan).kind == "program"
        assert plan["dies"] == [each["die"]]
        with LabClient(service.url, service.token()) as lab:
            assert np.array_equal(lab.get_object(plan["target"]["object"]), target)
        with Path(each["table"]).open(newline="") as file:
            rows = list(csv.DictReader(file))
        again = np.full_like(target, 255)
        for row in rows:
            assert [int(row["x"]), int(row["y"])] == each["die"]
            again[int(row["kernel"]), int(row["row"]), int(row["column"])] = {"P": 1, "AP": 0}[row["state"]]
        assert np.array_equal(again, target)
        weights = {tuple(int(row[key]) for key in ("layer", "input", "output", "copy", "sign")) for row in rows}
        assert len(weights) == len(rows) == 2 * net.weights


def test_a_network_over_two_dies_has_one_table_that_names_both(
    hil: Command, service: Service, access: tuple[str, ...], tiny: Budget, tmp_path: Path
) -> None:
    keep_placed(service, parse_net("100-90-60-4", "independent"), tiny, tmp_path / "m.safetensors")
    found = json.loads(
        hil("place", tmp_path / "m.safetensors", "--wafer", "W1", "--out", tmp_path / "out", "--no-upload", "--json", *access).out
    )
    assert len({each["table"] for each in found["dies"]}) == 1
    assert [each["plan"] for each in found["dies"]] == [None, None]
    with Path(found["dies"][0]["table"]).open(newline="") as file:
        of_die = [(int(row["x"]), int(row["y"])) for row in csv.DictReader(file)]
    assert [of_die.count((0, 0)), of_die.count((1, 0))] == [each["junctions"] for each in found["dies"]]


def test_other_maps_are_refused_and_nothing_is_written(
    hil: Command, service: Service, access: tuple[str, ...], tiny: Budget, tmp_path: Path
) -> None:
    keep_placed(service, parse_net("50-12-4x2", "independent"), tiny, tmp_path / "m.safetensors")
    put_dies(service.store, simulated(read_seed=2))
    refused = hil("place", tmp_path / "m.safetensors", "--wafer", "W1", "--out", tmp_path / "out", *access)
    assert refused.code == 1
    assert "die (0,0)" in refused.err and "trained on maps" in refused.err
    assert not (tmp_path / "out").exists()
