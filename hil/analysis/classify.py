"""Defect classes from a die's two conductance maps. Rule "relative-2", all thresholds relative to a good junction:

  not measured  either state could not be read; a junction that was read in both always has a class
  short         conductance in the AP state above mean G_P + 6 sigma of G_P
  open          conductance in both states below half of mean G_AP
  stuck         the states differ by less than a quarter of the mean difference; P or AP, whichever mean is nearer
  low TMR       the states differ by less than half of the mean difference
  unstable      P reads lower than AP by more than a quarter of the mean difference: no such state can be written

The first that holds wins. A good junction is what the die itself shows it to be; where too few of its junctions switch (most
are open, shorted or stuck), an assumed nominal one stands in, `meta["reference"]["source"]` says so, and confidence is halved.
Change a threshold and the rule needs a new name: the name stands in every defect map. relative-1 left such dies unclassified.
Source: definitions of the contract; thresholds follow physics-and-paper.md C2."""

import math
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.analysis.lines import line_faults
from hil.analysis.noise import reading_noise
from hil.analysis.reference import NOMINAL, Reference, find_reference
from hil.model.defects import Defect
from hil.model.maps import ConductanceMap, DefectMap, Meta

RULE = "relative-2"
SHORT_SIGMAS = 6.0
OPEN_FRACTION = 0.5
STUCK_FRACTION = 0.25
LOW_TMR_FRACTION = 0.5
ASSUMED_CONFIDENCE = 0.5
"""Factor on the confidence of classes that rest on an assumed reference: noise is then not the only doubt."""

Floats = NDArray[np.float64]
_erf = np.frompyfunc(math.erf, 1, 1)


def classify(p: ConductanceMap, ap: ConductanceMap, nominal: Reference = NOMINAL) -> DefectMap:
    """Class, line faults and confidence of every junction; meta says the rule and the reference it used.

    nominal: stands in where the die shows no good junctions. Raises ValueError when the maps are not of one die's shape.
    """
    if p.siemens.shape != ap.siemens.shape:
        raise ValueError(f"maps of one die have one shape; P is {p.siemens.shape}, AP is {ap.siemens.shape}")
    high, low = p.siemens.astype(np.float64), ap.siemens.astype(np.float64)
    p_noise = reading_noise(high, p.read_volts, p.meta)
    ap_noise = reading_noise(low, ap.read_volts, ap.meta)
    seen = np.isfinite(high) & np.isfinite(low)
    own = find_reference(high[seen], low[seen], _rms(p_noise[seen]))
    reference = own or nominal
    codes = np.full(high.shape, Defect.NOT_MEASURED, np.uint8)
    confidence = np.zeros(high.shape, np.float32)
    codes[seen] = _codes(high[seen], low[seen], reference)
    confidence[seen] = _confidence(high[seen], low[seen], p_noise[seen], ap_noise[seen], reference)
    if own is None:
        confidence *= ASSUMED_CONFIDENCE
    meta: Meta = {"rule": RULE, "reference": {"source": "nominal" if own is None else "die", **asdict(reference)}}
    return DefectMap(codes, line_faults(codes), confidence, RULE, meta)


def _codes(p: Floats, ap: Floats, reference: Reference) -> NDArray[np.uint8]:
    difference = p - ap
    nearer_p = np.abs(p - reference.p) < np.abs(p - reference.ap)
    rules = [
        (ap > reference.p + SHORT_SIGMAS * reference.p_sigma, Defect.SHORT),
        (np.maximum(p, ap) < OPEN_FRACTION * reference.ap, Defect.OPEN),
        (difference <= -STUCK_FRACTION * reference.gap, Defect.UNSTABLE),
        ((difference < STUCK_FRACTION * reference.gap) & nearer_p, Defect.STUCK_P),
        (difference < STUCK_FRACTION * reference.gap, Defect.STUCK_AP),
        (difference < LOW_TMR_FRACTION * reference.gap, Defect.LOW_TMR),
    ]
    return np.select([rule for rule, _ in rules], [code for _, code in rules], Defect.GOOD).astype(np.uint8)


def _confidence(p: Floats, ap: Floats, p_noise: Floats, ap_noise: Floats, reference: Reference) -> NDArray[np.float32]:
    """1 minus the chance that noise alone carried a reading across the nearest threshold, two-sided."""
    difference, difference_noise = p - ap, np.hypot(p_noise, ap_noise)
    distances: list[NDArray[Any]] = [
        np.abs(ap - reference.p - SHORT_SIGMAS * reference.p_sigma) / ap_noise,
        np.abs(np.maximum(p, ap) - OPEN_FRACTION * reference.ap) / p_noise,
    ]
    thresholds = (-STUCK_FRACTION, STUCK_FRACTION, LOW_TMR_FRACTION)
    by_difference = [np.abs(difference - fraction * reference.gap) / difference_noise for fraction in thresholds]
    # Shorts and opens are decided before the difference is looked at, so its thresholds cannot overturn them.
    decided = (ap > reference.p + SHORT_SIGMAS * reference.p_sigma) | (np.maximum(p, ap) < OPEN_FRACTION * reference.ap)
    nearest = np.where(decided, np.minimum.reduce(distances), np.minimum.reduce(distances + by_difference))
    return np.asarray(_erf(nearest / math.sqrt(2.0)), dtype=np.float32)


def _rms(values: Floats) -> float:
    # The median of the squares, because a handful of shorts read at ten times the conductance, and the noise, of the rest.
    return float(np.sqrt(np.median(values**2))) if values.size else 0.0
