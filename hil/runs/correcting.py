"""From what a die's kernels read to its conductance map: corrected by what is known, with a standard uncertainty for every junction.

Rule 1: what the instrument read is kept beside it. Rule 2: a map says which calibration it was made with, and null where there was none
that was this board's and still valid; then nothing but the contact is taken off, and the uncertainty is that of an uncalibrated board.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.analysis.calibration import Calibration, uncalibrated
from hil.analysis.noise import Noise
from hil.analysis.uncertainty import Corrected, Taken, by_the_board, by_the_smu
from hil.model.maps import ConductanceMap, MapState, Meta
from hil.runs.calibrating import smu_errors
from hil.runs.context import Arrays, stacked
from hil.runs.metadata import DieResults

OPEN_SIEMENS = 10e-6
"""What conducts less is an open path (physics-and-paper.md, section C)."""
_NAMES: Mapping[str, tuple[str, str]] = {"P": ("smu_p", "p_error"), "AP": ("smu_ap", "ap_error")}
"""Arrays of a step by state: readings of the SMU behind each value of a board's map, and the scatter's part of their uncertainty."""


def conductance_map(die: DieResults, state: MapState, kernels: Mapping[int, Arrays], name: str) -> ConductanceMap:
    """name: of the steps' array of raw readings, (rows, columns) float32 S."""
    raw = stacked(kernels, name, die.context.kernels, np.float32("nan"))
    lost = sum(int(np.count_nonzero(arrays["unknown"])) for arrays in kernels.values() if "unknown" in arrays)
    saturated = sum(int(np.isnan(arrays[name]).sum()) for arrays in kernels.values())
    counts = {"not_measured": int(np.isnan(raw).sum()), "unknown_pulses": lost, "saturated": saturated}
    meta = die.describe_conductance(state, counts)
    calibration = die.calibration
    corrected = _corrected(die, meta, raw, calibration or uncalibrated(*raw.shape[1:]))
    if corrected is None:
        return ConductanceMap(raw, state, float(meta["read_volts"]), meta)
    corrected = _with_smu(die, state, kernels, corrected, raw)
    own = _told(corrected, calibration, kernels, die.drift)
    return ConductanceMap(
        corrected.siemens, state, float(meta["read_volts"]), {**meta, **own}, uncertainty=corrected.uncertainty, uncorrected=raw
    )


def _corrected(die: DieResults, meta: Meta, raw: NDArray[np.float32], calibration: Calibration) -> Corrected | None:
    """None where nobody knows how far the instrument may be off."""
    taken = _taken(die, meta)
    if meta["path"] == "board":
        return by_the_board(raw, taken, calibration)
    errors = smu_errors(die.provenance.get("instruments", {}), taken.read_volts, float(meta["nplc"]))
    return None if errors is None else by_the_smu(raw, taken, errors, calibration.noise)


def _taken(die: DieResults, meta: Meta) -> Taken:
    ohms = np.full((die.context.kernels, 1, 1), np.nan)
    for kernel, known in die.contact_ohms.items():
        ohms[kernel] = known
    return Taken(float(meta["read_volts"]), int(meta["averages"] or 1), ohms)


def _with_smu(die: DieResults, state: str, kernels: Mapping[int, Arrays], board: Corrected, raw: NDArray[np.float32]) -> Corrected:
    """The values that the SMU read on a board's map, by its own rules instead of the board's."""
    count, error = _NAMES.get(state, ("smu", "error"))
    kernels = {kernel: arrays for kernel, arrays in kernels.items() if count in arrays}
    if not kernels:
        return board
    nplc = float(getattr(die.plan, "nplc", 0.1))
    taken = _taken(die, die.describe_conductance(state, {}))
    errors = smu_errors(die.provenance.get("instruments", {}), taken.read_volts, nplc)
    times = stacked(kernels, count, die.context.kernels, np.uint8(0))
    if errors is None or not times.any():
        return board
    scatter = stacked(kernels, error, die.context.kernels, np.float32("nan")).astype(np.float64)
    # The scatter of its own readings is all the noise that is left.
    smu = by_the_smu(raw, taken, errors, Noise(0.0, (0.0,), (0.0,)))
    uncertainty = np.hypot(smu.uncertainty, np.nan_to_num(scatter))
    read = times > 0
    return Corrected(
        np.where(read, smu.siemens, board.siemens), np.where(read, uncertainty, board.uncertainty).astype(np.float32), board.parts
    )


def _told(corrected: Corrected, calibration: Calibration | None, kernels: Mapping[int, Arrays], drift: Mapping[str, Any] | None) -> Meta:
    """What the metadata say of it: the typical junction's uncertainty, relative, in all and by its source."""
    siemens = corrected.siemens.astype(np.float64)
    seen = np.isfinite(siemens) & (siemens > OPEN_SIEMENS)
    parts = {"combined": corrected.uncertainty.astype(np.float64), **corrected.parts}
    typical = {name: float(np.median(part[seen] / siemens[seen])) if seen.any() else None for name, part in parts.items()}
    ohms = [round(float(arrays["contact_ohms"][0]), 3) for arrays in kernels.values() if "contact_ohms" in arrays]
    return {
        "calibration": None if calibration is None else calibration.id,
        "noise": None if calibration is None else calibration.noise.as_json(),
        "open": int(np.count_nonzero(siemens < OPEN_SIEMENS)),
        "relative_uncertainty": {name: None if value is None else float(f"{value:.3g}") for name, value in typical.items()},
        "drift": None if drift is None else dict(drift),
        "contact_ohms": ohms[-1] if ohms and np.isfinite(ohms[-1]) else None,
    }
