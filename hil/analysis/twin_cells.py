"""Good junctions of a wafer as a twin needs them: what instruments add taken out, and the two models that may stand for them.

Rule: a model is fitted to junctions within a die, and each die then gets the two factors that put its means where they were."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from hil.analysis.die_population import samples_of
from hil.analysis.measured import MeasuredDie, reading_step
from hil.analysis.pillars import DIAMETER_SHARE, RA_SHARE, Moments, Pillars, cells, die_factors, fit_pillars, normal_scores
from hil.analysis.variance import line_effects
from hil.model.defects import Defect

Floats = NDArray[np.float64]

DIAMETER_NM = 80.0
_ASSUMED_ACCESS_OHMS = 1_000.0
_ASSUMED_SHORT_OHMS = (30.0, 300.0)
"""Of a short itself, 2.5 % and 97.5 % points of a log-normal."""
KEEP_SIGMAS = 4.0
_MAD_TO_SIGMA = 1.4826
_LEAST_SHORTS = 20
_QUANTILES = 201
_LEAST_GOOD = 100


@dataclass(frozen=True)
class GoodCells:
    """logs: of each die, (2, n) natural logarithms of G_P and G_AP, lines of the board and outliers taken out. means: (dies, 2); NaN for a
    die without enough good junctions. moments: within a die, read noise taken out. noise: (P, AP) variances of one logarithm.
    steps: (P, AP) width of the converter's steps, relative."""

    logs: tuple[Floats, ...]
    means: Floats
    moments: Moments
    noise: tuple[float, float]
    steps: tuple[float, float]


@dataclass(frozen=True)
class CellModel:
    """model: as fab files name it. parameters: of the wafer. factors: (ra_factor, tmr_factor) of each die, None where unknown.
    distances: Kolmogorov-Smirnov, (P, AP), of what the model should read to what was read. junctions: good ones it was fitted to.
    pillars: where it is of pillars."""

    model: str
    parameters: dict[str, Any]
    factors: tuple[tuple[float, float] | None, ...]
    distances: tuple[float, float]
    junctions: int
    pillars: Pillars | None


def good_cells(dies: Sequence[MeasuredDie], keep_sigmas: float = KEEP_SIGMAS) -> GoodCells:
    """keep_sigmas: what lies further from its die's median is an outlier. Raises ValueError where no die has enough good junctions."""
    samples = samples_of(dies)
    lines = [line_effects(samples[state]) for state in ("P", "AP")]
    logs: list[Floats] = []
    for p, ap in zip(samples["P"], samples["AP"], strict=True):
        pair = np.stack([(each.values - line)[each.good] for each, line in zip((p, ap), lines, strict=True)])
        logs.append(pair[:, _near(pair, keep_sigmas)])
    means = np.array([each.mean(axis=1) if each.shape[1] >= _LEAST_GOOD else (np.nan, np.nan) for each in logs])
    known = np.isfinite(means[:, 0])
    if not known.any():
        raise ValueError(f"no die has {_LEAST_GOOD} good junctions read in both states; a twin needs them to be fitted to")
    noise = (_noise(samples["P"], known), _noise(samples["AP"], known))
    found = _moments(logs, means, noise)
    steps = reading_step(dies[0].p) / np.exp(found.mean[0]), reading_step(dies[0].ap) / np.exp(found.mean[1])
    return GoodCells(tuple(logs), means, found, noise, (float(steps[0]), float(steps[1])))


def _noise(samples: Sequence[Any], known: NDArray[np.bool_]) -> float:
    return float(np.mean([each.noise_variance for each, told in zip(samples, known, strict=True) if told]))


def _near(pair: Floats, keep_sigmas: float) -> NDArray[np.bool_]:
    if not pair.shape[1]:
        return np.zeros(0, np.bool_)
    middle = np.median(pair, axis=1, keepdims=True)
    sigma = _MAD_TO_SIGMA * np.median(np.abs(pair - middle), axis=1, keepdims=True)
    return np.asarray((np.abs(pair - middle) <= keep_sigmas * sigma).all(axis=0))


def _moments(logs: Sequence[Floats], means: Floats, noise: tuple[float, float]) -> Moments:
    rests = np.concatenate([each - mean[:, None] for each, mean in zip(logs, means, strict=True) if np.isfinite(mean[0])], axis=1)
    covariance = rests @ rests.T / rests.shape[1]
    sigma = np.sqrt(np.maximum(np.diag(covariance) - noise, 1e-8))
    middle = np.nanmean(means, axis=0)
    correlation = float(np.clip(covariance[0, 1] / (sigma[0] * sigma[1]), -0.999, 0.999))
    return Moments((float(middle[0]), float(middle[1])), (float(sigma[0]), float(sigma[1])), correlation)


def pillar_model(good: GoodCells, dies: Sequence[MeasuredDie], seed: int) -> CellModel:
    """Raises ValueError where no pillar makes such cells."""
    read_volts = dies[0].p.read_volts
    scores = normal_scores(seed)
    access, short_ohms = _access(dies, float(np.exp(good.moments.mean[0])))
    pillars = fit_pillars(good.moments, access, read_volts, scores)
    factors = tuple(
        die_factors(pillars, (float(mean[0]), float(mean[1])), read_volts, scores) if np.isfinite(mean[0]) else None for mean in good.means
    )
    made = [None if each is None else cells(_moved(pillars, each), scores, read_volts) for each in factors]
    parameters = {
        "resistance_area_ohm_um2": pillars.ohms_p * np.pi * (DIAMETER_NM * 1e-3) ** 2 / 4.0,
        "diameter_nm": DIAMETER_NM,
        "tmr": pillars.tmr,
        "access_ohms": pillars.access_ohms,
        "ra_sigma": RA_SHARE * pillars.p_sigma,
        "diameter_sigma": DIAMETER_SHARE * pillars.p_sigma,
        "tmr_sigma": pillars.tmr_sigma,
        "access_sigma": pillars.access_sigma,
        "short_ohms_low": short_ohms[0],
        "short_ohms_high": short_ohms[1],
    }
    distances = _distances(good, [None if each is None else np.log(np.stack(each)) for each in made], seed)
    return CellModel("pillars", {name: float(value) for name, value in parameters.items()}, factors, distances, _count(good), pillars)


