"""Which junction holds which weight. The 100-90-10 network fills 19,800 of a die's 20,000 junctions in differential pairs:
layer 1 takes all 100 rows of columns 0 to 179, layer 2 rows 0 to 89 of columns 180 to 199; neighbouring columns are a pair.
Inputs drive rows, columns are read. A pair is +1 with the left junction in P and the right one in AP, -1 the other way."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.model.layout import to_kernels

INPUTS, HIDDEN, OUTPUTS = 100, 90, 10
DIE_ROWS, DIE_COLUMNS = 100, 200
P, AP, LEAVE = 1, 0, 255
"""A target bit map's values, as the plan `program` defines them."""

LAYERS: tuple[tuple[slice, slice], ...] = (
    (slice(0, INPUTS), slice(0, 2 * HIDDEN)),
    (slice(0, HIDDEN), slice(2 * HIDDEN, 2 * (HIDDEN + OUTPUTS))),
)
"""(rows, columns) of each layer on the die."""


def halves(die: Any, layer: int) -> tuple[Any, Any]:
    """(plus, minus) junctions of a layer, each (..., inputs, outputs), from (..., 100, 200). Arrays and tensors alike; views."""
    rows, columns = LAYERS[layer]
    plus = slice(columns.start, columns.stop, 2)
    minus = slice(columns.start + 1, columns.stop, 2)
    return die[..., rows, plus], die[..., rows, minus]


def target_bits(signs: tuple[NDArray[Any], NDArray[Any]]) -> NDArray[np.uint8]:
    """Weights as a target for the plan `program`: (32, 25, 25) uint8, 1 = P, 0 = AP, 255 = leave (the 200 unused).

    signs: (100, 90) and (90, 10); above zero is +1. Raises ValueError on other shapes.
    """
    die = np.full((DIE_ROWS, DIE_COLUMNS), LEAVE, np.uint8)
    for layer, (weights, shape) in enumerate(zip(signs, ((INPUTS, HIDDEN), (HIDDEN, OUTPUTS)), strict=True)):
        if weights.shape != shape:
            raise ValueError(f"layer {layer + 1} has weights {weights.shape}, the die holds {shape}")
        plus, minus = halves(die, layer)
        plus[...] = np.where(weights > 0, P, AP)
        minus[...] = np.where(weights > 0, AP, P)
    return to_kernels(die)
