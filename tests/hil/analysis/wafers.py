"""Small simulated wafers as measured: eight kernels a die, a few dies, no wire."""

from dataclasses import replace
from functools import cache

from firmware_protocol.geometry import Geometry
from hil.analysis.classify import classify
from hil.analysis.measured import MeasuredDie
from hil.model.maps import ConductanceMap
from simulator.board import IDEAL, Board
from simulator.fast import wafer_maps
from simulator.physics.fab import Fab, load_fab
from simulator.physics.wafer import Wafer, nearest_dies

GEOMETRY = Geometry(8, 25, 25)
READING = {"averages": 4, "path": "board"}


def measured(fab: Fab, seed: int, dies: int = 12, read_seed: int | None = None) -> tuple[MeasuredDie, ...]:
    """The dies nearest the centre, read with a board that adds noise and nothing else."""
    wafer = Wafer(seed, fab, nearest_dies(dies), GEOMETRY)
    p, ap = wafer_maps(wafer, seed if read_seed is None else read_seed, Board(1, 25, IDEAL))
    found: list[MeasuredDie] = []
    for place, high, low in zip(wafer.dies, p, ap, strict=True):
        maps = ConductanceMap(high, "P", 0.1, dict(READING)), ConductanceMap(low, "AP", 0.1, dict(READING))
        found.append(MeasuredDie(*maps, classify(*maps), place))
    return tuple(found)


@cache
def default_wafer(seed: int = 3) -> tuple[MeasuredDie, ...]:
    """Of the default fab, with more shorts, so that small dies have enough of them."""
    return measured(replace(load_fab("default"), short_rate=0.006), seed)
