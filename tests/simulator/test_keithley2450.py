"""The 2450's language: grammar, errors, limits and readings, as its manual and foreign clients have them."""

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_protocol.codes import Route
from simulator.instruments.keithley2450 import Keithley2450
from simulator.instruments.keithley2450.commands import find_command
from simulator.instruments.scpi import arguments, units
from simulator.world import World
from tests.simulator.scpi_bench import Bench
from tests.simulator.worlds import touching


@pytest.fixture(scope="module")
def quiet_world() -> World:
    """One world for many examples, with nothing selected."""
    return touching("clean")


def test_it_says_what_it_is_and_that_it_is_simulated() -> None:
    bench = Bench()
    assert bench.say("*IDN?") == "KEITHLEY INSTRUMENTS,MODEL 2450,SIM20261122,1.7.12b"
    assert bench.say("*LANG?") == "SCPI"


@pytest.mark.parametrize(
    "header",
    [
        ":SOUR:VOLT:LEV:IMM:AMPL",
        "SOUR:VOLT",
        ":sour:voltage:lev",
        ":SOURce1:VOLTage:LEVel:IMMediate:AMPLitude",
        ":SOUR1:VOLT:IMM",
        "Sour:Volt:Ampl",
    ],
)
def test_every_spelling_of_a_header_is_the_same_command(header: str) -> None:
    bench = Bench()
    bench.say(f"{header} 0.125")
    assert float(bench.say(f"{header}?")) == 0.125
    assert bench.error() == 0


@pytest.mark.parametrize(
    "header", [":SOURC:VOLT", ":SOUR:VOLTA", ":SOUR2:VOLT", ":SOUR:VOLT:LEVE", ":SOUR:LEV", "FROB", ":STAT:MEAS:ENAB", ":TRAC:FEED"]
)
def test_nothing_between_short_and_long_form_is_known(header: str) -> None:
    bench = Bench()
    assert bench.say(f"{header} 1") == ""
    assert bench.error() == -113


@given(st.integers(0, 2), st.integers(0, 2), st.booleans(), st.booleans())
@settings(max_examples=36, deadline=None)
def test_case_optional_nodes_and_leading_colon_never_matter(case: int, form: int, colon: bool, dc: bool) -> None:
    header = ("SENS:CURR", "SENSE1:CURRENT", "CURR")[form] + (":DC" if dc else "") + ":NPLC"
    spelled = (":" if colon else "") + (header.lower, header.upper, header.title)[case]()
    assert find_command(spelled.lstrip(":")) is not None


def test_a_line_holds_several_messages_and_the_path_goes_on_after_a_semicolon() -> None:
    assert [unit.header for unit in units(":SOUR:VOLT:RANG 2;ILIM 1e-3;:OUTP ON;;*CLS;:*RST")] == [
        "SOUR:VOLT:RANG", "SOUR:VOLT:ILIM", "OUTP", "*CLS", "*RST",
    ]  # fmt: skip
    bench = Bench()
    assert bench.say(":SOUR:VOLT:RANG 2;ILIM 1e-3;ILIM?;:OUTP?") == "1.000000E-03;0"
    bench.say(":SOUR:FUNC VOLT;OUTP ON")
    assert bench.error() == -113  # SOUR:OUTP: the path was not left


def test_separators_inside_quotes_separate_nothing() -> None:
    assert [unit.arguments for unit in units(":TRAC:MAKE 'a;b, c', 100, ;*CLS")] == [("'a;b, c'", "100"), ()]
    assert arguments('"x,y" , 2,') == ('"x,y"', "2")


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_no_bytes_upset_it(quiet_world: World, data: bytes) -> None:
    bench = Bench(Route.NONE, quiet_world)
    bench.port.feed(data, 0)
    bench.say("")
    bench.say("*RST;*CLS")
    assert bench.say("*LANG?") == "SCPI"


