"""Reference junctions, read once more by both paths before a die is left: whether the board is still what its calibration says.

Rule 1: any junction can serve, because the SMU says what it conducts; one on every sense line is taken, each on another drive line.
Rule 2: what both paths say apart by no more than their uncertainties is no drift.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.analysis.board_model import Floats
from hil.analysis.calibration import Calibration
from hil.analysis.uncertainty import Corrected, Taken, by_the_board, by_the_smu
from hil.model.plans import CharacterisePlan, Plan, ProgramPlan, ReadPlan
from hil.runs.calibrating import smu_errors
from hil.runs.metadata import DieResults, read_path
from hil.station.station import Station

DRIFTED = "drift"
"""Kind of the event that tells of it."""
_AVERAGES = 16
_STRIDE = 7
"""Rows from one reference junction to the next; a kernel's rows are no multiple of it."""
_LEAST_SIEMENS, _FEWEST = 50e-6, 5
_MEAN_SIGMAS, _LINE_SIGMAS, _LINES = 3.0, 5.0, 2
"""Beyond noise: the mean by so much, or so many lines by so much each."""


def reread(plan: Plan, die: DieResults, station: Station, kernel: int) -> Mapping[str, Any] | None:
    """Drift by reference junctions of a kernel of the die in contact, JSON; None where the plan's maps rest on no calibration.

    mean: board over SMU, minus 1, of all; sigma: its standard uncertainty. lines: columns that are off by far. beyond: whether that is
    more than noise.
    """
    if not isinstance(plan, ReadPlan | CharacterisePlan | ProgramPlan) or read_path(plan) != "board":
        return None
    calibration = die.calibration
    errors = smu_errors(die.provenance.get("instruments", {}), plan.read_volts, plan.nplc)
    if calibration is None or errors is None:
        return None
    lines = _references(calibration)
    board_raw = station.read_kernel(kernel, plan.read_volts, averages := min(_AVERAGES, station.lab.limits.averages), "board").siemens
    junctions = [(kernel, row, column) for row, column in zip(*(each.tolist() for each in lines), strict=True)]
    smu_raw = station.read_junctions(junctions, plan.read_volts, 1, "smu", plan.nplc).siemens
    taken = Taken(plan.read_volts, averages, station.contact_ohms)
    board = by_the_board(board_raw[None], taken, calibration)
    smu = by_the_smu(smu_raw.reshape(1, 1, -1), taken, errors, calibration.noise)
    return _drift(_picked(board, (0, *lines)), _picked(smu, (0, 0)), lines[1])


def told(drift: Mapping[str, Any], die: DieResults) -> str:
    lines = f", sense lines {', '.join(map(str, drift['lines']))} by far more" if drift["lines"] else ""
    return (
        f"die {die.index}: the board reads {100 * drift['mean']:+.2f} % of the SMU on {drift['junctions']} reference junctions "
        f"({100 * drift['sigma']:.2f} % standard uncertainty){lines}; calibrate it again"
    )


def _references(calibration: Calibration) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """(rows, columns) of the reference junctions."""
    columns = np.arange(calibration.layout.columns)
    return columns * _STRIDE % calibration.layout.rows, columns


def _picked(found: Corrected, where: tuple[Any, ...]) -> tuple[Floats, Floats, Floats]:
    """(value, standard uncertainty by chance, and for good) of single junctions, S."""
    parts = {name: np.asarray(part)[where] for name, part in found.parts.items()}
    chance = np.hypot(parts["repeatability"], parts.get("resolution", 0.0))
    return found.siemens[where].astype(np.float64), chance, parts["calibration"]


def _drift(board: tuple[Floats, Floats, Floats], smu: tuple[Floats, Floats, Floats], columns: NDArray[np.intp]) -> dict[str, Any] | None:
    """None where too few junctions can be read."""
    (value, board_chance, board_good), (truth, smu_chance, smu_good) = board, smu
    seen = np.isfinite(value) & np.isfinite(truth) & (truth > _LEAST_SIEMENS)
    if np.count_nonzero(seen) < _FEWEST:
        return None
    apart = (value - truth) / truth
    chance, good = np.hypot(board_chance, smu_chance) / truth, np.hypot(board_good, smu_good) / truth
    sigmas = np.where(seen, np.abs(apart) / np.hypot(chance, good), 0.0)
    # The median, because a junction that does not keep its state says nothing of the board; its scatter is pi/2 times a mean's.
    mean = float(np.median(apart[seen]))
    sigma = float(np.sqrt(np.pi / 2.0 * np.mean(chance[seen] ** 2) / seen.sum() + np.mean(good[seen] ** 2)))
    off = [int(column) for column in columns[sigmas > _LINE_SIGMAS]]
    return {
        "junctions": int(seen.sum()),
        "mean": float(f"{mean:.3g}"),
        "sigma": float(f"{sigma:.3g}"),
        "lines": off,
        "beyond": bool(abs(mean) > _MEAN_SIGMAS * sigma or len(off) >= _LINES),
    }
