"""What a reading's uncertainty is worth."""

import numpy as np
import pytest
import torch

from hil.training.bench import Bench, Budget
from hil.training.data import Mnist
from hil.training.evaluate import errors_of_dies
from hil.training.methods import HARDWARE_AWARE, Outcome, Work
from hil.training.net import parse_net
from hil.training.network import Statistics, calibrated, fresh_network, ideal_crossbars, logits
from hil.training.site import site
from hil.training.trainer import generator, train_and_test
from hil.training.uncertain import errors_on_samples, trained_on_samples, worth_reading_again
from hil.training.wafer import MeasuredWafer

NET = parse_net("100-76-10x3", "independent")


@pytest.fixture
def work(measured: MeasuredWafer, noise_images: Mnist, tiny: Budget) -> Work:
    images, judge = train_and_test(noise_images)
    network = calibrated(fresh_network(NET, generator(0, "u")), ideal_crossbars(NET), images.voltages)
    return Work(Bench(NET, images, judge, tiny, 0), network, site(NET, measured, measured.take(range(3))))


def start(work: Work) -> Outcome:
    return Outcome(work.fitted(work.baseline).network, work.site)


def test_training_on_samples_gives_each_die_a_network_of_its_own(work: Work, tiny: Budget) -> None:
    sigma = torch.full((2, *work.site.read.offset.shape), 0.05)
    outcome = trained_on_samples(work, start(work), sigma, tiny.varied)
    assert outcome.network.copies == 3
    assert not torch.equal(outcome.network.layers[0].latent[0], outcome.network.layers[0].latent[1])


def test_what_was_trained_with_statistics_of_its_batches_leaves_with_those_of_its_own_map(work: Work, tiny: Budget) -> None:
    assert tiny.varied.statistics is not Statistics.CARRIED
    outcome = trained_on_samples(work, start(work), torch.zeros(2, *work.site.read.offset.shape), tiny.varied)
    again = calibrated(outcome.network, outcome.bars(work.site.read), work.bench.many)
    for layer, expected in zip(outcome.network.layers, again.layers, strict=True):
        assert torch.allclose(layer.mean, expected.mean)
        assert torch.allclose(layer.sd, expected.sd)


def test_errors_on_samples_are_those_of_the_map_when_it_is_certain_and_differ_when_not(work: Work) -> None:
    outcome, certain = start(work), torch.zeros(2, *work.site.read.offset.shape)
    by_map = errors_of_dies(outcome.network, outcome.bars(work.site.read), work.bench.judge)
    found = errors_on_samples(outcome, certain, 2, work.bench.judge, generator(0, "s"))
    assert np.array_equal(found, [by_map, by_map])
    unsure = errors_on_samples(outcome, certain + 3.0, 2, work.bench.judge, generator(0, "s"))
    assert not np.array_equal(unsure[0], unsure[1])


def test_what_is_certain_is_not_worth_reading_again_and_what_matters_most_comes_first(work: Work) -> None:
    sigma = torch.zeros(2, *work.site.read.offset.shape)
    used = work.site.plan.used
    sigma[..., used[100]], sigma[..., used[15_000]] = 0.05, 5.0
    outcome = start(work)
    for ranked in worth_reading_again(outcome, sigma, work.bench.train.first(100)):
        assert set(ranked.junctions[:2]) <= {used[100], used[15_000]}
        assert (np.diff(ranked.loss) <= 0).all()
        assert (ranked.loss[2:] == 0).all()
        assert len(ranked.junctions) == 19_760


def test_the_ranking_predicts_how_the_loss_moves_when_a_reading_was_off(work: Work) -> None:
    outcome, images = start(work), work.bench.train.first(200)
    sigma = torch.full((2, *work.site.read.offset.shape), 0.02)
    ranked = worth_reading_again(outcome, sigma, images)[1]

    def loss(junction: int, by: float) -> float:
        dies = work.site.read
        dies.offset[1, junction] += by
        scores = logits(images.voltages[None, None].double(), outcome.network.map(torch.Tensor.double), doubled(outcome, work))
        dies.offset[1, junction] -= by
        return float(torch.nn.functional.cross_entropy(scores[1, 0], images.labels))

    top = int(ranked.junctions[0])
    moved = abs(loss(top, 0.02) - loss(top, -0.02)) / 2
    assert moved == pytest.approx(ranked.loss[0], rel=0.2)


def test_only_the_state_that_a_junction_holds_counts(work: Work) -> None:
    outcome, images = start(work), work.bench.train.first(100)
    held = torch.zeros(20_000, dtype=torch.bool)
    for layer, part in zip(work.site.plan.layers, outcome.network.bits(0), strict=True):
        held[torch.from_numpy(layer.plus.astype("int64"))] = torch.from_numpy(part[0])
        held[torch.from_numpy(layer.minus.astype("int64"))] = torch.from_numpy(part[1])
    sigma = torch.zeros(2, *work.site.read.offset.shape)
    sigma[0] = 0.02
    for ranked in worth_reading_again(outcome, sigma, images):
        in_parallel = held[torch.from_numpy(ranked.junctions)].numpy()
        assert (ranked.loss[~in_parallel] == 0).all()
        assert (ranked.loss[in_parallel] > 0).mean() > 0.5


def doubled(outcome: Outcome, work: Work) -> list:
    from dataclasses import replace

    return [replace(bar, slope=bar.slope.double(), offset=bar.offset.double()) for bar in outcome.bars(work.site.read)]


def test_the_method_table_says_what_each_die_costs() -> None:
    from hil.training.methods import METHODS, Effort

    assert METHODS["statistics-aware"].per_die == (Effort.NOTHING,)
    assert Effort.TRAINING in METHODS[HARDWARE_AWARE].per_die
    assert all(Effort.TRAINING not in METHODS[name].per_die for name in ("placed", "placed+trimmed", "placed+corrected"))
