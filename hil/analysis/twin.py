"""A foundry file that makes a measured wafer again: fitted to its maps, read by `hil sim --fab FILE`.

Rule 1: the file is all that the simulator gets; its keys are those of docs/fab-files.md. Rule 2: what two maps cannot tell is not
put in: a twin has no defect that was not seen. Rule 3: dies that were measured get their own means, rates and faulty lines; the top
of the file is what the other dies of such a wafer would be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hil.analysis.line_models import LineModel, die_lines, fit_lines
from hil.analysis.measured import MeasuredDie
from hil.analysis.pillars import normal_scores
from hil.analysis.statistics import isolated_rates
from hil.analysis.twin_cells import CellModel, good_cells, level_model, pillar_model
from hil.analysis.twin_defects import CLASSES, NamedFaults, TwinRates, class_shares, named_faults, outlier_rate, twin_rates
from hil.model.lab import DieIndex

Floats = NDArray[np.float64]
ModelName = Literal["auto", "pillars", "levels"]

GOOD_FIT = 0.01
"""Kolmogorov-Smirnov distance up to which pillars are taken for the junctions; half of what a twin may differ by once measured."""


@dataclass(frozen=True)
class Twin:
    """parameters: of the wafer, by the names of fab files. dies: what each measured die has of its own. distances: Kolmogorov-Smirnov, by
    state, of good junctions as the model should read them. junctions: good ones it was fitted to. exact: whether isolated defects lie
    where they were found."""

    model: str
    parameters: dict[str, Any]
    dies: dict[DieIndex, dict[str, Any]]
    distances: dict[str, float]
    junctions: int
    exact: bool


def fit_twin(dies: Sequence[MeasuredDie], model: ModelName = "auto", exact: bool = False, seed: int = 1) -> Twin:
    """exact: isolated shorts, opens and stuck junctions where they were found, instead of at the rates found.

    Raises ValueError for dies whose place is unknown, that were read at different voltages, or that have no good junctions.
    """
    _check(dies)
    chosen = _chosen(dies, model, seed)
    maps = [die.defects for die in dies]
    lines = [die_lines(each.codes) for each in maps]
    isolated = isolated_rates(maps, lines)
    pillars = chosen.pillars
    shares = np.eye(len(CLASSES)) if pillars is None else class_shares(pillars, normal_scores(seed), dies[0].p.read_volts)
    rates = twin_rates(isolated, 0.0 if pillars is None else outlier_rate(dies), shares)
    kernels, rows, columns = maps[0].codes.shape
    faults = [named_faults(die, each, exact) for die, each in zip(dies, lines, strict=True)]
    wafer = _wafer_rates(rates, fit_lines(lines, (kernels, rows, columns)), isolated["unstable"].rate)
    own = {die.die: _die_table(chosen, place, rates, faults[place], exact) for place, die in enumerate(dies) if die.die is not None}
    return Twin(
        model=chosen.model,
        parameters={**chosen.parameters, **_between_dies(chosen, dies), **wafer},
        dies=own,
        distances={"P": chosen.distances[0], "AP": chosen.distances[1]},
        junctions=chosen.junctions,
        exact=exact,
    )


def _check(dies: Sequence[MeasuredDie]) -> None:
    if not dies:
        raise ValueError("a twin needs at least one die with maps of both states and defects")
    if any(die.die is None for die in dies):
        raise ValueError("a twin needs to know where each die lies")
    volts = {each.read_volts for die in dies for each in (die.p, die.ap)}
    if len(volts) > 1:
        raise ValueError(
            f"maps were read at {', '.join(f'{value:g} V' for value in sorted(volts))}; a twin is fitted to maps of one voltage"
        )


def _chosen(dies: Sequence[MeasuredDie], model: ModelName, seed: int) -> CellModel:
    if model == "levels":
        return _levels(dies, seed)
    try:
        pillars = pillar_model(good_cells(dies), dies, seed)
    except ValueError:
        if model == "pillars":
            raise
        return _levels(dies, seed)
    if model == "pillars" or max(pillars.distances) <= GOOD_FIT:
        return pillars
    return min(pillars, _levels(dies, seed), key=lambda each: max(each.distances))


def _levels(dies: Sequence[MeasuredDie], seed: int) -> CellModel:
    """Of all good junctions: what would be an outlier to a law is part of a distribution."""
    return level_model(good_cells(dies, np.inf), dies, seed)


def _between_dies(chosen: CellModel, dies: Sequence[MeasuredDie]) -> dict[str, float]:
    """Spread of RA between dies and its gradient over four dies, for dies that were not measured."""
    pairs = [(each[0], die.die) for each, die in zip(chosen.factors, dies, strict=True) if each is not None and die.die is not None]
    logs = np.log([factor for factor, _ in pairs])
    where = np.array([place for _, place in pairs], np.float64)
    design = np.column_stack([np.ones(len(pairs)), where - where.mean(axis=0)])
    freedom = len(pairs) - int(np.linalg.matrix_rank(design))
    if freedom < 2:
        return {"die_sigma": float(np.std(logs)), "gradient": 0.0}
    fitted = np.asarray(np.linalg.lstsq(design, logs, rcond=None)[0], np.float64)
    sigma = float(np.sqrt(np.sum((logs - design @ fitted) ** 2) / freedom))
    return {"die_sigma": sigma, "gradient": float(4.0 * np.hypot(fitted[1], fitted[2]))}


def _wafer_rates(rates: TwinRates, lines: Mapping[str, LineModel], unstable: float) -> dict[str, float]:
    return {
        **rates.wafer,
        "short_rate_shape": rates.short_shape,
        "row_opens": lines["open_row"].per_die,
        "column_opens": lines["open_column"].per_die,
        "shorted_segments": lines["shorted_row"].per_die + lines["shorted_column"].per_die,
        "unstable_rate": unstable,
    }


def _die_table(chosen: CellModel, place: int, rates: TwinRates, faults: NamedFaults, exact: bool) -> dict[str, Any]:
    factors = chosen.factors[place]
    table: dict[str, Any] = {} if factors is None else {"ra_factor": factors[0], "tmr_factor": factors[1]}
    table |= {"row_opens": 0.0, "column_opens": 0.0, "shorted_segments": 0.0, "short_rate_shape": 0.0}
    if exact:
        # A pinhole that looks like a short is named among them.
        table |= dict.fromkeys(("short_rate", "open_rate", "stuck_p_rate", "stuck_ap_rate", "pinhole_rate"), 0.0)
    else:
        table |= rates.dies[place]
    named = {
        "open_row_lines": faults.rows,
        "open_column_lines": faults.columns,
        "open_devices": faults.opens,
        "short_devices": faults.shorts,
        "stuck_p_devices": faults.stuck_p,
        "stuck_ap_devices": faults.stuck_ap,
    }
    return table | {name: list(numbers) for name, numbers in named.items() if numbers}
