"""The board between a network and a die, as its calibration knows it: what to tell the drivers, and which current a reading was of.

Rule 1: the service keeps every current as it was read. Corrected ones exist here alone, and whoever uses them says by which calibration.
Rule 2: currents are corrected only where the maps were as well: one side alone sets prediction and die further apart than neither.
Rule 3: only the newest calibration of this very board counts, and only while it is valid.
Model: hil.analysis.board_model, of sums as of single junctions: a sense line has one gain, offset and bow whatever makes its current."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.analysis.board_model import DRIVE_STEP_VOLTS, Floats, Lines
from hil.analysis.calibration import MODEL
from hil.client import LabClient
from hil.model.lab import DieIndex
from hil.training.packing import COLUMNS, ROWS


@dataclass(frozen=True)
class Board:
    """calibration: id of the one that corrects; None where nothing is corrected, and why says why. lines: (25,) of columns, of rows."""

    calibration: str | None
    lines: Lines
    why: str = ""

    def told(self, volts: NDArray[np.floating[Any]], averages: int) -> Floats:
        """What to tell the drivers, one time after the other, (averages, ..., rows) V; in the mean rows then stand at volts (..., rows) V.

        A DAC's step is left over each time and made up for the next time. Rows at 0 V stay there: told 0, a line is the reference itself.
        """
        wanted = np.asarray(volts, np.float64)
        told, owed = np.empty((averages, *wanted.shape)), np.zeros_like(wanted)
        for turn in range(averages):
            exact = (wanted + owed - self.lines.drive_volts) / (1.0 + self.lines.drive_gain)
            told[turn] = np.where(wanted == 0.0, 0.0, DRIVE_STEP_VOLTS * np.rint(exact / DRIVE_STEP_VOLTS))
            owed += wanted - np.where(told[turn] == 0.0, 0.0, self.lines.volts(told[turn]))
        return told

    def amps(self, read: NDArray[np.floating[Any]]) -> Floats:
        """Currents (..., columns) A of what was read; NaN stays NaN."""
        return self.lines.amps(np.asarray(read, np.float64))


def as_read(why: str) -> Board:
    """A board taken at its word."""
    rows, columns = np.zeros(ROWS), np.zeros(COLUMNS)
    return Board(None, Lines(columns, columns, columns, rows, rows, np.zeros(())), why)


def board_of(lab: LabClient, wafer: str, dies: Iterable[DieIndex]) -> Board:
    """The station's board, for products on dies whose newest maps predict them. Raises LabError."""
    plain = next((die for die in dies if not _is_corrected(lab, wafer, die)), None)
    if plain is not None:
        return as_read(f"the maps of die {plain} were made without a calibration; calibrate the board, then characterise the die again")
    serial = str(lab.station()["instruments"].get("crossbar", {}).get("serial", ""))
    newest = next((each for each in lab.calibrations(1000) if each["board"].get("serial") == serial), None)
    if newest is None:
        return as_read(f"board {serial} was never calibrated; run the plan calibrate")
    if not newest["valid"]:
        return as_read(f"the calibration of board {serial} ended at {newest['expires_at']}; run the plan calibrate again")
    if newest["model"] != MODEL:
        return as_read(f"the calibration of board {serial} is of model {newest['model']}; this release knows {MODEL}")
    return _calibrated(lab.calibration(newest["id"]))


def _is_corrected(lab: LabClient, wafer: str, die: DieIndex) -> bool:
    """Whether the maps behind a die's newest defect map were, or needed no board."""
    defects = next((each["defect_map"] for each in lab.wafer(wafer)["dies"] if (each["x"], each["y"]) == tuple(die)), None)
    inputs: dict[str, str] = {} if defects is None else lab.map_meta(defects).get("inputs") or {}
    metas = [lab.map_meta(each) for each in inputs.values()]
    return bool(metas) and all(meta.get("calibration") is not None or meta.get("path") == "smu" for meta in metas)


def _calibrated(told: dict[str, Any]) -> Board:
    """told: what the service says of one calibration."""

    def each(lines: str, name: str) -> Floats:
        return np.array([line[name] for line in told[lines]])

    lines = Lines(
        gain=each("sense_lines", "gain"),
        offset=each("sense_lines", "offset_amps"),
        bow=each("sense_lines", "bow_amps"),
        drive_gain=each("drive_lines", "gain"),
        drive_volts=each("drive_lines", "offset_volts"),
        level=np.zeros(()),  # What is told is a whole number of the DAC's steps.
    )
    return Board(str(told["id"]), lines)
