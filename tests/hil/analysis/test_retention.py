"""Thermal stability from histories whose truth is known."""

import json

import numpy as np
import pytest

from hil.analysis.retention import ATTEMPT_S, analyse_retention
from hil.analysis.retention_states import History
from hil.model.defects import Defect

SHAPE = (4, 25, 25)
P, AP = 3.3e-4, 1.9e-4


def history(mean: float, spread: float, interval_s: float, rounds: int, seed: int = 1, told: bool = True) -> tuple[History, np.ndarray]:
    """Junctions that reverse at their own rate, read with 0.3 % of noise; and their Delta."""
    rng = np.random.default_rng(seed)
    stability = mean * (1 + spread * rng.standard_normal(SHAPE))
    rate = np.exp(-stability) / ATTEMPT_S
    in_p = [np.ones(SHAPE, bool)]
    for _ in range(rounds - 1):
        in_p.append(in_p[-1] ^ (rng.poisson(rate * interval_s) % 2 == 1))
    siemens = np.where(np.stack(in_p), P, AP) * (1 + 0.003 * rng.standard_normal((rounds, *SHAPE)))
    elapsed = np.repeat(interval_s * np.arange(rounds, dtype=float)[:, None], SHAPE[0], axis=1)
    known = {"p": np.full(SHAPE, P), "ap": np.full(SHAPE, AP)} if told else {}
    return History(siemens, elapsed, temperature_c=25.0, **known), stability


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize(("mean", "interval_s"), [(24.0, 5.0), (30.0, 600.0)])
def test_the_array_mean_is_recovered_within_five_per_cent_with_an_interval(mean: float, interval_s: float, told: bool) -> None:
    given, stability = history(mean, 0.08, interval_s, rounds=10, told=told)
    found = analyse_retention([given])
    assert found.stability.mean == pytest.approx(stability.mean(), rel=0.05)
    assert found.stability.low is not None and found.stability.high is not None
    assert found.stability.low < stability.mean() < found.stability.high < 1.2 * found.stability.low
    assert found.spread == pytest.approx(0.08, rel=0.5)
    assert found.effective.mean is not None and found.effective.mean < found.stability.mean


def test_where_nothing_changed_there_is_a_lower_bound_and_no_value() -> None:
    found = analyse_retention([history(60.0, 0.08, 3600.0, rounds=5)[0]])
    assert sum(found.changes.values()) == 0
    assert found.stability.mean is None and found.stability.high is None and found.spread is None
    junction_seconds = 4 * 3600.0 * np.prod(SHAPE)
    assert found.stability.low == pytest.approx(np.log(junction_seconds / (np.log(20) * ATTEMPT_S)))


def test_the_bound_holds_for_junctions_that_are_just_stable_enough() -> None:
    bounds = [analyse_retention([history(33.5, 1e-9, 100.0, rounds=3, seed=seed)[0]]) for seed in range(6)]
    lows = [found.effective.low for found in bounds if found.effective.mean is None]
    assert lows and all(low is not None and low <= 33.5 for low in lows)


def test_a_mean_beyond_what_the_readings_resolve_says_how_far_beyond() -> None:
    inside = analyse_retention([history(24.0, 0.08, 5.0, rounds=10)[0]])
    assert inside.window == pytest.approx((np.log(5e9), np.log(45e9)))
    assert inside.extrapolated_sigmas == pytest.approx(0.0, abs=0.1)
    above = analyse_retention([history(30.0, 0.08, 5.0, rounds=10)[0]])
    assert above.extrapolated_sigmas == pytest.approx((30 - np.log(45e9)) / 2.4, rel=0.3)


def test_alike_junctions_are_recovered_too() -> None:
    found = analyse_retention([history(24.0, 1e-9, 5.0, rounds=6)[0]])
    assert found.effective.mean == pytest.approx(24.0, rel=0.01)
    assert found.effective.low is not None and found.effective.high is not None
    assert found.effective.low < 24.0 < found.effective.high


def test_bad_junctions_and_those_without_two_states_count_for_nothing() -> None:
    given, _ = history(24.0, 0.08, 5.0, rounds=4)
    codes = np.zeros(SHAPE, np.uint8)
    codes[0, 0, :3] = Defect.SHORT
    ap = given.ap.copy()  # type: ignore[union-attr]
    ap[1, 1, 1] = given.p[1, 1, 1]  # type: ignore[index]
    siemens = given.siemens.copy()
    siemens[2, 2, 2, :5] = np.nan
    found = analyse_retention([History(siemens, given.elapsed_s, given.p, ap, codes)])
    assert found.left_out == {"not read every time": 5, "states not told apart": 1, "known to be bad": 3}
    assert found.junctions == np.prod(SHAPE) - 9


def test_a_kernel_without_times_counts_for_nothing() -> None:
    given, _ = history(24.0, 0.08, 5.0, rounds=4)
    elapsed = given.elapsed_s.copy()
    elapsed[:, 3] = np.nan
    assert analyse_retention([History(given.siemens, elapsed, given.p, given.ap)]).junctions == 3 * 625


def test_uneven_readings_are_taken_at_their_own_times() -> None:
    given, stability = history(24.0, 0.08, 5.0, rounds=9)
    some = [0, 1, 3, 8]
    found = analyse_retention([History(given.siemens[some], given.elapsed_s[some], given.p, given.ap)])
    assert found.stability.mean == pytest.approx(stability.mean(), rel=0.05)


def test_changes_are_counted_by_direction() -> None:
    found = analyse_retention([history(22.0, 0.08, 5.0, rounds=2)[0]])
    assert found.changes["ap_to_p"] == 0 < found.changes["p_to_ap"]


def test_dies_are_analysed_together_and_the_result_is_json() -> None:
    found = analyse_retention([history(24.0, 0.08, 5.0, rounds=n, seed=n)[0] for n in (3, 5)])
    assert found.junctions == 2 * np.prod(SHAPE)
    assert json.loads(json.dumps(found.as_json(), allow_nan=False))["assumptions"]["attempt_s"] == ATTEMPT_S


def test_one_reading_shows_no_change() -> None:
    with pytest.raises(ValueError, match="read twice"):
        analyse_retention([history(24.0, 0.08, 5.0, rounds=1)[0]])
