"""Whole scripts on the simulated 2636B: loaded, run, ended; what they do happens at its own time."""

import pytest

from tests.simulator.keithley2600_bench import MS, Bench, fast


@pytest.fixture
def bench() -> Bench:
    return Bench()


def load(bench: Bench, first: str, *lines: str) -> bytes:
    said = b""
    for line in (first, *lines, "endscript"):
        said += bench.say(line)
    return said


def test_an_anonymous_script_is_run_when_it_is_complete(bench: Bench) -> None:
    assert load(bench, "loadandrunscript", "for i = 1, 3 do", "  print(i)", "end") == b"1.00000e+00\n2.00000e+00\n3.00000e+00\n"
    assert bench.say("run()") == bench.say("script.run()") == bench.say("script.anonymous()") == b"1.00000e+00\n2.00000e+00\n3.00000e+00\n"


def test_a_named_script_waits_to_be_called(bench: Bench) -> None:
    assert load(bench, "loadscript mine", "x = 5", "print('ran')") == b""
    assert bench.text("mine()") == "ran" and bench.text("mine.run()") == "ran" and bench.number("x") == 5.0
    assert bench.ask("mine.name", "mine.source") == "mine\tx = 5\nprint('ran')"
    assert bench.text("mine.list()") == "loadscript mine\nx = 5\nprint('ran')\nendscript"


def test_scripts_can_be_made_by_statements(bench: Bench) -> None:
    assert bench.text("s = script.new('print(7)', 'seven') s() script.user.scripts.seven()") == "7.00000e+00\n7.00000e+00"
    bench.say("s = script.new('print(')")
    assert bench.errors() == [(-285, "TSP Syntax error at line 1: unexpected symbol near `<eof>'")]


def test_an_error_in_a_script_names_its_line_and_ends_it(bench: Bench) -> None:
    assert load(bench, "loadandrunscript bad", "print(1)", "nosuch.x = 1", "print(2)") == b"1.00000e+00\n"
    assert bench.errors() == [(-286, "TSP Runtime error at line 2: attempt to index global `nosuch' (a nil value)")]
    load(bench, "loadandrunscript worse", "print(1)", "for i = 1 do end")
    assert bench.errors() == [(-285, "TSP Syntax error at line 2: `,' expected near `do'")]


def test_what_is_refused_does_not_end_a_script(bench: Bench) -> None:
    assert load(bench, "loadandrunscript", "smua.measure.nplc = 99", "print('on')") == b"on\n"
    assert bench.errors() == [(1101, "Parameter too big")]


def test_a_sweep_written_as_a_loop_takes_its_time_and_answers_with_a_block() -> None:
    bench = Bench()
    bench.ready()
    script = (
        "smua.measure.count = 1",
        "smua.nvbuffer1.clear()",
        "smua.nvbuffer1.appendmode = 1",
        "for index = 1, 11 do",
        "  smua.source.levelv = (index - 1) * 0.01",
        "  delay(0.01)",
        "  smua.measure.i(smua.nvbuffer1)",
        "end",
        "format.data = format.REAL32",
        "printbuffer(1, 11, smua.nvbuffer1.readings)",
    )
    begun = bench.now_ns
    block = load(bench, "loadandrunscript", *script)
    assert block.startswith(b"#0") and len(block) == 4 * 11 + 3
    assert 110 * MS < bench.now_ns - begun < 200 * MS


def test_what_a_script_prints_leaves_when_it_is_printed(bench: Bench) -> None:
    bench.say("loadandrunscript")
    bench.say("print('first') delay(1) print('second')")
    bench.begin("endscript")
    bench.let(0.5)
    assert bench.port.take(bench.now_ns) == b"first\n"
    bench.let(1.0)
    assert bench.hear() == b"second\n"


