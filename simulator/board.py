"""The board's analog front end: errors of its drive and sense lines, the steps of its DACs, the noise of one reading, and which of its
column lines goes to which column of the chip. The ADC itself is the controller's.

Rule: what a board is off by is drawn once, from its seed, and is the same for every die; `IDEAL` is off by nothing but noise.
Every size is an ASSUMPTION of the order seen on published boards of this kind: offsets of some uS at 0.1 V, transimpedances that differ
from line to line, 12-bit DACs and ADCs of 1.22 mV a step, two column lines exchanged on some boards.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.physics.mtj import Floats

ADC_STEP_AMPS = 5.0 / 4096 / 2_000.0
"""Current per code of a 12-bit, 5 V converter behind 2 kOhm, A."""
FULL_SCALE_AMPS = (5.0 - 1.7) / 2_000.0
"""Largest current that the sense stage shows: it rests at 1.7 V of 5 V."""
DAC_STEP_VOLTS = 5.0 / 4096

READ_S = 10e-6
SETTLE_S = 20e-6
"""How long the converter takes for a junction, and the DAC to settle before it, s."""
_MOST_SIGMAS = 2.5
"""No line of a board that passed its test is off by more."""
_EXCHANGED = (13, 14)


@dataclass(frozen=True)
class BoardErrors:
    """Standard deviations from line to line, and chances.

    gain, offset_steps: of a sense line, relative and in ADC steps. bow_steps: largest deviation from a straight line at full scale, ADC
    steps, evenly drawn. drive_gain, drive_offset_volts: of a drive line. noise_steps: of one conversion. has_steps: whether the DACs
    have any. exchanged_chance: that column lines 13 and 14 are exchanged; such a board comes with the table that undoes it.
    """

    gain: float = 0.005
    offset_steps: float = 0.5
    bow_steps: float = 1.0
    drive_gain: float = 0.001
    drive_offset_volts: float = 0.3e-3
    noise_steps: float = 0.5
    has_steps: bool = True
    exchanged_chance: float = 0.25


TYPICAL = BoardErrors()
IDEAL = BoardErrors(0.0, 0.0, 0.0, 0.0, 0.0, has_steps=False, exchanged_chance=0.0)
BOARDS = {"typical": TYPICAL, "ideal": IDEAL}


class Board:
    """One board. gain: (lines,) relative. offset_amps, bow_amps: (lines,) A, the latter at full scale. drive_gain: (2, lines) relative and
    drive_offset_volts: (2, lines) V, of row and column drivers. is_exchanged: two column lines are.
    """

    def __init__(self, seed: int, lines: int, errors: BoardErrors = TYPICAL) -> None:
        rng = np.random.default_rng([seed, 3])

        def drawn(sigma: float, *shape: int) -> Floats:
            return sigma * np.clip(rng.standard_normal(shape), -_MOST_SIGMAS, _MOST_SIGMAS)

        self.errors = errors
        self.gain = 1.0 + drawn(errors.gain, lines)
        self.offset_amps = ADC_STEP_AMPS * drawn(errors.offset_steps, lines)
        self.bow_amps = ADC_STEP_AMPS * errors.bow_steps * rng.uniform(-1.0, 1.0, lines)
        self.drive_gain = 1.0 + drawn(errors.drive_gain, 2, lines)
        self.drive_offset_volts = drawn(errors.drive_offset_volts, 2, lines)
        self.is_exchanged = bool(rng.random() < errors.exchanged_chance)

    def wiring(self, columns: int) -> NDArray[np.intp] | None:
        """(columns,) column of the chip that each column line goes to; None where each goes to its own."""
        if not self.is_exchanged or columns <= max(_EXCHANGED):
            return None
        lines = np.arange(columns)
        lines[list(_EXCHANGED)] = _EXCHANGED[::-1]
        return lines

    def driven(self, volts: Floats | float, lines: NDArray[np.integer] | slice, *, columns: bool = False) -> Floats:
        """What the drivers put on lines (their last axis) when told `volts`, V. Zero is the reference itself: nothing is driven."""
        told = np.asarray(volts, dtype=np.float64)
        stepped = DAC_STEP_VOLTS * np.rint(told / DAC_STEP_VOLTS) if self.errors.has_steps else told
        real = stepped * self.drive_gain[int(columns), lines] + self.drive_offset_volts[int(columns), lines]
        return np.where(told == 0.0, 0.0, real)

    def seen(self, amps: Floats, averages: int, rng: np.random.Generator, lines: NDArray[np.integer] | None = None) -> Floats:
        """What the converter is offered for true currents (..., sensed lines), A; mean of `averages` readings.

        lines: on which line each current of the last axis comes; None: on the first, the second, ...
        """
        on = slice(amps.shape[-1]) if lines is None else lines
        noise = ADC_STEP_AMPS * self.errors.noise_steps / np.sqrt(averages) * rng.standard_normal(amps.shape)
        bow = self.bow_amps[on] * (amps / FULL_SCALE_AMPS) ** 2
        return amps * self.gain[on] + self.offset_amps[on] + bow + noise


def exposure_s(averages: int) -> float:
    """How long a junction is biased while it is read `averages` times, s."""
    return SETTLE_S + READ_S * averages
