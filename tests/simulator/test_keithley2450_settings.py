"""What hangs on what in a 2450: ranges and limits, sense wires, interlock, protection, calculations, status registers, formats."""

import re

import numpy as np
import pytest

from firmware_protocol.codes import Route
from simulator.instruments.keithley2450 import Keithley2450
from simulator.instruments.keithley2450.commands import _COMMANDS
from simulator.instruments.keithley2450.settings import SETTINGS, Choice, Real
from tests.simulator.scpi_bench import SECOND, Bench
from tests.simulator.worlds import touching


@pytest.mark.parametrize("value", ["1E-9", "1.234567E-07", "9.876543E-03"])
def test_limits_and_levels_arrive_with_seven_digits(value: str) -> None:
    bench = Bench()
    bench.say(f":SOUR:VOLT:ILIM {value};:SOUR:CURR:LEV {value}")
    assert float(bench.say(":SOUR:VOLT:ILIM?")) == float(value) == float(bench.say(":SOUR:CURR?"))
    assert bench.smu.number("LIMIT", "VOLT") == float(value)


def test_more_digits_are_printed_when_asked_for() -> None:
    bench = Bench()
    bench.say(":SOUR:VOLT 0.123456789012;:FORM:ASC:PREC 12")
    assert bench.say(":SOUR:VOLT?") == "1.23456789012E-01"
    bench.say(":FORM:ASC:PREC DEF")
    assert bench.say(":SOUR:VOLT?;:FORM:ASC:PREC?") == "1.234568E-01;0"


def test_changing_the_sense_wires_under_bias_switches_the_output_off() -> None:
    bench = Bench().ready()
    bench.say(":SENS:CURR:RSEN OFF")
    assert bench.say(":OUTP?") == "1"
    bench.say(":SENS:CURR:RSEN ON")
    assert bench.say(":OUTP?;:SENS:CURR:RSEN?") == "0;1"
    assert int(bench.say(":READ? 'defbuffer1',SOURSTAT")) == 8
    assert int(bench.say(":OUTP ON;:READ? 'defbuffer1',SOURSTAT")) == 8 + 64 + 128


def test_a_fixed_measure_range_takes_limits_of_a_thousandth_of_it_and_raises_a_smaller_one_with_a_warning() -> None:
    bench = Bench().ready(limit="1e-7")
    bench.say(":SENS:CURR:RANG 1e-3")
    assert bench.say(":SOUR:VOLT:ILIM?") == "1.000000E-06"
    assert bench.errors() == [] and bench.say(":SYST:EVEN:COUN? WARN") == "1"
    bench.say(":SOUR:VOLT:ILIM 1e-7")
    assert bench.errors() == [-222]
    bench.say(":SOUR:VOLT:ILIM 1e-5")
    assert bench.errors() == [], "1 % of the range"
    bench.say(":SENS:CURR:RANG:AUTO ON;:SOUR:VOLT:ILIM 1e-7")
    assert bench.errors() == [] and bench.say(":SOUR:VOLT:ILIM?") == "1.000000E-07"


def test_a_fixed_measure_range_limits_too() -> None:
    bench = Bench().ready()
    bench.say(":SENS:CURR:RANG 1e-6")
    assert bench.say(":READ? 'defbuffer1',READ,STAT;:SOUR:VOLT:ILIM:TRIP?") == "9.900000E+37,10;1"


def test_the_automatic_range_stays_where_it_was_when_it_is_switched_off() -> None:
    bench = Bench().ready()
    bench.say(":READ?;:SENS:CURR:RANG:AUTO OFF")
    assert bench.say(":SENS:CURR:RANG?;:SENS:CURR:RANG:AUTO?") == "1.000000E-04;0"
    bench.say(":SENS:CURR:RANG:AUTO ON;:SENS:CURR:RANG:AUTO:LLIM 1e-3")
    bench.say(":READ?")
    assert bench.say(":SENS:CURR:RANG?;:SENS:CURR:RANG:AUTO:ULIM?") == "1.000000E-03;1.000000E-03"


