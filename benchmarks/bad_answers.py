"""Operations on a line whose answers come late, lost, split, cut and garbled: is a value handed out that was not measured?

python -m benchmarks.bad_answers [--operations 10000] [--probability 0.01] [--seed 1]

Each answer is struck by each of six faults with that probability: late (longer than anybody waits), lost, split in two, cut in half, one
bit flipped, two bytes exchanged. The truth is what the simulated instrument's analog part measured. PyMeasure in the same harness is
the control.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial

import numpy as np
from pymeasure.adapters import VISAAdapter
from pymeasure.instruments.keithley import Keithley2450 as PyMeasure2450

from tests.support.smu_on_a_bad_line import (
    LEVELS_VOLTS,
    MODELS,
    TIMEOUT_S,
    Operation,
    Tally,
    Truth,
    bad_answers,
    badly_connected,
    our_operations,
    tallied,
)

_CONTROL_OPERATIONS = 1_000
_BOUND_S = 3.0
"""Longest that one operation may take: its own deadlines, those of settling the line and of connecting anew."""


def ours(model: str, operations: int, probability: float, seed: int) -> Tally:
    with badly_connected(model, bad_answers(probability), seed) as (address, truth, world):
        return tallied(our_operations(model, address, truth, world, seed), operations)


def pymeasures(operations: int, probability: float, seed: int) -> Tally:
    """PyMeasure's Keithley2450: a reading is wrong where it is off by more than one in a hundred from every one taken for it."""
    with badly_connected("2450", bad_answers(probability), seed) as (address, truth, _):
        adapter = VISAAdapter(address, visa_library="@py", read_termination="\n", write_termination="\n", timeout=round(TIMEOUT_S * 1000))
        with closing(adapter):
            smu = PyMeasure2450(adapter)
            for line in (":SOUR:FUNC VOLT", ":SOUR:VOLT:RANG 0.2", ":SOUR:VOLT:ILIM 1e-2", ":SENS:FUNC 'CURR'", ":SENS:CURR:NPLC 0.01"):
                smu.write(line)
            smu.write("OUTPUT ON")
            return _control(_of_pymeasure(smu, truth, seed), operations)


def _of_pymeasure(smu: PyMeasure2450, truth: Truth, seed: int) -> Iterator[Operation]:
    rng = np.random.default_rng(seed)

    def measured(level: float) -> str | None:
        before = len(truth.samples)
        smu.source_voltage = level
        amps = float(smu.current)
        taken = [each.amps for each in truth.samples[before:]]
        return None if any(abs(amps - each) <= 0.01 * abs(each) for each in taken) else f"{amps} A, measured {taken}"

    while True:
        yield partial(measured, float(rng.uniform(*LEVELS_VOLTS)))


def _control(operations: Iterator[Operation], count: int) -> Tally:
    tally = Tally()
    for _, operation in zip(range(count), operations, strict=False):
        try:
            wrong = operation()
        except Exception as error:  # noqa: BLE001 - whatever somebody else's client raises
            tally.refused[type(error).__name__] += 1
            continue
        tally.done += 1
        if wrong is not None:
            tally.wrong.append(wrong)
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--operations", type=int, default=10_000)
    parser.add_argument("--probability", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    failed = False
    for model in MODELS:
        began = time.perf_counter()
        tally = ours(model, given.operations, given.probability, given.seed)
        refused = ", ".join(f"{number} {name}" for name, number in tally.refused.most_common())
        print(
            f"{model}: {given.operations:,} operations in {time.perf_counter() - began:.0f} s, {tally.done:,} answered, {refused}; "
            f"{len(tally.wrong)} wrong values, {tally.stuck} never settled, the longest took {tally.longest_s:.2f} s (bound {_BOUND_S} s)"
        )
        failed |= bool(tally.wrong or tally.stuck) or tally.longest_s > _BOUND_S
        for text in tally.wrong[:5]:
            print(f"  {text}")
    control = pymeasures(_CONTROL_OPERATIONS, given.probability, given.seed)
    print(
        f"control, PyMeasure on the 2450: {_CONTROL_OPERATIONS:,} operations, {control.done} answered, "
        f"{sum(control.refused.values())} raised; {len(control.wrong)} wrong values handed out"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
