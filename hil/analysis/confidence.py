"""How likely it is that the class called is the junction's true one, given what noise, doubtful limits and the die's other junctions allow.

The true conductances lie about the readings as the noise says. What is known of the difference of the states beside its reading is the
die's own: junctions that do not switch (difference 0), good ones (mean and spread of the reference), and the rest, anywhere between;
their shares are found from the die (EM on the readings). The levels themselves are taken as equally likely everywhere near a limit.
Rule: a confidence is a probability that can be checked, and is checked: `python -m benchmarks.classify`."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from hil.analysis.limits import Limits
from hil.analysis.reference import Reference
from hil.model.defects import Defect

MOST = 1.0 - 1e-7
"""Beyond any model's knowledge of itself; about what float32 can say."""
CLASSES = (Defect.GOOD, Defect.SHORT, Defect.OPEN, Defect.STUCK_P, Defect.STUCK_AP, Defect.LOW_TMR, Defect.UNSTABLE)
_CLEAR = 7.0
"""So many standard uncertainties from every limit, nothing but the class it reads as is possible: 1e-12."""
_ROUNDS = 12
_PLAINLY = 4.0
_LEAST = 1e-300
_SHARP = 1e-12
"""S; good junctions whose differences show no spread beyond noise are all alike."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Readings:
    """Of the same junctions, flat, S. p_noise, ap_noise: of each reading alone; common: standard uncertainty that both share, in the same
    direction (a line's gain), of the P state."""

    p: Floats
    ap: Floats
    p_noise: Floats
    ap_noise: Floats
    common: Floats

    def __getitem__(self, index: Any) -> "Readings":
        return Readings(self.p[index], self.ap[index], self.p_noise[index], self.ap_noise[index], self.common[index])

    @property
    def difference(self) -> Floats:
        return self.p - self.ap

    @property
    def common_ap(self) -> Floats:
        """A gain moves both states in proportion."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.p > 0, self.common * np.clip(self.ap / self.p, 0.0, 1.0), self.common)

    @property
    def difference_noise(self) -> Floats:
        return np.sqrt(self.p_noise**2 + self.ap_noise**2 + (self.common - self.common_ap) ** 2)


@dataclass(frozen=True)
class Shares:
    """Of the junctions that conduct as junctions do, the share of each kind: those that do not switch, good ones, the rest."""

    fixed: float
    good: float
    rest: float


def shares_of(readings: Readings, reference: Reference) -> Shares:
    """By expectation and maximisation on the differences. Where there is nothing to learn from: a good die's."""
    limits = reference.limits
    conducts = (readings.ap <= limits.short) & (np.maximum(readings.p, readings.ap) >= limits.open)
    if not conducts.any():
        return Shares(0.004, 0.992, 0.004)
    count, noise = int(np.count_nonzero(conducts)), np.hypot(readings.difference_noise, reference.gap_sigma)
    # What differs as good ones do needs no iteration, and is nearly everything.
    odd = conducts & (np.abs(readings.difference - reference.gap) > _PLAINLY * noise)
    density = _densities(readings[odd], reference)
    plain = np.array([0.0, float(count - density.shape[1]), 0.0])
    shares = np.array([0.01, 0.98, 0.01])
    for _ in range(_ROUNDS):
        weights = shares[:, None] * density
        weights /= np.maximum(weights.sum(axis=0), _LEAST)
        # One junction of each kind more than was seen: that none was seen does not mean that there are none.
        shares = (plain + weights.sum(axis=1) + 1.0) / (count + 3.0)
    return Shares(*(float(each) for each in shares))


def probabilities(readings: Readings, reference: Reference, shares: Shares) -> Floats:
    """(classes, junctions): of each of CLASSES; they add up to 1."""
    found = np.zeros((len(CLASSES), readings.p.size))
    clear = _clear(readings, reference)
    codes = reference.limits.classes(readings.p, readings.ap)
    for place, code in enumerate(CLASSES):
        found[place, clear & (codes == code)] = 1.0
    if not clear.all():
        found[:, ~clear] = _probabilities(readings[~clear], reference, shares)
    return found


def confidence_of(codes: NDArray[np.uint8], probability: Floats) -> NDArray[np.float32]:
    """Of the class called, (junctions,). probability: as from `probabilities`."""
    place = np.zeros(256, np.intp)
    place[[int(code) for code in CLASSES]] = np.arange(len(CLASSES))
    return np.clip(probability[place[codes], np.arange(codes.size)], 0.0, MOST).astype(np.float32)


def _short_noise(readings: Readings, reference: Reference) -> Floats:
    return np.sqrt(readings.ap_noise**2 + readings.common_ap**2 + reference.limit_sigma**2)


def _clear(readings: Readings, reference: Reference) -> NDArray[np.bool_]:
    limits, difference, noise = reference.limits, readings.difference, readings.difference_noise
    short = np.abs(readings.ap - limits.short) > _CLEAR * _short_noise(readings, reference)
    opened = np.abs(np.maximum(readings.p, readings.ap) - limits.open) > _CLEAR * np.hypot(readings.p_noise, readings.common)
    by_difference = np.ones(readings.p.size, np.bool_)
    for limit in (-limits.stuck, limits.stuck, limits.low_tmr):
        by_difference &= np.abs(difference - limit) > _CLEAR * noise
    middle = (np.abs(readings.p + readings.ap - 2.0 * limits.middle) > 2.0 * _CLEAR * noise) | (difference > limits.stuck)
    decided = (readings.ap > limits.short) | (np.maximum(readings.p, readings.ap) < limits.open)
    return short & opened & (decided | (by_difference & middle))


def _densities(readings: Readings, reference: Reference) -> Floats:
    """(3, junctions), 1/S: of the difference that was read, did the junction not switch, were it good, were it one of the rest."""
    difference, noise = readings.difference, readings.difference_noise
    good_noise = np.hypot(noise, reference.gap_sigma)
    rest = (ndtr((difference + reference.gap / 10.0) / noise) - ndtr((difference - reference.gap) / noise)) / (1.1 * reference.gap)
    return np.array([_normal(difference / noise) / noise, _normal((difference - reference.gap) / good_noise) / good_noise, rest])


def _probabilities(readings: Readings, reference: Reference, shares: Shares) -> Floats:
    limits = reference.limits
    short_noise = _short_noise(readings, reference)
    above = (readings.ap - limits.short) / short_noise
    short = ndtr(above)
    level_noise = np.sqrt((readings.p_noise**2 + readings.ap_noise**2) / 4.0 + readings.common**2)
    opened = (1.0 - short) * ndtr((limits.open - np.maximum(readings.p, readings.ap)) / np.maximum(readings.p_noise, level_noise))
    # One that is no short although it reads close to one: its AP reading erred upwards, so that the difference is larger than it reads.
    expected, variance = _below(above, readings.ap_noise * np.minimum(readings.ap_noise / short_noise, 1.0))
    difference = readings.difference + expected
    noise = np.sqrt(np.maximum(readings.difference_noise**2 - readings.ap_noise**2 + variance, (0.2 * readings.difference_noise) ** 2))
    in_p = ndtr(((readings.p + readings.ap) / 2.0 - limits.middle) / level_noise)
    by_difference = _by_difference(difference, noise, readings, reference, shares)
    stuck, low, fallen, good = ((1.0 - short - opened) * each for each in by_difference)
    found = np.array([good, short, opened, stuck * in_p, stuck * (1.0 - in_p), low, fallen])
    return found / np.maximum(found.sum(axis=0), _LEAST)


def _below(above: Floats, noise: Floats) -> tuple[Floats, Floats]:
    """Mean shift (downwards, as a positive number) and variance of a reading's true value, given that it lies below a limit which the
    reading exceeds by `above` standard uncertainties. Moments of a truncated normal distribution."""
    ratio = np.where(above > -_CLEAR, _normal(above) / np.maximum(ndtr(-above), _LEAST), 0.0)
    ratio = np.where(above > 10.0, above, ratio)
    return noise * ratio, noise**2 * np.clip(1.0 + above * ratio - ratio**2, 0.0, 1.0)


def _by_difference(difference: Floats, noise: Floats, readings: Readings, reference: Reference, shares: Shares) -> Floats:
    """(4, junctions): stuck, low TMR, fallen (P below AP), good, of those that are neither short nor open."""
    weights = np.array([[shares.fixed], [shares.good], [shares.rest]]) * _densities(readings, reference)
    total = weights.sum(axis=0)
    weights = np.where(total > _LEAST, weights / np.maximum(total, _LEAST), np.array([[0.0], [0.0], [1.0]]))
    known = reference.gap_sigma**2 / np.maximum(reference.gap_sigma**2 + noise**2, _LEAST)
    shrunk = reference.gap + known * (difference - reference.gap)
    fixed = np.zeros((4, difference.size))
    fixed[0] = 1.0
    good = _between(shrunk, np.maximum(np.sqrt(known) * noise, _SHARP), reference.limits)
    return weights[0] * fixed + weights[1] * good + weights[2] * _between(difference, noise, reference.limits)


def _between(difference: Floats, noise: Floats, limits: Limits) -> Floats:
    steps = [ndtr((limit - difference) / noise) for limit in (-limits.stuck, limits.stuck, limits.low_tmr)]
    return np.array([steps[1] - steps[0], steps[2] - steps[1], steps[0], 1.0 - steps[2]])


def _normal(z: Floats) -> Floats:
    return np.exp(-0.5 * z**2) / np.sqrt(2.0 * np.pi)
