"""What the trials of each junction say of its own V_c0 and Delta: a few points of the plane (ln V_c0, ln Delta) with their likelihoods.

Rule: points stand where a junction's posterior has its weight (adaptive Gauss-Hermite quadrature), in coordinates that its trials nearly
decouple: ln V50 at one width, which many trials fix, and ln Delta, which only the slope and the widths tell.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hil.analysis.switching_law import Assumptions, Exponent, Floats, barrier, log_likelihood, threshold_share

_AROUND, _AROUND_POINTS = 0.15, 31
_STABILITY = (12.0, 300.0)
_STABILITY_POINTS = 20
_POINTS = 9
_WIDER = 1.2
"""Points cover a little more than the posterior, so that the population may still move."""
_AT_ONCE = 4_000_000
_LEAST_SIGMA = 1e-4


@dataclass(frozen=True)
class Trials:
    """Counts of junctions under conditions. across: V, switched, kept: (junctions, conditions); width_s: (conditions,)."""

    across: Floats
    width_s: Floats
    switched: Floats
    kept: Floats

    @property
    def junctions(self) -> int:
        return len(self.across)


@dataclass(frozen=True)
class Nodes:
    """log_v, log_d: ln V_c0 and ln Delta, (junctions, points). log_weight: ln of likelihood times the quadrature's own weight."""

    log_v: Floats
    log_d: Floats
    log_weight: Floats


@dataclass(frozen=True)
class Population:
    """Normal in (ln V_c0, ln Delta): means, lower Cholesky factor of the covariance."""

    mean: Floats
    factor: Floats

    def log_density(self, log_v: Floats, log_d: Floats) -> Floats:
        first = (log_v - self.mean[0]) / self.factor[0, 0]
        second = (log_d - self.mean[1] - self.factor[1, 0] * first) / self.factor[1, 1]
        return -0.5 * (first**2 + second**2) - np.log(2.0 * np.pi * self.factor[0, 0] * self.factor[1, 1])

    def posterior(self, nodes: Nodes) -> Floats:
        """Weight of each point, (junctions, points); each junction's add up to 1."""
        joint = nodes.log_weight + self.log_density(nodes.log_v, nodes.log_d)
        weight = np.exp(joint - joint.max(axis=1, keepdims=True))
        return weight / weight.sum(axis=1, keepdims=True)


