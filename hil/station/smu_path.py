"""The SMU on single junctions: switched on for a task, off and isolated however the task is left, and believed only while the controller
held the path.

A firmware without SCAN, an SMU or a driver without trigger lines: then junction by junction, by command."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivers.protocols import CrossbarController, SourceMeter
from drivers.smu.capabilities import SmuCapabilities
from drivers.smu.planning import LONGEST_CYCLE_HERTZ, JunctionLimits, Pace, capabilities_of, plan_readings
from drivers.smu.values import Floats, SourceSettings
from firmware_protocol.codes import Capability, Opcode
from hil.model.lab import LabConfig, Limits
from hil.station.errors import NotMadeSafe, PathOpened
from hil.station.instruments import Instruments
from hil.station.safety import dark

Junction = tuple[int, int, int]
Checkpoint = Callable[[], None]


@dataclass(frozen=True)
class SmuRead:
    """How the SMU reads junctions: the level, V, and its integration time in power-line cycles."""

    read_volts: float
    nplc: float = 0.1


@dataclass(frozen=True)
class SmuReadings:
    """Of many junctions, arrays (junctions,). amps: NaN where limited. volts: across the terminals, NaN where amps is.

    limited: the SMU was limiting, or the reading overflowed.
    """

    amps: Floats
    volts: Floats
    limited: NDArray[np.bool_]


def can_scan(instruments: Instruments, lab: LabConfig) -> bool:
    """Whether controller and SMU can go hand in hand: their trigger lines, and the wires between them."""
    if not (lab.smu.trigger_lines and knows(instruments.smu, "scan")):
        return False
    info = instruments.crossbar.info()
    has_lines = bool(info.capabilities & Capability.TRIGGER_LINES) and bool(info.capabilities & Capability.STREAMS)
    return has_lines and Opcode.SCAN.name not in info.missing and model_of(instruments.smu).digital_lines


def knows(smu: SourceMeter, what: str) -> bool:
    """Whether a driver has a method of the Protocol: one of somebody else's may be older than that."""
    return hasattr(smu, what)


def model_of(smu: SourceMeter) -> SmuCapabilities:
    return smu.capabilities if knows(smu, "capabilities") else capabilities_of("")


def junction_limits(limits: Limits) -> JunctionLimits:
    return JunctionLimits(limits.device_volts, limits.dwell_s, limits.energy_joules)


def line_hertz(smu: SourceMeter) -> float:
    return smu.provenance().line_hertz if knows(smu, "provenance") else LONGEST_CYCLE_HERTZ


@contextmanager
def energised(instruments: Instruments, settings: SourceSettings) -> Generator[SourceMeter]:
    """The SMU configured and on, at zero, everything isolated; off and isolated afterwards.

    What goes wrong inside comes out; that something could not be switched off is then noted beside it.
    """
    smu = instruments.smu
    instruments.off_and_isolated()  # pulses may still be allowed
    smu.configure(settings)
    try:
        smu.output_on()
        yield smu
    except BaseException as error:
        unsafe = NotMadeSafe.unless_safe(dark(smu.output_off, instruments.crossbar.isolate))
        if unsafe is not None:
            error.add_note(str(unsafe))
        raise
    instruments.off_and_isolated()


def require_path(crossbar: CrossbarController, junction: Junction) -> None:
    """Raises PathOpened unless the controller connects this junction to the SMU.

    A board that restarted, was stopped or isolated by its dead man meanwhile shows the SMU an open path: no reading at all.
    """
    status = crossbar.status()
    if status.selected != junction:
        raise PathOpened(
            f"junction {junction} was to be measured by the SMU, but the controller says {status.state}, selected {status.selected} "
            f"({status.safe_reason}); the reading is discarded, find out why before measuring again"
        )


def read_by_command(
    instruments: Instruments, limits: Limits, junctions: Sequence[Junction], how: SmuRead, checkpoint: Checkpoint
) -> SmuReadings:
    """One after another, the range found anew for each. checkpoint is called between junctions and may raise.

    Raises OverLimit for more than a junction may be given, PathOpened, DriverError.
    """
    smu, limit_amps = instruments.smu, limits.current_amps
    pace = Pace(how.nplc, None, fixed_range=False, line_hertz=line_hertz(smu))
    plan_readings(model_of(smu), len(junctions), how.read_volts, limit_amps, pace, junction_limits(limits), triggered=False)
    amps = np.full(len(junctions), np.nan)
    volts, limited = np.full_like(amps, np.nan), np.zeros(len(junctions), np.bool_)
    settings = SourceSettings(limit_amps, range_volts=abs(how.read_volts), nplc=how.nplc, limit_volts=limits.read_volts)
    with energised(instruments, settings):
        for place, junction in enumerate(junctions):
            checkpoint()
            # At 0 V: `configure` and every `measure` leave it there, so that no junction is switched under bias.
            instruments.crossbar.select_junction(*junction)
            reading = smu.measure(how.read_volts)
            require_path(instruments.crossbar, junction)
            limited[place] = reading.in_compliance
            if not reading.in_compliance:
                amps[place], volts[place] = reading.amps, reading.volts
    return SmuReadings(amps, volts, limited)
