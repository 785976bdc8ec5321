"""Which causes of defects a foundry must have to make the classes that a wafer shows, per die and for dies nobody measured.

Rule: a class is not a cause. A pinhole may look like a short, a weak barrier like a stuck junction, and some pinholes like a good
junction that conducts too much; shares are worked out on pillars and solved for. A die's own rate is what its counts say, drawn
towards the wafer's as far as dies agree (empirical Bayes). Faulty lines are taken as they lie."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from hil.analysis.chip_lines import Axis, Shape, from_lines, line_shape
from hil.analysis.line_models import FAULTS, DieLines, Run, tried_junctions
from hil.analysis.measured import MeasuredDie
from hil.analysis.overdispersion import FittedRate
from hil.analysis.pillars import Pillars, cell_ap, cells
from hil.model.defects import Defect

Floats = NDArray[np.float64]

OUTLIER_SIGMAS = 4.5
"""A good junction that conducts so much more than the mean is a pinhole rather than the tail of the spread."""
CAUSES = ("short_rate", "open_rate", "stuck_p_rate", "stuck_ap_rate", "pinhole_rate", "weak_rate")
CLASSES = ("short", "open", "stuck_p", "stuck_ap", "low_tmr", "outlier")
_OWN = {"short_rate": "short", "open_rate": "open", "stuck_p_rate": "stuck_p", "stuck_ap_rate": "stuck_ap"}
_PINHOLE_LEFT = (0.2, 0.8)
_WEAK_LEFT = (0.10, 0.45)
"""Share of the TMR that a pinhole leaves, and that a weak barrier has: what the foundry of the simulator assumes."""
_MOST_OF_LINE = 0.9


@dataclass(frozen=True)
class TwinRates:
    """wafer: rate of each cause, for dies that were not measured. short_shape: of the Gamma distribution of short rates between dies, 0
    where they do not differ. dies: each die's own rates, only of what dies differ in."""

    wafer: dict[str, float]
    short_shape: float
    dies: tuple[dict[str, float], ...]


@dataclass(frozen=True)
class NamedFaults:
    """Faults of one die by number. rows, columns: whole open lines. opens, shorts: junctions, flat, of partly open lines and of shorted
    stretches, or all of them where the twin shall be exact; stuck_p, stuck_ap: only then."""

    rows: tuple[int, ...]
    columns: tuple[int, ...]
    opens: tuple[int, ...]
    shorts: tuple[int, ...]
    stuck_p: tuple[int, ...] = ()
    stuck_ap: tuple[int, ...] = ()


def class_shares(pillars: Pillars, scores: Floats, read_volts: float) -> Floats:
    """(classes, causes): how often a cause makes a junction of a class; pinholes and weak barriers worked out, the rest one to one."""
    shares = np.zeros((len(CLASSES), len(CAUSES)))
    shares[:4, :4] = np.eye(4)
    p, ap = cells(pillars, scores, read_volts)
    left = np.linspace(*_PINHOLE_LEFT, scores.shape[1])[np.random.default_rng(0).permutation(scores.shape[1])]
    weak = np.linspace(*_WEAK_LEFT, scores.shape[1])[np.random.default_rng(1).permutation(scores.shape[1])]
    series = pillars.access_ohms
    ohms_p = 1.0 / p - series
    shunt = (1.0 / left - 1.0) / (ohms_p * (1.0 + pillars.tmr))
    shares[:, 4] = _classes(_beside(p, shunt, series), _beside(ap, shunt, series), p, ap)
    shares[:, 5] = _classes(p, cell_ap(ohms_p, pillars.tmr * weak, series, read_volts), p, ap)
    return shares


def _beside(siemens: Floats, shunt: Floats, series: float) -> Floats:
    """A cell whose junction has a path beside it, S."""
    junction = 1.0 / (1.0 / siemens - series) + shunt
    return 1.0 / (1.0 / junction + series)


def _classes(p: Floats, ap: Floats, good_p: Floats, good_ap: Floats) -> Floats:
    """Share of each of CLASSES, by the contract's thresholds."""
    mean_p, sigma_p, gap = good_p.mean(), good_p.std(), float(np.mean(good_p - good_ap))
    stuck = p - ap < 0.25 * gap
    nearer_p = np.abs(p - mean_p) < np.abs(p - good_ap.mean())
    rules = [ap > mean_p + 6.0 * sigma_p, p < 0.5 * good_ap.mean(), stuck & nearer_p, stuck, p - ap < 0.5 * gap]
    rules.append(p > mean_p + OUTLIER_SIGMAS * sigma_p)
    code = np.select(rules, range(len(rules)), len(rules))
    return np.bincount(code, minlength=len(rules) + 1)[: len(rules)] / code.size