def test_the_power_envelope_bounds_the_limit() -> None:
    bench = Bench()
    bench.say(":SOUR:VOLT:RANG 200;:SOUR:VOLT:ILIM 0.2")
    assert bench.errors() == [-222]
    bench.say(":SOUR:VOLT:RANG 2;:SOUR:VOLT:ILIM 1;:SOUR:VOLT:RANG 200")
    assert bench.say(":SOUR:VOLT:ILIM?") == "1.050000E-01" and bench.errors() == []


def test_overvoltage_protection_holds_the_terminals_down() -> None:
    bench = Bench(Route.NONE).ready()
    bench.say(":SOUR:VOLT:PROT PROT2;:SOUR:VOLT:RANG 20;:SOUR:VOLT 5")
    volts, status = (float(text) for text in bench.say(":READ? 'defbuffer1',SOUR,SOURSTAT").split(","))
    assert volts == pytest.approx(2.0, abs=0.01) and int(status) & 4
    assert bench.say(":SOUR:VOLT:PROT:TRIP?;:SOUR:VOLT:PROT?;:SOUR:VOLT?") == "1;PROT2;5.000000E+00"
    bench.say(":SOUR:VOLT 1")
    assert bench.say(":SOUR:VOLT:PROT:TRIP?") == "0"


def test_an_open_interlock_lets_low_voltages_be_unless_it_is_enabled() -> None:
    bench = Bench().ready()
    bench.smu.set_interlock(False, bench.now_ns)
    assert bench.say(":OUTP?;:OUTP:INT:TRIP?;:OUTP:INT:STAT?") == "1;0;0"
    bench.smu.set_interlock(True, bench.now_ns)
    bench.say(":OUTP:INT:STAT ON")
    assert bench.say(":OUTP?;:OUTP:INT:TRIP?") == "1;1"
    bench.smu.set_interlock(False, bench.now_ns)
    assert bench.say(":OUTP?") == "0" and not bench.world.output_on
    bench.say(":OUTP ON")
    assert bench.say(":OUTP?") == "0" and bench.errors() == [5074, 5074]


def test_high_voltage_goes_off_when_the_interlock_opens_and_stays_below_42_volts() -> None:
    bench = Bench(Route.NONE)
    bench.say(":SOUR:VOLT:RANG 200;:SOUR:VOLT 100;:OUTP ON")
    assert bench.say(":OUTP?") == "1" and bench.world._bias_volts == 100.0
    bench.smu.set_interlock(False, bench.now_ns)
    assert bench.say(":OUTP?") == "0" and bench.errors() == [5074]
    bench.say(":OUTP ON")
    assert bench.say(":OUTP?") == "1" and bench.world._bias_volts == 42.0


def test_units_math_and_offsets_change_the_reading() -> None:
    bench = Bench().ready()
    bench.say(":READ?")
    amps = float(bench.say(":READ?"))
    bench.say(":SENS:CURR:UNIT OHM")
    assert float(bench.say(":READ?")) == pytest.approx(0.1 / amps, rel=0.01)
    assert bench.say(":FETC? 'defbuffer1',UNIT,SOURUNIT") == "Ohm,Volt DC"
    bench.say(":SENS:CURR:UNIT WATT")
    assert float(bench.say(":READ?")) == pytest.approx(0.1 * amps, rel=0.01)
    bench.say(":SENS:CURR:UNIT AMP;:SENS:CURR:REL:ACQ;:SENS:CURR:REL:STAT ON")
    assert abs(float(bench.say(":READ?"))) < 0.02 * amps
    assert float(bench.say(":SENS:CURR:REL?")) == pytest.approx(amps, rel=0.02)
    bench.say(":SENS:CURR:REL:STAT OFF;:CALC:CURR:MATH:FORM MXB;MMF 1000;MBF 5;STAT ON")
    assert float(bench.say(":READ?")) == pytest.approx(1000 * amps + 5, rel=1e-3)
    bench.say(":CALC:CURR:MATH:FORM REC")
    assert float(bench.say(":READ?")) == pytest.approx(1 / amps, rel=0.02)
    bench.say(f":CALC:CURR:MATH:FORM PERC;PERC {amps!r}")
    assert abs(float(bench.say(":READ?"))) < 2.0


