"""Statistics of a wafer from its measured maps alone: what a trainer samples defective dies from.

Rates are pooled over dies; junctions not measured, and lines of which too few were measured to tell a fault, are left out of
the trials, never counted as good."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.analysis.intervals import Rate, pooled_rate
from hil.analysis.lines import MOST
from hil.model.defects import Defect, LineFault
from hil.model.maps import ConductanceMap, DefectMap

KINDS = (Defect.SHORT, Defect.OPEN, Defect.STUCK_P, Defect.STUCK_AP, Defect.LOW_TMR, Defect.UNSTABLE)
_NOT_TRIED = (Defect.NO_CONTACT, Defect.NOT_MEASURED)
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Distribution:
    """Conductances of one class in one state, S, pooled over dies. die_sigma: spread of the dies' means; None below two dies."""

    junctions: int
    mean_siemens: float | None
    sigma_siemens: float | None
    die_sigma_siemens: float | None
    quantiles_siemens: dict[str, float]


@dataclass(frozen=True)
class MeasuredDie:
    """The three maps of one die that belong together."""

    p: ConductanceMap
    ap: ConductanceMap
    defects: DefectMap


def defect_rates(maps: Sequence[DefectMap]) -> dict[str, Rate]:
    """Rate per junction of each kind, by lower-case name of the defect code."""
    tried = np.array([np.count_nonzero(_tried(each)) for each in maps], dtype=np.int64)
    return {kind.name.lower(): pooled_rate(_count(maps, kind), tried) for kind in KINDS}


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


def wafer_statistics(dies: Sequence[MeasuredDie]) -> dict[str, Any]:
    """All of the above as JSON: dies, junctions, rule, rates, line_rates, conductance."""
    maps = [die.defects for die in dies]
    distributions = conductance_distributions(dies)
    return {
        "dies": len(dies),
        "junctions": sum(each.codes.size for each in maps),
        "rules": sorted({each.rule for each in maps}),
        "rates": {name: asdict(rate) for name, rate in defect_rates(maps).items()},
        "line_rates": {name: asdict(rate) for name, rate in line_rates(maps).items()},
        "conductance": {name: {state: asdict(each) for state, each in states.items()} for name, states in distributions.items()},
    }


def _tried(each: DefectMap) -> NDArray[np.bool_]:
    return ~np.isin(each.codes, _NOT_TRIED)


def _tried_lines(each: DefectMap, axis: int) -> NDArray[np.bool_]:
    """Lines of which enough was measured for a fault to show; axis: the one that runs along the line."""
    return np.asarray(_tried(each).mean(axis=axis) > MOST)


def _count(maps: Sequence[DefectMap], kind: Defect) -> NDArray[np.int64]:
    return np.array([np.count_nonzero(each.codes == kind) for each in maps], dtype=np.int64)


def _lines(each: DefectMap, line: int, shorted: int, axis: int) -> int:
    wanted = line | shorted
    hit = (each.line_fault & (line | int(LineFault.SEGMENT))) == wanted
    return int(np.count_nonzero(hit.all(axis=axis) & _tried_lines(each, axis)))


def _distribution(per_die: Sequence[NDArray[np.float32]]) -> Distribution:
    finite = [values[np.isfinite(values)].astype(np.float64) for values in per_die]
    pooled, means = np.concatenate(finite), [float(values.mean()) for values in finite if values.size]
    if pooled.size == 0:
        return Distribution(0, None, None, None, {})
    quantiles = {f"{q:g}": float(value) for q, value in zip(_QUANTILES, np.quantile(pooled, _QUANTILES), strict=True)}
    die_sigma = float(np.std(means, ddof=1)) if len(means) > 1 else None
    return Distribution(int(pooled.size), float(pooled.mean()), float(pooled.std()), die_sigma, quantiles)
