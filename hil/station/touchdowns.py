"""How often the needles may still come down: on a die's pads, with the probe card, before the next cleaning.

Rule 1: a touchdown is booked durably before the chuck goes up, and given back only where the prober refused to move: one that a stop
or a crash cut short counts. Rule 2: the prober counts as well, also what others make at its panel; where it counts more than we do,
it is believed, where it counts less (its counter was reset, a booked touchdown never came), we are. Either way it is told.
Rule 3: nothing is remembered here; the log is asked each time, so that a card put in meanwhile counts at once.
"""

import logging
from dataclasses import dataclass, field, replace

from hil.model.lab import DieIndex, Limits
from hil.station.errors import CardSpent, CleaningDue, TouchdownsSpent
from hil.store.logs import NeedleLog
from hil.store.records import AlignmentDoubt, Touch, Wear

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Difference:
    """Between the prober's counter and ours. others: touchdowns that it counted and we did not. text: None for a first look."""

    others: int
    text: str | None


def difference(wear: Wear, prober: str, counter: int) -> Difference | None:
    """None where both agree. prober: serial number of the one that says `counter`."""
    if wear.prober != prober or wear.counter is None:
        return Difference(0, None)
    more = counter - wear.counter - wear.booked_since
    if more == 0:
        return None
    if more > 0:
        text = f"the prober counts {more} touchdowns more than were booked here, made at its panel or by another program"
        return Difference(more, f"{text}: they count for the probe card, and on their dies nobody knows of them")
    text = f"the prober counts {-more} touchdowns fewer than were booked here: its counter was reset, or they were cut short"
    return Difference(0, f"{text}; the larger number counts")


class Touchdowns:
    """The budgets of lab.toml over a log, which is `log`. prober: serial number of the one whose counter is compared."""

    def __init__(self, limits: Limits, log: NeedleLog, prober: str) -> None:
        self._limits, self.log, self._prober = limits, log, prober

    def compare(self, counter: int) -> None:
        """Takes note of the prober's own count; a difference is told and counted."""
        found = difference(self.log.wear(), self._prober, counter)
        if found is None:
            return
        if found.text is not None:
            _log.warning("%s", found.text)
        self.log.counted(self._prober, counter, found.others, found.text)

    def book(self, die: DieIndex, attempt: int) -> int:
        """Number of a touchdown to come, on disk. attempt: which one of its contact.

        Raises TouchdownsSpent for the die, CardSpent, CleaningDue, and then nothing was booked; Unwritable.
        """
        wear, limits = self.log.wear(die), self._limits
        if wear.on_die >= limits.touchdowns_per_die:
            raise TouchdownsSpent(die, wear.on_die, limits.touchdowns_per_die)
        if wear.on_card >= limits.touchdowns_per_card:
            raise CardSpent(wear.on_card, limits.touchdowns_per_card)
        if wear.since_cleaning >= limits.touchdowns_per_cleaning:
            raise CleaningDue(wear.since_cleaning, limits.touchdowns_per_cleaning)
        return self.log.book(die, attempt)

    def give_back(self, number: int) -> None:
        """The prober refused to move: nothing was touched."""
        self.log.give_back(number)

    def made(self, number: int, touch: Touch) -> None:
        """What came of a booked touchdown; its count is compared."""
        self.compare(touch.counter)
        self.log.made(number, touch)

    @property
    def cleaning_is_due(self) -> bool:
        return self.log.wear().since_cleaning >= self._limits.touchdowns_per_cleaning

    @property
    def cleanings_left(self) -> int:
        """For this wafer."""
        return max(self._limits.cleanings_per_wafer - self.log.wear().cleanings, 0)

    @property
    def overtravel_lent(self) -> bool:
        """Whether the prober's overtravel was switched on by us, now or before a crash."""
        return self.log.wear().overtravel_lent

    def lend_overtravel(self, on: bool) -> None:
        """Before it is switched on; after it was switched off again."""
        self.log.lend_overtravel(on)

    def book_cleaning(self, touches: int) -> int:
        """Number of a cleaning to come, on disk. touches: of the needles on the cleaning pad."""
        return self.log.book_cleaning(touches)

    def cleaned(self, number: int, counter: int) -> None:
        """counter: the prober's own afterwards, whether it counts cleaning or not."""
        self.log.cleaned(number, counter)


@dataclass
class _Row:
    """One touchdown, cleaning or comparison."""

    kind: str
    count: int
    wafer: str
    die: DieIndex | None = None
    counter: int | None = None


@dataclass
class NeedleLogInMemory:
    """A NeedleLog that lasts as long as it is held: for a station without a store."""

    _rows: list[_Row] = field(default_factory=list[_Row])
    _wafer: str = ""
    _prober: str | None = None
    _lent: bool = False
    _run: str | None = None
    _doubt: tuple[str, str | None] | None = None

    def at(self, wafer: str, run: str | None) -> None:
        self._wafer, self._run = wafer, run

    def wear(self, die: DieIndex | None = None) -> Wear:
        rows, here = self._rows, [row for row in self._rows if row.wafer == self._wafer]
        counted = max((at for at, row in enumerate(rows) if row.counter is not None), default=-1)
        cleaned = max((at for at, row in enumerate(rows) if row.kind == "cleaning" and row.counter is not None), default=-1)
        wear = Wear(
            on_die=sum(row.count for row in here if die is not None and row.die == die),
            on_card=sum(row.count for row in rows),
            since_cleaning=sum(row.count for row in rows[cleaned + 1 :]),
            cleanings=sum(row.kind == "cleaning" for row in here),
            prober=self._prober,
            overtravel_lent=self._lent,
        )
        if counted < 0:
            return wear
        since = (row.count for row in rows[counted + 1 :] if row.kind == "touchdown")
        return replace(wear, counter=rows[counted].counter, booked_since=sum(since))

    def book(self, die: DieIndex, attempt: int) -> int:
        del attempt
        return self._add(_Row("touchdown", 1, self._wafer, die))

    def book_cleaning(self, touches: int) -> int:
        return self._add(_Row("cleaning", touches, self._wafer))

    def give_back(self, number: int) -> None:
        self._rows[number].count = 0

    def made(self, number: int, touch: Touch) -> None:
        self._rows[number].counter = touch.counter

    def cleaned(self, number: int, counter: int) -> None:
        self._rows[number].counter = counter

    def lend_overtravel(self, on: bool) -> None:
        self._lent = on

    def note_alignment(self, why: str | None) -> None:
        self._doubt = None if why is None else (why, self._run)

    def alignment_doubt(self) -> AlignmentDoubt | None:
        if self._doubt is None:
            return None
        why, run = self._doubt
        return AlignmentDoubt(why, told=run is not None and run == self._run)

    def counted(self, prober: str, counter: int, others: int, text: str | None) -> None:
        del text
        self._prober = prober
        self._add(_Row("counted", others, self._wafer, None, counter))

    def _add(self, row: _Row) -> int:
        self._rows.append(row)
        return len(self._rows) - 1
