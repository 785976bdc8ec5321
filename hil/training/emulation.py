"""Networks run as the board runs them, reading by reading, with whatever electrics are asked for, on many places at once. Such crossbars
stand where plain ones stand, in evaluation, calibration and training alike.

Rule 1: a row takes at most the read voltage, so hidden values are driven as shares of their limit and the sums scaled back.
Rule 2: slots are the same on all places; a placement is which value goes to which row slot and which column slot is which column."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf

import torch
from torch import Tensor

from hil.training.devices import Dies, Wiring, crossbars, wiring
from hil.training.electrics import Electrics, Written, block_amps, reading_amps, summed_amps
from hil.training.errors import NetError
from hil.training.floorplan import Floorplan
from hil.training.net import Encoding
from hil.training.network import BLOCK, Bounds, Crossbar, Hidden, Network, sign
from hil.training.packing import COLUMNS, ROWS
from hil.training.placement import Placed, Placement, placed_wiring
from hil.training.tiles import LayerTiles, tiles_of


@dataclass(frozen=True)
class Places:
    """siemens_p, siemens_ap: (places, die slots * 32, 25, 25) S. held: the same shape, what is written, 1 in P and -1 in AP. wires: of the
    weights, as placed. unit_siemens: what a good junction differs by between its states. order: for the noise of reading, if any."""

    plan: Floorplan
    siemens_p: Tensor
    siemens_ap: Tensor
    held: Tensor
    wires: Wiring
    placement: Placement | None
    unit_siemens: float
    electrics: Electrics
    order: torch.Generator | None = None

    def __len__(self) -> int:
        return len(self.held)

    def written(self, layer: int, latent: Tensor) -> Written:
        """With a layer's latent weights (1 or places, bits, inputs, columns) in place of what is held, their gradient kept."""
        bits = sign(latent).to(self.held.dtype).expand(len(self), *latent.shape[1:])
        wires = self.wires[layer]
        flat = self.held.flatten(1).scatter(1, self._numbers(wires.plus, bits), bits[:, 0].flatten(1))
        if self.plan.encoding is not Encoding.REFERENCE:
            other = -bits[:, 0] if self.plan.encoding is Encoding.TIED else bits[:, 1]
            flat = flat.scatter(1, self._numbers(wires.minus, bits), other.flatten(1))
        return Written(self.siemens_p, self.siemens_ap, flat.view_as(self.held))

    def _numbers(self, wires: Tensor, bits: Tensor) -> Tensor:
        """(places, inputs * columns). Spare slots beyond the weights, if any, hold nothing."""
        inputs, columns = bits.shape[-2:]
        return wires[..., :inputs, :columns].expand(len(self), inputs, columns).flatten(1)


def places_of(dies: Dies, unit_siemens: float, plan: Floorplan, electrics: Electrics, placement: Placement | None = None) -> Places:
    """Places of measured dies, all junctions in AP."""
    shape = (len(dies), -1, ROWS, COLUMNS)
    parallel, antiparallel = ((dies.offset + state * dies.slope).view(shape) * unit_siemens for state in (1, -1))
    slots = wiring(plan)
    wires = slots if placement is None else placed_wiring(slots, placement)
    return Places(plan, parallel, antiparallel, torch.full_like(parallel, -1.0), wires, placement, unit_siemens, electrics)


def emulated(places: Places, network: Network) -> Sequence["EmulatedCrossbar"]:
    """Crossbars of all layers, with the network (one copy, or one a place) written; for it and others with its bounds."""
    for layer, each in enumerate(network.layers):
        written = places.written(layer, each.latent.detach())
        places = replace(places, held=written.bits)
    slope, offset = ((places.siemens_p + state * places.siemens_ap).flatten(1) / (2 * places.unit_siemens) for state in (-1, 1))
    plain = crossbars(Dies(slope, offset), places.wires, places.plan.encoding)
    limits = (1.0, *(_largest_value(network.bounds) for _ in network.layers[1:]))
    layers = enumerate(zip(plain, tiles_of(places.plan), limits, strict=True))
    return [EmulatedCrossbar(bar.slope, bar.offset, places, index, tiles, limit) for index, (bar, tiles, limit) in layers]


