"""Defect classes from a die's two conductance maps. Rule "relative-3", all limits relative to a good junction (see `limits`):

  not measured  either state could not be read; a junction that was read in both always has a class
  no contact    a line of the board that reads open in every kernel, while others do not: a needle, not a die
  short, open, stuck, low TMR   by the limits of the contract
  unstable      repeated readings of one written state disagree by more than a quarter of the difference of the states, or P reads lower
                than AP by as much: no such state can be kept

A good junction is what the die itself shows it to be; where too few of its junctions switch (most are open, shorted or stuck), an assumed
nominal one stands in, `meta["reference"]["source"]` says so, and confidence is halved. Lines that failed as a whole are found first; their
junctions tell nothing of single ones. Confidence: see `confidence`.
Change a limit and the rule needs a new name: the name stands in every defect map. relative-2 knew neither lines of the whole chip nor
repeated readings, and its confidence was no probability."""

from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from hil.analysis.confidence import MOST, Readings, confidence_of, probabilities, shares_of
from hil.analysis.lines import dead_lines, line_faults
from hil.analysis.noise import reading_noise
from hil.analysis.reference import NOMINAL, Reference, find_reference
from hil.analysis.repeats import Repeats, changed, doubt_of_keeping, unstable
from hil.analysis.spread import line_sigma
from hil.model.defects import Defect
from hil.model.maps import ConductanceMap, DefectMap, Meta

RULE = "relative-3"
ASSUMED_CONFIDENCE = 0.5
"""Factor on the confidence of classes that rest on an assumed reference: noise is then not the only doubt."""
UNWRITTEN_CONFIDENCE = 0.5
"""Factor where no reading tells whether the pulses were too weak."""
_PINHOLE = 0.5
"""So far above the limit, in gaps, reads in P what is no short in AP."""

Floats = NDArray[np.float64]
_ALIKE = 5.0
"""The limits average over the board's lines: the square root of 25."""
_UNCALIBRATED, _CALIBRATED = 0.002, 0.0003
"""By how much SMU and board may disagree on the whole, relative: drivers, steps, and the SMU's data sheet; what a calibration leaves."""


def classify(p: ConductanceMap, ap: ConductanceMap, nominal: Reference = NOMINAL, repeats: Repeats | None = None) -> DefectMap:
    """Class, line faults and confidence of every junction; meta says the rule, the reference it used, and which lines failed.

    nominal: stands in where the die shows no good junctions. repeats: what was read beside the maps. Raises ValueError when the maps are
    not of one die's shape.
    """
    if p.siemens.shape != ap.siemens.shape:
        raise ValueError(f"maps of one die have one shape; P is {p.siemens.shape}, AP is {ap.siemens.shape}")
    return _Die(p, ap, repeats or Repeats.none(p.siemens.shape)).judged(nominal)


class _Die:
    """Two maps and what is known of their readings."""

    def __init__(self, p: ConductanceMap, ap: ConductanceMap, repeats: Repeats) -> None:
        self.p, self.ap, self.repeats = p.siemens.astype(np.float64), ap.siemens.astype(np.float64), repeats
        self.seen = np.isfinite(self.p) & np.isfinite(self.ap)
        self.board_noise = _noise_of(p), _noise_of(ap)
        self.noise = tuple(
            np.where(np.isfinite(error), error, noise)
            for error, noise in zip((repeats.p_error, repeats.ap_error), self.board_noise, strict=True)
        )
        self.by_smu = np.isfinite(repeats.p_error) & np.isfinite(repeats.ap_error)
        self.scale = _UNCALIBRATED if p.meta.get("calibration") is None else _CALIBRATED

    def judged(self, nominal: Reference) -> DefectMap:
        seen = self.seen
        own, common = self._reference()
        reference = own or nominal
        readings = self._readings(common, reference)
        codes = np.full(self.p.shape, Defect.NOT_MEASURED, np.uint8)
        confidence = np.zeros(self.p.shape, np.float32)
        called = reference.limits.classes(readings.p, readings.ap)
        codes[seen] = called
        confidence[seen] = confidence_of(called, probabilities(readings, reference, shares_of(readings, reference)))
        self._look_for_unstable(codes, confidence, reference)
        for kind, share in doubt_of_keeping(codes, self.repeats).items():
            confidence[codes == kind] *= np.float32(1.0 - share)
        confidence[self._perhaps_unwritten(codes, reference)] *= UNWRITTEN_CONFIDENCE
        if own is None:
            confidence *= ASSUMED_CONFIDENCE
        lines = line_faults(codes)
        codes[dead_lines(codes)] = Defect.NO_CONTACT
        meta: Meta = {"rule": RULE, "reference": {"source": "nominal" if own is None else "die", **asdict(reference)}, "lines": lines.found}
        return DefectMap(codes, lines.faults, confidence, RULE, meta)

    def _reference(self) -> tuple[Reference | None, float]:
        """What the die shows of a good junction; and by how much the board's lines disagree, S."""
        seen = self.seen
        p, ap = self.p[seen], self.ap[seen]
        rms = [_rms(each[seen]) for each in self.noise]
        found = find_reference(p, ap, rms[0], rms[1], of=self.p.size)
        if found is None:
            return None, 0.0
        good = np.zeros(self.p.shape, np.bool_)
        good[seen] = found.limits.classes(p, ap) == Defect.GOOD
        common = line_sigma(self.p, good & ~self.by_smu)
        if not common:
            return found, 0.0
        beside = common * found.ap / found.p
        return find_reference(p, ap, float(np.hypot(rms[0], common)), float(np.hypot(rms[1], beside)), of=self.p.size), common

    def _readings(self, common: float, reference: Reference) -> Readings:
        """A board's lines move both states of a junction; the SMU's readings are held against limits that are the mean of all lines."""
        seen = self.seen
        shared = np.where(self.by_smu, np.hypot(common / _ALIKE, self.scale * reference.p), common)
        return Readings(self.p[seen], self.ap[seen], self.noise[0][seen], self.noise[1][seen], shared[seen])

    def _perhaps_unwritten(self, codes: NDArray[np.uint8], reference: Reference) -> NDArray[np.bool_]:
        """Just above the limit of a short, alike in both states: a short, or a pinhole that took so much of the pulse that it stayed P."""
        limits = reference.limits
        alike = (np.abs(self.p - self.ap) < limits.stuck) & (self.ap < limits.short + _PINHOLE * reference.gap)
        return alike & (codes == Defect.SHORT)

    def _look_for_unstable(self, codes: NDArray[np.uint8], confidence: NDArray[np.float32], reference: Reference) -> None:
        which, beyond = changed(self.repeats, reference.limits, *self.board_noise)
        found = unstable(codes, which & self.seen)
        new = found != codes
        codes[new] = found[new]
        confidence[new] = np.clip(ndtr(beyond[new]), 0.0, MOST)


def _noise_of(measured: ConductanceMap) -> Floats:
    return reading_noise(measured.siemens.astype(np.float64), measured.read_volts, measured.meta)


def _rms(values: Floats) -> float:
    # The median of the squares, because a handful of shorts read at ten times the conductance, and the noise, of the rest.
    return float(np.sqrt(np.median(values**2))) if values.size else 0.0
