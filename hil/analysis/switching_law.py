"""The law a switching probability is fitted with, and the voltage that stands across the junction itself.

Rule: what the plan cannot measure is an assumption with a name, stated with every result that rests on it.
P = 1 - exp(-(t / tau0) exp(-Delta (1 - V_j / V_c0)^b)): thermally activated reversal, b = 1 (Koch et al., PRL 92, 088302 (2004); Li and
Zhang, PRB 69, 134416 (2004)) or 2 (perpendicular macrospin). It holds below V_c0 and for pulses much longer than the precession; shorter
ones switch ballistically (Butler et al., IEEE Trans. Magn. 48, 4684 (2012)), whose law has no V_c0 to give and is left out.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Exponent = Literal[1, 2]
_ROUNDS = 30


@dataclass(frozen=True)
class Assumptions:
    """What the analysis takes as given. access_ohms: transistor and lines in series with the junction. half_volts: V_h of the TMR
    roll-off (0.5 V: default of the SPINLIB compact model, RES.m). attempt_s: tau0. shortest_s: pulses below it are ballistic and left
    out. lapse: share of trials whose outcome has nothing to do with the pulse (a misread state)."""

    access_ohms: float = 1_000.0
    half_volts: float = 0.5
    attempt_s: float = 1e-9
    shortest_s: float = 1e-7
    lapse: float = 1e-4


@dataclass(frozen=True)
class Cells:
    """Cell conductance of some junctions in both states, (junctions,) S, as read at read_volts."""

    siemens_p: Floats
    siemens_ap: Floats
    read_volts: float

    def __getitem__(self, which: Any) -> "Cells":
        return Cells(self.siemens_p[which], self.siemens_ap[which], self.read_volts)


def junction_volts(cells: Cells, cell_volts: Floats, assumed: Assumptions, *, from_p: bool) -> Floats:
    """Magnitude of the voltage across each junction in its starting state, (junctions, conditions) V; NaN where a cell conducts more
    than its access device alone would. cell_volts: (conditions,) V.

    V_j = V R_j / (R_j + R_access), with R_P as read and R_AP = R_P (1 + TMR(V_j)), TMR(V) = TMR0 / (1 + (V / V_h)^2): a fixed point,
    which contracts because the junction carries most of the voltage.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ohms_p, ohms_ap = (1.0 / siemens - assumed.access_ohms for siemens in (cells.siemens_p, cells.siemens_ap))
        ohms_p = np.where(ohms_p > 0, ohms_p, np.nan)[:, None]
        read = cells.read_volts * (1.0 - assumed.access_ohms * cells.siemens_ap)
        tmr_0 = (ohms_ap[:, None] / ohms_p - 1.0) * (1.0 + (read[:, None] / assumed.half_volts) ** 2)
    volts = np.abs(cell_volts)[None, :]
    across = volts * ohms_p / (ohms_p + assumed.access_ohms)
    if from_p:
        return across
    for _ in range(_ROUNDS):
        ohms = ohms_p * (1.0 + tmr_0 / (1.0 + (across / assumed.half_volts) ** 2))
        across = volts * ohms / (ohms + assumed.access_ohms)
    return across


def threshold_share(stability: Floats, width_s: float, exponent: Exponent, assumed: Assumptions) -> Floats:
    """V50 / V_c0: where a pulse of this width switches every second time; near 0 where heat alone does."""
    half = np.log(width_s / (assumed.attempt_s * np.log(2.0)))
    return np.maximum(1.0 - (half / stability) ** (1.0 / exponent), 1e-3)


def barrier(across: Floats, critical: Floats, stability: Floats, exponent: Exponent) -> Floats:
    """What is left of Delta under a voltage: 0 from V_c0 on. Arrays broadcast against each other."""
    return stability * (1.0 - np.minimum(across / critical, 1.0)) ** exponent


def log_likelihood(switched: Floats, kept: Floats, hazard: Floats, lapse: float) -> Floats:
    """ln P of counts of trials that switched and that did not, without the binomial factor that no parameter enters; summed over the
    last axis. hazard: ln of the number of reversals expected in one pulse, ln(t / tau0) - barrier."""
    probability = lapse / 2.0 + (1.0 - lapse) * -np.expm1(-np.exp(np.minimum(hazard, 30.0)))
    return (switched * np.log(probability) + kept * np.log1p(-probability)).sum(axis=-1)
