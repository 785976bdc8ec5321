"""The metal lines of a die: which junctions hang on which. Arithmetic on index order alone.

A row line runs through both kernel halves of a sub-array (50 cells), a column line through its four row groups (100 cells).
Kernels that fill no sub-array have lines of their own. Source: address bits of the board's controller, see hil.model.layout."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hil.model.layout import GROUPS, HALVES, PER_SUBARRAY, to_die, to_kernels

Axis = Literal["row", "column"]
Shape = tuple[int, int, int]
"""(kernels, rows, columns) of a die."""


def line_shape(shape: Shape, axis: Axis) -> tuple[int, int]:
    """(lines of a die, cells of a line)."""
    kernels, rows, columns = shape
    if kernels % PER_SUBARRAY:
        return (kernels * rows, columns) if axis == "row" else (kernels * columns, rows)
    if axis == "row":
        return kernels // HALVES * rows, HALVES * columns
    return kernels // GROUPS * columns, GROUPS * rows


def to_lines(array: NDArray[Any], axis: Axis) -> NDArray[Any]:
    """(kernels, rows, columns) as (lines, cells along the line)."""
    kernels, rows, columns = array.shape
    shape = line_shape((kernels, rows, columns), axis)
    if kernels % PER_SUBARRAY:
        return (array if axis == "row" else array.swapaxes(1, 2)).reshape(shape)
    die = to_die(array)
    return np.ascontiguousarray(die.T) if axis == "column" else die.reshape(shape)


def from_lines(lines: NDArray[Any], shape: Shape, axis: Axis) -> NDArray[Any]:
    """The way back of `to_lines`."""
    kernels, rows, columns = shape
    if kernels % PER_SUBARRAY:
        return lines.reshape(kernels, rows, columns) if axis == "row" else lines.reshape(kernels, columns, rows).swapaxes(1, 2)
    die = lines.T if axis == "column" else lines.reshape(GROUPS * rows, -1)
    return to_kernels(np.ascontiguousarray(die), rows, columns)
