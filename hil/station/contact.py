"""Needles on pads, proven electrically: the prober cannot know whether it touches, only the SMU can.

Rule 1: nothing is driven while the chuck moves; off, isolated, then down, and off, isolated, then up.
Rule 2: the ladder is touch, touch again, touch with the commissioned overtravel (which the prober's driver climbs step by step), clean the
needles where the lab lets the prober do that; then the die is "no contact", not bad. A rung that cannot help is left out: cleaning does
nothing for needles that touch nothing.
Rule 3: every touchdown is booked before the chuck goes up; a stop between two rungs loses none.
Rule 4: overtravel that the ladder switched on is off again as soon as the needles are up, however the die is left; after a crash, as
soon as the next one lifts them.
"""

import logging
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from drivers.errors import ProberBug, ProberNeedsOperator, ProberRetryable, Refused
from drivers.smu.values import SourceSettings
from drivers.values import Placement, ProberState
from hil.model.lab import DieIndex, Limits
from hil.station.alignment import Alignment
from hil.station.errors import OPEN_OHMS, ContactFailed, WrongDie
from hil.station.instruments import Instruments
from hil.station.touchdowns import Touchdowns
from hil.store.errors import Unwritable
from hil.store.records import Finding, Touch

_log = logging.getLogger(__name__)

PAD_VOLTS = 0.02
"""Low enough for any pad pair, high enough for 1 kOhm to be read in microamperes."""
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
class HasOvertravel(Protocol):
    """A prober with a commissioned overtravel gap that can be switched on and off."""

    def set_overtravel(self, on: bool) -> float: ...


@runtime_checkable
class CanClean(Protocol):
    """A prober with a pad to clean needles on."""

    def clean(self, touchdowns: int) -> None: ...


@dataclass(frozen=True)
class _Down:
    """Needles on a die, measured. attempt: which touchdown of its contact this is."""

    die: DieIndex
    attempt: int
    overtravel_um: float
    placement: Placement
    ohms: float
    finding: Finding


class ContactMaker:
    """Brings the needles down on the die under them and climbs the ladder when they do not reach.

    checkpoint: called between touchdowns; may raise to stop.
    """

    def __init__(self, instruments: Instruments, limits: Limits, touchdowns: Touchdowns, checkpoint: Callable[[], None]) -> None:
        self._instruments = instruments
        self._limits = limits
        self._touchdowns = touchdowns
        self._checkpoint = checkpoint
        self._alignment = Alignment(instruments.prober, touchdowns.log)
        self._overtravel_is_ours = touchdowns.overtravel_lent

    def lift(self) -> None:
        """Off, isolated, separated; idempotent."""
        # Output off before lift: lifting under bias arcs the pads.
        self._instruments.off_and_isolated()
        self.separate()

    def separate(self) -> None:
        """Needles up, then the ladder's overtravel off. Whoever calls has switched everything off, as far as it can be."""
        self._instruments.prober.separate()
        self._return_overtravel()
        with suppress(Unwritable):
            self.look_at_alignment()

    def look_at_alignment(self) -> None:
        """Whether the prober's driver has seen what may have moved the wafer; it is asked, not the prober. Raises Unwritable."""
        self._alignment.look()

    def make(self, die: DieIndex) -> Contact:
        """In contact on return. Raises ContactFailed (TouchdownsSpent among them) and NeedlesSpent with everything off, the needles up."""
        self.lift()
        down = self._touch(die, 1)
        for another in (self._again, self._deeper, self._cleaned):
            if down.finding == "contact":
                break
            self.lift()
            down = another(down) or down
        if down.finding != "contact":
            self.lift()
            raise ContactFailed(die, down.ohms, down.attempt, self._limits.contact_ohms, down.finding)
        return Contact(ContactResult(down.ohms, down.attempt, down.overtravel_um), down.placement)

    # --- rungs: needles on the pads once more, or None where this one would change nothing; they are up before
    def _again(self, down: _Down) -> _Down | None:
        return self._touch(down.die, down.attempt + 1)

    def _deeper(self, down: _Down) -> _Down | None:
        return self._touch(down.die, down.attempt + 1) if self._take_overtravel() else None

    def _cleaned(self, down: _Down) -> _Down | None:
        if down.finding == "open" or not self._touchdowns.cleanings_left or not self._clean(down.die):
            return None
        self._take_overtravel()
        return self._touch(down.die, down.attempt + 1)

    # --- one touchdown
    def _touch(self, die: DieIndex, attempt: int) -> _Down:
        self._checkpoint()
        self._instruments.off_and_isolated()
        self._alignment.require()
        self._touchdowns.compare(self._instruments.prober.contact_count())
        if self._touchdowns.cleaning_is_due and self._touchdowns.cleanings_left:
            self._clean(die)
        number = self._touchdowns.book(die, attempt)
        try:
            state = self._instruments.prober.contact()
        except Refused:
            self._touchdowns.give_back(number)
            raise
        except ProberRetryable as error:
            if attempt > 1:
                raise
            _log.warning("%s; once more", error)
            self.lift()
            return self._touch(die, attempt + 1)
        self._require_on(die, state)
        placement, ohms = self._instruments.prober.placement(), self._pad_ohms()
        down = _Down(die, attempt, _overtravel_um(state), placement, ohms, self._finding(ohms))
        self._touchdowns.made(number, Touch(placement.contacts, down.finding, ohms, down.overtravel_um))
        return down

    def _finding(self, ohms: float) -> Finding:
        if ohms <= self._limits.contact_ohms:
            return "contact"
        return "high resistance" if ohms < OPEN_OHMS else "open"

    def _require_on(self, die: DieIndex, state: ProberState) -> None:
        if state.die != die:
            raise WrongDie(
                f"the needles were put on die {die}, the prober reads back {state.die}: nothing is measured there; look at its wafer map"
            )

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

    # --- overtravel
    def _take_overtravel(self) -> bool:
        """Whether a touch with overtravel differs from the touches before it."""
        prober = self._instruments.prober
        if not isinstance(prober, HasOvertravel) or prober.state().overtravel_on:
            return False
        self._touchdowns.lend_overtravel(True)
        self._overtravel_is_ours = True
        try:
            return prober.set_overtravel(True) > 0
        except Refused:
            self._returned()
            return False  # beyond the lab's limit: the ladder ends here

    def _return_overtravel(self) -> None:
        prober = self._instruments.prober
        if self._overtravel_is_ours and isinstance(prober, HasOvertravel):
            prober.set_overtravel(False)
            self._returned()

    def _returned(self) -> None:
        self._overtravel_is_ours = False
        # A disk that takes no word of it keeps nobody from lifting: what stays marked as lent is switched off once more.
        with suppress(Unwritable):
            self._touchdowns.lend_overtravel(False)

    # --- cleaning
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