@given(st.lists(st.integers(1, 40), max_size=12))
@settings(max_examples=50, deadline=None)
def test_answers_do_not_depend_on_how_the_bytes_are_split(quiet_world: World, cuts: list[int]) -> None:
    text = b":SOUR:VOLT 0.25\r\n:SOUR:VOLT?\n*LANG?;:OUTP?\n"
    port, at = Keithley2450(quiet_world).connect(), 0
    for cut in [*cuts, len(text)]:
        port.feed(text[at : at + cut], 0)
        at += cut
    later_ns = 10**9
    assert port.take(later_ns) + port.take(later_ns) == b"2.500000E-01\nSCPI;0\n"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (":SOUR:VOLT", -109),
        (":SOUR:VOLT 300", -222),
        (":SOUR:VOLT abc", -104),
        (":SOUR:VOLT 1e999", -222),
        (":SOUR:VOLT:ILIM 2", -222),
        (":SENS:CURR:NPLC 0.001", -222),
        (":SOUR:FUNC RES", -224),
        (":OUTP MAYBE", -224),
        (":OUTP 1e400", -222),
        (":TRAC:DATA?", -109),
        (":TRAC:DATA? 1,9", -222),
        (":READ? 'nobuffer'", -224),
        (":READ? 'defbuffer1', NONSENSE", -224),
        (":INIT", -221),
        (":FETC?", -230),
        (":TRAC:DEL 'defbuffer1'", -224),
        (":SENSe:current:DELay:USERNone?", -113),
        (":SOUR:CURR:ILIM:TRIP?", -113),
        (":SOUR:SWE:CURR:LIN 0,1e-3,5", -221),
        ("*IDN", -113),
        (":OUTP", -109),
        (":TRAC:POIN 5", -222),
        (":TRAC:POIN 1e400", -222),
    ],
)
def test_what_is_wrong_is_queued_and_never_answered(line: str, code: int) -> None:
    bench = Bench()
    assert bench.say(line) == ""
    assert bench.error() == code
    assert bench.say("SYST:ERR?") == '0,"No error;0;0 0"'


def test_a_command_error_drops_the_rest_of_its_line_an_execution_error_does_not() -> None:
    bench = Bench()
    assert bench.say(":FROB 1;:SOUR:VOLT 0.3;:SOUR:VOLT?") == ""
    assert bench.say(":SOUR:VOLT 300;:SOUR:VOLT?") == "0.000000E+00"


def test_the_error_queue_is_first_in_first_out_and_says_when_it_was_full() -> None:
    bench = Bench()
    bench.say(":FROB 1")
    bench.say(":SOUR:VOLT 300")
    assert bench.say("SYST:ERR:COUN?") == "2"
    assert [bench.error() for _ in range(3)] == [-113, -222, 0]
    for _ in range(1001):
        bench.say(":FROB 1")
    assert [bench.error() for _ in range(1001)] == [-113] * 999 + [-350, 0]


def test_status_bytes_follow_ieee_488() -> None:
    bench = Bench()
    assert bench.say("*ESR?") == "128"
    assert bench.say("*ESR?") == "0"
    bench.say("*ESE 32;*SRE 32;:FROB 1")
    assert int(bench.say("*STB?")) == 4 + 32 + 64
    bench.say("*CLS;*OPC")
    assert bench.say("*ESR?") == "1"
    assert bench.say("*OPC?") == "1"
    assert bench.say("*STB?") == "0"


def test_reset_switches_the_output_off_and_restores_the_limits() -> None:
    bench = Bench().ready()
    assert bench.say("OUTP?") == "1"
    bench.say("*RST")
    assert bench.say(":OUTP?;:SOUR:VOLT:ILIM?;:SOUR:CURR:VLIM?;:SOUR:VOLT?;:SENS:CURR:NPLC?;:SENS:FUNC?;:SOUR:FUNC?") == (
        '0;1.050000E-04;2.100000E+01;0.000000E+00;1.000000E+00;"CURR:DC";VOLT'
    )
    assert not bench.world.output_on


def test_minimum_maximum_and_default_are_numbers() -> None:
    bench = Bench()
    assert bench.say(":SOUR:VOLT:ILIM? MAX;:SOUR:VOLT:ILIM? MIN;:SOUR:VOLT:ILIM? DEF") == "1.050000E+00;1.000000E-09;1.050000E-04"
    bench.say(":SENS:CURR:NPLC maximum")
    assert bench.say(":SENS:CURR:NPLC?") == "1.000000E+01"


def test_a_level_beyond_a_fixed_range_is_refused_and_a_range_below_the_level_too() -> None:
    bench = Bench()
    bench.say(":SOUR:VOLT:RANG 2")
    assert bench.say(":SOUR:VOLT:RANG:AUTO?") == "0"
    bench.say(":SOUR:VOLT 5")
    assert bench.error() == -222
    bench.say(":SOUR:VOLT 1;:SOUR:VOLT:RANG 0.2")
    assert bench.error() == -221
    assert bench.say(":SOUR:VOLT?;:SOUR:VOLT:RANG?") == "1.000000E+00;2.000000E+00"


