"""How much of the assumed noise a wafer's own readings show: junctions that do not switch are read twice, once a state.

Rule: only negative differences are used. Noise makes as many of them as of positive ones, while a junction that does switch a
little, classed stuck all the same, makes positive ones alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hil.analysis.measured import MeasuredDie
from hil.analysis.noise import reading_noise
from hil.model.defects import Defect

_LEAST = 40
_TAIL = 5.0
"""Differences of more sigmas are no noise: a junction that telegraphs or has changed."""


@dataclass(frozen=True)
class NoiseFactor:
    """variance: that shows, over that of the noise model; doubt: its standard error. 1 and 0 where too few junctions say anything."""

    variance: float = 1.0
    doubt: float = 0.0


def noise_factor(dies: Sequence[MeasuredDie]) -> NoiseFactor:
    """From junctions stuck in either state, over all dies."""
    found: list[np.ndarray[tuple[int], np.dtype[np.float64]]] = []
    for die in dies:
        stuck = (die.defects.codes == Defect.STUCK_P) | (die.defects.codes == Defect.STUCK_AP)
        here = stuck & (die.p.siemens > 0) & (die.ap.siemens > 0)
        p, ap = (each.siemens[here].astype(np.float64) for each in (die.p, die.ap))
        noise = np.hypot(*(reading_noise(values, each.read_volts, each.meta) for values, each in ((p, die.p), (ap, die.ap))))
        found.append((p - ap) / noise)
    sigmas = np.concatenate(found) if found else np.zeros(0)
    below = sigmas[(sigmas < 0) & (sigmas > -_TAIL)]
    # A converter's steps make differences of exactly 0, half of which belong to either side.
    count = below.size + np.count_nonzero(sigmas == 0) / 2.0
    if count < _LEAST:
        return NoiseFactor()
    variance = float(np.sum(below**2)) / count
    return NoiseFactor(variance, variance * float(np.sqrt(2.0 / count)))
