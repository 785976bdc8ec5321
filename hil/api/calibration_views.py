"""Calibrations as bodies of the API: what the list tells of each, and every line of one."""

from datetime import datetime
from typing import Any

import numpy as np
from pydantic import BaseModel, Field

from hil.analysis.calibration import from_document
from hil.api.models import EXAMPLE_SHA256, Time
from hil.model.maps import from_npy_bytes
from hil.store.protocol import Store
from hil.store.records import CalibrationRecord


class Calibration(BaseModel):
    """A board calibrated against the SMU. valid: not expired; a board's newest one counts, and only while it is valid. levels: V.

    fit: readings used and left out, chi_squared over them, rms of what is left (residual_amps), ratio by which every uncertainty was
    enlarged. noise: of the board's conversion, A, and of junctions, relative, by what they conduct. values, covariance: arrays of all
    parameters, at /objects/{sha256}; docs/calibration.md says which is which.
    """

    id: str = Field(examples=[EXAMPLE_SHA256])
    board: dict[str, Any] = Field(examples=[{"vendor": "MTJ-HIL", "model": "XB-32 (simulated)", "serial": "SIM7", "firmware": "sim-1.1.0"}])
    version: int = Field(description="which calibration of this board: 1, 2, ...", examples=[3])
    valid: bool
    made_at: Time
    expires_at: Time
    run: str
    wafer: str
    x: int
    y: int
    temperature_c: float | None
    smu: dict[str, Any]
    origin: dict[str, Any] = Field(examples=[{"simulated": True, "seed": 7}])
    model: str = Field(examples=["lines-1"])
    junctions: int = Field(description="reference junctions", examples=[625])
    averages: int
    levels: list[float] = Field(examples=[[0.05, 0.1, 0.2]])
    fit: dict[str, float] = Field(
        examples=[{"readings": 3750, "left_out": 2, "chi_squared": 3702.1, "residual_amps": 5.7e-8, "ratio": 1.0}]
    )
    noise: dict[str, Any] = Field(examples=[{"amps": 3.1e-7, "siemens": [1.86e-4, 3.35e-4], "relative": [0.003, 0.001]}])
    values: str = Field(examples=[EXAMPLE_SHA256])
    covariance: str = Field(examples=[EXAMPLE_SHA256])


class CalibrationPage(BaseModel):
    items: list[Calibration]
    next_cursor: str | None


class SenseLine(BaseModel):
    """What a sense line (column) makes of a current: gain error, relative; offset; bow at full scale, A; standard uncertainties."""

    gain: float
    gain_uncertainty: float
    offset_amps: float
    offset_amps_uncertainty: float
    bow_amps: float
    bow_amps_uncertainty: float


class DriveLine(BaseModel):
    """What a drive line (row) makes of a voltage: gain error, relative, and offset, V; standard uncertainties."""

    gain: float
    gain_uncertainty: float
    offset_volts: float
    offset_volts_uncertainty: float


class CalibrationDetail(Calibration):
    """sense_lines: by column. drive_lines: by row. level_volts: what the drivers' steps add to each level, V.

    Gains of sense and drive lines are known together far better than one by one; the covariance says so.
    """

    sense_lines: list[SenseLine]
    drive_lines: list[DriveLine]
    level_volts: list[float]


def calibration_view(record: CalibrationRecord, now: datetime) -> Calibration:
    return Calibration.model_validate(_fields(record, now))


def calibration_detail(store: Store, calibration_id: str, now: datetime) -> CalibrationDetail:
    """Raises NotFound, Corrupt."""
    record = store.calibration(calibration_id)
    values, covariance = (from_npy_bytes(store.get_object(sha256)) for sha256 in (record.values, record.covariance))
    layout = from_document(record.document, values, covariance, record.id).layout
    sigmas = np.sqrt(np.diag(covariance))
    sense, drive, levels = 3 * layout.columns, 2 * layout.rows, len(layout.levels)
    of_sense = np.stack([values[:sense], sigmas[:sense]]).reshape(2, 3, layout.columns).transpose(2, 1, 0).reshape(-1, 6).tolist()
    of_drive = np.stack([each[sense : sense + drive] for each in (values, sigmas)]).reshape(2, 2, layout.rows).transpose(2, 1, 0)
    return CalibrationDetail.model_validate(
        {
            **_fields(record, now),
            "sense_lines": [dict(zip(SenseLine.model_fields, line, strict=True)) for line in of_sense],
            "drive_lines": [dict(zip(DriveLine.model_fields, line, strict=True)) for line in of_drive.reshape(-1, 4).tolist()],
            "level_volts": values[len(values) - levels :].tolist(),
        }
    )


def _fields(record: CalibrationRecord, now: datetime) -> dict[str, Any]:
    own = {name: getattr(record, name) for name in ("id", "version", "run", "made_at", "expires_at", "values", "covariance")}
    return {**record.document, **own, "valid": now < datetime.fromisoformat(record.expires_at)}
