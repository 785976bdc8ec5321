"""What one channel of a 2600B remembers: every attribute with its limits and its default after a reset, as data.

Rule: an attribute whose change moves something else (level, range, limit, function, output) has its own setter in `smu_source` or
`smu_measure`; here it only has its default.
Source: 2600BS-901-01, smuX.* in the command reference, for the 2636B. Assumed: that whole-number attributes drop a fraction.
"""

from dataclasses import dataclass
from typing import Final

from simulator.instruments.smu.datasheet import DataSheet, Function

DELAY_AUTO, DELAY_OFF = -1.0, 0.0
AMPS, VOLTS = 0.0, 1.0
AUTOZERO_OFF, AUTOZERO_ONCE, AUTOZERO_AUTO = 0.0, 1.0, 2.0
AUTORANGE_OFF, AUTORANGE_ON, AUTORANGE_FOLLOW_LIMIT = 0.0, 1.0, 2.0
HIGH_Z = 2.0
MOVING, REPEATED, MEDIAN = 0.0, 1.0, 2.0

CONSTANTS: dict[str, float] = {
    "OUTPUT_DCAMPS": AMPS, "OUTPUT_DCVOLTS": VOLTS,
    "OUTPUT_OFF": 0, "OUTPUT_ON": 1, "OUTPUT_HIGH_Z": HIGH_Z,
    "OUTPUT_NORMAL": 0, "OUTPUT_ZERO": 1,
    "OE_NONE": 0, "OE_OUTPUT_OFF": 1,
    "SENSE_LOCAL": 0, "SENSE_REMOTE": 1, "SENSE_CALA": 3,
    "AUTORANGE_OFF": AUTORANGE_OFF, "AUTORANGE_ON": AUTORANGE_ON, "AUTORANGE_FOLLOW_LIMIT": AUTORANGE_FOLLOW_LIMIT,
    "AUTOZERO_OFF": AUTOZERO_OFF, "AUTOZERO_ONCE": AUTOZERO_ONCE, "AUTOZERO_AUTO": AUTOZERO_AUTO,
    "DELAY_OFF": DELAY_OFF, "DELAY_AUTO": DELAY_AUTO,
    "DISABLE": 0, "ENABLE": 1, "ASYNC": 2,
    "SOURCE_IDLE": 0, "SOURCE_HOLD": 1,
    "LIMIT_AUTO": 0,
    "FILTER_OFF": 0, "FILTER_ON": 1, "FILTER_MOVING_AVG": MOVING, "FILTER_REPEAT_AVG": REPEATED, "FILTER_MEDIAN": MEDIAN,
    "REL_OFF": 0, "REL_ON": 1,
    "FILL_ONCE": 0, "FILL_WINDOW": 1,
    "SETTLE_SMOOTH": 0, "SETTLE_FAST_RANGE": 1, "SETTLE_FAST_POLARITY": 2, "SETTLE_DIRECT_IRANGE": 3, "SETTLE_SMOOTH_100NA": 4,
    "SETTLE_FAST_ALL": 128,
    "CONTACT_FAST": 0, "CONTACT_MEDIUM": 1, "CONTACT_SLOW": 2,
    "CAL_AUTO": 0, "CAL_NEGATIVE": 1, "CAL_POSITIVE": 2,
    "CALSTATE_LOCKED": 0, "CALSTATE_CALIBRATING": 1, "CALSTATE_UNLOCKED": 2,
}  # fmt: skip
"""smuX.NAME."""

LETTERS: Final[dict[str, Function]] = {"v": "VOLT", "i": "CURR"}


@dataclass(frozen=True)
class Number:
    """low, high: limits, both allowed. whole: without a fraction. allowed: the only values, where there are few."""

    default: float
    low: float
    high: float
    whole: bool = False
    allowed: tuple[float, ...] = ()


def _choice(default: float, *allowed: float) -> Number:
    return Number(default, min(allowed), max(allowed), whole=True, allowed=allowed)


KEPT: dict[str, Number] = {
    "source.delay": Number(DELAY_OFF, DELAY_AUTO, 1e6),
    "source.offfunc": _choice(VOLTS, AMPS, VOLTS),
    "source.offmode": _choice(0, 0, 1, 2),
    "source.offlimiti": Number(1e-3, 1e-10, 1.515),
    "source.offlimitv": Number(40.0, 0.02, 202.0),
    "source.outputenableaction": _choice(0, 0, 1),
    "source.settling": _choice(0, 0, 1, 2, 3, 4, 128),
    "source.sink": _choice(0, 0, 1),
    "contact.speed": _choice(0, 0, 1, 2),
    "contact.threshold": Number(50.0, 0.0, 1e3),
    "cal.polarity": _choice(0, 0, 1, 2),
}
"""Attributes without effect on the pretended instrument, or looked at when they are needed."""

METERED: dict[str, Number] = {
    "sense": _choice(0, 0, 1, 3),
    "measure.nplc": Number(1.0, 0.001, 25.0),
    "measure.count": Number(1, 1, 1_000_000, whole=True),
    "measure.interval": Number(0.0, 0.0, 1.0),
    "measure.delay": Number(DELAY_AUTO, DELAY_AUTO, 1e6),
    "measure.delayfactor": Number(1.0, 0.0, 1e3),
    "measure.highcrangedelayfactor": Number(10.0, 1.0, 99.0),
    "measure.analogfilter": _choice(1, 0, 1),
    "measure.filter.enable": _choice(0, 0, 1),
    "measure.filter.type": _choice(REPEATED, MOVING, REPEATED, MEDIAN),
    "measure.filter.count": Number(1, 1, 100, whole=True),
    **{f"measure.rel.enable{letter}": _choice(0, 0, 1) for letter in "virp"},
    **{f"measure.rel.level{letter}": Number(0.0, -1e37, 1e37) for letter in "virp"},
}
"""Attributes that change how readings are taken."""

_MOVING_OTHERS: dict[str, float] = {
    "source.func": VOLTS,
    "source.levelv": 0.0,
    "source.leveli": 0.0,
    "source.limitv": 20.0,
    "source.limiti": 0.1,
    "source.limitp": 0.0,
    "source.autorangev": AUTORANGE_ON,
    "source.autorangei": AUTORANGE_ON,
    "source.highc": 0.0,
    "measure.autorangev": AUTORANGE_ON,
    "measure.autorangei": AUTORANGE_ON,
    "measure.autozero": AUTOZERO_AUTO,
}


def defaults(sheet: DataSheet) -> dict[str, float]:
    """Every setting of a channel after a reset."""
    lowest_volts, lowest_amps = sheet.source_ranges("VOLT")[0], sheet.source_ranges("CURR")[0]
    ranges = {
        "source.rangev": lowest_volts,
        "source.rangei": lowest_amps,
        "source.lowrangev": lowest_volts,
        "source.lowrangei": lowest_amps,
        "measure.rangev": lowest_volts,
        "measure.rangei": 0.1,
        "measure.lowrangev": sheet.measure_ranges("VOLT")[0],
        "measure.lowrangei": sheet.measure_ranges("CURR")[0],
    }
    kept = {name: each.default for name, each in (KEPT | METERED).items()}
    return {name: float(value) for name, value in {**kept, **_MOVING_OTHERS, **ranges}.items()}
