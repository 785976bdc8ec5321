"""Thermal stability from states read again and again: how many junctions had changed by each reading.

Rule 1: what did not change bounds Delta from below, and is told as a bound, never as a value. Rule 2: junctions whose two states nobody
can tell apart, and those known to be bad, count for nothing: a short keeps its state for ever.
Between two readings a junction changes with probability (1 - exp(-2 t r)) / 2, r = exp(-Delta) / tau0: both states equally stable (an
assumption; changes are counted by direction, so that it can be seen), an even number of reversals shows as none. Delta is log-normal over
the array; its mean and spread are fitted by maximum likelihood, intervals by profile likelihood, 95 %.
Source: W. F. Brown, Phys. Rev. 130, 1677 (1963) for the rate; Chung et al., Psychometrika 78, 685 (2013) for the penalty on the spread.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize_scalar

from hil.analysis.retention_states import History

Floats = NDArray[np.float64]
ASSUMED_SPREAD = 0.08
"""Relative, of Delta: 7.7 % in physics-and-paper.md B2; where the mode of the penalty lies."""
ATTEMPT_S = 1e-9
_LOG_STABILITY = (math.log(5.0), math.log(200.0))
_LOG_SPREAD = (math.log(0.01), math.log(0.5))
_LOG_GRID = np.linspace(*_LOG_STABILITY, 900)
"""Points of ln Delta, closer than half the smallest spread."""
_HALF_CHI2 = 1.920729
_LOG_20 = math.log(20.0)
"""One-sided, 95 %: no change in so many mean times is improbable."""


@dataclass(frozen=True)
class Patterns:
    """Junctions with the same history, counted. changed: (patterns, intervals) bool; seconds: (patterns, intervals), NaN where not read;
    count: (patterns,)."""

    changed: NDArray[np.bool_]
    seconds: Floats
    count: Floats

    @property
    def changes(self) -> int:
        return int((self.changed.sum(axis=1) * self.count).sum())

    @property
    def junction_seconds(self) -> float:
        return float((np.nansum(self.seconds, axis=1) * self.count).sum())

    def log_likelihood(self, stability: Floats, attempt_s: float) -> Floats:
        """(patterns, values) of one junction of each pattern."""
        rate = np.exp(-stability) / attempt_s
        half = 0.5 * -np.expm1(-2.0 * np.nan_to_num(self.seconds)[:, :, None] * rate)
        half = np.maximum(half, 1e-300)
        told = np.where(self.changed[:, :, None], np.log(half), np.log1p(-half))
        return np.asarray(told.sum(axis=1), dtype=np.float64)


@dataclass(frozen=True)
class Estimate:
    """An estimate and its 95 % interval; None where the readings set no value or no bound."""

    mean: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class RetentionAnalysis:
    """junctions: counted. changes: by direction, where it can be told. seconds: from the first reading to the last. effective: Delta that
    all junctions would have alike. stability: mean of Delta over the array; spread: relative. left_out: junctions, by reason."""

    junctions: int
    changes: dict[str, int]
    seconds: float
    effective: Estimate
    stability: Estimate
    spread: float | None
    left_out: dict[str, int]
    temperature_c: float | None
    attempt_s: float

    def as_json(self) -> dict[str, Any]:
        told = asdict(self)
        return {"kind": "retention", "assumptions": {"attempt_s": told.pop("attempt_s"), "both_states": "equally stable"}, **told}


def analyse_retention(histories: Sequence[History], attempt_s: float = ATTEMPT_S) -> RetentionAnalysis:
    """Of all dies of one run together. Raises ValueError where no die was read twice."""
    if not any(history.rounds > 1 for history in histories):
        raise ValueError("no die has been read twice yet; two readings are the least that can show a change")
    found = patterns_of(histories)
    left_out: dict[str, int] = {}
    changes: dict[str, int] = {}
    for history in histories:
        for told, each in ((left_out, history.left_out()), (changes, history.changes())):
            for name, number in each.items():
                told[name] = told.get(name, 0) + number
    temperatures = [history.temperature_c for history in histories if history.temperature_c is not None]
    stability, spread = _array(found, attempt_s)
    return RetentionAnalysis(
        junctions=int(found.count.sum()),
        changes=changes,
        seconds=max(history.seconds for history in histories),
        effective=_effective(found, attempt_s),
        stability=stability,
        spread=spread,
        left_out=left_out,
        temperature_c=float(np.mean(temperatures)) if temperatures else None,
        attempt_s=attempt_s,
    )


def patterns_of(histories: Sequence[History]) -> Patterns:
    """Junctions that can be told, of all dies; those of a kernel share their times."""
    changed, seconds, count = [], [], []
    most = max(history.rounds for history in histories) - 1
    for history in histories:
        for kernel in range(history.kernels):
            rows, numbers = np.unique(history.changed(kernel), axis=0, return_counts=True)
            times = np.full((len(rows), most), np.nan)
            times[:, : history.rounds - 1] = history.intervals_s[kernel]
            marks = np.zeros((len(rows), most), np.bool_)
            marks[:, : history.rounds - 1] = rows
            changed.append(marks)
            seconds.append(times)
            count.append(numbers.astype(np.float64))
    return Patterns(np.concatenate(changed), np.concatenate(seconds), np.concatenate(count))


def _effective(found: Patterns, attempt_s: float) -> Estimate:
    """One Delta for all. Without a change only a lower bound, one-sided."""
    if not found.changes:
        return Estimate(None, _bound(found, attempt_s), None)

    def cost(log_stability: float) -> float:
        return -float((found.log_likelihood(np.array([math.exp(log_stability)]), attempt_s)[:, 0] * found.count).sum())

    best = float(minimize_scalar(cost, bounds=_LOG_STABILITY, method="bounded", options={"xatol": 1e-7}).x)
    return _interval(best, cost)


def _bound(found: Patterns, attempt_s: float) -> float | None:
    return math.log(found.junction_seconds / (_LOG_20 * attempt_s)) if found.junction_seconds > 0 else None


def _array(found: Patterns, attempt_s: float) -> tuple[Estimate, float | None]:
    """Mean over the array, with what its spread does to it. The mean is never below the effective Delta: the weakest change first."""
    if not found.changes:
        return Estimate(None, _bound(found, attempt_s), None), None

    told = found.log_likelihood(np.exp(_LOG_GRID), attempt_s)
    most = told.max(axis=1)
    likelihood, floor = np.exp(told - most[:, None]), float((found.count * most).sum())

    def cost(log_mean: float, log_spread: float) -> float:
        spread = math.exp(log_spread)
        weight = np.exp(-0.5 * ((_LOG_GRID - log_mean + spread**2 / 2.0) / spread) ** 2)
        each = likelihood @ (weight / weight.sum())
        return -floor - float((found.count * np.log(np.maximum(each, 1e-300))).sum()) - (log_spread - spread / ASSUMED_SPREAD)

    def spread_at(log_mean: float) -> float:
        found_at = minimize_scalar(
            lambda log_spread: cost(log_mean, log_spread), bounds=_LOG_SPREAD, method="bounded", options={"xatol": 1e-4}
        )
        return float(found_at.x)

    def profile(log_mean: float) -> float:
        return cost(log_mean, spread_at(log_mean))

    best = float(minimize_scalar(profile, bounds=_LOG_STABILITY, method="bounded", options={"xatol": 1e-6}).x)
    return _interval(best, profile), math.exp(spread_at(best))


def _interval(best: float, cost: Any) -> Estimate:
    """Of exp of a parameter, from minus its profile log-likelihood."""
    floor = cost(best)

    def beyond(value: float) -> float:
        return float(cost(value)) - floor - _HALF_CHI2

    def end(limit: float) -> float | None:
        return math.exp(brentq(beyond, best, limit, xtol=1e-6)) if beyond(limit) > 0 else None

    return Estimate(math.exp(best), end(_LOG_STABILITY[0]), end(_LOG_STABILITY[1]))
