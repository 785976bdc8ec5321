"""Rates that differ from die to die: a beta-binomial model, its posterior on a grid, and the intervals that follow.

The rate of a die is Beta distributed with the mean `rate` and the relative spread `cv` between dies; at small rates that is the
Gamma-Poisson model of clustered defects, of shape 1 / cv^2. Prior: Jeffreys' for the mean, half-Cauchy of scale
1 for the spread.
Source: C. H. Stapper, IBM J. Res. Dev. 27, 549 (1983), negative binomial yield; J. G. Skellam, J. R. Stat. Soc. B 10, 257 (1948)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from hil.analysis.intervals import UNKNOWN, Estimate

Floats = NDArray[np.float64]

LARGEST_CV = 3.0
"""Dies that differ by more than three times their mean rate look alike: nearly all defects on one die."""
_MEANS, _SPREADS = 61, 49
_NEGLIGIBLE = 12.0
"""A log posterior so far below its highest is left out: 6e-6 of the density there."""
_BOUNDARY_LR = 2.706
"""Likelihood ratio that a spread of 0 must exceed to be refused at 5 %: half of a chi-squared, since 0 is the end of the range."""


@dataclass(frozen=True)
class FittedRate:
    """A rate per junction of one population of dies, with 95 % intervals.

    rate, low, high: the mean over dies that the population has. cv: standard deviation of a die's own rate over that mean; 0 for
    independent defects, at most 3, the end of the prior; nothing is known of it with fewer than two dies or no event.
    shape: 1 / cv^2, the shape of the Gamma distribution of rates; no upper limit where the spread may be 0.
    per_die, trials_per_die: in the order of the dies.
    """

    count: int
    trials: int
    rate: float
    low: float
    high: float
    cv: Estimate
    shape: Estimate
    per_die: tuple[int, ...]
    trials_per_die: tuple[int, ...]


@dataclass(frozen=True)
class Posterior:
    """Density over means (axis 0) and spreads (axis 1), not normalised. log_likelihood: of the best mean at each spread."""

    means: Floats
    spreads: Floats
    density: Floats
    log_likelihood: Floats


def fit_rate(counts: NDArray[np.integer], trials: NDArray[np.integer]) -> FittedRate:
    """counts, trials: per die, same length. Dies without a trial count for nothing."""
    used = trials > 0
    k, n = counts[used].astype(np.float64), trials[used].astype(np.float64)
    total, of = int(k.sum()), int(n.sum())
    told = (tuple(int(count) for count in counts), tuple(int(trial) for trial in trials))
    if of == 0:
        return FittedRate(0, 0, 0.0, 0.0, 1.0, UNKNOWN, UNKNOWN, *told)
    if k.size < 2 or total in (0, of):
        low, high = _jeffreys(total, of)
        return FittedRate(total, of, total / of, low, high, UNKNOWN, UNKNOWN, *told)
    found = posterior(k, n)
    # The grid is even in the logarithm, and so is the density.
    low, high = (float(np.exp(end)) for end in quantiles(np.log(found.means), found.density.sum(axis=1), (0.025, 0.975)))
    return FittedRate(total, of, total / of, min(low, total / of), max(high, total / of), *_spread(found), *told)


def posterior(k: Floats, n: Floats) -> Posterior:
    """Of at least two dies and one event; the second of two grids lies where the first had found the density."""
    middle = (k.sum() + 0.5) / (n.sum() + 1.0)
    means = np.exp(np.linspace(np.log(middle) - 6.0, min(np.log(middle) + 6.0, -1e-9), _MEANS))
    spreads = np.linspace(0.0, LARGEST_CV, _SPREADS)
    first = _on_grid(k, n, np.unique(np.append(means, middle)), spreads)
    kept = first.density > np.exp(-_NEGLIGIBLE)
    return _on_grid(k, n, np.exp(_around(np.log(first.means), kept.any(axis=1))), _around(first.spreads, kept.any(axis=0)))


def sample_means(fitted: FittedRate, count: int, rng: np.random.Generator) -> Floats:
    """(count,) draws of the population's mean rate, as sure as the fit is."""
    k, n = np.array(fitted.per_die, np.float64), np.array(fitted.trials_per_die, np.float64)
    if fitted.trials == 0:
        return rng.uniform(0.0, 1.0, count)
    if fitted.cv.value is None:
        return rng.beta(fitted.count + 0.5, fitted.trials - fitted.count + 0.5, count)
    found = posterior(k[n > 0], n[n > 0])
    weight = np.cumsum(found.density.sum(axis=1))
    return np.interp(rng.uniform(0.0, 1.0, count), weight / weight[-1], found.means)


