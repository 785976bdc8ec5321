"""What a run needs to know beside its plan and its station: values, and two ways to ask (an object, the time)."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hil.analysis.calibration import Calibration
from hil.model.lab import DieIndex
from hil.model.runs import Step
from hil.store.records import LiveRecord

Arrays = Mapping[str, NDArray[Any]]
Done = Mapping[int, Arrays]
"""Arrays of committed steps by step index: what a resumed run does not measure again."""


@dataclass(frozen=True)
class Spot:
    """A kernel to measure. begun: its run was stopped before, maybe in the middle of it: it may have been pulsed. index: of its
    step. before: arrays of the die's kernels that are measured already, by kernel."""

    die: DieIndex
    kernel: int
    begun: bool = False
    index: int = 0
    before: Mapping[int, Arrays] = field(default_factory=dict[int, Arrays])


def _not_stepped() -> bool:
    return False


def _never_calibrated(_board: str) -> Calibration | None:
    return None


class LiveRequests(Protocol):
    """What others ask of the die that this run holds."""

    def take(self) -> LiveRecord | None: ...
    def answer(self, number: int, data: bytes, meta: Mapping[str, Any]) -> None: ...
    def refuse(self, number: int, error: str) -> None: ...


class NobodyAsks:
    """For a run outside the service."""

    def take(self) -> LiveRecord | None:
        return None

    def answer(self, number: int, data: bytes, meta: Mapping[str, Any]) -> None:
        raise LookupError(f"request {number} was never made ({len(data)} bytes, {len(meta)} facts)")

    def refuse(self, number: int, error: str) -> None:
        raise LookupError(f"request {number} was never made ({error})")


@dataclass(frozen=True)
class RunContext:
    """kernels: of the chip. stored: what this run has stored of each die before it was stopped, id by (die, name): a map's
    name is its state, the defect map's "defects", an object's its own.

    load: an object's array by its sha256. now: the time, UTC. code_version: of this service, for the metadata.
    touched: dies that this run was in contact with before it was stopped, maybe in the middle of a step of one of them.
    monotonic: seconds, for durations. clock_stepped: whether the wall's clock was set while the run measured. live: requests to the
    die it holds. calibration: the newest one of a board, by its serial number; None where there is none that is valid now.
    """

    run: str
    plan_hash: str
    code_version: str
    kernels: int
    steps: Sequence[Step]
    stored: Mapping[tuple[DieIndex, str], str]
    load: Callable[[str], NDArray[Any]]
    now: Callable[[], datetime]
    touched: Collection[DieIndex] = ()
    monotonic: Callable[[], float] = time.monotonic
    clock_stepped: Callable[[], bool] = _not_stepped
    live: LiveRequests = field(default_factory=NobodyAsks)
    calibration: Callable[[str], Calibration | None] = _never_calibrated


@dataclass(frozen=True)
class Measured:
    """Results of one step. arrays: (rows, columns) or (batch, columns) by name. notes: what the operator should know: kind and
    text."""

    arrays: Arrays
    flagged: int = 0
    notes: tuple[tuple[str, str], ...] = ()


def stacked(of_kernels: Mapping[int, Arrays], name: str, kernels: int, missing: Any) -> NDArray[Any]:
    """Arrays of one name, by kernel, as (kernels, rows, columns); `missing` where a kernel was not visited."""
    first = next(iter(of_kernels.values()))[name]
    whole = np.full((kernels, *first.shape), missing, dtype=first.dtype)
    for kernel, arrays in of_kernels.items():
        whole[kernel] = arrays[name]
    return whole
