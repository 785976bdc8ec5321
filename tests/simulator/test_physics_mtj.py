"""The junction's formulas against published numbers, and their limits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.physics.mtj import (
    Junctions,
    Law,
    breaks_down,
    cell_siemens,
    critical_volts_at,
    hold_s,
    parallel_ohms,
    relaxed_probability,
    reversal_probability,
    stability_at,
    switch_probability,
    thermal_probability,
    tmr_at,
    write_error,
)

LAW = Law()
LAWS = st.sampled_from((LAW, Law(exponent=2.0)))
"""Both exponents are in use."""
WIDTHS = st.floats(1e-9, 1e-3)
OVERDRIVES = st.floats(0.0, 3.0)
STABILITIES = st.floats(20.0, 100.0)


def junction(**changes: float) -> Junctions:
    values = {
        "ohms_p": 1990.0, "tmr": 1.2, "shunt_siemens": 0.0, "series_ohms": 1000.0, "critical_volts": 0.4, "stability": 60.0,
        "breakdown_volts": 1.35,
    } | changes  # fmt: skip
    return Junctions(**{name: np.asarray(value) for name, value in values.items()})


def siemens(state_p: bool, volts: float, **changes: float) -> float:
    return float(cell_siemens(junction(**changes), np.asarray(state_p), volts, LAW)[0])


def test_parallel_resistance_of_an_80_nm_pillar() -> None:
    assert parallel_ohms(10.0, 80.0) == pytest.approx(1989.4, abs=0.1)


@pytest.mark.parametrize(("volts", "left"), [(0.1, 0.96), (0.2, 0.86), (0.3, 0.74)])
def test_tmr_falls_with_bias_as_tabulated(volts: float, left: float) -> None:
    assert tmr_at(1.0, volts, 0.5) == pytest.approx(left, abs=0.005)


def test_cell_conductances_are_those_of_the_reference_cell() -> None:
    assert siemens(True, 0.0) == pytest.approx(335e-6, rel=0.005)
    assert siemens(False, 0.0) == pytest.approx(186e-6, rel=0.005)


def solved_by_bisection(state_p: bool, volts: float) -> float:
    """Conductance of the reference cell from Kirchhoff's law alone."""
    low, high = 0.0, volts
    for _ in range(80):
        middle = (low + high) / 2
        tmr = 0.0 if state_p else tmr_at(1.2, middle, 0.5)
        current = middle / (1990.0 * (1 + tmr))
        low, high = (middle, high) if current * 1000.0 + middle < volts else (low, middle)
    return (volts - low) / 1000.0 / volts


@pytest.mark.parametrize(("volts", "tolerance"), [(0.05, 1e-6), (0.1, 1e-5), (0.3, 1e-4), (0.8, 2e-3), (1.2, 5e-3)])
def test_the_divider_is_solved(volts: float, tolerance: float) -> None:
    assert siemens(False, volts) == pytest.approx(solved_by_bisection(False, volts), rel=tolerance)
    assert siemens(True, volts) == pytest.approx(solved_by_bisection(True, volts), rel=tolerance)


@given(st.floats(-1.2, 1.2), st.floats(0.0, 0.03), st.floats(500, 5000))
@settings(max_examples=60, deadline=None)
def test_antiparallel_never_conducts_better_than_parallel_and_no_cell_better_than_its_access(
    volts: float, shunt: float, ohms: float
) -> None:
    parallel, antiparallel = (siemens(state, volts, shunt_siemens=shunt, ohms_p=ohms) for state in (True, False))
    assert 0 < antiparallel <= parallel < 1e-3


def test_a_hard_short_is_limited_by_its_access_device() -> None:
    assert siemens(False, 0.1, shunt_siemens=1 / 30) == pytest.approx(1 / 1030, rel=0.01)


