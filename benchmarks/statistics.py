"""Whether 95 % intervals of a wafer's statistics hold the truth 89 to 99 times in a hundred simulated wafers.

python -m benchmarks.statistics [--wafers 100] [--fab default] [--board calibrated|typical] [--processes 2]

Each wafer has its own seed, board and read noise and is measured over the wire path's noise model, classified and fitted by what
the service uses. The board is calibrated against its SMU as the service does it, or left as it is (typical): then what it is off by
goes into the spread within a die, whose interval is some tenths of a per cent wide.
The truth is the foundry's: rates of classes from the noise-free conductance of 360 further dies without faulty lines, at the mean
rate of shorts; spreads from the foundry's parameters through the cell's own response to them.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import repeat
from typing import Any

import numpy as np

from benchmarks.measured_wafer import calibration_of, measured_wafer
from firmware_protocol.geometry import Geometry
from hil.analysis.measured import KINDS
from hil.analysis.statistics import wafer_statistics
from hil.model.defects import Defect
from simulator.physics.die import CLASS_VOLTS, Die
from simulator.physics.fab import Fab, load_fab
from simulator.physics.foundry import Spread
from simulator.physics.wafer import Wafer

LOW, HIGH = 89, 99
TRUTH_WAFERS = 10
TRUTH_SEED = 1_000_000
Truth = dict[str, float]
Intervals = dict[str, tuple[float | None, float | None]]


def intervals(statistics: Mapping[str, Any]) -> Intervals:
    """(low, high) of every parameter, by name."""
    found: Intervals = {}
    for name, rate in statistics["isolated"].items():
        found[f"rate {name}, isolated"] = rate["low"], rate["high"]
        found[f"between-die cv {name}"] = rate["cv"]["low"], rate["cv"]["high"]
    for name, rate in statistics["rates"].items():
        found[f"rate {name}, all"] = rate["low"], rate["high"]
    for name, line in statistics["lines"].items():
        found[f"{name} per die"] = line["low"], line["high"]
    for name, spread in statistics["spread"].items():
        for part in ("within", "die"):
            found[f"{part} sigma {name}"] = spread[part]["low"], spread[part]["high"]
        found[f"gradient {name}"] = spread["gradient"]["per_die"]["low"], spread["gradient"]["per_die"]["high"]
    return found


def truth_of(fab: Fab) -> Truth:
    """By the names of `intervals`; what has no truth to compare with is left out."""
    alike = replace(fab, row_opens=0.0, column_opens=0.0, shorted_segments=0.0, short_rate_shape=0.0)
    rates, within = _counted(alike)
    truth = {f"rate {kind.name.lower()}, isolated": rates[kind] for kind in KINDS if kind != Defect.UNSTABLE}
    truth |= {f"between-die cv {kind.name.lower()}": 0.0 for kind in (Defect.OPEN, Defect.STUCK_P, Defect.STUCK_AP, Defect.LOW_TMR)}
    truth["between-die cv short"] = fab.short_rate / np.sqrt(fab.short_rate_shape) / rates[Defect.SHORT]
    opened = 1.0 - np.exp(-(fab.row_opens * 50 + fab.column_opens * 100) / 20_000)
    shorted = fab.shorted_segments * 37.5 * 0.75 / 20_000
    truth["rate open, all"] = rates[Defect.OPEN] + opened * (1.0 - rates[Defect.OPEN])
    truth["rate short, all"] = rates[Defect.SHORT] * (1.0 - opened) + shorted
    for kind in (Defect.STUCK_P, Defect.STUCK_AP, Defect.LOW_TMR):
        truth[f"rate {kind.name.lower()}, all"] = rates[kind] * (1.0 - opened)
    truth |= {"open_row per die": fab.row_opens, "open_column per die": fab.column_opens, "shorted_row per die": fab.shorted_segments}
    return truth | {f"within sigma {name}": value for name, value in within.items()} | _between_dies(fab)


def _counted(fab: Fab) -> tuple[dict[Defect, float], dict[str, float]]:
    """(rate of each class, spread within a die) of many dies, noise-free."""
    counts, variances = np.zeros(256), []
    for seed in range(TRUTH_SEED, TRUTH_SEED + TRUTH_WAFERS):
        wafer = Wafer(seed, fab)
        for index in wafer.dies:
            die = Wafer(seed, fab, (index,)).die(index)
            codes = die.true_classes()
            counts += np.bincount(codes.ravel(), minlength=256)
            p, ap = (die.cell_siemens(state, CLASS_VOLTS)[codes == Defect.GOOD] for state in (True, False))
            variances.append([np.var(np.log(p)), np.var(np.log(ap)), np.var(p / ap) / np.mean(p / ap - 1.0) ** 2])
    within = dict(zip(("P", "AP", "tmr"), np.sqrt(np.mean(variances, axis=0)).tolist(), strict=True))
    return {kind: float(counts[kind] / counts.sum()) for kind in KINDS}, within


def _between_dies(fab: Fab) -> Truth:
    """Spread between dies and the gradient: by how much a die's mean answers to RA and TMR moving as the foundry moves them."""
    step = fab.die_sigma
    up, down = (_means(Spread(float(np.exp(sign * step)), 1.0 + 0.3 * sign * step)) for sign in (1.0, -1.0))
    steep, shallow = (_means(Spread(1.0 + sign * fab.gradient / 4.0)) for sign in (1.0, -1.0))
    found: Truth = {}
    for place, name in enumerate(("P", "AP", "tmr")):
        found[f"die sigma {name}"] = float(abs(up[place] - down[place]) / 2.0)
        if name != "tmr":
            found[f"gradient {name}"] = float(abs(steep[place] - shallow[place]) / 2.0)
    return found


