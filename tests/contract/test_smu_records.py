"""What the drivers believe of each source-measure unit against what the simulator took from the data sheet by itself."""

import pytest

from drivers.smu.capabilities import KEITHLEY_2450, KEITHLEY_2602B, KEITHLEY_2636B, Quantity, SmuCapabilities
from simulator.instruments.smu import datasheet
from simulator.instruments.smu.datasheet import DataSheet, Function

MODELS = [
    pytest.param(KEITHLEY_2450, datasheet.KEITHLEY_2450, id="2450"),
    pytest.param(KEITHLEY_2602B, datasheet.KEITHLEY_2602B, id="2602B"),
    pytest.param(KEITHLEY_2636B, datasheet.KEITHLEY_2636B, id="2636B"),
]
both = pytest.mark.parametrize(("driver", "sheet"), MODELS)


def quantities(driver: SmuCapabilities) -> list[tuple[Function, Quantity]]:
    return [("VOLT", driver.volts), ("CURR", driver.amps)]


@both
def test_both_know_the_same_ranges(driver: SmuCapabilities, sheet: DataSheet) -> None:
    for function, quantity in quantities(driver):
        assert quantity.source_ranges == pytest.approx(sheet.source_ranges(function), rel=1e-12)
        assert quantity.measure_ranges == pytest.approx(sheet.measure_ranges(function), rel=1e-12)
    assert (driver.overrange, driver.measure_overrange, driver.nplc) == (sheet.overrange, sheet.measure_overrange, sheet.nplc)


@both
def test_both_know_the_same_power_envelope(driver: SmuCapabilities, sheet: DataSheet) -> None:
    assert driver.envelope == sheet.envelope


@both
def test_both_know_the_same_rates(driver: SmuCapabilities, sheet: DataSheet) -> None:
    assert (driver.readings_per_s, driver.triggered_per_s) == (sheet.rates.memory, sheet.rates.triggered)
    for triggered, rate in ((False, sheet.rates.memory), (True, sheet.rates.triggered)):
        assert driver.reading_s(driver.nplc[0], False, 60.0, triggered=triggered) == pytest.approx(1.0 / rate)


@both
def test_the_driver_asks_for_no_limit_list_sweep_or_buffer_that_the_instrument_lacks(driver: SmuCapabilities, sheet: DataSheet) -> None:
    for function, quantity in quantities(driver):
        least, most = sheet.limits[function]
        assert quantity.limit[0] == least and quantity.limit[1] <= most
    assert driver.list_per_message <= sheet.list_per_message and driver.list_points <= sheet.list_points
    assert driver.sweep_points <= sheet.sweep_points
    assert driver.buffer_readings <= sheet.buffer_readings[1]
    assert sheet.source_delay_s[0] <= driver.settle_s[0] and driver.settle_s[1] <= sheet.source_delay_s[1]
