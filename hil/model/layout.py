"""Where each kernel lies on the die. A die is sub-arrays side by side, each four kernels high and two wide; kernel k is
row group k & 3, column half (k >> 2) & 1, sub-array k >> 3.

Source: the address bits of the board's controller (sub-array, column mux, two row-mux bits)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

GROUPS, HALVES = 4, 2
PER_SUBARRAY = GROUPS * HALVES


def kernel_place(kernel: int) -> tuple[int, int]:
    """(row of kernels from the top, column of kernels from the left) of a kernel on the die."""
    subarray, within = divmod(kernel, PER_SUBARRAY)
    half, group = divmod(within, GROUPS)
    return group, HALVES * subarray + half


def to_die(kernels: NDArray[Any]) -> NDArray[Any]:
    """(..., kernels, rows, columns) as it lies on the die: (..., 4 rows, kernels / 4 columns); (32, 25, 25) gives (100, 200).

    Raises ValueError unless the kernels fill whole sub-arrays of eight.
    """
    *lead, count, rows, columns = kernels.shape
    if count % PER_SUBARRAY:
        raise ValueError(f"{count} kernels do not fill whole sub-arrays of {PER_SUBARRAY}")
    split = kernels.reshape(*lead, count // PER_SUBARRAY, HALVES, GROUPS, rows, columns)
    at = len(lead)
    order = (*range(at), at + 2, at + 3, at, at + 1, at + 4)
    return np.ascontiguousarray(split.transpose(order)).reshape(*lead, GROUPS * rows, count // GROUPS * columns)


def to_kernels(die: NDArray[Any], rows: int = 25, columns: int = 25) -> NDArray[Any]:
    """The way back: (..., 4 rows, n columns) to (..., kernels, rows, columns). Raises ValueError when the die does not split so."""
    *lead, height, width = die.shape
    if height != GROUPS * rows or width % (HALVES * columns):
        raise ValueError(f"a die of {height} x {width} junctions does not split into sub-arrays of {GROUPS * rows} x {HALVES * columns}")
    subarrays = width // (HALVES * columns)
    split = die.reshape(*lead, GROUPS, rows, subarrays, HALVES, columns)
    at = len(lead)
    order = (*range(at), at + 2, at + 3, at, at + 1, at + 4)
    return np.ascontiguousarray(split.transpose(order)).reshape(*lead, subarrays * PER_SUBARRAY, rows, columns)