def test_limit_tests_mark_readings_and_keep_their_result_when_told() -> None:
    bench = Bench().ready()
    bench.say(":CALC2:CURR:LIM1:UPP 1e-6;LOW -1;STAT ON;CLE:AUTO OFF;:CALC2:CURR:LIM2:LOW 1;UPP 2;STAT ON")
    assert int(bench.say(":READ? 'defbuffer1',STAT")) == 8 + 128 + 16
    bench.say(":CALC2:CURR:LIM1:UPP 1;:READ?")
    assert bench.say(":CALC2:CURR:LIM1:FAIL?;:CALC2:CURR:LIM2:FAIL?") == "HIGH;LOW"
    bench.say(":CALC2:CURR:LIM1:CLE")
    assert bench.say(":CALC2:CURR:LIM1:FAIL?") == "NONE"


def test_registers_follow_the_events_that_are_mapped_to_them() -> None:
    bench = Bench().ready()
    bench.say(":STAT:OPER:MAP 3,2731,2732;:STAT:OPER:ENAB 8;:STAT:QUES:MAP 0,-222;:STAT:QUES:ENAB 1;*CLS;*SRE 128")
    assert bench.say(":STAT:OPER:MAP? 3;:STAT:QUES:MAP? 0;:STAT:OPER:MAP? 1") == "2731,2732;-222,0;0,0"
    bench.say(":SENS:CURR:NPLC 0.01;:TRIG:LOAD 'SimpleLoop',1000,0;:INIT")
    assert bench.say(":STAT:OPER:COND?;*STB?") == "8;208"  # the answer before it waits: MAV
    bench.say("*WAI")
    assert bench.say(":STAT:OPER:COND?;:STAT:OPER?;:STAT:OPER?") == "0;8;0"
    bench.say(":SOUR:VOLT 300")
    assert int(bench.say("*STB?")) == 1 + 4 + 8
    assert bench.say(":STAT:QUES:COND?") == "1"
    bench.say(":STAT:PRES;:STAT:OPER:MAP 15,1")
    assert bench.say(":STAT:OPER:ENAB?;:STAT:QUES:MAP? 0") == "0;0,0"
    assert bench.errors() == [-222, -222]


def test_the_event_log_keeps_errors_warnings_and_information_apart() -> None:
    bench = Bench()
    bench.say(':FROB;:SYST:EVEN:POST "look",WARN;:SYST:EVEN:POST "here"')
    bench.say(':SYST:EVEN:POST "look",WARN;:SYST:EVEN:POST "here",INF')
    assert bench.say(":SYST:EVEN:COUN?;:SYST:EVEN:COUN? ERR;:SYST:ERR:COUN?") == "3;1;1"
    assert bench.say(":SYST:EVEN:NEXT? WARN").startswith('1000,"look;2;2026/01/01')
    assert bench.say(":SYST:EVEN:NEXT?").startswith('-113,"Undefined header;1;')
    assert bench.say(":SYST:ERR:CODE?;:SYST:EVEN:COUN?") == "0;1"
    bench.say(":SYST:CLE")
    assert bench.say(":SYST:EVEN:NEXT?") == '0,"No error;0;0 0"'


def test_setups_are_saved_and_recalled_with_the_output_off() -> None:
    bench = Bench().ready(limit="2e-4")
    bench.say("*SAV 1;*RST;*RCL 1")
    assert bench.say(":SOUR:VOLT:ILIM?;:SOUR:VOLT:RANG?;:OUTP?") == "2.000000E-04;2.000000E+00;0"
    bench.say("*RCL 2")
    assert bench.errors() == [-224]


@pytest.mark.parametrize("language", ["TSP", "SCPI2400", "scpi"])
def test_another_language_waits_for_the_power_to_be_cycled(language: str) -> None:
    bench = Bench()
    bench.say(f"*LANG {language}")
    assert bench.say("*LANG?") == "SCPI" and bench.errors() == []


