"""Reading buffers of the simulated 2636B: what they collect, how they fill, how they leave."""

import numpy as np
import pytest

from tests.simulator.keithley2600_bench import Bench


@pytest.fixture(params=[True, False], ids=["lua", "flat"])
def bench(request: pytest.FixtureRequest) -> Bench:
    made = Bench(lua=request.param)
    made.ready()
    return made


def test_readings_of_one_measurement_stand_in_a_buffer(bench: Bench) -> None:
    bench.say("smua.measure.count = 5 smua.measure.iv(smua.nvbuffer1, smua.nvbuffer2)")
    amps = bench.numbers("printbuffer(1, 5, smua.nvbuffer1)")
    assert amps == pytest.approx([bench.amps(0.1)] * 5, rel=0.03)
    assert bench.numbers("printbuffer(1, smua.nvbuffer2.n, smua.nvbuffer2.readings)") == pytest.approx([0.1] * 5, abs=1e-3)
    assert bench.numbers("print(smua.nvbuffer1[2], smua.nvbuffer1.readings[2], smua.nvbuffer1.readings.getreading(2))") == [amps[1]] * 3
    assert bench.ask("smua.nvbuffer1.n", "smua.nvbuffer1.next", "smua.nvbuffer1[6]") == "5.00000e+00\t6.00000e+00\tnil"


def test_a_buffer_remembers_how_each_reading_was_taken(bench: Bench) -> None:
    bench.say("smua.measure.v(smua.nvbuffer2) smua.measure.i(smua.nvbuffer1)")
    assert bench.ask("smua.nvbuffer1.measurefunctions[1]", "smua.nvbuffer2.measurefunctions[1]") == "Current\tVoltage"
    assert bench.ask("smua.nvbuffer1.sourcefunctions[1]", "smua.nvbuffer1.sourceoutputstates[1]") == "Voltage\tOn"
    assert bench.numbers("print(smua.nvbuffer1.measureranges[1], smua.nvbuffer1.sourceranges[1])") == [1e-3, 2.0]
    bench.say("smua.source.output = 0 smua.measure.i(smua.nvbuffer1)")
    assert bench.text("printbuffer(1, 1, smua.nvbuffer1.sourceoutputstates)") == "Off"


def test_new_readings_replace_the_old_ones_unless_they_are_to_be_appended(bench: Bench) -> None:
    bench.say("smua.measure.i(smua.nvbuffer1) smua.measure.i(smua.nvbuffer1)")
    assert bench.number("smua.nvbuffer1.n") == 1.0
    bench.say("smua.nvbuffer1.appendmode = 1")
    assert bench.errors() == [(5032, "Cannot change this setting unless buffer is cleared")]
    bench.say("smua.nvbuffer1.clear() smua.nvbuffer1.appendmode = 1 smua.measure.i(smua.nvbuffer1) smua.measure.i(smua.nvbuffer1)")
    assert bench.number("smua.nvbuffer1.n") == 2.0


def test_stamps_and_source_values_are_collected_on_request(bench: Bench) -> None:
    bench.say("smua.measure.i(smua.nvbuffer1)")
    assert bench.ask("smua.nvbuffer1.timestamps[1]") == "nil"
    assert bench.errors() == [(1100, "Command unavailable")]
    bench.say("smua.nvbuffer1.clear() smua.nvbuffer1.collecttimestamps = 1 smua.nvbuffer1.collectsourcevalues = 1")
    bench.say("smua.measure.count = 4 smua.measure.interval = 0.01 smua.measure.i(smua.nvbuffer1)")
    assert bench.numbers("printbuffer(1, 4, smua.nvbuffer1.timestamps)") == pytest.approx([0.0, 0.01, 0.02, 0.03], abs=1e-5)
    assert bench.numbers("printbuffer(1, 2, smua.nvbuffer1.sourcevalues)") == [0.1, 0.1]
    assert bench.number("smua.nvbuffer1.basetimestamp") == pytest.approx(bench.number("os.time()"), abs=2.0)


def test_what_is_collected_takes_room(bench: Bench) -> None:
    assert bench.number("smua.nvbuffer1.capacity") > 140_000
    bench.say("smua.nvbuffer1.collecttimestamps = 1 smua.nvbuffer1.collectsourcevalues = 1")
    assert 60_000 < bench.number("smua.nvbuffer1.capacity") < 70_000


def test_a_full_buffer_drops_what_comes(bench: Bench) -> None:
    bench.say("b = smua.makebuffer(3) smua.measure.count = 5 smua.measure.i(b)")
    assert bench.ask("b.n", "b.capacity") == "3.00000e+00\t3.00000e+00"


