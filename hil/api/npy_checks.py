"""What an uploaded array must be. Rule: the header is read as plain text and checked against the length of the body before
anything is allocated; numpy itself would evaluate more than literals of numbers and allocate what a forged header asks for."""

import ast
import struct
from typing import Any

import numpy as np

MAGIC = b"\x93NUMPY"
LONGEST_HEADER = 10_000
PLAIN_DTYPES = frozenset({"|b1", "|u1", "|i1", *(f"<{kind}{size}" for kind in "uif" for size in (2, 4, 8))})
"""Those that every form of an array can be given in."""
MOST_DIMENSIONS = 8
LONGEST_SIDE = 2**31 - 1
_LENGTHS = {(1, 0): struct.Struct("<H"), (2, 0): struct.Struct("<I")}


def check_plain_npy(data: bytes) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """(shape, dtype) of a plain numeric npy array in C order.

    Raises ValueError saying what is wrong: no npy at all, an object or structured dtype, or fewer or more bytes than the
    header promises.
    Source: numpy.lib.format, versions 1.0 and 2.0.
    """
    fields, start = _header(data)
    if set(fields) != {"descr", "fortran_order", "shape"}:
        raise ValueError(f"the header names {sorted(map(str, fields))}, not descr, fortran_order and shape")
    if fields["fortran_order"] is not False:
        raise ValueError("Fortran order; give C order (numpy.ascontiguousarray)")
    dtype, shape = _dtype(fields["descr"]), _shape(fields["shape"])
    promised, present = _nbytes(shape, dtype), len(data) - start
    if promised != present:
        raise ValueError(f"the header promises {promised} bytes of {dtype} {shape}, the body holds {present}")
    return shape, dtype


def _header(data: bytes) -> tuple[dict[Any, Any], int]:
    """Fields of the header, and where the numbers start."""
    if not data.startswith(MAGIC) or len(data) < len(MAGIC) + 2:
        raise ValueError("it does not start as npy does")
    at = len(MAGIC) + 2
    length_of = _LENGTHS.get((data[at - 2], data[at - 1]))
    if length_of is None:
        raise ValueError(f"npy version {data[at - 2]}.{data[at - 1]}; give 1.0 or 2.0")
    if len(data) < at + length_of.size:
        raise ValueError("it ends within the header")
    (length,) = length_of.unpack_from(data, at)
    start = at + length_of.size + length
    if length > LONGEST_HEADER or start > len(data):
        raise ValueError(f"a header of {length} bytes; the limit is {LONGEST_HEADER}, the body holds {len(data)}")
    try:
        fields = ast.literal_eval(data[start - length : start].decode("latin-1"))
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise ValueError("the header is no dictionary of plain values") from error
    if not isinstance(fields, dict):
        raise ValueError("the header is no dictionary")
    return fields, start


def _dtype(descr: object) -> np.dtype[Any]:
    if not isinstance(descr, str) or descr not in PLAIN_DTYPES:
        raise ValueError(f"dtype {str(descr)[:40]} is not among {', '.join(sorted(PLAIN_DTYPES))}")
    return np.dtype(descr)


def _shape(shape: object) -> tuple[int, ...]:
    if not isinstance(shape, tuple) or not all(type(length) is int for length in shape):
        raise ValueError(f"shape {str(shape)[:40]} is no tuple of lengths")
    # An array of no numbers says nothing, and one of the forms arrays are given in cannot hold it.
    if len(shape) > MOST_DIMENSIONS or not all(1 <= length <= LONGEST_SIDE for length in shape):
        raise ValueError(f"shape {str(shape)[:40]}; at most {MOST_DIMENSIONS} dimensions of 1 to {LONGEST_SIDE}")
    return shape


def _nbytes(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """Exact, in Python integers: a forged shape must not wrap around."""
    count = 1
    for length in shape:
        count *= length
    return count * dtype.itemsize
