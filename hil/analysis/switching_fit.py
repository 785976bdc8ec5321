"""Array means of V_c0 and Delta by maximum likelihood: junctions differ, each a draw from one population, and the trials of all of them
together say which. Nobody's few trials decide alone, and nothing is averaged that was not measured.

The population is normal in (ln V_c0, ln Delta), with correlation; its likelihood is the product over junctions of the integral of their
own (see `hil.analysis.switching_nodes`). Intervals: profile likelihood, 95 %. Spreads that the trials leave open are kept from 0 by a
weak penalty, Gamma(2) with its mode at the published ones.
Source: McCulloch, Searle, Neuhaus, Generalized, Linear, and Mixed Models (2008), ch. 14; Pawitan, In All Likelihood (2001), ch. 3;
Chung et al., Psychometrika 78, 685 (2013) for the penalty.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize

from hil.analysis.switching_law import Assumptions, Exponent, Floats
from hil.analysis.switching_nodes import Nodes, Plane, Population, Trials, first_nodes, nearer_nodes

ENOUGH_TO_SPREAD = 8
"""Below so many junctions nobody can tell how they differ, and the spread is an assumption."""
ASSUMED_SPREAD = (0.05, 0.10)
"""Relative, of V_c0 (4.4 %: IBM 4-kbit arrays, IEDM 2010) and of Delta (7.7 %: physics-and-paper.md B2), rounded up."""
_SPREADS = (2e-3, 0.6)
_START = (0.06, 0.15)
_ROUNDS, _SETTLED = 15, 0.02
_TRUST, _REACH = 0.5, 0.5
"""How far, in ln, spreads may go on the same points; and, in spreads, the means."""
_HALF_CHI2 = 1.920729
"""Half of the 95 % quantile of chi-squared with one degree of freedom."""
_STEPS, _CLOSE = 12, 0.02
_FURTHEST = 1.5
"""In ln: an interval that reaches so far from the estimate is open there."""


@dataclass(frozen=True)
class Interval:
    """An estimate and its 95 % interval; low or high None where the trials set no bound."""

    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Fit:
    """One exponent. critical_volts: mean of V_c0 across the junction, V; stability: mean of Delta; *_spread: relative standard deviation
    between junctions; log_likelihood: of the population. each: of every junction, see `of_each`."""

    exponent: Exponent
    log_likelihood: float
    critical_volts: Interval
    stability: Interval
    critical_spread: float
    stability_spread: float
    correlation: float
    spread_assumed: bool
    plane: Plane
    nodes: Nodes
    population: Population

    def of_each(self) -> dict[str, Floats]:
        """(junctions,) each: posterior mean and standard deviation of V_c0 and Delta, drawn towards the population where trials are few."""
        weight = self.population.posterior(self.nodes)
        found: dict[str, Floats] = {}
        for name, log_value in (("critical_volts", self.nodes.log_v), ("stability", self.nodes.log_d)):
            value = np.exp(log_value)
            mean = (weight * value).sum(axis=1)
            found[name] = mean
            found[f"{name}_sigma"] = np.sqrt((weight * (value - mean[:, None]) ** 2).sum(axis=1))
        return found


def fit_population(trials: Trials, exponent: Exponent, assumed: Assumptions) -> Fit:
    """Raises ValueError without a junction."""
    if not trials.junctions:
        raise ValueError("no junction has a trial to fit")
    plane = Plane(trials, exponent, assumed)
    nodes = first_nodes(plane)
    spread = trials.junctions >= ENOUGH_TO_SPREAD
    found = _start(nodes, spread)
    # The grid is coarser than a population may be narrow: on it only the means are sought.
    found = _Likelihood(plane, nodes, spread=False, around=found).best(found)
    for _ in range(_ROUNDS):
        nodes = nearer_nodes(plane, nodes, _population(found))
        again = _Likelihood(plane, nodes, spread, around=found).best(found)
        settled = np.abs(again[:2] - found[:2]).max() < _SETTLED * min(_population(again).factor.diagonal())
        found = again
        if settled:
            break
    return _fit(plane, nodes, found, spread)


def _fit(plane: Plane, nodes: Nodes, found: Floats, spread: bool) -> Fit:
    likelihood, population = _Likelihood(plane, nodes, spread, around=found), _population(found)
    sigmas = np.sqrt(np.sum(population.factor**2, axis=1))
    return Fit(
        exponent=plane.exponent,
        log_likelihood=likelihood.log_likelihood(found),
        critical_volts=likelihood.interval(found, 0),
        stability=likelihood.interval(found, 1),
        critical_spread=float(sigmas[0]),
        stability_spread=float(sigmas[1]),
        correlation=float(population.factor[1, 0] / sigmas[1]),
        spread_assumed=not spread,
        plane=plane,
        nodes=nodes,
        population=population,
    )


def _start(nodes: Nodes, spread: bool) -> Floats:
    """Parameters of the population to begin with: (ln of the array means, ln of the two spreads, their covariance factor)."""
    weight = np.exp(nodes.log_weight - nodes.log_weight.max(axis=1, keepdims=True))
    weight /= weight.sum(axis=1, keepdims=True)
    means = [float(np.median((weight * each).sum(axis=1))) for each in (nodes.log_v, nodes.log_d)]
    return np.array([*means, *np.log(_START if spread else ASSUMED_SPREAD), 0.0])


def _population(parameters: Floats) -> Population:
    """parameters: ln of the array means of V_c0 and Delta, ln of the factor's diagonal, its element below."""
    factor = np.array([[np.exp(parameters[2]), 0.0], [parameters[4], np.exp(parameters[3])]])
    return Population(parameters[:2] - np.sum(factor**2, axis=1) / 2.0, factor)


