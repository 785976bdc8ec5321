"""Which junctions a screening pass leaves in doubt, and what several readings of one by the SMU come to.

Rule: what is asked for again is what its class is not sure of, the least sure first, and not more than a screening pass can bear. A die
that shows no good junction is in doubt as a whole, and no reading mends that."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.model.maps import DefectMap

SURE = 0.99
"""Confidence below which a junction is read again. What remains above it is a hundredth of the errors that noise makes."""
READINGS = 32
"""Of each state of a junction in doubt; the noise of a junction falls with their root."""
MOST_OF_A_KERNEL = 64
_RELATIVE_NOISE = 0.003
_PRIOR_READINGS = 16
"""How many readings the assumed noise is worth against the scatter that was seen."""
SLOW_P, SLOW_AP = 0.0003, 0.001
"""Of the reading, by state: slow noise, which readings in a row do not average out. ASSUMPTION, as the noise (physics-and-paper.md B5)."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Repeated:
    """siemens, error: (junctions,), mean and its standard uncertainty, S; NaN where not one reading was good. count: good readings."""

    siemens: NDArray[np.float32]
    error: NDArray[np.float32]
    count: NDArray[np.uint8]


def in_doubt(found: DefectMap, kernel: int) -> NDArray[np.bool_]:
    """(rows, columns) of a kernel: what to read again, at most MOST_OF_A_KERNEL of them. A junction that could not be read is in doubt."""
    confidence = found.confidence[kernel]
    if found.meta["reference"]["source"] != "die":
        return np.zeros(confidence.shape, np.bool_)
    doubt = confidence < SURE
    if np.count_nonzero(doubt) <= MOST_OF_A_KERNEL:
        return doubt
    least_sure = np.argsort(confidence, axis=None, kind="stable")[:MOST_OF_A_KERNEL]
    chosen = np.zeros(confidence.size, np.bool_)
    chosen[least_sure] = True
    return chosen.reshape(confidence.shape)


def mean_of(readings: NDArray[np.floating[Any]], slow: float) -> Repeated:
    """readings: (junctions, times) S, NaN where one is not to be trusted. slow: SLOW_P or SLOW_AP.

    The uncertainty rests on the scatter of the readings and on the noise that is assumed of a junction, each by its weight; GUM, 4.2 and F.
    """
    values = readings.astype(np.float64)
    good = np.isfinite(values)
    count = good.sum(axis=1)
    some = np.maximum(count, 1)
    mean = np.where(good, values, 0.0).sum(axis=1) / some
    squares = np.where(good, (values - mean[:, None]) ** 2, 0.0).sum(axis=1)
    assumed = (_RELATIVE_NOISE * mean) ** 2
    variance = (_PRIOR_READINGS * assumed + squares) / (_PRIOR_READINGS + np.maximum(count - 1, 0))
    error = np.sqrt(variance / some + (slow * mean) ** 2 + 1e-18)
    nothing = count == 0
    return Repeated(
        np.where(nothing, np.nan, mean).astype(np.float32), np.where(nothing, np.nan, error).astype(np.float32), count.astype(np.uint8)
    )
