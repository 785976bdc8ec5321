"""How much a network suffers from shorts: from so many at random places, and from each place by itself.

Rule: dies here are otherwise perfect, and nothing is done for a die: this is about the weights. Source of the analysis: sampling the
loss of a network over random defects, as Borders et al., Phys. Rev. Applied 21, 054028 (2024), and SPIE 13119 describe it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hil.training.devices import Dies, crossbars, wiring
from hil.training.errors import NetError
from hil.training.floorplan import floorplan
from hil.training.net import Encoding
from hil.training.network import BLOCK, Crossbars, Network, class_scores, column_sums, hidden_values, ideal_crossbars, logits, row_drive
from hil.training.packing import PER_DIE
from hil.training.site import GOOD_OFFSET, GOOD_SLOPE
from hil.training.trainer import Images

CHUNK = 8


@dataclass(frozen=True, eq=False)
class Suffering:
    """shorts: (n,) on a die. loss, error: (n, dies): cross-entropy in nat, and share misclassified."""

    shorts: tuple[int, ...]
    loss: NDArray[np.float64]
    error: NDArray[np.float64]

    @property
    def loss_per_short(self) -> float:
        """Slope of the mean loss, nat a short, by least squares over all counts."""
        return float(np.polyfit(self.shorts, self.loss.mean(axis=1), 1)[0])


@torch.no_grad()
def suffering(network: Network, counts: Sequence[int], values: Tensor, dies: int, images: Images, order: torch.Generator) -> Suffering:
    """A network on so many random dies for each count of shorts. values: conductances that shorts may have, in units of the norm."""
    losses: list[NDArray[np.float64]] = []
    errors: list[NDArray[np.float64]] = []
    for count in counts:
        bars = _bars(network, _with_shorts(network, count, values, dies, order))
        loss, error = _judged(network, bars, images)
        losses.append(loss)
        errors.append(error)
    return Suffering(tuple(counts), np.stack(losses), np.stack(errors))


def _with_shorts(network: Network, count: int, values: Tensor, dies: int, order: torch.Generator) -> Dies:
    plan = floorplan(network.net)
    used = torch.from_numpy(plan.used)
    slope, offset = (torch.full((dies, plan.dies * PER_DIE), value) for value in (GOOD_SLOPE, GOOD_OFFSET))
    for die in range(dies):
        where = used[torch.randperm(len(used), generator=order)[:count]]
        slope[die, where] = 0.0
        offset[die, where] = values[torch.randint(len(values), (count,), generator=order)]
    return Dies(slope, offset)


def _bars(network: Network, dies: Dies) -> Crossbars:
    return crossbars(dies, wiring(floorplan(network.net)), network.net.encoding)


def _judged(network: Network, bars: Crossbars, images: Images) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    scores = logits(images.voltages[None, None], network, bars)[0]
    labels = images.labels.expand(len(scores), -1)
    loss = torch.nn.functional.cross_entropy(scores.transpose(1, 2), labels, reduction="none").mean(dim=1)
    return loss.double().numpy(), (scores.argmax(-1) != labels).double().mean(dim=1).numpy()


@torch.no_grad()
def junction_losses(network: Network, short: float, images: Images) -> list[Tensor]:
    """By how much the loss grows, nat, when one junction alone is a short: (2, inputs, columns) a layer, plus junctions first.

    short: its conductance in units of the norm. Exact, for dense networks of two junctions a weight. Raises NetError for others.
    """
    if network.net.windows or network.net.encoding is Encoding.REFERENCE:
        raise NetError(
            f"{network.net.name} ({network.net.encoding}): only dense networks of two junctions a weight are looked at one by one"
        )
    bars = ideal_crossbars(network.net)
    before = float(_judged(network, bars, images)[0][0])
    values, losses = images.voltages[None, None], list[Tensor]()
    for index, layer in enumerate(network.layers):
        drive, excess = row_drive(values, network, index), _excess(network, index, short)
        blocks = bars[index].block_sums(drive, layer.latent)
        sums = column_sums(values, network, index, bars)
        found = torch.empty_like(excess)
        for column in range(excess.shape[2]):
            found[:, :, column] = _losses_of_column(network, index, column, (drive, blocks, sums, excess[:, :, column]), images)
        losses.append(found - before)
        if index < len(network.layers) - 1:
            values = hidden_values(sums, layer, network.bounds)
    return losses


def _excess(network: Network, index: int, short: float) -> Tensor:
    """(2, inputs, columns): by how much a weight is off when its plus, its minus junction is a short."""
    bits = torch.where(network.layers[index].latent[0] >= 0, 1.0, -1.0)
    plus, minus = (bits[0], -bits[0]) if len(bits) == 1 else (bits[0], bits[1])
    return torch.stack([short - (GOOD_OFFSET + GOOD_SLOPE * plus), -(short - (GOOD_OFFSET + GOOD_SLOPE * minus))])


def _losses_of_column(network: Network, index: int, column: int, given: tuple[Tensor, Tensor, Tensor, Tensor], images: Images) -> Tensor:
    """(2, inputs): loss with each junction of the column a short by itself."""
    drive, blocks, sums, excess = given
    limit = network.bounds.block_limit
    # (variants, images): the column's sum, with the row's drive times what the weight is off by added to the row's block.
    of_rows = blocks[0, 0, :, :, column].repeat_interleave(BLOCK, dim=0)[: excess.shape[1]].repeat(2, 1)
    added = excess.flatten()[:, None] * drive[0, 0].T.repeat(2, 1)
    shifted = sums[0, 0, :, column] + (of_rows + added).clamp(-limit, limit) - of_rows.clamp(-limit, limit)
    labels = images.labels
    losses = [
        torch.nn.functional.cross_entropy(scores.transpose(1, 2), labels.expand(len(scores), -1), reduction="none").mean(dim=1)
        for scores in _scores_of(network, index, column, sums, shifted)
    ]
    return torch.cat(losses).view(excess.shape)


def _scores_of(network: Network, index: int, column: int, sums: Tensor, shifted: Tensor) -> Iterator[Tensor]:
    """(variants, images, classes), some variants at a time."""
    bars = ideal_crossbars(network.net)
    last = len(network.layers) - 1
    for part in shifted.split(CHUNK):
        changed = sums.expand(-1, len(part), -1, -1).clone()
        changed[0, :, :, column] = part
        for later in range(index, last):
            values = hidden_values(changed, network.layers[later], network.bounds)
            changed = column_sums(values, network, later + 1, bars)
        yield class_scores(changed, network.layers[last], network)[0]


def on_the_die(network: Network, losses: Sequence[Tensor]) -> NDArray[np.float32]:
    """(die slots, 32, 25, 25) of what `junction_losses` found, each where the floorplan has it; NaN where nothing lies."""
    plan = floorplan(network.net)
    flat = np.full(plan.dies * PER_DIE, np.nan, np.float32)
    for layer, found in zip(plan.layers, losses, strict=True):
        flat[layer.plus], flat[layer.minus] = found[0].numpy(), found[1].numpy()
    return flat.reshape(plan.dies, 32, 25, 25)
