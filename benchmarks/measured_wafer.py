"""Simulated wafers as the service would have measured and classified them, without the wire."""

import numpy as np
from numpy.typing import NDArray

from benchmarks.coverage import Bench, references
from hil.analysis.calibration import Calibration, fit
from hil.analysis.classify import classify
from hil.analysis.measured import MeasuredDie
from hil.analysis.uncertainty import Taken, by_the_board
from hil.model.maps import ConductanceMap, Meta
from simulator.board import Board
from simulator.fast import wafer_maps
from simulator.physics.wafer import Wafer

READING = {"averages": 4, "path": "board"}
READ_VOLTS = 0.1
Siemens = NDArray[np.float32]


def measured_wafer(wafer: Wafer, seed: int, board: Board | None = None, calibration: Calibration | None = None) -> list[MeasuredDie]:
    """Every die of it, in order. seed: of the read noise. board: it is read with; the wafer's own where not told. calibration: of it."""
    p, ap = wafer_maps(wafer, seed, board)
    meta: Meta = {**READING, **({"noise": calibration.noise.as_json()} if calibration else {})}
    dies: list[MeasuredDie] = []
    for place, high, low in zip(wafer.dies, p, ap, strict=True):
        maps = [ConductanceMap(_corrected(raw, calibration), state, READ_VOLTS, dict(meta)) for raw, state in ((high, "P"), (low, "AP"))]
        dies.append(MeasuredDie(maps[0], maps[1], classify(maps[0], maps[1]), place))
    return dies


def calibration_of(seed: int) -> Calibration:
    """What the service finds of the board with this seed, against its SMU, on one kernel of a die."""
    bench = Bench.of(seed)
    _, rows, columns = bench.world.geometry.shape
    return fit(references(bench), rows, columns)[0]


def _corrected(raw: Siemens, calibration: Calibration | None) -> Siemens:
    # Read without the wire and without needles: there is no contact resistance to take off.
    return raw if calibration is None else by_the_board(raw, Taken(READ_VOLTS, READING["averages"], 0.0), calibration).siemens
