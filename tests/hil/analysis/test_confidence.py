"""A confidence is a probability: of so many calls with it, so many are right."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from firmware_protocol.geometry import Geometry
from hil.analysis.classify import ASSUMED_CONFIDENCE, UNWRITTEN_CONFIDENCE, classify
from hil.analysis.confidence import CLASSES, Readings, probabilities, shares_of
from hil.analysis.reference import Reference, find_reference
from hil.analysis.repeats import Repeats
from hil.model.defects import Defect
from hil.model.maps import ConductanceMap
from tests.hil.analysis.dies import AP, GAP, P, die
from tests.support.classification_bench import Lab

REFERENCE = Reference(P, AP, 14e-6, GAP, 20_000, 9e-6, 6e-6, 0.1e-6)
COUNT = 20_000


def _population(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """True conductances: good ones, ones that do not switch, and many between and above, where classes are hard to tell."""
    kind = rng.choice(4, COUNT, p=[0.5, 0.1, 0.2, 0.2])
    p = P + 14e-6 * rng.standard_normal(COUNT)
    difference = np.where(kind == 0, GAP + 6e-6 * rng.standard_normal(COUNT), np.where(kind == 1, 0.0, rng.uniform(0, GAP, COUNT)))
    lifted = kind == 3
    p[lifted] = rng.uniform(P, 650e-6, np.count_nonzero(lifted))
    return p, p - difference


def _readings(p: np.ndarray, ap: np.ndarray, noise: float, rng: np.random.Generator) -> Readings:
    read = [values + noise * rng.standard_normal(COUNT) for values in (p, ap)]
    same = np.full(COUNT, noise)
    return Readings(read[0], read[1], same, same, np.zeros(COUNT))


@pytest.mark.parametrize("noise", [0.5e-6, 2e-6, 6e-6, 12e-6])
def test_of_calls_with_a_confidence_so_many_are_right_however_large_the_noise(noise: float) -> None:
    rng = np.random.default_rng(int(noise * 1e7))
    p, ap = _population(rng)
    readings = _readings(p, ap, noise, rng)
    truth = REFERENCE.limits.classes(p, ap)
    called = REFERENCE.limits.classes(readings.p, readings.ap)
    found = probabilities(readings, REFERENCE, shares_of(readings, REFERENCE))
    place = np.array([list(CLASSES).index(Defect(int(code))) for code in called])
    confidence = found[place, np.arange(COUNT)]
    hit = truth == called
    for low, high in ((0.0, 0.6), (0.6, 0.8), (0.8, 0.95), (0.95, 0.999), (0.999, 1.1)):
        those = (confidence >= low) & (confidence < high)
        n, right = int(those.sum()), int(hit[those].sum())
        if n >= 100:
            least = stats.beta.ppf(0.0005, right, n - right + 1) - 0.02
            most = (stats.beta.ppf(0.9995, right + 1, n - right) if right < n else 1.0) + 0.02
            assert least <= confidence[those].mean() <= most, (low, high, n, right / n, confidence[those].mean())


@settings(max_examples=60, deadline=None)
@given(p=st.floats(-5e-6, 1e-3), ap=st.floats(-5e-6, 1e-3), noise=st.floats(1e-9, 3e-5), common=st.floats(0, 1e-5))
def test_probabilities_are_such_and_add_up_to_one(p: float, ap: float, noise: float, common: float) -> None:
    one = [np.array([each]) for each in (p, ap, noise, noise, common)]
    readings = Readings(*one)
    found = probabilities(readings, REFERENCE, shares_of(readings, REFERENCE))
    assert found.min() >= -1e-12
    assert abs(found.sum() - 1) < 1e-9


def test_the_smaller_the_noise_the_surer_the_class() -> None:
    found = []
    for noise in (8e-6, 4e-6, 2e-6, 0.5e-6):
        one = [np.array([each]) for each in (P, P - 0.53 * GAP, noise, noise, 0.0)]
        found.append(probabilities(Readings(*one), REFERENCE, shares_of(Readings(*one), REFERENCE))[0, 0])
    assert found == sorted(found)
    assert found[-1] > 0.999 > 0.9 > found[0]


def test_what_the_smu_read_again_is_surer_than_what_the_board_read_once() -> None:
    made = die({}, np.random.default_rng(1))
    made.p[0, 0, :2], made.ap[0, 0, :2] = AP + 0.515 * GAP, AP
    p, ap = made.measured(np.random.default_rng(3))
    p, ap = (ConductanceMap(np.where(made.p == AP + 0.515 * GAP, true, each.siemens).astype(np.float32), each.state, 0.1, each.meta)
             for each, true in ((p, made.p), (ap, made.ap)))  # fmt: skip
    repeats = Repeats.none(p.siemens.shape)
    repeats.p_error[0, 0, 0] = repeats.ap_error[0, 0, 0] = 0.3e-6
    confidence = classify(p, ap, repeats=repeats).confidence[0, 0]
    assert confidence[0] > 0.99 > confidence[1]


def test_a_short_that_may_be_a_pinhole_the_pulses_did_not_switch_is_not_called_surely() -> None:
    made = die({}, np.random.default_rng(1))
    made.p[0, 0, 0] = made.ap[0, 0, 0] = P + 8 * 14e-6
    made.p[0, 0, 1] = made.ap[0, 0, 1] = 950e-6
    found = classify(*made.measured(np.random.default_rng(2)))
    assert np.all(found.codes[0, 0, :2] == Defect.SHORT)
    assert found.confidence[0, 0, 0] <= UNWRITTEN_CONFIDENCE < 0.99 < found.confidence[0, 0, 1]


def test_a_die_judged_by_an_assumed_junction_is_at_most_half_sure() -> None:
    same = np.full((8, 25, 25), P, np.float32)
    assert classify(ConductanceMap(same, "P", 0.1), ConductanceMap(same, "AP", 0.1)).confidence.max() <= ASSUMED_CONFIDENCE


def test_the_limit_of_a_short_is_the_less_certain_the_less_of_a_die_was_read() -> None:
    rng = np.random.default_rng(4)
    p = P + 14e-6 * rng.standard_normal(20_000)
    ap = p - GAP
    whole, part = find_reference(p, ap, 2e-6), find_reference(p[:625], ap[:625], 2e-6, of=20_000)
    assert whole is not None
    assert part is not None
    assert whole.limit_sigma < 0.2e-6 < 1e-6 < part.limit_sigma
    assert abs(part.limits.short - whole.limits.short) < 4 * part.limit_sigma


def test_a_board_without_a_calibration_and_the_smu_find_the_true_classes_of_a_simulated_die() -> None:
    lab = Lab(3, "harsh", Geometry(8, 25, 25), calibrated=False)
    (one,) = lab.classified("auto", 1)
    settled = one.truth != Defect.UNSTABLE
    assert {Defect.SHORT, Defect.STUCK_P, Defect.STUCK_AP} <= set(np.unique(one.truth))
    assert np.count_nonzero((one.found.codes != one.truth) & settled) <= 1
    assert one.smu_readings > 0


def test_good_junctions_that_show_no_spread_of_their_own_are_no_division_by_zero() -> None:
    alike = Reference(P, AP, 14e-6, GAP, 20_000, 9e-6, gap_sigma=0.0)
    one = [np.array([each]) for each in (P, P - 0.52 * GAP, 2e-6, 2e-6, 0.0)]
    found = probabilities(Readings(*one), alike, shares_of(Readings(*one), alike))
    assert abs(found.sum() - 1) < 1e-9
