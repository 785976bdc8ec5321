"""Synthetic dies whose classes are known because they were put there by hand."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hil.model.defects import Defect
from hil.model.maps import ConductanceMap

SHAPE = (8, 25, 25)
P, AP, SIGMA, NOISE = 335e-6, 186e-6, 14e-6, 2e-6
GAP = P - AP
VALUES = {
    Defect.SHORT: (950e-6, 940e-6),
    Defect.OPEN: (0.0, 0.0),
    Defect.STUCK_P: (P, P),
    Defect.STUCK_AP: (AP, AP),
    Defect.LOW_TMR: (AP + 0.4 * GAP, AP),
    Defect.UNSTABLE: (AP, P),
}


@dataclass
class SyntheticDie:
    """p, ap: noise-free, S. truth: codes."""

    p: NDArray[np.float64]
    ap: NDArray[np.float64]
    truth: NDArray[np.uint8]

    def measured(self, rng: np.random.Generator) -> tuple[ConductanceMap, ConductanceMap]:
        meta = {"averages": 4, "path": "board"}
        noisy = [(values + NOISE * rng.standard_normal(SHAPE)).astype(np.float32) for values in (self.p, self.ap)]
        return ConductanceMap(noisy[0], "P", 0.1, meta), ConductanceMap(noisy[1], "AP", 0.1, meta)


def die(rates: dict[Defect, float], rng: np.random.Generator) -> SyntheticDie:
    """Good junctions with a spread common to both states, and each defect at its rate."""
    spread = 1 + SIGMA / P * rng.standard_normal(SHAPE)
    made = SyntheticDie(P * spread, AP * spread, np.zeros(SHAPE, np.uint8))
    for defect, rate in rates.items():
        hit = (rng.random(SHAPE) < rate) & (made.truth == 0)
        made.p[hit], made.ap[hit] = VALUES[defect]
        made.truth[hit] = defect
    return made
