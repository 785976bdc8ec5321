"""Vacuum and doors while the needles are down. Before they come down the prober's driver sees to both; here, that they stay so."""

import math
from collections.abc import Callable

from drivers.protocols import Prober
from hil.model.lab import DieIndex
from hil.station.errors import InterlockOpen

LOOK_S = 1.0
"""How often they are looked at."""


class Interlocks:
    """monotonic: seconds."""

    def __init__(self, prober: Prober, monotonic: Callable[[], float]) -> None:
        self._prober, self._monotonic = prober, monotonic
        self._looked_at = -math.inf

    def seen(self) -> None:
        """The driver has just looked."""
        self._looked_at = self._monotonic()

    def require_shut(self, die: DieIndex) -> None:
        """die: in contact. Raises InterlockOpen when nothing holds the wafer any more, or somebody may reach in."""
        if self._monotonic() - self._looked_at < LOOK_S:
            return
        state = self._prober.state()
        self.seen()
        wrong = [] if state.vacuum_on else ["the chuck vacuum is off: align the wafer again before going on"]
        wrong += [] if state.doors_closed else ["a door is open: close it"]
        if wrong:
            raise InterlockOpen(f"while the needles were down on die {die}, {'; '.join(wrong)}; what was just measured is discarded")