def test_a_script_of_many_points_lets_others_have_their_turn(bench: Bench) -> None:
    bench.ready()
    bench.say("loadscript long")
    bench.say("for i = 1, 1000 do smua.measure.i() end")
    bench.say("endscript")
    bench.begin("long()")
    bench.let(0.01)
    assert bench.smu.tsp.blocked
    bench.let(10.0)
    assert not bench.smu.tsp.blocked


def test_a_script_that_polls_sees_the_sweep_end() -> None:
    bench = Bench()
    bench.ready()
    bench.say("smua.trigger.count = 20 smua.trigger.measure.i(smua.nvbuffer1) smua.trigger.measure.action = 1 smua.measure.nplc = 0.1")
    assert load(
        bench,
        "loadandrunscript",
        "smua.trigger.initiate()",
        "while status.operation.sweeping.condition ~= 0 do end",
        "print(smua.nvbuffer1.n)",
    ) == b"2.00000e+01\n"  # fmt: skip


@pytest.mark.parametrize("clock", ["real", "fast"])
def test_abort_ends_a_script_that_would_go_on_for_ever(clock: str) -> None:
    bench = Bench() if clock == "real" else Bench(wall_ns=fast)
    bench.begin("while true do x = smua.source.levelv end")
    for _ in range(3):
        bench.now_ns += 10 * MS
        bench.smu.tick(bench.now_ns)
    assert bench.smu.tsp.blocked
    bench.begin("abort")
    assert not bench.smu.tsp.blocked and bench.text("print('alive')") == "alive"
    assert bench.errors() == []


def test_a_loop_without_end_and_without_the_instrument_is_ended(bench: Bench) -> None:
    bench.say("while true do end")
    ((code, text),) = bench.errors()
    assert code == -286 and text.startswith("TSP Runtime error at line 1: more than 20000000 instructions")


def test_exit_ends_a_script(bench: Bench) -> None:
    assert load(bench, "loadandrunscript", "print(1)", "exit()", "print(2)") == b"1.00000e+00\n"


def test_output_off_waits_behind_a_script_but_not_behind_its_abort(bench: Bench) -> None:
    bench.say("smua.source.output = 1")
    bench.begin("delay(100)")
    other = bench.smu.connect()
    other.feed(b"smua.source.output = 0\n", bench.now_ns)
    bench.let(1.0)
    assert bench.world.output_on
    other.feed(b"abort\n", bench.now_ns)
    bench.let(0.1)
    assert not bench.world.output_on


def test_functions_of_a_script_are_there_for_statements(bench: Bench) -> None:
    load(bench, "loadandrunscript", "function twice(x)", "return 2 * x", "end")
    assert bench.number("twice(21)") == 42.0
    assert bench.text("getlevel = makegetter(smua.source, 'limitv') print(getlevel())") == "2.00000e+01"
    bench.say("setlevel = makesetter(smua.source, 'levelv') setlevel(0.25)")
    assert bench.number("smua.source.levelv") == 0.25


def test_the_command_tree_can_be_walked_as_on_the_instrument(bench: Bench) -> None:
    walk = (
        "mt = getmetatable(smua.source)",
        "n = 0",
        "for name in pairs(mt.Getters) do n = n + 1 end",
        "print(n > 20, mt.Setters.levelv ~= nil, mt.Setters.compliance == nil, getmetatable(smua).Objects.OUTPUT_ON)",
        "print(getmetatable(smua.nvbuffer1).luatype, getmetatable(smua.nvbuffer1.readings).luatype)",
    )
    assert load(bench, "loadandrunscript", *walk) == b"true\ttrue\ttrue\t1.00000e+00\nreading_buffer\tsynchronous_table\n"


def test_without_lua_scripts_are_refused_and_flat_ones_run() -> None:
    bench = Bench(lua=False)
    assert load(bench, "loadandrunscript", "x = 1", "print(x)") == b"1.00000e+00\n"
    assert load(bench, "loadandrunscript", "for i = 1, 3 do", "print(i)", "end") == b""
    ((code, text),) = bench.errors()
    assert code == -285 and "Lua" in text
    assert bench.text("script.run()") == "1.00000e+00"