def twin_rates(isolated: Mapping[str, FittedRate], outliers: float, shares: Floats) -> TwinRates:
    """outliers: rate per junction of good ones that conduct too much. shares: of `class_shares`."""
    seen = np.array([isolated[name].rate for name in CLASSES[:-1]] + [outliers])
    # Relative misses, so that a rare class counts as much as a common one.
    weight = 1.0 / np.sqrt(np.maximum(seen, 1e-6))
    solved, _ = optimize.nnls(shares * weight[:, None], seen * weight)
    wafer = {cause: float(rate) for cause, rate in zip(CAUSES, solved, strict=True)}
    extra = shares[:4, 4:] @ solved[4:]
    dies: list[dict[str, float]] = [{} for _ in isolated["short"].per_die]
    for place, (cause, name) in enumerate(_OWN.items()):
        for die, rate in zip(dies, _own_rates(isolated[name]), strict=True):
            if rate is not None:
                die[cause] = max(rate - float(extra[place]), 0.0)
    cv, short = isolated["short"].cv, isolated["short"]
    shape = (wafer["short_rate"] / (short.rate * cv.value)) ** 2 if cv.value and cv.low else 0.0
    return TwinRates(wafer, shape, tuple(dies))


def _own_rates(fitted: FittedRate) -> list[float | None]:
    """Posterior mean of each die's rate; None for all where the dies do not differ more than by chance."""
    cv = fitted.cv
    if not cv.value or not cv.low:
        return [None] * len(fitted.per_die)
    alpha = (1.0 - fitted.rate) / cv.value**2 - fitted.rate
    size = alpha / fitted.rate
    return [(count + alpha) / (trials + size) for count, trials in zip(fitted.per_die, fitted.trials_per_die, strict=True)]


def outlier_rate(dies: Sequence[MeasuredDie]) -> float:
    """Good junctions that conduct too much, per junction with a class."""
    found = tried = 0
    for die in dies:
        p = die.p.siemens[die.good].astype(np.float64)
        tried += int(np.count_nonzero(tried_junctions(die.defects.codes)))
        if p.size:
            middle = np.median(p)
            found += int(np.count_nonzero(p > middle + OUTLIER_SIGMAS * 1.4826 * np.median(np.abs(p - middle))))
    return found / tried if tried else 0.0


def named_faults(die: MeasuredDie, lines: DieLines, exact: bool) -> NamedFaults:
    """exact: isolated defects too, where they lie."""
    codes = die.defects.codes
    kernels, rows, columns = codes.shape
    shape: Shape = (kernels, rows, columns)
    whole = {name: [run for run in lines.runs[name] if _is_whole(run, shape, FAULTS[name][1])] for name in ("open_row", "open_column")}
    named = lines.within if not exact else np.ones(codes.shape, np.bool_)
    on_whole = np.zeros(codes.shape, np.bool_)
    for name, runs in whole.items():
        on_whole |= _on_lines([run.line for run in runs], shape, FAULTS[name][1])
    faults = NamedFaults(
        rows=tuple(_row_number(run.line, shape) for run in whole["open_row"]),
        columns=tuple(run.line for run in whole["open_column"]),
        opens=_numbers((codes == Defect.OPEN) & named & ~on_whole),
        shorts=_numbers((codes == Defect.SHORT) & named & ~on_whole),
    )
    if not exact:
        return faults
    return replace(faults, stuck_p=_numbers(codes == Defect.STUCK_P), stuck_ap=_numbers(codes == Defect.STUCK_AP))


def _is_whole(run: Run, shape: Shape, axis: Axis) -> bool:
    return run.stop - run.start >= _MOST_OF_LINE * line_shape(shape, axis)[1]


def _on_lines(lines: Sequence[int], shape: Shape, axis: Axis) -> NDArray[np.bool_]:
    marked = np.zeros(line_shape(shape, axis), np.bool_)
    marked[list(lines)] = True
    return from_lines(marked, shape, axis)


def _row_number(line: int, shape: Shape) -> int:
    """Number of a row line as fab files count: by sub-array, row group and row. Here they are counted by row of the die, then sub-array."""
    kernels, rows, _ = shape
    subarrays = max(kernels // 8, 1)
    row, subarray = divmod(line, subarrays)
    group, within = divmod(row, rows)
    return (subarray * 4 + group) * rows + within


def _numbers(mask: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(int(number) for number in np.flatnonzero(mask))
