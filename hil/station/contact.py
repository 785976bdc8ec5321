"""Needles on pads, proven electrically: the prober cannot know whether it touches, only the SMU can.

Rule 1: nothing is driven while the chuck moves; off, isolated, then down, and off, isolated, then up.
Rule 2: the ladder is touch, touch again, press harder step by step, clean the needles where the lab lets the prober do that; then the
die is "no contact", not bad. A rung that cannot help is left out: cleaning does nothing for needles that touch nothing.
Rule 3: every touchdown is booked before the chuck goes up; a stop between two rungs loses none.
"""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from drivers.errors import ProberBug, ProberNeedsOperator, ProberRetryable, Refused
from drivers.smu.values import SourceSettings
from drivers.values import Placement, ProberState
from hil.model.lab import DieIndex, Limits
from hil.station.errors import OPEN_OHMS, ContactFailed, WrongDie
from hil.station.instruments import Instruments
from hil.station.touchdowns import Touchdowns
from hil.store.records import Finding, Touch

_log = logging.getLogger(__name__)

PAD_VOLTS = 0.02
"""Low enough for any pad pair, high enough for 1 kOhm to be read in microamperes."""
PRESS_STEP_UM = 10.0
CLEANING_TOUCHES = 5


@dataclass(frozen=True)
class ContactResult:
    """ohms: resistance of the die's shorted pad pair. touchdowns: made for this result, retries included. overtravel_um: beyond contact
    height, at that result."""

    ohms: float
    touchdowns: int
    overtravel_um: float = 0.0


@dataclass(frozen=True)
class Contact:
    """A proven contact. placement: read back before the pad pair was measured, so that the measurement proves it too."""

    result: ContactResult
    placement: Placement


@runtime_checkable
class CanPress(Protocol):
    """A prober that can be told how deep the needles go into the pads."""

    def press(self, overtravel_um: float) -> ProberState: ...


@runtime_checkable
class CanClean(Protocol):
    """A prober with a pad to clean needles on."""

    def clean(self, touchdowns: int) -> None: ...


@dataclass
class _Down:
    """Needles on a die. number: of the booked touchdown; attempt: which one of its contact it is."""

    die: DieIndex
    number: int
    attempt: int
    overtravel_um: float
    placement: Placement
    ohms: float = math.inf

    def finding(self, limit_ohms: float) -> Finding:
        if self.ohms <= limit_ohms:
            return "contact"
        return "high resistance" if self.ohms < OPEN_OHMS else "open"

    def touch(self, limit_ohms: float) -> Touch:
        return Touch(self.placement.contacts, self.finding(limit_ohms), self.ohms, self.overtravel_um)


