"""Statistics of a wafer from its measured maps alone: what a trainer samples defective dies from, and an engineer reads.

Rates are pooled over dies; junctions not measured, and lines of which too few were measured to tell a fault, are left out of
the trials, never counted as good. Isolated defects and faults of whole lines are fitted apart, because a line that fails makes
fifty defects at once."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.analysis.die_population import samples_of, sampling_tables
from hil.analysis.intervals import Rate, pooled_rate
from hil.analysis.line_models import FAULTS, DieLines, LineModel, die_lines, fit_lines, tried_junctions
from hil.analysis.lines import MOST
from hil.analysis.measured import KINDS, MeasuredDie, places
from hil.analysis.overdispersion import FittedRate, fit_rate, sample_means
from hil.analysis.spatial import SpatialTest, conductance_places, defect_places, radius_test
from hil.analysis.variance import Components, components
from hil.model.defects import Defect, LineFault
from hil.model.maps import DefectMap

_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_DRAWS = 4000
SEED = 1
"""Of the random draws behind some p values and intervals, so that one wafer has one answer."""


@dataclass(frozen=True)
class Distribution:
    """Conductances of one class in one state, S, pooled over dies. die_sigma: spread of the dies' means; None below two dies."""

    junctions: int
    mean_siemens: float | None
    sigma_siemens: float | None
    die_sigma_siemens: float | None
    quantiles_siemens: dict[str, float]


@dataclass(frozen=True)
class TmrDistribution:
    """G_P / G_AP - 1 of good junctions, pooled over dies."""

    junctions: int
    mean: float | None
    sigma: float | None
    quantiles: dict[str, float]


def defect_rates(maps: Sequence[DefectMap]) -> dict[str, Rate]:
    """Rate per junction of each kind, isolated or within a faulty line, by lower-case name of the defect code."""
    tried = np.array([np.count_nonzero(tried_junctions(each.codes)) for each in maps], dtype=np.int64)
    return {kind.name.lower(): pooled_rate(_count(maps, kind), tried) for kind in KINDS}


def isolated_rates(maps: Sequence[DefectMap], lines: Sequence[DieLines]) -> dict[str, FittedRate]:
    """Rate per junction outside faulty lines of each kind, and how much dies differ in it. lines: of each die."""
    free = [~each.within & tried_junctions(one.codes) for one, each in zip(maps, lines, strict=True)]
    tried = np.array([np.count_nonzero(each) for each in free], dtype=np.int64)
    return {kind.name.lower(): fit_rate(_free_counts(maps, free, kind), tried) for kind in KINDS}


def line_rates(maps: Sequence[DefectMap]) -> dict[str, Rate]:
    """Rate per measured line of a kernel of open and of shorted rows and columns, by name."""
    rates: dict[str, Rate] = {}
    for name, line, axis in (("row", LineFault.ROW, 2), ("column", LineFault.COLUMN, 1)):
        lines = np.array([np.count_nonzero(_tried_lines(each, axis)) for each in maps], dtype=np.int64)
        for cause, shorted in (("open", 0), ("shorted", int(LineFault.SEGMENT))):
            counts = np.array([_lines(each, int(line), shorted, axis) for each in maps], dtype=np.int64)
            rates[f"{cause}_{name}"] = pooled_rate(counts, lines)
    return rates


def conductance_distributions(dies: Sequence[MeasuredDie]) -> dict[str, dict[str, Distribution]]:
    """{class: {"P": ..., "AP": ...}} for good junctions and every kind of defect that occurs."""
    found: dict[str, dict[str, Distribution]] = {}
    for kind in (Defect.GOOD, *KINDS):
        masks = [die.defects.codes == kind for die in dies]
        if any(mask.any() for mask in masks):
            found[kind.name.lower()] = {
                "P": _distribution([die.p.siemens[mask] for die, mask in zip(dies, masks, strict=True)]),
                "AP": _distribution([die.ap.siemens[mask] for die, mask in zip(dies, masks, strict=True)]),
            }
    return found


def spatial_tests(dies: Sequence[MeasuredDie], lines: Sequence[DieLines], seed: int) -> list[SpatialTest]:
    """Of each kind of isolated defect that occurs, and of the P conductance of good junctions."""
    rng = np.random.default_rng(seed)
    free = [~each.within & tried_junctions(die.defects.codes) for die, each in zip(dies, lines, strict=True)]
    where = places(dies)
    found: list[SpatialTest] = []
    for kind in KINDS:
        hits = [(die.defects.codes == kind) & each for die, each in zip(dies, free, strict=True)]
        found += defect_places(kind.name.lower(), hits, free, rng)
        if where is not None:
            rates = np.array([hit.sum() / max(tried.sum(), 1) for hit, tried in zip(hits, free, strict=True)])
            test = radius_test(kind.name.lower(), rates, where, rng)
            found += [] if test is None else [test]
    samples = samples_of(dies)["P"]
    found += conductance_places(samples)
    if where is not None:
        means = np.array([each.values[each.good].mean() if each.good.any() else np.nan for each in samples])
        test = radius_test("conductance", means, where, rng)
        found += [] if test is None else [test]
    return found


def spread_by_cause(dies: Sequence[MeasuredDie]) -> dict[str, Components]:
    """Of G_P ("P"), G_AP ("AP") and the TMR ("tmr") of good junctions."""
    where = places(dies)
    return {name: components(samples, where, logarithmic=name != "tmr") for name, samples in samples_of(dies).items()}


