"""What a `calibrate` run does at a kernel, the calibration that comes of it, and which one a board has now.

Both paths read the same reference junctions, round after round, at every level and in both states; whatever state a junction is in,
the SMU says what it conducts. The states only spread the currents over the converter.

Rule 1: a calibration is of one board, by its serial number, and ends; another board's is never used. Rule 2: only the newest one of a
board counts, also where an older one would be valid longer.
"""

import logging
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.errors import OutcomeUnknown
from drivers.smu.accuracy import PathAccuracy, accuracy_of
from drivers.smu.planning import capabilities_of
from hil.analysis.calibration import TRIANGLE, Calibration, References, SmuErrors, fit, from_document, to_document
from hil.model.lab import ChipSection
from hil.model.maps import Meta, from_npy_bytes
from hil.model.plans import CalibratePlan, CharacterisePlan, Junction, Plan, ProgramPlan, ReadPlan
from hil.model.runs import CalibrationMade, Event, Noted, ObjectMeasured
from hil.runs.context import Arrays, Measured
from hil.runs.errors import RunFailed
from hil.runs.metadata import DieResults
from hil.station.station import Station
from hil.store.protocol import Store

_log = logging.getLogger(__name__)

MEASURED_SIEMENS = 1e-3
"""What the SMU's range is chosen for; see hil.station.scanning."""
LAPSED = "calibration ended"
"""Kind of the event that tells of it."""
RESIDUALS = "calibration_residual_amps"

Siemens = NDArray[np.float64]


def calibrate_kernel(station: Station, plan: CalibratePlan, kernel: int) -> Measured:
    """arrays: junctions uint8 (junctions, 3); board_siemens, smu_siemens float64 (junctions, states, levels, repeats), NaN where not
    trusted; lines (2,): rows and columns of a kernel."""
    chip, junctions = station.lab.chip, _junctions(station, plan, kernel)
    notes: list[tuple[str, str]] = []
    board: list[Siemens] = []
    smu: list[Siemens] = []
    for volts in _pulses(plan):
        if volts is not None:
            notes += _written(station, plan, junctions, volts)
        # Rounds and not repeats in a row: what drifts meanwhile then shows in the scatter.
        rounds = [[_both(station, plan, junctions, level) for level in plan.points] for _ in range(plan.repeats)]
        board.append(np.array([[each[0] for each in levels] for levels in rounds]))
        smu.append(np.array([[each[1] for each in levels] for levels in rounds]))
    # (states, repeats, levels, junctions) -> (junctions, states, levels, repeats)
    board_siemens, smu_siemens = (np.stack(each).transpose(3, 0, 2, 1) for each in (board, smu))
    arrays = {
        "junctions": np.array(junctions, np.uint8),
        "board_siemens": board_siemens,
        "smu_siemens": smu_siemens,
        "lines": np.array([chip.rows, chip.columns]),
    }
    return Measured(arrays, int(np.isnan(board_siemens).sum() + np.isnan(smu_siemens).sum()), tuple(notes))


def calibrated(die: DieResults, kernels: Mapping[int, Arrays]) -> Iterator[Event]:
    """The calibration, and what is left of each reading of a reference junction. Raises RunFailed where the readings do not make one."""
    plan = die.plan
    assert isinstance(plan, CalibratePlan)
    if die.is_stored(RESIDUALS):
        return
    steps = list(kernels.values())
    places = np.concatenate([arrays["junctions"] for arrays in steps])
    errors = tuple(_errors(die, plan, level) for level in plan.points)
    board, smu = (np.concatenate([arrays[f"{path}_siemens"] for arrays in steps]) for path in ("board", "smu"))
    references = References(places[:, 1].astype(np.intp), places[:, 2].astype(np.intp), board, smu, plan.points, plan.averages, errors)
    rows, columns = (int(lines) for lines in steps[0]["lines"])
    try:
        found, goodness, residuals = fit(references, rows, columns)
    except ValueError as error:
        raise RunFailed(f"die {die.index}: {error}; choose other kernels, or another die") from error
    document = {**_provenance(die), **to_document(found, goodness, references), "valid_s": plan.valid_s, "junctions": len(places)}
    yield CalibrationMade(die.index, document, found.values, found.covariance)
    yield ObjectMeasured(die.index, RESIDUALS, residuals, die.describe_object())


def errors_of(promised: PathAccuracy, nplc: float, part: float = TRIANGLE) -> SmuErrors:
    """part: of what the data sheet allows, the standard uncertainty: that of a triangle, as instruments are seldom at its very ends."""
    volts, amps = promised.volts, promised.amps
    return SmuErrors(
        volts_range=volts.range_,
        amps_range=amps.range_,
        volts_gain=part * volts.gain,
        volts_offset=part * volts.offset,
        amps_gain=part * amps.gain,
        amps_offset=part * amps.offset,
        noise_amps=amps.noise / float(np.sqrt(nplc)),
    )


