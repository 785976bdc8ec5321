"""Temperature of a thermal chuck: its sensor follows a ramp, the wafer on it follows the sensor.

Rule: time is an argument, s. Assumptions: rates, the wafer's time constant, soak times.
"""

import math
from dataclasses import dataclass, field

AMBIENT_C = 25.0
WAFER_LAG_S = 45.0
REACHED_K = 0.1
SOAK_S = {-40.0: 900, 25.0: 0, 40.0: 0, 60.0: 120, 85.0: 300, 125.0: 600}
"""Soak times that are set up, by temperature."""


@dataclass
class ChuckHeat:
    """kelvin_per_s: how fast the sensor moves; None: everything is there at once."""

    kelvin_per_s: float | None = None
    target_c: float = AMBIENT_C
    controlling: bool = False
    _from_c: float = AMBIENT_C
    _wafer_from_c: float = AMBIENT_C
    _since_s: float = field(default=0.0)

    def set(self, target_c: float, now_s: float) -> None:
        self._from_c, self._wafer_from_c = self.sensor_c(now_s), self.wafer_c(now_s)
        self.target_c, self._since_s, self.controlling = target_c, now_s, True

    @property
    def _ramp_s(self) -> float:
        return 0.0 if self.kelvin_per_s is None else abs(self.target_c - self._from_c) / self.kelvin_per_s

    def sensor_c(self, now_s: float) -> float:
        ramp_s, since_s = self._ramp_s, now_s - self._since_s
        if since_s >= ramp_s:
            return self.target_c
        return self._from_c + (self.target_c - self._from_c) * since_s / ramp_s

    def wafer_c(self, now_s: float) -> float:
        """First-order lag behind the sensor: exact for a ramp that ends."""
        if self.kelvin_per_s is None:
            return self.target_c
        ramp_s, since_s = self._ramp_s, now_s - self._since_s
        during_s, after_s = min(since_s, ramp_s), max(since_s - ramp_s, 0.0)
        slope = (self.target_c - self._from_c) / ramp_s if ramp_s else 0.0
        behind = self._from_c - self._wafer_from_c - slope * WAFER_LAG_S
        then_c = self._from_c + slope * (during_s - WAFER_LAG_S) - behind * math.exp(-during_s / WAFER_LAG_S)
        return then_c if not after_s else self.target_c + (then_c - self.target_c) * math.exp(-after_s / WAFER_LAG_S)

    def settled(self, now_s: float) -> bool:
        return abs(self.wafer_c(now_s) - self.target_c) < REACHED_K / 2.0

    def state(self, now_s: float) -> str:
        """As SENTIO's thermo chuck names it."""
        difference = self.target_c - self.sensor_c(now_s)
        if abs(difference) > REACHED_K:
            return "Heating" if difference > 0 else "Cooling"
        if not self.controlling:
            return "Uncontrolled"
        soaked_s = now_s - self._since_s - self._ramp_s
        return "Soaking" if self.kelvin_per_s is not None and soaked_s < SOAK_S.get(self.target_c, 0) else "Controlling"
