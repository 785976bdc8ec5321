"""What each source-measure unit can do, as data: the drivers plan, refuse and wait by it, nothing is typed twice.

Rule 1: a figure stands here as the manual or the data sheet gives it; what follows from figures is computed.
Rule 2: what a model does not have is refused, NaN included, and never clipped.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

from drivers.errors import OverLimit

Source = Literal["volts", "amps"]

_RATED_AT_HERTZ = 60.0
"""The line frequency at which data sheets give their rates."""
_APERTURES_WITH_AUTOZERO = 3
"""Signal, reference and zero."""
_ROUNDING = 1.0 + 1e-12
"""A limit of exactly 105 % of its range is not beyond it by a rounding error."""


@dataclass(frozen=True)
class Quantity:
    """Volts or amps of one model. source_ranges, measure_ranges: full scales, rising. limit: (smallest, largest) compliance."""

    unit: Literal["V", "A"]
    source_ranges: tuple[float, ...]
    measure_ranges: tuple[float, ...]
    limit: tuple[float, float]


@dataclass(frozen=True)
class SmuCapabilities:
    """envelope: (largest volts, largest amps) of each corner of the power envelope, overrange included.

    overrange, measure_overrange: largest level and largest reading as multiples of their range. nplc, settle_s, pulse_s:
    (smallest, largest); a pulse is also never shorter than settling and reading take. readings_per_s: to memory, back to back, at the
    shortest aperture without autozero, 60 Hz; triggered_per_s: the same, each begun by an edge of the digital lines.
    buffer_readings: most readings that one buffer holds. list_per_message, list_points: of a list sweep, in one message and
    in all. sweep_points: of a linear sweep. digital_lines: whether it can be triggered.
    limit_of_range: (smallest, largest) compliance as a multiple of a fixed measure range; beyond it the instrument would change the
    compliance by itself. own_settle_s: (full scale of the current range, its own delay from a new level to the reading), rising.
    sweep_delay_s: (smallest, largest) delay of a sweep that is not 0.
    """

    model: str
    volts: Quantity
    amps: Quantity
    envelope: tuple[tuple[float, float], ...]
    overrange: float
    measure_overrange: float
    nplc: tuple[float, float]
    settle_s: tuple[float, float]
    pulse_s: tuple[float, float]
    readings_per_s: float
    triggered_per_s: float
    buffer_readings: int
    list_per_message: int
    list_points: int
    sweep_points: int
    digital_lines: bool = True
    limit_of_range: tuple[float, float] = (0.0, math.inf)
    own_settle_s: tuple[tuple[float, float], ...] = ()
    sweep_delay_s: tuple[float, float] = (0.0, 10_000.0)

    def sourced(self, source: Source) -> Quantity:
        return self.volts if source == "volts" else self.amps

    def measured(self, source: Source) -> Quantity:
        """The quantity that is measured, and limited, while the other is sourced."""
        return self.amps if source == "volts" else self.volts

    def range_for(self, source: Source, level: float) -> float:
        """Full scale of the smallest source range that reaches a level. Raises OverLimit when none does."""
        quantity = self.sourced(source)
        return self._smallest(quantity.source_ranges, self.overrange, level, quantity.unit, "source")

    def measure_range_for(self, source: Source, value: float) -> float:
        """Full scale of the smallest range that measures a value, while `source` is sourced. Raises OverLimit when none does."""
        quantity = self.measured(source)
        return self._smallest(quantity.measure_ranges, self.measure_overrange, value, quantity.unit, "measure")

    def largest_limit(self, source: Source, range_: float) -> float:
        """Largest compliance on a source range: A while sourcing V, V while sourcing A."""
        corners = self.envelope if source == "volts" else [(amps, volts) for volts, amps in self.envelope]
        return max(limit for level, limit in corners if range_ <= level)

    def check_level(self, source: Source, level: float, range_: float) -> None:
        """Raises OverLimit for a level beyond the range."""
        largest, unit = range_ * self.overrange, self.sourced(source).unit
        if not abs(level) <= largest:
            raise OverLimit(
                f"{self.model}: {level!r} {unit} is beyond {largest:g} {unit} of the {range_:g} {unit} range; configure a larger range"
            )

    def check_limit(self, source: Source, limit: float, range_: float) -> None:
        """Raises OverLimit for a compliance that the instrument does not have on that source range."""
        quantity = self.measured(source)
        smallest, largest = quantity.limit[0], min(quantity.limit[1], self.largest_limit(source, range_))
        if not smallest <= limit <= largest:
            kind = "current" if source == "volts" else "voltage"
            raise OverLimit(
                f"{self.model}: {kind} limit {limit!r} {quantity.unit} is outside {smallest:g} to {largest:g} {quantity.unit} "
                f"at {range_:g} {self.sourced(source).unit}"
            )

    def check_measure_range(self, source: Source, limit: float, range_: float) -> None:
        """Raises OverLimit where a fixed measure range and a compliance cannot stand together."""
        smallest, largest = (factor * range_ for factor in self.limit_of_range)
        if not smallest <= limit <= largest * _ROUNDING:
            unit = self.measured(source).unit
            raise OverLimit(
                f"{self.model}: limit {limit!r} {unit} is outside {smallest:g} to {largest:g} {unit}, which the {range_:g} {unit} "
                "measure range can hold; choose a measure range that reaches the limit, or None"
            )

    def range_that_holds(self, source: Source, limit: float) -> float | None:
        """Full scale of the smallest fixed measure range that reaches a compliance and can hold it; None where there is none: just above
        one range, or below what the lowest can hold. Raises OverLimit for a compliance that no range reaches."""
        range_ = self.measure_range_for(source, limit)
        return range_ if limit >= self.limit_of_range[0] * range_ else None

    def limit_that_holds(self, source: Source, limit: float) -> float:
        """The largest compliance, not above `limit`, that a fixed measure range can hold. Raises OverLimit when none can."""
        smallest, largest = self.limit_of_range
        for range_ in reversed(self.measured(source).measure_ranges):
            held = min(limit, largest * range_, self.measure_overrange * range_)
            if held >= smallest * range_:
                return held
        unit = self.measured(source).unit
        raise OverLimit(f"{self.model}: no fixed measure range can hold a limit of {limit!r} {unit}; raise it")

    def check_nplc(self, nplc: float) -> None:
        self._check_span("integration time", nplc, self.nplc, "power-line cycles")

    def check_settle(self, settle_s: float) -> None:
        self._check_span("settling time", settle_s, self.settle_s, "s")

    def check_pulse(self, pulse_s: float, reading_s: float) -> None:
        """reading_s: of the reading at the pulse's end. Raises OverLimit for a pulse that the model cannot make."""
        smallest = max(self.pulse_s[0], reading_s)
        self._check_span("pulse", pulse_s, (smallest, self.pulse_s[1]), "s (its reading included)")

    def settles_s(self, amps: float) -> float:
        """Its own delay from a new level to the reading, for currents up to `amps`, where none was chosen."""
        return next((delay_s for range_, delay_s in self.own_settle_s if amps <= range_ * self.overrange), 0.0)

    def aperture_s(self, nplc: float, line_hertz: float) -> float:
        return nplc / line_hertz

    def reading_s(self, nplc: float, autozero: bool, line_hertz: float, *, triggered: bool = False) -> float:
        """From one reading to the next, back to back, the level standing, s."""
        rate = self.triggered_per_s if triggered else self.readings_per_s
        overhead_s = 1.0 / rate - self.nplc[0] / _RATED_AT_HERTZ
        return overhead_s + (_APERTURES_WITH_AUTOZERO if autozero else 1) * self.aperture_s(nplc, line_hertz)

    def _smallest(self, ranges: tuple[float, ...], over: float, value: float, unit: str, kind: str) -> float:
        reaching = [each for each in ranges if 0 < value <= each * over]
        if not reaching:
            raise OverLimit(
                f"{self.model}: no {kind} range reaches {value!r} {unit}; choose one above 0 and up to {max(ranges) * over:g} {unit}"
            )
        return min(reaching)

    def _check_span(self, what: str, value: float, span: tuple[float, float], unit: str) -> None:
        smallest, largest = span
        if not smallest <= value <= largest:
            raise OverLimit(f"{self.model}: {what} {value!r} {unit} is outside {smallest:g} to {largest:g}")


