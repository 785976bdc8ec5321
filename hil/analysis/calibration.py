"""A board calibrated against the SMU: one fit of every line's gain, offset and bow to junctions that both have read.

Rule 1: what the SMU may be off by is a parameter as well, known by its data sheet alone: it is carried into everything that is
calibrated with it, and never averaged away. Rule 2: a reading far from the fit is of a junction that changed in between; it is left
out and counted. Rule 3: where the rest scatters by more than its noise, every uncertainty is enlarged by that much (Birge's ratio).
Source: generalised least squares with prior knowledge as observations; JCGM 102:2011 (GUM, supplement 2) for its covariance.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.analysis.board_model import Floats, Layout, Lines, Prior
from hil.analysis.noise import ASSUMED, Noise, measured, step_siemens

MODEL = "lines-1"
"""Change the model and it needs another name: it stands in every calibration."""
_OUTLIER_SIGMAS = 6.0
_ROUNDS = 4
TRIANGLE = 1.0 / np.sqrt(6.0)
"""Standard uncertainty of what lies within +-1, near 0 more likely than at the ends (GUM 4.3.9): an instrument within its data sheet."""


@dataclass(frozen=True)
class SmuErrors:
    """What the SMU may be off by in the ranges of one level, standard uncertainties. volts_range, amps_range: which ranges, V, A; levels
    in one range share its error. gains are relative; volts_offset V, amps_offset A. noise_amps: of one reading, A."""

    volts_range: float
    amps_range: float
    volts_gain: float
    volts_offset: float
    amps_gain: float
    amps_offset: float
    noise_amps: float = 0.0

    def as_json(self) -> dict[str, float]:
        return {name: float(value) for name, value in vars(self).items()}


@dataclass(frozen=True)
class References:
    """What both paths read of the reference junctions. rows, columns: (junctions,) of each.

    board_siemens: (junctions, states, levels, repeats) S, each the mean of `averages` conversions; smu_siemens: as well, its own repeats;
    NaN where not trusted. levels: V, rising. errors: of the SMU at each level.
    """

    rows: NDArray[np.integer]
    columns: NDArray[np.integer]
    board_siemens: Floats
    smu_siemens: Floats
    levels: tuple[float, ...]
    averages: int
    errors: tuple[SmuErrors, ...]


@dataclass(frozen=True)
class Goodness:
    """readings: used, a junction in one state at one level each. left_out: too far from the fit. chi_squared: over readings. residual_amps:
    rms of what is left. ratio: by which the uncertainties were enlarged, 1 for not at all."""

    readings: int
    left_out: int
    chi_squared: float
    residual_amps: float
    ratio: float

    def as_json(self) -> dict[str, float]:
        return {name: float(value) for name, value in vars(self).items()}


@dataclass(frozen=True)
class Calibration:
    """values: (layout.size,), covariance: (size, size), see hil.analysis.board_model. noise: of both paths. id: None for a board that was
    never calibrated."""

    layout: Layout
    values: Floats
    covariance: Floats
    noise: Noise
    id: str | None = None

    def lines(self, read_volts: float) -> Lines:
        """Of every junction of a kernel, arrays (rows, columns)."""
        place = self.layout.level_place(read_volts)
        level = np.asarray(0.0 if place is None else self.values[place])
        return Lines.of(self.values, self.places(), level)

    def places(self) -> NDArray[np.integer]:
        """(rows, columns, 5) of the parameters of each junction of a kernel."""
        return self.layout.places(np.arange(self.layout.rows)[:, None], np.arange(self.layout.columns)[None, :])


def uncalibrated(rows: int, columns: int, prior: Prior | None = None, noise: Noise = ASSUMED) -> Calibration:
    """What is known of a board before it is calibrated."""
    layout = Layout(rows, columns)
    return Calibration(layout, np.zeros(layout.size), np.diag(layout.sigmas(prior or Prior()) ** 2), noise)


def fit(references: References, rows: int, columns: int, prior: Prior | None = None) -> tuple[Calibration, Goodness, Floats]:
    """The calibration of a board of so many lines, how good it is, and the residuals, (junctions, states, levels) A, NaN where a reading
    was not used. Raises ValueError when fewer readings than parameters of a line can be trusted."""
    fitting = _Fitting(references, Layout(rows, columns, references.levels), prior or Prior())
    return fitting.solved()


class _Fitting:
    """Readings as a flat list of cells: a junction in one state at one level."""

    def __init__(self, references: References, layout: Layout, prior: Prior) -> None:
        self._layout, self._errors = layout, references.errors
        shape = references.board_siemens.shape[:3]
        self._shape = shape
        self._level = np.broadcast_to(np.arange(shape[2]), shape).ravel()
        self._volts = np.array(references.levels)[self._level]
        board = references.board_siemens.reshape(-1, references.board_siemens.shape[3]) * self._volts[:, None]
        smu = references.smu_siemens.reshape(-1, references.smu_siemens.shape[3])
        self.noise = measured(board, smu, self._volts, references.averages)
        self._board, self._smu = board.mean(axis=1), smu.mean(axis=1)
        self._variance = self._noise_variance(references, board.shape[1], smu.shape[1])
        rows, columns = (np.broadcast_to(lines[:, None, None], shape).ravel() for lines in (references.rows, references.columns))
        self._places = layout.places(rows, columns)
        self._ranges = _Ranges(references.errors, layout.size)
        self._sigmas = np.concatenate([layout.sigmas(prior), self._ranges.sigmas])
        self._used = np.isfinite(self._board) & np.isfinite(self._smu)

    def _noise_variance(self, references: References, board_repeats: int, smu_repeats: int) -> Floats:
        siemens, averages = self._smu, references.averages
        variance = np.zeros_like(siemens)
        for number, (volts, errors) in enumerate(zip(references.levels, self._errors, strict=True)):
            board = self.noise.board(siemens, volts, averages) ** 2 / board_repeats + step_siemens(volts, averages) ** 2
            smu = self.noise.smu(siemens, volts, errors.noise_amps) ** 2 / smu_repeats
            variance = np.where(self._level == number, (board + smu) * volts**2, variance)
        return variance

    def solved(self) -> tuple[Calibration, Goodness, Floats]:
        found = np.zeros(self._sigmas.size)
        candidates = int(self._used.sum())
        for _ in range(_ROUNDS):
            found, covariance, residuals = self._step(found)
            self._used &= ~(np.abs(residuals) > _OUTLIER_SIGMAS * self._typical(residuals) * np.sqrt(self._variance))
        found, covariance, residuals = self._step(found)
        readings = int(self._used.sum())
        chi_squared = float((residuals[self._used] ** 2 / self._variance[self._used]).sum())
        ratio = max(1.0, float(np.sqrt(chi_squared / readings)))
        own = slice(self._layout.size)
        left = np.where(self._used, residuals, np.nan)
        rms = float(np.sqrt(np.nanmean(left**2)))
        calibration = Calibration(self._layout, found[own], covariance[own, own] * ratio**2, self.noise)
        return calibration, Goodness(readings, candidates - readings, chi_squared, rms, ratio), left.reshape(self._shape)

    def _typical(self, residuals: Floats) -> float:
        """How many times its noise the usual residual is, 1 at least: one bad fit must not throw everything out."""
        ratio = np.abs(residuals[self._used]) / np.sqrt(self._variance[self._used])
        return max(1.0, float(np.median(ratio)) / 0.6745)

    def _step(self, found: Floats) -> tuple[Floats, Floats, Floats]:
        """One step of Gauss and Newton: (values, covariance, residuals before it)."""
        used = self._used
        if used.sum() < 2 * max(self._layout.columns, self._layout.rows):
            raise ValueError(f"{int(used.sum())} readings of reference junctions can be trusted; more are needed, two a line at least")
        predicted, by_parameter = self._predicted(found)
        residuals = self._board - predicted
        scaled = by_parameter[used] * self._sigmas / np.sqrt(self._variance[used])[:, None]
        normal = scaled.T @ scaled + np.eye(found.size)
        inverse = np.linalg.inv(normal)
        pull = scaled.T @ (residuals[used] / np.sqrt(self._variance[used])) - found / self._sigmas
        return found + self._sigmas * (inverse @ pull), inverse * np.outer(self._sigmas, self._sigmas), residuals

    def _predicted(self, found: Floats) -> tuple[Floats, Floats]:
        """What the board should read of each cell, A, and its derivatives, (cells, parameters)."""
        levels = self._layout.size - len(self._layout.levels) + self._level
        lines = Lines.of(found, self._places, found[levels])
        siemens, by_range = self._ranges.corrected(found, self._smu, self._volts, self._level)
        amps = siemens * lines.volts(self._volts)
        by_parameter = np.zeros((amps.size, found.size))
        cells = np.arange(amps.size)[:, None]
        by_parameter[cells, np.concatenate([self._places, levels[:, None]], axis=1)] = lines.by_parameter(siemens, self._volts)
        by_parameter[:, self._layout.size :] = by_range * (lines.slope(amps) * lines.volts(self._volts))[:, None]
        return lines.reads(amps), by_parameter


class _Ranges:
    """What the SMU's ranges are off by, as parameters behind those of the board: gain and offset of each range of volts, then of amps."""

    def __init__(self, errors: Sequence[SmuErrors], first: int) -> None:
        self._first = first
        volts = sorted({(each.volts_range, each.volts_gain, each.volts_offset) for each in errors})
        amps = sorted({(each.amps_range, each.amps_gain, each.amps_offset) for each in errors})
        self.sigmas = np.array([sigma for _, *both in (*volts, *amps) for sigma in both])
        of_volts = {each[0]: 2 * place for place, each in enumerate(volts)}
        of_amps = {each[0]: 2 * (len(volts) + place) for place, each in enumerate(amps)}
        self._volts_place = np.array([of_volts[each.volts_range] for each in errors])
        self._amps_place = np.array([of_amps[each.amps_range] for each in errors])

    def corrected(self, found: Floats, siemens: Floats, volts: Floats, level: NDArray[np.integer]) -> tuple[Floats, Floats]:
        """What the SMU's readings say of the junctions, (cells,) S, and its derivatives by the ranges' parameters."""
        ranges, cells = found[self._first :], np.arange(siemens.size)
        by_range = np.zeros((siemens.size, ranges.size))
        for places, factors in ((self._volts_place, (siemens, siemens / volts)), (self._amps_place, (siemens, 1.0 / volts))):
            for offset, factor in enumerate(factors):
                by_range[cells, places[level] + offset] = -factor
        return siemens + by_range @ ranges, by_range


def to_document(calibration: Calibration, goodness: Goodness, references: References) -> dict[str, Any]:
    """JSON of everything but the two arrays, values and covariance."""
    layout = calibration.layout
    return {
        "model": MODEL,
        "rows": layout.rows,
        "columns": layout.columns,
        "levels": list(layout.levels),
        "averages": references.averages,
        "noise": calibration.noise.as_json(),
        "fit": goodness.as_json(),
        "smu_errors": [each.as_json() for each in references.errors],
    }


def from_document(told: Mapping[str, Any], values: Floats, covariance: Floats, calibration_id: str) -> Calibration:
    """Raises ValueError for a model that this release does not know."""
    if told.get("model") != MODEL:
        raise ValueError(f"calibration {calibration_id[:12]} is of model {told.get('model')}; this release knows {MODEL}")
    layout = Layout(int(told["rows"]), int(told["columns"]), tuple(told["levels"]))
    return Calibration(layout, values, covariance, Noise.from_json(told["noise"]), calibration_id)
