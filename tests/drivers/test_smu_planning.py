"""The planner: which way readings are taken, how long that takes, and what a junction may be given."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import OverLimit
from drivers.smu.capabilities import KEITHLEY_2450, KEITHLEY_2634B, KEITHLEY_2636B
from drivers.smu.planning import (
    BeyondJunction,
    Course,
    JunctionLimits,
    Method,
    Pace,
    capabilities_of,
    evenly_spaced,
    plan_readings,
    plan_sweep,
)

LIMITS = JunctionLimits(volts=1.0, dwell_s=10.0, energy_joules=1e-2)
FAST = Pace(0.01, autozero=False, line_hertz=60.0)
USUAL = Pace(0.1, 1e-3)


def readings(count: int = 625, volts: float = 0.1, pace: Pace = FAST, limits: JunctionLimits = LIMITS, triggered: bool = True) -> Course:
    return plan_readings(KEITHLEY_2450, count, volts, 1e-4, pace, limits, triggered=triggered)


def sweep(levels: list[float], pace: Pace = USUAL, limits: JunctionLimits = LIMITS, sweeps: bool = True) -> Course:
    return plan_sweep(KEITHLEY_2450, np.array(levels), 1e-3, pace, limits, sweeps=sweeps)


# --- the way
def test_many_junctions_at_one_level_are_scanned_at_the_instruments_rate() -> None:
    course = readings(20_000)
    assert course.method is Method.SCAN
    assert course.duration_s == pytest.approx(20_000 / KEITHLEY_2450.triggered_per_s, rel=0.01)


def test_without_trigger_lines_each_junction_is_read_by_command_and_takes_longer() -> None:
    course = readings(triggered=False)
    assert course.method is Method.PER_POINT
    assert course.duration_s > 10 * readings().duration_s
    assert course.step_timeout_s == 0


def test_more_readings_than_the_buffer_holds_are_not_scanned() -> None:
    assert readings(KEITHLEY_2450.buffer_readings).method is Method.SCAN
    assert readings(KEITHLEY_2450.buffer_readings + 1).method is Method.PER_POINT


def test_a_model_without_digital_lines_is_not_scanned() -> None:
    ways = [plan_readings(model, 625, 0.1, 1e-4, FAST, LIMITS, triggered=True).method for model in (KEITHLEY_2634B, KEITHLEY_2636B)]
    assert ways == [Method.PER_POINT, Method.SCAN]


def test_an_estimate_goes_by_what_the_instrument_said_of_itself_then_by_its_driver() -> None:
    assert capabilities_of("keithley2600", "Model 2634B") is KEITHLEY_2634B
    assert capabilities_of("keithley2600") is KEITHLEY_2636B
    assert capabilities_of("somebody-elses", "SMU 1") is KEITHLEY_2450


@pytest.mark.parametrize(
    ("levels", "method"),
    [
        (list(np.linspace(-0.5, 0.5, 11)), Method.LINEAR),
        ([0.3, 0.0], Method.LINEAR),
        ([0.0, 0.4, 0.0, -0.4, 0.0], Method.LIST),
        ([0.2], Method.LIST),
        ([0.1, 0.2, 0.30001], Method.LIST),
    ],
)
def test_evenly_spaced_levels_are_swept_linearly_others_from_a_list(levels: list[float], method: Method) -> None:
    assert sweep(levels).method is method


def test_a_driver_without_sweeps_gets_its_points_one_by_one() -> None:
    assert sweep([0.1, 0.2], sweeps=False).method is Method.PER_POINT


@given(st.floats(-1, 1), st.floats(-1, 1), st.integers(2, 300))
def test_levels_of_linspace_are_always_seen_as_even(start: float, stop: float, points: int) -> None:
    assert evenly_spaced(np.linspace(start, stop, points))


# --- what a junction may be given
def test_a_level_beyond_the_junctions_volts_is_refused() -> None:
    with pytest.raises(BeyondJunction, match=r"1\.2 V, beyond 1 \(limits\.device_volts\)") as refused:
        sweep([0.1, -1.2])
    assert (refused.value.what, refused.value.value, refused.value.limit) == ("device_volts", 1.2, 1.0)


def test_longer_under_bias_than_the_limit_is_refused_with_both_numbers() -> None:
    slow = Pace(10.0, 1e-3, line_hertz=50.0)
    point_s = 1e-3 + 2 * KEITHLEY_2450.reading_s(10.0, True, 50.0)
    fits = int(LIMITS.dwell_s / point_s)
    assert sweep([1e-3] * fits, slow).dwell_s <= LIMITS.dwell_s
    with pytest.raises(BeyondJunction, match=r"s under bias without a break, beyond 10 \(limits\.dwell_s\); take fewer points") as refused:
        sweep([1e-3] * (fits + 1), slow)
    assert refused.value.value == pytest.approx((fits + 1) * point_s)


def test_more_energy_than_the_limit_is_refused() -> None:
    with pytest.raises(BeyondJunction, match=r"limits\.energy_joules") as refused:
        sweep([1.0] * 200, Pace(1.0, 0.0), replace(LIMITS, dwell_s=100.0))
    assert refused.value.what == "energy_joules"


def test_points_at_zero_are_no_time_under_bias() -> None:
    assert sweep([0.0, 0.5, 0.0, 0.0]).dwell_s == pytest.approx(sweep([0.5]).dwell_s)


def test_one_by_one_only_one_point_stands_at_a_time() -> None:
    assert sweep([0.5] * 50, sweeps=False).dwell_s == pytest.approx(sweep([0.5]).dwell_s)


def test_a_short_limit_shortens_the_wait_for_an_edge_down_to_what_a_step_needs() -> None:
    step_s = KEITHLEY_2450.reading_s(0.01, False, 60.0, triggered=True)
    assert readings().step_timeout_s == 0.5
    assert readings(limits=replace(LIMITS, dwell_s=0.1)).step_timeout_s == pytest.approx(0.1)
    assert readings(limits=replace(LIMITS, dwell_s=2 * step_s)).step_timeout_s == pytest.approx(2 * step_s)
    with pytest.raises(BeyondJunction, match="dwell_s"):
        readings(limits=replace(LIMITS, dwell_s=1.9 * step_s))


@pytest.mark.parametrize("nplc", [0.001, 11.0, math.nan])
def test_an_integration_time_that_the_model_does_not_have_is_refused(nplc: float) -> None:
    with pytest.raises(OverLimit, match="power-line cycles"):
        readings(pace=Pace(nplc))
    with pytest.raises(OverLimit, match="power-line cycles"):
        sweep([0.1], Pace(nplc))


@given(
    points=st.integers(1, 400),
    level=st.floats(1e-3, 1.0),
    nplc=st.floats(0.01, 10.0),
    settle_s=st.floats(0, 1e-2),
    limit=st.floats(1e-3, 100.0),
)
def test_whatever_passes_keeps_every_limit(points: int, level: float, nplc: float, settle_s: float, limit: float) -> None:
    limits = JunctionLimits(1.0, limit, limit * 1e-3)
    try:
        course = sweep([level] * points, Pace(nplc, settle_s), limits)
    except BeyondJunction as refused:
        assert refused.value > refused.limit
        return
    assert course.dwell_s <= limits.dwell_s and course.energy_joules <= limits.energy_joules
    assert course.duration_s >= points * nplc / 50.0


def test_a_limit_that_no_fixed_range_holds_costs_the_search_for_one() -> None:
    levels = np.array([0.1])
    searched, fixed = (plan_sweep(KEITHLEY_2450, levels, amps, USUAL, LIMITS, sweeps=True) for amps in (1e-9, 1.1e-9))
    assert searched.dwell_s > 3 * fixed.dwell_s
