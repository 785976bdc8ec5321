"""All methods on six measured dies: what the numbers must show, and that nobody cheats."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hil.model.defects import Defect
from hil.training.bench import QUICK, Budget
from hil.training.data import Mnist
from hil.training.errors import MapsError
from hil.training.floorplan import floorplan
from hil.training.methods import CONVENTIONAL, HARDWARE_AWARE, SOFTWARE, STATISTICS_AWARE
from hil.training.network import sign
from hil.training.placed import targets
from hil.training.run import OTHER_HALF, PLAIN, TrainingResult, folds, train_all
from hil.training.wafer import MeasuredWafer


@pytest.fixture(scope="module")
def result(measured: MeasuredWafer, mnist: Mnist) -> TrainingResult:
    return train_all(measured, mnist, QUICK, seed=0)


def with_shorts(measured: MeasuredWafer, die: int, count: int) -> MeasuredWafer:
    """The wafer with more shorts on one die."""
    siemens_p, siemens_ap, codes = measured.siemens_p.copy(), measured.siemens_ap.copy(), measured.codes.copy()
    chosen = np.random.default_rng(0).choice(20_000, count, replace=False)
    for array, value in ((siemens_p, 900e-6), (siemens_ap, 900e-6), (codes, Defect.SHORT)):
        array[die].reshape(-1)[chosen] = value
    return replace(measured, siemens_p=siemens_p, siemens_ap=siemens_ap, codes=codes)


def test_the_software_network_recognises_digits(result: TrainingResult) -> None:
    assert result.software_error < 0.10


def test_software_weights_suffer_on_real_dies_and_training_on_the_map_repairs_it(result: TrainingResult) -> None:
    conventional, aware = result.methods[CONVENTIONAL], result.methods[HARDWARE_AWARE]
    assert result.delta_points(CONVENTIONAL) > 1.0
    assert aware.mean_percent < conventional.mean_percent - 1.0
    assert aware.worst_percent < conventional.worst_percent
    assert abs(result.delta_points(HARDWARE_AWARE)) < 1.0


def test_one_network_trained_on_statistics_beats_the_software_network_on_dies_it_never_saw(result: TrainingResult) -> None:
    assert result.methods[STATISTICS_AWARE].mean_percent < result.methods[CONVENTIONAL].mean_percent - 0.5


def test_every_die_has_an_error_from_every_method(result: TrainingResult, measured: MeasuredWafer) -> None:
    assert result.dies == measured.dies
    for method in result.methods.values():
        assert method.errors.shape == (6,)
        assert np.isfinite(method.errors).all()
        assert method.worst_percent == pytest.approx(100 * method.errors.max())
        assert method.sd_percent == pytest.approx(100 * np.std(method.errors, ddof=1))


def test_the_target_of_a_die_is_the_network_that_was_judged_on_it(result: TrainingResult) -> None:
    plan = floorplan(PLAIN)
    for index, die in enumerate(result.dies):
        for method, layer, copy in ((HARDWARE_AWARE, 0, index), (STATISTICS_AWARE, 1, 1 - index % 2)):
            target = result.target(method, die).ravel().astype(int)
            wires = plan.layers[layer]
            own = result.networks[method].layers[layer].latent[copy, 0]
            assert np.array_equal(target[wires.plus] - target[wires.minus], sign(own).numpy())
    assert np.array_equal(result.target(CONVENTIONAL, result.dies[0]), targets(plan, result.networks[SOFTWARE].bits(0))[0])


def test_the_network_a_die_is_judged_by_knows_nothing_of_that_die(measured: MeasuredWafer, noise_images: Mnist, tiny: Budget) -> None:
    """Ruin die 0: the network that judges it stays the same to the bit, the other one changes."""
    before = train_all(measured, noise_images, tiny).networks[STATISTICS_AWARE]
    after = train_all(with_shorts(measured, 0, 4_000), noise_images, tiny).networks[STATISTICS_AWARE]
    judge, other = 1, 0
    assert torch.equal(before.only(judge).layers[0].latent, after.only(judge).layers[0].latent)
    assert not torch.equal(before.only(other).layers[0].latent, after.only(other).layers[0].latent)


def test_folds_share_no_die_and_leave_none_out() -> None:
    first, second = folds(7)
    assert set(first).isdisjoint(second)
    assert sorted(first + second) == list(range(7))


def test_the_same_seed_gives_the_same_table(measured: MeasuredWafer, noise_images: Mnist, tiny: Budget) -> None:
    first, second = (train_all(measured, noise_images, tiny, seed=3) for _ in range(2))
    assert first.software_error == second.software_error
    for method in first.methods:
        assert np.array_equal(first.methods[method].errors, second.methods[method].errors)


def test_every_epoch_is_reported_and_kept(measured: MeasuredWafer, noise_images: Mnist, tiny: Budget) -> None:
    heard: list[tuple[str, int, int]] = []
    trained = (HARDWARE_AWARE, STATISTICS_AWARE, STATISTICS_AWARE + OTHER_HALF)
    result = train_all(measured, noise_images, tiny, report=lambda method, epoch, epochs, _loss: heard.append((method, epoch, epochs)))
    expected = [(SOFTWARE, epoch, 4) for epoch in (1, 2, 3, 4)]
    expected += [(method, epoch, 2) for method in trained for epoch in (1, 2)]
    assert heard == expected
    assert {method: len(losses) for method, losses in result.curves.items()} == {SOFTWARE: 4, **dict.fromkeys(trained, 2)}


def test_a_die_without_contact_is_left_out_by_name(measured: MeasuredWafer, noise_images: Mnist, tiny: Budget) -> None:
    siemens_p, codes = measured.siemens_p.copy(), measured.codes.copy()
    siemens_p[2], codes[2] = np.nan, Defect.NO_CONTACT
    result = train_all(replace(measured, siemens_p=siemens_p, codes=codes), noise_images, tiny)
    assert list(result.left_out) == [measured.dies[2]]
    assert "100.0 %" in result.left_out[measured.dies[2]]
    assert len(result.dies) == 5


def test_a_single_die_is_refused_because_nothing_could_be_left_out(measured: MeasuredWafer, noise_images: Mnist, tiny: Budget) -> None:
    with pytest.raises(MapsError, match="training needs at least 2"):
        train_all(measured.take([0]), noise_images, tiny)
