"""Trigger objects of the simulated 2636B: lines, timers, blenders, command triggers; time is told, nothing sleeps."""

import pytest

from tests.simulator.keithley2600_bench import MS, Bench, fast, scan, sweep


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    made.ready()
    return made


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
