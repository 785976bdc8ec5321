"""What a die's raw readings say of its junctions' conductance, and how surely: a standard uncertainty for each, in siemens.

    repeatability   noise of board or SMU and of the junction itself, over the averages (type A, measured by the calibration)
    calibration     of the board's lines, the SMU's own error in it; of an SMU, what its data sheet allows (type B)
    resolution      the converter's steps, as a rectangle
    contact         the needles in series, whose resistance is measured at every touchdown and taken off
combined as the root of the sum of squares. Source: JCGM 100:2008 (GUM), 4.2, 4.3, 5.1.

Rule: what was read is corrected for what is known, never for what is only suspected; `Corrected.siemens` and the raw reading are both
kept, and one follows from the other (`uncorrected`).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.analysis.board_model import LEVEL_SIGMA, Floats
from hil.analysis.calibration import Calibration, SmuErrors
from hil.analysis.noise import Noise, step_siemens

_CONTACT_OHMS, _CONTACT_RELATIVE = 0.2, 0.05
"""Standard uncertainty of the measured contact resistance: the SMU's offset at its few millivolts, and another pair of needles."""
UNKNOWN_CONTACT_OHMS = 10.0
"""Standard uncertainty where nobody measured it."""

Siemens = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Taken:
    """How a die was read. contact_ohms: of the pad pair, (kernels, 1, 1) or one for all; NaN where not known."""

    read_volts: float
    averages: int = 1
    contact_ohms: Floats | float = float("nan")


@dataclass(frozen=True)
class Corrected:
    """siemens, uncertainty: (kernels, rows, columns) float32, NaN where not measured. parts: standard uncertainties by their source, S."""

    siemens: NDArray[np.float32]
    uncertainty: NDArray[np.float32]
    parts: dict[str, Floats]


def by_the_board(raw: Siemens, taken: Taken, calibration: Calibration) -> Corrected:
    """raw: (kernels, rows, columns) S, what the board read over what it was told to drive."""
    lines = calibration.lines(taken.read_volts)
    read = raw.astype(np.float64) * taken.read_volts
    inner = lines.amps(read) / lines.volts(taken.read_volts)
    # y = f(g, parameters): dg/dparameter = -(df/dparameter) / (df/dg)
    slope = lines.slope(inner * lines.volts(taken.read_volts)) * lines.volts(taken.read_volts)
    by_parameter = lines.by_parameter(inner, taken.read_volts) / slope[..., None]
    scale = taken.read_volts / slope
    parts = {
        "repeatability": calibration.noise.board(inner, taken.read_volts, taken.averages) * scale,
        "calibration": np.sqrt(_of_lines(by_parameter, taken.read_volts, calibration)),
        "resolution": np.broadcast_to(step_siemens(taken.read_volts, taken.averages) * scale, inner.shape),
    }
    return _finished(inner, parts, taken.contact_ohms)


def uncorrected(siemens: Siemens, taken: Taken, calibration: Calibration) -> Floats:
    """What the board had read, S: the inverse of `by_the_board`."""
    ohms, _ = _contact(taken.contact_ohms)
    inner = siemens.astype(np.float64) / (1.0 + siemens.astype(np.float64) * ohms)
    lines = calibration.lines(taken.read_volts)
    return lines.reads(inner * lines.volts(taken.read_volts)) / taken.read_volts


def by_the_smu(raw: Siemens, taken: Taken, errors: SmuErrors, noise: Noise) -> Corrected:
    """raw: S, the SMU's current over its voltage. errors: in the ranges of this level, noise at its NPLC."""
    inner, volts = raw.astype(np.float64), taken.read_volts
    gain = np.hypot(errors.volts_gain, errors.amps_gain) * inner
    offset = np.hypot(errors.amps_offset / volts, errors.volts_offset / volts * inner)
    parts = {
        "repeatability": noise.smu(inner, volts, errors.noise_amps),
        "calibration": np.hypot(gain, offset),
    }
    return _finished(inner, parts, taken.contact_ohms)


def _of_lines(by_parameter: Floats, read_volts: float, calibration: Calibration) -> Floats:
    """(kernels, rows, columns) variances that the parameters' covariance makes, S^2. by_parameter: (kernels, rows, columns, 6)."""
    level = calibration.layout.level_place(read_volts)
    places = calibration.places()
    if level is None:
        lines, unknown = by_parameter[..., :5], (by_parameter[..., 5] * LEVEL_SIGMA) ** 2
    else:
        places = np.concatenate([places, np.full((*places.shape[:2], 1), level)], axis=2)
        lines, unknown = by_parameter, np.zeros(1)
    covariance = calibration.covariance[places[..., :, None], places[..., None, :]]
    of_lines: Floats = np.einsum("krci,rcij,krcj->krc", lines, covariance, lines, optimize=True)
    return of_lines + unknown


def _contact(ohms: Floats | float) -> tuple[Floats, Floats]:
    """(resistance to take off, its standard uncertainty), Ohm."""
    known = np.asarray(ohms, dtype=np.float64)
    sigma = np.where(np.isnan(known), UNKNOWN_CONTACT_OHMS, np.hypot(_CONTACT_OHMS, _CONTACT_RELATIVE * known))
    return np.nan_to_num(known), sigma


def _finished(inner: Floats, parts: dict[str, Floats], contact_ohms: Floats | float) -> Corrected:
    """inner: cell and needles in series, S."""
    ohms, sigma = _contact(contact_ohms)
    # What conducts better than the needles alone is no cell behind them; it stays as it was read.
    within = np.maximum(1.0 - inner * ohms, 0.05)
    siemens = inner / within
    grown = {name: part / within**2 for name, part in parts.items()} | {"contact": siemens**2 * sigma}
    combined = np.sqrt(sum(part**2 for part in grown.values()))
    return Corrected(siemens.astype(np.float32), combined.astype(np.float32), grown)