def rate_quantiles(fitted: FittedRate, z: Floats) -> Floats:
    """A die's rate at standard normal scores z: the model's distribution of rates between dies, as a table."""
    cv = fitted.cv.value or 0.0
    if cv < 1e-3 or not 0.0 < fitted.rate < 1.0:
        return np.full(z.shape, fitted.rate)
    # The largest spread that rates between 0 and 1 can have: nearly all of the dies dead, or none.
    cv = min(cv, 0.999 * float(np.sqrt((1.0 - fitted.rate) / fitted.rate)))
    alpha, beta = _beta(np.float64(fitted.rate), np.float64(cv))
    return np.asarray(stats.beta.ppf(stats.norm.cdf(z), alpha, beta), np.float64)


def quantiles(points: Floats, weights: Floats, wanted: tuple[float, ...]) -> tuple[float, ...]:
    """Of a density on rising points, the points as cells of equal weight rule: trapezoids between them."""
    steps = np.diff(points) * (weights[1:] + weights[:-1]) / 2.0
    cumulated = np.concatenate([[0.0], np.cumsum(steps)])
    return tuple(float(value) for value in np.interp(wanted, cumulated / cumulated[-1], points))


def _spread(found: Posterior) -> tuple[Estimate, Estimate]:
    """(cv, shape)."""
    weights = found.density.sum(axis=0)
    low, middle, high = quantiles(found.spreads, weights, (0.025, 0.5, 0.975))
    if found.spreads[0] == 0.0 and 2.0 * (found.log_likelihood.max() - found.log_likelihood[0]) < _BOUNDARY_LR:
        (high,) = quantiles(found.spreads, weights, (0.95,))
        best = float(found.spreads[int(np.argmax(found.log_likelihood))])
        return Estimate(best, 0.0, high), Estimate(None, high**-2, None)
    return Estimate(middle, low, high), Estimate(middle**-2, high**-2, low**-2)


def _on_grid(k: Floats, n: Floats, means: Floats, spreads: Floats) -> Posterior:
    likelihood = np.stack([_log_likelihood(k, n, means, float(cv)) for cv in spreads], axis=1)
    # Jeffreys' prior m^-1/2 of a mean, on a grid that is even in log m; half-Cauchy, so that few dies do not suggest wild ones.
    log_density = likelihood + 0.5 * np.log(means)[:, None] - np.log1p(spreads**2)
    return Posterior(means, spreads, np.exp(log_density - log_density.max()), likelihood.max(axis=0))


def _log_likelihood(k: Floats, n: Floats, means: Floats, cv: float) -> Floats:
    """(means,) log likelihood, without what does not depend on the parameters; -inf where no Beta has this mean and spread."""
    m = means[:, None]
    if cv == 0.0:
        return np.asarray((k * np.log(m) + (n - k) * np.log1p(-m)).sum(axis=1))
    alpha, beta = _beta(m, np.float64(cv))
    possible = alpha[:, 0] > 0
    a, b = np.where(alpha > 0, alpha, 1.0), np.where(alpha > 0, beta, 1.0)
    found = (special.betaln(k + a, n - k + b) - special.betaln(a, b)).sum(axis=1)
    return np.where(possible, found, -np.inf)


def _beta(mean: Floats | np.float64, cv: np.float64) -> tuple[Floats, Floats]:
    alpha = np.asarray((1.0 - mean) / cv**2 - mean)
    return alpha, np.asarray(alpha * (1.0 - mean) / mean)


def _around(points: Floats, kept: NDArray[np.bool_]) -> Floats:
    """As many points between the neighbours of the first and the last that were kept."""
    where = np.flatnonzero(kept)
    low, high = max(int(where[0]) - 1, 0), min(int(where[-1]) + 1, points.size - 1)
    return np.linspace(points[low], points[high], points.size)


def _jeffreys(count: int, trials: int) -> tuple[float, float]:
    """95 % interval of a binomial rate from Jeffreys' prior, reaching 0 or 1 where nothing or everything was hit."""
    low, high = (float(stats.beta.ppf(level, count + 0.5, trials - count + 0.5)) for level in (0.025, 0.975))
    return 0.0 if count == 0 else low, 1.0 if count == trials else high
