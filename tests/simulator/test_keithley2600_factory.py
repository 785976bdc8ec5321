"""KISweep and KIPulse, the factory scripts that other people's programs call on a 2600B, on the simulated one."""

import pytest

from tests.simulator.keithley2600_bench import MS, Bench

PULSED = (
    "smua.source.rangei = 1e-3 smua.measure.rangev = 2 smua.nvbuffer1.clear() smua.nvbuffer1.appendmode = 1 smua.nvbuffer2.appendmode = 1"
)


@pytest.fixture(params=[True, False], ids=["lua", "flat"])
def bench(request: pytest.FixtureRequest) -> Bench:
    made = Bench(lua=request.param)
    made.ready()
    return made


@pytest.mark.parametrize(
    ("call", "levels"),
    [
        ("SweepVLinMeasureI(smua, 0, 0.1, 1e-3, 5)", [0.0, 0.025, 0.05, 0.075, 0.1]),
        ("SweepVLogMeasureI(smua, 0.001, 0.1, 1e-3, 3)", [0.001, 0.01, 0.1]),
        ("SweepVListMeasureI(smua, {0.1, -0.1, 0.05}, 1e-3, 3)", [0.1, -0.1, 0.05]),
    ],
)
def test_a_sweep_measures_at_every_level_and_ends_with_the_output_off(bench: Bench, call: str, levels: list[float]) -> None:
    bench.say("timer.reset()")
    bench.say(call)
    assert bench.number("timer.measure.t()") >= len(levels) * 1e-3
    assert bench.numbers("printbuffer(1, smua.nvbuffer1.n, smua.nvbuffer1.sourcevalues)") == pytest.approx(levels)
    assert bench.numbers("printbuffer(1, 1, smua.nvbuffer1)")[0] == pytest.approx(bench.amps(levels[0]), rel=0.03, abs=1e-6)
    assert not bench.world.output_on and bench.errors() == []


def test_current_is_swept_too(bench: Bench) -> None:
    bench.say("smua.source.limitv = 0.5 SweepILinMeasureV(smua, 0, 1e-5, 1e-3, 3)")
    volts = bench.numbers("printbuffer(1, 3, smua.nvbuffer1)")
    assert bench.amps(volts[2]) == pytest.approx(1e-5, rel=0.05) and bench.errors() == []


def test_a_pulse_train_is_configured_and_run_by_its_tag(bench: Bench) -> None:
    bench.say(PULSED)
    assert bench.ask("ConfigPulseVMeasureI(smua, 0, 0.1, 1e-3, 2e-3, 8e-3, 5, smua.nvbuffer1, 1)") == "true\tPulse sequence configured"
    begun = bench.now_ns
    assert bench.ask("InitiatePulseTest(1)") == "true\tPulse sequence completed"
    assert bench.now_ns - begun == pytest.approx(50 * MS, abs=2 * MS)
    assert bench.numbers("printbuffer(1, 5, smua.nvbuffer1)") == pytest.approx([bench.amps(0.1)] * 5, rel=0.03)
    bench.say("print(QueryPulseConfig(1).points)")
    assert bench.errors() == []


def test_pulses_are_swept_and_measure_both_quantities(bench: Bench) -> None:
    bench.say(PULSED)
    buffers = "{i = smua.nvbuffer1, v = smua.nvbuffer2}"
    assert bench.ask(f"ConfigPulseVMeasureISweepLin(smua, 0, 0.02, 0.1, 1e-3, 1e-3, 1e-3, 5, {buffers}, 2)").startswith("true")
    assert bench.ask("InitiatePulseTest(2)").startswith("true")
    assert bench.numbers("printbuffer(1, 5, smua.nvbuffer2)") == pytest.approx([0.02, 0.04, 0.06, 0.08, 0.1], abs=1e-3)


@pytest.mark.parametrize(
    ("first", "message"),
    [
        ("smua.source.autorangev = 1", "false\tSource autorange must be off"),
        ("smua.measure.autorangei = 1", "false\tMeasure autorange must be off"),
        ("smua.measure.nplc = 1", "false\tMeasure NPLC is too long for the pulse"),
        ("smua.measure.autozero = 2", "false\tMeasure autozero must be off or once"),
    ],
)
def test_a_pulse_train_says_why_it_cannot_be(first: str, message: str) -> None:
    bench = Bench()
    bench.ready()
    bench.say(PULSED)
    bench.say(first)
    assert bench.ask("ConfigPulseVMeasureI(smua, 0, 0.1, 1e-3, 2e-3, 8e-3, 5, smua.nvbuffer1, 1)") == message
    assert bench.ask("InitiatePulseTest(1)") == "false\tInvalid tag"


def test_a_pulse_train_waits_for_its_line_and_tells_another(bench: Bench) -> None:
    heard: list[int] = []
    bench.world.trigger.measured.listen(heard.append)
    bench.say(PULSED)
    bench.say("digio.trigger[1].mode = digio.TRIG_RISINGA digio.trigger[2].mode = digio.TRIG_FALLING")
    assert bench.ask("ConfigPulseVMeasureI(smua, 0, 0.1, 1e-3, 2e-3, 1e-3, 1, smua.nvbuffer1, 1, 1, 2, 5)").startswith("true")
    bench.begin("print(InitiatePulseTest(1))")
    bench.let(1.0)
    assert heard == []
    bench.world.trigger.ready.edge(bench.now_ns)
    assert bench.hear() == b"true\tPulse sequence completed\n" and len(heard) == 1
    assert bench.ask("InitiatePulseTest(1)") == "false\tTimer timeout: no trigger came"


def test_simple_pulses(bench: Bench) -> None:
    bench.say("PulseVMeasureI(smua, 0, 0.1, 1e-3, 1e-3, 4)")
    assert bench.numbers("printbuffer(1, 4, smua.nvbuffer1)") == pytest.approx([bench.amps(0.1)] * 4, rel=0.03)
    assert bench.errors() == []
