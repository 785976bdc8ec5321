"""What the controller's longer commands take and give. SI units, the unit in the name; index order kernel, row, column."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from firmware_protocol.codes import JunctionResult


@dataclass(frozen=True)
class DieReading:
    """Kernels read in one go. amps: (kernels, rows, columns) float64, A; NaN where saturated, masked or not measured.

    saturated: (kernels, rows, columns) bool. first_kernel: which one amps[0] is.
    """

    amps: NDArray[np.float64]
    saturated: NDArray[np.bool_]
    read_volts: float
    first_kernel: int = 0


@dataclass(frozen=True)
class JunctionReadings:
    """Single junctions, in the order asked for. amps: (junctions,) float64, A; NaN as in DieReading. saturated: (junctions,) bool."""

    amps: NDArray[np.float64]
    saturated: NDArray[np.bool_]
    read_volts: float


@dataclass(frozen=True)
class WriteVerifySettings:
    """How the board writes by itself: read, pulse what is not at its target, read again.

    set_volts: above 0, raises the current. reset_volts: below 0. tolerance_in_amps: a junction that reads within it is settled.
    tolerance_out_amps: a settled one is pulsed again only when it reads beyond this. max_pulses: of each junction, 1 to 255.
    """

    read_volts: float
    set_volts: float
    reset_volts: float
    pulse_s: float
    tolerance_in_amps: float
    tolerance_out_amps: float
    max_pulses: int = 10
    averages: int = 1


@dataclass(frozen=True)
class WriteVerifyReading:
    """What became of a kernel. results: (rows, columns) uint8, JunctionResult. pulses: (rows, columns) uint8.

    amps: (rows, columns) float64, A, the last reading of each; NaN as in DieReading. pulses_given: all together.
    ended: name of firmware_protocol's OperationState: DONE, or why it stopped before; what was not settled is then NOT_DONE.
    """

    results: NDArray[np.uint8]
    pulses: NDArray[np.uint8]
    amps: NDArray[np.float64]
    pulses_given: int
    ended: str = "DONE"

    @property
    def in_tolerance(self) -> NDArray[np.bool_]:
        """(rows, columns) bool."""
        return self.results == JunctionResult.IN_TOLERANCE


@dataclass(frozen=True)
class OuterProductOutcome:
    """pulses: junction pulses asked for. executed: how many of them were given, the first so many in the protocol's order."""

    pulses: int
    executed: int


@dataclass(frozen=True)
class ScanReading:
    """How a triggered scan ended. ended: name of OperationState. steps: of the whole scan, sentinels included.

    edges_out, edges_in: trigger edges to and from the SMU. overruns: edges from the SMU that came too early.
    """

    ended: str
    steps: int
    edges_out: int
    edges_in: int
    overruns: int

    @property
    def sound(self) -> bool:
        """Whether every step was measured exactly once."""
        return self.ended == "DONE" and self.steps == self.edges_out == self.edges_in and self.overruns == 0


@dataclass(frozen=True)
class WearCounts:
    """Per junction since the controller started, (rows, columns) uint16; 65,535 means so many or more."""

    positive_pulses: NDArray[np.uint16]
    negative_pulses: NDArray[np.uint16]
    readings: NDArray[np.uint16]


@dataclass(frozen=True)
class Calibration:
    """A table that the controller keeps. table: name of CalibrationTable. version: 0 where none was ever written (values empty).

    values: COLUMN_ORDER: (columns,), the physical gate line of each column. SENSE_LINES: (lines, 2), gain error ppm, offset pA.
    """

    table: str
    version: int
    values: NDArray[np.int64]

    def replaced_by(self, values: NDArray[np.integer]) -> Self:
        """The next version of the table."""
        return type(self)(self.table, self.version + 1, np.asarray(values, np.int64))
