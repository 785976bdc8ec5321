"""A binary network on measured junctions, differentiable, any number of dies at once.

A junction conducts A w + B in its two states w = -1 and +1, whatever it is: good, short, open or stuck. A weight of two junctions is
therefore sum over its bits of slope * bit + offset. Axes, in this order: copies (networks trained side by side), maps (dies under one
copy), images, lines."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from math import inf
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hil.training.convolution import rows_of
from hil.training.net import Encoding, Net

VARIANCE_FLOOR = 1e-3
BLOCK = 25
"""Inputs whose currents are digitised together: the rows of a kernel."""


class _Sign(torch.autograd.Function):
    @staticmethod
    def forward(_ctx: Any, latent: Tensor) -> Tensor:
        return torch.copysign(torch.ones(()), latent)

    @staticmethod
    def backward(_ctx: Any, gradient: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        return gradient


def sign(latent: Tensor) -> Tensor:
    """-1 or +1 of latent weights, with the straight-through gradient. The trainer keeps latent weights within -1 to 1, so that none
    wanders out of reach of its gradient."""
    return _Sign.apply(latent)  # pyright: ignore[reportReturnType]


@dataclass(frozen=True)
class Crossbar:
    """The junctions of one layer. slope: (copies, maps, bits, inputs, columns). offset: (copies, maps, inputs, columns).

    In units of what one binary weight is worth: a good tied pair has slope 1, each junction of an independent one 1/2.
    """

    slope: Tensor
    offset: Tensor

    def weights(self, latent: Tensor) -> Tensor:
        """(copies, maps, inputs, columns) of latent weights (copies, bits, inputs, columns)."""
        bits = sign(latent)
        total = self.offset
        for index in range(bits.shape[1]):
            total = torch.addcmul(total, self.slope[:, :, index], bits[:, None, index])
        return total

    def sums(self, values: Tensor, latent: Tensor, block_limit: float = inf) -> Tensor:
        """What the columns show, (copies, maps, images, columns), when the rows are driven with values (copies, maps, images, inputs).
        block_limit: see Bounds."""
        if block_limit == inf:
            return values @ self.weights(latent)
        return self.block_sums(values, latent).clamp(-block_limit, block_limit).sum(dim=-3)

    def block_sums(self, values: Tensor, latent: Tensor) -> Tensor:
        """The parts of the sums that are digitised one by one, (copies, maps, blocks, images, columns): of 25 inputs each."""
        weights = self.weights(latent)
        spare = -values.shape[-1] % BLOCK
        driven = torch.nn.functional.pad(values, (0, spare)).unflatten(-1, (-1, BLOCK)).transpose(-3, -2)
        return driven @ torch.nn.functional.pad(weights, (0, 0, 0, spare)).unflatten(-2, (-1, BLOCK))


Crossbars = Sequence[Crossbar]
"""One a layer."""


def ideal_crossbars(net: Net) -> Crossbars:
    """Devices without spread or defect, under every copy."""
    slope = torch.tensor([0.5, -0.5]) if net.encoding is Encoding.INDEPENDENT else torch.ones(1)
    return (Crossbar(slope[None, None, :, None, None], torch.zeros(1, 1, 1, 1)),) * len(net.shapes)


class Hidden(StrEnum):
    """What bounds a hidden unit, whose value drives a row: to 0 .. limit, or to -1 .. 1."""

    CLIP = "clip"
    TANH = "tanh"


class Joined(StrEnum):
    """How the columns of one class make its score. The median of three is that of the two good ones when one is shorted."""

    MEAN = "mean"
    MEDIAN = "median"


@dataclass(frozen=True)
class Bounds:
    """Ranges of the digital side: a short can saturate a unit but shift it no further. The same on every die.

    hidden_limit: in units of the read voltage. output_limit: of an output column, in standard deviations of that column. block_limit: of
    what 25 consecutive inputs add to a column, which is digitised by itself, in units of one binary weight at full drive.
    """

    hidden: Hidden = Hidden.CLIP
    hidden_limit: float = 3.0
    output_limit: float = 4.0
    joined: Joined = Joined.MEAN
    block_limit: float = inf

    def __repr__(self) -> str:
        """Without block_limit where there is none: kept cells are told by it, and such bounds are what they always were."""
        told = (part.name for part in fields(self) if part.name != "block_limit" or self.block_limit != inf)
        return f"Bounds({', '.join(f'{name}={getattr(self, name)!r}' for name in told)})"


DEFAULT_BOUNDS = Bounds()


class Statistics(StrEnum):
    """Where a column's mean and sd come from: what the layer carries, this batch on each map, or this batch on all maps together."""

    CARRIED = "carried"
    EACH_MAP = "each map"
    POOLED = "pooled"


