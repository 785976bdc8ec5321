"""Where the wafer's surface really is: wedge and bow of wafer and chuck, and how both grow with temperature.

The contact height that was commissioned is the one at which every die touches, so the surface lies at it or a little above it.
Everything here is an ASSUMPTION about a 100 mm silicon wafer on a thermal chuck.
"""

import math
from dataclasses import dataclass

import numpy as np

REFERENCE_C = 25.0
WAFER_RADIUS_UM = 50_000.0
LEAST_UM, WEDGE_UM, BOW_UM = 1.5, 3.0, 1.5
CHUCK_UM_PER_K = 0.5
"""Chuck, thermal plate and column together become higher."""
SILICON_PER_K = 2.6e-6
BESIDE_UM = 700.0
"""Beside the wafer the chuck's own surface lies that much lower."""


@dataclass(frozen=True)
class Surface:
    """centre_um: of the wafer, seen from the home die's centre, wafer frame. uphill: unit vector of the wedge."""

    centre_um: tuple[float, float]
    uphill: tuple[float, float]

    @classmethod
    def of_seed(cls, seed: int, pitch_um: float) -> "Surface":
        angle = float(np.random.default_rng([seed, 9]).uniform(0.0, 2.0 * math.pi))
        return cls((-0.5 * pitch_um, -0.5 * pitch_um), (math.cos(angle), math.sin(angle)))

    def above_commissioned_um(self, x_um: float, y_um: float, temperature_c: float) -> float:
        """How much higher than commissioned the needles meet something at a place of the wafer, um; negative: lower."""
        x, y = ((value - centre) / WAFER_RADIUS_UM for value, centre in zip((x_um, y_um), self.centre_um, strict=True))
        grown = CHUCK_UM_PER_K * (temperature_c - REFERENCE_C)
        radius = math.hypot(x, y)
        if radius > 1.0:
            return grown - BESIDE_UM
        wedge = WEDGE_UM * (1.0 + self.uphill[0] * x + self.uphill[1] * y)
        return LEAST_UM + wedge + BOW_UM * (1.0 - radius**2) + grown


def stretch(temperature_c: float) -> float:
    """By which every length on the wafer is multiplied."""
    return 1.0 + SILICON_PER_K * (temperature_c - REFERENCE_C)
