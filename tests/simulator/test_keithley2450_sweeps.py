"""Sweeps and lists of levels of the 2450, and the configuration lists that they and the user store."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_protocol.codes import Route
from simulator.world import World
from tests.simulator.scpi_bench import SECOND, Bench
from tests.simulator.worlds import touching

QUICK = ":SOUR:VOLT:READ:BACK OFF;:SOUR:VOLT:DEL 0;:SENS:CURR:RANG 1e-4;:SENS:CURR:NPLC 0.01;:SENS:CURR:AZER OFF"


def quick(limit: str = "1e-3", world: World | None = None) -> Bench:
    bench = Bench(world=world).ready(limit)
    bench.say(QUICK)
    return bench


def swept(bench: Bench, sweep: str) -> np.ndarray:
    """Levels sourced by a sweep that was run to its end."""
    bench.say(":TRAC:CLE")
    bench.say(sweep)
    points = int(bench.ask(":INIT;*WAI;:TRAC:ACT?").data)
    assert bench.errors() == []
    return np.array([float(text) for text in bench.say(f":TRAC:DATA? 1,{points},'defbuffer1',SOUR").split(",")])


@pytest.mark.parametrize(
    ("sweep", "levels"),
    [
        (":SOUR:SWE:VOLT:LIN 0,0.1,5", [0.0, 0.025, 0.05, 0.075, 0.1]),
        (":SOUR:SWE:VOLT:LIN 0.1,-0.1,3,-1,1,FIX,OFF,OFF", [0.1, 0.0, -0.1]),
        (":SOUR:SWE:VOLT:LIN 0,0.1,3,0,1,BEST,ON,ON", [0.0, 0.05, 0.1, 0.1, 0.05, 0.0]),
        (":SOUR:SWE:VOLT:LIN 0,0.1,2,0,3", [0.0, 0.1, 0.0, 0.1, 0.0, 0.1]),
        (":SOUR:SWE:VOLT:LIN:STEP 0,0.1,0.05", [0.0, 0.05, 0.1]),
        (":SOUR:SWE:VOLT:LOG 0.001,0.1,3", [0.001, 0.01, 0.1]),
        (":SOUR:LIST:VOLT 0.1,0,0.05;:SOUR:SWE:VOLT:LIST 1", [0.1, 0.0, 0.05]),
        (":SOUR:LIST:VOLT 0.1;:SOUR:LIST:VOLT:APP 0.02,0.03;:SOUR:SWE:VOLT:LIST 2,0,2,OFF", [0.02, 0.03, 0.02, 0.03]),
    ],
)
def test_every_kind_of_sweep_sources_its_levels_and_ends_with_the_output_off(sweep: str, levels: list[float]) -> None:
    bench = quick()
    assert swept(bench, sweep) == pytest.approx(levels, rel=1e-6, abs=1e-12)
    assert bench.say(":OUTP?") == "0" and not bench.world.output_on


@pytest.fixture(scope="module")
def quiet_world() -> World:
    return touching("clean")


@given(st.floats(-0.2, 0.2), st.floats(-0.2, 0.2), st.integers(2, 40))
@settings(max_examples=20)
def test_a_linear_sweep_starts_and_stops_where_it_was_told(quiet_world: World, start: float, stop: float, points: int) -> None:
    bench = quick(world=quiet_world)
    bench.world.select(Route.NONE, None)
    levels = swept(bench, f":SOUR:SWE:VOLT:LIN {start!r},{stop!r},{points},0,1,FIX,OFF")
    assert levels == pytest.approx(np.linspace(start, stop, points), rel=1e-5, abs=1e-9)


def test_a_sweep_that_reaches_its_limit_stops_at_the_first_limited_reading() -> None:
    bench = quick(limit="2e-5")
    bench.say(":SOUR:SWE:VOLT:LIN 0,0.2,21,0,1,FIX,ON,OFF")
    points = int(bench.ask(":INIT;*WAI;:TRAC:ACT?").data)
    statuses = [int(text) for text in bench.say(f":TRAC:DATA? 1,{points},'defbuffer1',SOURSTAT").split(",")]
    assert 2 < points < 21
    assert [bool(each & 32) for each in statuses] == [False] * (points - 1) + [True]
    assert bench.say(":OUTP?") == "0"


def test_a_sweep_that_does_not_stop_flags_exactly_the_limited_points() -> None:
    bench = quick(limit="2e-5")
    bench.say(":SENS:CURR:RANG 1e-4;:SOUR:SWE:VOLT:LIN 0,0.2,21,0,1,FIX,OFF,OFF")
    assert bench.ask(":INIT;*WAI;:TRAC:ACT?").data == b"21\n"
    flagged = [bool(int(text) & 32) for text in bench.say(":TRAC:DATA? 1,21,'defbuffer1',SOURSTAT").split(",")]
    wanted = [bench.true_amps(0.01 * index) > 2e-5 for index in range(21)]
    differing = [index for index in range(21) if flagged[index] != wanted[index]]
    assert len(differing) <= 1 and sum(flagged) > 3


def test_a_sweeps_model_has_nine_blocks_and_eight_when_nothing_aborts_it() -> None:
    bench = quick()
    bench.say(":SOUR:SWE:VOLT:LIN 0,0.1,3")
    assert [line.split()[1] for line in bench.say(":TRIG:BLOC:LIST?").splitlines()][5:] == [
        "MEASURE_DIGITIZE", "BRANCH_ON_EVENT", "BRANCH_COUNTER", "SOURCE_OUTPUT",
    ]  # fmt: skip
    bench.say(":SOUR:SWE:VOLT:LIN 0,0.1,3,0,1,FIX,OFF")
    assert [line.split()[1] for line in bench.say(":TRIG:BLOC:LIST?").splitlines()][5:] == [
        "MEASURE_DIGITIZE", "BRANCH_COUNTER", "SOURCE_OUTPUT",
    ]  # fmt: skip
    bench.say(":TRIG:BLOC:NOP 8;:INIT;*WAI")
    assert bench.say(":OUTP?;:SOUR:VOLT?") == "1;1.000000E-01"


def test_twenty_thousand_points_take_what_the_instruments_rate_allows() -> None:
    bench = quick()
    bench.world.select(Route.NONE, None)
    bench.say(":TRAC:POIN 20000;:SOUR:SWE:VOLT:LIN 0,0.1,20000,0,1,FIX,OFF")
    said = bench.ask(":INIT;*WAI;:TRAC:ACT?")
    assert said.data == b"20000\n"
    assert said.busy_ns == pytest.approx(20_000 / 3_000 * SECOND, rel=1e-3)


def test_delays_of_source_and_sweep_add_up_and_the_automatic_one_depends_on_the_range() -> None:
    bench = quick()
    for source, sweep, wanted in ((0.01, 0.02, 0.03), (0.0, 0.01, 0.01)):
        bench.say(f":TRAC:CLE;:SOUR:VOLT:DEL {source};:SOUR:SWE:VOLT:LIN 0,0.1,11,{sweep},1,FIX,OFF")
        bench.ask(":INIT;*WAI")
        gaps = np.diff([float(text) for text in bench.say(":TRAC:DATA? 1,11,'defbuffer1',REL").split(",")])
        assert gaps == pytest.approx(wanted + 0.01 / 60, rel=0.03)
    bench.say(":SOUR:VOLT:DEL:AUTO ON;:SENS:CURR:RANG 1e-6")
    slow = float(bench.say(":SOUR:VOLT:DEL?"))
    bench.say(":SENS:CURR:RANG 1e-3")
    assert slow > float(bench.say(":SOUR:VOLT:DEL?"))


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (":SOUR:SWE:VOLT:LIN 0,0.1", -109),
        (":SOUR:SWE:VOLT:LIN 0,0.1,1", -222),
        (":SOUR:SWE:VOLT:LIN 0,0.1,1000001", -222),
        (":SOUR:SWE:VOLT:LIN 0,300,5", -222),
        (":SOUR:SWE:VOLT:LIN 0,5,5,0,1,FIX", -222),
        (":SOUR:SWE:VOLT:LIN 0,0.1,5,-0.5", -222),
        (":SOUR:SWE:VOLT:LIN 0,0.1,5,1e-6", -222),
        (":SOUR:SWE:VOLT:LIN 0,0.1,5,0,1,SOME", -224),
        (":SOUR:SWE:VOLT:LIN 0,0.1,5,0,1,AUTO,ON,OFF,'nobuffer'", -224),
        (":SOUR:SWE:VOLT:LIN:STEP 0,0.1,0.2", -221),
        (":SOUR:SWE:VOLT:LOG 0,0.1,5", -222),
        (":SOUR:SWE:VOLT:LIST 1", -221),
        (":SOUR:LIST:VOLT", -109),
        (":SOUR:LIST:VOLT " + ",".join(["0.1"] * 101), -223),
    ],
)
def test_what_is_wrong_with_a_sweep_is_queued(line: str, code: int) -> None:
    bench = quick()
    bench.say(line)
    assert bench.errors() == [code]


def test_a_list_holds_2500_levels_in_messages_of_100() -> None:
    bench = quick()
    for index in range(25):
        bench.say(f":SOUR:LIST:VOLT{':APP' if index else ''} " + ",".join(["1e-3"] * 100))
    assert bench.say(":SOUR:LIST:VOLT:POIN?") == "2500"
    bench.say(":SOUR:LIST:VOLT:APP 0.1")
    assert bench.errors() == [-222]


def test_settings_are_stored_in_lists_and_recalled_by_number() -> None:
    bench = Bench().ready()
    bench.say(":SOUR:CONF:LIST:CRE 'levels';:SENS:CONF:LIST:CRE 'speeds'")
    for level, nplc in ((0.1, 1), (0.2, 0.1)):
        bench.say(f":SOUR:VOLT {level};:SENS:CURR:NPLC {nplc};:SOUR:CONF:LIST:STOR 'levels';:SENS:CONF:LIST:STOR 'speeds'")
    assert bench.say(":SOUR:CONF:LIST:SIZE? 'levels';:SENS:CONF:LIST:CAT?") == "2;speeds"
    bench.say(":SOUR:CONF:LIST:REC 'levels',1,'speeds',1")
    assert bench.say(":SOUR:VOLT?;:SENS:CURR:NPLC?") == "1.000000E-01;1.000000E+00"
    assert "LEVEL=0.2" in bench.say(":SOUR:CONF:LIST:QUER? 'levels',2")
    bench.say(":SOUR:CONF:LIST:DEL 'levels',1")
    assert bench.say(":SOUR:CONF:LIST:SIZE? 'levels'") == "1"
    bench.say(":SOUR:CONF:LIST:REC 'levels',2")
    bench.say(":SENS:CONF:LIST:REC 'levels'")
    bench.say(":SOUR:CONF:LIST:CRE 'speeds'")
    assert bench.errors() == [2790, 2790, -224]


def test_a_model_walks_through_both_lists() -> None:
    bench = quick()
    bench.say(":SOUR:CONF:LIST:CRE 'levels';:SENS:CONF:LIST:CRE 'speeds'")
    for level in (0.1, 0.2, 0.05):
        bench.say(f":SOUR:VOLT {level};:SOUR:CONF:LIST:STOR 'levels';:SENS:CONF:LIST:STOR 'speeds'")
    bench.say(":TRIG:LOAD 'ConfigList','speeds','levels';:INIT;*WAI")
    assert bench.say(":TRAC:DATA? 1,3,'defbuffer1',SOUR") == "1.000000E-01,2.000000E-01,5.000000E-02"
    assert bench.errors() == []