@dataclass
class Layer:
    """latent: (copies, bits, inputs, columns), its sign is what is programmed. The digital affine per column, (copies, columns):
    gain * (sum - mean) / sd + shift; mean and sd are measured, gain and shift trained."""

    latent: Tensor
    gain: Tensor
    shift: Tensor
    mean: Tensor
    sd: Tensor

    def map(self, change: Callable[[Tensor], Tensor]) -> "Layer":
        return Layer(*(change(getattr(self, part.name)) for part in fields(self)))


@dataclass
class Network:
    """One or several copies of a network.

    rest: for each layer what its rows rest at, (inputs,), the same on every die: rows are driven with value - rest, which may be
    negative. Empty: with the values themselves. order: for each layer which input drives which row, (inputs,) int64, the same on every
    die. Empty: input i drives row i.
    """

    net: Net
    layers: tuple[Layer, ...]
    bounds: Bounds = DEFAULT_BOUNDS
    rest: tuple[Tensor, ...] = ()
    order: tuple[Tensor, ...] = ()

    @property
    def copies(self) -> int:
        return self.layers[0].latent.shape[0]

    def map(self, change: Callable[[Tensor], Tensor]) -> "Network":
        return replace(self, layers=tuple(layer.map(change) for layer in self.layers))

    def repeated(self, copies: int) -> "Network":
        """Independent copies of a single network."""
        return self.map(lambda tensor: tensor.detach().expand(copies, *tensor.shape[1:]).clone())

    def only(self, copy: int) -> "Network":
        return self.map(lambda tensor: tensor.detach()[copy : copy + 1].clone())

    def bits(self, copy: int) -> list[NDArray[np.bool_]]:
        """What one copy's junctions hold, (bits, inputs, columns) a layer: True is P, whatever the junction's sign in its weight."""
        return [layer.latent[copy].detach().numpy() >= 0 for layer in self.layers]

    def digital(self) -> list[Tensor]:
        """What is trained without writing a junction: gains and shifts."""
        return [tensor for layer in self.layers for tensor in (layer.gain, layer.shift)]

    def trained(self) -> list[Tensor]:
        return [*(layer.latent for layer in self.layers), *self.digital()]


def fresh_network(net: Net, generator: torch.Generator, bounds: Bounds = DEFAULT_BOUNDS) -> Network:
    """One untrained copy: latent weights uniform in -0.5 to 0.5, independent pairs mirrored."""

    def layer(inputs: int, columns: int) -> Layer:
        latent = torch.rand(1, 1, inputs, columns, generator=generator) - 0.5
        if net.encoding is Encoding.INDEPENDENT:
            latent = torch.cat([latent, -latent], dim=1)
        ones, zeros = torch.ones(1, columns), torch.zeros(1, columns)
        return Layer(latent, ones, zeros, zeros.clone(), ones.clone())

    return Network(net, tuple(layer(*shape) for shape in net.shapes), bounds)


def row_drive(values: Tensor, network: Network, layer: int) -> Tensor:
    """What drives a layer's rows when the layer before gave these values: (copies, maps, images, inputs), and (copies, maps, images *
    positions, inputs) of a convolution."""
    rows = rows_of(values, network.net, layer)
    rows = rows[..., network.order[layer]] if network.order else rows
    return rows - network.rest[layer] if network.rest else rows


def column_sums(values: Tensor, network: Network, layer: int, bars: Crossbars) -> Tensor:
    """What a layer's columns show when the layer before gave these values: (copies, maps, images, columns), and (copies, maps, images *
    positions, columns) of a convolution."""
    return bars[layer].sums(row_drive(values, network, layer), network.layers[layer].latent, network.bounds.block_limit)


def side_by_side(networks: Sequence[Network]) -> Network:
    """Copies of several networks as one."""
    layers = zip(*(network.layers for network in networks), strict=True)
    joined = (Layer(*(torch.cat([getattr(layer, part.name) for layer in same]) for part in fields(Layer))) for same in layers)
    return replace(networks[0], layers=tuple(joined))


def _wide(per_column: Tensor) -> Tensor:
    """(copies, columns) or (copies, maps, columns) beside (copies, maps, images, columns)."""
    return per_column.unsqueeze(-2) if per_column.dim() == 3 else per_column[:, None, None, :]


