"""Keithley 2600B: what is said, byte for byte, and what is understood."""

import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import OverLimit, ProtocolError, Refused
from drivers.smu import keithley2600_messages as say
from drivers.smu import keithley2600_triggers as trigger
from drivers.smu.capabilities import KEITHLEY_2634B, KEITHLEY_2636B
from drivers.smu.keithley2600_triggers import Progress, Pulse
from drivers.smu.setup import Setup, setup
from drivers.smu.values import CurrentSourceSettings, OffState, ScanSettings, Settings, SmuProvenance, SmuReading, SourceSettings
from drivers.tsp import LINE_BYTES, lines_of

VOLTS = SourceSettings(limit_amps=1e-9, range_volts=2.0, nplc=0.01)
BUFFER_SETTINGS = [
    statement
    for buffer in ("smua.nvbuffer1", "smua.nvbuffer2")
    for statement in (
        f"{buffer}.appendmode = 1",
        f"{buffer}.collecttimestamps = 1",
        f"{buffer}.collectsourcevalues = 1",
        f"{buffer}.timestampresolution = 1e-06",
        f"{buffer}.fillmode = smua.FILL_ONCE",
    )
]


def of(settings: Settings) -> Setup:
    return setup(settings, KEITHLEY_2636B)


# --- configuring
def test_sourcing_volts_is_said_exactly_so_with_the_output_off_first_and_the_level_at_zero():
    assert say.configuration(of(VOLTS)) == [
        "smua.source.output = 0",
        "smua.abort()",
        "localnode.showerrors = 0",
        "smua.source.func = smua.OUTPUT_DCVOLTS",
        "smua.source.levelv = 0.0",
        "smua.source.rangev = 0.2",
        "smua.source.limiti = 1e-09",
        "smua.source.limitp = 0",
        "smua.source.rangev = 2.0",
        "smua.source.offmode = smua.OUTPUT_NORMAL",
        "smua.source.highc = smua.DISABLE",
        "smua.source.delay = smua.DELAY_AUTO",
        "smua.measure.delay = smua.DELAY_AUTO",
        "smua.sense = smua.SENSE_LOCAL",
        "smua.measure.nplc = 0.01",
        "smua.measure.autorangei = smua.AUTORANGE_ON",
        "smua.measure.count = 1",
        "smua.measure.filter.enable = smua.FILTER_OFF",
        "smua.measure.rel.enablei = smua.REL_OFF",
        "smua.measure.rel.enablev = smua.REL_OFF",
        "smua.measure.autozero = smua.AUTOZERO_AUTO",
        "smua.nvbuffer1.clear()",
        "smua.nvbuffer2.clear()",
        *BUFFER_SETTINGS,
    ]


def test_sourcing_amps_exchanges_the_two_quantities():
    settings = CurrentSourceSettings(
        limit_volts=1.0,
        range_amps=10e-3,
        nplc=25.0,
        four_wire=True,
        measure_range_volts=1.0,
        autozero=False,
        settle_s=1e-3,
        off_state=OffState.HIGH_IMPEDANCE,
    )
    said = say.configuration(of(settings))
    for statement in (
        "smua.source.func = smua.OUTPUT_DCAMPS",
        "smua.source.leveli = 0.0",
        "smua.source.limitv = 1.0",
        "smua.source.rangei = 0.01",
        "smua.source.offmode = smua.OUTPUT_HIGH_Z",
        "smua.source.delay = 0.001",
        "smua.measure.delay = smua.DELAY_OFF",
        "smua.sense = smua.SENSE_REMOTE",
        "smua.measure.nplc = 25.0",
        "smua.measure.rangev = 2.0",
        "smua.measure.autozero = smua.AUTOZERO_ONCE",
    ):
        assert statement in said


def test_a_limit_goes_between_the_lowest_and_the_wanted_source_range():
    said = say.configuration(of(SourceSettings(limit_amps=0.1, range_volts=200.0)))
    at = said.index("smua.source.limiti = 0.1")
    assert said[at - 1] == "smua.source.rangev = 0.2"
    assert said[at + 2] == "smua.source.rangev = 200.0"


@pytest.mark.parametrize(("off_state", "mode"), [(OffState.ZERO, "smua.OUTPUT_ZERO"), (OffState.NORMAL, "smua.OUTPUT_NORMAL")])
def test_off_states_have_the_instruments_own_names(off_state: OffState, mode: str):
    assert f"smua.source.offmode = {mode}" in say.configuration(of(SourceSettings(limit_amps=1e-6, off_state=off_state)))


