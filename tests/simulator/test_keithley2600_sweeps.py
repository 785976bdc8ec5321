"""Sweeps and pulses of the simulated 2636B; time is told, nothing sleeps."""

from itertools import pairwise

import pytest

from tests.simulator.keithley2600_bench import MS, Bench, sweep


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    made.ready()
    return made


def test_a_sweep_runs_by_itself_and_its_readings_appear_in_time(bench: Bench) -> None:
    sweep(bench)
    bench.say("smua.measure.nplc = 1 smua.trigger.initiate()")
    assert bench.number("status.operation.sweeping.condition") == 2.0
    bench.let(0.09)
    some = bench.number("smua.nvbuffer1.n")
    assert 3 <= some <= 6
    bench.let(1.0)
    assert bench.number("smua.nvbuffer1.n") == 11.0 and bench.number("status.operation.sweeping.condition") == 0.0
    assert bench.numbers("printbuffer(1, 11, smua.nvbuffer1.sourcevalues)") == pytest.approx([0.01 * at for at in range(11)])
    assert bench.numbers("printbuffer(11, 11, smua.nvbuffer1)")[0] == pytest.approx(bench.amps(0.1), rel=0.02)
    assert bench.errors() == []


def test_a_sweep_of_the_data_sheets_rate(bench: Bench) -> None:
    sweep(bench, points=201)
    bench.say("smua.trigger.initiate() waitcomplete()")
    stamps = bench.numbers("printbuffer(1, 201, smua.nvbuffer1.timestamps)")
    assert stamps[-1] == pytest.approx(200 / 12_000, rel=1e-3)


def test_the_level_returns_after_a_sweep_or_stays(bench: Bench) -> None:
    sweep(bench)
    bench.say("smua.source.levelv = 0.02 smua.trigger.initiate() waitcomplete()")
    assert bench.number("smua.measure.v()") == pytest.approx(0.02, abs=1e-3)
    bench.say("smua.trigger.endsweep.action = smua.SOURCE_HOLD smua.trigger.initiate() waitcomplete()")
    assert bench.number("smua.measure.v()") == pytest.approx(0.1, abs=1e-3)
    bench.say("smua.source.levelv = 0.02")
    assert bench.number("smua.measure.v()") == pytest.approx(0.02, abs=1e-3)


@pytest.mark.parametrize(
    ("setting", "levels"),
    [
        ("listv({0.01, 0.05, 0.02})", [0.01, 0.05, 0.02, 0.01, 0.05]),
        ("linearv(0, 0.1, 3)", [0.0, 0.05, 0.1, 0.0, 0.05]),
        ("logv(0.001, 0.1, 3, 0)", [0.001, 0.01, 0.1, 0.001, 0.01]),
        ("linearv(0.1, 0, 6)", [0.1, 0.08, 0.06, 0.04, 0.02]),
    ],
)
def test_levels_of_a_sweep_start_over_when_the_count_is_larger(bench: Bench, setting: str, levels: list[float]) -> None:
    sweep(bench)
    bench.say(f"smua.trigger.source.{setting} smua.trigger.count = 5 smua.trigger.initiate() waitcomplete()")
    assert bench.numbers("printbuffer(1, 5, smua.nvbuffer1.sourcevalues)") == pytest.approx(levels)


def test_the_limited_points_of_a_sweep_are_marked(bench: Bench) -> None:
    sweep(bench)
    bench.say("smua.source.limiti = 1.5e-5 smua.measure.rangei = 1e-4 smua.trigger.initiate() waitcomplete()")
    limited = [bool(int(each) & 0x40) for each in bench.numbers("printbuffer(1, 11, smua.nvbuffer1.statuses)")]
    assert limited == [bench.amps(0.01 * at) > 1.5e-5 for at in range(11)]


def test_a_sweep_has_a_limit_of_its_own(bench: Bench) -> None:
    sweep(bench)
    bench.say("smua.trigger.source.limiti = 1e-5 smua.trigger.initiate() waitcomplete()")
    assert bench.numbers("printbuffer(11, 11, smua.nvbuffer1)")[0] == pytest.approx(1e-5, rel=0.05)
    assert bench.number("smua.measure.i()") == pytest.approx(bench.amps(0.1), rel=0.02)


def test_an_abort_ends_a_sweep_and_leaves_the_output_on(bench: Bench) -> None:
    sweep(bench)
    bench.say("smua.measure.nplc = 1 smua.trigger.initiate()")
    bench.let(0.05)
    bench.say("smua.abort()")
    count = bench.number("smua.nvbuffer1.n")
    bench.let(1.0)
    assert bench.number("smua.nvbuffer1.n") == count < 11 and bench.world.output_on
    assert bench.number("status.operation.sweeping.condition") == 0.0
    bench.say("smua.trigger.initiate() waitcomplete()")
    assert bench.number("smua.nvbuffer1.n") == 11.0


def test_printing_waits_for_readings_that_are_still_to_come(bench: Bench) -> None:
    sweep(bench)
    bench.say("smua.measure.nplc = 1 smua.trigger.initiate()")
    before = bench.now_ns
    assert len(bench.numbers("printbuffer(1, 11, smua.nvbuffer1)")) == 11
    assert bench.now_ns - before > 100 * MS
    bench.say("smua.trigger.initiate()")
    bench.let(0.05)
    before = bench.now_ns
    assert len(bench.numbers("printbuffer(1, 2, smua.nvbuffer1)")) == 2 and bench.now_ns - before < 10 * MS


