"""Junctions of one die as the foundry made them, from one correlated draw: pillars by area and barrier, levels as given."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr

from firmware_protocol.geometry import Geometry
from simulator.physics.defects import Defects
from simulator.physics.mtj import Floats, Junctions, Law, parallel_ohms
from simulator.physics.parameters import Fab
from simulator.physics.wiring import path_ohms

OPEN_OHMS = 1e8
_LEAST_VOLTS, _LEAST_STABILITY = 0.02, 5.0


@dataclass(frozen=True)
class Spread:
    """Where this die stands among the dies. ra_factor, tmr_factor: of the die's mean, from one draw and the wafer's gradient."""

    ra_factor: float = 1.0
    tmr_factor: float = 1.0


def law_of(fab: Fab) -> Law:
    """Levels are as given at any bias: nothing rolls off."""
    return Law(
        half_volts=np.inf if fab.model == "levels" else fab.half_volts,
        asymmetry=fab.write_asymmetry,
        exponent=fab.switching_exponent,
        attempt_s=fab.attempt_s,
        damping_s=fab.damping_s,
        tddb_exponent=fab.breakdown_exponent,
    )


def draw_junctions(fab: Fab, geometry: Geometry, spread: Spread, defects: Defects, rng: np.random.Generator) -> Junctions:
    """Every junction of one die, (kernels, rows, columns)."""
    made = _MODELS[fab.model](fab, geometry.shape, spread, defects, rng)
    return replace(made, series_ohms=made.series_ohms + path_ohms(fab, geometry)) if fab.line_ohms else made


def _pillars(fab: Fab, shape: tuple[int, ...], spread: Spread, defects: Defects, rng: np.random.Generator) -> Junctions:
    """R_P, R_AP, V_c0 and Delta come from one draw of RA and diameter, because area and barrier enter all of them."""
    ra_relative = np.exp(rng.normal(0.0, fab.ra_sigma, shape)) * spread.ra_factor
    width_relative = 1.0 + rng.normal(0.0, fab.diameter_sigma, shape)
    tmr = fab.tmr * spread.tmr_factor * (1.0 + rng.normal(0.0, fab.tmr_sigma, shape)) * defects.tmr_factor
    ohms_p = parallel_ohms(fab.resistance_area_ohm_um2 * ra_relative, fab.diameter_nm * width_relative)
    siemens_ap = 1.0 / (ohms_p * (1.0 + tmr))
    # A path that leaves the share f of the TMR conducts G_AP (1/f - 1); see Junctions and Defects.
    pinhole = siemens_ap * (1.0 / defects.tmr_left - 1.0)
    stability = 1.0 + rng.normal(0.0, _rest(fab.stability_sigma, 2.0 * fab.diameter_sigma), shape)
    critical = 1.0 + rng.normal(0.0, _rest(fab.critical_sigma, fab.ra_sigma), shape)
    access_ohms = fab.access_ohms * (1.0 + rng.normal(0.0, fab.access_sigma, shape))
    return Junctions(
        ohms_p=ohms_p,
        tmr=tmr,
        shunt_siemens=np.where(defects.shorted, 1.0 / defects.short_ohms, 0.0) + pinhole,
        series_ohms=np.where(defects.open_cell, OPEN_OHMS, access_ohms),
        critical_volts=np.maximum(fab.critical_volts * ra_relative * critical, _LEAST_VOLTS),
        stability=_stability(fab, fab.stability * width_relative**2 * stability, defects),
        breakdown_volts=fab.breakdown_volts * rng.weibull(fab.breakdown_shape, shape),
    )


def _levels(fab: Fab, shape: tuple[int, ...], spread: Spread, defects: Defects, rng: np.random.Generator) -> Junctions:
    """Conductances of both states are drawn as given, with the correlation given; a short has one of its own in both states."""
    first, second = rng.standard_normal((2, *shape))
    correlation = fab.level_correlation
    parallel = _level(fab.siemens_p, fab.level_sigma, fab.quantiles_p, first)
    antiparallel = _level(
        fab.siemens_p * fab.ap_over_p,
        fab.level_sigma if fab.level_sigma_ap is None else fab.level_sigma_ap,
        fab.quantiles_ap,
        correlation * first + np.sqrt(1.0 - correlation**2) * second,
    )
    short = fab.siemens_p * fab.short_times * np.exp(fab.short_times_sigma * rng.standard_normal(shape))
    tmr = (parallel / antiparallel - 1.0) * spread.tmr_factor * defects.tmr_factor
    pinhole = parallel / (1.0 + tmr) * (1.0 / defects.tmr_left - 1.0)
    return Junctions(
        ohms_p=spread.ra_factor / np.where(defects.shorted, short, parallel),
        tmr=np.where(defects.shorted, 0.0, tmr),
        shunt_siemens=np.where(defects.shorted, 0.0, pinhole / spread.ra_factor),
        series_ohms=np.where(defects.open_cell, OPEN_OHMS, 0.0),
        critical_volts=np.maximum(fab.critical_volts * (1.0 + rng.normal(0.0, fab.critical_sigma, shape)), _LEAST_VOLTS),
        stability=_stability(fab, fab.stability * (1.0 + rng.normal(0.0, fab.stability_sigma, shape)), defects),
        breakdown_volts=fab.breakdown_volts * rng.weibull(fab.breakdown_shape, shape),
    )


_MODELS: dict[str, Callable[[Fab, tuple[int, ...], Spread, Defects, np.random.Generator], Junctions]] = {
    "pillars": _pillars,
    "levels": _levels,
}


def _level(median: float, sigma: float, quantiles: tuple[float, ...], normal: Floats) -> Floats:
    """Log-normal, or of the distribution that the quantiles describe, piecewise linear."""
    if quantiles:
        return np.interp(ndtr(normal), np.linspace(0.0, 1.0, len(quantiles)), quantiles)
    return median * np.exp(sigma * normal)


def _rest(whole: float, part: float) -> float:
    """What is left of a standard deviation when one independent part of it is drawn elsewhere."""
    return float(np.sqrt(max(whole**2 - part**2, 0.0)))


def _stability(fab: Fab, stable: Floats, defects: Defects) -> Floats:
    """Delta; where a state holds for so long only, the Delta that makes it so (see mtj.hold_s)."""
    unstable = np.isfinite(defects.hold_s)
    return np.maximum(np.where(unstable, np.log(np.where(unstable, defects.hold_s, 1.0) / fab.attempt_s), stable), _LEAST_STABILITY)
