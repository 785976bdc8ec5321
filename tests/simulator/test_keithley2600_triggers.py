"""Sweeps, scans, pulses and trigger objects of the simulated 2636B; time is told, nothing sleeps."""

from itertools import pairwise

import pytest

from tests.simulator.keithley2600_bench import MS, Bench, fast

EDGES_IN = 20_000
CYCLE_NS = 89_286
"""1/11,200 s."""


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    made.ready()
    return made


def sweep(bench: Bench, points: int = 11, stop: float = 0.1) -> None:
    bench.say(f"smua.trigger.source.linearv(0, {stop}, {points}) smua.trigger.source.action = smua.ENABLE smua.trigger.count = {points}")
    bench.say("smua.nvbuffer1.clear() smua.nvbuffer1.collectsourcevalues = 1 smua.nvbuffer1.collecttimestamps = 1")
    bench.say("smua.trigger.measure.i(smua.nvbuffer1) smua.trigger.measure.action = smua.ENABLE")


def scan(bench: Bench, readings: int) -> list[int]:
    """Armed for edges on line 1, answered on line 2; the list grows with the times of the answers."""
    bench.say("digio.trigger[1].mode = digio.TRIG_RISINGA digio.trigger[1].clear()")
    bench.say("digio.trigger[2].mode = digio.TRIG_FALLING digio.trigger[2].pulsewidth = 10e-6")
    bench.say("digio.trigger[2].stimulus = smua.trigger.MEASURE_COMPLETE_EVENT_ID")
    bench.say("smua.nvbuffer1.clear() smua.nvbuffer1.collecttimestamps = 1")
    bench.say("smua.trigger.measure.i(smua.nvbuffer1) smua.trigger.measure.action = smua.ENABLE")
    bench.say(f"smua.trigger.measure.stimulus = digio.trigger[1].EVENT_ID smua.trigger.count = {readings}")
    bench.say("smua.trigger.initiate()")
    assert bench.errors() == []
    answers: list[int] = []
    bench.world.trigger.measured.listen(answers.append)
    return answers


# --- sweeps
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


# --- scans
def test_a_scan_answers_every_edge_at_the_end_of_its_aperture(bench: Bench) -> None:
    answers = scan(bench, 3)
    begun = bench.now_ns
    bench.world.trigger.ready.edge(begun)
    bench.let(1e-3)
    assert answers == [begun + 16_667]
    bench.let(1e-3)
    assert len(answers) == 1 and bench.number("smua.nvbuffer1.n") == 1.0


def test_a_scan_keeps_the_triggered_rate_of_the_data_sheet(bench: Bench) -> None:
    answers = scan(bench, EDGES_IN)
    # A controller that needs 20 us to switch: it hides in the instrument's own work.
    bench.world.trigger.measured.listen(lambda at: bench.world.agenda.at(at + 20_000, bench.world.trigger.ready.edge) and None)
    bench.world.trigger.ready.edge(bench.now_ns)
    bench.let(EDGES_IN * CYCLE_NS / 1e9 + 1.0)
    assert len(answers) == EDGES_IN
    assert {later - earlier for earlier, later in pairwise(answers)} == {CYCLE_NS}
    assert bench.numbers("print(smua.nvbuffer1.n, status.operation.instrument.smua.trigger_overrun.condition)") == [EDGES_IN, 0.0]
    stamps = bench.numbers(f"printbuffer({EDGES_IN}, {EDGES_IN}, smua.nvbuffer1.timestamps)")
    assert stamps[0] == pytest.approx((EDGES_IN - 1) * CYCLE_NS / 1e9, rel=1e-5)


def test_a_slower_controller_sets_the_pace(bench: Bench) -> None:
    answers = scan(bench, 10)
    bench.world.trigger.measured.listen(lambda at: bench.world.agenda.at(at + 500_000, bench.world.trigger.ready.edge) and None)
    bench.world.trigger.ready.edge(bench.now_ns)
    bench.let(0.1)
    assert {later - earlier for earlier, later in pairwise(answers)} == {516_667}


def test_an_edge_that_comes_too_early_waits_and_a_second_one_is_an_overrun(bench: Bench) -> None:
    answers = scan(bench, 10)
    begun = bench.now_ns
    for at in (0, 30_000):
        bench.world.agenda.at(begun + at, bench.world.trigger.ready.edge)
    bench.let(1e-3)
    assert answers == [begun + 16_667, begun + 16_667 + CYCLE_NS]
    assert bench.number("status.operation.instrument.smua.trigger_overrun.condition") == 0.0
    begun = bench.now_ns
    for at in (0, 30_000, 50_000):
        bench.world.agenda.at(begun + at, bench.world.trigger.ready.edge)
    bench.let(1e-3)
    assert len(answers) == 4
    assert bench.number("status.operation.instrument.smua.trigger_overrun.condition") == 8.0
    assert bench.ask("digio.trigger[1].overrun") == "true"


