"""Thermal stability from retention readings of simulated dies, against what is true of them: error of the array mean, coverage of its 95 %
interval, and whether the bound holds where nothing changed.

python -m benchmarks.retention [DIES]
"""

import sys
import time
from dataclasses import replace

import numpy as np

from hil.analysis.retention import RetentionAnalysis, analyse_retention
from hil.analysis.retention_states import History
from simulator.physics.die import Die
from simulator.physics.fab import PRESETS
from simulator.physics.wafer import Wafer

BOUND = 0.05
HOME = (0, 0)
STABILITIES = (28.0, 32.0, 36.0, 40.0)
ROUNDS = 6
HOURS = 2.0
"""From the first reading to the last."""
READ_VOLTS, AVERAGES, EXPOSURE_S = 0.1, 4, 1e-4


def followed(die: Die, seed: int) -> RetentionAnalysis:
    """A die written to P, then read ROUNDS times."""
    rng = np.random.default_rng([seed, 79])
    p, ap = (die.cell_siemens(state, READ_VOLTS) for state in (True, False))
    die.state_p[:] = True
    times = np.linspace(0.0, HOURS * 3600.0, ROUNDS)
    siemens = []
    for now_s in times:
        die.pass_time(1.0 + float(now_s))
        if now_s == 0.0:
            die.state_p[:] = True
        siemens.append(die.read_all(READ_VOLTS, AVERAGES, EXPOSURE_S, rng))
    elapsed = np.repeat(times[:, None], die.geometry.kernels, axis=1)
    return analyse_retention([History(np.stack(siemens), elapsed, p, ap, temperature_c=25.0)])


def main(dies: int) -> int:
    good = True
    for stability in (*STABILITIES, 60.0):
        errors, beyond, held, bounds, changes, took_s = [], [], 0, 0, [], []
        for seed in range(dies):
            die = Wafer(seed, replace(PRESETS["clean"], stability=stability)).die(HOME)
            truth = float(die.junctions.stability.mean())
            began = time.perf_counter()
            found = followed(die, seed)
            took_s.append(time.perf_counter() - began)
            changes.append(sum(found.changes.values()))
            low, high = found.stability.low, found.stability.high
            if found.stability.mean is None:
                bounds += low is not None and low <= truth
            else:
                errors.append(found.stability.mean / truth - 1.0)
                beyond.append(found.extrapolated_sigmas or 0.0)
                held += low is not None and high is not None and low <= truth <= high
        fitted = len(errors)
        worst = float(np.abs(errors).max()) if errors else 0.0
        good &= worst <= BOUND and bounds == dies - fitted
        value = ""
        if fitted:
            value = f"array mean {np.mean(errors):+.2%} mean, {worst:.2%} worst (bound {BOUND:.0%}), intervals hold {held} of {fitted}, "
            value += f"{np.mean(beyond):.1f} spreads beyond what the readings resolve; "
        bound = f"nothing changed on {dies - fitted}, whose bound holds {bounds} times; " if fitted < dies else ""
        print(
            f"Delta {stability:g}, {dies} dies, {ROUNDS} readings in {HOURS:g} h: {value}{bound}{np.mean(changes):.0f} changes a die, "
            f"{np.median(took_s):.1f} s a die"
        )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20))
