"""Draws dies that never existed from the statistics of a wafer. Rule: it works from the JSON that /wafers/{wafer}/statistics
answers, alone, and on numpy alone; every random number comes from the generator handed in.

A die gets its own mean conductances, its own rate of each kind of defect from the fitted distribution between dies, so that bad
dies are as bad and as frequent as those measured, and faults of whole lines. Where on a die an isolated defect lies is uniform.
Conductances are as read: read noise and what the sense lines add are in them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hil.analysis.chip_lines import Axis, Shape, from_lines, line_shape
from hil.model.defects import Defect

Floats = NDArray[np.float64]
Codes = NDArray[np.uint8]


class SamplerError(ValueError):
    """Statistics that no die can be drawn from; the text says what is missing."""


class SampledDies(NamedTuple):
    """siemens_p, siemens_ap: (n, kernels, rows, columns) float32, S. codes: same shape, uint8, see Defect."""

    siemens_p: NDArray[np.float32]
    siemens_ap: NDArray[np.float32]
    codes: Codes


@dataclass(frozen=True)
class _Table:
    """Tables of one kind at even normal scores; see hil.analysis.shapes."""

    scores: Floats
    p: Floats
    drop: Floats
    correlation: float
    relative: bool

    def draw(self, count: int, means: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """(G_P, G_AP) of `count` junctions, S, on a die whose good junctions have these means of G_P and of the drop."""
        first, second = rng.standard_normal((2, count))
        second = self.correlation * first + np.sqrt(1.0 - self.correlation**2) * second
        p, drop = np.interp(first, self.scores, self.p), np.interp(second, self.scores, self.drop)
        if self.relative:
            p, drop = p * means[0], drop * means[1]
        return p, p - drop


@dataclass(frozen=True)
class _Line:
    """A kind of line fault: mean number per die, and the lengths and the share of bad cells that were seen."""

    code: Defect
    axis: Axis
    per_die: float
    lengths: NDArray[np.int64]
    share: float
    share_sigma: float


class DieSampler:
    """The statistics, made ready to draw from; use it where many batches are drawn from one wafer.

    Raises SamplerError when the wafer has no good junction.
    """

    def __init__(self, statistics: Mapping[str, Any]) -> None:
        told: Mapping[str, Any] | None = statistics.get("sampling")
        if told is None:
            raise SamplerError("the statistics hold no good junction read in both states; characterise the wafer first")
        geometry = statistics["geometry"]
        self._shape: Shape = (int(geometry["kernels"]), int(geometry["rows"]), int(geometry["columns"]))
        self._size = int(np.prod(self._shape))
        scores = np.array(told["scores"], np.float64)
        self._mean_log = np.array(told["die"]["mean_log"], np.float64)
        self._die_root = _root(np.array(told["die"]["covariance"], np.float64))
        self._good = _table(told["good"], scores)
        self._kinds = {Defect[name.upper()]: _table(shape, scores) for name, shape in told["kinds"].items()}
        self._rate_scores = scores
        self._rate_codes = [Defect[name.upper()] for name in told["rates"]]
        self._rates = [np.array(table, np.float64) for table in told["rates"].values()]
        self._rate_root = _root(np.array(told["rate_correlation"], np.float64).reshape(len(self._rates), len(self._rates)))
        self._lines = [_line(name, model) for name, model in statistics["lines"].items()]

    def draw(self, count: int, rng: np.random.Generator) -> SampledDies:
        """`count` new dies."""
        p, ap = (np.empty((count, self._size), np.float32) for _ in range(2))
        codes = np.empty((count, self._size), np.uint8)
        for die in range(count):
            codes[die] = self._codes(rng)
            self._fill(codes[die], p[die], ap[die], rng)
        shape = (count, *self._shape)
        return SampledDies(p.reshape(shape), ap.reshape(shape), codes.reshape(shape))

    def _codes(self, rng: np.random.Generator) -> Codes:
        codes = np.full(self._size, Defect.GOOD, np.uint8)
        scores = self._rate_root @ rng.standard_normal(len(self._rates))
        rates = [np.interp(score, self._rate_scores, table) for score, table in zip(scores, self._rates, strict=True)]
        numbers = _counts(self._size, np.array(rates), rng)
        chosen = rng.choice(self._size, int(numbers.sum()), replace=False)
        codes[chosen] = np.repeat(np.array(self._rate_codes, np.uint8), numbers)
        for line in self._lines:
            for _ in range(rng.poisson(line.per_die)):
                self._add_line(codes, line, rng)
        return codes

    def _add_line(self, codes: Codes, line: _Line, rng: np.random.Generator) -> None:
        shape = line_shape(self._shape, line.axis)
        length = int(rng.choice(line.lengths))
        start = int(rng.integers(0, shape[1] - length + 1))
        share = np.clip(rng.normal(line.share, line.share_sigma), 0.0, 1.0)
        bad = np.zeros(shape, np.bool_)
        bad[int(rng.integers(0, shape[0])), start : start + length] = rng.random(length) < share
        codes[from_lines(bad, self._shape, line.axis).reshape(-1)] = line.code

    def _fill(self, codes: Codes, p: NDArray[np.float32], ap: NDArray[np.float32], rng: np.random.Generator) -> None:
        """Writes conductances of one die in place. Opens are drawn like the rest where any was read; else they conduct nothing."""
        means = np.exp(self._mean_log + self._die_root @ rng.standard_normal(2))
        p[:], ap[:] = self._good.draw(self._size, means, rng)
        bad = np.flatnonzero(codes)
        for code in np.unique(codes[bad]):
            where, kind = bad[codes[bad] == code], Defect(int(code))
            table = self._kinds.get(kind)
            p[where], ap[where] = (0.0, 0.0) if table is None else table.draw(where.size, means, rng)


def sample_dies(statistics: Mapping[str, Any], count: int, rng: np.random.Generator) -> SampledDies:
    """`count` new dies from the answer of /wafers/{wafer}/statistics (LabClient.statistics), as a mapping. Raises SamplerError."""
    return DieSampler(statistics).draw(count, rng)


def _counts(size: int, rates: Floats, rng: np.random.Generator) -> NDArray[np.int64]:
    """Junctions of each kind on one die; each has one kind at most."""
    total = float(rates.sum())
    shares = np.append(rates / max(total, 1.0), max(1.0 - total, 0.0))
    return rng.multinomial(size, shares / shares.sum())[:-1]


def _table(told: Mapping[str, Any], scores: Floats) -> _Table:
    p, drop = np.array(told["p"], np.float64), np.array(told["drop"], np.float64)
    return _Table(scores, p, drop, float(told["correlation"]), bool(told["relative"]))


def _line(name: str, model: Mapping[str, Any]) -> _Line:
    cause, _, axis = name.partition("_")
    lengths = np.array(model["lengths"] or [model["cells"]], np.int64)
    code = Defect.OPEN if cause == "open" else Defect.SHORT
    share, sigma = model["share"], model["share_sigma"]
    share = 1.0 if share is None else float(share)
    return _Line(code, "row" if axis == "row" else "column", float(model["per_die"]), lengths, share, float(sigma or 0.0))


def _root(covariance: Floats) -> Floats:
    """A matrix whose product with its transpose is the covariance, also where that is singular."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))
