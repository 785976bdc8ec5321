"""A network as dies hold it: the same sums as the site it came from, refused on other maps, kept when a die changes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hil.training.bench import Bench, Budget, software
from hil.training.checkpoint import load_checkpoint, save_checkpoint
from hil.training.data import Mnist
from hil.training.deployment import Deployment, Origin, deployed, deployments
from hil.training.errors import MapsError, TrainingError
from hil.training.following import Follower
from hil.training.in_the_loop import predicted_scores
from hil.training.methods import METHODS, PLACED, PLACED_CORRECTED, RECALIBRATED, Outcome, Work
from hil.training.net import parse_net
from hil.training.network import logits
from hil.training.site import site
from hil.training.trainer import train_and_test
from hil.training.wafer import MeasuredWafer, reference_of

NET = parse_net("100-20-10x2", "independent")


@pytest.fixture(scope="module")
def bench(noise_images: Mnist, tiny: Budget) -> Bench:
    train, test = train_and_test(noise_images, NET.image_side)
    return Bench(NET, train, test.first(100), tiny, 3)


def made(method: str, bench: Bench, measured: MeasuredWafer) -> tuple[Outcome, Work, list[Deployment]]:
    work = Work(bench, software(bench), site(NET, measured, measured))
    outcome = METHODS[method].run(work)
    return outcome, work, deployments(outcome, Origin(method, "W1", work.site, measured, reference_of(measured)))


@pytest.mark.parametrize("method", [RECALIBRATED, PLACED, PLACED_CORRECTED])
def test_each_dies_deployment_scores_like_the_outcome_it_came_from(method: str, bench: Bench, measured: MeasuredWafer) -> None:
    outcome, _, places = made(method, bench, measured)
    images = bench.judge.voltages[:20]
    with torch.no_grad():
        expected = logits(images[None, None], outcome.network, outcome.bars(outcome.site.read))
    for index, place in enumerate(places):
        assert torch.allclose(predicted_scores(place, measured, images), expected[index, 0], atol=1e-3)
        assert place.dies == (measured.dies[index],)
        assert (place.excess is not None) == (method == PLACED_CORRECTED)


def test_a_deployment_writes_only_what_the_network_uses(bench: Bench, measured: MeasuredWafer) -> None:
    _, _, places = made(PLACED, bench, measured)
    (target,) = places[0].targets()
    assert target.shape == (32, 25, 25)
    assert np.count_nonzero(target != 255) == 2 * NET.weights


def test_a_checkpoint_on_its_own_maps_is_the_same_deployment_and_on_others_is_refused(
    bench: Bench, measured: MeasuredWafer, tmp_path: Path
) -> None:
    outcome, _, places = made(PLACED, bench, measured)
    assert outcome.placement is not None
    facts = {"norm_siemens": reference_of(measured).norm_siemens}
    save_checkpoint(tmp_path / "m", {PLACED: outcome.network}, measured, facts, {PLACED: outcome.placement})
    kept = load_checkpoint(tmp_path / "m")
    again, _ = deployed(kept, PLACED, "W1", measured)
    for before, after in zip(places, again, strict=True):
        assert np.array_equal(before.targets(), after.targets())
        assert torch.equal(
            predicted_scores(before, measured, bench.judge.voltages), predicted_scores(after, measured, bench.judge.voltages)
        )
    with pytest.raises(TrainingError, match="holds placed, not 'conventional'"):
        deployed(kept, "conventional", "W1", measured)
    other = replace(measured, siemens_p=measured.siemens_p * np.float32(1.001))
    with pytest.raises(MapsError, match="trained on maps"):
        deployed(kept, PLACED, "W1", other)
    with pytest.raises(MapsError, match="place it anew"):
        predicted_scores(places[0], other, bench.judge.voltages)
    one = measured.siemens_p.copy()
    one[2] *= np.float32(1.001)
    left, changed = deployed(kept, PLACED, "W1", replace(measured, siemens_p=one))
    assert [place.dies for place in left] == [(die,) for die in measured.dies if die != measured.dies[2]]
    assert list(changed) == [measured.dies[2]]
    assert "hil follow" in changed[measured.dies[2]]
    with pytest.raises(MapsError, match="has no maps on wafer W1"):
        deployed(kept, PLACED, "W1", measured.take([0, 1]))


def test_only_the_die_that_changed_is_placed_anew(bench: Bench, measured: MeasuredWafer) -> None:
    outcome, _, _ = made(PLACED, bench, measured)
    assert outcome.shared is not None
    follower = Follower(PLACED, "W1", outcome.shared, bench)
    assert [each.die for each in follower.changed(measured)] == list(measured.dies)
    assert list(follower.changed(measured)) == []
    siemens = measured.siemens_p.copy()
    siemens[2, 0, 0, 0] *= 10
    unread = measured.siemens_ap.copy()
    unread[4] = np.nan
    changed = {each.die: each for each in follower.changed(replace(measured, siemens_p=siemens, siemens_ap=unread))}
    assert set(changed) == {measured.dies[2], measured.dies[4]}
    placed = changed[measured.dies[2]]
    assert placed.deployment is not None
    assert 0 <= placed.error <= 1
    assert changed[measured.dies[4]].deployment is None
    assert "measure the die again" in str(changed[measured.dies[4]].why_not)