@pytest.mark.parametrize(
    ("width_s", "exponent", "median"),
    [(1e-8, 1, 0.956), (1e-7, 1, 0.917), (1e-6, 1, 0.879), (1e-3, 1, 0.764), (0.375, 1, 0.665), (1e-7, 2, 0.712), (1e-3, 2, 0.514)],
)
def test_half_of_the_pulses_switch_at_the_published_median(width_s: float, exponent: float, median: float) -> None:
    assert thermal_probability(median, 60.0, width_s, Law(exponent=exponent)) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(
    ("overdrive", "width_s", "error"), [(1.5, 5e-9, 0.84), (1.5, 1e-8, 6.1e-2), (1.5, 2e-8, 8.0e-5), (2, 1e-8, 1.2e-4)]
)
def test_write_errors_are_butlers(overdrive: float, width_s: float, error: float) -> None:
    assert write_error(overdrive, 60.0, width_s, LAW) == pytest.approx(error, rel=0.05)


def test_reading_at_a_tenth_of_a_volt_disturbs_nothing_and_at_three_tenths_it_does() -> None:
    assert thermal_probability(0.25, 60.0, 1e-6, LAW) < 1e-16
    assert thermal_probability(0.75, 60.0, 1e-6, LAW) == pytest.approx(3e-4, rel=0.1)


@given(OVERDRIVES, OVERDRIVES, STABILITIES, WIDTHS, LAWS)
@settings(max_examples=200, deadline=None)
def test_more_voltage_never_switches_less(one: float, other: float, stability: float, width_s: float, law: Law) -> None:
    low, high = sorted((one, other))
    assert switch_probability(low, stability, width_s, law) <= switch_probability(high, stability, width_s, law) + 1e-12


@given(OVERDRIVES, STABILITIES, WIDTHS, WIDTHS, LAWS)
@settings(max_examples=200, deadline=None)
def test_a_longer_pulse_never_switches_less(overdrive: float, stability: float, one_s: float, other_s: float, law: Law) -> None:
    short_s, long_s = sorted((one_s, other_s))
    shorter, longer = (float(switch_probability(overdrive, stability, width, law)) for width in (short_s, long_s))
    assert 0.0 <= shorter <= longer + 1e-12 <= 1.0 + 1e-12


@given(OVERDRIVES, STABILITIES, WIDTHS, LAWS)
@settings(max_examples=100, deadline=None)
def test_a_junction_among_others_switches_as_if_alone(overdrive: float, stability: float, width_s: float, law: Law) -> None:
    alone = float(switch_probability(overdrive, stability, width_s, law))
    among = switch_probability(np.array([0.1, overdrive, 2.9]), np.array([60.0, stability, 60.0]), width_s, law)
    assert among[1] == pytest.approx(alone, abs=1e-12)


@given(st.booleans(), STABILITIES, WIDTHS, LAWS)
@settings(max_examples=100, deadline=None)
def test_without_voltage_a_pulse_is_a_wait(state_p: bool, stability: float, width_s: float, law: Law) -> None:
    at_rest = reversal_probability(junction(stability=stability), np.asarray(state_p), np.asarray(0.0), width_s, law)
    faint = reversal_probability(junction(stability=stability), np.asarray(state_p), np.asarray(1e-9), width_s, law)
    assert float(at_rest) == pytest.approx(-np.expm1(-width_s / float(hold_s(stability, law))), rel=1e-9, abs=1e-300)
    assert float(faint) == pytest.approx(float(at_rest), rel=1e-4, abs=1e-300)
    short_s = min(width_s, 1e-3 * float(hold_s(stability, law)))
    waited = relaxed_probability(hold_s(stability, law), short_s)
    pulsed = reversal_probability(junction(stability=stability), np.asarray(state_p), np.asarray(0.0), short_s, law)
    assert float(waited) == pytest.approx(float(pulsed), rel=2e-3)


