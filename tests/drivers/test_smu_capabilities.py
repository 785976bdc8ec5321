"""What each source-measure unit can do: computed from its record, refused beyond it, NaN included."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import OverLimit
from drivers.smu.capabilities import (
    KEITHLEY_2450,
    KEITHLEY_2460,
    KEITHLEY_2461,
    KEITHLEY_2470,
    KEITHLEY_2602B,
    KEITHLEY_2636B,
    SmuCapabilities,
)

MODELS = [KEITHLEY_2450, KEITHLEY_2460, KEITHLEY_2461, KEITHLEY_2470, KEITHLEY_2602B, KEITHLEY_2636B]
each_model = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.model)


@each_model
def test_a_record_is_consistent_in_itself(model: SmuCapabilities):
    for source in ("volts", "amps"):
        sourced, measured = model.sourced(source), model.measured(source)
        assert sourced.unit != measured.unit
        assert list(sourced.source_ranges) == sorted(sourced.source_ranges)
        for range_ in sourced.source_ranges:
            assert measured.limit[0] < model.largest_limit(source, range_) <= model.largest_limit(source, sourced.source_ranges[0])
    assert model.list_per_message <= model.list_points and model.triggered_per_s <= model.readings_per_s


@each_model
@given(share=st.floats(1e-6, 1.0))
def test_the_smallest_range_that_reaches_is_taken(model: SmuCapabilities, share: float):
    for source in ("volts", "amps"):
        ranges = model.sourced(source).source_ranges
        level = share * ranges[-1] * model.overrange
        found = model.range_for(source, level)
        assert level <= found * model.overrange
        assert not any(level <= each * model.overrange for each in ranges if each < found)
        model.check_level(source, -level, found)


@pytest.mark.parametrize("level", [0.0, -1.0, 211.0, math.nan, math.inf])
def test_a_range_that_does_not_exist_is_refused(level: float):
    with pytest.raises(OverLimit, match="2450: no source range reaches"):
        KEITHLEY_2450.range_for("volts", level)


@pytest.mark.parametrize(
    ("source", "limit", "range_", "stands"),
    [
        ("volts", 1.05, 20.0, True),
        ("volts", 0.105, 200.0, True),
        ("volts", 0.106, 200.0, False),
        ("volts", 1e-9, 0.02, True),
        ("volts", 0.9e-9, 0.02, False),
        ("volts", math.nan, 0.02, False),
        ("amps", 210.0, 0.1, True),
        ("amps", 21.0, 1.0, True),
        ("amps", 21.1, 1.0, False),
        ("amps", 0.01, 1e-3, False),
    ],
)
def test_a_compliance_is_one_that_the_power_envelope_has(source, limit: float, range_: float, stands: bool):
    if stands:
        KEITHLEY_2450.check_limit(source, limit, range_)
    else:
        with pytest.raises(OverLimit, match=r"2450: (current|voltage) limit"):
            KEITHLEY_2450.check_limit(source, limit, range_)


@pytest.mark.parametrize(
    ("model", "limit", "range_", "stands"),
    [
        (KEITHLEY_2450, 1e-3, 1e-3, True),
        (KEITHLEY_2450, 1.05e-3, 1e-3, True),
        (KEITHLEY_2450, 1.06e-3, 1e-3, False),
        (KEITHLEY_2450, 1.07e-4, 1e-3, True),
        (KEITHLEY_2450, 1e-4, 1e-3, False),
        (KEITHLEY_2470, 1e-5, 1e-4, False),
        (KEITHLEY_2636B, 1e-9, 1.0, True),
    ],
)
def test_a_measure_range_that_would_change_the_compliance_is_refused(model: SmuCapabilities, limit: float, range_: float, stands: bool):
    if stands:
        model.check_measure_range("volts", limit, range_)
    else:
        with pytest.raises(OverLimit, match="choose a measure range that reaches the limit"):
            model.check_measure_range("volts", limit, range_)


def test_a_reading_takes_its_apertures_and_what_the_rate_leaves_beside_the_shortest():
    shortest = KEITHLEY_2450.reading_s(0.01, False, 60.0)
    assert shortest == pytest.approx(1 / 3_000)
    assert KEITHLEY_2450.reading_s(1.0, False, 60.0) == pytest.approx(shortest + 0.99 / 60)
    assert KEITHLEY_2450.reading_s(1.0, True, 50.0) == pytest.approx(shortest - 0.01 / 60 + 3 / 50)
    assert KEITHLEY_2636B.reading_s(0.001, False, 60.0, triggered=True) == pytest.approx(1 / 11_200)


def test_small_currents_settle_longer():
    delays = [KEITHLEY_2450.settles_s(amps) for amps in (1e-9, 1e-6, 1e-5, 1e-3, 1.0)]
    assert delays == [50e-3, 3e-3, 2e-3, 1e-3, 1e-3]
    assert KEITHLEY_2602B.settles_s(1.0) == 0.0


@pytest.mark.parametrize(("pulse_s", "reading_s"), [(0.9e-3, 1e-4), (2e-3, 3e-3), (math.nan, 1e-4), (1e5, 1e-4)])
def test_a_pulse_is_no_shorter_than_the_model_makes_and_its_reading_takes(pulse_s: float, reading_s: float):
    with pytest.raises(OverLimit, match="2450: pulse"):
        KEITHLEY_2450.check_pulse(pulse_s, reading_s)


@pytest.mark.parametrize(
    ("model", "amps", "range_", "held"),
    [
        (KEITHLEY_2450, 1e-3, 1e-3, 1e-3),
        (KEITHLEY_2450, 105e-6, 100e-6, 105e-6),
        (KEITHLEY_2450, 105.5e-6, None, 105e-6),
        (KEITHLEY_2450, 106e-6, 1e-3, 106e-6),
        (KEITHLEY_2450, 1.06e-9, 10e-9, 1.06e-9),
        (KEITHLEY_2636B, 105.5e-6, 1e-3, 105.5e-6),
        (KEITHLEY_2636B, 100e-12, 100e-12, 100e-12),
    ],
)
def test_a_fixed_range_is_taken_where_it_can_hold_the_limit(model: SmuCapabilities, amps: float, range_: float | None, held: float):
    assert model.range_that_holds("volts", amps) == range_
    assert model.limit_that_holds("volts", amps) == pytest.approx(held, rel=1e-9)
    model.check_measure_range("volts", held, model.measure_range_for("volts", held))


def test_a_limit_that_no_fixed_range_can_hold_is_told():
    assert KEITHLEY_2450.range_that_holds("volts", 1e-9) is None
    with pytest.raises(OverLimit, match="2450: no fixed measure range can hold a limit of 1e-09 A"):
        KEITHLEY_2450.limit_that_holds("volts", 1e-9)


@each_model
@given(share=st.floats(1e-9, 1.0))
def test_the_limit_that_holds_is_never_above_the_one_asked_for_and_hardly_below(model: SmuCapabilities, share: float):
    asked = max(share * model.amps.measure_ranges[-1], 2 * model.amps.limit[0])
    held = model.limit_that_holds("volts", asked)
    assert 0.99 * asked <= held <= asked
    model.check_measure_range("volts", held, model.measure_range_for("volts", held))
