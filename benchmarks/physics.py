"""The simulated wafer in process, without a wire: what making, reading and programming cost.

Aims: a 36-die wafer made in 1 s, a whole die read (noise, board, ADC) in 5 ms, a whole die programmed with stochastic switching in 50 ms.
Times are of the processor, in one thread: what else the machine does is nobody's figure. Medians.

python -m benchmarks.physics
"""

import statistics
import sys
import time
from collections.abc import Callable

import numpy as np

from simulator.board import Board
from simulator.fast import read_die
from simulator.physics.fab import PRESETS
from simulator.physics.wafer import Wafer

SEED = 20261122
AIMS_S = {"made": 1.0, "read": 0.005, "programmed": 0.05}
EVERYTHING = np.arange(20_000)


def median_s(do: Callable[[int], object], repeats: int) -> float:
    times = []
    for repeat in range(repeats):
        began_s = time.process_time()
        do(repeat)
        times.append(time.process_time() - began_s)
    return statistics.median(times)


def make(repeat: int) -> Wafer:
    wafer = Wafer(SEED + repeat, PRESETS["default"])
    for index in wafer.dies:
        wafer.die(index)
    return wafer


def main() -> int:
    die, rng = make(0).die((0, 0)), np.random.default_rng(0)
    board = Board(SEED, 25)

    def program(repeat: int) -> None:
        die.pulse(EVERYTHING, 0.8 if repeat % 2 else -0.8, 1e-7, rng)

    read_die(die, board, rng)  # the slow noise of a die is drawn at its first reading
    found_s = {
        "made": median_s(make, 5),
        "read": median_s(lambda _: read_die(die, board, rng), 21),
        "programmed": median_s(program, 21),
    }
    what = {"made": "36 dies made", "read": "a die of 20,000 junctions read", "programmed": "a die programmed, one pulse each"}
    print("; ".join(f"{what[name]}: {taken_s * 1e3:.1f} ms (aim {AIMS_S[name] * 1e3:.0f})" for name, taken_s in found_s.items()))
    return 0 if all(found_s[name] <= aim for name, aim in AIMS_S.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
