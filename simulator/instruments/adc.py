"""The board's converter: 12 bits over 5 V behind a transimpedance of 2 kOhm, resting at 1.7 V.

Rule: what the converter cannot express is a reserved code, never the nearest number.
Source of the values: the published sibling board (12-bit ADC, 5 V; lines referred to 1.7 V).
"""

import numpy as np
from numpy.typing import NDArray

from firmware_protocol.codes import CODE_SATURATED

FULL_SCALE_VOLTS = 5.0
ZERO_VOLTS = 1.7
OHMS = 2_000.0
CODES = 4096
FRACTIONS = 16
"""Averaging keeps a sixteenth of a code: a reading on the wire is 16 x code."""

ZERO_CODE = round(ZERO_VOLTS / FULL_SCALE_VOLTS * CODES * FRACTIONS)
CODE_PA = round(FULL_SCALE_VOLTS / CODES / FRACTIONS / OHMS * 1e12)


def convert(amps: NDArray[np.float64], averages: int) -> NDArray[np.uint16]:
    """Codes on the wire for currents into the stage, A; CODE_SATURATED beyond the converter's ends.

    `averages` conversions add up to steps of 1/averages code, as the noise of the stage dithers them; 1/16 at best.
    """
    codes = (ZERO_VOLTS + np.asarray(amps, dtype=np.float64) * OHMS) / FULL_SCALE_VOLTS * CODES
    added = min(averages, FRACTIONS)
    wire = np.rint(np.rint(codes * added) / added * FRACTIONS)
    saturated = ~((codes > 0) & (codes < CODES - 1))
    return np.where(saturated, CODE_SATURATED, wire).astype("<u2")
