"""Life of a run: its states, which change is legal, and what it emits. A step (one kernel of one die) is the unit of
progress, checkpoint, stop and resume."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.model.lab import DieIndex
from hil.model.maps import ConductanceMap, DefectMap, Meta


class RunState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    FAILED = "failed"
    ABORTED = "aborted"
    INTERRUPTED = "interrupted"


TRANSITIONS: Mapping[RunState, frozenset[RunState]] = {
    RunState.QUEUED: frozenset({RunState.RUNNING, RunState.ABORTED}),
    RunState.RUNNING: frozenset({RunState.PAUSED, RunState.FINISHED, RunState.FAILED, RunState.ABORTED, RunState.INTERRUPTED}),
    RunState.PAUSED: frozenset({RunState.QUEUED, RunState.ABORTED}),
    RunState.INTERRUPTED: frozenset({RunState.QUEUED, RunState.ABORTED}),
    RunState.FINISHED: frozenset(),
    RunState.FAILED: frozenset(),
    RunState.ABORTED: frozenset(),
}
"""The only legal changes. Resume puts a paused or interrupted run back at the head of the queue; it goes on after its
last committed step, with contact and identification done anew."""

ENDED = frozenset({RunState.FINISHED, RunState.FAILED, RunState.ABORTED, RunState.INTERRUPTED})


class IllegalTransition(ValueError):
    """A run asked to change to a state it cannot reach; the text names both and what can be done instead."""


def check_transition(run_id: str, old: RunState, new: RunState) -> None:
    """Raises IllegalTransition."""
    if new not in TRANSITIONS[old]:
        allowed = ", ".join(sorted(TRANSITIONS[old])) or "nothing: it has ended"
        raise IllegalTransition(f"run {run_id} is {old} and cannot become {new}; possible: {allowed}")


@dataclass(frozen=True)
class Step:
    """One unit of a run. index counts from 0 over the whole run; kernel is None when the step is a whole die."""

    index: int
    die: DieIndex
    kernel: int | None


@dataclass(frozen=True)
class ContactMade:
    """The pad pair was measured after a touchdown. ohms: its resistance; touchdowns: made for it; overtravel_um: beyond contact height."""

    die: DieIndex
    ohms: float
    touchdowns: int
    overtravel_um: float = 0.0


@dataclass(frozen=True)
class StepMeasured:
    """A step is done. arrays: named results, as its procedure describes them; flagged: readings not trusted."""

    step: Step
    arrays: Mapping[str, NDArray[np.generic]]
    flagged: int = 0


@dataclass(frozen=True)
class MapMeasured:
    """A die's map is complete. From the moment this event is stored the map exists."""

    die: DieIndex
    map: ConductanceMap | DefectMap


@dataclass(frozen=True)
class ObjectMeasured:
    """A result that is no map, an array with a name; which names a kind of plan has, and their shapes, is told in hil.runs.results
    and hil.runs.single_results. meta: as of a map.
    """

    die: DieIndex
    name: str
    array: NDArray[np.generic]
    meta: Meta = field(default_factory=dict)


@dataclass(frozen=True)
class CalibrationMade:
    """A board's lines are known. document: JSON, see hil.analysis.calibration; values, covariance: of its parameters."""

    die: DieIndex
    document: Meta
    values: NDArray[np.float64]
    covariance: NDArray[np.float64]


@dataclass(frozen=True)
class Noted:
    """Something the operator should know: a retry, a refused reading, counters of the wires at the end."""

    kind: str
    text: str
    data: Mapping[str, Any] = field(default_factory=dict)


Event = ContactMade | StepMeasured | MapMeasured | ObjectMeasured | CalibrationMade | Noted


@dataclass(frozen=True)
class Waiting:
    """Nothing to do for so long. Whoever pulls a run's events waits then, heeding stops and the operator's wishes; it is never stored.

    A run that waits itself would be deaf meanwhile.
    """

    seconds: float