def wafer_statistics(dies: Sequence[MeasuredDie], seed: int = SEED) -> dict[str, Any]:
    """All of the above as JSON; `sampling` is what hil.analysis.sampler draws from, None without a good junction."""
    maps = [die.defects for die in dies]
    lines = [die_lines(each.codes) for each in maps]
    isolated = isolated_rates(maps, lines)
    models = _line_models(maps, lines)
    rates = {name: _whole(rate, isolated[name], models, name, seed) for name, rate in defect_rates(maps).items()}
    distributions = conductance_distributions(dies)
    return {
        "dies": len(dies),
        "places": places(dies),
        "geometry": _geometry(maps),
        "junctions": sum(each.codes.size for each in maps),
        "rules": sorted({each.rule for each in maps}),
        "rates": {name: asdict(rate) for name, rate in rates.items()},
        "isolated": {name: asdict(rate) for name, rate in isolated.items()},
        "line_rates": {name: asdict(rate) for name, rate in line_rates(maps).items()},
        "lines": {name: asdict(model) for name, model in models.items()},
        "conductance": {name: {state: asdict(each) for state, each in states.items()} for name, states in distributions.items()},
        "tmr": asdict(_tmr(dies)),
        "spread": {name: asdict(each) for name, each in spread_by_cause(dies).items()} if dies else {},
        "spatial": [asdict(test) for test in spatial_tests(dies, lines, seed)],
        "sampling": sampling_tables(dies, isolated),
    }


def _geometry(maps: Sequence[DefectMap]) -> dict[str, int]:
    kernels, rows, columns = maps[0].codes.shape if maps else (0, 0, 0)
    return {"kernels": kernels, "rows": rows, "columns": columns}


def _line_models(maps: Sequence[DefectMap], lines: Sequence[DieLines]) -> dict[str, LineModel]:
    if not maps:
        return {}
    kernels, rows, columns = maps[0].codes.shape
    return fit_lines(lines, (kernels, rows, columns))


def _whole(rate: Rate, isolated: FittedRate, models: Mapping[str, LineModel], name: str, seed: int) -> Rate:
    """The pooled rate with the interval that the fitted parts make: isolated defects and what faulty lines add."""
    parts = [model for fault, model in models.items() if FAULTS[fault][0].name.lower() == name and model.count]
    if not parts:
        return replace(rate, low=min(isolated.low, rate.rate), high=max(isolated.high, rate.rate)) if rate.trials else rate
    rng = np.random.default_rng(seed)
    drawn = sample_means(isolated, _DRAWS, rng)
    for model in parts:
        bad = (model.share or 1.0) * float(np.mean(model.lengths)) / (model.lines * model.cells)
        drawn = drawn + bad * rng.gamma(model.count + 0.5, 1.0 / model.dies, _DRAWS)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return replace(rate, low=min(float(low), rate.rate), high=min(max(float(high), rate.rate), 1.0))


def _tried_lines(each: DefectMap, axis: int) -> NDArray[np.bool_]:
    """Lines of which enough was measured for a fault to show; axis: the one that runs along the line."""
    return np.asarray(tried_junctions(each.codes).mean(axis=axis) > MOST)


def _count(maps: Sequence[DefectMap], kind: Defect) -> NDArray[np.int64]:
    return np.array([np.count_nonzero(each.codes == kind) for each in maps], dtype=np.int64)


def _free_counts(maps: Sequence[DefectMap], free: Sequence[NDArray[np.bool_]], kind: Defect) -> NDArray[np.int64]:
    return np.array([np.count_nonzero((one.codes == kind) & each) for one, each in zip(maps, free, strict=True)], dtype=np.int64)


def _lines(each: DefectMap, line: int, shorted: int, axis: int) -> int:
    wanted = line | shorted
    hit = (each.line_fault & (line | int(LineFault.SEGMENT))) == wanted
    return int(np.count_nonzero((hit.mean(axis=axis) > MOST) & _tried_lines(each, axis)))


def _distribution(per_die: Sequence[NDArray[np.float32]]) -> Distribution:
    finite = [values[np.isfinite(values)].astype(np.float64) for values in per_die]
    pooled, means = np.concatenate(finite), [float(values.mean()) for values in finite if values.size]
    if pooled.size == 0:
        return Distribution(0, None, None, None, {})
    die_sigma = float(np.std(means, ddof=1)) if len(means) > 1 else None
    return Distribution(int(pooled.size), float(pooled.mean()), float(pooled.std()), die_sigma, _quantiles(pooled))


def _tmr(dies: Sequence[MeasuredDie]) -> TmrDistribution:
    ratios = [die.p.siemens[die.good].astype(np.float64) / die.ap.siemens[die.good] - 1.0 for die in dies]
    pooled = np.concatenate(ratios) if ratios else np.zeros(0)
    if pooled.size == 0:
        return TmrDistribution(0, None, None, {})
    return TmrDistribution(int(pooled.size), float(pooled.mean()), float(pooled.std()), _quantiles(pooled))


def _quantiles(values: NDArray[np.float64]) -> dict[str, float]:
    return {f"{q:g}": float(value) for q, value in zip(_QUANTILES, np.quantile(values, _QUANTILES), strict=True)}