def _means(spread: Spread) -> np.ndarray[Any, np.dtype[np.float64]]:
    die = Die(load_fab("clean"), Geometry(), spread, np.random.default_rng(TRUTH_SEED))
    p, ap = (die.cell_siemens(state, CLASS_VOLTS) for state in (True, False))
    return np.array([np.log(p).mean(), np.log(ap).mean(), np.log((p / ap - 1.0).mean())])


def one_wafer(seed: int, fab: str, board: str) -> Intervals:
    calibration = calibration_of(seed) if board == "calibrated" else None
    return intervals(wafer_statistics(measured_wafer(Wafer(seed, load_fab(fab)), seed, calibration=calibration)))


def covered(truth: Truth, found: list[Intervals]) -> Iterator[tuple[str, float, int, int]]:
    """(name, truth, wafers whose interval holds it, wafers that had one)."""
    for name, value in truth.items():
        known = [(low, high) for low, high in (each[name] for each in found) if low is not None and high is not None]
        yield name, value, sum(low <= value <= high for low, high in known), len(known)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--wafers", type=int, default=100)
    parser.add_argument("--fab", default="default")
    parser.add_argument("--board", choices=("calibrated", "typical"), default="calibrated")
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    truth = truth_of(load_fab(asked.fab))
    with ProcessPoolExecutor(asked.processes) as pool:
        found = list(pool.map(one_wafer, range(asked.wafers), repeat(asked.fab), repeat(asked.board)))
    outside = 0
    for name, value, hits, of in covered(truth, found):
        within = LOW <= 100 * hits / max(of, 1) <= HIGH
        outside += not within
        print(f"{name:32s} truth {value:9.3g}  held by {hits:3d} of {of}{'' if within else '   outside'}")
    held = f"{len(truth) - outside} of {len(truth)} parameters held {LOW} to {HIGH} % of the time"
    print(f"{asked.wafers} wafers, {asked.fab}, {asked.board} boards: {held}")
    return 1 if outside else 0


if __name__ == "__main__":
    sys.exit(main())
