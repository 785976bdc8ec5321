"""How often one pulse switches a junction. Every trial stands for itself: brought to the state the pulse drives from, seen to be there,
pulsed once, read.

Rule 1: a trial counts only if its start was seen, its one pulse is known to have been given, and its outcome can be told from the two
states as this very junction shows them. Rule 2: nothing is pulsed again for an outcome that nobody knows.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from drivers.errors import OutcomeUnknown
from hil.model.plans import Junction, SwitchingPlan, junctions_in
from hil.runs.context import Measured
from hil.runs.levels import Mask, Siemens
from hil.runs.metadata import read_path
from hil.station.station import Station

_ONE_STATE = 0.1
"""Two readings of a junction closer than this share of the lower one are one state: it does not switch."""
_RESOLVED_AMPS = 2e-6
"""And so are two that differ by less than this: three steps of the board's converter."""
_BETWEEN = 0.15
"""So near, in gaps, to the middle between its two states nobody can tell which one a junction is in."""
_GIVEN_UP_AFTER = 3
"""Trials in a row for which a junction could not be brought to its start."""

Counts = NDArray[np.uint32]


@dataclass(frozen=True)
class States:
    """What each junction reads in P and in AP, (junctions,) S. told_apart: (junctions,) bool."""

    p: Siemens
    ap: Siemens
    resolved_siemens: float

    @property
    def told_apart(self) -> Mask:
        return self.p - self.ap > np.maximum(_ONE_STATE * np.abs(self.ap), self.resolved_siemens)

    def sees(self, siemens: Siemens, *, p: bool) -> Mask:
        """Which are clearly in a state; NaN is in none."""
        gap = self.p - self.ap
        away = (siemens - (self.p + self.ap) / 2) * (1 if p else -1)
        return self.told_apart & (away > _BETWEEN * gap) & (away < 1.5 * gap)

    def whole(self, siemens: Siemens) -> Mask:
        """Within one gap of the two states: beyond lies broken metal, which no pulse mends."""
        gap = self.p - self.ap
        return self.told_apart & (siemens > self.ap - gap) & (siemens < self.p + gap)


@dataclass
class Tested:
    """The plan's junctions of one kernel. pulses: what each got, or may have got. unknown: pulses whose outcome was lost."""

    station: Station
    plan: SwitchingPlan
    kernel: int
    junctions: list[Junction] = field(init=False)
    pulses: Counts = field(init=False)
    unknown: int = 0
    notes: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def __post_init__(self) -> None:
        self.junctions = [self.plan.junctions[place] for place in junctions_in(self.plan, self.kernel)]
        self.pulses = np.zeros(len(self.junctions), np.uint32)

    def read(self, which: Mask, before: Siemens) -> Siemens:
        """(junctions,) S: `before`, with those of `which` read anew."""
        if not which.any():
            return before
        asked = [self.junctions[place] for place in np.flatnonzero(which)]
        plan, after = self.plan, before.copy()
        after[which] = self.station.read_junctions(asked, plan.read_volts, plan.averages, read_path(plan), plan.nplc).siemens
        return after

    def pulse(self, which: Mask, volts: float, seconds: float) -> Mask:
        """One pulse each. Which are known to have got it."""
        known = np.zeros_like(which)
        if not which.any():
            return known
        chip = self.station.lab.chip
        mask = np.zeros((chip.rows, chip.columns), np.bool_)
        rows, columns = self._lines[which].T
        mask[rows, columns] = True
        try:
            given = self.station.pulse(self.kernel, mask, volts, seconds)
        except OutcomeUnknown as error:
            self.pulses += which.astype(np.uint32)
            self.unknown += int(which.sum())
            self.notes.append(("unknown pulse", f"kernel {self.kernel}: {error}; these trials do not count, and nothing is repeated"))
            return known
        known[which] = given[rows, columns]
        self.pulses += known.astype(np.uint32)
        return known

    def reset(self, which: Mask, *, to_p: bool) -> None:
        self.pulse(which, self.plan.reset_volts if to_p else -self.plan.reset_volts, self.plan.reset_s)

    @property
    def _lines(self) -> NDArray[np.int64]:
        """(junctions, 2), row and column."""
        return np.array([junction[1:] for junction in self.junctions], np.int64)