def test_it_measures_the_selected_junction() -> None:
    bench = Bench().ready()
    volts, amps = (float(text) for text in bench.say(':READ? "defbuffer1",SOUR,READ').split(","))
    assert volts == pytest.approx(0.1, abs=1e-4) and amps == pytest.approx(bench.true_amps(0.1), rel=0.02)
    assert bench.say(":SOUR:VOLT:ILIM:TRIP?") == "0"


def test_at_the_limit_it_reduces_the_voltage_and_says_so() -> None:
    bench = Bench().ready(limit="1e-5")
    volts, amps, status = (float(text) for text in bench.say(":READ? 'defbuffer1',SOUR,READ,SOURSTAT").split(","))
    assert amps == pytest.approx(1e-5, rel=1e-3) and 0.01 < volts < 0.06 and int(status) == 8 + 32 + 128
    assert bench.say(":SOUR:VOLT:ILIM:TRIP?") == "1"
    assert bench.true_amps(volts) == pytest.approx(1e-5, rel=0.02)


def test_one_message_sets_reads_and_tells_limit_and_output() -> None:
    answer = Bench().ready().say(':SOUR:VOLT:LEV 0.05;:READ? "defbuffer1",SOUR,READ;:SOUR:VOLT:ILIM:TRIP?;:OUTP?')
    reading, tripped, output = answer.split(";")
    assert float(reading.split(",")[0]) == pytest.approx(0.05, abs=1e-4) and (tripped, output) == ("0", "1")


def test_with_the_output_off_it_reads_next_to_nothing_and_the_world_sees_no_bias() -> None:
    bench = Bench()
    bench.say(":SOUR:VOLT 0.1")
    assert abs(float(bench.say(":READ?"))) < 1e-9
    assert not bench.world.output_on


def test_a_fixed_range_that_is_too_small_overflows() -> None:
    bench = Bench().ready()
    bench.say(":SENS:CURR:RANG 1e-6")
    assert bench.say(":READ?") == "9.900000E+37"


def test_a_calculation_without_a_result_overflows_and_spoils_no_statistics() -> None:
    bench = Bench().ready()
    bench.say(":CALC:CURR:MATH:FORM PERC;:CALC:CURR:MATH:PERC 1e-320;:CALC:CURR:MATH:STAT ON;:SENS:COUN 2")
    assert abs(float(bench.say(":READ?"))) == 9.9e37
    assert float(bench.say(":TRAC:STAT:STDD?")) == pytest.approx(0.0)


def test_it_sources_current_up_to_a_voltage_limit_and_measures_ohms() -> None:
    bench = Bench()
    bench.say(":SOUR:FUNC CURR;:SOUR:CURR:VLIM 1;:SOUR:CURR 1e-5;:SENS:FUNC 'VOLT';:OUTP ON")
    assert float(bench.say(":READ?")) == pytest.approx(1e-5 * 0.03 / bench.true_amps(0.03), rel=0.05)
    assert bench.say(":SOUR:CURR:VLIM:TRIP?;:SOUR:VOLT:ILIM:TRIP?") == "0;0"
    assert float(bench.say(":MEAS:RES?")) == pytest.approx(0.03 / bench.true_amps(0.03), rel=0.05)
    bench.world.select(Route.NONE, None)
    assert bench.say(":SOUR:CURR:VLIM:TRIP?") == "1"


def test_more_cycles_mean_less_noise_and_more_time() -> None:
    spreads, times = [], []
    for cycles in ("0.01", "1"):
        bench = Bench(Route.CONTACT_PADS).ready()
        bench.say(f":SENS:CURR:NPLC {cycles};:SOUR:VOLT 0.001")
        bench.say(":READ?")
        spreads.append(np.std([float(bench.say(":READ?")) for _ in range(60)]))
        times.append(bench.ask(":READ?").busy_ns)
    assert spreads[0] > 4 * spreads[1]
    # Autozero: three apertures, for the source's read-back and for the reading.
    assert times[1] == pytest.approx(6 / 60 * 1e9, rel=0.05)
    assert times[0] == pytest.approx(6 * 0.01 / 60 * 1e9, rel=0.3)


