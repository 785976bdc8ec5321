"""Whether one wafer behaves like another that it should be a twin of, measured the same way.

Rule: two tests, both stated in full. Conductance: Kolmogorov-Smirnov distance per state over all junctions read, dies pooled, at most
0.02; a reading of a converter stands for its whole step, or two maps whose steps lie apart would differ by them. Defects: the count
of each kind, isolated, and of each kind of faulty line, within the 95 % prediction that the first wafer's count makes for a second
one of the same rates (negative binomial from Jeffreys' prior; Hahn and Meeker, Statistical Intervals)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from hil.analysis.line_models import FAULTS, die_lines, tried_junctions
from hil.analysis.measured import KINDS, MeasuredDie, reading_step

Floats = NDArray[np.float64]

LARGEST_DISTANCE = 0.02
_LEVEL = 0.95


@dataclass(frozen=True)
class CountCheck:
    """of: a kind of defect or of line fault. count: on the first wafer. other: on the second. low, high: what was predicted for it."""

    of: str
    count: int
    other: int
    low: int
    high: int

    @property
    def holds(self) -> bool:
        return self.low <= self.other <= self.high


@dataclass(frozen=True)
class Likeness:
    """distances: Kolmogorov-Smirnov, by state. limit: largest allowed. counts: of everything that either wafer has."""

    distances: dict[str, float]
    limit: float
    counts: tuple[CountCheck, ...]

    @property
    def holds(self) -> bool:
        return max(self.distances.values()) <= self.limit and all(each.holds for each in self.counts)


def likeness(first: Sequence[MeasuredDie], second: Sequence[MeasuredDie], seed: int = 1) -> Likeness:
    """Dies of the one that the other does not have, by place, are left out. seed: of where in its step a reading is put.

    Raises ValueError without a common die.
    """
    pairs = _common(first, second)
    if not pairs:
        raise ValueError("the two wafers have no measured die in common")
    ones, others = [one for one, _ in pairs], [other for _, other in pairs]
    states: tuple[Literal["P", "AP"], ...] = ("P", "AP")
    rng = np.random.default_rng(seed)
    distances = {state: _distance(_read(ones, state, rng), _read(others, state, rng)) for state in states}
    return Likeness(distances, LARGEST_DISTANCE, tuple(_counts(ones, others)))


def _common(first: Sequence[MeasuredDie], second: Sequence[MeasuredDie]) -> list[tuple[MeasuredDie, MeasuredDie]]:
    if len(first) == len(second) == 1:
        return [(first[0], second[0])]
    by_place = {die.die: die for die in second if die.die is not None}
    return [(die, by_place[die.die]) for die in first if die.die in by_place]


def _read(dies: Sequence[MeasuredDie], state: Literal["P", "AP"], rng: np.random.Generator) -> Floats:
    maps = [die.p if state == "P" else die.ap for die in dies]
    values = [each.siemens[np.isfinite(each.siemens)].astype(np.float64) for each in maps]
    return np.concatenate([each + reading_step(one) * rng.uniform(-0.5, 0.5, each.size) for each, one in zip(values, maps, strict=True)])


def _distance(first: Floats, second: Floats) -> float:
    if not first.size or not second.size:
        return 1.0
    return float(stats.ks_2samp(first, second).statistic)


def _counts(ones: Sequence[MeasuredDie], others: Sequence[MeasuredDie]) -> list[CountCheck]:
    first, second = _counted(ones), _counted(others)
    checks: list[CountCheck] = []
    for name in first:
        (count, of), (other, of_other) = first[name], second[name]
        if (count or other) and of and of_other:
            checks.append(CountCheck(name, count, other, *predicted(count, of_other / of)))
    return checks


def _counted(dies: Sequence[MeasuredDie]) -> dict[str, tuple[int, int]]:
    """(events, trials) by kind of isolated defect and by kind of line fault (trials: dies)."""
    kinds, faults, tried = dict.fromkeys(KINDS, 0), dict.fromkeys(FAULTS, 0), 0
    for die in dies:
        codes, lines = die.defects.codes, die_lines(die.defects.codes)
        free = ~lines.within & tried_junctions(codes)
        tried += int(np.count_nonzero(free))
        for kind in KINDS:
            kinds[kind] += int(np.count_nonzero((codes == kind) & free))
        for name in FAULTS:
            faults[name] += len(lines.runs[name])
    of_kinds = {kind.name.lower(): (count, tried) for kind, count in kinds.items()}
    return of_kinds | {name: (count, len(dies)) for name, count in faults.items()}


def predicted(count: int, times: float) -> tuple[int, int]:
    """95 % interval of a second Poisson count at the same rate. times: trials of the second over those of the first."""
    shape, chance = count + 0.5, 1.0 / (1.0 + times)
    tail = (1.0 - _LEVEL) / 2.0
    return int(stats.nbinom.ppf(tail, shape, chance)), int(stats.nbinom.ppf(1.0 - tail, shape, chance))
