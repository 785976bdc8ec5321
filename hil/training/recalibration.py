"""Fitting the digital side of a die to it without labels: what each column shows on some images against what it should show.

Rule: nothing is written to the die and no label is used. Layer by layer, every column's affine is fitted by least squares to the
value of the same column on ideal devices; a column that a short drowns in noise is thereby turned down, not up. The columns of one
class are weighted jointly, so that the better replicas count for more."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from hil.training.network import Crossbars, Layer, Network, column_sums, hidden_values, ideal_crossbars, normalised, row_drive

CORRELATION_FLOOR = 0.02
"""A column that has nothing to do with what it should show is turned down to this share, never to nothing."""
OUTSIDE_WEIGHT = 0.05
"""Weight of an image whose ideal hidden value is beyond what is driven anyway."""
MARGIN = 0.5
RIDGE = 1e-3


Sums = Callable[[int, Tensor], Tensor]
"""(layer, what drives its rows (copies, 1, vectors, inputs)) -> (copies, 1, vectors, columns)."""


def recalibrated(network: Network, bars: Crossbars, ideal: Network, images: Tensor) -> Network:
    """The copies of `network` with digital numbers fitted on their own places.

    bars: (copies, 1). ideal: the network on ideal devices, with statistics of its own; one copy, or one for each. images: (n, inputs).
    """
    limit = network.bounds.block_limit
    return recalibrated_on(network, lambda index, rows: bars[index].sums(rows, network.layers[index].latent, limit), ideal, images)


@torch.no_grad()
def recalibrated_on(network: Network, sums_of: Sums, ideal: Network, images: Tensor) -> Network:
    """As `recalibrated`, with sums from anywhere: maps, or the dies themselves."""
    values = wanted_values = images[None, None]
    layers: list[Layer] = []
    bounds = network.bounds
    perfect = ideal_crossbars(network.net)
    for index, (layer, wanted) in enumerate(zip(network.layers, ideal.layers, strict=True)):
        sums, wanted_sums = sums_of(index, row_drive(values, network, index)), column_sums(wanted_values, ideal, index, perfect)
        goal = normalised(wanted_sums, wanted)
        last = len(layers) == len(ideal.layers) - 1
        weights = torch.ones_like(goal) if last else _seen(goal, wanted, bounds.hidden_limit)
        layers.append(_fitted(layer, sums[:, 0], goal[:, 0], weights[:, 0]))
        if last:
            layers[-1] = _joined(layers[-1], normalised(sums, layers[-1])[:, 0], goal[:, 0], network, wanted)
        else:
            values, wanted_values = hidden_values(sums, layers[-1], bounds), hidden_values(wanted_sums, wanted, bounds)
    return replace(network, layers=tuple(layers))


def _seen(goal: Tensor, wanted: Layer, limit: float) -> Tensor:
    """Weights of images: those for which a hidden unit is within what is driven, nearly."""
    value = goal * wanted.gain[:, None, None] + wanted.shift[:, None, None]
    return torch.where((value > -MARGIN) & (value < limit + MARGIN), 1.0, OUTSIDE_WEIGHT)


def _fitted(layer: Layer, sums: Tensor, goal: Tensor, weights: Tensor) -> Layer:
    """mean and sd such that (sum - mean) / sd is the best guess of the goal; all (copies, images, columns)."""
    total = weights.sum(dim=1, keepdim=True)
    mean, wanted = (sums * weights).sum(1, keepdim=True) / total, (goal * weights).sum(1, keepdim=True) / total
    off, wanted_off = sums - mean, goal - wanted
    variance, wanted_variance = (off.square() * weights).sum(1), (wanted_off.square() * weights).sum(1)
    # A column without current has no variance; it shows its mean and nothing else.
    variance = variance.clamp_min(1e-9)
    correlation = (off * wanted_off * weights).sum(1) / (variance * wanted_variance).sqrt().clamp_min(1e-9)
    scale = (wanted_variance / variance).sqrt() * correlation.clamp(CORRELATION_FLOOR, 1.0)
    return replace(layer, mean=mean[:, 0] - wanted[:, 0] / scale, sd=1 / scale)


def _joined(layer: Layer, shown: Tensor, goal: Tensor, network: Network, wanted: Layer) -> Layer:
    """Gains and shifts that make the columns of each class add up to the best guess of its ideal score."""
    limit, split = network.bounds.output_limit, (network.net.classes, network.net.replicas)
    shown = shown.clamp(-limit, limit).unflatten(-1, split)
    score = (goal.clamp(-limit, limit) * wanted.gain[:, None] + wanted.shift[:, None]).unflatten(-1, split).mean(dim=-1, keepdim=True)
    mean, wanted_mean = shown.mean(dim=1, keepdim=True), score.mean(dim=1, keepdim=True)
    off, wanted_off = (shown - mean).movedim(1, 2), (score - wanted_mean).movedim(1, 2)
    normal = off.mT @ off / off.shape[2] + RIDGE * torch.eye(split[1])
    shares = torch.linalg.solve(normal, off.mT @ wanted_off.expand(len(off), -1, -1, -1) / off.shape[2])[..., 0]
    shift = wanted_mean[:, 0] - (shares * mean[:, 0]).sum(dim=-1, keepdim=True)
    return replace(layer, gain=(shares * split[1]).flatten(1), shift=shift.expand(shares.shape).flatten(1).contiguous())