def smu_errors(instruments: Mapping[str, Any], read_volts: float, nplc: float) -> SmuErrors | None:
    """Of the SMU that measured, at a level. instruments: of `Station.provenance`. None where its data sheet is not known here."""
    named = str(instruments.get("smu", {}).get("model", ""))
    model = capabilities_of("", named)
    promised = accuracy_of(model, read_volts, read_volts * MEASURED_SIEMENS) if model.model in named else None
    return None if promised is None else errors_of(promised, nplc)


def calibration_of(store: Store, board: str, now: datetime, chip: ChipSection) -> Calibration | None:
    """The newest one of a board, by its serial number, if it is still valid, of this chip's lines, and of a model that is known here.

    Raises NotFound, Corrupt for arrays that are gone.
    """
    record = store.newest_calibration(board)
    if record is None or now >= datetime.fromisoformat(record.expires_at):
        return None
    values, covariance = (from_npy_bytes(store.get_object(sha256)) for sha256 in (record.values, record.covariance))
    try:
        found = from_document(record.document, values, covariance, record.id)
    except ValueError as error:
        _log.warning("%s; the board counts as not calibrated", error)
        return None
    return found if (found.layout.rows, found.layout.columns) == (chip.rows, chip.columns) else None


def lapsed(plan: Plan, store: Store, snapshot: Mapping[str, Any], now: datetime) -> Noted | None:
    """What the operator has to know before a run makes maps: that the board's calibration has ended. snapshot: of the station."""
    if not isinstance(plan, ReadPlan | CharacterisePlan | ProgramPlan) or plan.path == "smu":
        return None
    board = str((snapshot.get("instruments") or {}).get("crossbar", {}).get("serial", ""))
    record = store.newest_calibration(board)
    if record is None or now < datetime.fromisoformat(record.expires_at):
        return None
    text = (
        f"the calibration of board {board} ended at {record.expires_at}: the maps of this run are those of an uncalibrated board; "
        f"calibrate it again (hil measure {plan.wafer} --dies 0,0 --plan calibrate)"
    )
    return Noted(LAPSED, text, {"calibration": record.id, "expires_at": record.expires_at})


def _junctions(station: Station, plan: CalibratePlan, kernel: int) -> list[Junction]:
    if plan.junctions is not None:
        return [junction for junction in plan.junctions if junction[0] == kernel]
    chip = station.lab.chip
    return [(kernel, row, column) for row in range(chip.rows) for column in range(chip.columns)]


def _pulses(plan: CalibratePlan) -> tuple[float | None, ...]:
    """What brings the junctions to each state, V; None for the one they are found in."""
    return (plan.pulse_volts, -plan.pulse_volts) if plan.states == "both" else (None,)


def _written(station: Station, plan: CalibratePlan, junctions: list[Junction], volts: float) -> list[tuple[str, str]]:
    """One pulse each. Nothing is verified, nor repeated: the SMU says what came of it."""
    chip = station.lab.chip
    mask = np.zeros((chip.rows, chip.columns), np.bool_)
    kernel = junctions[0][0]
    for _, row, column in junctions:
        mask[row, column] = True
    try:
        station.pulse(kernel, mask, volts, plan.pulse_s)
    except OutcomeUnknown as error:
        return [("unknown pulse", f"kernel {kernel}: {error}; the reference junctions are read as they are")]
    return []


def _both(station: Station, plan: CalibratePlan, junctions: list[Junction], volts: float) -> tuple[Siemens, Siemens]:
    """What board and SMU read of the junctions, (junctions,) S each."""
    kernel = junctions[0][0]
    if plan.junctions is None:
        found = (station.read_kernel(kernel, volts, plan.averages, path, plan.nplc) for path in ("board", "smu"))
    else:
        found = (station.read_junctions(junctions, volts, plan.averages, path, plan.nplc) for path in ("board", "smu"))
    board, smu = (each.siemens.ravel().astype(np.float64) for each in found)
    return board, smu


def _errors(die: DieResults, plan: CalibratePlan, level: float) -> SmuErrors:
    found = smu_errors(die.provenance.get("instruments", {}), level, plan.nplc)
    if found is None:
        raise RunFailed(
            f"the SMU says it is a {die.provenance.get('instruments', {}).get('smu', {}).get('model')!r}, whose accuracy is not known "
            "here; add its data sheet to drivers/smu/accuracy.py"
        )
    return found


def _provenance(die: DieResults) -> Meta:
    described = die.describe_object()
    instruments: Mapping[str, Any] = described["instruments"]
    kept = ("wafer", "x", "y", "run", "measured_at", "temperature_c", "origin", "code_version", "plan_hash")
    return {**{name: described[name] for name in kept}, "board": instruments.get("crossbar", {}), "smu": instruments.get("smu", {})}
