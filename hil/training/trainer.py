"""The one trainer. What differs between methods comes in as a `Draw` and a `Recipe`."""

import hashlib
import math
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hil.training.data import Mnist, inputs
from hil.training.draws import Draw
from hil.training.network import Network, Statistics, logits

BETAS = (0.9, 0.99)
LOWEST_RATE = 0.01
"""Of the first rate, at the end of the cosine."""


@dataclass(frozen=True)
class Images:
    """voltages: (n, inputs) float32, in units of the read voltage. labels: (n,) int64."""

    voltages: Tensor
    labels: Tensor

    def first(self, count: int) -> "Images":
        return Images(self.voltages[:count], self.labels[:count])

    def last(self, count: int) -> "Images":
        return Images(self.voltages[-count:], self.labels[-count:])

    def some(self, count: int, generator: torch.Generator) -> "Images":
        chosen = torch.randperm(len(self.labels), generator=generator)[:count]
        return Images(self.voltages[chosen], self.labels[chosen])


def images_of(pixels: NDArray[np.uint8], labels: NDArray[np.uint8], side: int = 10) -> Images:
    return Images(torch.from_numpy(inputs(pixels, side)), torch.from_numpy(labels.astype(np.int64)))


def train_and_test(mnist: Mnist, side: int = 10) -> tuple[Images, Images]:
    return images_of(mnist.train_images, mnist.train_labels, side), images_of(mnist.test_images, mnist.test_labels, side)


@dataclass(frozen=True)
class Recipe:
    """epochs; batch: images a step, shared evenly by `maps` dies; rate: Adam's, falling as a cosine.

    statistics: of the columns while training. Carried (frozen) ones where a network must do without any step per die, because a few
    strong shorts ruin running ones for everybody. digital_only: junctions stay as they are.
    """

    epochs: int
    batch: int
    rate: float
    maps: int = 1
    statistics: Statistics = Statistics.CARRIED
    digital_only: bool = False

    def __post_init__(self) -> None:
        if self.batch % self.maps:
            raise ValueError(f"a batch of {self.batch} images does not split evenly over {self.maps} dies")


EpochDone = Callable[[int, float], None]
"""Called after each epoch with (epochs done, mean loss of the epoch)."""


def _unwatched(_epochs: int, _loss: float) -> None:
    """Nobody watches."""


def generator(seed: int, purpose: str) -> torch.Generator:
    """A stream of its own for each purpose, so that adding a method does not change another's numbers."""
    digest = hashlib.sha256(f"{seed}:{purpose}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


@contextmanager
def threads(count: int) -> Generator[None]:
    """torch with this many threads, then as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _minibatches(images: Images, recipe: Recipe, order: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """voltages (1, maps, images, inputs) and labels (1, maps, images), every image at most once an epoch."""
    shuffled = torch.randperm(len(images.labels), generator=order)
    for start in range(0, len(shuffled) - recipe.batch + 1, recipe.batch):
        chosen = shuffled[start : start + recipe.batch]
        yield images.voltages[chosen].view(1, recipe.maps, -1, images.voltages.shape[1]), images.labels[chosen].view(1, recipe.maps, -1)


def _loss(network: Network, draw: Draw, batch: tuple[Tensor, Tensor], recipe: Recipe) -> Tensor:
    """Cross-entropy, mean over images and maps, summed over copies: no copy's gradient depends on how many train beside it."""
    voltages, labels = batch
    scores = logits(voltages, network, draw(), recipe.statistics)
    expected = labels.expand(scores.shape[:-1]).reshape(-1)
    return torch.nn.functional.cross_entropy(scores.reshape(-1, scores.shape[-1]), expected) * network.copies


def train(network: Network, draw: Draw, images: Images, recipe: Recipe, order: torch.Generator, done: EpochDone = _unwatched) -> Network:
    """Every copy of the network trained on the dies drawn for it; the network handed in stays as it is.

    Raises ValueError when there are fewer images than one batch.
    """
    steps = len(images.labels) // recipe.batch
    if not steps:
        raise ValueError(f"{len(images.labels)} images do not fill one batch of {recipe.batch}")
    network = network.map(lambda tensor: tensor.detach().clone())
    parameters = [tensor.requires_grad_() for tensor in (network.digital() if recipe.digital_only else network.trained())]
    optimiser = torch.optim.Adam(parameters, lr=recipe.rate, betas=BETAS, foreach=True)
    total, step = recipe.epochs * steps, 0
    for epoch in range(recipe.epochs):
        draw.begin_epoch(epoch, network.map(lambda tensor: tensor.detach()))
        losses = 0.0
        for batch in _minibatches(images, recipe, order):
            optimiser.param_groups[0]["lr"] = recipe.rate * _cosine(step / total)
            optimiser.zero_grad(set_to_none=True)
            loss = _loss(network, draw, batch, recipe)
            loss.backward()
            optimiser.step()
            _keep_latent_weights_in_reach(network)
            losses += loss.item()
            step += 1
        done(epoch + 1, losses / steps / network.copies)
    return network.map(lambda tensor: tensor.detach())


def _cosine(done: float) -> float:
    return LOWEST_RATE + (1 - LOWEST_RATE) * (1 + math.cos(math.pi * done)) / 2


@torch.no_grad()
def _keep_latent_weights_in_reach(network: Network) -> None:
    for layer in network.layers:
        layer.latent.clamp_(-1.0, 1.0)
