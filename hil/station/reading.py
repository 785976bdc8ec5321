"""Conductance of one kernel, by either way in: the board's own amplifier, or the SMU on one junction after another; and
bringing it to what is wanted, where the board does that by itself.

A value that is not to be trusted (saturated, limited, overflowed, infinite) is NaN and counted, never a number that looks like one.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivers.board_values import WriteVerifySettings
from drivers.errors import EmergencyStopped, Refused
from drivers.protocols import CrossbarController
from drivers.smu.values import SourceSettings
from hil.model.lab import LabConfig
from hil.station.errors import PathOpened
from hil.station.instruments import Instruments


@dataclass(frozen=True)
class KernelConductance:
    """siemens: (rows, columns) float32, NaN where untrusted. flagged: how many are."""

    siemens: NDArray[np.float32]
    flagged: int


def through_the_board(crossbar: CrossbarController, kernel: int, read_volts: float, averages: int) -> KernelConductance:
    reading = crossbar.read_kernel(kernel, read_volts, averages)
    return _conductance(reading.amps, np.full_like(reading.amps, reading.read_volts))


def through_the_smu(
    instruments: Instruments, lab: LabConfig, kernel: int, read_volts: float, checkpoint: Callable[[], None]
) -> KernelConductance:
    """checkpoint is called between junctions and may raise. The SMU is off and everything isolated on return."""
    smu, crossbar, limits = instruments.smu, instruments.crossbar, lab.limits
    amps = np.full((lab.chip.rows, lab.chip.columns), math.nan)
    volts = np.full_like(amps, math.nan)
    instruments.off_and_isolated()  # pulses may still be allowed
    smu.configure(SourceSettings(limits.current_amps, range_volts=abs(read_volts), limit_volts=limits.read_volts))
    smu.output_on()
    for row, column in np.ndindex(amps.shape):
        checkpoint()
        # At 0 V: `configure` and every `measure` leave it there, so that no junction is switched under bias.
        crossbar.select_junction(kernel, row, column)
        reading = smu.measure(read_volts)
        _require_path(crossbar, (kernel, row, column))
        if not reading.in_compliance:
            amps[row, column], volts[row, column] = reading.amps, reading.volts
    instruments.off_and_isolated()
    return _conductance(amps, volts)


def _require_path(crossbar: CrossbarController, junction: tuple[int, int, int]) -> None:
    """A board that restarted, was stopped or isolated by its dead man meanwhile shows the SMU an open path: no reading at all."""
    status = crossbar.status()
    if status.selected != junction:
        raise PathOpened(
            f"junction {junction} was to be measured by the SMU, but the controller says {status.state}, selected {status.selected} "
            f"({status.safe_reason}); the reading is discarded, find out why before measuring again"
        )


@dataclass(frozen=True)
class BoardWriting:
    """How the board brings junctions to their targets by itself: reads, pulses what is away from its target, reads again.

    pulse_volts: above 0, of either sign as needed. tolerance_siemens: how far from its target a junction may be. A settled one
    is pulsed again only when it is farther away than that by `slack_siemens`. max_pulses: of each junction.
    """

    read_volts: float
    averages: int
    pulse_volts: float
    pulse_s: float
    max_pulses: int
    tolerance_siemens: float
    slack_siemens: float


@dataclass(frozen=True)
class KernelWritten:
    """found: the last reading of every junction. pulses: (rows, columns) uint8, what each got.

    cut: why it ended before its time, None where it did not; then there may have been pulses after the last reading.
    """

    found: KernelConductance
    pulses: NDArray[np.uint8]
    cut: str | None = None


_CUT = ("ABORTED", "DEAD_MAN")
"""A reopened session, or a line that was silent too long: the board went to SAFE, and says what it did before."""


def written_by_the_board(
    crossbar: CrossbarController, kernel: int, targets_siemens: NDArray[np.float64], how: BoardWriting, checkpoint: Callable[[], None]
) -> KernelWritten:
    """targets_siemens: (rows, columns), NaN leaves a junction alone. checkpoint is called while the board works and may raise.

    Raises EmergencyStopped, or Refused when the board ended it for a reason of its own; OutcomeUnknown, LinkError.
    """
    volts = how.read_volts
    settings = WriteVerifySettings(
        read_volts=volts,
        set_volts=how.pulse_volts,
        reset_volts=-how.pulse_volts,
        pulse_s=how.pulse_s,
        tolerance_in_amps=how.tolerance_siemens * volts,
        tolerance_out_amps=(how.tolerance_siemens + how.slack_siemens) * volts,
        max_pulses=how.max_pulses,
        averages=how.averages,
    )
    reading = crossbar.write_verify(kernel, targets_siemens * volts, settings, checkpoint)
    if reading.ended == "STOPPED":
        raise EmergencyStopped(f"crossbar: an emergency stop ended the writing of kernel {kernel}; find out why, then reset it")
    if reading.ended not in ("DONE", *_CUT):
        raise Refused(f"crossbar: the board ended the writing of kernel {kernel} before its time: {reading.ended}")
    found = _conductance(reading.amps, np.full_like(reading.amps, volts))
    return KernelWritten(found, reading.pulses, None if reading.ended == "DONE" else reading.ended)


def _conductance(amps: NDArray[np.float64], volts: NDArray[np.float64]) -> KernelConductance:
    """A quotient without a meaning, or too large for float32, is NaN."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        siemens = (amps / volts).astype(np.float32)
    siemens[~np.isfinite(siemens)] = math.nan
    return KernelConductance(siemens, int(np.isnan(siemens).sum()))