def switch_kernel(tested: Tested) -> Measured:
    """arrays: switched, trials uint32 (junctions of the kernel, volts, widths); siemens_p, siemens_ap float32, pulses uint32."""
    plan, states = tested.plan, learn(tested)
    shape = (len(tested.junctions), len(plan.pulse_volts), len(plan.pulse_s))
    switched, trials = np.zeros(shape, np.uint32), np.zeros(shape, np.uint32)
    nobody = np.full(shape[0], np.nan, np.float32)
    trying = _Trying(tested, states, tested.read(states.told_apart, nobody))
    for v, w in np.ndindex(shape[1:]):
        for counted, found in trying.trials(plan.pulse_volts[v], plan.pulse_s[w]):
            trials[:, v, w] += counted
            switched[:, v, w] += counted & found
    _tell(tested, states, trying.given_up)
    arrays = {"switched": switched, "trials": trials, "siemens_p": states.p, "siemens_ap": states.ap, "pulses": tested.pulses}
    return Measured(arrays, tested.unknown, tuple(tested.notes))


def learn(tested: Tested) -> States:
    """The two states of each junction by itself: written to P, read, written to AP, read, until the two are told apart or the pulses
    of one reset are used up."""
    nobody = np.full(len(tested.junctions), np.nan, np.float32)
    states = States(nobody, nobody, _RESOLVED_AMPS / tested.plan.read_volts)
    for _ in range(tested.plan.max_pulses):
        todo = ~states.told_apart
        if not todo.any():
            break
        tested.reset(todo, to_p=True)
        p = np.fmax(states.p, tested.read(todo, nobody))
        tested.reset(todo, to_p=False)
        ap = np.fmin(states.ap, tested.read(todo, nobody))
        states = States(p, ap, states.resolved_siemens)
    return states


class _Trying:
    """Trial after trial on the junctions of a kernel. seen: (junctions,) S, what each read after its last pulse."""

    def __init__(self, tested: Tested, states: States, seen: Siemens) -> None:
        self._tested, self._states, self._seen = tested, states, seen
        self._failed = np.zeros(len(seen), np.int64)

    @property
    def given_up(self) -> Mask:
        return self._failed >= _GIVEN_UP_AFTER

    def trials(self, volts: float, seconds: float) -> Iterator[tuple[Mask, Mask]]:
        """For each repetition (junctions,) bool: whether the trial counts, and whether it is in the other state now."""
        for _ in range(self._tested.plan.repeats):
            ready = self._prepared(to_p=volts > 0)
            if self.given_up.all():
                return
            given = self._tested.pulse(ready, volts, seconds)
            self._seen = self._tested.read(ready, self._seen)
            over, back = (self._states.sees(self._seen, p=(volts > 0) is there) for there in (True, False))
            yield given & (over | back), over

    def _prepared(self, *, to_p: bool) -> Mask:
        """Those seen in the state that a pulse to P, or to AP, drives from; the others were brought there as far as may be."""
        tested, states = self._tested, self._states
        self._seen = tested.read(states.told_apart & np.isnan(self._seen) & ~self.given_up, self._seen)
        for _ in range(tested.plan.max_pulses):
            wrong = states.whole(self._seen) & ~states.sees(self._seen, p=not to_p) & ~self.given_up
            if not wrong.any():
                break
            tested.reset(wrong, to_p=not to_p)
            self._seen = tested.read(wrong, self._seen)
        ready = states.sees(self._seen, p=not to_p) & ~self.given_up
        self._failed = np.where(ready, 0, self._failed + 1)
        return ready


def _tell(tested: Tested, states: States, given_up: Mask) -> None:
    for kind, which, what in (
        ("does not switch", ~states.told_apart, "show no two states"),
        ("given up", states.told_apart & given_up, f"could not be brought to their start {_GIVEN_UP_AFTER} times in a row"),
    ):
        if which.any():
            named = ", ".join(f"({r}, {c})" for r, c in (tested.junctions[place][1:] for place in np.flatnonzero(which)[:5]))
            more = ", ..." if which.sum() > 5 else ""
            text = f"kernel {tested.kernel}: {int(which.sum())} of {len(which)} junctions {what}: {named}{more}; their trials are missing"
            tested.notes.append((kind, text))
