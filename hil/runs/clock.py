"""Whether the clock of the wall was set while a run measured: its times say so then. Timers never ask it."""

from collections.abc import Callable
from datetime import datetime

TOLERANCE_S = 2.0
"""What the two clocks may drift apart between two looks; more is somebody, or the time service, setting one."""
STEPPED = "clock stepped"
"""Kind of the note in a run's record."""


class WallClock:
    """now: UTC. monotonic: seconds. stepped: it was set before, earlier in the same run."""

    def __init__(self, now: Callable[[], datetime], monotonic: Callable[[], float], stepped: bool = False) -> None:
        self._now, self._monotonic = now, monotonic
        self._wall, self._at = now(), monotonic()
        self._stepped, self._untold_s = stepped, 0.0

    def stepped(self) -> bool:
        """Whether it was set since the run began."""
        wall, at = self._now(), self._monotonic()
        by_s = (wall - self._wall).total_seconds() - (at - self._at)
        self._wall, self._at = wall, at
        if abs(by_s) > TOLERANCE_S:
            self._stepped, self._untold_s = True, self._untold_s + by_s
        return self._stepped

    def news(self) -> float | None:
        """By how much it was set since this was last asked, s; None when it was not."""
        self.stepped()
        by_s, self._untold_s = self._untold_s, 0.0
        return by_s if by_s else None
