"""`hil report` on what `hil train` left, and both on images of the user's own: no lab is started, no digit is recognised."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from hil.cli import training_page
from hil.cli.main import app
from hil.cli.population_lab import Wanted
from hil.cli.train_table import QUICK_DIES
from hil.training.populations import OTHER_SEED, TEST_SEED, population
from tests.hil.cli.test_train_commands import wafer

TRAIN = ("train", "--population", "3x-1", "--quick", "--net", "16-8-10", "--method")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Both wafers of a population in the cache, and a few images of noise."""
    (tmp_path / "populations").mkdir()
    for seed in (TEST_SEED, OTHER_SEED):
        maps = wafer(seed, QUICK_DIES)
        file = tmp_path / "populations" / f"{Wanted(population('3x-1'), seed, QUICK_DIES).key}.npz"
        np.savez(file, dies=np.array(maps.dies), siemens_p=maps.siemens_p, siemens_ap=maps.siemens_ap, codes=maps.codes)
    rng = np.random.default_rng(4)
    images = {"x_train": rng.integers(0, 256, (600, 28, 28), np.uint8), "x_test": rng.integers(0, 256, (40, 28, 28), np.uint8)}
    np.savez(tmp_path / "noise.npz", y_train=np.arange(600) % 10, y_test=np.arange(40) % 10, **images)
    monkeypatch.setenv("HIL_CACHE", str(tmp_path))
    monkeypatch.setenv("HIL_IMAGES", str(tmp_path / "noise.npz"))
    for name, few in (("RANDOM_DIES", 3), ("JUNCTION_IMAGES", 20)):
        monkeypatch.setattr(training_page, name, few)
    return tmp_path


def hil(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, catch_exceptions=True)


def test_the_page_shows_what_was_trained_and_on_which_images(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = hil(*TRAIN, "statistics-aware,placed", "--out", str(folder / "out"))
    assert trained.exit_code == 0, trained.exception
    assert "noise test error" in trained.stdout
    (results,) = (folder / "out").iterdir()
    assert results.name.startswith("noise-")
    page = folder / "page.html"
    told = hil("report", str(results), "--out", str(page), "--json")
    assert told.exit_code == 0, told.exception
    assert json.loads(told.stdout) == {"page": str(page), "model": None}
    text = page.read_text(encoding="utf-8")
    assert "Origin of the maps: simulated; population 3x-1." in text
    promised = (
        "40 test images of noise",
        "Population 3x-1",
        "4 dies, one seed",
        "placed",
        "Sensitivity to shorts",
        "Which junctions matter",
    )
    for words in promised:
        assert words in text, words
    # Errors and yields of the population, its curves, what shorts do, and a map each of the software, the shared and the placed weights.
    assert text.count("data:image/png;base64,") == 3 + 1 + 3
    with np.load(folder / "noise.npz") as arrays:
        np.savez(folder / "other.npz", **(dict(arrays) | {"y_test": np.arange(40) % 9}))
    monkeypatch.setenv("HIL_IMAGES", str(folder / "other.npz"))
    refused = hil("report", str(results), "--out", str(page))
    assert "stands on noise, HIL_IMAGES names other" in str(refused.exception)


def test_a_folder_without_cells_is_refused_with_what_makes_some(folder: Path) -> None:
    refused = hil("report", str(folder), "--out", str(folder / "page.html"))
    assert "holds no cells; `hil train --out" in str(refused.exception)
    assert not (folder / "page.html").exists()


def test_two_networks_in_one_folder_stand_beside_each_other_each_above_its_own_software_network(folder: Path) -> None:
    for net in ("16-8-10", "16-6-10"):
        pairs = "reference" if net == "16-6-10" else "independent"
        told = hil(*TRAIN, "statistics-aware", "--net", net, "--pairs", pairs, "--out", str(folder / "out"))
        assert told.exit_code == 0, told.exception
    (results,) = (folder / "out").iterdir()
    page = folder / "page.html"
    assert hil("report", str(results), "--out", str(page)).exit_code == 0
    text = page.read_text(encoding="utf-8")
    assert "Population 3x-1, 16-8-10 independent" in text
    assert "Population 3x-1, 16-6-10 reference" in text
    # Junctions are looked at one by one where they come in pairs; shorts at random places are for all.
    assert text.count("One short alone, at each place.</figcaption>") == 2
    for name in ("software, 16-6-10-reference", "statistics-aware, 3x-1, 16-8-10-independent"):
        assert f"<td>{name}</td>" in text
