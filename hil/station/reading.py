"""Conductance of one kernel, by either way in: the board's own amplifier, or the SMU on one junction after another.

A value that is not to be trusted (saturated, limited, overflowed) is NaN and counted, never a number that looks like one.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivers.protocols import CrossbarController, SourceSettings
from hil.model.lab import LabConfig
from hil.station.instruments import Instruments


@dataclass(frozen=True)
class KernelConductance:
    """siemens: (rows, columns) float32, NaN where untrusted. flagged: how many are."""

    siemens: NDArray[np.float32]
    flagged: int


def through_the_board(crossbar: CrossbarController, kernel: int, read_volts: float, averages: int) -> KernelConductance:
    reading = crossbar.read_kernel(kernel, read_volts, averages)
    return _flag(reading.amps / reading.read_volts)


def through_the_smu(
    instruments: Instruments, lab: LabConfig, kernel: int, read_volts: float, checkpoint: Callable[[], None]
) -> KernelConductance:
    """checkpoint is called between junctions and may raise. The SMU is off and everything isolated on return."""
    smu, crossbar = instruments.smu, instruments.crossbar
    siemens = np.full((lab.chip.rows, lab.chip.columns), math.nan)
    instruments.off_and_isolated()  # pulses may still be allowed
    smu.configure(SourceSettings(limit_amps=lab.limits.current_amps))
    smu.output_on()
    for row, column in np.ndindex(siemens.shape):
        checkpoint()
        crossbar.select_junction(kernel, row, column)
        reading = smu.measure(read_volts)
        if not reading.in_compliance:
            siemens[row, column] = reading.amps / reading.volts
    instruments.off_and_isolated()
    return _flag(siemens)


def _flag(siemens: NDArray[np.float64]) -> KernelConductance:
    return KernelConductance(siemens.astype(np.float32), int(np.isnan(siemens).sum()))
