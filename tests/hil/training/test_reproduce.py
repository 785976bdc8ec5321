"""The table of errors: whole, resumable, and honest about which dies taught whom."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hil.training.bench import Budget
from hil.training.cells import Cell, CellName, all_cells, load_cell
from hil.training.checkpoint import load_checkpoint
from hil.training.data import Mnist
from hil.training.errors import MapsError, TrainingError
from hil.training.making import judged_baseline, key_of
from hil.training.methods import METHODS
from hil.training.net import parse_net
from hil.training.network import fresh_network
from hil.training.populations import names, population
from hil.training.reproduce import Group, Table, cells, halves, keep_baseline
from hil.training.table import baseline_error_percent, rows
from hil.training.trainer import Images, Recipe, generator, train_and_test
from hil.training.wafer import MeasuredWafer

NET = parse_net("100-76-10x3", "independent")
CHEAP = ("conventional", "placed", "placed+trimmed")


def table(folder: Path, budget: Budget, methods: tuple[str, ...] = CHEAP, seeds: range = range(1)) -> Table:
    return Table(NET, ("P1",), methods, seeds, budget, folder)


def silent(_method: str, _epoch: int, _epochs: int, _loss: float) -> None:
    """Nobody watches."""


def group(measured: MeasuredWafer) -> Group:
    return Group(measured.take(range(3)), measured.take(range(3, 6)))


def test_every_method_runs_and_judges_every_die(measured: MeasuredWafer, noise_images: Mnist, tiny: Budget, tmp_path: Path) -> None:
    found = list(cells(table(tmp_path, tiny, tuple(METHODS)), lambda _: [group(measured)], train_and_test(noise_images), silent))
    assert [cell.name.method for cell in found] == list(METHODS)
    for cell in found:
        assert cell.dies == measured.dies[3:]
        assert cell.wrong.shape == (3, 200)
        assert cell.seconds >= 0
    assert [row.method for row in rows(found)] == list(METHODS)
    assert len(all_cells(tmp_path)) == len(METHODS)


def test_what_was_computed_is_read_back_and_not_computed_again(
    measured: MeasuredWafer, noise_images: Mnist, tiny: Budget, tmp_path: Path
) -> None:
    images = train_and_test(noise_images)
    first = list(cells(table(tmp_path, tiny, seeds=range(2)), lambda _: [group(measured)], images, silent))
    heard: list[str] = []
    again = list(cells(table(tmp_path, tiny, seeds=range(2)), lambda _: [group(measured)], images, lambda method, *_: heard.append(method)))
    assert heard == []
    for before, after in zip(first, again, strict=True):
        assert np.array_equal(before.wrong, after.wrong)
        assert (before.name, before.dies, before.seconds) == (after.name, after.dies, after.seconds)


def test_other_maps_or_another_budget_make_the_cell_anew(
    measured: MeasuredWafer, noise_images: Mnist, tiny: Budget, tmp_path: Path
) -> None:
    images = train_and_test(noise_images)
    asked = table(tmp_path, tiny, ("conventional",))
    (first,) = cells(asked, lambda _: [group(measured)], images, silent)
    (other_maps,) = cells(asked, lambda _: [Group(measured.take(range(2)), measured.take(range(3, 6)))], images, silent)
    (longer,) = cells(replace(asked, budget=replace(tiny, recalibration_images=64)), lambda _: [group(measured)], images, silent)
    assert len({first.key, other_maps.key, longer.key}) == 3
    (same,) = cells(replace(asked, budget=replace(tiny, placed_pool=9)), lambda _: [group(measured)], images, silent)
    assert same.key == first.key  # what another method spends is no matter


def test_the_key_of_a_cell_is_what_it_was_when_tables_were_kept_by_it(tmp_path: Path) -> None:
    """Whoever changes it on purpose throws away tables of hours."""
    maps = np.ones((1, 32, 25, 25), np.float32)
    wafer = MeasuredWafer(((0, 0),), maps, maps, np.zeros(maps.shape, np.uint8))
    recipe = Recipe(epochs=2, batch=128, rate=5e-3)
    budget = Budget(recipe, recipe, recipe, recipe, recipe, recipe, recipe)
    images = Images(torch.zeros(10, 100), torch.zeros(10, dtype=torch.int64))
    bench = table(tmp_path, budget).settings(1).bench((images, images), silent)
    groups = [Group(wafer, wafer)]
    assert key_of(bench, "placed+trimmed", groups) == "1a8adb13e97c766e"
    keep_baseline(judged_baseline(bench, fresh_network(NET, generator(0, "a")), 1.0), bench, tmp_path)
    assert [file.name for file in tmp_path.rglob("software*")] == ["software-seed1-7d58399777ede5b6.safetensors"]


def test_errors_are_those_on_the_second_measurement(measured: MeasuredWafer, noise_images: Mnist, tiny: Budget, tmp_path: Path) -> None:
    """Judged on dies full of opens, whatever the map says: everything is misclassified alike."""
    ruined = replace(measured.take(range(3, 6)), siemens_p=measured.siemens_p[3:] * 0, siemens_ap=measured.siemens_ap[3:] * 0)
    judged = replace(group(measured), truth=ruined)
    (cell,) = cells(table(tmp_path, tiny, ("conventional",)), lambda _: [judged], train_and_test(noise_images), silent)
    assert np.array_equal(cell.wrong[0], cell.wrong[1])


def test_a_wafer_judged_by_itself_has_every_die_once_and_no_die_in_its_own_statistics(
    measured: MeasuredWafer, noise_images: Mnist, tiny: Budget, tmp_path: Path
) -> None:
    first, second = halves(measured)
    assert not set(first.seen.dies) & set(first.read.dies)
    assert set(first.read.dies) | set(second.read.dies) == set(measured.dies)
    (cell,) = cells(table(tmp_path, tiny, ("placed",)), lambda _: [first, second], train_and_test(noise_images), silent)
    assert cell.dies == tuple(sorted(measured.dies, key=lambda die: (die[1], die[0])))
    assert cell.wrong.shape == (6, 200)


def test_networks_are_kept_with_their_placements_and_the_maps_they_were_made_for(
    measured: MeasuredWafer, noise_images: Mnist, tiny: Budget, tmp_path: Path
) -> None:
    list(cells(table(tmp_path, tiny, ("placed",)), lambda _: [group(measured)], train_and_test(noise_images), silent))
    kept = load_checkpoint(tmp_path / "networks" / "100-76-10x3-independent" / "P1" / "placed-seed0.safetensors")
    kept.check_maps(measured.take(range(3, 6)))
    with pytest.raises(MapsError, match="never seen in training"):
        kept.check_maps(measured.take([0]))
    assert kept.networks["placed"].copies == 3
    assert [tuple(layer.rows.shape) for layer in kept.placements["placed"]] == [(3, 100), (3, 76)]


def test_a_row_counts_dies_and_seeds(tmp_path: Path) -> None:
    def cell(seed: int, errors: tuple[int, int], baseline: float) -> Cell:
        wrong = np.arange(100)[None] < np.array(errors)[:, None]
        return Cell(CellName("placed", "P1", "n", "tied", seed), "k", ((0, 0), (1, 0)), wrong, baseline, 3.0 + seed, {})

    (row,) = rows([cell(0, (2, 4), 0.02), cell(1, (5, 9), 0.03)])
    assert (row.seeds, row.mean_error_percent, row.worst_error_percent) == (2, pytest.approx(5.0), pytest.approx(9.0))
    assert row.delta_points == pytest.approx((1.0 + 4.0) / 2)
    assert row.sd == pytest.approx((2**0.5 + 8**0.5) / 2)
    assert row.seconds == pytest.approx(3.5)
    assert baseline_error_percent([cell(0, (2, 4), 0.02), cell(1, (5, 9), 0.03)]) == pytest.approx(2.5)


def test_unknown_names_are_refused_with_those_there_are(tmp_path: Path, tiny: Budget) -> None:
    with pytest.raises(MapsError, match=r"'magic' is no method; choose from software, conventional, .*placed\+corrected"):
        table(tmp_path, tiny, ("magic",))
    with pytest.raises(MapsError, match=r"'10x-7' is no population and no fab file; choose from 10x-0.05, .*harsh"):
        population("10x-7")
    (tmp_path / "foreign.npz").write_bytes(b"x")
    with pytest.raises(TrainingError, match="no readable cell"):
        load_cell(tmp_path / "foreign.npz")


def test_every_population_of_the_contract_is_there_and_its_file_is_what_the_simulated_lab_takes() -> None:
    from simulator.physics.fab import load_fab

    for name in ("10x-0.1", "10x-0.3", "10x-1", "10x-3", "3x-0.3", "10x-0.05", "mixed", "clean", "paper-like", "default", "harsh"):
        assert name in names()
        load_fab(population(name).fab)
