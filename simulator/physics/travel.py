"""How long an axis takes for a way, and how far it has come: constant acceleration up to a speed, and the same down to rest.

Units are the caller's: um and um/s, or degrees and degrees/s. Times in s.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Travel:
    """distance: to go, 0 or more. speed, acceleration: above 0."""

    distance: float
    speed: float
    acceleration: float

    @property
    def _peak(self) -> float:
        """Speed that is reached: a short way is over before full speed is."""
        return min(self.speed, math.sqrt(self.distance * self.acceleration))

    @property
    def seconds(self) -> float:
        if self.distance <= 0.0:
            return 0.0
        return self._peak / self.acceleration + self.distance / self._peak

    def at(self, seconds: float) -> float:
        """Distance covered after so long, 0 to `distance`."""
        whole = self.seconds
        if seconds >= whole:
            return self.distance
        if seconds <= 0.0:
            return 0.0
        if seconds > whole / 2.0:
            return self.distance - self.at(whole - seconds)
        ramp = self._peak / self.acceleration
        if seconds <= ramp:
            return self.acceleration * seconds**2 / 2.0
        return self._peak * (seconds - ramp / 2.0)

    def when(self, covered: float) -> float:
        """Time after which so much is covered: the inverse of `at`."""
        if covered >= self.distance:
            return self.seconds
        if covered <= 0.0:
            return 0.0
        if covered > self.distance / 2.0:
            return self.seconds - self.when(self.distance - covered)
        ramp_distance = self._peak**2 / self.acceleration / 2.0
        if covered <= ramp_distance:
            return math.sqrt(2.0 * covered / self.acceleration)
        return self._peak / self.acceleration + (covered - ramp_distance) / self._peak
