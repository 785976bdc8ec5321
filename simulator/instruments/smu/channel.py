"""One source-measure channel at the world's terminals: what it sources, where it limits, what it reads and how long that takes.
Shared by every dialect.

Rule 1: time is an argument, in ns of the instrument's own time; a reading is begun, and finished when its aperture is over.
Rule 2: at the limit the sourced quantity is reduced; a reading is never made up.
Rule 3: `finish` is what a scan spends its time in: plain floats, no array, noise drawn in blocks.

How a dialect uses it:
    channel = Channel(KEITHLEY_2450, world, serial)
    channel.drive(Drive("VOLT", level, source_range, limit), now_ns)     whatever is sourced, and each change of it
    channel.set_level(level, now_ns)                                     only the level: cheap
    channel.switch(True, now_ns)                                         output on and off; channel.output says
    channel.measure_by(Meter(...), now_ns)                               ranges (None: automatic), NPLC, autozero: whenever they change
    end_ns = channel.begin(now_ns)                                       end of the aperture: not before channel.free_ns, ranges found
    sample = channel.finish(end_ns)                                      volts and amps as read, and whether it was limiting
After `finish` the next aperture starts at channel.free_ns at the earliest: the reading's overhead, in which others may already act on
the reading (a trigger line is pulsed at end_ns, and the switching of a scan hides in the overhead).
Further: `limiting()` (now), `ranges` in use, `auto_delay_ns()`. A channel that nothing is connected to is given OpenTerminals.
"""

from dataclasses import dataclass
from math import copysign, exp, log
from typing import NamedTuple, Protocol

import numpy as np

from simulator.instruments.smu.datasheet import OVERFLOW, RATED_HERTZ, DataSheet, Function, Range
from simulator.instruments.smu.errors import drawn

_APERTURES_WITH_AUTOZERO = 3
"""Signal, reference and zero."""
_BLOCK = 4_096
_TIME_CONSTANTS = log(1_000.0)
"""From a step to 0.1 %."""
_SETTLED = 20.0
"""Time constants after which nothing is left of a step."""
_KICK = 0.01
"""What a new measure range is off by at first, of its full scale."""
_RANGE_LIMITS_AT = 1.01
"""A fixed range limits too, just above the largest value that it reads: as a multiple of that."""


class Point(NamedTuple):
    """What the terminals carry."""

    amps: float
    in_compliance: bool
    volts: float


class Terminals(Protocol):
    """What a channel is connected to; `simulator.world.World` is one. Each returns (amps, limited, volts)."""

    def smu_amps(self, volts: float, aperture_s: float, limit_amps: float) -> tuple[float, bool, float]: ...
    def smu_volts(self, amps: float, aperture_s: float, limit_volts: float) -> tuple[float, bool, float]: ...
    def set_output(self, on: bool, volts: float) -> None: ...


class OpenTerminals:
    """Nothing connected."""

    def smu_amps(self, volts: float, aperture_s: float, limit_amps: float) -> tuple[float, bool, float]:  # noqa: ARG002
        return Point(0.0, False, volts)

    def smu_volts(self, amps: float, aperture_s: float, limit_volts: float) -> tuple[float, bool, float]:  # noqa: ARG002
        return Point(0.0, True, copysign(limit_volts, amps)) if amps else Point(0.0, False, 0.0)

    def set_output(self, on: bool, volts: float) -> None:
        """Nobody is there to notice."""


@dataclass(frozen=True, slots=True)
class Drive:
    """level: V or A by `source`. limit: of the other quantity, positive."""

    source: Function = "VOLT"
    level: float = 0.0
    range_: float = 2.0
    limit: float = 1e-4


@dataclass(frozen=True, slots=True)
class Meter:
    """volts, amps: full scale of the range, None: found anew for each reading, not below lowest_volts, lowest_amps.

    averages: readings averaged into one. conversions: quantities measured one after the other. overhead_ns: of each reading, after its
    aperture.
    """

    volts: float | None = None
    amps: float | None = None
    lowest_volts: float = 0.0
    lowest_amps: float = 0.0
    nplc: float = 1.0
    autozero: bool = True
    averages: int = 1
    conversions: int = 1
    overhead_ns: int = 0
    line_hertz: float = RATED_HERTZ


class Sample(NamedTuple):
    """One reading of both quantities; +-OVERFLOW beyond a range. limited: the source was limiting."""

    volts: float
    amps: float
    limited: bool