def test_an_off_state_that_it_does_not_have_is_refused():
    with pytest.raises(OverLimit, match=r"guard.*normal, high impedance, zero"):
        say.configuration(of(SourceSettings(limit_amps=1e-6, off_state=OffState.GUARD)))


@pytest.mark.parametrize(("amps", "text"), [(1e-9, "1e-09"), (1.234567e-9, "1.234567e-09"), (100e-9, "1e-07"), (10e-3, "0.01")])
def test_small_limits_arrive_with_all_their_digits(amps: float, text: str):
    assert f"smua.source.limiti = {text}" in say.configuration(of(SourceSettings(limit_amps=amps)))
    assert say.level("amps", amps) == f"smua.source.leveli = {text}"


def test_a_configuration_is_one_line():
    assert len(lines_of(say.configuration(of(VOLTS)))) == 1


def test_what_was_set_is_read_back_before_switching_on():
    assert say.what_is_set("volts") == ("smua.source.func", "smua.source.limiti", "smua.source.levelv")
    say.check_what_is_set(["1.0e+00", "1.00000001e-09", "0"], of(VOLTS), "smu")


@pytest.mark.parametrize("answers", [["0", "1e-09", "0"], ["1", "0.1", "0"], ["1", "1e-09", "0.5"]])
def test_an_instrument_that_is_not_set_as_it_was_configured_is_told(answers: list[str]):
    with pytest.raises(Refused, match=r"smu: .*reset.*configure it again"):
        say.check_what_is_set(answers, of(VOLTS), "smu")


# --- measuring
def test_a_measurement_takes_level_reading_and_status_and_returns_to_zero_before_it_asks_for_the_output():
    assert " ".join(say.measurement("volts", 0.1)) == (
        "format.asciiprecision = 16 smua.nvbuffer1.clear() smua.nvbuffer2.clear() smua.source.levelv = 0.1 "
        "hil_i, hil_v = smua.measure.iv(smua.nvbuffer1, smua.nvbuffer2) hil_s = smua.nvbuffer1.statuses[1] "
        "hil_l = smua.nvbuffer1.sourcevalues[1] smua.source.levelv = 0.0 hil_o = smua.source.output"
    )


@pytest.mark.parametrize(
    ("status", "in_compliance"), [("0", False), ("6.400000000000000e+01", True), ("2.200000000000000e+01", False), ("84", True)]
)
def test_the_compliance_bit_of_the_status_says_whether_it_was_limited(status: str, in_compliance: bool):
    reading, output_on = say.parse_measurement(["1e-05", "0.1", status, "0.1", "1"], of(VOLTS), 0.1, "smu")
    assert reading == SmuReading(0.1, 1e-5, in_compliance)
    assert output_on


def test_a_reading_beyond_its_range_is_nan_and_not_to_be_trusted():
    reading, _ = say.parse_measurement(["9.910000e+37", "0.1", "0", "0.1", "1"], of(VOLTS), 0.1, "smu")
    assert (reading.volts, reading.in_compliance) == (0.1, True)
    assert math.isnan(reading.amps)
    amps = of(CurrentSourceSettings(limit_volts=1.0, range_amps=1e-6))
    reading, _ = say.parse_measurement(["1e-06", "-9.91e+37", "0", "1e-06", "0"], amps, 1e-6, "smu")
    assert (reading.amps, reading.in_compliance) == (1e-6, True)
    assert math.isnan(reading.volts)


@pytest.mark.parametrize(
    "answers",
    [
        ["nil", "1", "0", "1", "1"],
        ["1", "1", "0.5", "1", "1"],
        ["1", "1", "0", "1", "2"],
        ["nan", "1", "0", "1", "1"],
        ["1", "1", "0", "nil", "1"],
    ],
)
def test_a_measurement_that_says_no_numbers_is_refused(answers: list[str]):
    with pytest.raises(ProtocolError, match="smu"):
        say.parse_measurement(answers, of(VOLTS), 1.0, "smu")


def test_a_reading_at_another_level_is_refused():
    with pytest.raises(ProtocolError, match=r"taken at 0\.5, not at 0\.1"):
        say.parse_measurement(["1e-05", "0.1", "0", "0.5", "1"], of(VOLTS), 0.1, "smu")


