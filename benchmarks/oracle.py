"""How surely a conductance can be known by who is told every standard deviation that the simulator draws with: the measure of coverage.

Linear, Gaussian, and written apart from the service's own fit: parameters are deviations, an observation adds to the information matrix.
"""

import numpy as np
from numpy.typing import NDArray

from hil.analysis.calibration import References, SmuErrors
from simulator.board import ADC_STEP_AMPS, FULL_SCALE_AMPS, TYPICAL

Floats = NDArray[np.float64]
_CLIPPED = 0.978
"""Standard deviation of a normal draw cut off at 2.5, of one of 1."""


def board_variance(amps: Floats, noise: Floats, averages: int) -> Floats:
    """Of one reading, A^2: amplifier, junction (noise: relative, of one conversion) and the step that averaging leaves."""
    amplifier = (TYPICAL.noise_steps * ADC_STEP_AMPS) ** 2
    return (amplifier + (noise * amps) ** 2) / averages + (ADC_STEP_AMPS / min(averages, 16)) ** 2 / 12.0


class Oracle:
    """errors: of the SMU at each level of the calibration, true standard deviations."""

    def __init__(self, found: References, errors: tuple[SmuErrors, ...]) -> None:
        self._found, self._errors = found, errors
        self._volts = sorted({each.volts_range for each in errors})
        self._amps = sorted({each.amps_range for each in errors})
        columns, rows = int(found.columns.max()) + 1, int(found.rows.max()) + 1
        step = ADC_STEP_AMPS
        blocks: list[tuple[int, float]] = [
            (columns, TYPICAL.gain * _CLIPPED),
            (columns, TYPICAL.offset_steps * step * _CLIPPED),
            (columns, TYPICAL.bow_steps * step / np.sqrt(3.0)),
            (rows, TYPICAL.drive_gain * _CLIPPED),
            (rows, TYPICAL.drive_offset_volts * _CLIPPED),
        ]
        self._starts = np.cumsum([0, *(size for size, _ in blocks)])
        sigmas = [np.full(size, sigma) for size, sigma in blocks] + [self._of_ranges()]
        self._information = np.diag(np.concatenate(sigmas) ** -2.0)
        self._covariance = np.empty(0)

    def _of_ranges(self) -> Floats:
        of_volts = [next((e.volts_gain, e.volts_offset) for e in self._errors if e.volts_range == each) for each in self._volts]
        of_amps = [next((e.amps_gain, e.amps_offset) for e in self._errors if e.amps_range == each) for each in self._amps]
        return np.array([*of_volts, *of_amps]).ravel()

    def _lines(self, siemens: Floats, volts: float, rows: NDArray[np.integer], columns: NDArray[np.integer]) -> Floats:
        """(junctions, parameters) derivatives of what the board reads, A."""
        by = np.zeros((siemens.size, len(self._information)))
        at, amps = np.arange(siemens.size), siemens * volts
        parts = ((columns, amps), (columns, 1.0), (columns, (amps / FULL_SCALE_AMPS) ** 2), (rows, amps), (rows, siemens))
        for start, (lines, value) in zip(self._starts, parts, strict=False):
            by[at, start + lines] = value
        return by

    def learn(self, truth: Floats, noise: Floats) -> None:
        """Both paths' readings. truth: (junctions, states, levels) S. noise: (junctions, states) relative."""
        found = self._found
        first = self._starts[-1]
        for number, volts in enumerate(found.levels):
            volts_at = first + 2 * self._volts.index(self._errors[number].volts_range)
            amps_at = first + 2 * (len(self._volts) + self._amps.index(self._errors[number].amps_range))
            for state in range(truth.shape[1]):
                siemens = truth[:, state, number]
                by = self._lines(siemens, volts, found.rows, found.columns)
                by[:, volts_at] = by[:, amps_at] = -siemens * volts
                by[:, volts_at + 1], by[:, amps_at + 1] = -siemens, -1.0
                board = board_variance(siemens * volts, noise[:, state], found.averages) / found.board_siemens.shape[3]
                smu = ((noise[:, state] * siemens * volts) ** 2 + self._errors[number].noise_amps ** 2) / found.smu_siemens.shape[3]
                both = np.isfinite(found.board_siemens[:, state, number] + found.smu_siemens[:, state, number].mean()).all(axis=1)
                self._information += (by[both] / (board + smu)[both, None]).T @ by[both]
        self._covariance = np.linalg.inv(self._information)

    def board(self, truth: Floats, noise: Floats, volts: float, averages: int) -> Floats:
        """Standard uncertainties of one board reading of each junction, S. truth, noise: (kernels, rows, columns)."""
        rows, columns = (each.ravel() for each in np.indices(truth.shape)[1:])
        siemens = truth.ravel()
        by = self._lines(siemens, volts, rows, columns)
        lines = np.einsum("ni,ij,nj->n", by, self._covariance, by, optimize=True)
        return (np.sqrt(lines + board_variance(siemens * volts, noise.ravel(), averages)) / volts).reshape(truth.shape)

    @staticmethod
    def smu(truth: Floats, noise: Floats, volts: float, errors: SmuErrors) -> Floats:
        """Standard uncertainties of one SMU reading, S."""
        gain = np.hypot(errors.volts_gain, errors.amps_gain) * truth
        offset = np.hypot(errors.volts_offset * truth, errors.amps_offset) / volts
        return np.sqrt(gain**2 + offset**2 + (noise * truth) ** 2 + (errors.noise_amps / volts) ** 2)