# 2450 reference manual 2450-901-01: ranges 6-75, limits 6-71, lists 6-78, own delays 2-111; apertures and rates of the data sheet.
_2450_AMPS = (10e-9, 100e-9, 1e-6, 10e-6, 100e-6, 1e-3, 10e-3, 100e-3, 1.0)
_2450_VOLTS = (0.02, 0.2, 2.0, 20.0, 200.0)
KEITHLEY_2450 = SmuCapabilities(
    model="2450",
    volts=Quantity("V", _2450_VOLTS, _2450_VOLTS, (0.02, 210.0)),
    amps=Quantity("A", _2450_AMPS, _2450_AMPS, (1e-9, 1.05)),
    envelope=((21.0, 1.05), (210.0, 0.105)),
    overrange=1.05,
    measure_overrange=1.05,
    nplc=(0.01, 10.0),
    settle_s=(0.0, 10_000.0),
    pulse_s=(1e-3, 10_000.0),
    readings_per_s=3_000.0,
    triggered_per_s=3_000.0,
    buffer_readings=250_000,
    list_per_message=100,
    list_points=2_500,
    sweep_points=1_000_000,
    # 0.1 % in the manual's first revisions, 10.6 % in later ones: what every firmware takes.
    limit_of_range=(0.106, 1.05),
    own_settle_s=((100e-9, 50e-3), (1e-6, 3e-3), (10e-6, 2e-3), (1.0, 1e-3)),
    sweep_delay_s=(50e-6, 10_000.0),
)
# The 2461's manual 2461-901-01: ranges 6-98, limits 6-94. Its 10 A range is for its own pulses, which are not used here. Assumed: the
# envelope, corner by corner of its ranges, and the rates, sizes and delays of the 2450.
_2461_AMPS = (1e-6, 10e-6, 100e-6, 1e-3, 10e-3, 100e-3, 1.0, 4.0, 5.0, 7.0)
_2461_VOLTS = (0.2, 2.0, 7.0, 10.0, 20.0, 100.0)
KEITHLEY_2461 = replace(
    KEITHLEY_2450,
    model="2461",
    volts=Quantity("V", _2461_VOLTS, _2461_VOLTS, (0.2, 105.0)),
    amps=Quantity("A", _2461_AMPS, _2461_AMPS, (1e-6, 7.35)),
    envelope=((7.35, 7.35), (10.5, 5.25), (21.0, 4.2), (105.0, 1.05)),
    own_settle_s=((1e-6, 3e-3), (10e-6, 2e-3), (7.0, 1e-3)),
)
KEITHLEY_2460 = replace(KEITHLEY_2461, model="2460")
# The 2470's manual 2470-901-01, 12-78 and 12-82; its 1000 V range reaches 1100 V, of which no more than 105 % is used here.
# Assumed: the 21 mA at 1000 V, and the rates, sizes and delays of the 2450.
_2470_VOLTS = (0.2, 2.0, 20.0, 200.0, 1000.0)
KEITHLEY_2470 = replace(
    KEITHLEY_2450,
    model="2470",
    volts=Quantity("V", _2470_VOLTS, _2470_VOLTS, (0.2, 1050.0)),
    envelope=((21.0, 1.05), (210.0, 0.105), (1050.0, 0.021)),
)