def _largest_value(bounds: Bounds) -> float:
    """Of a hidden unit."""
    return 1.0 if bounds.hidden is Hidden.TANH else bounds.hidden_limit


@dataclass(frozen=True)
class EmulatedCrossbar(Crossbar):
    """One layer on all places. slope, offset: as without electrics, (1, places). input_limit: largest value that drives its rows."""

    places: Places
    layer: int
    tiles: LayerTiles
    input_limit: float

    def sums(self, values: Tensor, latent: Tensor, block_limit: float = inf) -> Tensor:
        """As of a plain crossbar, (1, places, images, columns) of one copy, (places, 1, images, columns) of a copy a place. Raises
        NetError for other numbers of copies."""
        if block_limit != inf:
            return self.block_sums(values, latent).clamp(-block_limit, block_limit).sum(dim=-3)
        rows, amps = self._read(values, latent)
        return self._shown(summed_amps(amps, self.tiles), rows.sum(dim=-1, keepdim=True), latent).to(values.dtype)

    def block_sums(self, values: Tensor, latent: Tensor) -> Tensor:
        """As of a plain crossbar. Raises NetError as sums does, and for a placed network, whose inputs do not lie as they are numbered."""
        if self.places.placement is not None:
            raise NetError("sums of a placed network cannot be bounded block by block; evaluate it without block_limit")
        rows, amps = self._read(values, latent)
        driven = torch.nn.functional.pad(rows, (0, -rows.shape[-1] % BLOCK)).unflatten(-1, (-1, BLOCK)).sum(dim=-1, keepdim=True)
        blocks = block_amps(amps, self.tiles, BLOCK)[..., : driven.shape[-2], :, :]
        return self._shown(blocks, driven.transpose(-3, -2), latent).to(values.dtype)

    def _read(self, values: Tensor, latent: Tensor) -> tuple[Tensor, Tensor]:
        """(values of the rows, (places, images, inputs); currents of all readings, (places, readings, images, 25) A)."""
        places = self.places
        if len(latent) not in (1, len(places)):
            raise NetError(f"{len(latent)} copies on {len(places)} emulated places; there must be one copy, or one a place")
        rows = values.flatten(0, 1).expand(len(places), *values.shape[2:]).to(places.held.dtype)
        driven = _on_slots(rows / self.input_limit, self._placed, self.tiles.slots[0])
        return rows, reading_amps(driven, places.written(self.layer, latent), self.tiles, places.electrics, places.order)

    @property
    def _placed(self) -> Placed | None:
        return None if self.places.placement is None else self.places.placement[self.layer]

    def _shown(self, amps: Tensor, driven: Tensor, latent: Tensor) -> Tensor:
        """Currents of columns as sums of weights. driven: what all rows of a sum are driven with, added up."""
        places = self.places
        sums = _of_columns(amps, self._placed, latent.shape[-1]) * (self.input_limit / (places.unit_siemens * places.electrics.read_volts))
        if places.plan.encoding is Encoding.REFERENCE:
            sums = sums - driven / 2
        return sums.unflatten(0, (len(latent), -1))


def _on_slots(values: Tensor, placed: Placed | None, slots: int) -> Tensor:
    """(places, images, row slots) of (places, images, inputs)."""
    if placed is None:
        return torch.nn.functional.pad(values, (0, slots - values.shape[-1]))
    empty = torch.zeros(*values.shape[:2], slots, dtype=values.dtype)
    return empty.scatter(2, placed.rows[:, None, :].expand_as(values), values)


def _of_columns(sums: Tensor, placed: Placed | None, columns: int) -> Tensor:
    """(places, images, columns) of (places, images, column slots); exchanged halves give the other sign."""
    if placed is None:
        return sums[..., :columns]
    found = sums.gather(2, placed.columns[:, None, :].expand(*sums.shape[:2], columns))
    return torch.where(placed.exchanged[:, None, :], -found, found)
