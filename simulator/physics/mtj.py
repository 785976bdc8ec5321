"""What a junction does: resistance, switching, breakdown. Pure functions of arrays; nothing here draws a random number.

Rule 1: every voltage named `junction_volts` is across the junction itself; `cell_volts` is across junction and access device.
Rule 2: a formula stands here once, with its source. Values of parameters stand in `fab.py`, as assumptions.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

REFERENCE_C = 25.0
ZERO_C_KELVIN = 273.15
BARRIER_PER_KELVIN = -0.001
"""Relative drift of the energy barrier K_eff V around 25 C: an assumption."""
TMR_PER_KELVIN = -0.002
OHMS_PER_KELVIN = -0.0003
"""Relative drifts of TMR and of the parallel resistance around 25 C: assumptions; that R_AP carries the change is
arXiv:1710.09561."""


@dataclass(frozen=True)
class Junctions:
    """Parameters of many cells, arrays of one common shape; the arrays are shared, not copied, by indexing.

    ohms_p: parallel resistance at zero bias, Ohm. tmr: zero-bias ratio (R_AP - R_P) / R_P.
    shunt_siemens: metallic path beside the barrier (pinhole, short, breakdown), S.
    series_ohms: access transistor and lines, Ohm; very large where the cell is open.
    critical_volts: V_c0 for AP to P. stability: Delta = E_b / kT at 25 C. breakdown_volts: at a stress of one second.
    """

    ohms_p: Floats
    tmr: Floats
    shunt_siemens: Floats
    series_ohms: Floats
    critical_volts: Floats
    stability: Floats
    breakdown_volts: Floats

    def __getitem__(self, index: Any) -> "Junctions":
        return Junctions(*(getattr(self, field.name)[index] for field in fields(self)))


@dataclass(frozen=True)
class Law:
    """Constants that all junctions share.

    half_volts: V_h of the TMR roll-off (0.5 V: the default of the SPINLIB compact model, RES.m).
    asymmetry: V_c0(P to AP) / V_c0(AP to P), 1.1 to 1.2 (assumption). exponent: b of the thermal law, 1 or 2 (both are in use).
    attempt_s: tau0. damping_s: tau_D of the ballistic law. tddb_exponent: power of voltage in time to breakdown (40 to 60, assumption).
    """

    half_volts: float = 0.5
    asymmetry: float = 1.15
    exponent: float = 1.0
    attempt_s: float = 1e-9
    damping_s: float = 1.5e-9
    tddb_exponent: float = 50.0


def parallel_ohms(resistance_area_ohm_um2: Any, diameter_nm: Any) -> Any:
    """R_P = RA / (pi d^2 / 4), Ohm. Textbook definition of the resistance-area product of a round pillar."""
    return resistance_area_ohm_um2 / (np.pi * (diameter_nm * 1e-3) ** 2 / 4.0)


def tmr_at(tmr: Any, junction_volts: Any, half_volts: float) -> Any:
    """TMR(V) = TMR0 / (1 + (V / V_h)^2). Source: SPINLIB compact model, RES.m."""
    return tmr / (1.0 + (junction_volts / half_volts) ** 2)


def cell_siemens(
    junctions: Junctions, state_p: Bools, cell_volts: Any, law: Law, temperature_c: float = REFERENCE_C
) -> tuple[Floats, Floats]:
    """Cell conductance (S) and junction voltage (V) at a cell voltage, by fixed point of the divider with the access device.

    G_junction = 1/R(state, V_j) + shunt and V_j = V R_j / (R_j + R_series): the shunt is the linear pinhole model of Wu and
    Hamdioui (ITC 2018), right for hard shorts and pessimistic for partial ones. Few rounds suffice, because the junction
    carries most of the voltage: three to 1e-6 when reading at 0.1 V, ten to 1e-3 when pulsing at 1 V.
    """
    kelvin = temperature_c - REFERENCE_C
    siemens_p = 1.0 / (junctions.ohms_p * (1.0 + OHMS_PER_KELVIN * kelvin))
    tmr = np.where(state_p, 0.0, junctions.tmr * (1.0 + TMR_PER_KELVIN * kelvin))
    volts = np.asarray(cell_volts, dtype=np.float64)
    rounds = 3 if not volts.size or np.abs(volts).max() <= 0.15 else 10
    siemens = siemens_p / (1.0 + tmr) + junctions.shunt_siemens
    junction_volts = volts / (1.0 + siemens * junctions.series_ohms)
    for _ in range(rounds):
        siemens = siemens_p / (1.0 + tmr_at(tmr, junction_volts, law.half_volts)) + junctions.shunt_siemens
        junction_volts = volts / (1.0 + siemens * junctions.series_ohms)
    return siemens / (1.0 + siemens * junctions.series_ohms), junction_volts


def stability_at(stability: Any, temperature_c: float) -> Any:
    """Delta(T) = E_b(T) / k_B T, with E_b falling linearly from its value at 25 C. The definition of Delta; slope: assumption."""
    return stability * (_barrier_left(temperature_c) * (REFERENCE_C + ZERO_C_KELVIN) / (temperature_c + ZERO_C_KELVIN))


def critical_volts_at(critical_volts: Any, temperature_c: float) -> Any:
    """V_c0(T) = I_c0 R, I_c0 = 4 e alpha E_b(T) / (eta hbar): in proportion to the barrier.

    Source: J. Z. Sun, PRB 62, 570 (2000); form of the Arm compact model.
    """
    return critical_volts * _barrier_left(temperature_c)


def _barrier_left(temperature_c: float) -> float:
    return max(1.0 + BARRIER_PER_KELVIN * (temperature_c - REFERENCE_C), 0.05)


def hold_s(stability: Any, law: Law, temperature_c: float = REFERENCE_C) -> Floats:
    """Mean time for which a state stands without bias, tau0 exp(Delta), s; of both states alike. Source: Neel-Arrhenius law."""
    return law.attempt_s * np.exp(np.minimum(stability_at(stability, temperature_c), 600.0))


def relaxed_probability(hold: Any, elapsed_s: float) -> Floats:
    """P = (1 - exp(-2 t / tau)) / 2 that the other state is found after a time without bias.

    Source: two-state master equation with equal rates; W. F. Brown, Phys. Rev. 130, 1677 (1963). A long wait forgets everything.
    """
    return -0.5 * np.expm1(-2.0 * elapsed_s / np.asarray(hold, dtype=np.float64))


def thermal_probability(overdrive: Any, stability: Any, width_s: float, law: Law) -> Floats:
    """P = 1 - exp(-(t / tau0) exp(-Delta (1 - i)^b)), i = V / V_c0 clipped to 0..1: thermally activated reversal.

    Source: Koch et al., PRL 92, 088302 (2004) and Li and Zhang, PRB 69, 134416 (2004) for b = 1; b = 2 is the perpendicular macrospin.
    """
    barrier = stability * (1.0 - np.clip(overdrive, 0.0, 1.0)) ** law.exponent
    return -np.expm1(-(width_s / law.attempt_s) * np.exp(-barrier))


def write_error(overdrive: Any, stability: Any, width_s: float, law: Law) -> Floats:
    """WER = 1 - exp(-(pi^2 Delta / 4)(i - 1) / (i e^(2 (i - 1) t / tau_D) - 1)) for i > 1: precessional reversal.

    1 where i <= 1. Source: Butler et al., IEEE Trans. Magn. 48, 4684 (2012).
    """
    return np.where(np.asarray(overdrive) > 1.0, -np.expm1(-_unreversed(overdrive, stability, width_s, law)), 1.0)


def _unreversed(overdrive: Any, stability: Any, width_s: float, law: Law) -> Floats:
    """The exponent of that law, for i > 1: a probability near 0 stays one where 1 - WER would be lost in rounding."""
    above = np.maximum(np.asarray(overdrive, dtype=np.float64) - 1.0, 1e-9)
    grown = np.minimum(2.0 * above * width_s / law.damping_s, 600.0)
    return (np.pi**2 * stability / 4.0) * above / ((1.0 + above) * np.exp(grown) - 1.0)


MIXED_OVERDRIVE = 1.1
_SURE = 100.0
"""Growth, as a power of e, by which the ballistic law leaves no error that a double can hold."""


def switch_probability(overdrive: Any, stability: Any, width_s: float, law: Law) -> Floats:
    """Probability that one pulse reverses the free layer; monotone in overdrive and in width.

    Up to i = 1.1 the larger of the thermal and the ballistic law, capped by the ballistic law at i = 1.1, because a thermal
    event cannot outrun it (assumption: the mixed regime has no accepted closed form); above that the ballistic law alone.
    """
    overdrive = np.asarray(overdrive, dtype=np.float64)
    thermal = thermal_probability(overdrive, stability, width_s, law)
    # Both looks at the ballistic law cost more than all the rest, and a read needs neither.
    if 2.0 * (MIXED_OVERDRIVE - 1.0) * width_s / law.damping_s < _SURE:
        thermal = np.minimum(thermal, np.exp(-_unreversed(MIXED_OVERDRIVE, stability, width_s, law)))
    if overdrive.max(initial=0.0) <= 1.0:
        return thermal
    ballistic = np.where(overdrive > 1.0, np.exp(-_unreversed(overdrive, stability, width_s, law)), 0.0)
    return np.where(overdrive < MIXED_OVERDRIVE, np.maximum(thermal, ballistic), ballistic)


def reversal_probability(
    junctions: Junctions, state_p: Bools, junction_volts: Any, width_s: float, law: Law, temperature_c: float = REFERENCE_C
) -> Floats:
    """Probability that the present state is lost: positive volts drive AP to P, negative P to AP; the other polarity holds.

    The same law is the read disturb, with the read voltage and the time it is applied.
    """
    signed = np.where(state_p, -junction_volts / law.asymmetry, junction_volts)
    overdrive = np.maximum(signed, 0.0) / critical_volts_at(junctions.critical_volts, temperature_c)
    return switch_probability(overdrive, stability_at(junctions.stability, temperature_c), width_s, law)


def breaks_down(junctions: Junctions, junction_volts: Any, width_s: float, law: Law) -> Bools:
    """True where the barrier breaks: |V| above V_bd (t / 1 s)^(-1/n). Power law in voltage; no memory of earlier stress.

    Source: time-dependent breakdown of thin MgO as a power law in voltage, n 40 to 60 (assumption).
    """
    return np.abs(junction_volts) > junctions.breakdown_volts * max(width_s, 1e-12) ** (-1.0 / law.tddb_exponent)
