"""TSP as a language: flat statements say the same with Lua and without; whole scripts need Lua."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from simulator.instruments.tsp_prelude import EXHAUSTED
from tests.simulator.tsp_bench import TURN, Bench


@pytest.fixture(params=[False, True], ids=["flat", "lua"])
def bench(request: pytest.FixtureRequest) -> Bench:
    return Bench(lua=request.param)


@pytest.fixture
def lua() -> Bench:
    return Bench(lua=True)


BOTH: dict[str, Bench] = {}


def both() -> tuple[Bench, Bench]:
    if not BOTH:
        BOTH.update(flat=Bench(lua=False), lua=Bench(lua=True))
    return BOTH["flat"], BOTH["lua"]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("print(1, 'a', \"b\", nil, true)", "1\ta\tb\tnil\ttrue"),
        ("print()", ""),
        ("x = 5 print(x)", "5"),
        ("x = 5; y = 6\nprint(x, y);", "5\t6"),
        ("a, b = 1; print(a, b)", "1\tnil"),
        ("a, b = smu.pair() print(a, b)", "1.5\t2.5"),
        ("a, b = smu.pair(), 7 print(a, b)", "1.5\t7"),
        ("a, b = (smu.pair()) print(a, b)", "1.5\tnil"),
        ("a = {1, 2} i = 1 i, a[i] = 2, 9 print(i, a[1], a[2])", "2\t9\t2"),
        ("local q = 3; q = q + 1 print(q)", "4"),
        ("local a, b = 1 print(a, b)", "1\tnil"),
        ("print(1 + 2 * 3 ^ 2 ^ 0.5 - -4 / 2)", f"{1 + 2 * 3 ** (2**0.5) + 2:.14g}"),
        ("print(-2 ^ 2, 7 % 4, -7 % 4)", "-4\t3\t1"),
        ("print(0x1F, 1e3, .5, 5., 1E-3)", "31\t1000\t0.5\t5\t0.001"),
        ("print(1 / 0, -1 / 0)", "inf\t-inf"),
        ("print('10' + 1, '0x10' + 0, 2 .. 3, 'a' .. 1.5)", "11\t16\t23\ta1.5"),
        ("print(1 < 2, 'a' < 'b', 2 >= 2, 1 == '1', nil == false, 1 ~= 2)", "true\ttrue\ttrue\tfalse\tfalse\ttrue"),
        ("print(nil or 'a', nil and 10, false or nil, 10 and 20, 10 or smu.fail(), 0 and 1)", "a\tnil\tnil\t20\t10\t1"),
        ("print(not nil, not 0, #'abc', #{1, 2, nil})", "true\tfalse\t3\t2"),
        ("t = {1, 2, x = 3, ['y z'] = 4, [10] = 5; 6} print(t[3], t.x, t['y z'], t[10], t.q)", "6\t3\t4\t5\tnil"),
        ("t = {} t.a = {} t.a.b = 'deep' print(t.a.b, t['a']['b'])", "deep\tdeep"),
        ("print [[long\nstring]]", "long\nstring"),
        ("print 'called without brackets'", "called without brackets"),
        (r"print('tab\t', 'quote\'', '\065\10')", "tab\t\tquote'\tA\n"),
        ("-- a comment\nprint(1) -- another\n--[[ a\nlong one ]] print(2)", "1|2"),
        ("smu.source.level = 0.25 print(smu.source.level, smu['source']['level'])", "0.25\t0.25"),
        ("print(smu.OUTPUT_ON, smu.missing, smu.source.range)", "1\tnil\t2"),
        ("s = smu s.source.level = 1e-9 print(s.source.level)", "1e-09"),
        ("print(smu.readings[2], smu.readings[4], smu[1] ~= nil)", "20\tnil\ttrue"),
        ("print(smu.nothing())", ""),
        ("print((smu.nothing()))", "nil"),
        ("print(smu.sum({1, 2, 3.5}))", "6.5"),
        ("print(smu.same(smu.readings), smu.same(1), smu.buffer()[1])", "true\tfalse\t10"),
        ("print(smu.holds({x = smu.readings}), smu.holds({x = {}}))", "true\tfalse"),
        ("print(smu.buffer() == smu.readings, smu == smu.source)", "true\tfalse"),
        ("print(type(nil), type(1), type('a'), type({}), type(smu), type(print), type(true))",
         "nil\tnumber\tstring\ttable\ttable\tfunction\tboolean"),
        ("print(tonumber('0x10'), tonumber(' 1e-3 '), tonumber('1 2'), tonumber('ff', 16), tonumber({}), tonumber('nan'))",
         "16\t0.001\tnil\t255\tnil\tnil"),
        ("print(tostring(1e15), tostring(nil), tostring(0.1), tostring(1e100))", "1e+15\tnil\t0.1\t1e+100"),
        ("print(math.abs(-3), math.floor(-1.5), math.max(1, 5, 2), math.min(3, -1), math.sqrt(16), math.pow(2, 8), math.mod(7, 4))",
         "3\t-2\t5\t-1\t4\t256\t3"),
        ("print(math.pi, math.log10(1000), math.frexp(8))", "3.1415926535898\t3\t0.5\t4"),
        ("print(string.sub('hello', 2, 3), string.sub('hello', -3), string.upper('a'), string.len('abc'), string.rep('ab', 3))",
         "el\tllo\tA\t3\tababab"),
        ("print(string.format('%5.2f|%d|%s|%e|%g|%%|%x|%q', 3.14159, 7, 'x', 0.5, 1e10, 255, 'a\"b'))",
         ' 3.14|7|x|5.000000e-01|1e+10|%|ff|"a\\"b"'),
        ("print(string.byte('A'), string.char(72, 105))", "65\tHi"),
        ("t = {} table.insert(t, 'a') table.insert(t, 1, 'b') print(table.getn(t), t[1], table.remove(t), table.concat({1, 2, 3}, '-'))",
         "2\tb\ta\t1-2-3"),
        ("t = {5} print(next(t)) print(next(t, 1)) print(next({}, nil))", "1\t5|nil|nil"),
        ("print(unpack({1, 2, 3}))", "1\t2\t3"),
        ("mt = getmetatable(smu.source) print(mt.luatype, type(mt.Getters.level), mt.Setters.range, type(mt.Setters['level']))",
         "native\tfunction\tnil\tfunction"),
        ("mt = getmetatable(smu) print(type(mt.Objects.source), mt.Objects.OUTPUT_ON, next(mt.Getters, nil))", "table\t1\tnil"),
        ("print(getmetatable(smu.readings).luatype, getmetatable({}))", "reading_buffer\tnil"),
        ("_G.zz = 4 print(zz, _G.smu == smu)", "4\ttrue"),
        ("x = nil print(x)", "nil"),
        ("print(smu.wait(3))", "3\twaited"),
        ("x = smu.wait(1) + smu.wait(2) print(x)", "3"),
        ("print(1) smu.stop() print(2)", "1|stopped"),
    ],
)  # fmt: skip
def test_flat_statements_say_the_same_with_lua_and_without(bench: Bench, source: str, said: str) -> None:
    assert bench.run(source) == said


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("*IDN?", "-285 line 1: unexpected symbol near `*'"),
        (":SOUR:VOLT 1", "-285 line 1: unexpected symbol near `:'"),
        ("x = ", "-285 line 1: unexpected symbol near `<eof>'"),
        ("foo bar", "-285 line 1: `=' expected near `bar'"),
        ("smu.source.level", "-285 line 1: `=' expected near `<eof>'"),
        ("print(1", "-285 line 1: `)' expected near `<eof>'"),
        ("\n\nprint(1", "-285 line 3: `)' expected near `<eof>'"),
        ("x = 1 +", "-285 line 1: unexpected symbol near `<eof>'"),
        ("x = {1, 2", "-285 line 1: `}' expected near `<eof>'"),
        ("x. = 2", "-285 line 1: <name> expected near `='"),
        ("x = 'open", "-285 line 1: unfinished string near `<eof>'"),
        ("print(nosuch.level)", "-286 line 1: attempt to index global `nosuch' (a nil value)"),
        ("print(smu.nosuch.level)", "-286 line 1: attempt to index field `nosuch' (a nil value)"),
        ("nosuch.level = 1", "-286 line 1: attempt to index global `nosuch' (a nil value)"),
        ("local q q.x = 1", "-286 line 1: attempt to index local `q' (a nil value)"),
        ("nosuch()", "-286 line 1: attempt to call global `nosuch' (a nil value)"),
        ("smu.nosuch()", "-286 line 1: attempt to call field `nosuch' (a nil value)"),
        ("x = 1\nx()", "-286 line 2: attempt to call global `x' (a number value)"),
        ("x = 1 + nil", "-286 line 1: attempt to perform arithmetic on a nil value"),
        ("x = nosuch + 1", "-286 line 1: attempt to perform arithmetic on global `nosuch' (a nil value)"),
        ("x = -smu.nosuch", "-286 line 1: attempt to perform arithmetic on field `nosuch' (a nil value)"),
        ("x = {} .. 'a'", "-286 line 1: attempt to concatenate a table value"),
        ("x = 1 < 'a'", "-286 line 1: attempt to compare number with string"),
        ("x = {} < {}", "-286 line 1: attempt to compare two table values"),
        ("x = {} x[nil] = 1", "-286 line 1: table index is nil"),
        ("x = string.rep('a')", "-286 line 1: bad argument #2 to `rep' (number expected, got no value)"),
        ("x = math.sin({})", "-286 line 1: bad argument #1 to `sin' (number expected, got table)"),
        ("smu.source.range = 5", "-286 line 1: cannot set attribute `range'"),
        ("smu.source.nosuch = 5", "-286 line 1: cannot set attribute `nosuch'"),
        ("smu.source.level = 'high'", "-286 line 1: a level is a number"),
        ("print(1)\nsmu.fail()", "-286 line 2: it failed"),
    ],
)
def test_errors_say_what_the_instruments_lua_says(bench: Bench, source: str, error: str) -> None:
    assert bench.run(source) == error


def test_what_was_done_before_an_error_stays_done(bench: Bench) -> None:
    bench.run("smu.source.level = 0.125\nsmu.fail()\nsmu.source.level = 9")
    assert bench.level == 0.125


def test_a_syntax_error_lets_nothing_happen(bench: Bench) -> None:
    bench.run("smu.source.level = 0.125 oops")
    assert bench.level == 0.5


def test_a_function_that_waits_holds_the_statement_until_it_is_resumed(bench: Bench) -> None:
    assert bench.run("smu.source.level = smu.wait(3)") == ""
    assert bench.pauses == ["wait 3", "and again"] and bench.level == 3.0


def test_a_name_of_the_instrument_can_be_lost_as_on_the_instrument(bench: Bench) -> None:
    assert bench.run("smu = 5 print(smu)") == "5"


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_come_and_go_exactly(first: float, second: float) -> None:
    flat, lua = both()
    assume(first * second != 0.0)  # Lua 5.2 takes 0 and -0 of one chunk for the same.
    for bench in (flat, lua):
        bench.run(f"smu.source.level = {first!r}")
        assert bench.level == first
    source = f"print({first!r} + {second!r}, {first!r} * {second!r}, {first!r} < {second!r}, {first!r} == {second!r})"
    assert flat.run(source) == lua.run(source)


@given(st.text(st.characters(max_codepoint=255), max_size=40))
def test_nothing_that_is_said_breaks_the_parser_and_both_refuse_the_same(text: str) -> None:
    flat, lua = both()
    said = [bench.run(text.replace("(", " ").replace("{", " ")) for bench in (flat, lua)]
    assert all(each.startswith("-28") or each == "" for each in said)
    assert said[0].startswith("-28") == said[1].startswith("-28")


# --- whole scripts
def test_without_lua_a_loop_is_refused_and_says_what_is_missing() -> None:
    assert Bench(lua=False).run("for i = 1, 3 do print(i) end") == (
        "-285 line 1: `for' is only understood with Lua installed (the package lupa)"
    )


def test_scripts_have_loops_branches_functions_and_locals(lua: Bench) -> None:
    script = """
    local function twice(x) return 2 * x end
    for i = 1, 3 do
        if i == 2 then print('two') else print(twice(i)) end
    end
    n = 0
    while true do n = n + 1 if n > 4 then break end end
    repeat n = n - 1 until n == 0
    for key, value in pairs({a = 1}) do print(key, value) end
    for at, value in ipairs({'x', 'y'}) do print(at, value) end
    print(n, table.getn({1, 2}), string.gfind ~= nil)
    """
    assert lua.run(script) == "2|two|6|a\t1|1\tx|2\ty|0\t2\ttrue"


def test_a_script_waits_in_the_middle_of_a_loop_and_in_pcall(lua: Bench) -> None:
    assert lua.run("for i = 1, 2 do print(pcall(smu.wait, i)) end") == "true\t1\twaited|true\t2\twaited"
    assert lua.pauses == ["wait 1", "and again", "wait 2", "and again"]


def test_a_script_that_polls_gives_others_their_turn(lua: Bench) -> None:
    run = lua.interpreter.begin("while smu.source.level < 1 do end print('seen')")
    assert [run.go_on() for _ in range(3)] == [TURN] * 3
    lua.level = 2.0
    while run.go_on() is not None:
        pass
    assert lua.said == ["seen"]


def test_a_script_that_would_never_end_is_ended(lua: Bench) -> None:
    assert lua.run("print('begun')\nwhile true do end") == f"-286 line 2: {EXHAUSTED}"
    assert EXHAUSTED in lua.run("while true do pcall(function() while true do end end) end")


def test_exit_ends_a_script_even_inside_pcall(lua: Bench) -> None:
    assert lua.run("print(1) pcall(smu.stop) print(2)") == "1|stopped"


def test_errors_in_scripts_name_their_line_and_can_be_caught(lua: Bench) -> None:
    assert lua.run("function f()\n  smu.fail()\nend\nf()") == "-286 line 2: it failed"
    assert lua.run("print(pcall(smu.fail))") == "false\tit failed"
    assert lua.run("error('mine')") == "-286 line 1: mine"


def test_a_compiled_chunk_is_a_function_of_the_language(bench: Bench) -> None:
    bench.interpreter.set_value("mine", bench.interpreter.compile("print(smu.wait(7))"))
    assert bench.run("mine() print('after')") == "7\twaited|after"
    assert bench.interpreter.value_of("smu").objects["OUTPUT_ON"] == 1.0


@pytest.mark.parametrize("name", ["io", "os", "require", "package", "debug", "python", "load", "dofile", "coroutine"])
def test_scripts_reach_nothing_of_the_computer(lua: Bench, name: str) -> None:
    assert lua.run(f"print({name})") == "nil"


def test_a_script_that_takes_all_memory_fails_alone(lua: Bench) -> None:
    assert "memory" in lua.run("x = string.rep('x', 1e9)")
    assert lua.run("print(1)") == "1"
