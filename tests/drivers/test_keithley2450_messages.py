"""Keithley 2450: what is said, byte for byte, and what is understood of its answers."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import OverLimit, ProtocolError, Refused
from drivers.scpi import message
from drivers.smu import keithley2450_messages as say
from drivers.smu import keithley2450_triggers as trigger
from drivers.smu.capabilities import KEITHLEY_2450, KEITHLEY_2460, KEITHLEY_2461, KEITHLEY_2470
from drivers.smu.setup import Setup, setup
from drivers.smu.values import CurrentSourceSettings, Floats, OffState, Settings, SmuReading, SourceSettings

VOLTS = SourceSettings(limit_amps=1e-3, range_volts=2.0, nplc=0.01)


def seen(settings: Settings = VOLTS) -> Setup:
    return setup(settings, KEITHLEY_2450)


# --- configuration
def test_a_voltage_source_is_configured_exactly_so_with_the_output_off_first_and_the_level_at_zero():
    settings = SourceSettings(limit_amps=1e-9, range_volts=2.0, nplc=0.01, off_state=OffState.HIGH_IMPEDANCE)
    assert say.configuration(seen(settings)) == [
        ":OUTP OFF",
        ":ABOR",
        ":SOUR:FUNC VOLT",
        ":SOUR:VOLT:LEV 0.0",
        ":SOUR:VOLT:RANG 2.0",
        ':SENS:FUNC "CURR"',
        ":SENS:CURR:RANG:AUTO ON",
        ":SOUR:VOLT:ILIM 1e-09",
        ":SOUR:VOLT:READ:BACK ON",
        ":SOUR:VOLT:DEL:AUTO ON",
        ":OUTP:VOLT:SMOD HIMP",
        ":SENS:CURR:RSEN OFF",
        ":SENS:CURR:NPLC 0.01",
        ":SENS:CURR:AZER ON",
        ":SENS:COUN 1",
        ":SENS:CURR:UNIT AMP",
        ":SENS:CURR:REL:STAT OFF",
        ":SENS:CURR:AVER OFF",
        ":CALC:CURR:MATH:STAT OFF",
        ':TRAC:FILL:MODE CONT,"defbuffer1"',
        ":FORM:ASC:PREC 10",
        ":FORM ASC",
    ]


def test_a_current_source_is_configured_exactly_so():
    settings = CurrentSourceSettings(
        limit_volts=0.5, range_amps=5e-6, four_wire=True, measure_range_volts=0.6, autozero=False, settle_s=0.002, off_state=OffState.ZERO
    )
    assert say.configuration(seen(settings)) == [
        ":OUTP OFF",
        ":ABOR",
        ":SOUR:FUNC CURR",
        ":SOUR:CURR:LEV 0.0",
        ":SOUR:CURR:RANG 1e-05",
        ':SENS:FUNC "VOLT"',
        ":SENS:VOLT:RANG:AUTO ON",
        ":SOUR:CURR:VLIM 0.5",
        ":SENS:VOLT:RANG 2.0",
        ":SOUR:CURR:READ:BACK ON",
        ":SOUR:CURR:DEL 0.002",
        ":OUTP:CURR:SMOD ZERO",
        ":SENS:VOLT:RSEN ON",
        ":SENS:VOLT:NPLC 0.1",
        ":SENS:VOLT:AZER OFF",
        ":SENS:AZER:ONCE",
        ":SENS:COUN 1",
        ":SENS:VOLT:UNIT VOLT",
        ":SENS:VOLT:REL:STAT OFF",
        ":SENS:VOLT:AVER OFF",
        ":CALC:VOLT:MATH:STAT OFF",
        ':TRAC:FILL:MODE CONT,"defbuffer1"',
        ":FORM:ASC:PREC 10",
        ":FORM ASC",
    ]


@pytest.mark.parametrize("amps", [1e-9, 1.234567e-9, 100e-9, 10e-3])
def test_limits_from_a_nanoampere_on_are_said_exactly(amps: float):
    (said,) = [line for line in say.configuration(seen(SourceSettings(limit_amps=amps))) if "ILIM" in line]
    assert float(said.split()[1]) == amps


@given(st.floats(-2, 2))
def test_every_level_is_said_exactly(volts: float):
    assert float(say.set_level("volts", volts).removeprefix(":SOUR:VOLT:LEV ")) == volts


def test_what_must_not_be_otherwise_is_read_back():
    wanted = seen()
    assert message(1, say.configured(wanted)) == (
        "*ESE 1;*ESE?;:SOUR:VOLT:LEV?;:SOUR:VOLT:LEV?;:SOUR:VOLT:RANG?;:SOUR:VOLT:RANG?;:SOUR:VOLT:ILIM?;:SOUR:VOLT:ILIM?;:OUTP?;:OUTP?"
    )
    assert not say.check_configured(["0.000000E+00", "2.000000E+00", "1.000000E-03", "0"], wanted, "smu")
    assert say.check_configured(["0.000000E+00", "2.000000E+00", "1.000000E-03", "1"], wanted, "smu")


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (["0.1", "2.0", "1e-3", "0"], "the level reads 0.1 after it was set to 0.0"),
        (["0", "20", "1e-3", "0"], "the range reads 20.0 after it was set to 2.0"),
        (["0", "2", "1.05e-4", "0"], "the limit reads 0.000105 after it was set to 0.001"),
        (["0", "2", "9.99998e-4", "0"], "the limit reads"),
    ],
)
def test_a_setting_that_reads_back_otherwise_is_refused(answers: list[str], said: str):
    with pytest.raises(Refused, match=said):
        say.check_configured(answers, seen(), "smu")


# --- a point
def test_a_measurement_is_one_message_that_asks_for_everything_twice_and_returns_to_zero_before_its_last_answer():
    assert message(9, say.measurement("volts", 0.1)) == (
        "*ESE 9;*ESE?;:SOUR:VOLT:LEV 0.1;:SOUR:VOLT:LEV?;:SOUR:VOLT:LEV?;"
        ':READ? "defbuffer1",SOUR,READ,SOURSTAT;:FETC? "defbuffer1",SOUR,READ,SOURSTAT;:SOUR:VOLT:LEV 0.0;:OUTP?;:OUTP?'
    )


def understood(level: str, point: str, output: str, asked: float = 0.1, source="volts"):
    return say.parse_measurement([level, point, output], source, asked, "smu")


def test_a_measurement_is_read_with_its_flags():
    assert understood("1.0E-01", "+1.000000E-01,+1.000000E-05,136", "0") == (SmuReading(0.1, 1e-5, False), False)
    assert understood("1.0E-01", "+5.000000E-02,+1.000000E-05,168", "1") == (SmuReading(0.05, 1e-5, True), True)
    assert understood("1.0E-06", "+1.000000E-06,+1.000000E-02,128", "1", 1e-6, "amps") == (SmuReading(0.01, 1e-6, False), True)


@pytest.mark.parametrize("overflow", ["+9.900000E+37", "-9.9E37"])
def test_an_overflowed_reading_is_nan_and_not_to_be_trusted(overflow: str):
    reading, output_on = understood("0.1", f"+1.0E-01,{overflow},128", "1")
    assert output_on and reading.in_compliance and math.isnan(reading.amps)


def test_a_reading_while_it_was_too_hot_is_not_the_devices():
    assert understood("0.1", "0.1,1e-5,144", "1")[0].in_compliance


@pytest.mark.parametrize("level", ["0.0", "0.2", "1.00001E-01"])
def test_a_reading_at_another_level_is_refused(level: str):
    with pytest.raises(Refused, match="the level reads"):
        understood(level, "0.1,1e-5,128", "1")


@pytest.mark.parametrize("point", ["", "0.1", "0.1,1e-5", "0.1,x,0", "0.1,1e-5,0,0", "0.1,1e-5,-1", "0.1,1e-5,1.5"])
def test_a_point_of_another_shape_is_refused(point: str):
    with pytest.raises(ProtocolError):
        understood("0.1", point, "1")


@given(st.lists(st.text(max_size=30), min_size=3, max_size=3))
def test_no_answer_whatever_crashes_the_parser(texts: list[str]):
    try:
        reading, _ = say.parse_measurement(texts, "volts", 0.1, "smu")
    except (ProtocolError, Refused) as error:
        assert "smu" in str(error)
    else:
        assert reading.in_compliance or math.isfinite(reading.amps)


# --- who answers
@pytest.mark.parametrize(
    ("serial", "simulated", "seed"), [("04096331", False, None), ("SIM20261122", True, 20261122), ("SIM", True, None), ("SIM7", True, 7)]
)
def test_the_serial_number_says_whether_it_is_simulated(serial: str, simulated: bool, seed: int | None):
    found = say.parse_identity(f"KEITHLEY INSTRUMENTS,MODEL 2450,{serial},1.7.12b")
    assert found is not None
    assert (found[0].simulated, found[0].seed) == (simulated, seed)


@pytest.mark.parametrize("model", [KEITHLEY_2450, KEITHLEY_2460, KEITHLEY_2461, KEITHLEY_2470])
def test_the_sisters_of_the_2450_are_known_by_their_own_records(model):
    found = say.parse_identity(f"KEITHLEY INSTRUMENTS,MODEL {model.model},1,1")
    assert found is not None and found[1] is model


@pytest.mark.parametrize("answer", ["", "KEITHLEY INSTRUMENTS,MODEL 2400,1,1", "MODEL 2450", "a,MODEL 24500,b,c"])
def test_nobody_else_is(answer: str):
    assert say.parse_identity(answer) is None


# --- sweeps
def swept(levels: Floats, settings: Settings = VOLTS, **options) -> list[trigger.Part]:
    return trigger.sweep_parts(seen(settings), levels, **{"stop_when_limited": True, **options})


def test_evenly_spaced_levels_are_a_linear_sweep_on_the_range_that_was_configured():
    (part,) = swept(np.linspace(-0.3, 0.3, 61))
    assert part.lines == (':SOUR:SWE:VOLT:LIN -0.3,0.3,61,0,1,FIX,ON,OFF,"hil"',)
    (part,) = swept(np.linspace(0, 1e-3, 3), CurrentSourceSettings(limit_volts=1.0, range_amps=1e-3), stop_when_limited=False)
    assert part.lines == (':SOUR:SWE:CURR:LIN 0.0,0.001,3,0,1,FIX,OFF,OFF,"hil"',)


def test_all_other_levels_are_a_list():
    (part,) = swept(np.array([0.1, -0.1, 0.30000000000000004]))
    assert part.lines == (":SOUR:LIST:VOLT 0.1,-0.1,0.30000000000000004", ':SOUR:SWE:VOLT:LIST 1,0.0,1,ON,"hil"')


@pytest.mark.parametrize("levels", [[0.1], [0.1, 0.1], [0.0, 0.1, 0.2000001], [0.0, 0.0, 0.0]])
def test_what_a_linear_sweep_would_not_visit_is_a_list(levels: list[float]):
    assert swept(np.array(levels))[0].lines[0].startswith(":SOUR:LIST:VOLT ")


@given(st.floats(-2, 2), st.floats(-2, 2), st.integers(2, 500))
def test_a_linear_sweep_visits_every_level_asked_for(start: float, stop: float, points: int):
    levels = np.linspace(start, stop, points)
    for part in swept(levels):
        if ":LIN" not in part.lines[0]:
            continue
        first, last, count, *_ = part.lines[0].split(" ")[1].split(",")
        visited = np.array([float(first) + (float(last) - float(first)) * index / (int(count) - 1) for index in range(int(count))])
        assert np.abs(visited - part.levels).max() <= 1e-12 * np.abs(levels).max()


def test_a_long_list_is_said_in_pieces_and_run_in_parts():
    levels = np.random.default_rng(1).uniform(-1, 1, 6_000)
    parts = swept(levels)
    assert [len(part.levels) for part in parts] == [2_500, 2_500, 1_000]
    assert [len(part.lines) for part in parts] == [26, 26, 11]
    for part in parts:
        *lists, sweep = part.lines
        assert [line.split(" ")[0] for line in lists] == [":SOUR:LIST:VOLT", *[":SOUR:LIST:VOLT:APP"] * (len(lists) - 1)]
        assert max(len(line.split(",")) for line in lists) == 100
        assert sweep == ':SOUR:SWE:VOLT:LIST 1,0.0,1,ON,"hil"'
        assert [float(level) for line in lists for level in line.split(" ")[1].split(",")] == list(part.levels)
    assert np.array_equal(np.concatenate([part.levels for part in parts]), levels)


def test_a_sweep_longer_than_the_buffer_is_run_in_parts():
    parts = swept(np.linspace(0, 1, 600_000))
    assert [part.readings for part in parts] == [250_000, 250_000, 100_000]
    assert all(len(part.lines) == 1 for part in parts)


# --- pulses
def test_pulses_are_a_list_of_equally_long_steps_at_the_level_and_at_zero():
    pulse = trigger.pulse_of(KEITHLEY_2450, 2e-3, 6e-3, reading_s=5e-4)
    assert pulse == trigger.Pulse(delay_s=pytest.approx(1.5e-3), stride=3)
    (part,) = trigger.pulse_parts(seen(), np.array([0.1, -0.2]), trigger.Pulse(1.5e-3, 3))
    assert part.lines == (":SOUR:LIST:VOLT 0.1,0.0,0.0,-0.2,0.0,0.0", ':SOUR:SWE:VOLT:LIST 1,0.0015,1,OFF,"hil"')
    assert (part.readings, part.stride) == (6, 3)


def test_neither_the_sources_own_delay_nor_measuring_it_nor_looking_for_the_range_stretches_a_pulse():
    assert trigger.before_pulses(seen()) == [":SOUR:VOLT:DEL 0", ":SENS:CURR:RANG 0.001", ":SOUR:VOLT:READ:BACK OFF"]
    assert trigger.as_configured(seen()) == [":SOUR:VOLT:DEL:AUTO ON", ":SENS:CURR:RANG:AUTO ON", ":SOUR:VOLT:READ:BACK ON"]
    fixed = seen(SourceSettings(limit_amps=1e-3, measure_range_amps=1e-3, settle_s=1e-3))
    assert trigger.before_pulses(fixed) == [":SOUR:VOLT:DEL 0", ":SOUR:VOLT:READ:BACK OFF"]
    assert trigger.as_configured(fixed) == [":SOUR:VOLT:DEL 0.001", ":SOUR:VOLT:READ:BACK ON"]


def test_many_pulses_are_run_in_parts_none_of_which_cuts_a_period():
    parts = trigger.pulse_parts(seen(), np.full(1_000, 0.1), trigger.Pulse(0.0, 7))
    assert [len(part.levels) for part in parts] == [357, 357, 286]
    assert all(part.readings <= 2_500 for part in parts)


@pytest.mark.parametrize(
    ("pulse_s", "period_s"),
    [(1e-4, 1.0), (5e-3, 5e-3), (5e-3, 0.0), (5e-3, math.nan), (5e-3, math.inf), (5e-3, 20.0), (math.nan, 1.0), (2e-3, 1.0)],
)
def test_a_pulse_that_the_2450_cannot_make_is_refused(pulse_s: float, period_s: float):
    with pytest.raises(OverLimit, match=r"2450: (a )?pulse"):
        trigger.pulse_of(KEITHLEY_2450, pulse_s, period_s, reading_s=3e-3)


@given(st.floats(1e-3, 10.0), st.integers(2, 2_500))
def test_a_period_of_so_many_pulses_has_so_many_steps(pulse_s: float, steps: int):
    pulse = trigger.pulse_of(KEITHLEY_2450, pulse_s, steps * pulse_s, reading_s=5e-4)
    assert pulse.stride == steps
    assert pulse.delay_s == 0.0 or pulse.delay_s >= 50e-6


# --- triggered readings, and the buffer
def test_triggered_readings_are_set_up_exactly_so_the_output_line_before_the_input_line():
    assert trigger.triggered_readings(seen(), 20_000, 0.1, 3, 5) == [
        ":DIG:LINE5:MODE TRIG,OUT",
        ":TRIG:DIG5:OUT:LOG NEG",
        ":TRIG:DIG5:OUT:PULS 1e-05",
        ":DIG:LINE3:MODE TRIG,IN",
        ":TRIG:DIG3:IN:EDGE RIS",
        ":SOUR:VOLT:READ:BACK OFF",
        ':TRIG:LOAD "LogicTrigger",3,5,20000,NEV,0,"hil"',
        ":SOUR:VOLT:LEV 0.1",
        ":TRIG:DIG3:IN:CLE",
    ]


def test_a_buffer_holds_at_least_ten_readings():
    assert trigger.make_buffer(3) == ':TRAC:MAKE "hil",10'
    assert trigger.make_buffer(20_000) == ':TRAC:MAKE "hil",20000'


@pytest.mark.parametrize("answers", [["3", "2", "3"], ["3", "4", "3"], ["1", "x", "2"], ["1", "1.5", "2"]])
def test_a_count_that_did_not_grow_is_garbled(answers: list[str]):
    with pytest.raises(ProtocolError):
        trigger.parse_stored(answers, "smu")


@pytest.mark.parametrize(
    ("answer", "stopped"), [("IDLE;IDLE;9", True), ("RUNNING;RUNNING;3", False), ("WAITING;WAITING;2", False), ("ABORTED;ABORTED;4", True)]
)
def test_the_trigger_models_state_is_understood(answer: str, stopped: bool):
    assert trigger.parse_stopped(answer, "smu") is stopped


@given(st.integers(0, 6), st.integers(32, 126))
def test_no_garbled_state_is_another_one(at: int, byte: int):
    word = bytearray(b"RUNNING")
    word[at] = byte
    if word.upper() != b"RUNNING":
        with pytest.raises(ProtocolError):
            trigger.parse_stopped(f"{word.decode()};RUNNING;3", "smu")
