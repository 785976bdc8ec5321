"""A binary network on measured junctions, differentiable, any number of dies at once.

A pair with weight w in {-1, +1} conducts slope * w + offset in units of the norm, whatever its two junctions are: good, short,
open or stuck; both numbers come from the two measured states. Good pairs have slope 1 and offset 0. Axes, in this order:
copies (networks trained side by side), maps (dies under one copy), images, lines."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hil.training.mapping import HIDDEN, INPUTS, OUTPUTS, halves, target_bits

VARIANCE_FLOOR = 1e-3


class _Sign(torch.autograd.Function):
    """Forward: -1 or +1. Backward: straight through where the latent weight is within -1 to 1."""

    @staticmethod
    def forward(ctx: Any, latent: Tensor) -> Tensor:
        ctx.save_for_backward(latent)
        return torch.where(latent >= 0, 1.0, -1.0)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        (latent,) = ctx.saved_tensors
        return gradient * (latent.abs() <= 1)


def sign(latent: Tensor) -> Tensor:
    """Binary weights of latent ones, with the straight-through gradient."""
    return _Sign.apply(latent)  # pyright: ignore[reportReturnType]


@dataclass(frozen=True)
class Pairs:
    """Differential pairs of one layer. slope, offset: (copies, maps, inputs, outputs)."""

    slope: Tensor
    offset: Tensor


Crossbars = tuple[Pairs, Pairs]


def crossbars(junctions: Tensor) -> Crossbars:
    """Both layers of dies given as (copies, maps, 100, 200, 2): G_P and G_AP in units of the norm."""
    return _layer_pairs(junctions, 0), _layer_pairs(junctions, 1)


def _layer_pairs(junctions: Tensor, layer: int) -> Pairs:
    parallel, antiparallel = junctions[..., 0], junctions[..., 1]
    plus, minus = halves(parallel - antiparallel, layer)
    plus_sum, minus_sum = halves(parallel + antiparallel, layer)
    return Pairs((plus + minus) / 2, (plus_sum - minus_sum) / 2)


def ideal_crossbars() -> Crossbars:
    """Devices without spread or defect, under every copy."""
    perfect = Pairs(torch.ones(1, 1, 1, 1), torch.zeros(1, 1, 1, 1))
    return perfect, perfect


@dataclass
class Layer:
    """latent: (copies, inputs, outputs), its sign is the weight. The digital affine per column, (copies, outputs):
    gain * (sum - mean) / sd + shift; mean and sd are measured, gain and shift trained."""

    latent: Tensor
    gain: Tensor
    shift: Tensor
    mean: Tensor
    sd: Tensor

    def map(self, change: Callable[[Tensor], Tensor]) -> "Layer":
        return Layer(*(change(getattr(self, part.name)) for part in fields(self)))

    def trained(self) -> list[Tensor]:
        return [self.latent, self.gain, self.shift]


@dataclass
class Network:
    """One or several copies of the 100-90-10 network."""

    layers: tuple[Layer, Layer]

    @property
    def copies(self) -> int:
        return self.layers[0].latent.shape[0]

    def map(self, change: Callable[[Tensor], Tensor]) -> "Network":
        return Network((self.layers[0].map(change), self.layers[1].map(change)))

    def repeated(self, copies: int) -> "Network":
        """Independent copies of a single network."""
        return self.map(lambda tensor: tensor.detach().expand(copies, *tensor.shape[1:]).clone())

    def only(self, copy: int) -> "Network":
        return self.map(lambda tensor: tensor.detach()[copy : copy + 1].clone())

    def trained(self) -> list[Tensor]:
        return [tensor for layer in self.layers for tensor in layer.trained()]

    def target(self, copy: int) -> NDArray[np.uint8]:
        """What to write into a die so that it holds this copy: see mapping.target_bits."""
        first, second = (layer.latent[copy].detach().numpy() >= 0 for layer in self.layers)
        return target_bits((first, second))


def fresh_network(generator: torch.Generator) -> Network:
    """One untrained copy: latent weights uniform in -0.5 to 0.5."""

    def layer(inputs: int, outputs: int) -> Layer:
        latent = torch.rand(1, inputs, outputs, generator=generator) - 0.5
        ones, zeros = torch.ones(1, outputs), torch.zeros(1, outputs)
        return Layer(latent, ones, zeros, zeros.clone(), ones.clone())

    return Network((layer(INPUTS, HIDDEN), layer(HIDDEN, OUTPUTS)))


def column_sums(voltages: Tensor, layer: Layer, pairs: Pairs) -> Tensor:
    """Differential column currents in units of norm x read voltage: (copies, maps, images, outputs)."""
    conductances = pairs.slope * sign(layer.latent).unsqueeze(1) + pairs.offset
    return voltages @ conductances


def _wide(per_column: Tensor) -> Tensor:
    return per_column[:, None, None, :]


def digital(sums: Tensor, layer: Layer) -> Tensor:
    """The digital affine after the converter, with the statistics the layer carries."""
    scale = layer.gain / layer.sd
    return torch.addcmul(_wide(layer.shift - layer.mean * scale), sums, _wide(scale))


def with_statistics_of(sums: Tensor, layer: Layer) -> Layer:
    """The layer with mean and sd of these sums, pooled over maps and images; differentiable."""
    mean = sums.mean(dim=(1, 2))
    variance = (sums - _wide(mean)).square().mean(dim=(1, 2))
    return replace(layer, mean=mean, sd=(variance + VARIANCE_FLOOR).sqrt())


def activated(values: Tensor) -> Tensor:
    """Hidden units, bounded to -1 .. 1 of the read voltage: a short can saturate a unit but shift it no further."""
    return torch.tanh(values)


def logits(images: Tensor, network: Network, bars: Crossbars, batch_statistics: bool = False) -> Tensor:
    """(copies, maps, images, 10). images: (1 or copies, 1 or maps, images, 100) in 0 to 1.

    batch_statistics: normalise each column by what this batch shows rather than by the statistics the network carries.
    """
    values = images
    for index, (layer, pairs) in enumerate(zip(network.layers, bars, strict=True)):
        sums = column_sums(values, layer, pairs)
        values = digital(sums, with_statistics_of(sums, layer) if batch_statistics else layer)
        if index == 0:
            values = activated(values)
    return values


@torch.no_grad()
def calibrated(network: Network, bars: Crossbars, images: Tensor) -> Network:
    """The network with column statistics measured on these crossbars; unlabelled images (n, 100)."""
    first, second = network.layers
    sums = column_sums(images[None, None], first, bars[0])
    first = with_statistics_of(sums, first)
    sums = column_sums(activated(digital(sums, first)), second, bars[1])
    return Network((first, with_statistics_of(sums, second)))
