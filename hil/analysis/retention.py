"""Thermal stability from states read again and again: how many junctions had changed by each reading.

Rule 1: what did not change bounds Delta from below, and is told as a bound, never as a value. Rule 2: junctions whose two states nobody
can tell apart, and those known to be bad, count for nothing: a short keeps its state for ever.
Between two readings a junction changes with probability (1 - exp(-2 t r)) / 2, r = exp(-Delta) / tau0: both states equally stable (an
assumption; changes are counted by direction, so that it can be seen), an even number of reversals shows as none. Delta is normal over the
array (an assumption that matters where few of the junctions change: the tail then tells the mean); its mean and spread are fitted by
maximum likelihood, intervals by profile likelihood, 95 %.
Source: W. F. Brown, Phys. Rev. 130, 1677 (1963) for the rate; Chung et al., Psychometrika 78, 685 (2013) for the penalty on the spread.
"""

import math
from collections.abc import Callable, Sequence
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
_STABILITY = (3.0, 200.0)
_LOG_SPREAD = (math.log(0.01), math.log(0.5))
_STEP = 0.1
_GRID = np.arange(_STABILITY[0], _STABILITY[1], _STEP)
"""Points of Delta, closer than the smallest spread of what can be measured."""
_NEAR = 0.5
_DIGITS = 3
"""Of the time between two readings: a thousandth of it is a thousandth in Delta."""
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
    all junctions would have alike. stability: mean of Delta over the array; spread: relative. left_out: junctions, by reason.

    window: Delta of junctions that change within the shortest time between two readings, and within all of it: those the readings resolve.
    extrapolated_sigmas: how far beyond it the mean lies, in spreads; above about 1 it rests on the shape that is assumed, which no interval
    tells.
    """

    junctions: int
    changes: dict[str, int]
    seconds: float
    effective: Estimate
    stability: Estimate
    spread: float | None
    window: tuple[float, float] | None
    extrapolated_sigmas: float | None
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
    window = _window(found, attempt_s)
    return RetentionAnalysis(
        junctions=int(found.count.sum()),
        changes=changes,
        seconds=max(history.seconds for history in histories),
        effective=_effective(found, attempt_s),
        stability=stability,
        spread=spread,
        window=window,
        extrapolated_sigmas=_beyond(stability.mean, spread, window),
        left_out=left_out,
        temperature_c=float(np.mean(temperatures)) if temperatures else None,
        attempt_s=attempt_s,
    )


def patterns_of(histories: Sequence[History]) -> Patterns:
    """Junctions that can be told, of all dies, those with the same history and times together."""
    most = max(history.rounds for history in histories) - 1
    counts: dict[tuple[bytes, bytes], int] = {}
    for history in histories:
        times = np.full((history.kernels, most), np.nan)
        times[:, : history.rounds - 1] = _rounded(history.intervals_s)
        for kernel in range(history.kernels):
            rows, numbers = np.unique(history.changed(kernel), axis=0, return_counts=True)
            marks = np.zeros((len(rows), most), np.bool_)
            marks[:, : history.rounds - 1] = rows
            for mark, number in zip(marks, numbers, strict=True):
                key = mark.tobytes(), times[kernel].tobytes()
                counts[key] = counts.get(key, 0) + int(number)
    changed = np.array([np.frombuffer(mark, np.bool_) for mark, _ in counts]).reshape(-1, most)
    seconds = np.array([np.frombuffer(time, np.float64) for _, time in counts]).reshape(-1, most)
    return Patterns(changed, seconds, np.array(list(counts.values()), np.float64))


def _rounded(seconds: Floats) -> Floats:
    """To three digits, so that kernels read a little apart need not be counted apart."""
    with np.errstate(divide="ignore", invalid="ignore"):
        unit = 10.0 ** (np.floor(np.log10(np.abs(seconds))) - _DIGITS + 1)
    rounded: Floats = np.where(seconds > 0, np.round(seconds / unit) * unit, seconds)
    return rounded


def _window(found: Patterns, attempt_s: float) -> tuple[float, float] | None:
    told = found.seconds[found.seconds > 0]
    if not told.size:
        return None
    return math.log(float(told.min()) / attempt_s), math.log(float(np.nansum(found.seconds, axis=1).max()) / attempt_s)


def _beyond(mean: float | None, spread: float | None, window: tuple[float, float] | None) -> float | None:
    if mean is None or spread is None or window is None:
        return None
    return max(window[0] - mean, mean - window[1], 0.0) / (spread * mean)


def _effective(found: Patterns, attempt_s: float) -> Estimate:
    """One Delta for all. Without a change only a lower bound, one-sided."""
    if not found.changes:
        return Estimate(None, _bound(found, attempt_s), None)
    told = found.count @ found.log_likelihood(_GRID, attempt_s)

    def cost(stability: float) -> float:
        return -float(found.count @ found.log_likelihood(np.array([stability]), attempt_s)[:, 0])

    near = float(_GRID[np.argmax(told)])
    return _interval(_lowest(cost, (near - _STEP, near + _STEP)), cost)


def _bound(found: Patterns, attempt_s: float) -> float | None:
    return math.log(found.junction_seconds / (_LOG_20 * attempt_s)) if found.junction_seconds > 0 else None


def _array(found: Patterns, attempt_s: float) -> tuple[Estimate, float | None]:
    """Mean over the array, and its relative spread. The mean is never below the effective Delta: the weakest change first."""
    if not found.changes:
        return Estimate(None, _bound(found, attempt_s), None), None
    likelihood = _Likelihood(found, attempt_s)

    def spread_at(stability: float) -> float:
        return _lowest(lambda each: likelihood.cost(stability, each), _LOG_SPREAD)

    def profile(stability: float) -> float:
        return likelihood.cost(stability, spread_at(stability))

    near = likelihood.start()
    mean = _lowest(profile, (max(near - _NEAR, _STABILITY[0]), min(near + _NEAR, _STABILITY[1])))
    return _interval(mean, profile), math.exp(spread_at(mean))


class _Likelihood:
    """Of a population that is normal in Delta, on a grid of it."""

    def __init__(self, found: Patterns, attempt_s: float) -> None:
        told = found.log_likelihood(_GRID, attempt_s)
        most = told.max(axis=1)
        self._count, self._floor = found.count, float(found.count @ most)
        self._likelihood = np.exp(told - most[:, None])

    def cost(self, mean: float, log_spread: float) -> float:
        """Minus ln likelihood and penalty. log_spread: ln of the relative standard deviation."""
        return float(self._costs(np.array([mean]), math.exp(log_spread))[0])

    def start(self) -> float:
        """The best mean of a coarse grid: the likelihood may have more than one top."""
        means = _GRID[:: int(_NEAR / _STEP)]
        costs = np.stack([self._costs(means, math.exp(spread)) for spread in np.linspace(*_LOG_SPREAD, 12)])
        return float(means[np.argmin(costs.min(axis=0))])

    def _costs(self, means: Floats, spread: float) -> Floats:
        weight = np.exp(-0.5 * ((_GRID[:, None] - means) / (spread * means)) ** 2)
        each = self._likelihood @ (weight / weight.sum(axis=0))
        told = self._count @ np.log(np.maximum(each, 1e-300))
        return -self._floor - told - (math.log(spread) - spread / ASSUMED_SPREAD)


def _lowest(cost: Callable[[float], float], within: tuple[float, float]) -> float:
    return float(minimize_scalar(cost, bounds=within, method="bounded", options={"xatol": 1e-5}).x)


def _interval(best: float, cost: Callable[[float], float]) -> Estimate:
    """Of a parameter, from minus its profile log-likelihood; an end that is not reached is open."""
    floor = cost(best)

    def beyond(value: float) -> float:
        return cost(value) - floor - _HALF_CHI2

    def end(sign: float) -> float | None:
        inside, step = best, 1e-3 * best
        while _STABILITY[0] < inside + sign * step < _STABILITY[1]:
            if beyond(inside + sign * step) > 0:
                return float(brentq(beyond, inside, inside + sign * step, xtol=1e-4))
            inside, step = inside + sign * step, 2.0 * step
        return None

    return Estimate(best, end(-1.0), end(1.0))
