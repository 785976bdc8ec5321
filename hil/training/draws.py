"""On which devices the next minibatch runs: the one thing in which the methods differ."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from hil.model.layout import to_die
from hil.training.devices import Dies, some
from hil.training.net import Encoding, Net
from hil.training.network import Crossbar, Crossbars, Network
from hil.training.packing import COLUMNS, KERNELS, PER_DIE, ROWS

SUBARRAYS = 4
SPREAD = 0.05
IDEAL_P, IDEAL_AP = 2.0, 1.0
"""Conductances of the ideal device in units of their difference: TMR 100 %. An assumption; no die is known here."""


class Draw(Protocol):
    def begin_epoch(self, epoch: int, network: Network) -> None:
        """Before each epoch, counted from 0, with the network as it then is."""
        ...

    def __call__(self) -> Crossbars:
        """What the next minibatch runs on: (1 or copies, 1 or maps)."""
        ...


@dataclass(frozen=True)
class Fixed:
    """The same devices always: ideal ones, or copy i on die i."""

    bars: Crossbars

    def begin_epoch(self, epoch: int, network: Network) -> None:
        """Nothing changes."""

    def __call__(self) -> Crossbars:
        return self.bars


@dataclass(frozen=True)
class IdealWithSpread:
    """Fresh defect-free dies, each state of each junction 5 % off: what a designer knows before any die exists."""

    net: Net
    maps: int
    generator: torch.Generator

    def begin_epoch(self, epoch: int, network: Network) -> None:
        """Nothing changes."""

    def __call__(self) -> Crossbars:
        return tuple(self._layer(*shape) for shape in self.net.shapes)

    def _layer(self, inputs: int, columns: int) -> Crossbar:
        spread = 1 + SPREAD * torch.randn(2, 2, self.maps, inputs, columns, generator=self.generator)
        plus, minus = spread * torch.tensor([IDEAL_P, IDEAL_AP])[None, :, None, None, None]
        slopes = ((plus[0] - plus[1]) / 2, (minus[0] - minus[1]) / 2)
        offset = ((plus[0] + plus[1]) - (minus[0] + minus[1])) / 2
        match self.net.encoding:
            case Encoding.TIED:
                slope = (slopes[0] + slopes[1])[:, None]
            case Encoding.INDEPENDENT:
                slope = torch.stack([slopes[0], -slopes[1]], dim=1)
            case Encoding.REFERENCE:
                slope, offset = slopes[0][:, None], offset + slopes[1] - 0.5
        return Crossbar(slope[None], offset[None])


@dataclass
class Pool:
    """Dies made before every so many epochs, of which each minibatch takes `maps` at random.

    make: (1, dies) crossbars for the network as it then is.
    """

    make: Callable[[Network], Crossbars]
    maps: int
    every: int
    generator: torch.Generator
    bars: Crossbars = field(default=(), init=False)

    def begin_epoch(self, epoch: int, network: Network) -> None:
        if epoch % self.every == 0:
            self.bars = self.make(network)

    def __call__(self) -> Crossbars:
        dies = self.bars[0].offset.shape[1]
        return some(self.bars, torch.randperm(dies, generator=self.generator)[: self.maps])


@dataclass(frozen=True)
class Posterior:
    """What each die may be, given its reading and the reading's standard uncertainty: fresh samples for copy i of die i.

    dies: as read. sigma: (2, places, junctions) of P and of AP, in the same units. build: crossbars (1, places) of dies.
    """

    dies: Dies
    sigma: Tensor
    build: Callable[[Dies], Crossbars]
    maps: int
    generator: torch.Generator

    def begin_epoch(self, epoch: int, network: Network) -> None:
        """Nothing changes."""

    def __call__(self) -> Crossbars:
        samples = [self.build(self._sample()) for _ in range(self.maps)]
        return tuple(
            Crossbar(torch.cat([bar.slope for bar in layer]).transpose(0, 1), torch.cat([bar.offset for bar in layer]).transpose(0, 1))
            for layer in zip(*samples, strict=True)
        )

    def _sample(self) -> Dies:
        noise = self.sigma * torch.randn(self.sigma.shape, generator=self.generator)
        return Dies(self.dies.slope + (noise[0] - noise[1]) / 2, self.dies.offset + (noise[0] + noise[1]) / 2)


@dataclass(frozen=True)
class Shuffled:
    """Fresh dies that never existed: each a measured die, with its rows, its sub-arrays and the columns within each shuffled. Keeps
    the measured rate of each die, hence the spread between dies, the conductances and whole-line faults; forgets where anything was.

    measured: one die a place. slots: dies a network takes.
    """

    measured: Dies
    slots: int
    generator: torch.Generator

    def draw(self, places: int) -> Dies:
        count = places * self.slots
        picked = torch.randint(len(self.measured), (count,), generator=self.generator)
        source = self._sources(count) + picked[:, None] * PER_DIE
        slope, offset = self.measured.slope.flatten()[source], self.measured.offset.flatten()[source]
        return Dies(slope.view(places, -1), offset.view(places, -1))

    def _sources(self, count: int) -> Tensor:
        """(count, 20000): from which junction of its die each junction comes."""
        layout = torch.from_numpy(to_die(np.arange(PER_DIE).reshape(KERNELS, ROWS, COLUMNS)))
        height, width = layout.shape
        within = width // SUBARRAYS
        column = self._permutations(count, SUBARRAYS)[:, :, None] * within + self._permutations(count, SUBARRAYS, within)
        moved = layout[self._permutations(count, height)[:, :, None], column.view(count, 1, width)]
        return torch.empty_like(moved).view(count, -1).index_copy_(1, layout.flatten(), moved.view(count, -1))

    def _permutations(self, *shape: int) -> Tensor:
        return torch.rand(shape, generator=self.generator).argsort(dim=-1)
