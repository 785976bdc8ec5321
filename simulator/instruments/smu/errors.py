"""What one instrument's ranges are off by: drawn once for its serial number, within the data sheet."""

from typing import NamedTuple

import numpy as np

from simulator.instruments.smu.datasheet import Accuracy, DataSheet, Function

_TYPICAL = 0.3
"""An instrument's error as a part of what its data sheet allows: one standard deviation."""


class Linear(NamedTuple):
    """y = gain * x + offset."""

    gain: float
    offset: float


class RangeErrors(NamedTuple):
    """measure: from what is to what is read. source: from what is set to what is sourced."""

    measure: Linear
    source: Linear


def drawn(sheet: DataSheet, serial: str, channel: str) -> dict[Function, dict[float, RangeErrors]]:
    """By function and full scale; the same for the same serial number and channel."""
    rng = np.random.default_rng(list(f"{serial}/{channel}".encode()))

    def part() -> float:
        return float(np.clip(rng.normal(0.0, _TYPICAL), -1.0, 1.0))

    def line(accuracy: Accuracy | None) -> Linear:
        gain, offset = part(), part()
        return Linear(1.0, 0.0) if accuracy is None else Linear(1.0 + gain * accuracy.gain, offset * accuracy.offset)

    return {
        function: {scale: RangeErrors(line(each.measure), line(each.source)) for scale, each in ranges.items()}
        for function, ranges in sheet.by_scale.items()
    }