class _Likelihood:
    """Of the population, on points placed for one: those of `around`. Far from it they are too few, and too far apart.

    spread: whether the differences between junctions are fitted or assumed.
    """

    def __init__(self, plane: Plane, nodes: Nodes, spread: bool, around: Floats) -> None:
        self._plane, self._nodes, self._spread, self._around = plane, nodes, spread, around

    def near(self, parameters: Floats) -> "_Likelihood":
        """The same, on points placed anew where these would be too far away."""
        spreads = np.exp(self._around[2:4])
        if (np.abs(parameters[:2] - self._around[:2]) < _REACH * spreads).all():
            return self
        return _Likelihood(self._plane, nearer_nodes(self._plane, self._nodes, _population(parameters)), self._spread, parameters)

    def best(self, start: Floats, fixed: int | None = None) -> Floats:
        """Parameters of largest likelihood, the spreads not far from where they were. fixed: one of the means that stays."""
        held = {fixed} if self._spread else {fixed, 2, 3, 4}
        free = [place for place in range(len(start)) if place not in held]
        scale, limits = self._scale(start)[free], {4: (-_SPREADS[1], _SPREADS[1])}
        for place in (2, 3):
            low, high = np.clip(self._around[place] + np.array([-_TRUST, _TRUST]), *np.log(_SPREADS))
            limits[place] = (float(low), float(high))
        inside = [limits.get(place, (-np.inf, np.inf)) for place in free]
        ends = [
            ((low - start[place]) / unit, (high - start[place]) / unit)
            for place, unit, (low, high) in zip(free, scale, inside, strict=True)
        ]

        def cost(steps: Floats) -> tuple[float, Floats]:
            value, gradient = self.cost(_moved(start, free, scale * steps))
            return value, gradient[free] * scale

        found: Any = minimize(cost, np.zeros(len(free)), jac=True, method="L-BFGS-B", bounds=ends, options={"ftol": 1e-10, "gtol": 5e-3})
        return _moved(start, free, scale * np.asarray(found.x, dtype=np.float64))

    def _scale(self, at: Floats) -> Floats:
        """About the standard error of each parameter were V_c0 and Delta of every junction known."""
        many = np.sqrt(len(self._nodes.log_v))
        s_v, s_d = np.exp(at[2:4])
        return np.array([s_v, s_d, np.sqrt(0.5), np.sqrt(0.5), s_d]) / many

    def log_likelihood(self, parameters: Floats) -> float:
        """Without the penalty on the spreads."""
        return -self.cost(parameters)[0] - _penalty(parameters)[0]

    def cost(self, parameters: Floats) -> tuple[float, Floats]:
        """Minus ln likelihood and penalty, and its gradient."""
        population, nodes = _population(parameters), self._nodes
        joint = nodes.log_weight + population.log_density(nodes.log_v, nodes.log_d)
        most = joint.max(axis=1, keepdims=True)
        weight = np.exp(joint - most)
        total = weight.sum(axis=1, keepdims=True)
        penalty, by_penalty = _penalty(parameters)
        value = float((np.log(total) + most).sum()) + penalty
        return -value, -_gradient(population, nodes, weight / total) - by_penalty

    def interval(self, found: Floats, place: int) -> Interval:
        """Of exp of one of the means, by profile likelihood."""
        ends = [self._end(found, place, sign) for sign in (-1.0, 1.0)]
        return Interval(float(np.exp(found[place])), *(None if end is None else float(np.exp(end)) for end in ends))

    def _end(self, found: Floats, place: int, sign: float) -> float | None:
        """Where the profile has fallen by half of chi-squared's 95 %; None where it never does. The root of the fall is nearly a straight
        line, so that few steps come there."""
        best, away, known = self.cost(found)[0], 2.0 * float(self._scale(found)[place]), found
        inside, outside, here = 0.0, np.inf, self
        for _ in range(_STEPS):
            known = _moved(known, [place], found[place] + sign * away - known[place])
            here = here.near(known)
            known = here.best(known, fixed=place)
            fall = max(here.cost(known)[0] - best, 0.0)
            if abs(fall / _HALF_CHI2 - 1.0) < _CLOSE:
                return float(known[place])
            inside, outside = (away, outside) if fall < _HALF_CHI2 else (inside, away)
            guess = away * float(np.clip(np.sqrt(_HALF_CHI2 / max(fall, 1e-9)), 0.25, 4.0))
            away = guess if inside < guess < outside else (inside + outside) / 2.0
            if away > _FURTHEST:
                return None
        return None if outside == np.inf else float(found[place] + sign * (inside + outside) / 2.0)


