"""`hil train` and `hil reproduce` on wafers that the cache already has: no lab is started."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from distributed import LocalCluster
from rich.console import Console
from typer.testing import CliRunner

from hil.cli import population_lab
from hil.cli.main import app
from hil.cli.population_lab import Wanted, measured
from hil.cli.train_table import QUICK_DIES
from hil.model.defects import Defect
from hil.training.data import load_mnist
from hil.training.errors import MapsError
from hil.training.populations import OTHER_SEED, TEST_SEED, population
from hil.training.wafer import MeasuredWafer


def wafer(seed: int, dies: int) -> MeasuredWafer:
    rng = np.random.default_rng(seed)
    shape = (dies, 32, 25, 25)
    siemens_p, siemens_ap = (level * (1 + 0.05 * rng.standard_normal(shape)) for level in (335e-6, 167e-6))
    short = rng.random(shape) < 0.0015
    both = [np.where(short, 3.3e-3, state).astype(np.float32) for state in (siemens_p, siemens_ap)]
    return MeasuredWafer(tuple((index, 0) for index in range(dies)), *both, (short * Defect.SHORT).astype(np.uint8))


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with both wafers of a population, and MNIST."""
    mnist = load_mnist()
    cache = tmp_path / "cache"
    (cache / "populations").mkdir(parents=True)
    np.savez(cache / "mnist.npz", **mnist.__dict__)
    for seed in (TEST_SEED, OTHER_SEED):
        maps = wafer(seed, QUICK_DIES)
        file = cache / "populations" / f"{Wanted(population('10x-0.3'), seed, QUICK_DIES).key}.npz"
        np.savez(file, dies=np.array(maps.dies), siemens_p=maps.siemens_p, siemens_ap=maps.siemens_ap, codes=maps.codes)
    monkeypatch.setenv("HIL_CACHE", str(cache))
    monkeypatch.delenv("HIL_MNIST", raising=False)
    return cache


@pytest.fixture
def hil(cached: Path, tmp_path: Path) -> Callable[..., str]:
    def call(*arguments: str) -> str:
        result = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "out")], catch_exceptions=False)
        assert result.exit_code == 0, result.stderr
        return result.stdout

    return call


def test_the_table_ends_with_one_json_object_of_the_promised_form(hil: Callable[..., str]) -> None:
    printed = hil("reproduce", "--populations", "10x-0.3", "--methods", "conventional,recalibrated", "--seeds", "1", "--quick", "--json")
    result = json.loads(printed)
    assert set(result) == {"baseline_error_percent", "rows"}
    assert 2.0 < result["baseline_error_percent"] < 15.0
    conventional, recalibrated = result["rows"]
    promised = {"method", "population", "net", "seeds", "mean_error_percent", "sd", "worst_error_percent", "delta_points", "seconds"}
    assert promised <= set(conventional)
    assert (conventional["method"], conventional["net"], conventional["seeds"]) == ("conventional", "100-76-10x3", 1)
    assert recalibrated["delta_points"] < conventional["delta_points"]
    again = hil("train", "--method", "conventional", "--population", "10x-0.3", "--quick")
    assert f"{conventional['delta_points']:+.2f}" in again


def test_a_table_made_by_workers_is_kept_like_any_other(hil: Callable[..., str]) -> None:
    asked = ("reproduce", "--populations", "10x-0.3", "--methods", "recalibrated,conventional", "--seeds", "1", "--quick", "--json")
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, protocol="tcp://", dashboard_address=":0") as cluster:
        made = json.loads(hil(*asked, "--workers", cluster.scheduler_address.replace("tcp://", "dask://")))
    assert [row["method"] for row in made["rows"]] == ["recalibrated", "conventional"]
    assert json.loads(hil(*asked)) == made


def test_workers_without_their_library_are_refused_with_the_extra_that_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    for arguments in (["train", "--method", "placed", "--population", "mixed"], ["reproduce"]):
        result = CliRunner().invoke(app, [*arguments, "--workers", "dask://127.0.0.1:8786"])
        assert '--workers needs distributed, here and on the workers: pip install "mtj-hil[train,dask]"' in str(result.exception)


def test_a_wafer_that_was_kept_damaged_is_named(cached: Path) -> None:
    wanted = Wanted(population("10x-0.3"), TEST_SEED, QUICK_DIES)
    (cached / "populations" / f"{wanted.key}.npz").write_bytes(b"half a file")
    with pytest.raises(MapsError, match=r"is damaged.*delete it"):
        measured(wanted, Console())


def test_another_rule_another_reading_or_another_wafer_is_another_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    first = Wanted(population("10x-0.3"), 1, 36)
    keys = {
        first.key,
        Wanted(population("10x-0.1"), 1, 36).key,
        Wanted(population("10x-0.3"), 2, 36).key,
        Wanted(first.population, 1, 36, 16).key,
    }
    monkeypatch.setattr(population_lab, "RULE", "another")
    assert len(keys | {first.key}) == 5


def test_dies_of_nowhere_and_of_two_places_are_refused() -> None:
    for arguments in ([], ["--wafer", "W1", "--population", "mixed"]):
        result = CliRunner().invoke(app, ["train", "--method", "placed", *arguments])
        assert "either --wafer W or --population NAME" in str(result.exception)
