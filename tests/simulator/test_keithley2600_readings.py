"""Readings of the simulated 2636B: both functions, limits, ranges, filters, offsets, and how long they take."""

import pytest

from tests.simulator.keithley2600_bench import Bench, fast


@pytest.fixture(params=[True, False], ids=["lua", "flat"])
def bench(request: pytest.FixtureRequest) -> Bench:
    return Bench(lua=request.param)


def test_it_measures_what_the_junction_carries(bench: Bench) -> None:
    bench.ready()
    bench.say("smua.measure.nplc = 1")
    amps, volts = bench.numbers("print(smua.measure.iv())")
    assert amps == pytest.approx(bench.amps(0.1), rel=0.01) and volts == pytest.approx(0.1, abs=1e-3)
    assert bench.number("smua.measure.r()") == pytest.approx(0.1 / bench.amps(0.1), rel=0.02)
    assert bench.number("smua.measure.p()") == pytest.approx(0.1 * bench.amps(0.1), rel=0.02)


def test_it_sources_current_and_measures_the_voltage(bench: Bench) -> None:
    bench.say("smua.source.func = smua.OUTPUT_DCAMPS smua.source.limitv = 0.5 smua.source.leveli = 1e-5 smua.source.output = 1")
    volts = bench.number("smua.measure.v()")
    assert bench.amps(volts) == pytest.approx(1e-5, rel=0.02) and bench.ask("smua.source.compliance") == "false"
    bench.say("smua.source.limitv = 0.02")
    assert bench.number("smua.measure.v()") == pytest.approx(0.02, rel=0.05) and bench.ask("smua.source.compliance") == "true"


def test_a_reading_at_the_limit_is_the_limit_and_says_so(bench: Bench) -> None:
    bench.ready()
    bench.say("smua.source.limiti = 1e-6 smua.measure.rangei = 1e-6")
    assert bench.number("smua.measure.i(smua.nvbuffer1)") == pytest.approx(1e-6, rel=0.01)
    assert int(bench.number("smua.nvbuffer1.statuses[1]")) & 0x40
    assert bench.ask("smua.source.compliance") == "true"
    assert int(bench.number("status.measurement.instrument.smua.condition")) & 2
    assert bench.number("status.measurement.current_limit.condition") == 2.0
    bench.say("smua.source.levelv = 0")
    assert bench.ask("smua.source.compliance") == "false"
    assert not int(bench.number("status.measurement.instrument.smua.condition")) & 3


def test_a_power_limit_lowers_the_other(bench: Bench) -> None:
    bench.ready()
    bench.say("smua.source.limitp = 1e-7 smua.measure.rangei = 1e-6")
    assert bench.number("smua.measure.i()") == pytest.approx(1e-6, rel=0.05) and bench.ask("smua.source.compliance") == "true"


def test_a_reading_beyond_a_fixed_range_overflows(bench: Bench) -> None:
    bench.say("smua.source.func = 0 smua.source.limitv = 0.5 smua.source.leveli = 1e-4 smua.source.output = 1 smua.measure.rangev = 0.2")
    assert bench.number("smua.measure.v()") == 9.91e37 or bench.ask("smua.source.compliance") == "true"


def test_an_automatic_range_is_told_and_kept(bench: Bench) -> None:
    bench.say("smua.source.levelv = 0.1 smua.source.limiti = 1e-2 smua.source.output = 1")
    bench.say("smua.measure.i(smua.nvbuffer1)")
    assert bench.number("smua.measure.rangei") == 1e-4
    assert int(bench.number("smua.nvbuffer1.statuses[1]")) == 4 | 8
    bench.say("smua.measure.autorangei = 0")
    assert bench.number("smua.measure.rangei") == 1e-4 and bench.number("smua.measure.autorangei") == 0.0
    bench.say("smua.measure.autorangei = smua.AUTORANGE_FOLLOW_LIMIT")
    assert bench.number("smua.measure.rangei") == 1e-2


def test_the_measure_range_of_what_is_sourced_is_the_source_range(bench: Bench) -> None:
    assert bench.numbers("smua.source.rangev = 20 smua.measure.rangev = 2 print(smua.measure.rangev)") == [20.0]
    assert bench.numbers("smua.source.func = 0 print(smua.measure.rangev)") == [2.0]


def test_offsets_are_subtracted_and_said(bench: Bench) -> None:
    bench.ready()
    bench.say("smua.measure.rel.leveli = 1e-5 smua.measure.rel.enablei = 1")
    assert bench.number("smua.measure.i(smua.nvbuffer1)") == pytest.approx(bench.amps(0.1) - 1e-5, rel=0.05)
    assert int(bench.number("smua.nvbuffer1.statuses[1]")) & 0x20


@pytest.mark.parametrize("kind", ["FILTER_REPEAT_AVG", "FILTER_MOVING_AVG", "FILTER_MEDIAN"])
def test_filters_take_their_readings_and_say_so(kind: str) -> None:
    bench = Bench()
    bench.ready()
    bench.say(f"smua.measure.filter.type = smua.{kind} smua.measure.filter.count = 10 smua.measure.filter.enable = 1 timer.reset()")
    reading = bench.number("smua.measure.i(smua.nvbuffer1)")
    assert reading == pytest.approx(bench.amps(0.1), rel=0.02)
    assert bench.number("timer.measure.t()") >= 10 * 0.001 / 60
    assert int(bench.number("smua.nvbuffer1.statuses[1]")) & 0x80
    bench.say("smua.measure.count = 5")
    assert bench.errors() == [(5025, "SMU A: Cannot set filter.count > 1 when measure.count > 1")]


def test_a_reading_takes_its_aperture_and_reference_and_zero_once_in_a_while() -> None:
    bench = Bench()
    bench.ready()
    bench.say("smua.measure.nplc = 6 smua.measure.autozero = smua.AUTOZERO_AUTO")
    taken = [bench.numbers("timer.reset() smua.measure.i() print(timer.measure.t())")[0] for _ in range(3)]
    assert taken[0] == pytest.approx(0.3, abs=2e-3) and taken[1] == taken[2] == pytest.approx(0.1, abs=2e-3)
    bench.let(2.0)
    assert bench.numbers("timer.reset() smua.measure.i() print(timer.measure.t())")[0] == pytest.approx(0.3, abs=2e-3)


def test_autozero_once_reads_back_as_off(bench: Bench) -> None:
    assert bench.numbers("smua.measure.autozero = smua.AUTOZERO_ONCE print(smua.measure.autozero)") == [0.0]


def test_measure_and_step_reads_before_it_steps(bench: Bench) -> None:
    bench.ready()
    assert bench.number("smua.measureiandstep(0.05)") == pytest.approx(bench.amps(0.1), rel=0.02)
    assert bench.number("smua.source.levelv") == 0.05


def test_a_fast_clock_answers_at_once_and_still_counts_the_instruments_time() -> None:
    bench = Bench(wall_ns=fast)
    bench.ready()
    bench.say("smua.measure.nplc = 25 timer.reset() smua.measure.i() delay(5)")
    assert bench.now_ns == 0 and bench.number("timer.measure.t()") == pytest.approx(5.4, rel=0.3)


def test_the_contact_is_measured_only_where_something_is_connected(bench: Bench) -> None:
    high, low = bench.numbers("print(smua.contact.r())")
    assert high == low == pytest.approx(bench.world.needles.contact_ohms() / 2, rel=1e-4)
    assert bench.ask("smua.contact.check()", "smub.contact.check()") == "true\tfalse"