def _moved(parameters: Floats, places: list[int], by: Floats | float) -> Floats:
    moved = parameters.copy()
    moved[places] += by
    return moved


def _penalty(parameters: Floats) -> tuple[float, Floats]:
    """ln of the Gamma(2) densities of the two spreads, up to a constant, and its gradient."""
    share = np.exp(parameters[2:4]) / ASSUMED_SPREAD
    gradient = np.zeros(len(parameters))
    gradient[2:4] = 1.0 - share
    return float((np.log(share) - share).sum()), gradient


def _gradient(population: Population, nodes: Nodes, weight: Floats) -> Floats:
    """Of ln likelihood by the parameters of `_population`. weight: posterior of each point."""
    a, b, c = population.factor[0, 0], population.factor[1, 1], population.factor[1, 0]
    first = (nodes.log_v - population.mean[0]) / a
    second = (nodes.log_d - population.mean[1] - c * first) / b
    # q = (factor^-T) z is the derivative by the means; q z^T - factor^-T the one by the factor.
    by_d = second / b
    by_v = (first - c * by_d) / a
    mean_v, mean_d = float((weight * by_v).sum()), float((weight * by_d).sum())
    by_a = float((weight * by_v * first).sum()) - len(weight) / a - a * mean_v
    by_b = float((weight * by_d * second).sum()) - len(weight) / b - b * mean_d
    by_c = float((weight * by_d * first).sum()) - c * mean_d
    return np.array([mean_v, mean_d, a * by_a, b * by_b, by_c])
