"""How long a pretended instrument's time takes on the wall. `real`: as long as it says. `fast`: motion, settling, apertures,
pulses, soak and line speed take no wall time. Dead man and time-outs run on wall time in both, so `now_ns` is the same for both.
"""

import time
from dataclasses import dataclass
from typing import Literal

ClockName = Literal["real", "fast"]


@dataclass(frozen=True)
class Clock:
    name: ClockName = "real"

    def now_ns(self) -> int:
        """Wall time, monotonic."""
        return time.monotonic_ns()

    def wall_ns(self, busy_ns: int) -> int:
        """Wall time that an instrument's busy time takes."""
        return busy_ns if self.name == "real" else 0
