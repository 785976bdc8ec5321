"""What changed on a die between two sessions, told from noise and from what the whole die shares."""

from dataclasses import replace

import numpy as np
import pytest

from hil.analysis.changes import die_changes
from hil.analysis.classify import classify
from hil.analysis.measured import MeasuredDie
from hil.model.defects import Defect
from hil.model.maps import ConductanceMap
from simulator.physics.fab import load_fab
from tests.hil.analysis.wafers import measured

FAB = replace(load_fab("default"), unstable_rate=0.0, telegraph_rate=0.0)


@pytest.fixture(scope="module")
def sessions() -> tuple[MeasuredDie, MeasuredDie]:
    """One die read twice."""
    return measured(FAB, 4, 1, read_seed=1)[0], measured(FAB, 4, 1, read_seed=2)[0]


def _again(die: MeasuredDie, p: np.ndarray, ap: np.ndarray) -> MeasuredDie:
    maps = [
        ConductanceMap(values.astype(np.float32), each.state, each.read_volts, each.meta) for values, each in ((p, die.p), (ap, die.ap))
    ]
    return MeasuredDie(maps[0], maps[1], classify(*maps), die.die)


def _copies(die: MeasuredDie) -> tuple[np.ndarray, np.ndarray]:
    return die.p.siemens.astype(np.float64), die.ap.siemens.astype(np.float64)


def test_a_die_read_twice_has_not_changed(sessions: tuple[MeasuredDie, MeasuredDie]) -> None:
    found = die_changes(*sessions)
    assert len(found.changed) <= 2
    assert found.tested == 5000
    for shift in found.shift.values():
        assert shift.ratio.low <= 1.0 <= shift.ratio.high
        assert 0.7 < shift.noise_factor < 1.3


def test_a_shift_of_the_whole_die_is_no_change_of_junctions(sessions: tuple[MeasuredDie, MeasuredDie]) -> None:
    before, after = sessions
    p, ap = _copies(after)
    stuck_ap = after.defects.codes == Defect.STUCK_AP
    found = die_changes(before, _again(after, np.where(stuck_ap, p * 1.05, p * 1.02), ap * 1.05))
    assert found.shift["P"].ratio.value == pytest.approx(1.02, abs=5e-4)
    assert found.shift["AP"].ratio.value == pytest.approx(1.05, abs=1e-3)
    # Shorts are too few here to tell their own shift: what moved with the die against expectation is called changed.
    assert sum(each.from_class not in ("short", "stuck_p") for each in found.changed) <= 3


def test_a_sense_line_that_shifted_is_no_change_of_junctions(sessions: tuple[MeasuredDie, MeasuredDie]) -> None:
    before, after = sessions
    p, ap = _copies(after)
    p[:, :, 7] *= 1.03
    ap[:, :, 7] *= 1.03
    found = die_changes(before, _again(after, p, ap))
    assert len(found.changed) <= 3
    assert found.shift["P"].lines_sigma == pytest.approx(0.03 * np.sqrt(24) / 25, rel=0.1)


def test_single_junctions_that_changed_are_found_and_few_others(sessions: tuple[MeasuredDie, MeasuredDie]) -> None:
    before, after = sessions
    p, ap = _copies(after)
    rng = np.random.default_rng(3)
    good = np.flatnonzero(after.good)
    moved = rng.choice(good, 40, replace=False)
    p.flat[moved[:30]] *= 1.06
    ap.flat[moved[:30]] *= 1.06
    p.flat[moved[30:]] = ap.flat[moved[30:]] = 900e-6
    found = die_changes(before, _again(after, 1.01 * p, 1.01 * ap))
    called = {int(np.ravel_multi_index(each.junction, p.shape)) for each in found.changed if each.from_class == "good"}
    assert len(called & set(moved.tolist())) >= 39
    assert len(called - set(moved.tolist())) <= 6
    assert found.class_changes["good to short"] == 10
    assert found.changed[0].to_class == "short"
    assert [each.q_value for each in found.changed] == sorted(each.q_value for each in found.changed)


def test_a_class_that_flips_at_its_threshold_is_no_change(sessions: tuple[MeasuredDie, MeasuredDie]) -> None:
    before, after = sessions
    codes = after.defects.codes.copy()
    codes[tuple(np.argwhere(after.good)[0])] = Defect.LOW_TMR
    found = die_changes(before, replace(after, defects=replace(after.defects, codes=codes)))
    assert found.within_noise >= 1
    assert not any(each.to_class == "low_tmr" for each in found.changed)


def test_junctions_not_read_twice_are_not_tested(sessions: tuple[MeasuredDie, MeasuredDie]) -> None:
    before, after = sessions
    p, ap = _copies(after)
    p[:2], ap[:1] = np.nan, np.nan
    found = die_changes(before, _again(after, p, ap))
    assert found.tested == 7 * 625
    with pytest.raises(ValueError, match="one shape"):
        die_changes(before, _again(after, p[:4], ap[:4]))
