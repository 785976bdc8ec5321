"""What the named foundries make: bad junctions per die by class, mean over the dies of several wafers and range over dies.

Aims: about 0, 20, 40 to 50 and 200 shorts on a mean die of clean, paper-like, default and harsh.

python -m benchmarks.presets
"""

import sys

import numpy as np

from simulator.physics.fab import PRESETS
from simulator.physics.wafer import Wafer

SEEDS = range(20261122, 20261132)
CLASSES = ("good", "short", "open", "stuck P", "stuck AP", "low TMR", "unstable")
AIMS = {"clean": (0.0, 0.0), "paper-like": (17.0, 23.0), "default": (40.0, 52.0), "harsh": (170.0, 230.0)}


def counts(preset: str) -> np.ndarray:
    """(dies, classes)."""
    found = []
    for seed in SEEDS:
        wafer = Wafer(seed, PRESETS[preset])
        found += [np.bincount(wafer.die(index).true_classes().ravel(), minlength=len(CLASSES)) for index in wafer.dies]
    return np.array(found)


def main() -> int:
    reached = True
    for preset, (low, high) in AIMS.items():
        found = counts(preset)
        shorts = found[:, 1]
        kinds = ", ".join(
            f"{name} {found[:, code].mean():.1f} ({found[:, code].min()} to {found[:, code].max()})"
            for code, name in enumerate(CLASSES)
            if code
        )
        dispersion = f"; variance of the shorts over their mean {shorts.var() / shorts.mean():.1f}" if shorts.any() else ""
        print(f"{preset}, {len(found)} dies: {kinds}{dispersion}")
        reached &= low <= shorts.mean() <= high
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