@pytest.mark.parametrize(
    "line",
    [
        ":SENSE:CURRENT:PROTECTION 0.0001", ":SYSTEM:RSENSE 1", ":FORMAT:ELEMENTS VOLTAGE", ":SENSE:FUNCTION:ALL", ":ARM:COUNT 1",
        ":TRIGGER:COUNT 5", ":TRIGGER:DELAY 0", ":CALCULATE3:FORMAT MEAN", ":SOUR:VOLT:MODE FIX", ":SENS:FUNC:CONC ON",
        ":SENS:RES:MODE MAN", ":TRAC:FEED:CONT NEXT", ":STAT:MEAS:ENAB 512", ":SOUR:DEL:FOO 1", ":CONF:VOLT", ":DATA?", ":OUTP:ENAB ON",
        ":SOUR:CLE:AUTO ON", ":SYST:AZER ON", ":SYST:LOC", ":SOUR:VOLT:STAR 0", ":DISP:ENAB 0",
    ],
)  # fmt: skip
def test_the_2400s_commands_are_refused_as_undefined(line: str) -> None:
    bench = Bench()
    assert bench.say(line) == ""
    assert bench.errors() == [-113]


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: "/".join(setting.key))
def test_every_setting_is_read_back_as_it_was_set_and_reset_by_rst(setting: object) -> None:
    bench = Bench(Route.NONE)
    head = (
        setting.pattern.replace("[1]", "").replace("[SENSe:]", "SENS:").replace("[:DC]", "").replace("[:DATA]", "").replace("[:STATe]", "")
    )
    before = bench.say(f":{head}?")
    kind = setting.kind
    other = kind.patterns[-1] if isinstance(kind, Choice) else repr(kind.high) if isinstance(kind, Real) else str(1 - int(before))
    bench.say(f":{head} {other}")
    assert bench.errors() == []
    assert bench.say(f":{head}?") != before
    bench.say("*RST")
    kept = setting.key[0] in ("ACCESS", "POWER_ON", "GPIB")
    assert (bench.say(f":{head}?") == before) is not kept


def test_no_two_headers_are_the_same() -> None:
    patterns = [command.pattern for _, command in _COMMANDS]
    assert len(patterns) == len(set(patterns)) > 250


def test_the_fast_clock_takes_no_wall_time_and_still_stamps_every_reading() -> None:
    world = touching("clean")
    smu = Keithley2450(world, lambda ns: 0)
    port = smu.connect()
    port.feed(b":SENS:CURR:NPLC 1;:TRIG:LOAD 'SimpleLoop',50,0.1;:INIT;*WAI;:TRAC:DATA? 50,50,'defbuffer1',REL\n", 0)
    while not (said := port.take(0)):
        assert world.agenda.due_ns() == 0
    assert float(said) > 49 * 0.1
    port.feed(b":TRIG:STAT?\n", 0)
    assert port.take(0) == b"IDLE;IDLE;4\n"


def test_empty_and_unknown_parameters_are_told_apart() -> None:
    bench = Bench()
    for line, code in ((":SOUR:VOLT 1,2", -108), (":SOUR:VOLT? 1", -224), ("*CLS 1", -108), (":TRAC:DATA? 1,,'defbuffer1'", -109)):
        bench.say(line)
        assert bench.errors() == [code], line


def test_buffers_are_made_once_named_and_found_again_after_they_wrapped() -> None:
    bench = Bench().ready()
    bench.say(":SENS:CURR:NPLC 0.01;:TRAC:MAKE 'ring',10,FULL;:TRAC:FILL:MODE CONT,'ring';:SENS:COUN 25;:TRAC:TRIG 'ring'")
    values = np.array([float(text) for text in bench.say(":TRAC:DATA? 1,10,'ring',REL").split(",")])
    assert values[0] == 0.0 and (np.diff(values) > 0).all()
    assert bench.say(":TRAC:DATA? 4,6,'ring',REL").split(",")[1] == bench.say(":TRAC:DATA? 1,10,'ring',REL").split(",")[4]
    bench.say(":TRAC:MAKE 'ring',10")
    bench.say(":TRAC:MAKE 'no name',10")
    bench.say(":TRAC:DEL 'ring';:TRAC:ACT? 'ring'")
    assert bench.errors() == [1115, -224, -224]


