"""How fast new dies are drawn from a wafer's statistics, and whether they are as bad as those measured.

python -m benchmarks.sampler [dies]

Aim: 100 dies a second. A simulated wafer of 36 dies is measured over the wire path's noise model; its statistics go through JSON.
"""

import json
import sys
import time

import numpy as np

from benchmarks.measured_wafer import measured_wafer
from hil.analysis.sampler import DieSampler
from hil.analysis.statistics import wafer_statistics
from hil.model.defects import Defect
from simulator.physics.fab import load_fab
from simulator.physics.wafer import Wafer

DIES, AIM = 500, 100


def main(count: int = DIES) -> int:
    dies = measured_wafer(Wafer(1, load_fab("default")), 1)
    sampler = DieSampler(json.loads(json.dumps(wafer_statistics(dies))))
    started = time.process_time()
    drawn = sampler.draw(count, np.random.default_rng(1))
    rate = count / (time.process_time() - started)
    measured = np.array([np.count_nonzero(die.defects.codes == Defect.SHORT) for die in dies])
    shorts = np.count_nonzero(drawn.codes == Defect.SHORT, axis=(1, 2, 3))
    told = (
        f"{name} {each.mean():.0f} +- {each.std():.0f}, worst {each.max()}" for name, each in (("measured", measured), ("drawn", shorts))
    )
    print(f"{rate:.0f} dies of 20,000 junctions per second of one core (aim {AIM}); shorts a die: {'; '.join(told)}")
    return 0 if rate >= AIM else 1


if __name__ == "__main__":
    sys.exit(main(*(int(each) for each in sys.argv[1:2])))
