"""Settings seen from one model: ranges found, and what it does not have refused before a byte is sent."""

import math

import numpy as np
import pytest

from drivers.errors import OverLimit
from drivers.smu.capabilities import KEITHLEY_2450, KEITHLEY_2602B, KEITHLEY_2634B, KEITHLEY_2636B
from drivers.smu.setup import Setup, setup
from drivers.smu.values import CurrentSourceSettings, Settings, SourceSettings


def of(settings: Settings) -> Setup:
    return setup(settings, KEITHLEY_2636B)


def test_a_voltage_source_gets_the_smallest_range_that_reaches_its_levels():
    found = of(SourceSettings(limit_amps=1e-6, range_volts=0.5))
    assert (found.source, found.range_, found.limit, found.measure_range) == ("volts", 2.0, 1e-6, None)
    assert found.largest == pytest.approx(2.02)


def test_a_current_source_gets_the_smallest_range_that_reaches_its_levels():
    found = of(CurrentSourceSettings(limit_volts=1.0, range_amps=3e-9, measure_range_volts=0.9))
    assert (found.source, found.range_, found.limit, found.measure_range) == ("amps", 10e-9, 1.0, 2.0)


@pytest.mark.parametrize(
    ("settings", "range_"),
    [
        (SourceSettings(limit_amps=1e-6), 2.0),
        (SourceSettings(limit_amps=1e-6, limit_volts=0.1), 0.2),
        (SourceSettings(limit_amps=1e-6, limit_volts=5.0, range_volts=1.0), 2.0),
        (CurrentSourceSettings(limit_volts=1.0, limit_amps=2e-6), 10e-6),
    ],
)
def test_without_a_range_the_largest_level_finds_it(settings: Settings, range_: float):
    assert of(settings).range_ == range_


@pytest.mark.parametrize("level", [0.31, -0.31, math.nan, math.inf])
def test_no_level_beyond_the_one_configured_passes(level: float):
    with pytest.raises(OverLimit, match=r"2636B: .* beyond the limit of 0\.3 V"):
        of(SourceSettings(limit_amps=1e-6, limit_volts=0.3)).check_level(level)


def test_a_level_of_the_range_passes_and_its_end_does_not_grow():
    found = of(SourceSettings(limit_amps=1e-6, range_volts=2.0))
    found.check_level(-2.02)
    with pytest.raises(OverLimit, match=r"2\.03"):
        found.check_level(2.03)


@pytest.mark.parametrize("levels", [[0.1, 2.5], [0.1, math.nan], [math.inf]])
def test_one_level_too_many_refuses_a_whole_sweep(levels: list[float]):
    with pytest.raises(OverLimit):
        of(SourceSettings(limit_amps=1e-6)).check_levels(np.array(levels))


@pytest.mark.parametrize("levels", [[], [[0.1]]])
def test_a_sweep_without_levels_is_a_mistake_of_the_caller(levels: list[float]):
    with pytest.raises(ValueError, match="at least one"):
        of(SourceSettings(limit_amps=1e-6)).check_levels(np.array(levels))


@pytest.mark.parametrize(
    "settings",
    [
        SourceSettings(limit_amps=1e-11),
        SourceSettings(limit_amps=1.6),
        SourceSettings(limit_amps=0.2, range_volts=200.0),
        SourceSettings(limit_amps=math.nan),
        SourceSettings(limit_amps=1e-6, range_volts=203.0),
        SourceSettings(limit_amps=1e-6, range_volts=-1.0),
        SourceSettings(limit_amps=1e-6, range_volts=2.0, limit_volts=1.0),
        SourceSettings(limit_amps=1e-6, nplc=0.0009),
        SourceSettings(limit_amps=1e-6, nplc=26.0),
        SourceSettings(limit_amps=1e-6, measure_range_amps=2.0),
        SourceSettings(limit_amps=1e-6, settle_s=-1.0),
        CurrentSourceSettings(limit_volts=0.001, range_amps=1e-6),
        CurrentSourceSettings(limit_volts=30.0, range_amps=1.5),
        CurrentSourceSettings(limit_volts=1.0),
        CurrentSourceSettings(limit_volts=1.0, range_amps=1.6),
    ],
)
def test_what_the_model_does_not_have_is_refused(settings: Settings):
    with pytest.raises(OverLimit):
        of(settings)


def test_models_differ():
    small = SourceSettings(limit_amps=1e-9, measure_range_amps=90e-12)
    assert of(small).measure_range == 100e-12
    assert setup(small, KEITHLEY_2634B).measure_range == 1e-9
    with pytest.raises(OverLimit, match="2602B"):
        setup(small, KEITHLEY_2602B)
    assert setup(SourceSettings(limit_amps=1e-9), KEITHLEY_2450).limit == 1e-9


def test_a_measure_range_that_the_limit_cannot_stand_with_is_refused():
    settings = SourceSettings(limit_amps=1e-3, measure_range_amps=1e-6)
    assert of(settings).measure_range == 1e-6
    with pytest.raises(OverLimit, match="measure range"):
        setup(settings, KEITHLEY_2450)


def test_autozero_and_the_line_decide_how_long_a_reading_takes():
    quick = of(SourceSettings(limit_amps=1e-6, nplc=0.001, autozero=False))
    assert quick.reading_s(60.0, triggered=True) == pytest.approx(1 / 11_200)
    assert of(SourceSettings(limit_amps=1e-6, nplc=1.0)).reading_s(50.0) == pytest.approx(0.06, rel=0.01)
