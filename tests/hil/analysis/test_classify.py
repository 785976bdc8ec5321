"""The rule "relative-3" on dies whose classes are known, and on the simulated wafers against their truth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.analysis.classify import RULE, classify
from hil.analysis.reference import Reference
from hil.model.defects import Defect
from hil.model.maps import ConductanceMap
from simulator.fast import wafer_maps
from simulator.physics.fab import PRESETS
from simulator.physics.wafer import Wafer, nearest_dies
from tests.hil.analysis.dies import AP, GAP, SHAPE, VALUES, P, die

EVERY_KIND = dict.fromkeys(VALUES, 0.004)


def _rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_every_kind_of_defect_is_found_where_it_was_put() -> None:
    made = die(EVERY_KIND, _rng())
    found = classify(*made.measured(_rng(2)))
    np.testing.assert_array_equal(found.codes, made.truth)
    assert found.rule == found.meta["rule"] == RULE


@settings(max_examples=20, deadline=None)
@given(short=st.floats(0, 0.15), opened=st.floats(0, 0.15), stuck=st.floats(0, 0.1), seed=st.integers(0, 99))
def test_many_defects_do_not_widen_the_limits(short: float, opened: float, stuck: float, seed: int) -> None:
    rates = {Defect.SHORT: short, Defect.OPEN: opened, Defect.STUCK_P: stuck, Defect.STUCK_AP: stuck}
    made = die(rates, _rng(seed))
    found = classify(*made.measured(_rng(seed + 1)))
    assert np.mean(found.codes[made.truth == Defect.GOOD] != Defect.GOOD) < 1e-3
    bad = made.truth != Defect.GOOD
    assert np.array_equal(found.codes[bad], made.truth[bad])


@pytest.mark.parametrize(
    ("p", "ap", "expected"),
    [
        (P, P - 0.26 * GAP, Defect.LOW_TMR),
        (P, P - 0.23 * GAP, Defect.STUCK_P),
        (AP + 0.23 * GAP, AP, Defect.STUCK_AP),
        (AP + 0.47 * GAP, AP, Defect.LOW_TMR),
        (AP + 0.54 * GAP, AP, Defect.GOOD),
        (0.45 * AP, 0.45 * AP, Defect.OPEN),
        (0.55 * AP, 0.55 * AP, Defect.STUCK_AP),
        (P + 5.5 * 14e-6, P + 5.5 * 14e-6, Defect.STUCK_P),
        (P + 7 * 14e-6, P + 7 * 14e-6, Defect.SHORT),
        (AP, AP + 0.3 * GAP, Defect.UNSTABLE),
    ],
)
def test_thresholds_lie_where_the_contract_puts_them(p: float, ap: float, expected: Defect) -> None:
    made = die({}, _rng())
    made.p[3, 4, 5], made.ap[3, 4, 5] = p, ap
    maps = ConductanceMap(made.p.astype(np.float32), "P", 0.1), ConductanceMap(made.ap.astype(np.float32), "AP", 0.1)
    assert classify(*maps).codes[3, 4, 5] == expected


def test_a_junction_that_could_not_be_read_in_either_state_is_not_measured_and_never_good() -> None:
    p, ap = die({}, _rng()).measured(_rng())
    holes = [values.siemens.copy() for values in (p, ap)]
    holes[0][0, 0, 0] = holes[1][1, 1, 1] = np.nan
    found = classify(ConductanceMap(holes[0], "P", 0.1, p.meta), ConductanceMap(holes[1], "AP", 0.1, ap.meta))
    assert found.codes[0, 0, 0] == found.codes[1, 1, 1] == Defect.NOT_MEASURED
    assert found.confidence[0, 0, 0] == 0
    assert np.count_nonzero(found.codes == Defect.NOT_MEASURED) == 2


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.0, Defect.OPEN), (P, Defect.STUCK_P), (AP, Defect.STUCK_AP), (950e-6, Defect.SHORT)],
    ids=["dead", "all in P", "all in AP", "shorted"],
)
def test_a_die_that_shows_no_good_junction_is_classed_by_the_nominal_one_with_less_confidence(value: float, expected: Defect) -> None:
    siemens = np.full(SHAPE, value, np.float32)
    found = classify(ConductanceMap(siemens, "P", 0.1), ConductanceMap(siemens, "AP", 0.1))
    assert np.all(found.codes == expected)
    assert np.all((found.confidence > 0.4) & (found.confidence <= 0.5))
    assert (found.meta["reference"]["source"], found.meta["reference"]["junctions"]) == ("nominal", 0)


def test_a_die_of_which_nothing_was_read_is_not_measured() -> None:
    siemens = np.full(SHAPE, np.nan, np.float32)
    found = classify(ConductanceMap(siemens, "P", 0.1), ConductanceMap(siemens, "AP", 0.1))
    assert np.all(found.codes == Defect.NOT_MEASURED)
    assert np.all(found.confidence == 0)


@pytest.mark.parametrize("share", [0.48, 0.5, 0.52, 0.55, 0.75, 0.93])
@pytest.mark.parametrize("kind", [Defect.OPEN, Defect.SHORT, Defect.STUCK_P, Defect.STUCK_AP])
def test_a_majority_of_one_defect_neither_hides_the_die_nor_becomes_its_measure(kind: Defect, share: float) -> None:
    made = die({kind: share}, _rng(4))
    found = classify(*made.measured(_rng(5)))
    np.testing.assert_array_equal(found.codes, made.truth)
    assert found.meta["reference"]["source"] == "die"


@pytest.mark.parametrize("kind", [Defect.OPEN, Defect.SHORT, Defect.STUCK_P, Defect.STUCK_AP])
def test_a_die_of_nothing_but_one_defect_is_found_to_be_that(kind: Defect) -> None:
    made = die({kind: 1.0}, _rng(6))
    found = classify(*made.measured(_rng(7)))
    assert found.counts() == {kind.name.lower(): made.truth.size}
    assert found.meta["reference"]["source"] == "nominal"


def test_another_kind_of_junction_can_be_named_as_the_nominal_one() -> None:
    siemens = np.full(SHAPE, 80e-6, np.float32)
    maps = ConductanceMap(siemens, "P", 0.1), ConductanceMap(siemens, "AP", 0.1)
    assert np.all(classify(*maps).codes == Defect.OPEN)
    assert np.all(classify(*maps, Reference(164e-6, 82e-6, 13e-6, 82e-6, 0)).codes == Defect.STUCK_AP)


def test_confidence_falls_towards_a_threshold() -> None:
    made = die({}, _rng())
    for column, share in enumerate((0.9, 0.6, 0.53, 0.505)):
        made.p[0, 0, column], made.ap[0, 0, column] = AP + share * GAP, AP
    confidence = classify(*made.measured(np.random.default_rng(5))).confidence
    assert np.all(confidence >= 0)
    assert np.all(confidence <= 1)
    assert confidence[0, 0, 0] > 0.99
    assert confidence[0, 0, 0] >= confidence[0, 0, 1] > confidence[0, 0, 3]


def test_maps_of_two_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(1, 2, 2\)"):
        classify(ConductanceMap(np.zeros((1, 2, 2), np.float32), "P", 0.1), ConductanceMap(np.zeros((1, 2, 3), np.float32), "AP", 0.1))


@pytest.mark.parametrize("preset", list(PRESETS))
@pytest.mark.parametrize("seed", [1, 20261122])
def test_on_simulated_wafers_shorts_and_opens_are_found_and_good_junctions_are_left_alone(preset: str, seed: int) -> None:
    wafer = Wafer(seed, PRESETS[preset], nearest_dies(12))
    p, ap = wafer_maps(wafer, seed)
    truth = np.stack([wafer.die(index).true_classes() for index in wafer.dies])
    meta = {"averages": 4, "path": "board"}
    found = np.stack(
        [classify(ConductanceMap(p[n], "P", 0.1, meta), ConductanceMap(ap[n], "AP", 0.1, meta)).codes for n in range(len(wafer.dies))]
    )
    for kind in (Defect.SHORT, Defect.OPEN):
        assert np.count_nonzero((found == kind) & (truth == kind)) >= 0.99 * np.count_nonzero(truth == kind)
    assert np.mean(found[truth == Defect.GOOD] != Defect.GOOD) < 1e-3
    assert (preset == "clean") == bool(np.all(truth == Defect.GOOD)), "the wafers must hold something to find"
