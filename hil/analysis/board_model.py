"""What a board makes of a conductance, line by line: the one model that calibrations are fitted with and applied by.

    board reads   y = (1 + a_c) i + o_c + b_c (i / I_full)^2                        A, on sense line (column) c
    of a current  i = g ((V + l_V) (1 + e_r) + d_r)                                 A, driven by line (row) r, told V
    where SMU has read  S = g (1 + alpha + gamma) + beta / V + S delta / V          S, its own ranges being off

a, o, b: gain, offset and bow of a sense line; e, d: gain and offset of a drive line; l: what the drivers' steps make of the level V.
Gains of both kinds of lines and of the SMU are told apart by their priors alone: only what they come to together is ever used.
Rule: everything is known to be about 0 before anything is measured (`Prior`): a board that was never calibrated has these values,
and their uncertainty. Source: data sheets of the parts on boards.md (12-bit DAC and ADC, 2 kOhm stage); sizes are assumptions.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hil.analysis.noise import STEP_AMPS

Floats = NDArray[np.float64]
Places = NDArray[np.integer]

FULL_SCALE_AMPS = (5.0 - 1.7) / 2000.0
DRIVE_STEP_VOLTS = 5.0 / 4096
LEVEL_SIGMA = DRIVE_STEP_VOLTS / np.sqrt(12.0)
"""Standard uncertainty of a level that was not calibrated, V: a rectangle as wide as a step."""


@dataclass(frozen=True)
class Prior:
    """Standard uncertainties of a line before it is calibrated. offset, bow: A. drive_volts: V. gains are relative."""

    gain: float = 0.02
    offset: float = 2.0 * STEP_AMPS
    bow: float = STEP_AMPS
    drive_gain: float = 0.005
    drive_volts: float = 2e-3


@dataclass(frozen=True)
class Layout:
    """Where each parameter stands in the vector of all. levels: those calibrated, V."""

    rows: int
    columns: int
    levels: tuple[float, ...] = ()

    @property
    def size(self) -> int:
        return 3 * self.columns + 2 * self.rows + len(self.levels)

    def sigmas(self, prior: Prior) -> Floats:
        """(size,) standard uncertainties before anything is measured."""
        sense = [np.full(self.columns, sigma) for sigma in (prior.gain, prior.offset, prior.bow)]
        drive = [np.full(self.rows, sigma) for sigma in (prior.drive_gain, prior.drive_volts)]
        return np.concatenate([*sense, *drive, np.full(len(self.levels), LEVEL_SIGMA)])

    def places(self, rows: Places, columns: Places) -> Places:
        """(..., 5) of gain, offset, bow, drive gain and drive offset of the lines of each junction."""
        first = 3 * self.columns
        parts = (columns, columns + self.columns, columns + 2 * self.columns, rows + first, rows + first + self.rows)
        return np.stack(np.broadcast_arrays(*parts), axis=-1)

    def level_place(self, read_volts: float) -> int | None:
        """None for a level that was not calibrated."""
        found = [place for place, level in enumerate(self.levels) if abs(level - read_volts) <= 1e-6]
        return 3 * self.columns + 2 * self.rows + found[0] if found else None


@dataclass(frozen=True)
class Lines:
    """Parameters of the lines of junctions, arrays of one shape, or that broadcast. level: V."""

    gain: Floats
    offset: Floats
    bow: Floats
    drive_gain: Floats
    drive_volts: Floats
    level: Floats

    @classmethod
    def of(cls, values: Floats, places: Places, level: Floats) -> "Lines":
        """values: (size,). places: (..., 5)."""
        gain, offset, bow, drive_gain, drive_volts = np.moveaxis(values[places], -1, 0)
        return cls(gain, offset, bow, drive_gain, drive_volts, level)

    def volts(self, read_volts: Floats | float) -> Floats:
        """What stands across the cell when told read_volts, V."""
        return (read_volts + self.level) * (1.0 + self.drive_gain) + self.drive_volts

    def reads(self, amps: Floats) -> Floats:
        """What the board reads of a current, A."""
        return (1.0 + self.gain) * amps + self.offset + self.bow * (amps / FULL_SCALE_AMPS) ** 2

    def slope(self, amps: Floats) -> Floats:
        """Of `reads`."""
        return 1.0 + self.gain + 2.0 * self.bow * amps / FULL_SCALE_AMPS**2

    def amps(self, read: Floats) -> Floats:
        """The current that reads so, A: the inverse of `reads`."""
        amps = (read - self.offset) / (1.0 + self.gain)
        for _ in range(3):
            amps = amps - (self.reads(amps) - read) / self.slope(amps)
        return amps

    def by_parameter(self, siemens: Floats, read_volts: Floats | float) -> Floats:
        """(..., 6) derivatives of what the board reads of a conductance by gain, offset, bow, drive gain, drive offset and level."""
        level = read_volts + self.level
        amps = siemens * self.volts(read_volts)
        slope = self.slope(amps)
        parts = (
            amps,
            np.ones_like(amps),
            (amps / FULL_SCALE_AMPS) ** 2,
            slope * siemens * level,
            slope * siemens,
            slope * siemens * (1.0 + self.drive_gain),
        )
        return np.stack(np.broadcast_arrays(*parts), axis=-1)
