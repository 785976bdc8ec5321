"""Repeated readings: what does not keep a state, what was read again, what is still in doubt."""

import numpy as np
import pytest

from hil.analysis.classify import classify
from hil.analysis.remeasure import MOST_OF_A_KERNEL, SLOW_AP, SLOW_P, in_doubt, mean_of
from hil.analysis.repeats import Repeats
from hil.model.defects import Defect
from hil.model.maps import ConductanceMap
from tests.hil.analysis.dies import AP, GAP, SHAPE, P, SyntheticDie, die


def _rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def _quiet(made: SyntheticDie) -> Repeats:
    """Two readings of each state that differ by noise alone."""
    repeats, rng = Repeats.none(made.p.shape), _rng(9)
    repeats.p_change[:], repeats.ap_change[:] = 4e-6 * rng.standard_normal((2, *made.p.shape))
    return repeats


@pytest.mark.parametrize("state", ["p_change", "ap_change"])
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_junction_whose_written_state_changes_between_two_readings_is_unstable(state: str, sign: int) -> None:
    made = die({}, _rng())
    repeats = _quiet(made)
    getattr(repeats, state)[2, 3, 4] = sign * 0.9 * GAP
    found = classify(*made.measured(_rng(2)), repeats=repeats)
    assert np.argwhere(found.codes == Defect.UNSTABLE).tolist() == [[2, 3, 4]]
    assert found.confidence[2, 3, 4] > 0.999


def test_telegraph_noise_that_is_less_than_a_state_is_noise() -> None:
    made = die({}, _rng())
    repeats = _quiet(made)
    repeats.p_change[2, 3, 4] = 0.05 * P
    assert classify(*made.measured(_rng(2)), repeats=repeats).codes[2, 3, 4] == Defect.GOOD


def test_shorts_and_opens_have_no_state_to_keep() -> None:
    made = die({}, _rng())
    made.p[0, 0, 0] = made.ap[0, 0, 0] = 950e-6
    made.p[0, 0, 1] = made.ap[0, 0, 1] = 0.0
    repeats = _quiet(made)
    repeats.p_change[0, 0, :2] = GAP
    assert classify(*made.measured(_rng(2)), repeats=repeats).codes[0, 0, :2].tolist() == [Defect.SHORT, Defect.OPEN]


def test_where_junctions_are_stuck_some_are_taken_to_keep_no_state_unseen_and_elsewhere_none() -> None:
    clean, spoilt = die({}, _rng()), die({Defect.STUCK_P: 0.01, Defect.STUCK_AP: 0.01}, _rng())
    sure, less = (classify(*made.measured(_rng(2)), repeats=_quiet(made)) for made in (clean, spoilt))
    assert np.median(sure.confidence[sure.codes == Defect.GOOD]) > 1 - 1e-6
    assert 1e-5 < 1 - np.median(less.confidence[less.codes == Defect.GOOD]) < 1e-3
    assert 1e-6 < 1 - np.median(less.confidence[less.codes == Defect.STUCK_P]) < 1e-2


def test_the_least_sure_of_a_kernel_are_in_doubt_and_no_more_than_can_be_read_again() -> None:
    made = die({}, _rng())
    made.p[1, :3], made.ap[1, :3] = AP + 0.5 * GAP, AP
    made.p[2, 0, :6], made.ap[2, 0, :6] = AP + 0.5 * GAP, AP
    found = classify(*made.measured(_rng(2)))
    assert not in_doubt(found, 0).any()
    assert np.all(in_doubt(found, 2)[0, :6])
    assert np.count_nonzero(in_doubt(found, 2)) == 6
    many = in_doubt(found, 1)
    assert np.count_nonzero(many) == MOST_OF_A_KERNEL
    assert not many[3:].any()


def test_a_junction_that_could_not_be_read_is_in_doubt_and_a_die_that_shows_no_good_one_is_not() -> None:
    p, ap = die({}, _rng()).measured(_rng(2))
    holed = p.siemens.copy()
    holed[4, 5, 6] = np.nan
    found = classify(ConductanceMap(holed, "P", 0.1, p.meta), ap)
    assert np.argwhere(in_doubt(found, 4)).tolist() == [[5, 6]]
    dead = np.zeros(SHAPE, np.float32)
    assert not in_doubt(classify(ConductanceMap(dead, "P", 0.1), ConductanceMap(dead, "AP", 0.1)), 0).any()


def test_the_mean_of_readings_leaves_out_what_is_not_to_be_trusted_and_says_how_sure_it_is() -> None:
    true, rng = 400e-6, _rng(5)
    readings = true * (1 + 0.003 * rng.standard_normal((200, 16)))
    readings[0, :10], readings[1] = np.nan, np.nan
    found = mean_of(readings, SLOW_P)
    assert found.count[:3].tolist() == [6, 0, 16]
    assert np.isnan([found.siemens[1], found.error[1]]).all()
    assert found.error[0] > found.error[2]
    pulls = ((found.siemens - true) / found.error)[2:]
    assert 0.75 < pulls.std() < 1.15


def test_slow_noise_stays_however_often_a_junction_is_read() -> None:
    found = mean_of(np.full((1, 200), 400e-6), SLOW_AP)
    assert found.error[0] >= 0.99 * SLOW_AP * 400e-6
