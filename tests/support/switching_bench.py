"""A switching plan on a simulated die in process: the procedure is the service's own, the wire between is left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.analysis.switching import SwitchingTable
from hil.model.lab import ChipSection
from hil.model.plans import PLAN
from hil.runs.switching import Tested, switch_kernel
from hil.station.reading import Conductance
from simulator.board import Board
from simulator.physics.die import Die
from simulator.physics.fab import PRESETS
from simulator.physics.mtj import Law
from simulator.physics.wafer import Wafer

HOME = (0, 0)
VOLTS = {
    1: (*np.arange(0.38, 0.56, 0.01), *-np.arange(0.52, 0.76, 0.01)),
    2: (*np.arange(0.24, 0.50, 0.0125), *-np.arange(0.34, 0.68, 0.0125)),
}
"""Pulses at which an array of the clean preset switches now and then, by the exponent of its law."""
WIDTHS_S = (1e-7, 1e-6, 1e-5)
EXPOSURE_S = 1e-4


@dataclass
class Lab:
    """What `Tested` asks of a station's configuration."""

    chip: ChipSection


class StationInProcess:
    """Reads and pulses the junctions of one die through the board's converter."""

    def __init__(self, die: Die, seed: int) -> None:
        self._die, self._board = die, Board(seed, die.geometry.columns)
        self._rng = np.random.default_rng([seed, 77])
        self.lab = Lab(ChipSection(kernels=die.geometry.kernels, rows=die.geometry.rows, columns=die.geometry.columns))

    def read_junctions(self, junctions: Sequence[Any], read_volts: float, averages: int, *_: Any) -> Conductance:
        devices = np.ravel_multi_index(tuple(np.array(junctions).T), self._die.geometry.shape)
        siemens = self._die.read_devices(devices, read_volts, averages, EXPOSURE_S, self._rng)
        amps = self._board.seen(read_volts * siemens, averages, self._rng, devices % self._die.geometry.columns)
        return Conductance((amps / read_volts).astype(np.float32), 0)

    def pulse(self, kernel: int, mask: NDArray[np.bool_], volts: float, seconds: float) -> NDArray[np.bool_]:
        self._die.pulse(np.flatnonzero(mask) + kernel * mask.size, volts, seconds, self._rng)
        return mask.copy()


@dataclass(frozen=True)
class Truth:
    """Array means over the junctions tested. asymmetry: V_c0 from P to AP over that from AP to P."""

    critical_volts: float
    stability: float
    asymmetry: float

    def critical(self, polarity: str) -> float:
        return self.critical_volts * (self.asymmetry if polarity == "p_to_ap" else 1.0)


def switched_die(seed: int, exponent: int, junctions: int, repeats: int, **fields: Any) -> tuple[SwitchingTable, Truth]:
    """Counts of `junctions` of one kernel of a clean die whose law has this exponent, and what is true of them."""
    die = Wafer(seed, PRESETS["clean"]).die(HOME)
    die.law = Law(exponent=float(exponent))
    chosen = np.sort(np.random.default_rng([seed, 78]).choice(625, junctions, replace=False))
    places = [[0, int(row), int(column)] for row, column in zip(*np.unravel_index(chosen, (25, 25)), strict=True)]
    asked = {"pulse_volts": [round(float(each), 4) for each in VOLTS[exponent]], "pulse_s": WIDTHS_S, "repeats": repeats, **fields}
    plan = PLAN.validate_python({"kind": "switching", "wafer": "W1", "junctions": places, **asked})
    station: Any = StationInProcess(die, seed)
    table = table_of(plan, switch_kernel(Tested(station, plan, 0)).arrays)
    of = die.junctions[tuple(np.array(places).T)]
    return table, Truth(float(of.critical_volts.mean()), float(of.stability.mean()), die.law.asymmetry)


def table_of(plan: Any, arrays: Any) -> SwitchingTable:
    return SwitchingTable(
        HOME, np.array(plan.junctions), np.array(plan.pulse_volts), np.array(plan.pulse_s),
        arrays["switched"], arrays["trials"], arrays["siemens_p"], arrays["siemens_ap"], plan.read_volts,
    )  # fmt: skip
