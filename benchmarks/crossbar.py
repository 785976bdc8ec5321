"""Currents of a crossbar whose lines have resistance: our block elimination against badcrossbar, 100 x 50, in one run.

Aims: at least 5 times faster cold, from resistances to the currents of 100 vectors; at least 100 times over 10,000 vectors on one die;
the same currents within 1e-9, relative. badcrossbar's further currents and voltages are switched off.

python -m benchmarks.crossbar
"""

import contextlib
import io
import logging
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from simulator.physics.crossbar import Lines, effective_siemens

ROWS, COLUMNS = 100, 50
LINES = Lines(word_ohms=2.0, bit_ohms=2.0)
COLD_AIM, MANY_AIM, AGREEMENT_AIM = 5.0, 100.0, 1e-9
WITNESS = Path(sys.prefix) / "witnesses" / "badcrossbar-1.1.0"


def witness() -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    sys.path.insert(0, str(WITNESS))
    logging.disable(logging.CRITICAL)
    # It reports the drawing library that it misses and that nobody here needs, whatever the filter of warnings says.
    with contextlib.redirect_stderr(io.StringIO()):
        import badcrossbar

    def currents(ohms: np.ndarray, volts: np.ndarray) -> np.ndarray:
        solved = badcrossbar.compute(
            volts.T, ohms, r_i_word_line=LINES.word_ohms, r_i_bit_line=LINES.bit_ohms, node_voltages=False, all_currents=False
        )
        return solved.currents.output

    return currents


def ours(ohms: np.ndarray, volts: np.ndarray) -> np.ndarray:
    return volts @ effective_siemens(1.0 / ohms, LINES)


def timed(solve: Callable[[np.ndarray, np.ndarray], np.ndarray], volts: np.ndarray, repeats: int) -> tuple[float, np.ndarray]:
    """(median s, currents of the last array); every repeat has an array of its own."""
    times, found = [], np.zeros(0)
    for seed in range(repeats):
        ohms = array(seed)
        began_s = time.perf_counter()
        found = solve(ohms, volts)
        times.append(time.perf_counter() - began_s)
    return statistics.median(times), found


def array(seed: int) -> np.ndarray:
    """Cells in both states, with 0.5 % shorts and 0.2 % opens, Ohm."""
    rng = np.random.default_rng(seed)
    ohms = np.where(rng.random((ROWS, COLUMNS)) < 0.5, 2_985.0, 5_376.0) * np.exp(0.05 * rng.standard_normal((ROWS, COLUMNS)))
    kind = rng.random((ROWS, COLUMNS))
    return np.select([kind < 0.005, kind < 0.007], [1_050.0, 1e8], ohms)


def main() -> int:
    if not WITNESS.is_dir():
        print(f"{WITNESS} is missing; run scripts/set_up.py")
        return 1
    theirs, reached = witness(), True
    rng = np.random.default_rng(1)
    for vectors, repeats, their_repeats, aim in ((100, 15, 5, COLD_AIM), (10_000, 7, 1, MANY_AIM)):
        volts = rng.uniform(0.0, 0.1, (vectors, ROWS))
        timed(theirs, volts[:2], 1), timed(ours, volts[:2], 1)  # imports and first calls are nobody's time
        their_s, their_amps = timed(theirs, volts, their_repeats)
        our_s, _ = timed(ours, volts, repeats)
        our_amps = ours(array(their_repeats - 1), volts)
        apart = float(np.abs(our_amps / their_amps - 1.0).max())
        ratio = their_s / our_s
        print(
            f"{ROWS} x {COLUMNS}, {vectors:,} vectors: {our_s * 1e3:.1f} ms, badcrossbar {their_s * 1e3:,.0f} ms: {ratio:.0f} times faster "
            f"(aim {aim:.0f}); currents agree within {apart:.1e} relative (aim {AGREEMENT_AIM:.0e})"
        )
        reached &= ratio >= aim and apart <= AGREEMENT_AIM
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
