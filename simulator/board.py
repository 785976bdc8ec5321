"""The board's analog front end: gain and offset errors of its sense lines and the noise of one reading. The ADC itself is the
controller's. Values are assumptions of the order seen on the published sibling board (offsets of some uS at 0.1 V)."""

import numpy as np
from numpy.typing import NDArray

from simulator.physics.mtj import Floats

ADC_STEP_AMPS = 5.0 / 4096 / 2_000.0
"""Current per code of a 12-bit, 5 V converter behind 2 kOhm, A."""

GAIN_SIGMA = 0.01
OFFSET_STEPS = 0.5
NOISE_STEPS = 0.5

READ_S = 10e-6
SETTLE_S = 20e-6
"""How long the converter takes for a junction, and the DAC to settle before it, s."""


class Board:
    """One board: the same errors for every die. gain: (lines,) relative. offset_amps: (lines,) A, input-referred."""

    def __init__(self, seed: int, lines: int) -> None:
        rng = np.random.default_rng([seed, 3])
        self.gain = 1.0 + GAIN_SIGMA * np.clip(rng.standard_normal(lines), -2.5, 2.5)
        self.offset_amps = ADC_STEP_AMPS * OFFSET_STEPS * rng.uniform(-1.0, 1.0, lines)

    def seen(self, amps: Floats, averages: int, rng: np.random.Generator, lines: NDArray[np.integer] | None = None) -> Floats:
        """What the converter is offered for true currents (..., sensed lines), A; mean of `averages` readings.

        lines: on which line each current of the last axis comes; None: on the first, the second, ...
        """
        on = slice(amps.shape[-1]) if lines is None else lines
        noise = ADC_STEP_AMPS * NOISE_STEPS / np.sqrt(averages) * rng.standard_normal(amps.shape)
        return amps * self.gain[on] + self.offset_amps[on] + noise


def exposure_s(averages: int) -> float:
    """How long a junction is biased while it is read `averages` times, s."""
    return SETTLE_S + READ_S * averages
