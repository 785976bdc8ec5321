"""What networks take on dies of 20,000 junctions: how full, how many passes through the board a layer, and how long planning takes.

python -m benchmarks.floorplans
"""

import sys
import time

import numpy as np

from hil.training.floorplan import Floorplan, Spares, floorplan
from hil.training.net import parse_net
from hil.training.packing import KERNELS, PER_DIE
from hil.training.tiles import tiles_of

NETS = (
    ("100-90-10", "tied"),
    ("100-76-10x3", "independent"),
    ("144-57-10x3", "independent"),
    ("196-48-10", "tied"),
    ("196-93-10", "reference"),
    ("144-80-60-40-10x3", "independent"),
    ("196-16c5s2-20c3-10x3", "independent"),
    ("784-100-10", "tied"),
)
REPEATS = 5


def planned(name: str, encoding: str) -> tuple[Floorplan, float]:
    """The floorplan, and the least of some times it took, ms."""
    net, times = parse_net(name, encoding), []
    for _ in range(REPEATS):
        began_s = time.process_time()
        plan = floorplan(net)
        times.append(time.process_time() - began_s)
    return plan, 1e3 * min(times)


def avoided() -> str:
    """Where two spare rows and columns leave room, a die with broken lines is planned around them."""
    broken = np.zeros((1, KERNELS, 25, 25), np.bool_)
    broken[0, [0, 4], 7], broken[0, 8:12, :, 3] = True, True
    plan = floorplan(parse_net("96-60-10x3", "independent"), Spares(0, 1), broken)
    used = int(broken.ravel()[plan.used].sum())
    return f"96-60-10x3 with a spare column, on a die with an open row line and an open column line: {used} of 150 dead junctions used"


def main() -> int:
    for name, encoding in NETS:
        plan, planning_ms = planned(name, encoding)
        passes = "+".join(str(len(tiles.passes())) for tiles in tiles_of(plan))
        full = len(plan.used) / (plan.dies * PER_DIE)
        dies = f"{plan.dies} die{'' if plan.dies == 1 else 's'}, {full:.1%} full"
        print(f"{name:22s} {encoding:12s} {len(plan.used):7,} junctions on {dies}; {passes} passes; planned in {planning_ms:.0f} ms")
    print(avoided())
    return 0


if __name__ == "__main__":
    sys.exit(main())
