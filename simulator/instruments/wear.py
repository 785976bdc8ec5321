"""What the board counts of each junction since it started. Numbers lie on the junction itself, whatever number the host calls it by."""

import numpy as np
from numpy.typing import NDArray

from firmware_protocol.codes import Wear
from firmware_protocol.geometry import Geometry

MOST = 0xFFFF
"""Shown for so many or more."""


class WearCounters:
    """Pulses of either polarity and readings of every junction."""

    def __init__(self, geometry: Geometry) -> None:
        self._shape = geometry.shape
        self._counts = np.zeros((len(Wear), geometry.devices), dtype=np.uint32)

    def pulsed(self, devices: NDArray[np.integer], amplitude_uv: int | NDArray[np.integer]) -> None:
        """amplitude_uv: of all, or one each. A device named twice counts twice; no voltage wears nothing."""
        if isinstance(amplitude_uv, int):
            self._add(Wear.POSITIVE_PULSES if amplitude_uv > 0 else Wear.NEGATIVE_PULSES, devices if amplitude_uv else devices[:0])
            return
        self._add(Wear.POSITIVE_PULSES, devices[amplitude_uv > 0])
        self._add(Wear.NEGATIVE_PULSES, devices[amplitude_uv < 0])

    def read(self, devices: NDArray[np.integer]) -> None:
        self._add(Wear.READINGS, devices)

    def read_kernel(self, kernel: int, times: int = 1) -> None:
        self._counts[Wear.READINGS].reshape(self._shape)[kernel] += np.uint32(times)

    def _add(self, wear: Wear, devices: NDArray[np.integer]) -> None:
        np.add.at(self._counts[wear], devices, 1)

    def counts(self, kernel: int, wear: Wear) -> NDArray[np.uint16]:
        """(rows, columns) u16, at most MOST."""
        return np.minimum(self._counts[wear].reshape(self._shape)[kernel], MOST).astype("<u2")