def test_a_buffer_tells_when_it_is_full_and_when_it_was_cleared() -> None:
    bench = Bench().ready()
    bench.say(":STAT:OPER:MAP 0,4918,4917;:SENS:CURR:NPLC 0.01;:TRAC:POIN 10;:SENS:COUN 10;:READ?")
    assert bench.say(":STAT:OPER:COND?") == "1"
    bench.say(":TRAC:CLE")
    assert bench.say(":STAT:OPER:COND?;:TRAC:LOG:STAT?") == "0;1"


def test_texts_of_a_reading_say_when_and_what_it_was() -> None:
    bench = Bench().ready()
    bench.pass_time(3.0)
    bench.say(":READ?")
    said = bench.say(":FETC? 'defbuffer1',TST,DATE,TIME,SEC,FRAC,FORM,SOURFORM,UNIT,EXTR").split(",")
    assert said[1] == "01/01/2026" and said[0] == f"{said[1]} {said[2]}"
    assert int(said[3]) == 1767225600 + bench.now_ns // SECOND - (said[4] > f"{bench.now_ns % SECOND / 1e9:.9f}")
    assert said[5].endswith("uA") and said[6].endswith(" mV") and said[7:] == ["Amp DC", "0.000000E+00"]
    bench.say(":FORM REAL;:FETC? 'defbuffer1',TIME")
    assert bench.errors() == [-224]


def test_values_from_outside_go_into_writable_buffers_alone() -> None:
    bench = Bench()
    bench.say(":TRAC:MAKE 'mine',10,WRIT;:TRAC:WRIT:FORM 'mine',VOLT,6;:TRAC:WRIT:READ 'mine',1.5;:TRAC:WRIT:READ 'mine',2.5")
    assert (
        bench.say(":TRAC:DATA? 1,2,'mine',READ;:TRAC:STAT:AVER? 'mine';STDD? 'mine'")
        == "1.500000E+00,2.500000E+00;2.000000E+00;7.071068E-01"
    )
    bench.say(":TRAC:WRIT:READ 'defbuffer1',1")
    assert bench.errors() == [-224]


def test_timers_start_at_a_second_and_its_fraction_and_what_is_not_connected_is_taken_silently() -> None:
    bench = Bench()
    bench.say(":TRIG:TIM2:STAR:SEC 12;FRAC 0.25;:TRIG:LAN1:OUT:STIM NOT1;:TRIG:TSPL1:IN:EDGE FALL;:TSPL:LINE1:MODE TRIG,IN;:TRIG:CONT OFF")
    assert bench.say(":TRIG:TIM2:STAR:SEC?;FRAC?;:TRIG:LAN1:IN:OVER?;:TRIG:CONT?") == "1.200000E+01;2.500000E-01;0;OFF"
    assert bench.errors() == []


def test_a_reset_chooses_the_front_terminals() -> None:
    bench = Bench()
    bench.say(":ROUT:TERM REAR;*RST")
    assert bench.say(":ROUT:TERM?") == "FRON"


@pytest.mark.parametrize(
    "line",
    [
        # Of programs that others wrote for the real one, as they send them.
        "*RST;:stat:pres;:*CLS;", ":SENS:FUNC 'CURR';:SENS:CURR:NPLC 0.010000;", "SOUR:voltage:ILIM 0.0001", ":SENSe:current:RSENse 1",
        ":SENSe:current:NPLCycles 0.01", ":TRACe:MAKE 'mybuf', 100, ", ":SOURce:SWEep:voltage:LINear 0,1,5,0,1,AUTO,ON,OFF,'defbuffer1'",
        ":STATus:CLEar", ":SYSTem:CLEar", ":ABORt", "SENS:CURR:RANG 500e-6", ":CURR:AZER OFF;:VOLT:AZER OFF;:AZER:ONCE",
        ':SOUR:SWE:VOLT:LIN:STEP -0.1, 0.1, 0.05, 0.1, 1, FIXED, OFF, ON, "defbuffer1"', ":SYST:BEEP 440, 0.1", ":DISP:SCR HOME",
        ':TRIG:LOAD "SimpleLoop", 10, 0, "defbuffer1"', ":TRIG:LOAD 'EMPTY';TRIG:BLOC:BUFF:CLEAR 1, 'defbuffer1'",
        "TRIG:LOAD 'EMPTY'", 'TRIG:BLOC:WAIT 2, DIG1, ENT, OR', "DISP:LIGH:STAT ON50", "SENS:CURR:AVER:TCON REP;COUN 5;:SENS:CURR:AVER ON",
        'TRAC:SAVE "/usb1/data.csv", "defbuffer1", ALL', ":SOUR:DEL 0.01;:SOUR:VOLT:DEL:AUTO ON", ":OUTP:VOLT:SMOD HIMP", ":OUTP 1",
    ],
)  # fmt: skip
def test_what_other_programs_say_is_understood(line: str) -> None:
    bench = Bench()
    bench.say(line)
    wanted = [-113] if line.count("'EMPTY';TRIG") else []  # a path that is not left goes on, as the standard says
    assert bench.errors() == wanted