@pytest.mark.parametrize("index", ["0", "-1", "1.5", "1e400", "-1e400", "'a'"])
def test_an_index_that_is_none_is_refused(bench: Bench, index: str) -> None:
    bench.say("smua.measure.i(smua.nvbuffer1)")
    assert bench.ask(f"smua.nvbuffer1.readings.getreading({index})") == ""
    assert [code for code, _ in bench.errors()] == [4900]


def test_a_window_starts_over(bench: Bench) -> None:
    bench.say("b = smua.makebuffer(10) b.fillmode = smua.FILL_WINDOW b.fillcount = 3 smua.measure.count = 5 b.collecttimestamps = 1")
    bench.say("smua.measure.interval = 0.01 smua.measure.i(b)")
    assert bench.ask("b.n", "b.next") == "3.00000e+00\t3.00000e+00"
    assert bench.numbers("printbuffer(1, 3, b.timestamps)") == pytest.approx([0.03, 0.04, 0.02], abs=1e-4)


def test_statistics_of_a_buffer(bench: Bench) -> None:
    bench.say("smua.measure.count = 20 smua.measure.i(smua.nvbuffer1) s = smua.buffer.getstats(smua.nvbuffer1)")
    n, mean, low, high = bench.numbers("print(s.n, s.mean, s.min.reading, s.max.reading)")
    assert n == 20 and low < mean < high and mean == pytest.approx(bench.amps(0.1), rel=0.02)


@pytest.mark.parametrize(("kind", "width"), [("REAL32", "f4"), ("SREAL", "f4"), ("REAL64", "f8"), ("REAL", "f8")])
@pytest.mark.parametrize(("order", "sign"), [("LITTLEENDIAN", "<"), ("BIGENDIAN", ">"), ("SWAPPED", "<"), ("NETWORK", ">")])
def test_binary_blocks_hold_every_reading(kind: str, width: str, order: str, sign: str) -> None:
    bench = Bench()
    bench.ready()
    bench.say("smua.measure.count = 300 smua.measure.i(smua.nvbuffer1) format.asciiprecision = 16")
    plain = bench.numbers("printbuffer(1, 300, smua.nvbuffer1.readings)")
    block = bench.say(f"format.data = format.{kind} format.byteorder = format.{order} printbuffer(1, 300, smua.nvbuffer1.readings)")
    assert block[:2] == b"#0" and block[-1:] == b"\n" and len(block) == 3 + 300 * int(width[1])
    np.testing.assert_allclose(np.frombuffer(block[2:-1], sign + width), plain, rtol=1e-7 if width == "f4" else 1e-15)


def test_several_columns_leave_in_turn(bench: Bench) -> None:
    bench.say("smua.measure.count = 3 smua.measure.iv(smua.nvbuffer1, smua.nvbuffer2)")
    mixed = bench.numbers("printbuffer(1, 3, smua.nvbuffer1, smua.nvbuffer2)")
    assert mixed[0::2] == bench.numbers("printbuffer(1, 3, smua.nvbuffer1)")
    assert mixed[1::2] == bench.numbers("printbuffer(1, 3, smua.nvbuffer2)")
    assert bench.text("printbuffer(1, 2, smua.nvbuffer1.sourcefunctions, {1, 2})") == "Voltage, 1.00000e+00, Voltage, 2.00000e+00"
    bench.say("format.data = format.REAL64")
    block = bench.say("printbuffer(1, 3, smua.nvbuffer1, smua.nvbuffer2)")
    np.testing.assert_allclose(np.frombuffer(block[2:-1], "<f8"), mixed, rtol=1e-5)


def test_an_index_that_is_none_is_an_error(bench: Bench) -> None:
    bench.say("print(smua.nvbuffer1[0], smua.nvbuffer1.readings[1.5])")
    assert bench.errors() == [(4900, "Reading buffer index 0 is invalid"), (4900, "Reading buffer index 1.5 is invalid")]


def test_a_request_beyond_the_end_gives_what_there_is(bench: Bench) -> None:
    bench.say("smua.measure.count = 3 smua.measure.i(smua.nvbuffer1)")
    assert len(bench.numbers("printbuffer(-5, 100, smua.nvbuffer1)")) == 3


def test_a_thousand_readings_leave_in_no_time() -> None:
    bench = Bench()
    bench.ready()
    bench.say("smua.measure.count = 1000 smua.measure.i(smua.nvbuffer1) format.data = format.REAL32")
    assert len(bench.say("printbuffer(1, 1000, smua.nvbuffer1.readings)")) == 4_003


def test_the_status_model_says_that_there_are_readings(bench: Bench) -> None:
    assert not int(bench.number("status.measurement.instrument.smua.condition")) & 256
    bench.say("smua.measure.i(smua.nvbuffer2)")
    assert int(bench.number("status.measurement.instrument.smua.condition")) & 256
    assert bench.number("status.measurement.buffer_available.condition") == 2.0
    bench.say("smua.nvbuffer2.clear()")
    assert bench.number("status.measurement.buffer_available.condition") == 0.0
