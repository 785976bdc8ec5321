"""How a host runs a layer through the board's `vmm`: which kernel is read with which 25 row voltages, and which of its 25 currents
add to which column of weights.

Rule 1: one reading is one kernel under one pattern of driven rows; rows that belong to somebody else stay at 0 V.
Rule 2: a current counts only where all driven rows of its column belong to the same column of weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.training.errors import NetError
from hil.training.floorplan import Floorplan, LayerPlan
from hil.training.net import Encoding
from hil.training.packing import COLUMNS, KERNELS, PER_KERNEL, ROWS

UNDRIVEN = -1


@dataclass(frozen=True, eq=False)
class Terms:
    """Which currents make up which sums, all (terms,): sums[slot] += sign * currents[reading, column]."""

    reading: NDArray[np.intp]
    column: NDArray[np.intp]
    slot: NDArray[np.intp]
    sign: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Pass:
    """Readings of one die slot, no kernel twice: one `vmm` plan. readings: their places among all of the layer, in kernels' order."""

    die: int
    kernels: tuple[int, ...]
    readings: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class LayerTiles:
    """A layer's readings, in the order of die slot, kernel and pattern.

    die, kernel: (readings,). rows: (readings, 25) row slot that drives each row, UNDRIVEN for 0 V. slots: (row, column) slots.
    """

    die: NDArray[np.int32]
    kernel: NDArray[np.int32]
    rows: NDArray[np.int32]
    terms: Terms
    slots: tuple[int, int]

    def inputs(self, values: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """What drives the rows: (readings, batch, 25), from the row slots' values (batch, row slots) in units of the read voltage."""
        driven = np.where(self.rows == UNDRIVEN, 0.0, values[:, self.rows])
        return np.ascontiguousarray(np.swapaxes(driven, 0, 1), np.float32)

    def drives(self, values: NDArray[np.floating[Any]]) -> list[tuple[int, int, NDArray[np.float32]]]:
        """(die slot, kernel, inputs (batch, 25)) of every reading."""
        return [(int(die), int(kernel), each) for die, kernel, each in zip(self.die, self.kernel, self.inputs(values), strict=True)]

    def sums(self, amps: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """(batch, column slots) A, plus minus minus, from all readings' currents (batch, readings, 25) A.

        NaN in a current makes the sums it belongs to NaN and no other.
        """
        total = np.zeros((self.slots[1], len(amps)))
        of_terms = amps[:, self.terms.reading, self.terms.column].T.astype(np.float64)
        np.add.at(total, self.terms.slot, self.terms.sign[:, None] * of_terms)
        return total.T

    def block_sums(self, amps: NDArray[np.floating[Any]], block: int) -> NDArray[np.float64]:
        """(blocks, batch, column slots) A: as sums, for `block` consecutive row slots at a time."""
        parts = np.zeros((-(-self.slots[0] // block), self.slots[1], len(amps)))
        of_terms = amps[:, self.terms.reading, self.terms.column].T.astype(np.float64)
        np.add.at(parts, (self.blocks(block)[self.terms.reading], self.terms.slot), self.terms.sign[:, None] * of_terms)
        return parts.swapaxes(1, 2)

    def blocks(self, block: int) -> NDArray[np.intp]:
        """(readings,) which `block` consecutive row slots each drives. Raises NetError when one drives rows of several."""
        first = np.where(self.rows == UNDRIVEN, np.iinfo(np.int32).max, self.rows).min(axis=1) // block
        if (self.rows.max(axis=1) // block != first).any():
            raise NetError(f"a reading drives rows of several blocks of {block}; sums cannot be bounded block by block on this floorplan")
        return first.astype(np.intp)

    def passes(self) -> tuple[Pass, ...]:
        """The readings as `vmm` plans with inputs (batch, kernels, 25), those of a die one after the other: the prober moves once a die."""
        turn = np.zeros(len(self.kernel), np.intp)
        for index in range(1, len(turn)):
            same = (self.die[index], self.kernel[index]) == (self.die[index - 1], self.kernel[index - 1])
            turn[index] = turn[index - 1] + 1 if same else 0
        return tuple(
            Pass(int(die), tuple(self.kernel[readings].tolist()), tuple(readings.tolist()))
            for die in np.unique(self.die)
            for number in range(turn[self.die == die].max() + 1)
            if (readings := np.flatnonzero((self.die == die) & (turn == number))).size
        )


def tiles_of(plan: Floorplan) -> tuple[LayerTiles, ...]:
    """Of each layer. Place the floorplan first: row and column slots are then inputs and columns."""
    return tuple(_layer_tiles(layer, plan.encoding) for layer in plan.layers)


def _layer_tiles(layer: LayerPlan, encoding: Encoding) -> LayerTiles:
    parts = [(layer.plus, 1)] if encoding is Encoding.REFERENCE else [(layer.plus, 1), (layer.minus, -1)]
    pieces = _pieces(parts)
    # Pieces of one kernel under the same pattern are read at once.
    keys, reading = np.unique(np.column_stack([pieces.kernel, pieces.rows]), axis=0, return_inverse=True)
    reading = reading.ravel()
    terms = Terms(reading, pieces.column, pieces.slot, pieces.sign)
    if encoding is Encoding.REFERENCE:
        references = np.unique(np.column_stack([layer.minus.ravel() // PER_KERNEL, layer.minus.ravel() % COLUMNS]), axis=0)
        beside = references[np.searchsorted(references[:, 0], pieces.kernel), 1].astype(np.intp)
        terms = Terms(
            np.concatenate([reading, reading]),
            np.concatenate([pieces.column, beside]),
            np.concatenate([pieces.slot, pieces.slot]),
            np.concatenate([pieces.sign, -pieces.sign]),
        )
    die, kernel = np.divmod(keys[:, 0], KERNELS)
    return LayerTiles(die.astype(np.int32), kernel.astype(np.int32), keys[:, 1:].astype(np.int32), terms, layer.slots)


@dataclass(frozen=True, eq=False)
class _Pieces:
    """What one column slot has in one physical column, all signs. kernel: die slot * 32 + kernel. rows: (pieces, 25) row slots."""

    kernel: NDArray[np.intp]
    column: NDArray[np.intp]
    slot: NDArray[np.intp]
    sign: NDArray[np.intp]
    rows: NDArray[np.int32]


def _pieces(parts: Sequence[tuple[NDArray[np.int32], int]]) -> _Pieces:
    row_slot, column_slot = np.indices(parts[0][0].shape)
    junctions = np.concatenate([part.ravel() for part, _ in parts]).astype(np.intp)
    sign = np.concatenate([np.full(part.size, sign) for part, sign in parts])
    rows_driven, slots = np.tile(row_slot.ravel(), len(parts)), np.tile(column_slot.ravel(), len(parts))
    kernel, within = np.divmod(junctions, PER_KERNEL)
    row, column = np.divmod(within, COLUMNS)
    found, piece = np.unique(np.column_stack([kernel, column, slots, sign]), axis=0, return_inverse=True)
    rows = np.full((len(found), ROWS), UNDRIVEN, np.int32)
    rows[piece.ravel(), row] = rows_driven
    return _Pieces(found[:, 0], found[:, 1], found[:, 2], found[:, 3], rows)
