"""Classes of whole simulated wafers against the truth, and whether the confidence stated with each is a probability.

Every die goes through the service's own procedure, correction and rule, in process: the board's errors and converter, its calibration
against an SMU that is off itself, junctions that flicker, telegraph and keep no state. What can be written is taken as written. Truth is
the contract's: noise-free conductance at the read voltage, means over the die's own good junctions.

Aims: recall and precision at least 0.999 for shorts and opens, 0.99 for stuck, 0.95 for low TMR; in bins of at least 1,000 calls of a
class the 99 % interval of the share that is right holds the mean stated confidence; log loss below that of the class frequencies. They
are aims of path auto on a calibrated board; the others are printed beside it.

python -m benchmarks.classify [preset] [dies] [seed,seed,...] [path+board,...]       paths: auto, board; boards: calibrated, uncalibrated
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.reliability import LEAST_CALLS, bins_of, log_losses
from hil.model.defects import Defect
from tests.support.classification_bench import Classified, Lab

AIMS = {Defect.SHORT: 0.999, Defect.OPEN: 0.999, Defect.STUCK_P: 0.99, Defect.STUCK_AP: 0.99, Defect.LOW_TMR: 0.95}
KINDS = (Defect.GOOD, *AIMS, Defect.UNSTABLE)
WAYS = ("auto+calibrated", "board+calibrated", "auto+uncalibrated")
SEEDS, DIES = (1, 2, 3), 36


@dataclass(frozen=True)
class Calls:
    """Every junction of every die, flat. truth, called: codes. confidence: of the class called."""

    truth: NDArray[np.uint8]
    called: NDArray[np.uint8]
    confidence: NDArray[np.float64]

    @classmethod
    def of(cls, dies: Sequence[Classified]) -> "Calls":
        def flat(arrays: list[NDArray[Any]]) -> NDArray[Any]:
            return np.concatenate([array.ravel() for array in arrays])

        found = [die.found for die in dies]
        return cls(
            flat([die.truth for die in dies]), flat([each.codes for each in found]), flat([each.confidence.astype(float) for each in found])
        )

    def counts(self, kind: Defect) -> tuple[int, int, int]:
        """(true, called, both)."""
        true, called = self.truth == kind, self.called == kind
        return int(true.sum()), int(called.sum()), int((true & called).sum())


def print_classes(calls: Calls) -> bool:
    """Recall, precision, confusion. Whether the aims are met."""
    reached = True
    print("            truth   called   recall precision   aim   called as " + " ".join(f"{kind.name.lower():>8}" for kind in KINDS))
    for kind in KINDS:
        true, called, both = calls.counts(kind)
        recall, precision = (both / count if count else float("nan") for count in (true, called))
        aim = AIMS.get(kind)
        row = " ".join(f"{int(((calls.truth == kind) & (calls.called == other)).sum()):8d}" for other in KINDS)
        told = "     -" if aim is None else f"{aim:6.3f}"
        print(f"{kind.name.lower():9} {true:8d} {called:8d}  {recall:.5f}   {precision:.5f} {told}             {row}")
        reached &= aim is None or min(recall, precision) >= aim
    return reached


def print_reliability(calls: Calls) -> bool:
    """The reliability table. Whether every bin of enough calls holds."""
    reached = True
    print("class         calls  stated confidence  right      99 % interval")
    for kind in KINDS:
        those = calls.called == kind
        if not those.any():
            continue
        for each in bins_of(calls.confidence[those], calls.truth[those] == kind):
            low, high = each.interval
            enough = each.calls >= LEAST_CALLS
            verdict = "holds" if each.holds else "DOES NOT HOLD"
            print(
                f"{kind.name.lower():9} {each.calls:9d}  {each.stated:.7f}          {each.hits / each.calls:.7f}  {low:.7f} to {high:.7f}  "
                f"{verdict if enough else f'{verdict}, too few calls to count'}"
            )
            reached &= each.holds or not enough
    return reached


def classified(fab: str, way: str, seeds: Sequence[int], dies: int) -> Calls:
    path, board = way.split("+")
    began_s, found = time.perf_counter(), list[Classified]()
    for seed in seeds:
        found.extend(Lab(seed, fab, calibrated=board == "calibrated").classified(path, dies))
    each_s = (time.perf_counter() - began_s) / len(found)
    again = sum(int(die.found.meta.get("reread", {}).get("junctions", 0)) for die in found) / len(found)
    print(
        f"\n{fab}, path {path}, board {board}: {len(found)} dies of {len(seeds)} wafers; {again:.1f} junctions of a die read again by "
        f"{sum(die.smu_readings for die in found) / len(found):.0f} readings of the SMU; {each_s:.2f} s a die, simulation included"
    )
    return Calls.of(found)


def main(fab: str = "default", dies: str = str(DIES), seeds: str = "", ways: str = "") -> int:
    numbers = [int(each) for each in seeds.split(",")] if seeds else list(SEEDS)
    reached = True
    for way in ways.split(",") if ways else WAYS:
        calls = classified(fab, way, numbers, int(dies))
        right, honest = print_classes(calls), print_reliability(calls)
        stated, by_prior = log_losses(calls.truth, calls.called, calls.confidence)
        print(f"log loss {stated:.6f} nats a junction, by class frequencies {by_prior:.6f}")
        verdict = right and honest and stated < by_prior
        print(f"aims {'met' if verdict else 'missed'}: classes {'yes' if right else 'no'}, confidence {'yes' if honest else 'no'}")
        reached &= verdict or way != WAYS[0]
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
