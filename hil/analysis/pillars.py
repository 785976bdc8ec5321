"""What a population of pillars behind access devices would show: the cell's resistance law and a fit of it to good junctions.

R_P = RA / area; R_AP = R_P (1 + TMR(V_j)); TMR(V) = TMR0 / (1 + (V / V_h)^2) at the junction's own voltage, which the access device
in series leaves it. RA is log-normal, diameter, TMR and access resistance are normal, all independent.
Rule: two conductances at one voltage tell five numbers (two means, two spreads, a correlation), so five are fitted: R_P, TMR, and the
spreads of R_P, TMR and access resistance. Access resistance, diameter and V_h are assumed. Source: physics-and-paper.md B1, B2."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

Floats = NDArray[np.float64]

HALF_VOLTS = 0.5
"""V_h: the default of the SPINLIB compact model, assumed."""
RA_SHARE, DIAMETER_SHARE = 0.8, 0.3
"""Of the spread of R_P: 0.8^2 + (2 * 0.3)^2 = 1. How it splits does not show in conductance; assumed as 4 % and 1.5 % are."""
_POINTS = 13
"""2 to that many junctions stand for the population."""
_ROUNDS = 4


@dataclass(frozen=True)
class Pillars:
    """ohms_p: median parallel resistance, Ohm. tmr: mean, at zero bias. access_ohms: of the device in series, mean. p_sigma, tmr_sigma,
    access_sigma: relative standard deviations; p_sigma: of R_P, by RA and area together."""

    ohms_p: float
    tmr: float
    access_ohms: float
    p_sigma: float
    tmr_sigma: float
    access_sigma: float


@dataclass(frozen=True)
class Moments:
    """Of the logarithms of both conductances of good junctions. mean: (P, AP), ln S. sigma: (P, AP). correlation: between them."""

    mean: tuple[float, float]
    sigma: tuple[float, float]
    correlation: float


def normal_scores(seed: int) -> Floats:
    """(4, junctions): normals spread evenly (scrambled Sobol), so that their moments are those of many more."""
    points = stats.qmc.Sobol(4, rng=np.random.default_rng(seed)).random_base2(_POINTS)
    return np.asarray(stats.norm.ppf(points), np.float64).T


def cells(pillars: Pillars, scores: Floats, read_volts: float) -> tuple[Floats, Floats]:
    """(G_P, G_AP) of a cell for each column of scores, S at read_volts across the cell."""
    barrier, width, magnet, access = scores
    ra = np.exp(RA_SHARE * pillars.p_sigma * barrier)
    ohms_p = pillars.ohms_p * ra / (1.0 + DIAMETER_SHARE * pillars.p_sigma * width) ** 2
    tmr = pillars.tmr * (1.0 + pillars.tmr_sigma * magnet)
    series = pillars.access_ohms * (1.0 + pillars.access_sigma * access)
    return 1.0 / (ohms_p + series), cell_ap(ohms_p, tmr, series, read_volts)


def cell_ap(ohms_p: Floats | float, tmr: Floats | float, series: Floats | float, read_volts: float) -> Floats:
    """G_AP of cells, S: the junction's voltage and its TMR settle each other in a few rounds."""
    ohms = np.asarray(ohms_p * (1.0 + tmr), np.float64)
    for _ in range(_ROUNDS):
        volts = read_volts * ohms / (ohms + series)
        ohms = ohms_p * (1.0 + tmr / (1.0 + (volts / HALF_VOLTS) ** 2))
    return 1.0 / (ohms + series)


def moments(p: Floats, ap: Floats) -> Moments:
    """p, ap: (n,) S, above 0."""
    logs = np.log(np.stack([p, ap]))
    sigma = logs.std(axis=1)
    correlation = float(np.mean(np.prod(logs - logs.mean(axis=1, keepdims=True), axis=0)) / max(float(np.prod(sigma)), 1e-300))
    return Moments((float(logs[0].mean()), float(logs[1].mean())), (float(sigma[0]), float(sigma[1])), correlation)


def fit_pillars(wanted: Moments, access_ohms: float, read_volts: float, scores: Floats) -> Pillars:
    """The population whose cells have these moments, as nearly as pillars can. Raises ValueError where the access device alone would
    conduct less than the cells do, or the states do not differ."""
    ohms_p = 1.0 / np.exp(wanted.mean[0]) - access_ohms
    tmr = (1.0 / np.exp(wanted.mean[1]) - access_ohms) / ohms_p - 1.0 if ohms_p > 0 else 0.0
    if ohms_p <= 0 or tmr <= 0:
        parallel, antiparallel = (f"{np.exp(mean) * 1e6:.1f} uS" for mean in wanted.mean)
        raise ValueError(f"no pillar behind {access_ohms:.0f} Ohm makes cells of {parallel} and {antiparallel}")

    def made(x: Floats) -> Pillars:
        return Pillars(float(ohms_p * np.exp(x[0])), float(tmr * np.exp(x[1])), access_ohms, float(x[2]), float(x[3]), float(x[4]))

    def misses(x: Floats) -> Floats:
        seen = moments(*cells(made(x), scores, read_volts))
        spread = np.array(wanted.sigma)
        covariances = seen.correlation * seen.sigma[0] * seen.sigma[1] - wanted.correlation * spread[0] * spread[1]
        return np.concatenate(
            [
                (np.array(seen.mean) - wanted.mean) / spread,
                (np.array(seen.sigma) ** 2 - spread**2) / spread**2,
                [covariances / (spread[0] * spread[1])],
            ]
        )

    start = np.array([0.0, 0.0, max(wanted.sigma[0], 1e-3), max(wanted.sigma[1] / 2, 1e-3), 0.05])
    bounds = ([-1.0, -1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 0.5, 0.5, 0.3])
    found = optimize.least_squares(misses, np.clip(start, bounds[0], bounds[1]), bounds=bounds, x_scale=[0.05, 0.05, 0.02, 0.02, 0.05])
    return made(np.asarray(found.x, np.float64))


def die_factors(pillars: Pillars, mean: tuple[float, float], read_volts: float, scores: Floats) -> tuple[float, float]:
    """(ra_factor, tmr_factor) of a die whose good junctions have these mean logarithms (P, AP): Newton on both means."""
    factors = np.zeros(2)

    def means(logs: Floats) -> Floats:
        moved = replace(pillars, ohms_p=pillars.ohms_p * float(np.exp(logs[0])), tmr=pillars.tmr * float(np.exp(logs[1])))
        return np.array([np.log(values).mean() for values in cells(moved, scores, read_volts)])

    for _ in range(3):
        here = means(factors)
        slopes = np.stack([(means(factors + step) - here) / 1e-3 for step in 1e-3 * np.eye(2)], axis=1)
        factors = np.clip(factors + np.linalg.solve(slopes, np.array(mean) - here), -1.0, 1.0)
    return float(np.exp(factors[0])), float(np.exp(factors[1]))
