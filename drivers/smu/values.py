"""What a source-measure unit is asked for and what it measured. SI units, the unit in the name.

Rule 1: a value that the instrument was limiting is no measurement: it is NaN, and `limited` says where.
Rule 2: a setting that a model does not have is refused by its driver (OverLimit), never clipped. Whatever is asked for here makes
sense for some model.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


class OffState(StrEnum):
    """What the terminals do while the output is off. Names of the 2450's OUTPut:SMODe; the 2600B has no GUARD."""

    NORMAL = "normal"
    HIGH_IMPEDANCE = "high impedance"
    ZERO = "zero"
    GUARD = "guard"


@dataclass(frozen=True)
class SourceSettings:
    """Voltage sourcing, current measured.

    limit_amps: compliance, A. nplc: integration time in power-line cycles. range_volts: largest level needed, V; the
    smallest source range that reaches it is taken; None: limit_volts. limit_volts: no level beyond it is ever sourced,
    V; None: the range's own end. measure_range_amps: largest current to be measured; None: found anew for each reading, which
    takes its time. autozero: reference and zero measured with every reading; off, they are measured once when configured.
    settle_s: from a new level to its reading, s; None: the instrument's own choice.
    """

    limit_amps: float
    range_volts: float | None = None
    nplc: float = 0.1
    four_wire: bool = False
    limit_volts: float | None = None
    measure_range_amps: float | None = None
    autozero: bool = True
    settle_s: float | None = None
    off_state: OffState = OffState.NORMAL


@dataclass(frozen=True)
class CurrentSourceSettings:
    """Current sourcing, voltage measured; as SourceSettings with the two quantities exchanged.

    limit_volts: compliance, V. range_amps: largest level needed, A; None: limit_amps. limit_amps: no level beyond it is ever sourced.
    """

    limit_volts: float
    range_amps: float | None = None
    nplc: float = 0.1
    four_wire: bool = False
    limit_amps: float | None = None
    measure_range_volts: float | None = None
    autozero: bool = True
    settle_s: float | None = None
    off_state: OffState = OffState.NORMAL


Settings = SourceSettings | CurrentSourceSettings


@dataclass(frozen=True)
class SmuReading:
    """One point. in_compliance: the SMU was limiting; then what was measured is the limit and not the device."""

    volts: float
    amps: float
    in_compliance: bool


@dataclass(frozen=True)
class SmuTrace:
    """Readings in the order they were taken; all arrays (points,), read-only.

    level: what was asked for, V or A by `source`. volts, amps: at the terminals; of the two the measured one is NaN where
    `limited`, the other is what the instrument says it sourced. limited: the SMU was limiting. at_s: since the first reading,
    by the instrument's clock.
    ended: "done", or "limited" for a sweep that was to stop at its limit: the points after the limited one were not taken,
    and are missing, not NaN.
    """

    source: Literal["volts", "amps"]
    level: Floats
    volts: Floats
    amps: Floats
    limited: Flags
    at_s: Floats
    ended: Literal["done", "limited"] = "done"

    def __post_init__(self) -> None:
        names = ("level", "volts", "amps", "limited", "at_s")
        shapes = {getattr(self, name).shape for name in names}
        if len(shapes) != 1 or self.level.ndim != 1:
            raise ValueError(f"arrays of a trace must be (points,) alike, not {sorted(shapes)}")
        kept = {name: np.array(getattr(self, name)) for name in names}
        kept["amps" if self.source == "volts" else "volts"][self.limited] = math.nan
        for name, array in kept.items():
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    def __len__(self) -> int:
        return len(self.level)


@dataclass(frozen=True)
class SmuProvenance:
    """What stands beside everything measured. calibration_date: as the instrument writes it, None where it does not say."""

    firmware: str
    calibration_date: str | None
    line_hertz: float

    def as_json(self) -> dict[str, Any]:
        return {"firmware": self.firmware, "calibration_date": self.calibration_date, "line_hertz": self.line_hertz}


@dataclass(frozen=True)
class ScanSettings:
    """A constant level, and a reading for every edge on the trigger line from the controller, answered by an edge to it.

    readings: how many edges are waited for. volts: the level, from arming to the end.
    """

    readings: int
    volts: float
