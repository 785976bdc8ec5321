"""What each source-measure unit can do, as data: the driver plans and refuses from it, nothing is typed twice.

Sources: 2450 reference manual 2450-901-01 (ranges, limits, list sizes, apertures) and the 2450 data sheet.
"""

from dataclasses import dataclass

from drivers.errors import OverLimit


@dataclass(frozen=True)
class SmuCapabilities:
    """source_volts_ranges: full scales, V. overrange: largest level as a multiple of its range.

    limit_amps, nplc: (smallest, largest). high_range_volts, high_range_amps: from this source range on, the largest
    current limit, A. readings_per_s: to memory at the shortest aperture. list_per_message, list_points: of a list sweep.
    """

    model: str
    source_volts_ranges: tuple[float, ...]
    overrange: float
    limit_amps: tuple[float, float]
    high_range_volts: float
    high_range_amps: float
    nplc: tuple[float, float]
    readings_per_s: float
    buffer_readings: int
    list_per_message: int
    list_points: int

    def range_for(self, volts: float) -> float:
        """Full scale of the smallest source range that reaches a level, V. Raises OverLimit when none does, NaN included."""
        reaching = [each for each in self.source_volts_ranges if 0 < volts <= each * self.overrange]
        if not reaching:
            largest = max(self.source_volts_ranges) * self.overrange
            raise OverLimit(f"{self.model}: no source range reaches {volts!r} V; choose a range_volts above 0 and up to {largest:g} V")
        return min(reaching)

    def check_level(self, volts: float, range_volts: float) -> None:
        """Raises OverLimit for a level beyond the range, NaN included."""
        largest = range_volts * self.overrange
        if not abs(volts) <= largest:
            raise OverLimit(f"{self.model}: {volts!r} V is beyond {largest:g} V of the {range_volts:g} V range; configure a larger range")

    def check_limit(self, amps: float, range_volts: float) -> None:
        """Raises OverLimit for a current limit the instrument does not have on that source range, NaN included."""
        smallest, largest = self.limit_amps
        if range_volts >= self.high_range_volts:
            largest = min(largest, self.high_range_amps)
        if not smallest <= amps <= largest:
            raise OverLimit(f"{self.model}: current limit {amps!r} A is outside {smallest:g} to {largest:g} A at {range_volts:g} V")

    def check_nplc(self, nplc: float) -> None:
        smallest, largest = self.nplc
        if not smallest <= nplc <= largest:
            raise OverLimit(f"{self.model}: {nplc!r} power-line cycles is outside {smallest:g} to {largest:g}")


KEITHLEY_2450 = SmuCapabilities(
    model="2450",
    source_volts_ranges=(0.02, 0.2, 2.0, 20.0, 200.0),
    overrange=1.05,
    limit_amps=(1e-9, 1.05),
    high_range_volts=200.0,
    high_range_amps=0.105,
    nplc=(0.01, 10.0),
    readings_per_s=3_000.0,
    buffer_readings=250_000,
    list_per_message=100,
    list_points=2_500,
)