def test_waitcomplete_holds_whatever_comes_after_it_for_everybody(bench: Bench) -> None:
    sweep(bench)
    other = bench.smu.connect()
    bench.say("smua.measure.nplc = 1 smua.trigger.initiate()")
    bench.begin("waitcomplete() print('over')")
    other.feed(b"print('me too')\n", bench.now_ns)
    bench.let(0.1)
    assert other.take(bench.now_ns) == b"" and bench.port.take(bench.now_ns) == b""
    bench.let(0.2)
    assert bench.port.take(bench.now_ns) == b"over\n"
    bench.let(0.01)
    assert other.take(bench.now_ns) == b"me too\n"


def test_operation_complete_waits_for_the_sweep(bench: Bench) -> None:
    sweep(bench)
    bench.text("*ESR?")
    bench.say("smua.measure.nplc = 1 smua.trigger.initiate()")
    bench.say("*OPC")
    assert bench.text("*ESR?") == "0"
    assert bench.text("*OPC?") == "1" and bench.text("*ESR?") == "1"


@pytest.mark.parametrize(
    ("setting", "error"),
    [
        ("smua.trigger.source.action = 1", (5059, "SMU A: trigger.source.action enabled without configuration")),
        ("smua.trigger.measure.action = 1", (5060, "SMU A: trigger.measure.action enabled without configuration")),
        ("smua.trigger.source.listi({1e-6}) smua.trigger.source.action = 1", (-221, "Settings conflict")),
        ("smua.trigger.source.listv({5}) smua.trigger.source.action = 1", (5005, "SMU A: Value too big for range")),
    ],
)
def test_a_sweep_that_cannot_be_is_refused(bench: Bench, setting: str, error: tuple[int, str]) -> None:
    bench.say(setting)
    bench.say("smua.trigger.initiate()")
    assert bench.errors() == [error] and bench.number("status.operation.sweeping.condition") == 0.0


def test_nothing_is_measured_or_begun_while_a_sweep_runs(bench: Bench) -> None:
    sweep(bench)
    busy = (5042, "SMU A: Cannot perform requested action while an overlapped operation is in progress")
    bench.say("smua.measure.nplc = 1 smua.trigger.initiate()")
    bench.say("smua.measure.i()")
    bench.say("smua.trigger.initiate()")
    assert bench.errors() == [busy, busy]


def test_readings_in_the_background(bench: Bench) -> None:
    bench.say("smua.measure.count = 10 smua.measure.nplc = 1 smua.measure.overlappediv(smua.nvbuffer1, smua.nvbuffer2)")
    assert bench.number("status.operation.measuring.condition") == 2.0
    bench.say("waitcomplete()")
    assert bench.numbers("print(smua.nvbuffer1.n, smua.nvbuffer2.n, status.operation.measuring.condition)") == [10.0, 10.0, 0.0]


def test_pulses_have_their_width_and_period(bench: Bench) -> None:
    bench.say("smua.source.levelv = 0 smua.trigger.source.listv({0.1}) smua.trigger.source.action = 1 smua.trigger.count = 5")
    bench.say("trigger.timer[1].delay = 5e-3 trigger.timer[1].count = 4 trigger.timer[1].passthrough = true")
    bench.say("trigger.timer[1].stimulus = smua.trigger.ARMED_EVENT_ID smua.trigger.source.stimulus = trigger.timer[1].EVENT_ID")
    bench.say("trigger.timer[2].delay = 6e-4 trigger.timer[2].stimulus = trigger.timer[1].EVENT_ID")
    bench.say("smua.trigger.endpulse.action = smua.SOURCE_IDLE smua.trigger.endpulse.stimulus = trigger.timer[2].EVENT_ID")
    levels: list[tuple[int, float]] = []
    tell = bench.world.set_output

    def told(on: bool, volts: float) -> None:
        levels.append((bench.smu.tsp.instrument.cursor.now_ns, volts))
        tell(on, volts)

    bench.world.set_output = told  # type: ignore[method-assign]
    bench.say("smua.trigger.initiate() waitcomplete()")
    ups, downs = levels[0::2], levels[1::2]
    assert [volts for _, volts in ups] == [0.1] * 5 and [volts for _, volts in downs] == [0.0] * 5
    assert [later[0] - earlier[0] for earlier, later in pairwise(ups)] == [5 * MS] * 4
    assert [down[0] - up[0] for up, down in zip(ups, downs, strict=True)] == [600_000] * 5


def test_measuring_beside_the_source(bench: Bench) -> None:
    sweep(bench, points=5)
    bench.say("smua.nvbuffer1.collectsourcevalues = 0 smua.trigger.measure.action = smua.ASYNC smua.trigger.initiate()")
    assert bench.errors() == [] and bench.text("waitcomplete() print(smua.nvbuffer1.n)") in ("4.00000e+00", "5.00000e+00")
    bench.say("smua.measure.autozero = smua.AUTOZERO_AUTO smua.trigger.initiate()")
    assert bench.errors() == [(5063, "SMU A: Cannot perform requested operation while measure autozero is on")]