def spelled(pattern: str) -> str:
    """One spelling of a header: without what is optional, the first of each choice, number 1."""
    text = re.sub(r"\[[^\]]*\]", "", pattern.replace("[1]", ""))
    return re.sub(r"\(([^|)]*)[^)]*\)", r"\1", re.sub(r"<\d>", "1", text)).lstrip(":")


ARGUMENTS = (
    "",
    "1",
    "ON",
    "'defbuffer1'",
    "1,DIG1,1",
    "1,'defbuffer1',1,2",
    "1,2,3,4,5,6,7,8,9",
    "-1e40",
    "NONE",
    ",,,",
    "'/usb1/a.csv'",
    "MIN",
)


@pytest.mark.parametrize("arguments", ARGUMENTS)
def test_no_command_and_no_query_upsets_it_whatever_its_arguments(arguments: str) -> None:
    bench = Bench(Route.NONE)
    bench.say(":SENS:COUN 3")
    for _, command in _COMMANDS:
        header = spelled(command.pattern)
        if command.set is not None:
            bench.say(f"{header} {arguments}")
        if command.query is not None:
            bench.say("*CLS")
            said = bench.ask(f"{header}? {arguments}").data
            assert bool(said) != bool(bench.errors()), header
        if bench.smu.instrument.model.running:
            bench.say(":ABOR")
    assert bench.say("*RST;*CLS;*LANG?") == "SCPI"


def test_user_delays_and_the_rest_of_the_branches() -> None:
    bench = Bench().ready()
    bench.say(":SOUR:VOLT:DEL:USER2 0.1;:SENS:CURR:DEL:USER1 0.2;:SOUR:VOLT:DEL 0;:SENS:CURR:NPLC 0.01;AZER OFF;RANG 1e-3")
    for number, block in enumerate(
        (
            "DEL:DYN {},SOUR2", "DEL:DYN {},MEAS1", "MDIG {},'defbuffer1',2", "BRAN:DELT {},1,6", "NOP {}", "BRAN:LIM:DYN {},INS,1,8",
            "NOP {}", "BRAN:COUN:RES {},9", "BRAN:COUN {},1,1", "DIG:IO {},3",
        ),
        1,
    ):  # fmt: skip
        bench.say(f":TRIG:BLOC:{block.format(number)}")
    assert bench.errors() == []
    assert bench.ask(":INIT;*WAI").busy_ns == pytest.approx(0.3 * SECOND, rel=0.05)
    listing = bench.say(":TRIG:BLOC:LIST?")
    assert "DELAY: S2" in listing and "TYPE: INS" in listing and "VALUE: 3 MASK: 63" in listing
    bench.pass_time(0.1)
    assert bench.say(":TRIG:STAT?") == "IDLE;IDLE;10"


def test_an_offset_of_one_function_leaves_the_others_and_ohms_have_ranges_of_their_own() -> None:
    bench = Bench().ready()
    bench.say(":SENS:RES:RANG 4e3;:SENS:RES:RANG:AUTO:ULIM 1e6;:SENS:FUNC 'RES'")
    assert bench.say(":SENS:RES:RANG?;:SENS:RES:RANG:AUTO:ULIM?;:SENS:FUNC?") == '2.000000E+04;2.000000E+06;"RES"'
    assert float(bench.say(":READ?")) == pytest.approx(0.1 / bench.true_amps(0.1), rel=0.02)
    bench.say(":SENS:CURR:RANG:AUTO:ULIM 1")
    assert bench.errors() == [-113]