@given(st.floats(1e-9, 1e-3), st.floats(500, 5000), st.floats(0.2, 3.0))
@settings(max_examples=60, deadline=None)
def test_at_little_voltage_a_cell_is_ohmic_with_the_whole_tmr(volts: float, ohms: float, tmr: float) -> None:
    parallel, antiparallel = (siemens(state, volts, ohms_p=ohms, tmr=tmr) for state in (True, False))
    assert parallel == pytest.approx(1 / (ohms + 1000), rel=1e-9)
    assert antiparallel == pytest.approx(1 / (ohms * (1 + tmr) + 1000), rel=1e-4)
    assert siemens(False, -volts, ohms_p=ohms, tmr=tmr) == pytest.approx(antiparallel, rel=1e-12)


@given(st.floats(0.01, 1.2), st.floats(0.2, 3.0), st.floats(-40.0, 150.0))
@settings(max_examples=100, deadline=None)
def test_parallel_conducts_better_than_antiparallel_at_any_bias_and_temperature(volts: float, tmr: float, celsius: float) -> None:
    parallel, antiparallel = (float(cell_siemens(junction(tmr=tmr), np.asarray(state), volts, LAW, celsius)[0]) for state in (True, False))
    assert parallel > antiparallel


@given(st.floats(-40.0, 150.0), st.floats(-40.0, 150.0))
@settings(max_examples=60, deadline=None)
def test_a_hotter_junction_has_less_tmr_less_barrier_and_switches_at_less(one: float, other: float) -> None:
    cold, hot = sorted((one, other))
    assert stability_at(60.0, hot) <= stability_at(60.0, cold)
    assert critical_volts_at(0.4, hot) <= critical_volts_at(0.4, cold)
    ratios = []
    for celsius in (cold, hot):
        parallel, antiparallel = (float(cell_siemens(junction(), np.asarray(state), 0.1, LAW, celsius)[0]) for state in (True, False))
        ratios.append(parallel / antiparallel)
    assert ratios[1] <= ratios[0]
    chances = [float(reversal_probability(junction(), np.asarray(False), np.asarray(0.3), 1e-6, LAW, celsius)) for celsius in (cold, hot)]
    assert chances[0] <= chances[1]


def test_at_25_degrees_parameters_are_as_given() -> None:
    assert (stability_at(60.0, 25.0), critical_volts_at(0.4, 25.0)) == (60.0, 0.4)
    assert stability_at(60.0, 125.0) == pytest.approx(60 * 0.9 * 298.15 / 398.15)


@given(st.floats(0.0, 1e12), st.floats(0.0, 1e12))
@settings(max_examples=60, deadline=None)
def test_waiting_longer_never_leaves_more_and_leaves_half_at_last(one_s: float, other_s: float) -> None:
    short_s, long_s = sorted((one_s, other_s))
    assert 0.0 <= float(relaxed_probability(5.0, short_s)) <= float(relaxed_probability(5.0, long_s)) <= 0.5


@given(st.floats(0.0, 1.2), WIDTHS, LAWS)
@settings(max_examples=60, deadline=None)
def test_writing_ap_takes_more_voltage_than_writing_p(volts: float, width_s: float, law: Law) -> None:
    to_ap = reversal_probability(junction(), np.asarray(True), np.asarray(-volts), width_s, law)
    to_p = reversal_probability(junction(), np.asarray(False), np.asarray(volts), width_s, law)
    assert to_ap <= to_p + 1e-12


def test_only_the_opposite_polarity_reverses_a_state() -> None:
    for state_p, volts in ((True, 0.6), (False, -0.6)):
        assert reversal_probability(junction(), np.asarray(state_p), np.asarray(volts), 1e-3, LAW) < 1e-12
        assert reversal_probability(junction(), np.asarray(state_p), np.asarray(-volts), 1e-3, LAW) > 0.99


def test_a_barrier_stands_more_voltage_for_a_shorter_time() -> None:
    for width_s in (1e-7, 1e-3, 1.0):
        limit = 1.35 * width_s ** (-1 / 50)
        assert breaks_down(junction(), np.asarray(limit * 1.01), width_s, LAW)
        assert not breaks_down(junction(), np.asarray(-limit * 0.99), width_s, LAW)
