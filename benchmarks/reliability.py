"""Whether stated confidences are what they say: of calls with a confidence near c, a share near c is right.

Source: reliability tables, A. H. Murphy, J. Appl. Meteorol. 12, 595 (1973); exact interval of a share, C. J. Clopper and E. S. Pearson,
Biometrika 26, 404 (1934).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

LEAST_CALLS = 1_000
LEVEL = 0.99
EDGES = (0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Bin:
    """calls: of one class, with like confidence. stated: their mean confidence. hits: how many were right. low, high: 99 % interval of the
    share that is."""

    calls: int
    stated: float
    hits: int

    @property
    def interval(self) -> tuple[float, float]:
        tail, misses = (1 - LEVEL) / 2, self.calls - self.hits
        low = float(stats.beta.ppf(tail, self.hits, misses + 1)) if self.hits else 0.0
        high = float(stats.beta.ppf(1 - tail, self.hits + 1, misses)) if misses else 1.0
        return low, high

    @property
    def holds(self) -> bool:
        low, high = self.interval
        return low <= self.stated <= high


def bins_of(confidence: Floats, hit: NDArray[np.bool_], least: int = LEAST_CALLS) -> Iterator[Bin]:
    """By EDGES, so joined that each has `least` calls; one bin where there are fewer altogether."""
    order = np.argsort(confidence, kind="stable")
    stated, right = confidence[order], hit[order]
    cuts = [0]
    for edge in EDGES:
        cut = int(np.searchsorted(stated, edge))
        if cut - cuts[-1] >= least and stated.size - cut >= least:
            cuts.append(cut)
    for start, stop in zip(cuts, [*cuts[1:], stated.size], strict=True):
        yield Bin(stop - start, float(stated[start:stop].mean()), int(right[start:stop].sum()))


def log_losses(truth: NDArray[Any], called: NDArray[Any], confidence: Floats) -> tuple[float, float]:
    """(of the stated confidences, of a predictor that knows how frequent each class is and nothing else), nats a call.

    What a confidence leaves is shared among the other classes as they are frequent.
    """
    codes, counts = np.unique(truth, return_counts=True)
    prior = np.zeros(256)
    prior[codes] = counts / truth.size
    others = (1.0 - confidence) * prior[truth] / np.maximum(1.0 - prior[called], 1e-12)
    stated = np.where(truth == called, confidence, others)
    return float(-np.log(np.maximum(stated, 1e-15)).mean()), float(-np.log(prior[truth]).mean())
