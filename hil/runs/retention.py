"""Readings of the same junctions over time: a state is written, or left as it is, then read `count` times, one every `interval_s`.

Rule 1: the schedule is a grid from the first reading on and does not drift; a slot that was missed (a run that was paused, a round that
took longer) is not made up for: the count holds, and each map tells how long after the writing it was read.
Rule 2: between two rounds the output is off and everything isolated, and in a pause of more than `lift_after_s` the needles are up.
Junctions keep their state without either.
Rule 3: elapsed time is that of the computer's steady clock within one session of a run, and of the wall's only from one to the next.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from hil.model.lab import DieIndex
from hil.model.plans import CharacterisePlan, ReadPlan, RetentionPlan
from hil.model.runs import Event, MapMeasured, ObjectMeasured, Step, Waiting
from hil.runs.context import Arrays, Done, Measured, RunContext, Spot, stacked
from hil.runs.correcting import conductance_map
from hil.runs.finding import read
from hil.runs.levels import levels
from hil.runs.metadata import DieResults
from hil.runs.write_verify import KernelWriter
from hil.station.station import Station

WRITTEN_AT, READ_AT = "written_at", "read_at"
"""Names of a step's arrays (1,): POSIX time of the kernel's last pulse, or of its first reading where nothing was written; of this one."""
ROUND = "round"
P = TypeVar("P", ReadPlan, CharacterisePlan)


def round_name(number: int) -> str:
    """What the map of a round is called among a run's results."""
    return f"{ROUND} {number}"


@dataclass
class Retention:
    """One session of a run. began: POSIX time of the first reading of each round begun; written: of each kernel's last pulse."""

    plan: RetentionPlan
    context: RunContext
    began: dict[int, float] = field(default_factory=dict[int, float])
    written: dict[tuple[DieIndex, int], float] = field(default_factory=dict[tuple[DieIndex, int], float])

    def __post_init__(self) -> None:
        self._wall, self._steady = self.context.now().timestamp(), self.context.monotonic()

    def recall(self, done: Done) -> None:
        """What earlier sessions of the run measured."""
        for step in self.context.steps:
            if step.index in done and step.kernel is not None:
                arrays = done[step.index]
                self._note(step.index, Spot(step.die, step.kernel), float(arrays[WRITTEN_AT][0]), float(arrays[READ_AT][0]))

    def turn(self, station: Station, steps: Sequence[Step]) -> Iterator[Waiting]:
        """Before a die of a round: wait until it is the round's time, the station at rest."""
        number = self.round_of(steps[0].index)
        wait_s = self._due(number) - self._now()
        if number in self.began or wait_s <= 0:
            return
        station.rest(lift=wait_s > self.plan.lift_after_s)
        yield Waiting(wait_s)

    def measure(self, station: Station, spot: Spot) -> Measured:
        """arrays: siemens (rows, columns) float32; written_at, read_at float64 (1,); in the first round of a state that is written other
        (rows, columns) float32 S, the other state, pulses and unknown too."""
        first = self.round_of(spot.index) == 0
        if first and self.plan.write != "leave":
            return self._write(station, spot)
        measured = read(station, self._as(ReadPlan, "read"), spot.kernel)
        at = self._now()
        written = at if first else self.written.get((spot.die, spot.kernel), np.nan)
        return self._noted(spot, measured, written, at)

    def conclude(self, die: DieResults, kernels: Mapping[int, Arrays]) -> Iterator[Event]:
        """The round's map; in the first round of a state that is written, retention_other beside it: the other state, S."""
        if not kernels:
            return
        number = int(next(iter(kernels.values()))[ROUND][0])
        if any("other" in arrays for arrays in kernels.values()) and not die.is_stored("retention_other"):
            other = stacked(kernels, "other", self.context.kernels, np.float32("nan"))
            yield ObjectMeasured(die.index, "retention_other", other, die.describe_object())
        if not die.is_stored(round_name(number)):
            found = conductance_map(die, "as_found", kernels, "siemens")
            yield MapMeasured(die.index, replace(found, meta={**found.meta, **self._told(number, kernels)}))

    def round_of(self, index: int) -> int:
        return index // (len(self.context.steps) // self.plan.count)

    def _told(self, number: int, kernels: Mapping[int, Arrays]) -> dict[str, Any]:
        elapsed = [_elapsed_s(kernels.get(kernel)) for kernel in range(self.context.kernels)]
        told = [each for each in elapsed if each is not None]
        mean = round(float(np.mean(told)), 3) if told else None
        own = {ROUND: number, "rounds": self.plan.count, "interval_s": self.plan.interval_s, "written": self.plan.write}
        return {**own, "elapsed_s": mean, "elapsed_s_of_kernels": elapsed}

    def _write(self, station: Station, spot: Spot) -> Measured:
        # As `characterise` writes: both states are seen, so that each junction's later readings can be told apart by its own.
        writer = KernelWriter(station, self._as(CharacterisePlan, "characterise"), spot.kernel)
        everything, to_p = np.ones(writer.shape, np.bool_), self.plan.write == "P"
        writer.write(everything, to_p=not to_p)
        other = writer.read()
        writer.write(everything, to_p=to_p)
        own = writer.read()
        p, ap = (own, other) if to_p else (other, own)
        own = writer.insist(own, everything, levels(p, ap), to_p=to_p)
        at = self._now()
        return self._noted(spot, writer.measured({"siemens": own, "other": other}), at, at)

    def _as(self, kind: type[P], name: str) -> P:
        """The plan's own numbers as a plan of another kind, which knows how that is done."""
        return kind.model_validate({"kind": name, **{each: getattr(self.plan, each) for each in kind.model_fields if each != "kind"}})

    def _noted(self, spot: Spot, measured: Measured, written: float, at: float) -> Measured:
        self._note(spot.index, spot, written, at)
        times = {WRITTEN_AT: np.array([written]), READ_AT: np.array([at]), ROUND: np.array([self.round_of(spot.index)], np.uint32)}
        return replace(measured, arrays={**measured.arrays, **times})

    def _note(self, index: int, spot: Spot, written: float, at: float) -> None:
        number = self.round_of(index)
        self.began[number] = min(self.began.get(number, at), at)
        if number == 0:
            self.written[spot.die, spot.kernel] = written

    def _due(self, number: int) -> float:
        """POSIX time. Of the grid's slots the first one after that of the round before."""
        before = [self.began[each] for each in range(number) if each in self.began]
        if not before:
            return -np.inf
        slot = round((before[-1] - before[0]) / self.plan.interval_s) + 1
        return before[0] + slot * self.plan.interval_s

    def _now(self) -> float:
        """POSIX time that nobody sets in between."""
        return self._wall + (self.context.monotonic() - self._steady)


def _elapsed_s(arrays: Arrays | None) -> float | None:
    """Since the kernel was written. None where it was not read, or nobody knows when it was written."""
    if arrays is None:
        return None
    elapsed = float(arrays[READ_AT][0] - arrays[WRITTEN_AT][0])
    return None if np.isnan(elapsed) else round(elapsed, 3)