# 2600B reference manual 2600BS-901-01 (ranges 2-44, operating boundaries 5-3 and 5-9); SPEC-2602B Rev. B and the 2636B data sheet
# p. 30 (smallest limits, apertures, sweep API rates, buffers with time stamps and source values). A list is as long as one message.
_2602B_AMPS = (100e-9, 1e-6, 10e-6, 100e-6, 1e-3, 10e-3, 100e-3, 1.0, 3.0)
_2602B_VOLTS = (0.1, 1.0, 6.0, 40.0)
KEITHLEY_2602B = SmuCapabilities(
    model="2602B",
    volts=Quantity("V", _2602B_VOLTS, _2602B_VOLTS, (0.01, 40.0)),
    amps=Quantity("A", _2602B_AMPS, _2602B_AMPS, (10e-9, 3.0)),
    envelope=((6.06, 3.03), (40.4, 1.01)),
    overrange=1.01,
    measure_overrange=1.02,
    nplc=(0.001, 25.0),
    settle_s=(0.0, 1_000.0),
    pulse_s=(100e-6, 1_000.0),
    readings_per_s=20_000.0,
    triggered_per_s=11_200.0,
    buffer_readings=60_000,
    list_per_message=100,
    list_points=100,
    sweep_points=60_000,
    own_settle_s=((100e-9, 4e-3), (1e-6, 1e-3)),
)
_2636B_AMPS = (1e-9, 10e-9, 100e-9, 1e-6, 10e-6, 100e-6, 1e-3, 10e-3, 100e-3, 1.0, 1.5)
_2636B_VOLTS = (0.2, 2.0, 20.0, 200.0)
KEITHLEY_2636B = replace(
    KEITHLEY_2602B,
    model="2636B",
    volts=Quantity("V", _2636B_VOLTS, _2636B_VOLTS, (0.02, 200.0)),
    amps=Quantity("A", _2636B_AMPS, (100e-12, *_2636B_AMPS), (100e-12, 1.5)),
    envelope=((20.2, 1.515), (202.0, 0.101)),
    own_settle_s=((100e-12, 45e-3), (1e-9, 15e-3), (10e-9, 6e-3), *KEITHLEY_2602B.own_settle_s),
)
KEITHLEY_2635B = replace(KEITHLEY_2636B, model="2635B")
# The 2634B has neither the 100 pA range nor digital lines.
KEITHLEY_2634B = replace(KEITHLEY_2636B, model="2634B", amps=Quantity("A", _2636B_AMPS, _2636B_AMPS, (1e-9, 1.5)), digital_lines=False)
