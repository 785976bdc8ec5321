"""What a command that takes its time is made of: a script yields steps, each of which is begun, takes its time and ends.

Rule 1: a script says what happens in which order; how time passes meanwhile is `work`'s affair.
Rule 2: a step that is halted has really come only so far; the error that halted it is raised in the script, at its yield.
"""

from collections.abc import Callable, Generator

from simulator.instruments.sentio.words import Answer

Mark = tuple[float, Callable[[], None]]
"""(seconds after the beginning, what happens then)."""


class Step:
    """seconds: of the machine's own time; known once it has begun."""

    seconds: float = 0.0

    def begin(self) -> None:
        """Raises SentioError when it may not."""

    def marks(self) -> list[Mark]:
        """What happens on the way."""
        return []

    def end(self) -> None:
        """It has taken its time."""

    def halt(self, seconds: float) -> None:
        """It was stopped after so long."""


class Busy(Step):
    """The machine is occupied and the chuck stays."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


class Until(Step):
    """Waits for what others do; the yield gives whether it came in time. seconds: the longest, of the wall's time."""

    def __init__(self, ready: Callable[[], bool], seconds: float) -> None:
        self.ready, self.seconds = ready, seconds


Script = Generator[Step, bool, str | Answer]
"""Ends with its answer's message; raises SentioError."""
Way = Generator[Step, bool, None]
"""Part of a script."""