def test_two_edges_during_one_aperture_are_one_reading_more_and_an_overrun(bench: Bench) -> None:
    answers = scan(bench, 10)
    begun = bench.now_ns
    for at in (0, 5_000, 10_000):
        bench.world.agenda.at(begun + at, bench.world.trigger.ready.edge)
    bench.let(1e-3)
    assert len(answers) == 2 and bench.number("status.operation.instrument.smua.trigger_overrun.condition") == 8.0


def test_arming_again_forgets_the_overrun(bench: Bench) -> None:
    scan(bench, 10)
    for _ in range(3):
        bench.world.trigger.ready.edge(bench.now_ns)
    bench.say("smua.abort() smua.trigger.initiate()")
    assert bench.number("status.operation.instrument.smua.trigger_overrun.condition") == 0.0
    assert bench.number("smua.nvbuffer1.n") == 0.0


def test_a_scan_is_read_while_it_runs_and_nothing_is_lost(bench: Bench) -> None:
    scan(bench, 100)
    read: list[float] = []
    while len(read) < 100:
        for _ in range(7):
            bench.world.trigger.ready.edge(bench.now_ns)
            bench.let(1e-3)
        there = int(bench.number("smua.nvbuffer1.n"))
        if there > len(read):
            read += bench.numbers(f"printbuffer({len(read) + 1}, {there}, smua.nvbuffer1)")
    assert len(read) == 100 and bench.number("status.operation.sweeping.condition") == 0.0


def test_a_scan_on_a_fast_clock_measures_at_once_and_stamps_by_the_instruments_time() -> None:
    bench = Bench(wall_ns=fast)
    bench.ready()
    answers = scan(bench, 3)
    for _ in range(3):
        bench.world.trigger.ready.edge(bench.now_ns)
        bench.let(0.0)
    assert len(answers) == 3
    stamps = bench.numbers("printbuffer(1, 3, smua.nvbuffer1.timestamps)")
    assert stamps == pytest.approx([0.0, CYCLE_NS / 1e9, 2 * CYCLE_NS / 1e9], abs=1e-6)


def test_a_set_takes_the_place_of_a_missing_edge(bench: Bench) -> None:
    scan(bench, 3)
    bench.say("smua.trigger.measure.set()")
    bench.let(1e-3)
    assert bench.number("smua.nvbuffer1.n") == 1.0


# --- trigger objects
def test_a_statement_waits_for_an_edge_or_gives_up(bench: Bench) -> None:
    bench.say("digio.trigger[1].mode = digio.TRIG_RISINGA")
    bench.begin("print(digio.trigger[1].wait(2))")
    bench.let(1.0)
    assert bench.port.take(bench.now_ns) == b""
    bench.world.trigger.ready.edge(bench.now_ns)
    assert bench.hear() == b"true\n"
    assert bench.ask("digio.trigger[1].wait(0.5)") == "false"
    bench.world.trigger.ready.edge(bench.now_ns)
    assert bench.ask("digio.trigger[1].wait(0)") == "true"


def test_time_outs_run_on_the_wall_under_a_fast_clock_too() -> None:
    bench = Bench(wall_ns=fast)
    bench.begin("print(digio.trigger[1].wait(2))")
    bench.let(1.9)
    assert bench.port.take(bench.now_ns) == b""
    bench.let(0.2)
    assert bench.hear() == b"false\n"


def test_the_command_interfaces_trigger_is_heard_while_a_statement_waits_for_it(bench: Bench) -> None:
    bench.begin("print(trigger.wait(10))")
    bench.say("*TRG")
    assert bench.now_ns < 100 * MS
    bench.begin("print(trigger.wait(1))")
    bench.begin("*trg")
    assert bench.hear() == b"true\n"


def test_a_command_trigger_arms_a_sweep(bench: Bench) -> None:
    sweep(bench)
    bench.say("smua.trigger.arm.stimulus = trigger.EVENT_ID smua.trigger.initiate()")
    bench.let(1.0)
    assert bench.number("smua.nvbuffer1.n") == 0.0
    bench.say("*TRG")
    bench.let(1.0)
    assert bench.number("smua.nvbuffer1.n") == 11.0