def _measured(sums: Tensor, pooled: bool) -> tuple[Tensor, Tensor]:
    """(mean, sd) of every column over images, and over maps if pooled; differentiable."""
    over = (1, 2) if pooled else (2,)
    mean = sums.mean(dim=over)
    variance = (sums - _wide(mean)).square().mean(dim=over)
    return mean, (variance + VARIANCE_FLOOR).sqrt()


def normalised(sums: Tensor, layer: Layer, statistics: Statistics = Statistics.CARRIED) -> Tensor:
    """(sum - mean) / sd of every column, (copies, maps, images, columns)."""
    mean, sd = (layer.mean, layer.sd) if statistics is Statistics.CARRIED else _measured(sums, statistics is Statistics.POOLED)
    scale = 1 / sd
    return torch.addcmul(_wide(-mean * scale), sums, _wide(scale))


def hidden_values(sums: Tensor, layer: Layer, bounds: Bounds, statistics: Statistics = Statistics.CARRIED) -> Tensor:
    """What the next layer's rows are driven with."""
    mean, sd = (layer.mean, layer.sd) if statistics is Statistics.CARRIED else _measured(sums, statistics is Statistics.POOLED)
    gain, shift = (layer.gain, layer.shift) if mean.dim() == 2 else (layer.gain[:, None], layer.shift[:, None])
    scale = gain / sd
    values = torch.addcmul(_wide(shift - mean * scale), sums, _wide(scale))
    return torch.tanh(values) if bounds.hidden is Hidden.TANH else values.clamp(0.0, bounds.hidden_limit)


def class_scores(sums: Tensor, layer: Layer, network: Network, statistics: Statistics = Statistics.CARRIED) -> Tensor:
    """Each column bounded, then scaled, then the columns of a class joined: (copies, maps, images, classes)."""
    limit = network.bounds.output_limit
    values = normalised(sums, layer, statistics).clamp(-limit, limit)
    values = torch.addcmul(_wide(layer.shift), values, _wide(layer.gain))
    columns = values.unflatten(-1, (network.net.classes, network.net.replicas))
    return columns.mean(dim=-1) if network.bounds.joined is Joined.MEAN else columns.median(dim=-1).values


def logits(images: Tensor, network: Network, bars: Crossbars, statistics: Statistics = Statistics.CARRIED) -> Tensor:
    """(copies, maps, images, classes). images: (1 or copies, 1 or maps, images, inputs) in 0 to 1."""
    values = images
    *hidden, last = network.layers
    for index, layer in enumerate(hidden):
        values = hidden_values(column_sums(values, network, index, bars), layer, network.bounds, statistics)
    return class_scores(column_sums(values, network, len(hidden), bars), last, network, statistics)


@torch.no_grad()
def calibrated(network: Network, bars: Crossbars, images: Tensor) -> Network:
    """The network with column statistics measured on these crossbars, pooled over their maps; unlabelled images (n, inputs)."""
    values, layers = images[None, None], list[Layer]()
    for index, layer in enumerate(network.layers):
        sums = column_sums(values, network, index, bars)
        mean, sd = _measured(sums, pooled=True)
        layers.append(replace(layer, mean=mean, sd=sd))
        values = hidden_values(sums, layers[-1], network.bounds)
    return replace(network, layers=tuple(layers))


def dealt(network: Network) -> Network:
    """The same network with its inputs dealt out to the blocks in turn, so that neighbouring pixels are digitised apart and every block
    sees as much of an image as the others. For a network whose inputs lie in order."""
    order = tuple((torch.arange(inputs) % -(-inputs // BLOCK)).argsort(stable=True) for inputs, _ in network.net.shapes)
    layers = tuple(replace(layer, latent=layer.latent[:, :, rows]) for layer, rows in zip(network.layers, order, strict=True))
    return replace(network, layers=layers, order=order)


@torch.no_grad()
def centred(network: Network, images: Tensor) -> Network:
    """The same network on ideal devices, every row driven with what differs from its mean over images (n, inputs): a short then adds
    noise to its column and no shift, so that nobody has to know about it. Column statistics are those of ideal devices."""
    bars, bounds = ideal_crossbars(network.net), network.bounds
    network = calibrated(replace(network, rest=(), bounds=replace(bounds, block_limit=inf)), bars, images)
    values, rest = images[None, None], list[Tensor]()
    for index, layer in enumerate(network.layers):
        rows = row_drive(values, network, index)
        rest.append(rows.mean(dim=(0, 1, 2)))
        values = hidden_values(bars[index].sums(rows, layer.latent), layer, network.bounds)
    return calibrated(replace(network, rest=tuple(rest), bounds=bounds), bars, images)