def test_autozero_off_and_the_filter_change_the_time() -> None:
    bench = Bench().ready()
    bench.say(":SOUR:VOLT:READ:BACK OFF;:READ?;:SENS:CURR:AZER OFF")
    assert bench.ask(":READ?").busy_ns == pytest.approx(1 / 60 * 1e9, rel=0.05)
    bench.say(":SENS:CURR:AVER ON;:SENS:CURR:AVER:COUN 4")
    assert bench.ask(":READ?").busy_ns == pytest.approx(4 / 60 * 1e9, rel=0.05)
    bench.say(":SENS:CURR:AVER:TCON MOV")
    assert bench.ask(":READ?").busy_ns == pytest.approx(1 / 60 * 1e9, rel=0.05)


def test_switching_terminals_or_the_source_function_switches_the_output_off() -> None:
    for line in (":ROUT:TERM REAR", ":SOUR:FUNC CURR"):
        bench = Bench().ready()
        bench.say(line)
        assert bench.say(":OUTP?") == "0" and not bench.world.output_on


def test_a_lost_connection_changes_no_output() -> None:
    bench = Bench().ready()
    bench.port.close()
    assert bench.world.output_on
    assert bench.ask(":OUTP?", bench.smu.connect()).data == b"1\n"


def test_two_clients_do_not_mix_their_lines(quiet_world: World) -> None:
    smu = Keithley2450(quiet_world)
    one, other = smu.connect(), smu.connect()
    one.feed(b"*LA", 0)
    other.feed(b":OUTP?\n", 0)
    one.feed(b"NG?\n", 0)
    later_ns = 10**9
    assert (one.take(later_ns), other.take(later_ns)) == (b"SCPI\n", b"0\n")


def test_a_sweep_fills_its_buffer_and_ends_with_the_output_off() -> None:
    bench = Bench().ready()
    bench.say(":TRACe:MAKE 'mybuf', 100, ")
    bench.say(":SOURce:SWEep:voltage:LINear 0,0.1,5,0,1,AUTO,ON,OFF,'mybuf'")
    assert bench.say(":INITiate;*WAI;:TRAC:ACT? 'mybuf';:OUTP?") == "5;0"
    bench.pass_time(0.1)
    assert bench.say(":TRIG:STAT?") == "IDLE;IDLE;9"
    points = np.array([float(text) for text in bench.say(":TRACe:DATA? 1, 5, 'mybuf', SOUR, READ").split(",")]).reshape(5, 2)
    assert points[:, 0] == pytest.approx(np.linspace(0, 0.1, 5), abs=3e-4)
    assert points[-1, 1] == pytest.approx(bench.true_amps(0.1), rel=0.02)
    assert bench.error() == 0


def test_buffers_keep_the_newest_or_the_oldest_as_told() -> None:
    bench = Bench().ready()
    bench.say(":TRAC:POIN 10;:SENS:COUN 15;:READ?")
    newest = bench.say(":FETC?")
    assert bench.say(":TRAC:ACT?") == "10" and bench.say(":TRAC:DATA? 10,10") == newest
    bench.say(":TRAC:CLE;:TRAC:FILL:MODE ONCE;:READ?")
    assert bench.say(":TRAC:ACT?") == "10"
    assert float(bench.say(":TRAC:STAT:AVER?")) == pytest.approx(bench.true_amps(0.1), rel=0.02)
    assert float(bench.say(":TRAC:STAT:MAX?")) >= float(bench.say(":TRAC:STAT:MINimum?"))


def test_binary_data_come_as_a_block_of_indefinite_length() -> None:
    bench = Bench().ready()
    bench.say(":SENS:COUN 3;:READ?")
    ascii_values = [float(text) for text in bench.say(":TRAC:DATA? 1,3,'defbuffer1',SOUR,READ").split(",")]
    block = bench.ask(":FORM REAL;:TRAC:DATA? 1,3,'defbuffer1',SOUR,READ").data
    assert block[:2] == b"#0" and block[-1:] == b"\n"
    assert struct.unpack("<6d", block[2:-1]) == pytest.approx(ascii_values, rel=1e-5)
    assert len(bench.ask(":FORM SRE;:TRAC:DATA? 1,3").data) == 2 + 3 * 4 + 1


def test_a_line_without_end_is_dropped_before_it_fills_the_memory() -> None:
    bench = Bench()
    for _ in range(3):
        bench.port.feed(b"x" * 600_000, 0)
    bench.port.feed(b"\n", 0)
    assert -363 in [bench.error() for _ in range(3)]
