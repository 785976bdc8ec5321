"""Simulated wafers as the service would have measured and classified them, without the wire."""

from hil.analysis.classify import classify
from hil.analysis.measured import MeasuredDie
from hil.model.maps import ConductanceMap
from simulator.board import Board
from simulator.fast import wafer_maps
from simulator.physics.wafer import Wafer

READING = {"averages": 4, "path": "board"}
READ_VOLTS = 0.1


def measured_wafer(wafer: Wafer, seed: int, board: Board | None = None) -> list[MeasuredDie]:
    """Every die of it, in order. seed: of the read noise. board: it is read with; the wafer's own where not told."""
    p, ap = wafer_maps(wafer, seed, board)
    dies: list[MeasuredDie] = []
    for place, high, low in zip(wafer.dies, p, ap, strict=True):
        maps = ConductanceMap(high, "P", READ_VOLTS, dict(READING)), ConductanceMap(low, "AP", READ_VOLTS, dict(READING))
        dies.append(MeasuredDie(*maps, classify(*maps), place))
    return dies
