"""How far a reading may lie from the junction's conductance by chance: what the read path adds, in siemens.

Board path: a 12-bit converter over 5 V behind 2 kOhm steps by 0.61 uA; its amplifier adds half a step of noise, the junction
0.3 % of the reading; averaging shrinks all of it but the slow part of the junction's noise, and the step, because the noise dithers
it, down to a sixteenth.
SMU path: 0.1 %. Source: boards.md, physics-and-paper.md section E; assumptions, until a calibration has measured them (`measured`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

Floats = NDArray[np.float64]

STEP_AMPS = 5.0 / 4096 / 2000.0
"""Of the board's converter."""
_AMPLIFIER_STEPS = 0.5
_BOARD_RELATIVE = 0.003
_SMU_RELATIVE = 0.001
_FINEST = 16
"""Averaging keeps that part of a step."""
_LEVELS = 8
"""So many conductances at which the junctions' own noise is told."""
SLOW = 1.0 / 3.0
"""Of a junction's noise, slower than any averaging (1/f): assumed."""
_BEYOND = 1.5
"""Times the largest of them."""
_OUTLIER = 15.0
"""Variances so many times above the median are of junctions that changed while they were read."""


@dataclass(frozen=True)
class Noise:
    """amps: of one conversion of the board, standard deviation, A. siemens, relative: conductances, rising, and the standard deviation
    of one reading of a junction that conducts so much, relative to it. Between two of them it is interpolated; well beyond them, where no
    junction was seen, it is the largest."""

    amps: float
    siemens: tuple[float, ...]
    relative: tuple[float, ...]

    def relative_at(self, siemens: NDArray[np.floating[Any]]) -> Floats:
        """Of one reading, same shape."""
        inside = np.interp(np.abs(siemens), self.siemens, self.relative)
        return np.where(np.abs(siemens) > _BEYOND * self.siemens[-1], max(self.relative), inside)

    def board(self, siemens: NDArray[np.floating[Any]], read_volts: float, averages: int) -> Floats:
        """Standard deviation of a reading of the board, S, its steps left out."""
        junction = self.relative_at(siemens) * siemens * np.sqrt(1.0 / averages + SLOW**2)
        return np.hypot(self.amps / read_volts / np.sqrt(averages), junction)

    def smu(self, siemens: NDArray[np.floating[Any]], read_volts: float, amps: float) -> Floats:
        """Standard deviation of a reading of the SMU, S. amps: its own noise."""
        return np.hypot(amps / read_volts, self.relative_at(siemens) * siemens)

    def as_json(self) -> dict[str, Any]:
        return {"amps": self.amps, "siemens": list(self.siemens), "relative": list(self.relative)}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        return cls(float(told["amps"]), tuple(told["siemens"]), tuple(told["relative"]))


ASSUMED = Noise(_AMPLIFIER_STEPS * STEP_AMPS, (0.0,), (_BOARD_RELATIVE,))


def measured(board_amps: Floats, smu_siemens: Floats, read_volts: Floats, averages: int) -> Noise:
    """Noise by the scatter of readings repeated on the same junctions.

    board_amps, smu_siemens: (cells, repeats); a cell is one junction in one state at one of read_volts (cells,), NaN where not trusted.
    The SMU's own noise counts as the junctions': it is far below. Raises ValueError for fewer than two repeats.
    """
    if min(board_amps.shape[1], smu_siemens.shape[1]) < 2:
        raise ValueError("noise shows in readings that are repeated; read each junction at least twice by either path")
    siemens, relative = _by_level(smu_siemens)
    junction = Noise(0.0, siemens, relative)
    level = smu_siemens.mean(axis=1)
    of_junction = (junction.relative_at(level) * level * read_volts) ** 2
    variance = _trimmed_mean(board_amps.var(axis=1, ddof=1) * averages - of_junction)
    return Noise(float(np.sqrt(max(variance, 0.0))), siemens, relative)


def _by_level(siemens: Floats) -> tuple[tuple[float, ...], tuple[float, ...]]:
    level, spread = np.abs(siemens.mean(axis=1)), siemens.std(axis=1, ddof=1)
    # An open junction's scatter is the SMU's, and says nothing about junctions.
    seen = np.isfinite(spread) & (level > 0.1 * np.nanmedian(level))
    if not seen.any():
        return (0.0,), (_BOARD_RELATIVE,)
    level, ratio = level[seen], (spread[seen] / level[seen]) ** 2
    freedom = siemens.shape[1] - 1
    median_of_one = float(chi2.ppf(0.5, freedom)) / freedom
    groups = [each for each in np.array_split(np.argsort(level), _LEVELS) if each.size]
    return (
        tuple(float(np.median(level[group])) for group in groups),
        tuple(float(np.sqrt(np.median(ratio[group]) / median_of_one)) for group in groups),
    )


def _trimmed_mean(variances: Floats) -> float:
    finite = variances[np.isfinite(variances)]
    return float(finite[finite <= _OUTLIER * np.median(finite)].mean()) if finite.size else 0.0


def step_siemens(read_volts: float, averages: int) -> float:
    """Standard uncertainty that the converter's steps leave: a rectangle as wide as what averaging keeps of one, S."""
    return STEP_AMPS / min(averages, _FINEST) / read_volts / np.sqrt(12.0)


def reading_noise(siemens: NDArray[np.floating[Any]], read_volts: float, meta: Mapping[str, Any]) -> NDArray[np.float64]:
    """Standard uncertainty of each reading by chance alone, S, same shape; NaN stays NaN.

    meta: "averages" and "path" of the map, if told, and "noise" where a calibration has measured it (`Noise.as_json`).
    """
    averages = max(int(meta.get("averages") or 1), 1)
    values = np.abs(siemens, dtype=np.float64)
    told: Mapping[str, Any] | None = meta.get("noise")
    if meta.get("path", "board") == "smu":
        relative = _SMU_RELATIVE if told is None else Noise.from_json(told).relative_at(values)
        return np.maximum(values * relative, 1e-9)
    noise = ASSUMED if told is None else Noise.from_json(told)
    return np.hypot(noise.board(values, read_volts, averages), step_siemens(read_volts, averages))
