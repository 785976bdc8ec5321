"""Junctions of whole dies, and the weights they make under a floorplan. A junction is G = slope * w + offset with w = -1 (AP) or
+1 (P), in units of what a good junction differs by between its states; good, short, open and stuck are all of this form.

Rule: a place is as many dies as one network takes; junctions of a place are numbered as in its floorplan."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hil.training.errors import MapsError
from hil.training.floorplan import Floorplan
from hil.training.net import Encoding
from hil.training.network import Crossbar, Crossbars
from hil.training.wafer import MeasuredWafer, Reference, junctions


@dataclass(frozen=True)
class Dies:
    """slope, offset: (places, junctions of a place)."""

    slope: Tensor
    offset: Tensor

    def __len__(self) -> int:
        return len(self.slope)

    def take(self, places: Tensor) -> "Dies":
        return Dies(self.slope[places], self.offset[places])


def dies_of(measured: MeasuredWafer, reference: Reference, slots: int = 1) -> Dies:
    """Dies in order, `slots` a place; a remainder stays unused. Raises MapsError when they do not fill one place."""
    states = torch.from_numpy(junctions(measured, reference))
    places = len(states) // slots
    if not places:
        raise MapsError(f"a network over {slots} dies, {len(states)} measured; measure more of them")
    parallel, antiparallel = states[: places * slots].reshape(places, -1, 2).unbind(-1)
    return Dies((parallel - antiparallel) / 2, (parallel + antiparallel) / 2)


@dataclass(frozen=True)
class Wires:
    """Numbers of the junctions of one layer's weights. plus, minus: ([places,] inputs, columns) int64."""

    plus: Tensor
    minus: Tensor


Wiring = Sequence[Wires]


def wiring(plan: Floorplan) -> Wiring:
    """All slots of the floorplan, the same in every place."""
    return tuple(
        Wires(torch.from_numpy(layer.plus.astype("int64")), torch.from_numpy(layer.minus.astype("int64"))) for layer in plan.layers
    )


def crossbars(dies: Dies, wired: Wiring, encoding: Encoding) -> Crossbars:
    """The dies as (1 copy, places): one network on all of them."""
    return tuple(_crossbar(dies, wires, encoding) for wires in wired)


@dataclass(frozen=True)
class Choice(Crossbar):
    """Weights where the floorplan has them. slots: crossbar of all slots, spare ones among them, for a placement to choose from."""

    slots: Crossbar


def own(bars: Crossbars) -> Crossbars:
    """(1, places) as (places, 1): a copy of its own on each place, and back."""
    return tuple(Crossbar(bar.slope.transpose(0, 1), bar.offset.transpose(0, 1)) for bar in bars)


def some(bars: Crossbars, places: Tensor) -> Crossbars:
    """Those places of (1, places)."""
    return tuple(Crossbar(bar.slope[:, places], bar.offset[:, places]) for bar in bars)


def _crossbar(dies: Dies, wires: Wires, encoding: Encoding) -> Crossbar:
    slope_plus, slope_minus = _picked(dies.slope, wires.plus), _picked(dies.slope, wires.minus)
    offset = _picked(dies.offset, wires.plus) - _picked(dies.offset, wires.minus)
    match encoding:
        case Encoding.TIED:
            slope = (slope_plus + slope_minus)[:, None]
        case Encoding.INDEPENDENT:
            slope = torch.stack([slope_plus, -slope_minus], dim=1)
        case Encoding.REFERENCE:
            # The reference is written AP; half the sum of the inputs, which is known, is taken off digitally.
            slope, offset = slope_plus[:, None], offset + slope_minus - 0.5
    return Crossbar(slope[None], offset[None])


def _picked(values: Tensor, numbers: Tensor) -> Tensor:
    """(places, inputs, columns) of (places, junctions)."""
    if numbers.dim() == 2:
        return values[:, numbers]
    return values.gather(1, numbers.flatten(1)).view(numbers.shape)