def _count(good: GoodCells) -> int:
    return sum(each.shape[1] for each in good.logs)


def _moved(pillars: Pillars, factors: tuple[float, float]) -> Pillars:
    return Pillars(
        pillars.ohms_p * factors[0], pillars.tmr * factors[1], pillars.access_ohms, pillars.p_sigma, pillars.tmr_sigma, pillars.access_sigma
    )


def _access(dies: Sequence[MeasuredDie], good_p: float) -> tuple[float, tuple[float, float]]:
    """(access resistance, 2.5 % and 97.5 % points of a short itself), Ohm. Shorts that conduct far more than good junctions show the device
    in series, their own resistance assumed; where shorts are milder, the device is assumed and they show themselves."""
    shorts = np.concatenate([die.p.siemens[(die.defects.codes == Defect.SHORT) & (die.p.siemens > 0)] for die in dies]).astype(np.float64)
    assumed = min(_ASSUMED_ACCESS_OHMS, 0.5 / good_p)
    if shorts.size < _LEAST_SHORTS:
        return assumed, _ASSUMED_SHORT_OHMS
    hard = shorts[shorts > 2.0 * good_p]
    middle = float(np.sqrt(np.prod(_ASSUMED_SHORT_OHMS)))
    access = float(np.median(1.0 / hard)) - middle if hard.size >= shorts.size / 2 else 0.0
    if 0.2 / good_p < access < 0.7 / good_p:
        return access, _ASSUMED_SHORT_OHMS
    access = min(assumed, 0.9 * float(np.quantile(1.0 / shorts, 0.025)))
    own = np.quantile(1.0 / shorts - access, [0.025, 0.975])
    return access, (max(float(own[0]), 1.0), max(float(own[1]), 2.0))


def level_model(good: GoodCells, dies: Sequence[MeasuredDie], seed: int) -> CellModel:
    """Conductances as given by quantiles: any distribution, without a law behind it."""
    middle, sigma = np.array(good.moments.mean), np.array(good.moments.sigma)
    rests = np.concatenate([each - mean[:, None] for each, mean in zip(good.logs, good.means, strict=True) if np.isfinite(mean[0])], axis=1)
    # Read noise widened what was read; drawn together by as much, the shape stays.
    rests *= (sigma / rests.std(axis=1))[:, None]
    levels = np.linspace(0.0, 1.0, _QUANTILES)
    tables = [np.exp(middle[state] + np.quantile(rests[state], levels)) for state in (0, 1)]
    ratio = np.exp(good.means[:, 0] - good.means[:, 1]) - 1.0
    typical = float(np.exp(middle[0] - middle[1]) - 1.0)
    factors = tuple(
        (float(np.exp(middle[0] - mean[0])), float(each / typical)) if np.isfinite(mean[0]) else None
        for mean, each in zip(good.means, ratio, strict=True)
    )
    parameters: dict[str, Any] = {
        "siemens_p": float(np.exp(middle[0])),
        "ap_over_p": float(np.exp(middle[1] - middle[0])),
        "level_correlation": good.moments.correlation,
        "quantiles_p": [float(value) for value in tables[0]],
        "quantiles_ap": [float(value) for value in tables[1]],
        **_level_shorts(dies, float(np.exp(middle[0]))),
    }
    made = [None if not np.isfinite(mean[0]) else rests + mean[:, None] for mean in good.means]
    return CellModel("levels", parameters, factors, _distances(good, made, seed), _count(good), None)


def _level_shorts(dies: Sequence[MeasuredDie], good_p: float) -> dict[str, float]:
    shorts = np.concatenate([die.p.siemens[(die.defects.codes == Defect.SHORT) & (die.p.siemens > 0)] for die in dies]).astype(np.float64)
    if shorts.size < _LEAST_SHORTS:
        return {}
    logs = np.log(shorts / good_p)
    return {"short_times": float(np.exp(np.median(logs))), "short_times_sigma": float(logs.std())}


def _distances(good: GoodCells, made: Sequence[Floats | None], seed: int) -> tuple[float, float]:
    """made: logarithms that the model has on each die; read noise is added, and dies count as often as they were read."""
    rng = np.random.default_rng(seed)
    found: list[float] = []
    for state in (0, 1):
        seen, drawn = list[Floats](), list[Floats]()
        for logs, model in zip(good.logs, made, strict=True):
            if model is not None and logs.shape[1]:
                # A reading stands for its whole step, on either side.
                within = good.steps[state] * rng.uniform(-0.5, 0.5, (2, logs.shape[1]))
                noise = np.sqrt(good.noise[state]) * rng.standard_normal(logs.shape[1])
                seen.append(logs[state] + within[0])
                drawn.append(rng.choice(model[state], logs.shape[1]) + noise + within[1])
        found.append(float(stats.ks_2samp(np.concatenate(seen), np.concatenate(drawn)).statistic))
    return found[0], found[1]
