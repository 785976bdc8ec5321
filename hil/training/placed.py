"""A placed floorplan, whose slots are the inputs and columns themselves: which weight holds which junction, as a table, and what to
write there, as bit maps.

Rule: a bit +1 is a junction in P, -1 one in AP, whatever the junction's sign in its weight."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.training.errors import NetError
from hil.training.floorplan import Floorplan, LayerPlan
from hil.training.net import Encoding
from hil.training.packing import COLUMNS, KERNELS, PER_DIE, ROWS

P, AP, LEAVE = 1, 0, 255
"""A target bit map's values, as the plan `program` defines them."""


def targets(plan: Floorplan, bits: Sequence[NDArray[Any]]) -> NDArray[np.uint8]:
    """Targets for the plan `program`, one a die slot: (dies, 32, 25, 25) uint8, 1 = P, 0 = AP, 255 = leave.

    bits: per layer (bits a weight, inputs, columns), above zero is P; one bit a weight for tied pairs (the minus junction takes the
    opposite state) and for references (written AP), two for independent pairs. Raises NetError for bits of another shape.
    """
    flat = np.full(plan.dies * PER_DIE, LEAVE, np.uint8)
    needed = plan.encoding.bits
    for index, (layer, values) in enumerate(zip(plan.layers, bits, strict=True)):
        if values.shape != (needed, *layer.slots):
            raise NetError(f"layer {index + 1} has bits {values.shape}; {plan.encoding} weights in its slots need {(needed, *layer.slots)}")
        flat[layer.plus] = np.where(values[0] > 0, P, AP)
        match plan.encoding:
            case Encoding.TIED:
                flat[layer.minus] = np.where(values[0] > 0, AP, P)
            case Encoding.INDEPENDENT:
                flat[layer.minus] = np.where(values[1] > 0, P, AP)
            case Encoding.REFERENCE:
                flat[layer.minus] = AP
    return flat.reshape(plan.dies, KERNELS, ROWS, COLUMNS)


Table = Mapping[str, NDArray[np.int32]]
"""Columns by name, all of one length."""
NOBODY = -1
"""In a table: the output and the copy of a reference, which serves all columns of its kernel."""


def table(plan: Floorplan, copies: int = 1) -> Table:
    """One row a junction (a reference: one for each layer it serves) with layer, input, output, copy, sign (1 plus, -1 minus), die
    (slot), kernel, row, column; all counted from 0.

    copies: columns an output of the last layer has.
    """
    parts = [part for index, layer in enumerate(plan.layers) for part in _rows(plan, index, layer, copies)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _rows(plan: Floorplan, index: int, layer: LayerPlan, copies: int) -> list[Table]:
    inputs, columns = np.indices(layer.slots)
    output, copy = np.divmod(columns, copies if index == len(plan.layers) - 1 else 1)
    parts = [_part(index, 1, layer.plus, (inputs, output, copy))]
    if plan.encoding is not Encoding.REFERENCE:
        return [*parts, _part(index, -1, layer.minus, (inputs, output, copy))]
    references, first = np.unique(layer.minus, return_index=True)
    nobody = np.full(references.shape, NOBODY)
    return [*parts, _part(index, -1, references, (inputs.ravel()[first], nobody, nobody))]


def _part(layer: int, sign: int, junctions: NDArray[np.int32], weight: tuple[NDArray[Any], NDArray[Any], NDArray[Any]]) -> Table:
    flat = junctions.ravel()
    die, kernel, row, column = np.unravel_index(flat, (int(flat.max(initial=0)) // PER_DIE + 1, KERNELS, ROWS, COLUMNS))
    names = ("layer", "input", "output", "copy", "sign", "die", "kernel", "row", "column")
    values = (np.full(flat.shape, layer), *(each.ravel() for each in weight), np.full(flat.shape, sign), die, kernel, row, column)
    return {name: value.astype(np.int32) for name, value in zip(names, values, strict=True)}
