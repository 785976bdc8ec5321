"""Which input drives which row and which column holds which unit on this die: bad junctions go where the network does not feel them.
Digital routing only; no labels of the die, no gradient on it, some milliseconds.

Rule: the loss is taken to grow with the square of each weight's deviation times its importance; rows and columns are then two linear
assignments (scipy), alternated. A column pair may also be read with its halves exchanged."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from hil.training.devices import Choice, Wires, Wiring
from hil.training.errors import NetError
from hil.training.net import Encoding
from hil.training.network import Crossbar, Crossbars, Network, ideal_crossbars

ALTERNATIONS = 3


@dataclass(frozen=True)
class Placed:
    """One layer on each place. rows: (places, inputs) row slot of each input. columns: (places, columns) column slot of each column.
    exchanged: (places, columns) bool: the pair's halves have changed roles."""

    rows: Tensor
    columns: Tensor
    exchanged: Tensor

    def wires(self, slots: Wires) -> Wires:
        """The junctions that hold the weights: plus, minus (places, inputs, columns)."""
        rows, columns, exchanged = self.rows[:, :, None], self.columns[:, None, :], self.exchanged[:, None, :]
        plus, minus = slots.plus[rows, columns], slots.minus[rows, columns]
        return Wires(torch.where(exchanged, minus, plus), torch.where(exchanged, plus, minus))


Placement = Sequence[Placed]
"""One a layer."""


def placed_wiring(slots: Wiring, placement: Placement) -> Wiring:
    return tuple(layer.wires(wires) for wires, layer in zip(slots, placement, strict=True))


def place(network: Network, slots: Crossbars, weights_matter: Sequence[Tensor], alternations: int = ALTERNATIONS) -> Placement:
    """A single network on every place. slots: (1, places) crossbars of all slots. weights_matter: (inputs, columns) a layer. Raises
    NetError for a network whose sums are bounded block by block: its inputs must stay in their blocks."""
    if network.bounds.block_limit != inf:
        raise NetError(f"sums are bounded at {network.bounds.block_limit:g} block by block: inputs cannot change rows; use it as it lies")
    ideals, encoding = ideal_crossbars(network.net), network.net.encoding
    all_slots = [bar.slots if isinstance(bar, Choice) else bar for bar in slots]
    layers = zip(network.layers, all_slots, ideals, weights_matter, strict=True)
    return tuple(
        _place_layer(_Costs.of(layer.latent[0].detach(), bar, ideal, matter, encoding), alternations)
        for layer, bar, ideal, matter in layers
    )


def _features(bar: Crossbar, ideal: Crossbar) -> Tensor:
    """(places, terms, row slots, column slots): a weight's squared deviation is the sum of terms times products of its bits."""
    error, offset = (bar.slope - ideal.slope)[0], (bar.offset - ideal.offset)[0]
    terms = [error.square().sum(dim=1) + offset.square(), *(2 * offset * error[:, bit] for bit in range(error.shape[1]))]
    if error.shape[1] == 2:
        terms.append(2 * error[:, 0] * error[:, 1])
    return torch.stack(terms, dim=1)


def _products(latent: Tensor) -> Tensor:
    """(terms, inputs, columns): 1, the bits, and the product of two bits, in the order of the features."""
    bits = torch.where(latent >= 0, 1.0, -1.0)
    products = [torch.ones_like(bits[0]), *bits]
    return torch.stack([*products, bits[0] * bits[1]] if len(bits) == 2 else products)


def _halves_exchanged(bar: Crossbar) -> Crossbar:
    return Crossbar(-bar.slope.flip(2) if bar.slope.shape[2] == 2 else bar.slope, -bar.offset)


@dataclass(frozen=True)
class _Costs:
    """wanted: (terms, inputs, columns). straight, exchanged: (places, terms, row slots, column slots); exchanged None: not allowed."""

    wanted: Tensor
    straight: Tensor
    exchanged: Tensor | None

    @staticmethod
    def of(latent: Tensor, bar: Crossbar, ideal: Crossbar, matter: Tensor, encoding: Encoding) -> "_Costs":
        exchanged = None if encoding is Encoding.REFERENCE else _features(_halves_exchanged(bar), ideal)
        return _Costs(_products(latent) * matter, _features(bar, ideal), exchanged)

    def of_rows(self, columns: Tensor, exchanged: Tensor) -> Tensor:
        """(places, inputs, row slots), the columns being given."""
        at = columns[:, None, None, :].expand(-1, *self.straight.shape[1:3], -1)
        chosen = self.straight.gather(3, at)
        if self.exchanged is not None:
            chosen = torch.where(exchanged[:, None, None, :], self.exchanged.gather(3, at), chosen)
        wanted = self.wanted.permute(1, 0, 2).flatten(1)
        return wanted @ chosen.transpose(2, 3).flatten(1, 2)

    def of_columns(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """((places, columns, column slots), where the exchanged pair is the cheaper one), the rows being given."""
        straight = self._given_rows(self.straight, rows)
        if self.exchanged is None:
            return straight, torch.zeros_like(straight, dtype=torch.bool)
        exchanged = self._given_rows(self.exchanged, rows)
        return torch.minimum(straight, exchanged), exchanged < straight

    def _given_rows(self, features: Tensor, rows: Tensor) -> Tensor:
        at = rows[:, None, :, None].expand(-1, features.shape[1], -1, features.shape[3])
        wanted = self.wanted.permute(2, 0, 1).flatten(1)
        return wanted @ features.gather(2, at).flatten(1, 2)


def _place_layer(costs: _Costs, alternations: int) -> Placed:
    _, inputs, width = costs.wanted.shape
    places = len(costs.straight)
    rows = torch.arange(inputs).repeat(places, 1)
    columns = torch.arange(width).repeat(places, 1)
    exchanged = torch.zeros(places, width, dtype=torch.bool)
    for _ in range(alternations):
        rows = _assigned(costs.of_rows(columns, exchanged))
        cost, cheaper = costs.of_columns(rows)
        columns = _assigned(cost)
        exchanged = cheaper.gather(2, columns[:, :, None])[:, :, 0]
    return Placed(rows, columns, exchanged)


def _assigned(costs: Tensor) -> Tensor:
    """(places, wanted): the slot of each, every slot used at most once. costs: (places, wanted, slots)."""
    return torch.stack([torch.from_numpy(linear_sum_assignment(cost)[1]) for cost in costs.numpy()])