# --- who it is
@pytest.mark.parametrize("model", ["2602B", "2634B", "2635B", "2636B"])
def test_every_model_known_is_recognised_by_its_number(model: str):
    identity = say.parse_identity(f"Keithley Instruments Inc., Model {model}, 4098633, 3.4.0")
    assert identity is not None
    assert (identity.vendor, identity.model, identity.serial, identity.firmware) == (
        "Keithley Instruments Inc.",
        f"Model {model}",
        "4098633",
        "3.4.0",
    )
    assert say.MODELS[say.model_number(identity)].model == model


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "Keithley Instruments Inc., Model 2651A, 1, 1",
        "KEITHLEY INSTRUMENTS,MODEL 2450,1,1",
        "a,b,c,d",
        "Model 2636B",
        "a, Model 2699B, 1, 1",
    ],
)
def test_another_instrument_is_none_of_them(answer: str):
    assert say.parse_identity(answer) is None


def test_a_simulated_one_says_so_in_its_serial_number():
    identity = say.parse_identity("Keithley Instruments Inc., Model 2636B, SIM42, 3.4.0")
    assert identity is not None
    assert (identity.simulated, identity.seed) == (True, 42)


def test_provenance_has_the_date_of_the_calibration():
    assert say.parse_provenance(["3.4.0", "1.700000000000000e+09", "50"], "smu") == SmuProvenance("3.4.0", "2023-11-14", 50.0)
    assert say.parse_provenance(["3.4.0", "0", "60"], "smu").calibration_date is None
    assert say.parse_provenance(["3.4.0", "nil", "60"], "smu").calibration_date is None


# --- sweeping
SWEPT = [
    "smua.abort()",
    "smua.nvbuffer1.clear()",
    "smua.nvbuffer2.clear()",
    "smua.trigger.arm.stimulus = 0",
    "smua.trigger.source.stimulus = 0",
    "smua.trigger.measure.stimulus = 0",
    "smua.trigger.endpulse.stimulus = 0",
    "smua.trigger.measure.iv(smua.nvbuffer1, smua.nvbuffer2)",
    "smua.trigger.measure.action = smua.ENABLE",
    "smua.trigger.source.action = smua.ENABLE",
    "smua.trigger.source.limiti = smua.LIMIT_AUTO",
    "smua.trigger.endpulse.action = smua.SOURCE_HOLD",
    "smua.trigger.endsweep.action = smua.SOURCE_IDLE",
    "smua.trigger.arm.count = 1",
]


def test_a_sweep_sets_the_whole_trigger_model():
    assert trigger.sweep("volts") == SWEPT
    assert "smua.trigger.source.limitv = smua.LIMIT_AUTO" in trigger.sweep("amps")


def test_evenly_spaced_levels_are_one_message_however_many():
    (part,) = trigger.parts_of(np.linspace(0, 1, 20_000), KEITHLEY_2636B)
    assert trigger.part("volts", part, pulsed=False) == [
        "smua.abort()",
        "smua.trigger.source.linearv(0.0, 1.0, 20000)",
        "smua.trigger.count = 20000",
        "smua.trigger.initiate()",
    ]


def test_other_levels_are_lists():
    assert trigger.part("amps", np.array([1e-9, 3e-9, 2e-9]), pulsed=False) == [
        "smua.abort()",
        "smua.trigger.source.listi({1e-09, 3e-09, 2e-09})",
        "smua.trigger.count = 3",
        "smua.trigger.initiate()",
    ]


@given(st.lists(st.floats(-2, 2), min_size=1, max_size=450))
def test_a_long_list_goes_in_parts_that_fit_a_line_and_leave_no_level_out(levels: list[float]):
    parts = trigger.parts_of(np.array(levels), KEITHLEY_2636B)
    assert np.concatenate(parts).tolist() == levels
    for part in parts:
        assert len(" ".join(trigger.part("volts", part, pulsed=True))) < LINE_BYTES


def test_a_single_level_is_a_list():
    assert "smua.trigger.source.listv({0.1})" in trigger.part("volts", np.array([0.1]), pulsed=False)


