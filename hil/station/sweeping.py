"""Current against voltage of single junctions by the SMU, one junction after another.

Rule 1: a junction is connected and left at 0 V. Rule 2: a point that the SMU was limiting, or that was not taken, is NaN and says so,
never the limit's value. Rule 3: the controller is asked all along whether it still holds the path: an open one is no measurement.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from drivers.errors import OverLimit
from drivers.protocols import CrossbarController, SourceMeter
from drivers.smu.capabilities import SmuCapabilities
from drivers.smu.planning import Pace, plan_sweep
from drivers.smu.values import Floats, SmuTrace, SourceSettings
from hil.model.lab import LabConfig
from hil.station.instruments import Instruments
from hil.station.smu_path import Checkpoint, Junction, energised, junction_limits, knows, line_hertz, model_of, require_path


@dataclass(frozen=True)
class SweepHow:
    """levels_volts: (points,) in the order they are visited. settle_s: from a new level to its reading.

    stop_when_limited: the first limited point of a junction is its last one.
    """

    levels_volts: Floats
    limit_amps: float
    nplc: float = 0.1
    settle_s: float = 1e-3
    four_wire: bool = False
    stop_when_limited: bool = True


@dataclass(frozen=True)
class Traces:
    """Arrays (junctions, points). volts: at the terminals; amps: NaN where limited. limited: bool. at_s: since a junction's first point.

    Points that were not taken, because the sweep had ended at its limit, are NaN in all three, and not limited.
    """

    volts: Floats
    amps: Floats
    at_s: Floats
    limited: NDArray[np.bool_]


def sweep_junctions(
    instruments: Instruments, lab: LabConfig, junctions: Sequence[Junction], how: SweepHow, checkpoint: Checkpoint
) -> Traces:
    """checkpoint: called all along, and may raise. Raises OverLimit, PathOpened, DriverError; all is off and isolated then too."""
    smu, most_amps = instruments.smu, lab.limits.current_amps
    if not 0 < how.limit_amps <= most_amps:
        raise OverLimit(
            f"compliance_amps {how.limit_amps!r} A is outside 0 to {most_amps:g} A (limits.current_amps); lower it or change lab.toml"
        )
    pace = Pace(how.nplc, how.settle_s, line_hertz=line_hertz(smu))
    sweeps = knows(smu, "sweep")
    plan_sweep(model_of(smu), how.levels_volts, how.limit_amps, pace, junction_limits(lab.limits), sweeps=sweeps)
    found = _Found(len(junctions), len(how.levels_volts))
    with energised(instruments, _settings(how, lab.limits.device_volts, model_of(smu))):
        for place, junction in enumerate(junctions):
            watch = partial(_watch, checkpoint, instruments.crossbar, junction)
            checkpoint()
            instruments.crossbar.select_junction(*junction)
            found.put(place, _by_sweep(smu, how, watch) if sweeps else _by_command(smu, how, watch))
            require_path(instruments.crossbar, junction)
    return found.traces


def _settings(how: SweepHow, device_volts: float, model: SmuCapabilities) -> SourceSettings:
    """The measuring range is the limit's: found anew for each point, as where no range can hold the limit, it makes the time under bias
    a guess."""
    return SourceSettings(
        how.limit_amps,
        range_volts=float(np.abs(how.levels_volts).max()) or None,
        nplc=how.nplc,
        four_wire=how.four_wire,
        limit_volts=device_volts,
        measure_range_amps=model.range_that_holds("volts", how.limit_amps),
        settle_s=how.settle_s,
    )


class _Found:
    def __init__(self, junctions: int, points: int) -> None:
        shape = (junctions, points)
        self.traces = Traces(np.full(shape, np.nan), np.full(shape, np.nan), np.full(shape, np.nan), np.zeros(shape, np.bool_))

    def put(self, place: int, trace: SmuTrace) -> None:
        taken = slice(0, len(trace))
        for name in ("volts", "amps", "at_s", "limited"):
            getattr(self.traces, name)[place, taken] = getattr(trace, name)


def _watch(checkpoint: Checkpoint, crossbar: CrossbarController, junction: Junction) -> None:
    checkpoint()
    require_path(crossbar, junction)


def _by_sweep(smu: SourceMeter, how: SweepHow, checkpoint: Checkpoint) -> SmuTrace:
    return smu.sweep(how.levels_volts, stop_when_limited=how.stop_when_limited, checkpoint=checkpoint)


def _by_command(smu: SourceMeter, how: SweepHow, checkpoint: Checkpoint) -> SmuTrace:
    """For a driver without sweeps: back at zero after each point. When each was taken is not known."""
    readings = []
    for level in how.levels_volts:
        checkpoint()
        readings.append(smu.measure(float(level)))
        if readings[-1].in_compliance and how.stop_when_limited:
            break
    volts, amps, limited = (np.array([getattr(each, name) for each in readings]) for name in ("volts", "amps", "in_compliance"))
    ended = "limited" if how.stop_when_limited and limited[-1] else "done"
    return SmuTrace("volts", how.levels_volts[: len(readings)], volts, amps, limited, np.full(len(readings), np.nan), ended)
