"""Good junctions of a wafer: their spread by cause, and every class as tables that a sampler draws from."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.analysis.measured import MeasuredDie
from hil.analysis.noise import reading_noise
from hil.analysis.noise_check import noise_factor
from hil.analysis.overdispersion import FittedRate, rate_quantiles
from hil.analysis.shapes import ABSOLUTE, SCORES, DieMeans, Shape, die_means, shape_of
from hil.analysis.variance import DieSample
from hil.model.defects import Defect
from hil.model.maps import ConductanceMap

Floats = NDArray[np.float64]

_LEAST_CORRELATION_SIGMAS = 3.0
"""Kinds are drawn as independent unless their counts per die say otherwise so clearly: 15 pairs are looked at."""


def samples_of(dies: Sequence[MeasuredDie]) -> dict[str, list[DieSample]]:
    """ "P", "AP": natural logarithm of conductance; "tmr": G_P / G_AP - 1. Of each die, with the noise of reading."""
    found: dict[str, list[DieSample]] = {"P": [], "AP": [], "tmr": []}
    factor = noise_factor(dies)
    for die in dies:
        good = die.good
        p, ap = (np.where(good, each.siemens, 1.0).astype(np.float64) for each in (die.p, die.ap))
        noise = {state: _relative_noise(each, good) for state, each in (("P", die.p), ("AP", die.ap))}
        ratio = p / ap
        for name, values, scale in (("P", np.log(p), 1.0), ("AP", np.log(ap), 1.0), ("tmr", ratio - 1.0, ratio**2)):
            variance = sum(_mean(noise[state] * scale, good) for state in noise if name in (state, "tmr"))
            found[name].append(DieSample(values, good, variance * factor.variance, variance * factor.doubt))
    return found


def sampling_tables(dies: Sequence[MeasuredDie], isolated: Mapping[str, FittedRate]) -> dict[str, Any] | None:
    """What hil.analysis.sampler draws from, as JSON; None without a good junction that switches.

    scores: of every table. die: means of dies. good, kinds: distributions of conductance; rates: a die's rate of each kind;
    rate_correlation: of their normal scores, in the order of the rates.
    """
    own = [_good_means(die) for die in dies]
    known = [means for means in own if means is not None]
    if not known:
        return None
    means: DieMeans = die_means(known)
    typical = (float(np.exp(means.mean_log[0])), float(np.exp(means.mean_log[1])))
    shapes = {kind: _shape(dies, [each or typical for each in own], kind) for kind in (Defect.GOOD, *_kinds(isolated))}
    told = {kind.name.lower(): asdict(shape) for kind, shape in shapes.items() if shape is not None}
    return {
        "scores": [float(score) for score in SCORES],
        "die": asdict(means),
        "good": told.pop("good"),
        "kinds": told,
        "rates": {name: [float(rate) for rate in rate_quantiles(fitted, SCORES)] for name, fitted in isolated.items()},
        "rate_correlation": rate_correlation(list(isolated.values())),
    }


def rate_correlation(rates: Sequence[FittedRate]) -> list[list[float]]:
    """Correlation of a die's own rates between kinds, by moments: the noise of counting is independent between kinds and drops out."""
    found = np.eye(len(rates))
    excess = [_excess(rate) for rate in rates]
    for a in range(len(rates)):
        for b in range(a):
            found[a, b] = found[b, a] = _correlation((rates[a], excess[a]), (rates[b], excess[b]))
    values, vectors = np.linalg.eigh(found)
    possible = vectors @ np.diag(np.maximum(values, 1e-6)) @ vectors.T
    scale = np.sqrt(np.diag(possible))
    return [[float(value) for value in row] for row in possible / np.outer(scale, scale)]


def _excess(rate: FittedRate) -> Floats:
    """(dies,) each die's rate over the mean, less 1."""
    trials = np.array(rate.trials_per_die, np.float64)
    expected = trials * rate.rate
    return np.divide(np.array(rate.per_die), expected, out=np.ones_like(expected), where=expected > 0) - 1.0


def _correlation(first: tuple[FittedRate, Floats], second: tuple[FittedRate, Floats]) -> float:
    (a, of_a), (b, of_b) = first, second
    spread = (a.cv.value or 0.0) * (b.cv.value or 0.0)
    if spread == 0.0 or np.ptp(of_a) == 0 or np.ptp(of_b) == 0:
        return 0.0
    seen = float(np.asarray(np.corrcoef(np.stack([of_a, of_b])))[0, 1])
    if abs(seen) * np.sqrt(of_a.size) < _LEAST_CORRELATION_SIGMAS:
        return 0.0
    return float(np.clip(np.mean(of_a * of_b) / spread, -0.95, 0.95))


def _kinds(isolated: Mapping[str, FittedRate]) -> list[Defect]:
    return [Defect[name.upper()] for name in isolated]


def _good_means(die: MeasuredDie) -> tuple[float, float] | None:
    """Mean G_P and mean drop of good junctions, S."""
    good = die.good
    if not good.any():
        return None
    p = float(die.p.siemens[good].mean(dtype=np.float64))
    drop = p - float(die.ap.siemens[good].mean(dtype=np.float64))
    return (p, drop) if drop > 0 else None


def _shape(dies: Sequence[MeasuredDie], means: Sequence[tuple[float, float]], kind: Defect) -> Shape | None:
    p, drop = [], []
    for die, (mean_p, mean_drop) in zip(dies, means, strict=True):
        here = (die.defects.codes == kind) & np.isfinite(die.p.siemens) & np.isfinite(die.ap.siemens)
        here_p, here_ap = (each.siemens[here].astype(np.float64) for each in (die.p, die.ap))
        p.append(here_p if kind in ABSOLUTE else here_p / mean_p)
        drop.append(here_p - here_ap if kind in ABSOLUTE else (here_p - here_ap) / mean_drop)
    all_p, all_drop = np.concatenate(p), np.concatenate(drop)
    return shape_of(all_p, all_drop, kind not in ABSOLUTE) if all_p.size else None


def _relative_noise(each: ConductanceMap, good: NDArray[np.bool_]) -> Floats:
    """Variance of the logarithm of a reading by noise alone; 0 where not good."""
    siemens = np.where(good, each.siemens, 1.0)
    return np.where(good, (reading_noise(siemens, each.read_volts, each.meta) / siemens) ** 2, 0.0)


def _mean(values: Floats, good: NDArray[np.bool_]) -> float:
    return float(values[good].mean()) if good.any() else 0.0