def test_pulses_are_begun_ended_and_read_by_timers():
    said = trigger.pulsed_sweep(of(VOLTS), Pulse(pulse_s=1e-3, period_s=10e-3, reading_s=0.4e-3))
    assert said == [
        *SWEPT,
        "smua.trigger.endpulse.action = smua.SOURCE_IDLE",
        "smua.measure.rangei = 1e-09",
        "smua.measure.autozero = smua.AUTOZERO_ONCE",
        "trigger.timer[1].reset()",
        "trigger.timer[1].delay = 0.01",
        "trigger.timer[1].count = 1",
        "trigger.timer[1].passthrough = true",
        "trigger.timer[1].stimulus = smua.trigger.ARMED_EVENT_ID",
        "trigger.timer[2].reset()",
        "trigger.timer[2].delay = 0.001",
        "trigger.timer[2].count = 1",
        "trigger.timer[2].passthrough = false",
        "trigger.timer[2].stimulus = trigger.timer[1].EVENT_ID",
        "trigger.timer[3].reset()",
        "trigger.timer[3].delay = 0.0006",
        "trigger.timer[3].count = 1",
        "trigger.timer[3].passthrough = false",
        "trigger.timer[3].stimulus = trigger.timer[1].EVENT_ID",
        "smua.trigger.source.stimulus = trigger.timer[1].EVENT_ID",
        "smua.trigger.measure.stimulus = trigger.timer[3].EVENT_ID",
        "smua.trigger.endpulse.stimulus = trigger.timer[2].EVENT_ID",
    ]
    assert "trigger.timer[1].count = 2" in trigger.part("volts", np.array([1.0, 0.5, 0.7]), pulsed=True)
    assert "trigger.timer[1].count = 1" in trigger.part("volts", np.array([1.0]), pulsed=True)


def test_a_pulse_as_short_as_its_reading_is_read_at_once():
    said = trigger.pulsed_sweep(of(VOLTS), Pulse(pulse_s=1e-3, period_s=10e-3, reading_s=1e-3))
    assert "smua.trigger.measure.stimulus = 0" in said
    assert not any("timer[3]" in statement for statement in said)


@pytest.mark.parametrize(
    "pulse",
    [Pulse(50e-6, 1.0, 10e-6), Pulse(1e-3, 1.0, 2e-3), Pulse(1e-3, 1e-3, 1e-4), Pulse(math.nan, 1.0, 1e-4), Pulse(1e-3, math.nan, 1e-4)],
)
def test_a_pulse_that_it_cannot_make_is_refused(pulse: Pulse):
    with pytest.raises(OverLimit, match="2636B"):
        trigger.check_pulse(pulse, of(VOLTS))


def test_settling_is_part_of_a_pulse():
    settings = SourceSettings(limit_amps=1e-6, settle_s=0.9e-3)
    trigger.check_pulse(Pulse(1.5e-3, 1.0, 0.5e-3), of(settings))
    with pytest.raises(OverLimit):
        trigger.check_pulse(Pulse(1e-3, 1.0, 0.5e-3), of(settings))


def test_what_ended_is_aborted_at_level_zero_with_its_own_range_again():
    assert trigger.ended(of(VOLTS)) == [
        "smua.abort()",
        "smua.source.levelv = 0.0",
        "smua.trigger.arm.stimulus = 0",
        "smua.trigger.source.stimulus = 0",
        "smua.trigger.measure.stimulus = 0",
        "smua.trigger.endpulse.stimulus = 0",
        "smua.measure.autorangei = smua.AUTORANGE_ON",
        "smua.measure.autozero = smua.AUTOZERO_AUTO",
    ]
    assert "digio.trigger[2].stimulus = 0" in trigger.ended(of(VOLTS), 2)


def test_without_autozero_none_is_done_for_pulses_or_after_them():
    setup = of(SourceSettings(limit_amps=1e-3, autozero=False))
    said = [*trigger.pulsed_sweep(setup, Pulse(1e-3, 1e-2, 1e-4)), *trigger.ended(setup)]
    assert not any("autozero" in statement for statement in said)