class Channel:
    """ranges: full scales measured with now, by function. free_ns: when the next aperture may start."""

    def __init__(self, sheet: DataSheet, terminals: Terminals, serial: str, name: str = "a") -> None:
        self.sheet, self.output, self.free_ns = sheet, False, 0
        self.ranges: dict[Function, float] = {"VOLT": sheet.volts[0].full_scale, "CURR": sheet.amps[0].full_scale}
        self._terminals = terminals
        self._errors = drawn(sheet, serial, name)
        self._rng = np.random.default_rng(list(f"noise {serial}/{name}".encode()))
        self._noise: list[float] = []
        self._drive, self._meter = Drive(range_=sheet.volts[0].full_scale), Meter()
        self._seen: tuple[float, float] | None = (0.0, 0.0)  # True volts and amps of the present level; None: not known yet.
        self._from = (0.0, 0.0)
        self._stepped_ns = self._settled_ns = 0
        self._prepare()

    # --- sourcing
    @property
    def drive_now(self) -> Drive:
        return self._drive

    def drive(self, drive: Drive, now_ns: int) -> None:
        """Source this from now on. Knows no refusal: what may be asked for is the dialect's to decide."""
        if drive == self._drive:
            return
        self._step(now_ns)
        self._drive = drive
        self._prepare()
        self._tell()

    def set_level(self, level: float, now_ns: int) -> None:
        drive = self._drive
        if level != drive.level:
            self.drive(Drive(drive.source, level, drive.range_, drive.limit), now_ns)

    def switch(self, on: bool, now_ns: int) -> None:
        """Output on or off. Off: nothing flows, whatever the off state."""
        if on != self.output:
            self._step(now_ns)
            self.output = on
            self._prepare()
        self._tell()

    def limiting(self) -> bool:
        """Whether it limits at this moment; biases the terminals for no time."""
        return self._point(0.0)[1]

    def auto_delay_ns(self) -> int:
        """The instrument's own delay from a new level to the reading."""
        scale = self.ranges["CURR"] if self._drive.source == "VOLT" else self._drive.range_
        return round(1e9 * self.sheet.auto_delay_s.get(scale, 0.0))

    # --- measuring
    def measure_by(self, meter: Meter, now_ns: int) -> None:
        """Measure like this from now on. A new fixed range has to settle."""
        self._meter = meter
        fixed: dict[Function, float | None] = {"VOLT": meter.volts, "CURR": meter.amps}
        for function, scale in fixed.items():
            if scale is not None and scale != self.ranges[function]:
                self._change_range(function, scale, now_ns)
        self._prepare()

    def begin(self, start_ns: int) -> int:
        """Start a reading; returns when its aperture is over."""
        start_ns = max(start_ns, self.free_ns)
        if self._meter.volts is None or self._meter.amps is None:
            start_ns += self._find_ranges()
        return start_ns + self._reading_ns

    def finish(self, end_ns: int) -> Sample:
        """What is read at the end of the aperture that `begin` told."""
        self.free_ns = end_ns + self._meter.overhead_ns
        amps, limited, volts = self._point(self._exposure_s)
        self._seen = volts, amps
        if end_ns < self._settled_ns:
            volts, amps = self._unsettled(volts, amps, end_ns)
        noise = self._noise
        if not noise:
            noise = self._noise = self._rng.standard_normal(_BLOCK).tolist()
        volts = self._volts_gain * volts + self._volts_offset + self._volts_noise * noise.pop()
        amps = self._amps_gain * amps + self._amps_offset + self._amps_noise * noise.pop()
        if abs(volts) > self._volts_end:
            volts = self._beyond("VOLT", volts, self._meter.volts)
        if abs(amps) > self._amps_end:
            amps = self._beyond("CURR", amps, self._meter.amps)
        return Sample(volts, amps, limited)

    @property
    def reading_ns(self) -> int:
        """From the start of a reading to the end of its aperture, ranges standing."""
        return self._reading_ns

    # --- inside
    def _point(self, aperture_s: float) -> tuple[float, bool, float]:
        """(amps, limited, volts), settled and true."""
        if not self.output:
            return 0.0, False, 0.0
        if self._drive.source == "VOLT":
            return self._terminals.smu_amps(self._true_level, aperture_s, self._true_limit)
        return self._terminals.smu_volts(self._true_level, aperture_s, self._true_limit)

    def _tell(self) -> None:
        volts = 0.0
        if self.output and self._drive.source == "VOLT" and self._drive.level:
            # A limit protects: what is connected never sees more than it allows.
            _, limited, at_volts = self._point(0.0)
            volts = at_volts if limited else self._drive.level
        self._terminals.set_output(self.output, volts)

    def _prepare(self) -> None:
        """Everything that `finish` needs, as plain numbers."""
        drive, meter = self._drive, self._meter
        limited: Function = "CURR" if drive.source == "VOLT" else "VOLT"
        sourced = self._errors[drive.source][drive.range_].source
        fixed = meter.amps if limited == "CURR" else meter.volts
        most = drive.limit if fixed is None else min(drive.limit, _RANGE_LIMITS_AT * self.sheet.measure_overrange * fixed)
        limit = self._errors[limited][self.sheet.source_range_for(limited, most)].source
        self._true_level = sourced.gain * drive.level + sourced.offset
        self._true_limit = max(limit.gain * most + limit.offset, 0.1 * most)
        aperture_s = meter.nplc / meter.line_hertz
        self._exposure_s = aperture_s * meter.averages
        apertures = meter.averages * meter.conversions * (_APERTURES_WITH_AUTOZERO if meter.autozero else 1)
        self._reading_ns = round(1e9 * apertures * aperture_s)
        less = (meter.nplc * meter.averages) ** -0.5
        volts, amps = self._range("VOLT"), self._range("CURR")
        self._volts_gain, self._volts_offset = self._errors["VOLT"][volts.full_scale].measure
        self._amps_gain, self._amps_offset = self._errors["CURR"][amps.full_scale].measure
        self._volts_noise, self._amps_noise = volts.noise * less, amps.noise * less
        over = self.sheet.measure_overrange * (1.0 + 1e-3)  # The converter reads a little beyond what is specified.
        self._volts_end, self._amps_end = volts.full_scale * over, amps.full_scale * over

    def _range(self, function: Function) -> Range:
        return self.sheet.by_scale[function][self.ranges[function]]

    def _change_range(self, function: Function, scale: float, now_ns: int) -> None:
        self._step(now_ns)
        self.ranges[function] = scale
        volts, amps = self._from
        self._from = (volts + _KICK * scale, amps) if function == "VOLT" else (volts, amps + _KICK * scale)
        self._settled_ns = max(self._settled_ns, self._stepped_ns + round(_SETTLED * self._time_constant_ns()))

    def _step(self, now_ns: int) -> None:
        """Remember what the terminals carried until now: readings come from there to what they will carry."""
        if self._seen is None:
            amps, _, volts = self._point(0.0)
            self._seen = volts, amps
        self._from, self._seen, self._stepped_ns = self._seen, None, now_ns
        self._settled_ns = now_ns + round(_SETTLED * self._time_constant_ns())

    def _time_constant_ns(self) -> float:
        return 1e9 / _TIME_CONSTANTS * max(self._range("VOLT").settle_s, self._range("CURR").settle_s)

    def _unsettled(self, volts: float, amps: float, end_ns: int) -> tuple[float, float]:
        """What the mean over the aperture is off by, so soon after a step."""
        constant = self._time_constant_ns()
        first = max(end_ns - self._reading_ns - self._stepped_ns, 0) / constant
        last = max((end_ns - self._stepped_ns) / constant, first + 1e-9)
        left = (exp(-first) - exp(-last)) / (last - first)
        return volts + (self._from[0] - volts) * left, amps + (self._from[1] - amps) * left

    def _beyond(self, function: Function, value: float, fixed: float | None) -> float:
        """What noise lifted out of its range: an automatic one goes a range up and reads again, a fixed one overflows."""
        higher = [scale for scale in self.sheet.measure_ranges(function) if scale > self.ranges[function]]
        if fixed is not None or not higher:
            return copysign(OVERFLOW, value)
        self.ranges[function] = higher[0]
        self.free_ns += round(1e9 * self.sheet.range_change_s) + self._reading_ns
        self._prepare()
        return value

    def _find_ranges(self) -> int:
        """Automatic ranges for what the terminals carry now; returns the time that it takes, ns."""
        amps, _, volts = self._point(0.0)
        meter = self._meter
        spent_s = 0.0
        if meter.volts is None:
            spent_s += self._find_range("VOLT", volts, meter.lowest_volts)
        if meter.amps is None:
            spent_s += self._find_range("CURR", amps, meter.lowest_amps)
        if spent_s:
            self._prepare()
        return round(1e9 * spent_s)

    def _find_range(self, function: Function, value: float, lowest: float) -> float:
        scales = self.sheet.measure_ranges(function)
        wanted = self.sheet.measure_range_for(function, value, lowest)
        steps = abs(scales.index(wanted) - scales.index(self.ranges[function]))
        if not steps:
            return 0.0
        self.ranges[function] = wanted
        return steps * (self.sheet.range_change_s + self._meter.nplc / self._meter.line_hertz) + self._range(function).settle_s
