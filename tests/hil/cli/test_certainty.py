"""`hil worth` and `hil refine` on a service whose store holds two simulated dies that say how certain they are."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hil.client import LabClient
from hil.model.plans import PLAN
from hil.training.bench import Budget
from hil.training.certainty import pull_uncertainties, sigma_of
from hil.training.checkpoint import load_checkpoint
from hil.training.methods import PLACED, PLACED_CORRECTED
from hil.training.net import parse_net
from hil.training.pull import pull
from tests.hil.cli.conftest import Command
from tests.hil.cli.test_statistics_commands import simulated
from tests.hil.training.conftest import one_thread, tiny
from tests.support.kept_network import keep_placed
from tests.support.service import Service
from tests.support.service_fixtures import *  # noqa: F403
from tests.support.stored_dies import put_dies

__all__ = ["one_thread", "tiny"]
NET = parse_net("16-8-10", "independent")


@pytest.fixture
def model(service: Service, tiny: Budget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoint on dies of which one junction in ten is a per cent uncertain, and images of noise."""
    rng, dies = np.random.default_rng(5), []
    for each in simulated():
        sigma = [np.where(rng.random((32, 25, 25)) < 0.1, 0.01 * one.siemens, np.float32(0.0)) for one in (each.p, each.ap)]
        siemens = each.p.siemens.copy()
        siemens[9, 9, 9], sigma[0][9, 9, 9] = np.nan, np.nan
        p, ap = replace(each.p, siemens=siemens, uncertainty=sigma[0]), replace(each.ap, uncertainty=sigma[1])
        dies.append(replace(each, p=p, ap=ap))
    put_dies(service.store, dies)
    images = {"x_train": rng.integers(0, 256, (600, 28, 28), np.uint8), "x_test": rng.integers(0, 256, (60, 28, 28), np.uint8)}
    np.savez(tmp_path / "noise.npz", y_train=np.arange(600) % 10, y_test=np.arange(60) % 10, **images)
    monkeypatch.setenv("HIL_IMAGES", str(tmp_path / "noise.npz"))
    keep_placed(service, NET, tiny, tmp_path / "m.safetensors")
    return tmp_path / "m.safetensors"


@pytest.fixture
def access(service: Service) -> tuple[str, ...]:
    return ("--url", service.url, "--token", service.token("operate"))


def test_what_is_worth_reading_again_is_uncertain_and_in_use_and_stands_in_a_plan(
    hil: Command, service: Service, access: tuple[str, ...], model: Path, tmp_path: Path
) -> None:
    told = hil("worth", model, "--wafer", "W1", "--count", 12, "--images", 100, "--plans", tmp_path / "plans", "--json", *access)
    assert told.code == 0, told.err
    first, second = json.loads(told.out)["dies"]
    assert ([first["x"], first["y"]], [second["x"], second["y"]]) == ([0, 0], [1, 0])
    with LabClient(service.url, service.token()) as lab:
        measured = pull(lab, "W1").measured
        sigma = pull_uncertainties(lab, "W1", measured)
    out = hil("place", model, "--wafer", "W1", "--out", tmp_path / "placed", "--json", *access)
    for index, (each, placed) in enumerate(zip((first, second), json.loads(out.out)["dies"], strict=True)):
        target = np.load(placed["target"])
        assert len(each["junctions"]) == 12
        assert each["loss"] == sorted(each["loss"], reverse=True)
        assert 0 < each["share"] <= 1
        for kernel, row, column in each["junctions"]:
            held = target[kernel, row, column]
            assert held in (0, 1)
            assert sigma[1 - held, index, kernel, row, column] > 0
        plan = PLAN.validate_python(json.loads(Path(each["plan"]).read_text()))
        assert (plan.kind, [list(junction) for junction in plan.junctions]) == ("iv_sweep", each["junctions"])
        assert plan.dies == ((each["x"], each["y"]),)


def test_a_junction_without_a_reading_is_as_uncertain_as_all_that_were_read(service: Service, model: Path) -> None:
    with LabClient(service.url, service.token()) as lab:
        measured = pull(lab, "W1").measured
        sigma = sigma_of(pull_uncertainties(lab, "W1", measured), measured, 1e-4, 1)
    assert sigma.shape == (2, 2, 20_000)
    unread = 9 * 625 + 9 * 25 + 9
    assert float(sigma[0, 0, unread]) == pytest.approx(float(np.nanstd(measured.siemens_p)) / 1e-4, rel=1e-5)
    assert bool(sigma.isfinite().all())


def test_a_refined_network_is_another_one_on_the_same_maps_and_junctions(
    hil: Command, service: Service, access: tuple[str, ...], model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "refined.safetensors"
    told = hil("refine", model, "--wafer", "W1", "--out", out, "--epochs", 1, "--images", 50, "--json", *access)
    assert told.code == 0, told.err
    found = json.loads(told.out)
    assert found["method"] == "placed+sampled"
    for each in found["dies"]:
        for part in ("before", "after"):
            assert 0 <= each[part]["by_map_percent"] <= 100 and 0 <= each[part]["on_samples_percent"] <= 100
    before, after = load_checkpoint(model), load_checkpoint(out)
    assert after.map_hashes == before.map_hashes
    assert (after.placements["placed+sampled"][0].rows == before.placements[PLACED][0].rows).all()
    assert not (after.networks["placed+sampled"].layers[0].latent == before.networks[PLACED].layers[0].latent).all()
    assert hil("evaluate", out, "--wafer", "W1", "--images", 20, "--json", *access).code == 0


def test_maps_without_uncertainties_and_networks_with_corrections_are_refused(
    hil: Command, service: Service, access: tuple[str, ...], model: Path, tiny: Budget, tmp_path: Path
) -> None:
    keep_placed(service, NET, tiny, tmp_path / "c.safetensors", PLACED_CORRECTED)
    corrected = hil("refine", tmp_path / "c.safetensors", "--wafer", "W1", "--out", tmp_path / "o", *access)
    assert corrected.code == 1 and "subtracts the listed shorts" in corrected.err
    assert hil("worth", tmp_path / "c.safetensors", "--wafer", "W1", "--images", 50, *access).code == 0
    put_dies(service.store, simulated())
    keep_placed(service, NET, tiny, tmp_path / "b.safetensors")
    bare = hil("worth", tmp_path / "b.safetensors", "--wafer", "W1", *access)
    assert bare.code == 1 and "its P map has no uncertainties" in bare.err
    other = hil("worth", model, "--wafer", "W1", *access)
    assert other.code == 1 and "trained on maps" in other.err
