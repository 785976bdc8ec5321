"""A network on one place, run as the board runs it: reading by reading, with whatever electrics are asked for. It stands where a plain
crossbar stands, in evaluation, calibration and training alike.

Rule: a row takes at most the read voltage, so hidden values are driven as shares of their limit and the sums scaled back."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hil.training.devices import Dies, Wires, crossbars
from hil.training.electrics import Electrics, Written, column_amps
from hil.training.errors import NetError
from hil.training.floorplan import Floorplan
from hil.training.net import Encoding
from hil.training.network import Bounds, Crossbar, Crossbars, Hidden, sign
from hil.training.packing import COLUMNS, ROWS
from hil.training.placed import P, targets
from hil.training.tiles import LayerTiles, tiles_of


@dataclass(frozen=True)
class Place:
    """One place's junctions, and the floorplan as it is placed there.

    siemens_p, siemens_ap: (die slots * 32, 25, 25) S. held: the same shape, what is written, 1 in P and -1 in AP. unit_siemens: what a
    good junction differs by between its states. order: for the noise of reading; None without.
    """

    plan: Floorplan
    siemens_p: Tensor
    siemens_ap: Tensor
    held: Tensor
    unit_siemens: float
    electrics: Electrics
    order: torch.Generator | None = None

    def written(self, layer: int, bits: Tensor) -> Written:
        """With a layer's bits (bits a weight, inputs, columns) in place of what is held, their gradient kept."""
        wires = self.plan.layers[layer]
        plus, minus = (torch.from_numpy(numbers.astype(np.int64)).flatten() for numbers in (wires.plus, wires.minus))
        flat = self.held.flatten().index_put((plus,), bits[0].flatten())
        if self.plan.encoding is Encoding.TIED:
            flat = flat.index_put((minus,), -bits[0].flatten())
        elif self.plan.encoding is Encoding.INDEPENDENT:
            flat = flat.index_put((minus,), bits[1].flatten())
        return Written(self.siemens_p, self.siemens_ap, flat.view_as(self.held))


@dataclass(frozen=True)
class EmulatedCrossbar(Crossbar):
    """One layer on one place; one copy. input_limit: largest value that drives its rows."""

    place: Place
    layer: int
    tiles: LayerTiles
    input_limit: float

    def sums(self, values: Tensor, latent: Tensor) -> Tensor:
        """As of a plain crossbar, (1, 1, images, columns). Raises NetError for several copies or maps: they are places of their own."""
        if values.shape[:2] != (1, 1) or len(latent) != 1:
            raise NetError(
                f"values {tuple(values.shape)} and {len(latent)} copies; an emulated crossbar is one copy on one place: split them"
            )
        place = self.place
        written = place.written(self.layer, sign(latent)[0].to(place.held.dtype))
        driven = values[0, 0].to(place.held.dtype) / self.input_limit
        amps = column_amps(driven, written, self.tiles, place.electrics, place.order)
        sums = amps * (self.input_limit / (place.unit_siemens * place.electrics.read_volts))
        if place.plan.encoding is Encoding.REFERENCE:
            sums = sums - values[0, 0].sum(dim=-1, keepdim=True) / 2
        return sums[None, None].to(values.dtype)


def emulated(place: Place, bounds: Bounds) -> Crossbars:
    """Crossbars of all layers, for networks with these bounds."""
    plain = _plain(place)
    limit = 1.0 if bounds.hidden is Hidden.TANH else bounds.hidden_limit
    return [
        EmulatedCrossbar(bar.slope, bar.offset, place, index, tiles, limit if index else 1.0)
        for index, (bar, tiles) in enumerate(zip(plain, tiles_of(place.plan), strict=True))
    ]


def place_of(
    dies: Dies, index: int, unit_siemens: float, plan: Floorplan, bits: Sequence[NDArray[np.bool_]], electrics: Electrics
) -> Place:
    """A place of measured dies in double precision, with a network's bits written as `targets` has them; the rest in AP."""
    slope, offset = dies.slope[index].double(), dies.offset[index].double()
    target = torch.from_numpy(targets(plan, bits)) == P
    held = torch.where(target, 1.0, -1.0).double().view(-1, ROWS, COLUMNS)
    parallel, antiparallel = ((offset + sign * slope).view_as(held) * unit_siemens for sign in (1, -1))
    return Place(plan, parallel, antiparallel, held, unit_siemens, electrics)


def _plain(place: Place) -> Crossbars:
    """Without electrics: what placement and digital correction look at."""
    slope, offset = (place.siemens_p - place.siemens_ap) / 2, (place.siemens_p + place.siemens_ap) / 2
    dies = Dies(*((part.flatten()[None] / place.unit_siemens).float() for part in (slope, offset)))
    wired = [Wires(*(torch.from_numpy(part.astype(np.int64)) for part in (layer.plus, layer.minus))) for layer in place.plan.layers]
    return crossbars(dies, wired, place.plan.encoding)
