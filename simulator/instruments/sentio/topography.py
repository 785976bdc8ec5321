"""The measured shape of the wafer: by how much contact lies higher or lower on a die than at home.

Assumption: what is measured is true; it is measured over the whole wafer at once.
"""

from collections.abc import Callable

from simulator.instruments.sentio.codes import Code
from simulator.instruments.sentio.words import SentioError
from simulator.needles import Needles


class Topography:
    """home_um: stage position of home, None while not set. on: contact follows the shape."""

    def __init__(self, needles: Needles, home_um: Callable[[], tuple[float, float] | None]) -> None:
        self._needles, self._home_um = needles, home_um
        self.measured = self.on = False

    def measure(self) -> None:
        self.measured = True

    def enable(self, on: bool) -> None:
        """Raises SentioError MISSING_TOPOGRAPHY_TABLE."""
        if on and not self.measured:
            raise SentioError(Code.MISSING_TOPOGRAPHY_TABLE, "Missing topography table")
        self.on = on

    def forget(self) -> None:
        """Another wafer."""
        self.measured = self.on = False

    def above_home_um(self) -> float:
        """How much higher contact is here than at home, um; 0 while it is off."""
        home_um = self._home_um()
        if not self.on or home_um is None:
            return 0.0
        return self._needles.first_touch_um() - self._needles.first_touch_um(home_um)
