"""Faults of whole lines of the chip, told from codes, and how often they come: number per die, share of cells, length.

A fault is a run of cells along a metal line (hil.analysis.chip_lines) of which so many are open, or shorted, that chance does not
make it: an open line, or a shorted segment. Rule: rows first; a column is told by the cells that no faulty row explains. What lies
within a fault is left out of the isolated defects, hit or not."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from hil.analysis.chip_lines import Axis, Shape, from_lines, line_shape, to_lines
from hil.model.defects import Defect

Bools = NDArray[np.bool_]

FAULTS: dict[str, tuple[Defect, Axis]] = {
    "open_row": (Defect.OPEN, "row"),
    "open_column": (Defect.OPEN, "column"),
    "shorted_row": (Defect.SHORT, "row"),
    "shorted_column": (Defect.SHORT, "column"),
}
_HIT_SHARE = 0.75
"""Share of bad cells that is expected within a fault."""
_LEAST_BACKGROUND, _MOST_BACKGROUND = 1e-3, 0.2
_EVIDENCE = 14.0
"""Log likelihood ratio that a run needs: among some 600 lines of 50 to 100 cells chance reaches it once in a thousand dies or so."""
_LEAST_HITS = 6


@dataclass(frozen=True)
class Run:
    """A faulty run. line: number among the lines of its axis. start, stop: cells along the line, stop not included. hits: bad ones of
    the `tried`, which were measured and belong to no other fault."""

    line: int
    start: int
    stop: int
    hits: int
    tried: int


@dataclass(frozen=True)
class DieLines:
    """Faults of one die by name, and which junctions lie within one, (kernels, rows, columns)."""

    runs: dict[str, tuple[Run, ...]]
    within: Bools


@dataclass(frozen=True)
class LineModel:
    """Faults of one name over all dies. per_die: mean number, Poisson, with its 95 % interval from Jeffreys' prior.

    lines: lines a die has; cells: on each. share: of the cells within a fault, how many are bad; share_sigma: between faults.
    lengths: cells of each fault, ends corrected for the good cells that hide there. counts: faults of each die, in order.
    """

    count: int
    dies: int
    per_die: float
    low: float
    high: float
    lines: int
    cells: int
    share: float | None
    share_sigma: float | None
    lengths: tuple[int, ...]
    counts: tuple[int, ...]


def tried_junctions(codes: NDArray[np.uint8]) -> Bools:
    """Those that have a class: neither without contact nor not measured."""
    return (codes != Defect.NO_CONTACT) & (codes != Defect.NOT_MEASURED)


def die_lines(codes: NDArray[np.uint8]) -> DieLines:
    """Faults of the lines of one die. codes: (kernels, rows, columns) of Defect."""
    within = np.zeros(codes.shape, np.bool_)
    runs: dict[str, tuple[Run, ...]] = {}
    for name, (defect, axis) in FAULTS.items():
        free = ~within
        found = _find_runs(to_lines((codes == defect) & free, axis), to_lines(tried_junctions(codes) & free, axis))
        runs[name] = tuple(found)
        within = within | _cells_of(found, _shape(codes), axis)
    return DieLines(runs, within)


def fit_lines(dies: Sequence[DieLines], shape: Shape) -> dict[str, LineModel]:
    """By name of the fault. shape: of a die."""
    return {name: _model([die.runs[name] for die in dies], line_shape(shape, axis)) for name, (_, axis) in FAULTS.items()}


def poisson_interval(count: int, exposure: int) -> tuple[float, float]:
    """95 % interval of a number per die from Jeffreys' prior, from 0 where nothing was seen. exposure: dies, at least one."""
    low, high = (float(stats.gamma.ppf(level, count + 0.5)) / exposure for level in (0.025, 0.975))
    return (0.0 if count == 0 else low), high


def _shape(codes: NDArray[np.uint8]) -> Shape:
    kernels, rows, columns = codes.shape
    return kernels, rows, columns


def _find_runs(hit: Bools, tried: Bools) -> list[Run]:
    """hit, tried: (lines, cells). The run of each line with the most evidence, where that is enough."""
    if not tried.any():
        return []
    gain, loss = _scores(hit, tried)
    found: list[Run] = []
    for line in np.flatnonzero(hit.sum(axis=1) >= _LEAST_HITS):
        start, stop, evidence = _best_run(np.where(hit[line], gain, np.where(tried[line], loss, 0.0)))
        hits = int(hit[line, start:stop].sum())
        if evidence >= _EVIDENCE and hits >= _LEAST_HITS:
            found.append(Run(int(line), start, stop, hits, int(tried[line, start:stop].sum())))
    return found


def _scores(hit: Bools, tried: Bools) -> tuple[float, float]:
    """What a bad and what a good cell say for a fault, log likelihood ratios. The worst tenth of the lines sets no background."""
    rates = hit.sum(axis=1) / np.maximum(tried.sum(axis=1), 1)
    usual = float(rates[rates <= np.quantile(rates, 0.9)].mean())
    background = min(max(usual, _LEAST_BACKGROUND), _MOST_BACKGROUND)
    return float(np.log(_HIT_SHARE / background)), float(np.log((1 - _HIT_SHARE) / (1 - background)))


def _best_run(scores: NDArray[np.float64]) -> tuple[int, int, float]:
    """(start, stop, sum) of the contiguous part with the largest sum (Kadane)."""
    sums = np.concatenate([[0.0], np.cumsum(scores)])
    stop = int(np.argmax(sums - np.minimum.accumulate(sums)))
    start = int(np.argmin(sums[: stop + 1]))
    return start, stop, float(sums[stop] - sums[start])


def _cells_of(runs: Sequence[Run], shape: Shape, axis: Axis) -> Bools:
    marked = np.zeros(line_shape(shape, axis), np.bool_)
    for run in runs:
        marked[run.line, run.start : run.stop] = True
    return from_lines(marked, shape, axis)


def _model(per_die: Sequence[tuple[Run, ...]], shape: tuple[int, int]) -> LineModel:
    runs = [run for each in per_die for run in each]
    low, high = poisson_interval(len(runs), len(per_die))
    lengths = [_length(run, shape[1]) for run in runs]
    shares = np.array([_share(run, length) for run, length in zip(runs, lengths, strict=True)])
    return LineModel(
        count=len(runs),
        dies=len(per_die),
        per_die=len(runs) / len(per_die),
        low=low,
        high=high,
        lines=shape[0],
        cells=shape[1],
        share=float(shares.mean()) if runs else None,
        share_sigma=float(shares.std(ddof=1)) if len(runs) > 1 else None,
        lengths=tuple(lengths),
        counts=tuple(len(each) for each in per_die),
    )


def _length(run: Run, cells: int) -> int:
    """A run is told from its first bad cell to its last; so many good ones are likely to lie beyond: with k of L cells bad, first and
    last are (L + 1)(k - 1) / (k + 1) apart on average."""
    span = run.stop - run.start
    bad = run.hits * span / run.tried
    return min(max(round((span - 1) * (bad + 1) / (bad - 1)) - 1, span), cells)


def _share(run: Run, length: int) -> float:
    """Bad cells of those within the fault, the good ones beyond its ends included."""
    return run.hits / (run.tried + length - (run.stop - run.start))
