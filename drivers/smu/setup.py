"""What was asked for, seen from one model: its ranges found, everything checked before a byte is sent.

Rule: a level, limit or time that the model does not have is refused (OverLimit), never clipped.
"""

import math
from dataclasses import dataclass

from drivers.errors import OverLimit
from drivers.smu.capabilities import SmuCapabilities, Source
from drivers.smu.values import CurrentSourceSettings, Floats, Settings

_RANGE_VOLTS = 2.0
"""Of settings that name neither a range nor a largest level."""


@dataclass(frozen=True)
class Setup:
    """Settings with ranges, whichever quantity is sourced.

    range_: full scale of the source range, V or A. limit: compliance, of the other quantity. largest: no level beyond it.
    measure_range: full scale, of the other quantity; None: found anew for each reading.
    """

    capabilities: SmuCapabilities
    settings: Settings
    source: Source
    range_: float
    limit: float
    largest: float
    measure_range: float | None

    def check_level(self, level: float) -> None:
        """Raises OverLimit beyond the limit configured or beyond the range, NaN included."""
        if not abs(level) <= self.largest:
            unit = self.capabilities.sourced(self.source).unit
            raise OverLimit(
                f"{self.capabilities.model}: {level!r} {unit} is beyond the limit of {self.largest:g} {unit} "
                "it was configured with; lower it"
            )
        self.capabilities.check_level(self.source, level, self.range_)

    def check_levels(self, levels: Floats) -> None:
        """levels: (points,). Raises OverLimit as `check_level`, ValueError for another shape or none."""
        if levels.ndim != 1 or not len(levels):
            raise ValueError(f"levels of a sweep are (points,), at least one, not {levels.shape}")
        largest = float(abs(levels).max())
        self.check_level(largest if math.isfinite(largest) else math.nan)

    def reading_s(self, line_hertz: float, *, triggered: bool = False) -> float:
        """From one reading to the next, back to back, s."""
        settings = self.settings
        return self.capabilities.reading_s(settings.nplc, settings.autozero, line_hertz, triggered=triggered)


def setup(settings: Settings, capabilities: SmuCapabilities) -> Setup:
    """Raises OverLimit for what the model does not have, and for a range beyond the largest level asked for."""
    source, limit, level_limit, wanted, measured = _sides(settings)
    if level_limit is not None and not wanted <= level_limit:
        raise OverLimit(f"{capabilities.model}: a range of {wanted!r} is beyond the limit of {level_limit:g} asked for with it; lower it")
    range_ = capabilities.range_for(source, wanted)
    capabilities.check_limit(source, limit, range_)
    capabilities.check_nplc(settings.nplc)
    if settings.settle_s is not None:
        capabilities.check_settle(settings.settle_s)
    measure_range = None if measured is None else capabilities.measure_range_for(source, measured)
    if measure_range is not None:
        capabilities.check_measure_range(source, limit, measure_range)
    largest = range_ * capabilities.overrange if level_limit is None else level_limit
    return Setup(capabilities, settings, source, range_, limit, largest, measure_range)


def _sides(settings: Settings) -> tuple[Source, float, float | None, float, float | None]:
    """(source, limit, largest level, level its range has to reach, largest value to be measured)"""
    if isinstance(settings, CurrentSourceSettings):
        wanted = settings.range_amps if settings.range_amps is not None else settings.limit_amps
        if wanted is None:
            raise OverLimit("settings of a current source name neither range_amps nor limit_amps; name one")
        return "amps", settings.limit_volts, settings.limit_amps, wanted, settings.measure_range_volts
    volts = next(each for each in (settings.range_volts, settings.limit_volts, _RANGE_VOLTS) if each is not None)
    return "volts", settings.limit_amps, settings.limit_volts, volts, settings.measure_range_amps
