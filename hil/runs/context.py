"""What a run needs to know beside its plan and its station: values, and two ways to ask (an object, the time)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.model.lab import DieIndex
from hil.model.runs import Step

Arrays = Mapping[str, NDArray[Any]]
Done = Mapping[int, Arrays]
"""Arrays of committed steps by step index: what a resumed run does not measure again."""


@dataclass(frozen=True)
class Spot:
    """A kernel to measure. begun: its run was stopped before, maybe in the middle of it: nobody knows what state it is in."""

    die: DieIndex
    kernel: int
    begun: bool = False


def _no_map(_die: DieIndex, _state: str) -> NDArray[np.float32] | None:
    return None


@dataclass(frozen=True)
class RunContext:
    """kernels: of the chip. stored: what this run has stored of each die before it was stopped, id by (die, name): a map's
    name is its state, the defect map's "defects", an object's its own.

    load: an object's array by its sha256. now: the time, UTC. code_version: of this service, for the metadata.
    resumed: the run was stopped before, maybe in the middle of the first step that is not kept.
    mapped: (kernels, rows, columns) S, the newest map of a die in a state, "P" or "AP", read as the plan reads; None without.
    """

    run: str
    plan_hash: str
    code_version: str
    kernels: int
    steps: Sequence[Step]
    stored: Mapping[tuple[DieIndex, str], str]
    load: Callable[[str], NDArray[Any]]
    now: Callable[[], datetime]
    resumed: bool = False
    mapped: Callable[[DieIndex, str], NDArray[np.float32] | None] = _no_map


@dataclass(frozen=True)
class Measured:
    """Results of one step. arrays: (rows, columns) or (batch, columns) by name. notes: what the operator should know."""

    arrays: Arrays
    flagged: int = 0
    notes: tuple[str, ...] = ()


def stacked(of_kernels: Mapping[int, Arrays], name: str, kernels: int, missing: Any) -> NDArray[Any]:
    """Arrays of one name, by kernel, as (kernels, rows, columns); `missing` where a kernel was not visited."""
    first = next(iter(of_kernels.values()))[name]
    whole = np.full((kernels, *first.shape), missing, dtype=first.dtype)
    for kernel, arrays in of_kernels.items():
        whole[kernel] = arrays[name]
    return whole