@dataclass(frozen=True)
class Plane:
    """The coordinates of one exponent."""

    trials: Trials
    exponent: Exponent
    assumed: Assumptions

    @property
    def reference_s(self) -> float:
        return float(np.exp(np.mean(np.log(self.trials.width_s))))

    def log_critical(self, log_half: Floats, log_d: Floats) -> Floats:
        """ln V_c0 from ln V50. The Jacobian of (ln V50, ln Delta) to (ln V_c0, ln Delta) is 1."""
        return log_half - np.log(threshold_share(np.exp(log_d), self.reference_s, self.exponent, self.assumed))

    def log_half(self, log_v: Floats, log_d: Floats) -> Floats:
        return log_v + np.log(threshold_share(np.exp(log_d), self.reference_s, self.exponent, self.assumed))

    def nodes(self, log_half: Floats, log_d: Floats, log_quadrature: Floats) -> Nodes:
        """Points with their likelihoods; everything (junctions, points)."""
        log_v = self.log_critical(log_half, log_d)
        likelihood = np.concatenate([self._likelihood(part, log_v[part], log_d[part]) for part in self._parts(log_v.shape[1])])
        return Nodes(log_v, log_d, likelihood + log_quadrature)

    def _parts(self, points: int) -> Iterator[slice]:
        step = max(1, _AT_ONCE // (points * self.trials.across.shape[1]))
        return (slice(first, first + step) for first in range(0, self.trials.junctions, step))

    def _likelihood(self, part: slice, log_v: Floats, log_d: Floats) -> Floats:
        trials, one = self.trials, (slice(None), slice(None), None)
        left = barrier(trials.across[part][:, None, :], np.exp(log_v)[one], np.exp(log_d)[one], self.exponent)
        hazard = np.log(trials.width_s / self.assumed.attempt_s) - left
        return log_likelihood(trials.switched[part][:, None, :], trials.kept[part][:, None, :], hazard, self.assumed.lapse)


def first_nodes(plane: Plane) -> Nodes:
    """A grid around where each junction's trials cross one half, over every Delta that may be."""
    middle = _crossing(plane.trials)
    around = np.linspace(-_AROUND, _AROUND, _AROUND_POINTS)
    stability = np.linspace(np.log(_STABILITY[0]), np.log(_STABILITY[1]), _STABILITY_POINTS)
    half, log_d = (each.ravel() for each in np.meshgrid(around, stability, indexing="ij"))
    shape = (plane.trials.junctions, half.size)
    return plane.nodes(middle[:, None] + half, np.broadcast_to(log_d, shape).copy(), np.zeros(shape))


def nearer_nodes(plane: Plane, nodes: Nodes, population: Population) -> Nodes:
    """Points anew, around each junction's posterior under a population."""
    weight = population.posterior(nodes)
    half = plane.log_half(nodes.log_v, nodes.log_d)
    at, factor = _moments(weight, half, nodes.log_d)
    (first, second), log_quadrature = _hermite()
    log_half = at[:, :1] + factor[:, 0, :1] * first
    log_d = at[:, 1:] + factor[:, 1, :1] * first + factor[:, 1, 1:] * second
    # Of Delta below ln 2 t / tau0 no V50 is left.
    log_d = np.maximum(log_d, np.log(np.log(plane.reference_s / plane.assumed.attempt_s / np.log(2.0)) * 1.01))
    size = np.log(factor[:, 0, 0] * factor[:, 1, 1])[:, None]
    return plane.nodes(log_half, log_d, log_quadrature + size)


def _moments(weight: Floats, half: Floats, log_d: Floats) -> tuple[Floats, Floats]:
    """(junctions, 2) mean and (junctions, 2, 2) Cholesky factor of the covariance, widened."""
    both = np.stack([half, log_d], axis=-1)
    mean = np.einsum("jg,jgk->jk", weight, both)
    away = both - mean[:, None, :]
    covariance = np.einsum("jg,jgk,jgl->jkl", weight, away, away)
    covariance += np.eye(2) * _LEAST_SIGMA**2
    return mean, _WIDER * np.linalg.cholesky(covariance)


def _hermite() -> tuple[tuple[Floats, Floats], Floats]:
    """Points of the plane in units of sigma, and ln of their weights for an integral without the normal density."""
    points, weights = np.polynomial.hermite_e.hermegauss(_POINTS)
    log_weights = np.log(weights) + points**2 / 2.0
    first, second = (each.ravel() for each in np.meshgrid(points, points, indexing="ij"))
    return (first, second), np.add.outer(log_weights, log_weights).ravel()


def _crossing(trials: Trials) -> Floats:
    """ln of the voltage above which a junction's pulses rather switch, whatever their width, (junctions,)."""
    order = np.argsort(trials.across, axis=1)
    volts, switched, kept = (np.take_along_axis(each, order, axis=1) for each in (trials.across, trials.switched, trials.kept))
    # Fewest wrong on either side: kept above the place and switched below it.
    wrong = np.cumsum(switched, axis=1) + kept.sum(axis=1, keepdims=True) - np.cumsum(kept, axis=1)
    wrong = np.concatenate([kept.sum(axis=1, keepdims=True), wrong], axis=1)
    best = np.argmin(wrong, axis=1)
    rows = np.arange(trials.junctions)
    below, above = volts[rows, np.maximum(best - 1, 0)], volts[rows, np.minimum(best, volts.shape[1] - 1)]
    found: NDArray[np.float64] = np.log((below + above) / 2.0)
    return found
