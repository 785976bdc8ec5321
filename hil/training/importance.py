"""How much the loss feels a weight that is not what it should be: what placement minimises."""

from collections.abc import Sequence

import torch
from torch import Tensor

from hil.training.network import Crossbars, Network, class_scores, hidden_values, row_drive

Matter = Sequence[Tensor]
"""(inputs, columns) a layer."""


def importance(network: Network, bars: Crossbars, images: Tensor, labels: Tensor) -> Matter:
    """Mean over images and places of (d loss / d column sum)^2 (x - mean x)^2: the diagonal of the Fisher information, without the
    part that shifts a column's mean, which recalibration takes out.

    bars: (1, places). images: (n, inputs) of the training set, labels: (n,).
    """
    network = network.map(lambda tensor: tensor.detach())
    values, driven, nudges = images[None, None], list[Tensor](), list[Tensor]()
    for index, layer in enumerate(network.layers):
        rows = row_drive(values, network, index)
        driven.append((rows - rows.mean(dim=2, keepdim=True)).square().detach())
        sums = bars[index].sums(rows, layer.latent, network.bounds.block_limit)
        nudges.append(torch.zeros_like(sums, requires_grad=True))
        sums = sums + nudges[-1]
        values = hidden_values(sums, layer, network.bounds) if layer is not network.layers[-1] else class_scores(sums, layer, network)
    expected = labels.expand(values.shape[:-1]).flatten()
    torch.nn.functional.cross_entropy(values.flatten(0, -2), expected, reduction="sum").backward()
    return tuple(
        (squared.mT @ nudge.grad.square()).mean(dim=(0, 1)) / len(images)
        for squared, nudge in zip(driven, nudges, strict=True)
        if nudge.grad is not None
    )
