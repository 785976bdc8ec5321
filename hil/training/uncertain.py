"""Maps that are not certain: training on samples of what each die may be, and which junctions are worth reading again.

Rule: a reading's standard uncertainty is the map's own; nothing is assumed where none was given."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hil.training.devices import Dies, Wiring, own, wiring
from hil.training.draws import Posterior
from hil.training.evaluate import errors_of_dies
from hil.training.methods import Outcome, Work
from hil.training.network import Statistics, calibrated, logits
from hil.training.placement import placed_wiring
from hil.training.trainer import Images, Recipe, train


def trained_on_samples(work: Work, start: Outcome, sigma: Tensor, recipe: Recipe, purpose: str = "uncertain") -> Outcome:
    """Every copy trained on fresh samples of its own die, `recipe.maps` of them a step, then with column statistics of its map.

    sigma: (2, places, junctions), standard uncertainty of the readings in P and in AP, in the units of the site's dies.
    """
    order = work.bench.order(purpose)
    where, placement = start.site, start.placement
    draw = Posterior(where.read, sigma, lambda dies: where.bars(dies, placement), recipe.maps, order)
    network = start.network if start.network.copies == len(where) else start.network.repeated(len(where))
    network = train(network, draw, work.bench.train, recipe, order, work.bench.done(purpose, recipe.epochs))
    if recipe.statistics is not Statistics.CARRIED:
        network = calibrated(network, own(where.bars(where.read, placement)), work.bench.many)
    return Outcome(network, where, placement)


@torch.no_grad()
def errors_on_samples(outcome: Outcome, sigma: Tensor, samples: int, images: Images, order: torch.Generator) -> NDArray[np.float64]:
    """(samples, places): share misclassified on fresh samples of what each place may be."""
    where = outcome.site
    draw = Posterior(where.read, sigma, lambda dies: where.bars(dies, outcome.placement), 1, order)
    network = outcome.network if outcome.network.copies == len(where) else outcome.network.repeated(len(where))
    return np.stack([errors_of_dies(network, draw(), images) for _ in range(samples)])


@dataclass(frozen=True, eq=False)
class Worth:
    """Junctions of one place in order of what reading them again is worth, most first. junctions: flat numbers of the place.

    loss: change of the loss, per junction in that order, that one standard uncertainty of its reading makes, to first order.
    """

    junctions: NDArray[np.int64]
    loss: NDArray[np.float64]


def worth_reading_again(outcome: Outcome, sigma: Tensor, images: Images) -> Sequence[Worth]:
    """For every place: |d loss / d conductance| times uncertainty, over all junctions that hold a weight, in the state they hold.

    sigma: as for `trained_on_samples`. images: labelled, of the training set.
    """
    where = outcome.site
    # Of the two readings of a junction only that of the state it holds has a gradient.
    readings = [(where.read.offset + state * where.read.slope).requires_grad_() for state in (1, -1)]
    dies = Dies((readings[0] - readings[1]) / 2, (readings[0] + readings[1]) / 2)
    bars = where.bars(dies, outcome.placement)
    scores = logits(images.voltages[None, None], outcome.network, bars if outcome.network.copies == 1 else own(bars))
    expected = images.labels.expand(scores.shape[:-1]).flatten()
    losses = torch.nn.functional.cross_entropy(scores.flatten(0, -2), expected, reduction="sum") / len(images.labels)
    gradients = torch.autograd.grad(losses, readings)
    effect = (torch.stack(gradients).abs() * sigma).sum(dim=0).double().numpy()
    wires = wiring(where.plan) if outcome.placement is None else placed_wiring(where.slots, outcome.placement)
    return tuple(_ranked(of_place, _used(wires, place)) for place, of_place in enumerate(effect))


def _used(wires: Wiring, place: int) -> NDArray[np.int64]:
    """Junctions of a place that hold a weight or a reference, ascending. wires: the same on all places, or one each."""
    parts = [part[place] if part.dim() == 3 else part for layer in wires for part in (layer.plus, layer.minus)]
    return torch.cat([part.flatten() for part in parts]).unique().numpy()


def _ranked(effect: NDArray[np.float64], used: NDArray[np.int64]) -> Worth:
    order = used[np.argsort(-effect[used], kind="stable")]
    return Worth(order, effect[order])