# --- scanning
def test_a_scan_is_armed_by_its_last_statement_and_measures_at_every_edge():
    assert trigger.scan(0.1, 20_000, 1, 2) == [
        "format.asciiprecision = 16",
        "smua.abort()",
        "smua.nvbuffer1.clear()",
        "smua.nvbuffer2.clear()",
        "smua.trigger.arm.stimulus = 0",
        "smua.trigger.source.stimulus = 0",
        "smua.trigger.measure.stimulus = 0",
        "smua.trigger.endpulse.stimulus = 0",
        "digio.trigger[1].mode = digio.TRIG_RISINGA",
        "digio.trigger[1].clear()",
        "digio.trigger[2].mode = digio.TRIG_FALLING",
        "digio.trigger[2].pulsewidth = 1e-05",
        "digio.trigger[2].clear()",
        "digio.trigger[2].stimulus = smua.trigger.MEASURE_COMPLETE_EVENT_ID",
        "smua.trigger.measure.i(smua.nvbuffer1)",
        "smua.trigger.measure.action = smua.ENABLE",
        "smua.trigger.measure.stimulus = digio.trigger[1].EVENT_ID",
        "smua.trigger.source.action = smua.DISABLE",
        "smua.trigger.source.limiti = smua.LIMIT_AUTO",
        "smua.trigger.endpulse.action = smua.SOURCE_HOLD",
        "smua.trigger.endsweep.action = smua.SOURCE_HOLD",
        "smua.trigger.arm.count = 1",
        "smua.trigger.count = 20000",
        "smua.source.levelv = 0.1",
        "smua.trigger.initiate()",
    ]


@pytest.mark.parametrize("readings", [0, 60_001])
def test_more_readings_than_its_buffer_holds_are_refused(readings: int):
    with pytest.raises(OverLimit, match="60000"):
        trigger.check_scan(ScanSettings(readings, 0.1), of(VOLTS))


def test_a_scan_needs_digital_lines_a_voltage_source_and_a_level_within_its_range():
    with pytest.raises(OverLimit, match=r"2634B: it has no digital lines"):
        trigger.check_scan(ScanSettings(10, 0.1), setup(VOLTS, KEITHLEY_2634B))
    with pytest.raises(Refused, match="sources volts"):
        trigger.check_scan(ScanSettings(10, 0.1), of(CurrentSourceSettings(limit_volts=1.0, range_amps=1e-6)))
    with pytest.raises(OverLimit):
        trigger.check_scan(ScanSettings(10, 2.5), of(VOLTS))


# --- reading out
def test_progress_is_taken_once_and_the_least_filled_buffer_counts():
    assert trigger.count_readings(say.BUFFERS) == [
        "hil_n = smua.nvbuffer1.n",
        "hil_m = smua.nvbuffer2.n",
        "hil_o = smua.source.output",
        "hil_x = status.operation.instrument.smua.trigger_overrun.condition",
    ]
    assert trigger.parse_progress(["5", "4", "1", "0"], "smu") == Progress(4, True, False)
    assert trigger.parse_progress(["5", "5", "0", "1.0e+01"], "smu") == Progress(5, False, True)
    assert not trigger.parse_progress(["5", "5", "0", "22"], "smu").overrun


def test_readings_are_printed_twice_as_one_block_of_doubles():
    assert trigger.print_readings(3, 5, trigger.columns_of_scan()) == [
        "format.data = format.REAL64",
        "format.byteorder = format.LITTLEENDIAN",
        "printbuffer(3, 5, smua.nvbuffer1.readings, smua.nvbuffer1.timestamps, smua.nvbuffer1.statuses, "
        "smua.nvbuffer1.readings, smua.nvbuffer1.timestamps, smua.nvbuffer1.statuses)",
        "format.data = format.ASCII",
    ]
    assert trigger.block_bytes(3, trigger.columns_of_scan()) == 3 * 6 * 8
    assert trigger.columns_of_sweep("amps")[2:] == (
        "smua.nvbuffer2.timestamps",
        "smua.nvbuffer2.statuses",
        "smua.nvbuffer2.sourcevalues",
    )


ROWS = st.lists(st.tuples(*[st.floats(allow_nan=True)] * 3), min_size=1, max_size=20)


def packed(rows: list[tuple[float, ...]]) -> bytes:
    return b"".join(struct.pack("<6d", *row, *row) for row in rows)


@given(ROWS)
def test_a_block_gives_every_value_once_and_exactly(rows: list[tuple[float, ...]]):
    found = trigger.parse_block(packed(rows), ("a", "b", "c"), "smu")
    assert np.array_equal(found, np.array(rows), equal_nan=True)


@given(ROWS, st.data())
def test_no_garbled_byte_of_a_block_becomes_another_value(rows: list[tuple[float, ...]], data: st.DataObject):
    block = bytearray(packed(rows))
    at = data.draw(st.integers(0, len(block) - 1))
    block[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ProtocolError, match="differ"):
        trigger.parse_block(bytes(block), ("a", "b", "c"), "smu")
