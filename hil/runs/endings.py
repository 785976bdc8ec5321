"""How a run ends that something went wrong with, in words an operator can act on.

Rule 1: what a person can mend without harm to the run, a lost line, a disk that takes nothing, an open door or a worn probe card, pauses
it. Rule 2: only a person lets it go on: needles that move by themselves surprise whoever is mending."""

import logging
from dataclasses import dataclass

from drivers.errors import DriverError, MotionRefused, OutputMayBeOn, ProberNeedsOperator, ProberRetryable
from hil.model.refusals import PlanRefused
from hil.model.runs import RunState
from hil.runs.errors import CommandMissing, RunFailed
from hil.station.describe import lost
from hil.station.errors import InterlockOpen, NeedlesSpent, NotAligned, NotMadeSafe, StationError
from hil.store.errors import StoreError, Unwritable

_log = logging.getLogger(__name__)

_NAMED = (DriverError, StationError, StoreError, RunFailed, PlanRefused, CommandMissing)
"""Errors whose text is written for the operator; any other one is a fault of ours and is told with its type."""
_AT_THE_PROBER = (ProberNeedsOperator, ProberRetryable, MotionRefused, InterlockOpen, NotAligned, NeedlesSpent)
"""What somebody puts right there."""
_FOLLOWS = (NotMadeSafe, OutputMayBeOn, GeneratorExit)
"""What comes of something else that went wrong before it."""


@dataclass(frozen=True)
class Ending:
    """text: why, None where nothing went wrong. cut_short: in the middle of a step."""

    state: RunState
    text: str | None = None
    cut_short: bool = False

    @property
    def links_in_doubt(self) -> bool:
        """Nobody knows what state they are in: they have to be opened anew."""
        return self.cut_short or self.state is RunState.FAILED or (self.state is RunState.PAUSED and self.text is not None)


def ending_of(run: str, error: Exception, disk: Unwritable | None) -> Ending:
    """run: its id. disk: why nothing can be written now, if so; what else broke, such as a session that the watchdog took because
    no heartbeat could be kept, may follow from it."""
    text, first = story(error), _first(error)
    full = first if isinstance(first, Unwritable) else disk
    if full is not None:
        told = text if str(full) in text else f"{text}; {full}"
        return _paused(run, told, "when it can be written again")
    if lost(first):
        return _paused(run, text, "when the instrument is back")
    if isinstance(first, _AT_THE_PROBER):
        return _paused(run, text, "when that has been put right")
    if not isinstance(error, _NAMED):
        _log.exception("run %s", run)
        text = f"a fault of the service, please report it: {type(error).__name__}: {error}"
    return Ending(RunState.FAILED, text)


def story(error: BaseException) -> str:
    """What went wrong first, when making safe went wrong after it."""
    before = error.__context__
    if not isinstance(error, NotMadeSafe) or before is None or isinstance(before, GeneratorExit):
        return str(error)
    return f"{before}; and {error}"


def _paused(run: str, text: str, when: str) -> Ending:
    return Ending(RunState.PAUSED, f"{text}; the run is paused: {when}, `hil resume {run}` lets it go on after its last kept kernel")


def _first(error: BaseException) -> BaseException:
    while isinstance(error, _FOLLOWS) and (before := error.__cause__ or error.__context__) is not None:
        error = before
    return error
