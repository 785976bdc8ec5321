"""How far a reading of a source-measure unit may lie from what is there, for good: the accuracy that its data sheet promises for a year,
and the noise of a reading. A record of figures; nothing here talks to an instrument.

Rule: a model without figures here has none; nobody guesses them from another one's.
Sources: SPEC-2450 Rev. A; SPEC-2602B Rev. B; 2636B data sheet, pages 28 to 30. Noise: of 1 NPLC, rms; it falls with the root of NPLC.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from drivers.smu.capabilities import SmuCapabilities

_Rows = Sequence[tuple[float, float, float]]


@dataclass(frozen=True)
class Promise:
    """Within gain (of the value) and offset (V or A). range_: full scale, V or A. noise: rms of a reading of 1 NPLC, A."""

    range_: float
    gain: float
    offset: float
    noise: float = 0.0


@dataclass(frozen=True)
class PathAccuracy:
    """Of a current measured at a level of voltage: what the level may be off by, sourced or read back, and what the current may."""

    volts: Promise
    amps: Promise


_2450_VOLTS: _Rows = ((0.02, 1e-3, 200e-6), (0.2, 0.15e-3, 200e-6), (2.0, 0.2e-3, 300e-6), (20.0, 0.15e-3, 2.4e-3), (200.0, 0.15e-3, 24e-3))
_2450_AMPS = (
    (1e-8, 1e-3, 50e-12, 5e-13), (1e-7, 0.6e-3, 100e-12, 5e-13), (1e-6, 0.25e-3, 300e-12, 5e-12), (1e-5, 0.25e-3, 700e-12, 4e-11),
    (1e-4, 0.2e-3, 6e-9, 4e-10), (1e-3, 0.2e-3, 60e-9, 5e-9), (1e-2, 0.2e-3, 600e-9, 4e-8), (1e-1, 0.25e-3, 6e-6, 1e-7),
)  # fmt: skip
_2602B_VOLTS: _Rows = ((0.1, 0.2e-3, 250e-6), (1.0, 0.2e-3, 400e-6), (6.0, 0.2e-3, 1.8e-3), (40.0, 0.2e-3, 12e-3))
_2636B_VOLTS: _Rows = ((0.2, 0.2e-3, 375e-6), (2.0, 0.2e-3, 600e-6), (20.0, 0.2e-3, 5e-3), (200.0, 0.2e-3, 50e-3))
_2600B_AMPS = (
    (1e-5, 0.25e-3, 1.5e-9, 1e-11), (1e-4, 0.2e-3, 25e-9, 5e-10), (1e-3, 0.2e-3, 200e-9, 1e-9), (1e-2, 0.2e-3, 2.5e-6, 4e-8),
    (1e-1, 0.2e-3, 20e-6, 1e-7),
)  # fmt: skip
_2602B_AMPS = ((1e-7, 0.5e-3, 100e-12, 1e-12), (1e-6, 0.25e-3, 500e-12, 4e-12), *_2600B_AMPS)
_2636B_AMPS = ((1e-8, 1.5e-3, 3e-12, 2e-14), (1e-7, 0.6e-3, 40e-12, 2e-13), (1e-6, 0.25e-3, 400e-12, 4e-12), *_2600B_AMPS)
_PROMISES = {
    "2450": (_2450_VOLTS, _2450_AMPS),
    "2602B": (_2602B_VOLTS, _2602B_AMPS),
    "2634B": (_2636B_VOLTS, _2636B_AMPS),
    "2635B": (_2636B_VOLTS, _2636B_AMPS),
    "2636B": (_2636B_VOLTS, _2636B_AMPS),
}


def accuracy_of(model: SmuCapabilities, level_volts: float, most_amps: float) -> PathAccuracy | None:
    """Of a reading at a level, in the smallest ranges that take it and a current of most_amps; None where no figures are known."""
    found = _PROMISES.get(model.model)
    if found is None:
        return None
    volts = next((row for row in found[0] if abs(level_volts) <= row[0] * model.overrange), found[0][-1])
    amps = next((row for row in found[1] if most_amps <= row[0] * model.measure_overrange), found[1][-1])
    return PathAccuracy(Promise(*volts), Promise(*amps))
