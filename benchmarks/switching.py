"""Critical voltage and thermal stability from switching plans on simulated dies, for both exponents of the law, against what is true of
the junctions tested: error of the array means, coverage of their 95 % intervals, and whether likelihood finds the exponent.

python -m benchmarks.switching [DIES]
"""

import sys
import time

import numpy as np

from hil.analysis.switching import analyse_switching
from tests.support.switching_bench import switched_die

BOUND = 0.05
JUNCTIONS, REPEATS = 60, 8


def main(dies: int) -> int:
    good = True
    for exponent in (1, 2):
        errors: dict[str, list[float]] = {"critical voltage": [], "thermal stability": []}
        held, right, odds, took_s = 0, 0, [], []
        for seed in range(dies):
            table, truth = switched_die(seed, exponent, JUNCTIONS, REPEATS)
            began = time.perf_counter()
            found = analyse_switching([table])
            took_s.append(time.perf_counter() - began)
            right += found.exponent == exponent
            odds.append(found.as_json()["log10_odds"])
            for name, polarity in found.polarities.items():
                fit = polarity.fits[1 if exponent == 1 else 2]
                for label, interval, true in (
                    ("critical voltage", fit.critical_volts, truth.critical(name)),
                    ("thermal stability", fit.stability, truth.stability),
                ):
                    errors[label].append(interval.mean / true - 1.0)
                    held += interval.low is not None and interval.high is not None and interval.low <= true <= interval.high
        of = 4 * dies
        worst = {label: float(np.abs(each).max()) for label, each in errors.items()}
        good &= max(worst.values()) <= BOUND and right == dies
        means = ", ".join(f"{label} {np.mean(errors[label]):+.2%} mean, {worst[label]:.2%} worst" for label in errors)
        print(
            f"exponent {exponent}: {dies} dies, {JUNCTIONS} junctions, {REPEATS} repeats, both polarities: {means} (bound {BOUND:.0%}); "
            f"95 % intervals hold {held} of {of} ({held / of:.0%}); exponent chosen right {right} of {dies}, "
            f"odds 10^{min(odds):.0f} at the least; {np.median(took_s):.1f} s an analysis"
        )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20))
