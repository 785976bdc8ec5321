"""Whether the twin of a wafer, measured again, is told from it; and whether twins made wrong on purpose are.

python -m benchmarks.twin [--wafers 5] [--fab default] [--model auto|pillars|levels]
                          [--board calibrated|typical|ideal]

A simulated wafer is measured over the wire path's noise model and fitted; the fab file is written, read by the simulator, made
with another seed, measured with the same board and compared. The board is calibrated against its SMU as the service does it, or
left as it is (typical): then what it is off by comes in twice, once in the maps and once in reading the twin.
Bars: Kolmogorov-Smirnov distance at most 0.02 in each state, every defect count within the predictive 95 %; twins with R_P up by
3 % or with shorts doubled must fail.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.measured_wafer import calibration_of, measured_wafer
from firmware_protocol.geometry import Geometry
from hil.analysis.calibration import Calibration
from hil.analysis.likeness import Likeness, likeness
from hil.analysis.measured import MeasuredDie
from hil.analysis.twin import ModelName, Twin, fit_twin
from hil.analysis.twin_file import fab_text
from simulator.board import IDEAL, TYPICAL, Board
from simulator.physics.fab import load_fab
from simulator.physics.wafer import DieIndex, Wafer

ANOTHER = 10_000
"""Added to a seed for the wafer that the twin's file makes."""


def twins(twin: Twin) -> Iterator[tuple[str, Twin]]:
    """(what was done to it, the twin): as it is, with R_P up by 3 %, with twice the shorts."""
    yield "twin", twin
    yield "R_P + 3 %", thicker(twin, 1.03)
    yield "shorts doubled", with_shorts(twin, 2.0)


def thicker(twin: Twin, times: float) -> Twin:
    """R_P of every junction of every die that much larger."""
    dies = {die: {**own, "ra_factor": own.get("ra_factor", 1.0) * times} for die, own in twin.dies.items()}
    return replace(twin, dies=dies)


def with_shorts(twin: Twin, times: float) -> Twin:
    """Isolated shorts that many times as frequent, everywhere."""
    parameters = {**twin.parameters, "short_rate": twin.parameters["short_rate"] * times}
    dies = {die: {**own, **({"short_rate": own["short_rate"] * times} if "short_rate" in own else {})} for die, own in twin.dies.items()}
    return replace(twin, parameters=parameters, dies=dies)


@dataclass(frozen=True)
class Instrument:
    """A board, and its calibration where it has one."""

    board: Board
    calibration: Calibration | None

    @classmethod
    def of(cls, seed: int, kind: str) -> "Instrument":
        geometry = Geometry()
        board = Board(seed, max(geometry.rows, geometry.columns), IDEAL if kind == "ideal" else TYPICAL)
        return cls(board, calibration_of(seed) if kind == "calibrated" else None)

    def measured(self, wafer: Wafer, seed: int) -> list[MeasuredDie]:
        return measured_wafer(wafer, seed, self.board, self.calibration)


def remade(twin: Twin, seed: int, instrument: Instrument, dies: tuple[DieIndex, ...] | None = None) -> list[MeasuredDie]:
    """The wafer that the twin's file makes, measured."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "twin.toml")
        file.write_text(fab_text(twin, "a simulated wafer"), encoding="utf-8")
        return instrument.measured(Wafer(seed, load_fab(str(file)), dies), seed)


def told(found: Likeness) -> str:
    distances = ", ".join(f"{state} {distance:.4f}" for state, distance in found.distances.items())
    outside = [f"{each.of} {each.other}, predicted {each.low} to {each.high}" for each in found.counts if not each.holds]
    return f"distance {distances} (at most {found.limit}); counts {'as predicted' if not outside else '; '.join(outside)}"


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--wafers", type=int, default=5)
    parser.add_argument("--fab", default="default")
    parser.add_argument("--model", choices=("auto", "pillars", "levels"), default="auto")
    parser.add_argument("--board", choices=("calibrated", "typical", "ideal"), default="calibrated")
    asked = parser.parse_args()
    model: ModelName = asked.model
    right = 0
    for seed in range(1, asked.wafers + 1):
        instrument = Instrument.of(seed, asked.board)
        original = instrument.measured(Wafer(seed, load_fab(asked.fab)), seed)
        twin = fit_twin(original, model)
        for name, each in twins(twin):
            found = likeness(original, remade(each, seed + ANOTHER, instrument))
            right += found.holds == (name == "twin")
            print(f"wafer {seed}, {twin.model}, {name}: {'taken' if found.holds else 'rejected'}; {told(found)}")
    print(f"{right} of {3 * asked.wafers} verdicts right: twins taken, wrong ones rejected")
    return 0 if right == 3 * asked.wafers else 1


if __name__ == "__main__":
    sys.exit(main())
