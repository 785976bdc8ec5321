"""What data sheets promise, against the simulator's own record of the same sheets."""

from dataclasses import replace

import pytest

from drivers.smu.accuracy import accuracy_of
from drivers.smu.capabilities import KEITHLEY_2450, KEITHLEY_2470, KEITHLEY_2602B, KEITHLEY_2636B, SmuCapabilities
from simulator.instruments.smu import datasheet

SHEETS = [(KEITHLEY_2450, datasheet.KEITHLEY_2450), (KEITHLEY_2602B, datasheet.KEITHLEY_2602B), (KEITHLEY_2636B, datasheet.KEITHLEY_2636B)]


@pytest.mark.parametrize(("model", "sheet"), SHEETS)
@pytest.mark.parametrize("volts", [0.05, 0.1, 0.2, 0.3])
def test_both_records_of_a_data_sheet_agree(model: SmuCapabilities, sheet: datasheet.DataSheet, volts: float) -> None:
    promised = accuracy_of(model, volts, volts * 1e-3)
    assert promised is not None
    source = sheet.by_scale["VOLT"][sheet.source_range_for("VOLT", volts)]
    measure = sheet.by_scale["CURR"][sheet.measure_range_for("CURR", volts * 1e-3)]
    assert source.source is not None
    assert (promised.volts.range_, promised.amps.range_) == (source.full_scale, measure.full_scale)
    assert (promised.volts.gain, promised.volts.offset) == pytest.approx((source.source.gain, source.source.offset))
    assert (promised.amps.gain, promised.amps.offset) == pytest.approx((measure.measure.gain, measure.measure.offset))
    assert promised.amps.noise == measure.noise


@pytest.mark.parametrize(("model", "sheet"), SHEETS)
def test_what_is_read_back_is_no_worse_than_what_is_sourced(model: SmuCapabilities, sheet: datasheet.DataSheet) -> None:
    """One figure serves both ways of taking the level."""
    promised = accuracy_of(model, 0.1, 1e-4)
    read_back = sheet.by_scale["VOLT"][sheet.source_range_for("VOLT", 0.1)].measure
    assert promised is not None
    assert read_back.gain <= promised.volts.gain and read_back.offset <= promised.volts.offset


def test_nobody_guesses_the_accuracy_of_another_model() -> None:
    assert accuracy_of(KEITHLEY_2470, 0.1, 1e-4) is None
    assert accuracy_of(replace(KEITHLEY_2450, model="9999"), 0.1, 1e-4) is None