class ContactMaker:
    """Brings the needles down on the die under them and climbs the ladder when they do not reach.

    checkpoint: called between touchdowns; may raise to stop.
    """

    def __init__(self, instruments: Instruments, limits: Limits, touchdowns: Touchdowns, checkpoint: Callable[[], None]) -> None:
        self._instruments = instruments
        self._limits = limits
        self._touchdowns = touchdowns
        self._checkpoint = checkpoint

    def lift(self) -> None:
        """Off, isolated, separated; idempotent."""
        # Output off before lift: lifting under bias arcs the pads.
        self._instruments.off_and_isolated()
        self._instruments.prober.separate()

    def make(self, die: DieIndex) -> Contact:
        """In contact on return. Raises ContactFailed (TouchdownsSpent among them) and NeedlesSpent with everything off, the needles up."""
        self.lift()
        down = self._touch(die, 1)
        for another in (self._again, self._pressed, self._cleaned):
            if down.finding(self._limits.contact_ohms) == "contact":
                break
            down = another(down) or down
        if down.finding(self._limits.contact_ohms) == "contact":
            return Contact(ContactResult(down.ohms, down.attempt, down.overtravel_um), down.placement)
        self.lift()
        raise ContactFailed(die, down.ohms, down.attempt, self._limits.contact_ohms, down.finding(self._limits.contact_ohms))

    # --- rungs: needles on the pads anew, or None where this one would change nothing
    def _again(self, down: _Down) -> _Down | None:
        self.lift()
        return self._touch(down.die, down.attempt + 1)

    def _pressed(self, down: _Down) -> _Down | None:
        """Deeper into the pads, as far as the lab allows."""
        prober = self._instruments.prober
        if not isinstance(prober, CanPress):
            return None
        while down.overtravel_um < self._limits.overtravel_um and down.finding(self._limits.contact_ohms) != "contact":
            self._checkpoint()
            state = prober.press(min(down.overtravel_um + PRESS_STEP_UM, self._limits.overtravel_um))
            self._require_on(down.die, state)
            down.overtravel_um, down.placement = _overtravel_um(state), self._instruments.prober.placement()
            self._measure(down)
        return down

    def _cleaned(self, down: _Down) -> _Down | None:
        if down.finding(self._limits.contact_ohms) == "open" or not self._touchdowns.cleanings_left:
            return None
        self.lift()
        if not self._clean(down.die):
            return None
        fresh = self._touch(down.die, down.attempt + 1)
        return self._pressed(fresh) or fresh

    # --- one touchdown
    def _touch(self, die: DieIndex, attempt: int) -> _Down:
        self._checkpoint()
        self._instruments.off_and_isolated()
        self._touchdowns.compare(self._instruments.prober.contact_count())
        if self._touchdowns.cleaning_is_due and self._touchdowns.cleanings_left:
            self._clean(die)
        number = self._touchdowns.book(die, attempt)
        try:
            state = self._instruments.prober.contact()
        except Refused:
            self._touchdowns.give_back(number)
            raise
        self._require_on(die, state)
        down = _Down(die, number, attempt, _overtravel_um(state), self._instruments.prober.placement())
        self._measure(down)
        return down

    def _require_on(self, die: DieIndex, state: ProberState) -> None:
        if state.die != die:
            raise WrongDie(
                f"the needles were put on die {die}, the prober reads back {state.die}: nothing is measured there; look at its wafer map"
            )

    def _measure(self, down: _Down) -> None:
        down.ohms = self._pad_ohms()
        self._touchdowns.made(down.number, down.touch(self._limits.contact_ohms))

    def _pad_ohms(self) -> float:
        """Resistance of the pad pair through the SMU with every junction isolated; inf when no current flows. Leaves all off."""
        smu, crossbar = self._instruments.smu, self._instruments.crossbar
        smu.configure(SourceSettings(limit_amps=self._limits.current_amps, limit_volts=PAD_VOLTS))
        crossbar.select_contact_pads()
        smu.output_on()
        reading = smu.measure(PAD_VOLTS)
        self._instruments.off_and_isolated()
        # Both are measured, so the quotient holds even where the SMU limits into a low resistance.
        return math.inf if not reading.amps > 0 else reading.volts / reading.amps

    def _clean(self, die: DieIndex) -> bool:
        """Whether the needles were cleaned; they are up, and over the die again. Raises ProberFatal, LinkError."""
        prober = self._instruments.prober
        if not isinstance(prober, CanClean):
            return False
        number = self._touchdowns.book_cleaning(CLEANING_TOUCHES)
        try:
            prober.clean(CLEANING_TOUCHES)
        except Refused as error:
            self._touchdowns.give_back(number)
            _log.warning("the needles are not cleaned: %s", error)
            return False
        except (ProberBug, ProberNeedsOperator, ProberRetryable) as error:
            _log.warning("the needles could not be cleaned: %s", error)
            cleaned = False
        else:
            self._touchdowns.cleaned(number, prober.contact_count())
            cleaned = True
        self._require_on(die, prober.go_to_die(*die))
        return cleaned


def _overtravel_um(state: ProberState) -> float:
    """Beyond contact height."""
    return round(max(state.z_um - state.contact_z_um, 0.0), 3)
