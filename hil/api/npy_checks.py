"""What an uploaded array must be. Rule: the header is checked against the length before anything is allocated."""

import io
from typing import Any

import numpy as np
from numpy.lib import format as npy

PLAIN_KINDS = frozenset("biufc")
_HEADERS: dict[tuple[int, int], Any] = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def check_plain_npy(data: bytes) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """(shape, dtype) of a plain numeric npy array in C order.

    Raises ValueError saying what is wrong: no npy at all, an object or structured dtype, or fewer or more bytes than the
    header promises (numpy would allocate what a forged header asks for).
    """
    stream = io.BytesIO(data)
    version = npy.read_magic(stream)
    if version not in _HEADERS:
        raise ValueError(f"npy version {version[0]}.{version[1]}; give 1.0 or 2.0")
    shape, fortran, dtype = _HEADERS[version](stream)
    if dtype.kind not in PLAIN_KINDS:
        raise ValueError(f"dtype {dtype} is not plain numbers")
    if fortran:
        raise ValueError("Fortran order; give C order (numpy.ascontiguousarray)")
    promised, present = _nbytes(shape, dtype), len(data) - stream.tell()
    if promised != present:
        raise ValueError(f"the header promises {promised} bytes of {dtype} {shape}, the body holds {present}")
    return shape, dtype


def _nbytes(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """Exact, in Python integers: a forged shape must not wrap around."""
    count = 1
    for length in shape:
        if length < 0:
            raise ValueError(f"shape {shape} has a negative length")
        count *= length
    return count * dtype.itemsize
