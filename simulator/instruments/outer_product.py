"""Which junctions an outer product pulses together, in which order. Pure: numbers in, lists of devices out.

Source of the order: the message OUTER_PRODUCT of firmware_protocol; of the idea: signed counts split into quadrants, as boards do
whose lines can be driven with one polarity at a time.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

QUADRANTS = ((1, 1), (-1, -1), (1, -1), (-1, 1))
"""Sign of the rows' and of the columns' counts, in the order in which they are pulsed."""


class Event(NamedTuple):
    """devices: flat numbers, by row, then column. sign: of the pulse."""

    devices: NDArray[np.int64]
    sign: int


def pulses_of(rows: NDArray[np.int64], columns: NDArray[np.int64]) -> int:
    """Pulses of all junctions together."""
    return int(np.abs(rows).sum() * np.abs(columns).sum())


def events_of(first_device: int, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Iterator[Event]:
    """rows: (rows,) counts; columns: (columns,) counts; first_device: number of the kernel's first junction."""
    numbers = first_device + np.arange(rows.size)[:, None] * columns.size + np.arange(columns.size)
    for row_sign, column_sign in QUADRANTS:
        high, wide = rows * row_sign, columns * column_sign
        for i in range(1, int(high.max(initial=0)) + 1):
            for j in range(1, int(wide.max(initial=0)) + 1):
                yield Event(numbers[np.ix_(high >= i, wide >= j)].ravel(), row_sign * column_sign)
