"""What each simulated source-measure unit can do, as its data sheet and its manual give it. The simulator's own record: it shares
nothing with the drivers'.

Rule: a figure stands here once; where no source gives it, the comment says that it is assumed.
Sources: SPEC-2450 Rev. A and 2450 reference manual 2450-901-01; SPEC-2602B Rev. B; 2636B data sheet, pages 28 to 30; Series 2600B
reference manual 2600BS-901-01.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

Function = Literal["VOLT", "CURR"]
RATED_HERTZ = 60.0
"""Line frequency at which the rates below hold."""
OVERFLOW = 9.9e37
"""What a reading beyond its range reads."""


@dataclass(frozen=True)
class Accuracy:
    """One year, 23 C: within gain (of the value) and offset (V or A)."""

    gain: float
    offset: float


@dataclass(frozen=True)
class Range:
    """full_scale, noise: V or A; noise: rms of a reading of 1 NPLC. settle_s: from a new level or range to 0.1 %, s. source: None for a
    range that only measures."""

    full_scale: float
    measure: Accuracy
    source: Accuracy | None
    noise: float
    settle_s: float


@dataclass(frozen=True)
class Rates:
    """Operations a second at the shortest aperture, 60 Hz, autozero off, fixed ranges. memory: readings, back to back. sweep: a new level
    and a reading each. triggered: the same, each begun by an edge of the digital lines; edge: only a reading for each edge.
    script, script_edge: a new level and a reading, by a user's script, without and with an edge.
    single, single_sourced: asked for over the bus one by one, without and with a new level."""

    memory: float
    sweep: float
    triggered: float
    edge: float
    script: float
    script_edge: float
    single: float
    single_sourced: float


@dataclass(frozen=True)
class DataSheet:
    """envelope: (largest volts, largest amps) of each corner of what can be sourced. overrange, measure_overrange: largest level and
    largest reading as multiples of their range. nplc: (smallest, largest). source_delay_s, buffer_readings: (smallest, largest).
    limits: (smallest, largest) compliance, by what is limited. list_per_message, list_points, sweep_points: of a list and of a linear
    sweep. range_change_s: for one step of an automatic range, beside the settling. auto_delay_s: the instrument's own delay from a new
    level to the reading, by full scale of the current range. interlock_volts: highest level with the interlock open."""

    model: str
    volts: tuple[Range, ...]
    amps: tuple[Range, ...]
    envelope: tuple[tuple[float, float], ...]
    overrange: float
    measure_overrange: float
    limits: dict[Function, tuple[float, float]]
    nplc: tuple[float, float]
    source_delay_s: tuple[float, float]
    buffer_readings: tuple[int, int]
    list_per_message: int
    list_points: int
    sweep_points: int
    rates: Rates
    range_change_s: float
    auto_delay_s: dict[float, float]
    interlock_volts: float
    by_scale: dict[Function, dict[float, Range]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(
            self,
            "by_scale",
            {"VOLT": {each.full_scale: each for each in self.volts}, "CURR": {each.full_scale: each for each in self.amps}},
        )

    def measure_ranges(self, function: Function) -> tuple[float, ...]:
        """Full scales, rising."""
        return tuple(self.by_scale[function])

    def source_ranges(self, function: Function) -> tuple[float, ...]:
        """Full scales, rising."""
        return tuple(scale for scale, each in self.by_scale[function].items() if each.source is not None)

    def largest_level(self, function: Function) -> float:
        """V or A, of either sign."""
        return self.source_ranges(function)[-1] * self.overrange

    def source_range_for(self, function: Function, level: float) -> float:
        """Full scale of the smallest source range that reaches a level; the largest when none does."""
        return _smallest(self.source_ranges(function), abs(level), self.overrange)

    def measure_range_for(self, function: Function, value: float, lowest: float = 0.0) -> float:
        """Full scale of the smallest measure range, not below `lowest`, that reads a value; the largest when none does."""
        return _smallest([scale for scale in self.by_scale[function] if scale >= lowest], abs(value), self.measure_overrange)

    def overhead_ns(self, rate: float) -> int:
        """What an operation takes beside its aperture, ns, for one of `rates`."""
        return round(1e9 * (1.0 / rate - self.nplc[0] / RATED_HERTZ))


def _smallest(scales: Iterable[float], value: float, over: float) -> float:
    scale = 0.0
    for scale in scales:
        # A level of exactly the overrange must not fail by a rounding error.
        if value <= scale * over * (1.0 + 1e-12):
            break
    return scale


def _ranges(*rows: tuple[float, tuple[float, float], tuple[float, float] | None, float, float]) -> tuple[Range, ...]:
    """Rows of (full scale, (% of reading, offset), (% of setting, offset), noise, settle s)."""
    built: list[Range] = []
    for scale, measure, source, noise, settle_s in rows:
        sourced = None if source is None else Accuracy(source[0] / 100.0, source[1])
        built.append(Range(scale, Accuracy(measure[0] / 100.0, measure[1]), sourced, noise, settle_s))
    return tuple(built)


# Of the 2450, settling of the current ranges (the 2636B's), automatic delays and the time of a range change are assumed.
KEITHLEY_2450 = DataSheet(
    model="2450",
    volts=_ranges(
        (0.02, (0.100, 150e-6), (0.100, 200e-6), 1e-6, 100e-6),
        (0.2, (0.012, 200e-6), (0.015, 200e-6), 1e-6, 100e-6),
        (2.0, (0.012, 300e-6), (0.020, 300e-6), 10e-6, 100e-6),
        (20.0, (0.015, 1e-3), (0.015, 2.4e-3), 100e-6, 200e-6),
        (200.0, (0.015, 10e-3), (0.015, 24e-3), 1e-3, 1e-3),
    ),
    amps=_ranges(
        (1e-8, (0.100, 50e-12), (0.100, 100e-12), 500e-15, 90e-3),
        (1e-7, (0.060, 100e-12), (0.060, 150e-12), 500e-15, 15e-3),
        (1e-6, (0.025, 300e-12), (0.025, 400e-12), 5e-12, 2.5e-3),
        (1e-5, (0.025, 700e-12), (0.025, 1.5e-9), 40e-12, 500e-6),
        (1e-4, (0.020, 6e-9), (0.020, 15e-9), 400e-12, 150e-6),
        (1e-3, (0.020, 60e-9), (0.020, 150e-9), 5e-9, 100e-6),
        (1e-2, (0.020, 600e-9), (0.020, 1.5e-6), 40e-9, 80e-6),
        (1e-1, (0.025, 6e-6), (0.025, 15e-6), 100e-9, 80e-6),
        (1.0, (0.030, 500e-6), (0.067, 900e-6), 3e-6, 120e-6),
    ),
    envelope=((21.0, 1.05), (210.0, 0.105)),
    overrange=1.05,
    measure_overrange=1.05,
    limits={"CURR": (1e-9, 1.05), "VOLT": (0.02, 210.0)},
    nplc=(0.01, 10.0),
    source_delay_s=(0.0, 10_000.0),
    buffer_readings=(10, 250_000),
    list_per_message=100,
    list_points=2_500,
    sweep_points=1_000_000,
    # About 3,000/s: no page with the whole table was found; the other figures are assumed from it.
    rates=Rates(3_000, 3_000, 3_000, 3_000, 3_000, 3_000, 3_000, 3_000),
    range_change_s=300e-6,
    auto_delay_s={1e-8: 0.1, 1e-7: 0.02, 1e-6: 5e-3, 1e-5: 2e-3, 1e-4: 1e-3, 1e-3: 1e-3, 1e-2: 1e-3, 1e-1: 1e-3, 1.0: 1e-3},
    interlock_volts=42.0,
)

_2636B_AMPS = _ranges(
    (1e-10, (0.15, 120e-15), None, 1e-15, 360e-3),
    (1e-9, (0.15, 240e-15), (0.15, 2e-12), 2e-15, 360e-3),
    (1e-8, (0.15, 3e-12), (0.15, 5e-12), 20e-15, 90e-3),
    (1e-7, (0.06, 40e-12), (0.06, 50e-12), 200e-15, 15e-3),
    (1e-6, (0.025, 400e-12), (0.03, 700e-12), 4e-12, 2.5e-3),
    (1e-5, (0.025, 1.5e-9), (0.03, 5e-9), 10e-12, 500e-6),
    (1e-4, (0.02, 25e-9), (0.03, 60e-9), 500e-12, 150e-6),
    (1e-3, (0.02, 200e-9), (0.03, 300e-9), 1e-9, 100e-6),
    (1e-2, (0.02, 2.5e-6), (0.03, 6e-6), 40e-9, 80e-6),
    (1e-1, (0.02, 20e-6), (0.03, 30e-6), 100e-9, 80e-6),
    (1.0, (0.03, 1.5e-3), (0.05, 1.8e-3), 12e-6, 120e-6),
    (1.5, (0.05, 3.5e-3), (0.06, 4e-3), 25e-6, 120e-6),
)
# Noise of the 2600B: a sixth of the peak-to-peak figure of 0.1 to 10 Hz.
_2600B_RATES = Rates(
    memory=20_000, sweep=12_000, triggered=11_200, edge=8_100, script=7_000, script_edge=5_500, single=1_900, single_sourced=1_400
)
# Automatic delay of the 2600B with the delay set to DELAY_AUTO: none above 1 uA, as in the manual's table of measure delays.
_2600B_DELAYS = {1e-10: 45e-3, 1e-9: 15e-3, 1e-8: 6e-3, 1e-7: 4e-3, 1e-6: 1e-3}

KEITHLEY_2636B = DataSheet(
    model="2636B",
    volts=_ranges(
        (0.2, (0.015, 225e-6), (0.02, 375e-6), 3e-6, 50e-6),
        (2.0, (0.020, 350e-6), (0.02, 600e-6), 8e-6, 50e-6),
        (20.0, (0.015, 5e-3), (0.02, 5e-3), 50e-6, 110e-6),
        (200.0, (0.015, 50e-3), (0.02, 50e-3), 500e-6, 700e-6),
    ),
    amps=_2636B_AMPS,
    envelope=((20.2, 1.515), (202.0, 0.101)),
    overrange=1.01,
    measure_overrange=1.02,
    limits={"CURR": (1e-10, 1.515), "VOLT": (0.02, 202.0)},
    nplc=(0.001, 25.0),
    source_delay_s=(0.0, 1e6),
    buffer_readings=(0, 140_000),
    list_per_message=1_000_000,  # a Lua table: no limit of its own
    list_points=1_000_000,
    sweep_points=1_000_000,
    rates=_2600B_RATES,
    range_change_s=150e-6,
    auto_delay_s=_2600B_DELAYS,
    interlock_volts=20.2,
)

KEITHLEY_2602B = DataSheet(
    model="2602B",
    volts=_ranges(
        (0.1, (0.015, 150e-6), (0.02, 250e-6), 3e-6, 50e-6),
        (1.0, (0.015, 200e-6), (0.02, 400e-6), 8e-6, 50e-6),
        (6.0, (0.015, 1e-3), (0.02, 1.8e-3), 16e-6, 100e-6),
        (40.0, (0.015, 8e-3), (0.02, 12e-3), 80e-6, 150e-6),
    ),
    amps=_ranges(
        (1e-7, (0.05, 100e-12), (0.06, 100e-12), 1e-12, 15e-3),
        (1e-6, (0.025, 500e-12), (0.03, 800e-12), 4e-12, 2.5e-3),
        (1e-5, (0.025, 1.5e-9), (0.03, 5e-9), 10e-12, 500e-6),
        (1e-4, (0.02, 25e-9), (0.03, 60e-9), 500e-12, 150e-6),
        (1e-3, (0.02, 200e-9), (0.03, 300e-9), 1e-9, 100e-6),
        (1e-2, (0.02, 2.5e-6), (0.03, 6e-6), 40e-9, 80e-6),
        (1e-1, (0.02, 20e-6), (0.03, 30e-6), 100e-9, 80e-6),
        (1.0, (0.03, 1.5e-3), (0.05, 1.8e-3), 12e-6, 120e-6),
        (3.0, (0.05, 3.5e-3), (0.06, 4e-3), 25e-6, 120e-6),
    ),
    envelope=((6.06, 3.03), (40.4, 1.01)),
    overrange=1.01,
    measure_overrange=1.02,
    limits={"CURR": (1e-8, 3.03), "VOLT": (0.01, 40.4)},
    nplc=(0.001, 25.0),
    source_delay_s=(0.0, 1e6),
    buffer_readings=(0, 140_000),
    list_per_message=1_000_000,
    list_points=1_000_000,
    sweep_points=1_000_000,
    rates=_2600B_RATES,
    range_change_s=150e-6,
    auto_delay_s=_2600B_DELAYS,
    interlock_volts=40.4,
)