def test_lines_drive_and_read(bench: Bench) -> None:
    assert bench.number("digio.readport()") == 16383.0
    bench.say("digio.writebit(4, 0) digio.writebit(1, 0)")
    assert bench.numbers("print(digio.readbit(4), digio.readbit(5), digio.readport())") == [0.0, 1.0, 16374.0]
    bench.say("digio.writeprotect = 1 digio.writeport(16383)")
    assert bench.number("digio.readport()") == 16382.0


def test_a_line_asserts_its_pulse_and_one_too_many_is_an_overrun(bench: Bench) -> None:
    heard: list[int] = []
    bench.world.trigger.measured.listen(heard.append)
    bench.say("digio.trigger[2].assert()")
    assert heard == []
    bench.say(
        "digio.trigger[2].mode = digio.TRIG_FALLING digio.trigger[2].pulsewidth = 1 digio.trigger[2].assert() digio.trigger[2].assert()"
    )
    assert len(heard) == 1 and bench.number("status.operation.instrument.digio.trigger_overrun.event") == 4.0
    assert bench.number("digio.readbit(2)") == 0.0
    bench.let(2.0)
    assert bench.number("digio.readbit(2)") == 1.0
    bench.say("digio.trigger[2].pulsewidth = 0 digio.trigger[2].assert()")
    assert bench.number("digio.readbit(2)") == 0.0
    bench.say("digio.trigger[2].release()")
    assert bench.number("digio.readbit(2)") == 1.0


@pytest.mark.parametrize("clock", ["real", "fast"])
def test_timers_elapse_in_their_own_order_whatever_the_clock(clock: str) -> None:
    bench = Bench() if clock == "real" else Bench(wall_ns=fast)
    order: list[int] = []
    events = bench.smu.tsp.instrument.events
    for at in (1, 2):
        event = int(bench.number(f"trigger.timer[{at}].EVENT_ID"))
        events.listen(event, lambda _, at=at: order.append(at))
        bench.say(f"trigger.timer[{at}].stimulus = trigger.generator[1].EVENT_ID")
    bench.say("trigger.timer[1].delay = 5e-3 trigger.timer[2].delaylist = {1e-3, 2e-3} trigger.timer[2].count = 3")
    bench.say("trigger.generator[1].assert()")
    bench.let(0.1)
    assert order == [2, 2, 2, 1] or order == [2, 2, 1, 2]
    assert bench.ask("trigger.timer[1].wait(0)", "trigger.timer[1].overrun", "trigger.timer[2].overrun") == "true\tfalse\ttrue"


def test_a_timer_that_runs_takes_no_second_start(bench: Bench) -> None:
    bench.say("trigger.timer[1].delay = 1 trigger.timer[1].stimulus = trigger.generator[1].EVENT_ID")
    bench.say("trigger.generator[1].assert() trigger.generator[1].assert()")
    assert bench.number("status.operation.instrument.trigger_timer.trigger_overrun.event") == 2.0
    bench.say("trigger.timer[1].reset()")
    bench.let(2.0)
    assert bench.ask("trigger.timer[1].wait(0)") == "false"


def test_blenders_combine_events(bench: Bench) -> None:
    for at in (1, 2):
        bench.say(f"trigger.blender[1].stimulus[{at}] = trigger.generator[{at}].EVENT_ID")
    assert bench.number("trigger.blender[1].stimulus[2]") == bench.number("trigger.generator[2].EVENT_ID")
    bench.say("trigger.generator[1].assert()")
    assert bench.ask("trigger.blender[1].wait(0)") == "false"
    bench.say("trigger.generator[2].assert()")
    assert bench.ask("trigger.blender[1].wait(0)") == "true"
    bench.say("trigger.blender[1].orenable = true trigger.generator[2].assert()")
    assert bench.ask("trigger.blender[1].wait(0)") == "true"
    bench.say("trigger.blender[1].reset()")
    assert bench.ask("trigger.blender[1].orenable", "trigger.blender[1].stimulus[1]") == "false\t0.00000e+00"


def test_a_reset_quiets_every_trigger(bench: Bench) -> None:
    scan(bench, 10)
    bench.say("trigger.timer[1].delay = 1")
    bench.say("reset()")
    bench.world.trigger.ready.edge(bench.now_ns)
    bench.let(1.0)
    assert bench.numbers("print(digio.trigger[1].mode, smua.trigger.count, trigger.timer[1].delay, smua.nvbuffer1.n)") == [0, 1, 1e-5, 0]
    assert bench.number("status.operation.sweeping.condition") == 0.0
