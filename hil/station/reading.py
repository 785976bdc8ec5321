"""Conductance of junctions, by either way in: the board's own amplifier, or the SMU on one junction after another; and
bringing a kernel to what is wanted, where the board does that by itself.

A value that is not to be trusted (saturated, limited, overflowed, infinite) is NaN and counted, never a number that looks like one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from drivers.board_values import WriteVerifySettings
from drivers.errors import EmergencyStopped, Refused
from drivers.protocols import CrossbarController
from drivers.smu.values import Floats
from hil.model.lab import LabConfig
from hil.station.instruments import Instruments
from hil.station.scanning import scan
from hil.station.smu_path import Checkpoint, Junction, SmuRead, SmuReadings, can_scan, read_by_command


@dataclass(frozen=True)
class Conductance:
    """siemens: float32, (rows, columns) of a kernel or (junctions,), NaN where untrusted. flagged: how many are."""

    siemens: NDArray[np.float32]
    flagged: int


def through_the_board(crossbar: CrossbarController, kernel: int, read_volts: float, averages: int) -> Conductance:
    reading = crossbar.read_kernel(kernel, read_volts, averages)
    return _conductance(reading.amps, np.full_like(reading.amps, reading.read_volts))


def junctions_through_the_board(
    crossbar: CrossbarController, junctions: Sequence[Junction], read_volts: float, averages: int
) -> Conductance:
    reading = crossbar.read_junctions(junctions, read_volts, averages)
    return _conductance(reading.amps, np.full_like(reading.amps, reading.read_volts))


def through_the_smu(instruments: Instruments, lab: LabConfig, kernel: int, how: SmuRead, checkpoint: Checkpoint) -> Conductance:
    """By a triggered scan where controller and SMU can, else junction by junction. checkpoint is called all along and may raise.

    The SMU is off and everything isolated on return. Raises ScanRefused, PathOpened, OverLimit, DriverError.
    """
    chip = lab.chip
    of_kernel = chip.rows * chip.columns
    found = _smu_readings(instruments, lab, range(kernel * of_kernel, (kernel + 1) * of_kernel), how, checkpoint)
    return _conductance(found.amps.reshape(chip.rows, chip.columns), found.volts.reshape(chip.rows, chip.columns))


def junctions_through_the_smu(
    instruments: Instruments, lab: LabConfig, junctions: Sequence[Junction], how: SmuRead, checkpoint: Checkpoint
) -> Conductance:
    """Junction by junction. Otherwise as `through_the_smu`."""
    found = read_by_command(instruments, lab.limits, junctions, how, checkpoint)
    return _conductance(found.amps, found.volts)


def _smu_readings(instruments: Instruments, lab: LabConfig, devices: range, how: SmuRead, checkpoint: Checkpoint) -> SmuReadings:
    """devices: flat numbers, in the order kernel, row, column."""
    places = [_place(device, lab) for device in devices]
    if not can_scan(instruments, lab):
        return read_by_command(instruments, lab.limits, places, how, checkpoint)
    found = scan(instruments, lab, devices.start, len(devices), how, checkpoint)
    beyond = np.flatnonzero(found.limited)
    if not beyond.size:
        return found
    # The scan's range is set to what junctions draw; the few that draw more, shorts above all, are read once more in one that fits.
    again = read_by_command(instruments, lab.limits, [places[index] for index in beyond], how, checkpoint)
    amps, volts, limited = found.amps.copy(), found.volts.copy(), found.limited.copy()
    amps[beyond], volts[beyond], limited[beyond] = again.amps, again.volts, again.limited
    return replace(found, amps=amps, volts=volts, limited=limited)


def _place(device: int, lab: LabConfig) -> Junction:
    kernel, row, column = (int(each) for each in np.unravel_index(device, lab.chip.shape))
    return kernel, row, column


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

    found: Conductance
    pulses: NDArray[np.uint8]
    cut: str | None = None


_CUT = ("ABORTED", "DEAD_MAN")
"""A reopened session, or a line that was silent too long: the board went to SAFE, and says what it did before."""


def written_by_the_board(
    crossbar: CrossbarController, kernel: int, targets_siemens: NDArray[np.float64], how: BoardWriting, checkpoint: Checkpoint
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


def _conductance(amps: Floats, volts: Floats) -> Conductance:
    """A quotient without a meaning, or too large for float32, is NaN."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        siemens = (amps / volts).astype(np.float32)
    siemens[~np.isfinite(siemens)] = math.nan
    return Conductance(siemens, int(np.isnan(siemens).sum()))
