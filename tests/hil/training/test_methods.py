"""What a wafer's own dies must show when each half is judged by what the other half teaches, and that nobody cheats."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hil.model.defects import Defect
from hil.training.bench import FULL_QUICK, Budget
from hil.training.cells import Cell
from hil.training.checkpoint import load_checkpoint
from hil.training.data import Mnist
from hil.training.errors import MapsError
from hil.training.making import folds
from hil.training.methods import CONVENTIONAL, HARDWARE_AWARE, PLACED, SOFTWARE, STATISTICS_AWARE
from hil.training.net import parse_net
from hil.training.network import Network
from hil.training.reproduce import Table, cells, halves
from hil.training.trainer import train_and_test
from hil.training.wafer import MeasuredWafer

NET = parse_net("100-76-10x3", "independent")
METHODS = (CONVENTIONAL, HARDWARE_AWARE, STATISTICS_AWARE, PLACED)
Heard = Callable[[str, int, int, float], None]


def computed(measured: MeasuredWafer, mnist: Mnist, table: Table, heard: Heard = lambda *_: None) -> list[Cell]:
    groups = halves(measured)
    return list(cells(table, lambda _: groups, train_and_test(mnist, NET.image_side), heard))


def table(folder: Path, budget: Budget, methods: Sequence[str] = METHODS, seed: int = 0) -> Table:
    return Table(NET, ("W",), methods, (seed,), budget, folder)


@pytest.fixture(scope="module")
def found(measured: MeasuredWafer, mnist: Mnist, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Cell]:
    made = computed(measured, mnist, table(tmp_path_factory.mktemp("table"), FULL_QUICK))
    return {cell.name.method: cell for cell in made}


def percent(cell: Cell) -> float:
    return float(100 * cell.errors.mean())


def test_the_software_network_recognises_digits(found: dict[str, Cell]) -> None:
    assert found[CONVENTIONAL].baseline_error < 0.10


def test_software_weights_suffer_on_real_dies_and_training_on_the_map_repairs_it(found: dict[str, Cell]) -> None:
    conventional, aware = found[CONVENTIONAL], found[HARDWARE_AWARE]
    assert percent(conventional) > 100 * conventional.baseline_error + 1.0
    assert percent(aware) < percent(conventional) - 1.0
    assert aware.errors.max() < conventional.errors.max()
    assert abs(percent(aware) - 100 * aware.baseline_error) < 1.0


@pytest.mark.parametrize("method", [STATISTICS_AWARE, PLACED])
def test_one_set_of_weights_beats_the_software_network_on_dies_it_never_saw(found: dict[str, Cell], method: str) -> None:
    assert percent(found[method]) < percent(found[CONVENTIONAL]) - 0.5


def test_every_die_has_an_error_from_every_method(found: dict[str, Cell], measured: MeasuredWafer) -> None:
    assert list(found) == list(METHODS)
    for cell in found.values():
        assert set(cell.dies) == set(measured.dies)
        assert np.isfinite(cell.errors).all()


def with_shorts(measured: MeasuredWafer, die: int, count: int) -> MeasuredWafer:
    """The wafer with more shorts on one die."""
    siemens_p, siemens_ap, codes = measured.siemens_p.copy(), measured.siemens_ap.copy(), measured.codes.copy()
    chosen = np.random.default_rng(0).choice(20_000, count, replace=False)
    for array, value in ((siemens_p, 900e-6), (siemens_ap, 900e-6), (codes, Defect.SHORT)):
        array[die].reshape(-1)[chosen] = value
    return replace(measured, siemens_p=siemens_p, siemens_ap=siemens_ap, codes=codes)


def kept(folder: Path, suffix: str) -> Network:
    return load_checkpoint(next(folder.rglob(f"{STATISTICS_AWARE}-seed0{suffix}.safetensors"))).networks[STATISTICS_AWARE]


def test_the_network_a_die_is_judged_by_knows_nothing_of_that_die(
    measured: MeasuredWafer, noise_images: Mnist, tiny: Budget, tmp_path: Path
) -> None:
    """Ruin die 0, which is of the first half: the network that judges it stays the same to the bit, the other one changes."""
    for name, wafer in (("before", measured), ("after", with_shorts(measured, 0, 4_000))):
        computed(wafer, noise_images, table(tmp_path / name, tiny, (STATISTICS_AWARE,)))
    same = {
        suffix: torch.equal(kept(tmp_path / "before", suffix).layers[0].latent, kept(tmp_path / "after", suffix).layers[0].latent)
        for suffix in ("", "-half1")
    }
    assert sorted(same.values()) == [False, True]
    judging = next(suffix for suffix, unchanged in same.items() if unchanged)
    file = next((tmp_path / "after").rglob(f"{STATISTICS_AWARE}-seed0{judging}.safetensors"))
    x, y = measured.dies[0]
    assert f"{x},{y}" in load_checkpoint(file).map_hashes


def test_folds_share_no_die_and_leave_none_out() -> None:
    first, second = folds(7)
    assert set(first).isdisjoint(second)
    assert sorted(first + second) == list(range(7))


def test_the_same_seed_gives_the_same_table(measured: MeasuredWafer, noise_images: Mnist, tiny: Budget, tmp_path: Path) -> None:
    first, second = (computed(measured, noise_images, table(tmp_path / name, tiny, seed=3)) for name in ("a", "b"))
    for one, other in zip(first, second, strict=True):
        assert one.baseline_error == other.baseline_error
        assert np.array_equal(one.wrong, other.wrong)


def test_every_epoch_is_reported_and_kept(measured: MeasuredWafer, noise_images: Mnist, tiny: Budget, tmp_path: Path) -> None:
    heard: list[tuple[str, int, int]] = []
    chosen = table(tmp_path, tiny, (HARDWARE_AWARE, STATISTICS_AWARE))
    found = computed(measured, noise_images, chosen, lambda method, epoch, epochs, _loss: heard.append((method, epoch, epochs)))
    expected = [(SOFTWARE, epoch, 4) for epoch in (1, 2, 3, 4)]
    expected += [(method, epoch, 2) for method in (HARDWARE_AWARE, STATISTICS_AWARE) for _half in range(2) for epoch in (1, 2)]
    assert heard == expected
    assert all(len(cell.facts["curves"][cell.name.method]) >= 2 for cell in found)


def test_a_single_die_is_refused_because_nothing_could_be_left_out(measured: MeasuredWafer) -> None:
    with pytest.raises(MapsError, match="at least 2 dies"):
        halves(measured.take([0]))
