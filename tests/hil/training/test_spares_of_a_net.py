"""Spare rows and columns that a net's name asks for: whoever places uses them, nobody else notices."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hil.model.defects import Defect
from hil.training.bench import Bench, Budget, software
from hil.training.checkpoint import load_checkpoint, save_checkpoint
from hil.training.data import Mnist
from hil.training.deployment import Origin, deployed, deployments
from hil.training.errors import NetError
from hil.training.evaluate import errors_of_dies
from hil.training.floorplan import Floorplan, floorplan, roomy_floorplan
from hil.training.in_the_loop import predicted_scores
from hil.training.methods import CONVENTIONAL, HARDWARE_AWARE_PLACED, METHODS, PLACED, PLACED_CORRECTED, Outcome, Work
from hil.training.net import Spares, parse_net
from hil.training.network import logits
from hil.training.site import site
from hil.training.trainer import train_and_test
from hil.training.uncertain import worth_reading_again
from hil.training.wafer import MeasuredWafer, reference_of

NET = parse_net("100-20-10x2+3r2c", "independent")
PLAIN = parse_net("100-20-10x2", "independent")


@pytest.fixture(scope="module")
def bench(noise_images: Mnist, tiny: Budget) -> Bench:
    train, test = train_and_test(noise_images, NET.image_side)
    return Bench(NET, train, test.first(100), tiny, 3)


@pytest.fixture(scope="module")
def broken(measured: MeasuredWafer) -> MeasuredWafer:
    """Three dies with an open row line of the first row group, over both halves of a sub-array."""
    dies = measured.take(range(3))
    siemens_p, siemens_ap, codes = (array.copy() for array in (dies.siemens_p, dies.siemens_ap, dies.codes))
    for array, value in ((siemens_p, 1e-9), (siemens_ap, 1e-9), (codes, Defect.OPEN)):
        array[:, [0, 4], 5] = value
    return replace(dies, siemens_p=siemens_p, siemens_ap=siemens_ap, codes=codes)


@pytest.fixture(scope="module")
def made(bench: Bench, broken: MeasuredWafer) -> Callable[[str], tuple[Outcome, Origin]]:
    work = Work(bench, software(bench), site(NET, broken, broken))
    return lambda method: (METHODS[method].run(work), Origin(method, "W1", work.site, broken, reference_of(broken)))


def test_a_name_says_its_spares_and_a_net_without_any_is_told_as_ever() -> None:
    assert NET.spares == Spares(3, 2)
    assert NET.name == "100-20-10x2+3r2c"
    assert parse_net(NET.name, "independent") == NET != PLAIN
    assert parse_net("196-16c5s2-10+0r0c") == parse_net("196-16c5s2-10")
    assert repr(PLAIN) == repr(NET)  # Cells kept under the name of the plain net stay its own.
    for name in ("100-20-10+3r", "100-20-10+3", "100-20+1r1c-10", "100-20-10+-1r0c"):
        with pytest.raises(NetError, match="names no network"):
            parse_net(name)


def test_spares_stay_on_the_dies_of_the_net_or_are_refused() -> None:
    assert [layer.slots for layer in roomy_floorplan(NET).layers] == [(103, 22), (23, 22)]
    assert [layer.slots for layer in floorplan(NET).layers] == [(100, 20), (20, 20)]
    with pytest.raises(NetError, match=r"100-76-10x3\+9r9c: 9 spare rows and 9 spare columns a layer do not fit on its die"):
        roomy_floorplan(parse_net("100-76-10x3+9r9c", "independent"))


def on_the_line(plan: Floorplan) -> int:
    """Junctions of a plan on the broken line."""
    return int(np.isin(plan.used, [kernel * 625 + 5 * 25 + column for kernel in (0, 4) for column in range(25)]).sum())


def test_a_placement_leaves_a_broken_line_to_the_spares(made: Callable[[str], tuple[Outcome, Origin]]) -> None:
    assert on_the_line(deployments(*made(CONVENTIONAL))[0].plan) == 50
    for method in (PLACED, HARDWARE_AWARE_PLACED):
        for place in deployments(*made(method)):
            assert on_the_line(place.plan) <= 4


@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_method_works_with_spares_and_each_die_scores_as_its_outcome(
    method: str, made: Callable[[str], tuple[Outcome, Origin]], bench: Bench, broken: MeasuredWafer
) -> None:
    outcome, origin = made(method)
    images = bench.judge.voltages[:10]
    assert errors_of_dies(outcome.network, outcome.bars(outcome.site.truth), bench.judge).shape == (3,)
    with torch.no_grad():
        expected = logits(images[None, None], outcome.network, outcome.bars(outcome.site.read)).flatten(0, 1)
    for place, scores in zip(deployments(outcome, origin), expected, strict=True):
        assert np.count_nonzero(place.targets() != 255) == 2 * NET.weights
        assert torch.allclose(predicted_scores(place, broken, images), scores, atol=1e-3)


def test_a_checkpoint_knows_its_spares(made: Callable[[str], tuple[Outcome, Origin]], broken: MeasuredWafer, tmp_path: Path) -> None:
    outcome, origin = made(PLACED_CORRECTED)
    assert outcome.placement is not None
    file = tmp_path / "m.safetensors"
    facts = {"norm_siemens": origin.reference.norm_siemens}
    save_checkpoint(file, {PLACED_CORRECTED: outcome.network}, broken, facts, {PLACED_CORRECTED: outcome.placement})
    again, _ = deployed(load_checkpoint(file), PLACED_CORRECTED, "W1", broken)
    for before, after in zip(deployments(outcome, origin), again, strict=True):
        assert np.array_equal(before.targets(), after.targets())


def test_only_junctions_in_use_are_worth_reading_again(made: Callable[[str], tuple[Outcome, Origin]], bench: Bench) -> None:
    outcome, origin = made(PLACED)
    sigma = torch.full((2, *outcome.site.read.offset.shape), 0.05)
    for place, ranked in zip(deployments(outcome, origin), worth_reading_again(outcome, sigma, bench.train.first(50)), strict=True):
        assert np.array_equal(np.sort(ranked.junctions), place.plan.used)
