"""Needles on pads, proven electrically: the prober cannot know whether it touches, only the SMU can.

Rule 1: nothing is driven while the chuck moves; off, isolated, then down, and off, isolated, then up.
Rule 2: the ladder is touch, touch again, touch with the commissioned overtravel; then the die is "no contact", not bad.
Rule 3: overtravel that the ladder switched on is off again as soon as the needles are up, however the die is left.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from drivers.errors import Refused
from drivers.smu.values import SourceSettings
from drivers.values import Placement
from hil.model.lab import DieIndex, Limits
from hil.station.errors import ContactFailed
from hil.station.instruments import Instruments
from hil.station.safety import TouchdownBudget

PAD_VOLTS = 0.02
"""Low enough for any pad pair, high enough for 1 kOhm to be read in microamperes."""
_PLAIN_TOUCHES = 2


@dataclass(frozen=True)
class ContactResult:
    """ohms: resistance of the die's shorted pad pair. touchdowns: made for this result, retries included."""

    ohms: float
    touchdowns: int


@dataclass(frozen=True)
class Contact:
    """A proven contact. placement: read back before the pad pair was measured, so that the measurement proves it too."""

    result: ContactResult
    placement: Placement


@runtime_checkable
class HasOvertravel(Protocol):
    """A prober with a commissioned overtravel gap that can be switched on and off."""

    def set_overtravel(self, on: bool) -> float: ...


class ContactMaker:
    """Brings the needles down on the die under them and climbs the ladder when they do not reach.

    checkpoint: called between touchdowns; may raise to stop.
    """

    def __init__(self, instruments: Instruments, limits: Limits, budget: TouchdownBudget, checkpoint: Callable[[], None]) -> None:
        self._instruments = instruments
        self._limits = limits
        self._budget = budget
        self._checkpoint = checkpoint
        self._overtravel_is_ours = False

    def lift(self) -> None:
        """Off, isolated, separated; idempotent."""
        # Output off before lift: lifting under bias arcs the pads.
        self._instruments.off_and_isolated()
        self.separate()

    def separate(self) -> None:
        """Needles up, then the ladder's overtravel off. Whoever calls has switched everything off, as far as it can be."""
        self._instruments.prober.separate()
        self._return_overtravel()

    def make(self, die: DieIndex) -> Contact:
        """In contact on return. Raises ContactFailed with everything off and the needles up."""
        self.lift()
        ohms, touches = math.inf, 0
        while touches < _PLAIN_TOUCHES or (touches == _PLAIN_TOUCHES and self._take_overtravel()):
            placement, touches = self._touch(die), touches + 1
            ohms = self._pad_ohms()
            if ohms <= self._limits.contact_ohms:
                return Contact(ContactResult(ohms, touches), placement)
            self.lift()
        raise ContactFailed(die, ohms, touches, self._limits.contact_ohms)

    def _touch(self, die: DieIndex) -> Placement:
        self._checkpoint()
        self._instruments.off_and_isolated()
        self._budget.spend(die)
        try:
            self._instruments.prober.contact()
        except Refused:
            self._budget.give_back(die)
            raise
        return self._instruments.prober.placement()

    def _pad_ohms(self) -> float:
        """Resistance of the pad pair through the SMU with every junction isolated; inf when no current flows. Leaves all off."""
        smu, crossbar = self._instruments.smu, self._instruments.crossbar
        smu.configure(SourceSettings(limit_amps=self._limits.current_amps, limit_volts=PAD_VOLTS))
        crossbar.select_contact_pads()
        smu.output_on()
        reading = smu.measure(PAD_VOLTS)
        self._instruments.off_and_isolated()
        # Both are measured, so the quotient holds even where the SMU limits into a low resistance.
        return math.inf if reading.amps <= 0 else reading.volts / reading.amps

    def _take_overtravel(self) -> bool:
        """Whether a touch with overtravel differs from the touches before it."""
        prober = self._instruments.prober
        if not isinstance(prober, HasOvertravel) or prober.state().overtravel_on:
            return False
        try:
            gap_um = prober.set_overtravel(True)
        except Refused:
            return False  # beyond the lab's limit: the ladder ends here
        self._overtravel_is_ours = True
        return gap_um > 0

    def _return_overtravel(self) -> None:
        prober = self._instruments.prober
        if self._overtravel_is_ours and isinstance(prober, HasOvertravel):
            prober.set_overtravel(False)
            self._overtravel_is_ours = False
