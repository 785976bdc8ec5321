"""What is written down before a pulse or a touchdown happens, and settled after it."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from hil.model.lab import DieIndex
from hil.store.records import (
    AlignmentDoubt,
    OpenIntent,
    Touch,
    Wear,
)


class PulseIntents(Protocol):
    """drivers.protocols.PulseIds on durable rows, with `at` to say what the next intents are for."""

    def at(self, run: str, wafer: str, die: DieIndex) -> None: ...
    def opened(self, serial: str, session: int) -> None:
        """The controller that all ids from now on are for, and the session with it."""
        ...

    def reserve(self, count: int, pulse_volts: float, pulse_s: float) -> int:
        """Raises PulseIdsExhausted, Unwritable: then no pulse may be sent."""
        ...

    def settle(self, first_id: int, outcomes: Sequence[str]) -> None: ...
    def advance(self, last_id: int) -> None: ...
    def flush(self) -> None:
        """Outcomes told so far are on disk when it returns."""
        ...

    def unsettled(self) -> list[OpenIntent]:
        """Oldest first: what a process that is gone, or a store that could not be written, left open."""
        ...

    def settle_left(self, outcomes: Mapping[int, Sequence[str]], told: Mapping[str | None, str]) -> None:
        """Record what became of unsettled intents, by first id. told: what the record of each run says of it, None: the
        station's. One transaction."""
        ...


class NeedleLog(Protocol):
    """Touchdowns on durable rows, with `at` to say what the next ones are for. For the one thread that moves the chuck."""

    def at(self, wafer: str, run: str | None) -> None: ...
    def wear(self, die: DieIndex | None = None) -> Wear:
        """As it is now. die: of the wafer of `at`."""
        ...

    def book(self, die: DieIndex, attempt: int) -> int:
        """Number of a touchdown to come, on disk when it returns. attempt: which one of its contact, 1, 2, ...

        Raises Unwritable: then nothing may touch.
        """
        ...

    def book_cleaning(self, touches: int) -> int:
        """As `book`, of a cleaning to come."""
        ...

    def give_back(self, number: int) -> None:
        """The prober refused to move: nothing was touched."""
        ...

    def made(self, number: int, touch: Touch) -> None:
        """What came of a booked touchdown."""
        ...

    def cleaned(self, number: int, counter: int) -> None:
        """A booked cleaning came to its end. counter: the prober's own, afterwards."""
        ...

    def lend_overtravel(self, on: bool) -> None:
        """The service is about to switch the prober's overtravel on, or has switched it off again; on disk when it returns."""
        ...

    def note_alignment(self, why: str | None) -> None:
        """What may have moved the wafer on the chuck, seen or told while the run of `at` was measured; None: it is aligned again."""
        ...

    def alignment_doubt(self) -> AlignmentDoubt | None:
        """None while nothing is known against the alignment."""
        ...

    def counted(self, prober: str, counter: int, others: int, text: str | None) -> None:
        """What the prober's own counter says. prober: its serial number. others: touchdowns by it that are not ours. text: how it
        differs from ours, None where there is nothing to tell."""
        ...
