"""The 2450's trigger model: blocks, templates, events, digital lines and what its state says; all at nominal times."""

import pytest

from tests.simulator.scpi_bench import MS, SECOND, Bench

FAST = ":SOUR:VOLT:READ:BACK OFF;:SOUR:VOLT:DEL 0;:SENS:CURR:RANG 1e-4;:SENS:CURR:NPLC 0.01;:SENS:CURR:AZER OFF"
CYCLE_NS = SECOND / 3_000


def fast() -> Bench:
    bench = Bench().ready()
    bench.say(FAST)
    return bench


class Scanner:
    """A crossbar controller: an edge a while after every answer of the SMU. answered_ns: when."""

    def __init__(self, bench: Bench, after_ns: int = 55_000) -> None:
        self.wires, self.agenda, self.after_ns = bench.world.trigger, bench.world.agenda, after_ns
        self.answered_ns: list[int] = []
        self.wires.measured.listen(self._answered)

    def step_at(self, when_ns: int) -> None:
        self.agenda.at(when_ns, self.wires.ready.edge)

    def _answered(self, now_ns: int) -> None:
        self.answered_ns.append(now_ns)
        self.step_at(now_ns + self.after_ns)


def scanning(bench: Bench, count: int, clear: str = "NEV") -> Bench:
    bench.say(":DIG:LINE2:MODE TRIG,OUT;:DIG:LINE1:MODE TRIG,IN")
    bench.say(f":TRIG:LOAD 'LogicTrigger',1,2,{count},{clear},0,'defbuffer1'")
    bench.say(":TRIG:DIG1:IN:CLE;:INIT")
    assert bench.errors() == []
    return bench


def stamps(bench: Bench, count: int, name: str = "defbuffer1") -> list[float]:
    return [float(text) for text in bench.say(f":TRAC:DATA? 1,{count},'{name}',REL").split(",")]


def test_a_scan_takes_one_reading_an_edge_at_exactly_the_instruments_rate() -> None:
    bench = scanning(fast(), 1_000)
    scanner = Scanner(bench)
    scanner.step_at(bench.now_ns)
    bench.pass_time(1.0)
    assert bench.say(":TRAC:ACT?;:TRIG:DIG1:IN:OVER?") == "1000;0"
    gaps = [later - earlier for earlier, later in zip(scanner.answered_ns, scanner.answered_ns[1:], strict=False)]
    assert max(gaps) == pytest.approx(CYCLE_NS, abs=2) and min(gaps) == pytest.approx(CYCLE_NS, abs=2)
    assert stamps(bench, 1_000)[-1] == pytest.approx(999 / 3_000, abs=2e-6)


def test_a_slow_controller_sets_the_pace() -> None:
    bench = scanning(fast(), 10)
    scanner = Scanner(bench, after_ns=2 * MS)
    scanner.step_at(bench.now_ns)
    bench.pass_time(1.0)
    assert stamps(bench, 10)[-1] == pytest.approx(9 * (2e-3 + 0.01 / 60), rel=1e-3)


def test_nothing_drifts_when_the_computer_looks_late() -> None:
    bench = scanning(fast(), 100)
    Scanner(bench).step_at(bench.now_ns)
    for _ in range(7):
        bench.pass_time(0.0131)
    assert stamps(bench, 100) == pytest.approx([index / 3_000 for index in range(100)], abs=2e-6)


def test_an_edge_that_nobody_waited_for_is_an_overrun_and_is_lost() -> None:
    bench = scanning(fast(), 10)
    edge = bench.world.trigger.ready.edge
    for _ in range(3):
        edge(bench.now_ns)
    bench.pass_time(0.01)
    # One began a reading, one was detected meanwhile, one too many was lost.
    assert bench.say(":TRAC:ACT?;:TRIG:DIG1:IN:OVER?") == "2;1"
    bench.say(":TRIG:DIG1:IN:CLE")
    assert bench.say(":TRIG:DIG1:IN:OVER?") == "0"


def test_an_edge_of_before_begins_the_first_reading_unless_it_is_cleared_on_entering() -> None:
    for clear, readings in (("NEV", "1"), ("ENT", "0")):
        bench = fast()
        bench.say(":DIG:LINE1:MODE TRIG,IN")
        bench.world.trigger.ready.edge(bench.now_ns)
        bench.say(f":TRIG:LOAD 'LogicTrigger',1,2,10,{clear},0,'defbuffer1';:INIT")
        bench.pass_time(0.1)
        assert bench.say(":TRAC:ACT?") == readings


def test_a_line_that_is_no_trigger_line_neither_hears_nor_gives_edges() -> None:
    bench = fast()
    bench.say(":TRIG:LOAD 'LogicTrigger',1,2,10,NEV,0,'defbuffer1';:INIT")
    bench.world.trigger.ready.edge(bench.now_ns)
    bench.pass_time(0.1)
    assert bench.say(":TRAC:ACT?") == "0"
    bench.say(":ABOR;:DIG:LINE1:MODE TRIG,IN;:INIT")
    bench.world.trigger.ready.edge(bench.now_ns)
    bench.pass_time(0.1)
    assert bench.say(":TRAC:ACT?") == "1" and bench.world.trigger.measured.edges == 0


@pytest.mark.parametrize(
    "load", [":TRIG:LOAD:TRIG:EXT 1,2,4,0,'defbuffer1'", ':TRIG:LOAD "ExternalTrigger",1,2,4,0', ":TRIG:LOAD 'LOGICTRIGGER',1,2,4"]
)
def test_older_spellings_of_the_scan_do_the_same(load: str) -> None:
    bench = fast()
    bench.say(":DIG:LINE2:MODE TRIG,OUT;:DIG:LINE1:MODE TRIG,IN")
    bench.say(load)
    Scanner(bench).step_at(bench.now_ns + MS)
    bench.say(":INIT")
    bench.pass_time(0.1)
    assert bench.say(":TRAC:ACT?") == "4" and bench.errors() == []


def test_readings_appear_while_it_runs_and_abort_stops_it_with_the_output_as_it_is() -> None:
    bench = fast()
    bench.say(":TRIG:LOAD 'SimpleLoop',3000,0,'defbuffer1';:INIT")
    counts = []
    for _ in range(3):
        bench.pass_time(0.1)
        counts.append(int(bench.say(":TRAC:ACT?")))
    assert counts == [pytest.approx(300 * (index + 1), abs=5) for index in range(3)]
    bench.say(":ABOR")
    kept = bench.say(":TRAC:ACT?")
    bench.pass_time(0.2)
    assert bench.say(":TRAC:ACT?;:OUTP?;:TRIG:STAT?") == f"{kept};1;ABORTED;ABORTED;3"


def test_wait_and_operation_complete_hold_the_parser_until_the_model_is_idle() -> None:
    for line in (":INIT;*WAI;:TRAC:ACT?", ":INIT;*OPC?;:TRAC:ACT?"):
        bench = fast()
        bench.say(":TRIG:LOAD 'SimpleLoop',300,0,'defbuffer1'")
        said = bench.ask(line)
        assert said.data.decode().strip().split(";")[-1] == "300"
        assert said.busy_ns == pytest.approx(0.1 * SECOND, rel=0.02)


def test_while_the_parser_is_held_nobody_is_heard_not_even_abort() -> None:
    bench = fast()
    other = bench.smu.connect()
    bench.say(":TRIG:LOAD 'SimpleLoop',300,0,'defbuffer1'")
    bench.port.feed(b":INIT;*WAI\n", bench.now_ns)
    other.feed(b":ABOR;:TRAC:ACT?\n", bench.now_ns + MS)
    assert other.take(bench.now_ns + 50 * MS) == b""
    bench.pass_time(0.2)
    assert other.take(bench.now_ns + MS) == b"300\n"


def test_the_operation_complete_bit_is_set_when_the_model_is_idle() -> None:
    bench = fast()
    bench.say("*CLS;:TRIG:LOAD 'SimpleLoop',300,0;:INIT;*OPC")
    assert int(bench.say("*ESR?")) & 1 == 0
    bench.pass_time(0.2)
    assert int(bench.say("*ESR?")) & 1 == 1


def test_its_state_is_looked_at_every_hundred_milliseconds() -> None:
    bench = fast()
    assert bench.say(":TRIG:STAT?") == "EMPTY;EMPTY;0"
    bench.say(":TRIG:LOAD 'SimpleLoop',30,0")
    assert bench.say(":TRIG:STAT?") == "BUILDING;BUILDING;4"
    bench.say(":INIT")
    assert bench.say(":TRIG:STAT?").startswith("RUNNING;RUNNING;")
    bench.pass_time(0.05)
    assert bench.say(":TRAC:ACT?;:TRIG:STAT?") == "30;RUNNING;RUNNING;4"
    bench.pass_time(0.06)
    assert bench.say(":TRIG:STAT?") == "IDLE;IDLE;4"


def test_a_model_that_waits_for_long_says_so() -> None:
    bench = scanning(fast(), 10)
    assert bench.say(":TRIG:STAT?") == "RUNNING;RUNNING;1"
    bench.pass_time(0.11)
    assert bench.say(":TRIG:STAT?") == "WAITING;WAITING;1"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (":INIT", -213),
        (":READ?", -221),
        (":MEAS:VOLT?", -221),
        (":TRAC:TRIG", -221),
        (":TRIG:LOAD 'Empty'", -221),
        (":TRIG:BLOC:NOP 1", -221),
        (":SENS:FUNC 'VOLT'", -221),
        (":SOUR:FUNC CURR", -221),
        (":SOUR:VOLT 0.2", -221),
        (":SENS:CURR:NPLC 1", -221),
        (":ROUT:TERM REAR", -221),
        (":TRAC:POIN 100", -221),
        (":SOUR:SWE:VOLT:LIN 0,1,5", -221),
    ],
)
def test_what_would_get_in_the_way_of_a_running_model_is_refused(line: str, code: int) -> None:
    bench = scanning(fast(), 10)
    assert bench.say(line) == ""
    assert bench.errors() == [code]


def test_the_output_is_switched_off_while_it_runs() -> None:
    bench = scanning(fast(), 10)
    bench.say(":OUTP OFF")
    assert bench.say(":OUTP?;:TRIG:STAT?") == "0;RUNNING;RUNNING;1" and bench.errors() == []
    assert not bench.world.output_on


def test_reset_stops_it_and_forgets_its_blocks() -> None:
    bench = scanning(fast(), 10)
    bench.say("*RST")
    assert bench.say(":TRIG:STAT?;:OUTP?;:DIG:LINE1:MODE?") == "EMPTY;EMPTY;0;0;DIG,IN"


def test_blocks_are_set_one_by_one_and_walked_in_order() -> None:
    bench = fast()
    for line in (
        ":TRIG:BLOC:BUFF:CLE 1, 'defbuffer1'",
        ":TRIG:BLOC:MDIG 2, 'defbuffer1', 3",
        ":TRIG:BLOC:DEL:CONS 3, 0.1",
        ":TRIG:BLOC:BRAN:COUN 4, 5, 2",
        ":TRIG:BLOC:SOUR:STAT 5, OFF",
        ":TRIG:BLOC:LOG:EVEN 6, INF2, 'all done'",
    ):
        bench.say(line)
    assert bench.say(":TRIG:BLOC:LIST?").splitlines()[2] == " 3) DELAY_CONSTANT        DELAY: 0.100000000"
    assert bench.ask(":INIT;*WAI;:TRAC:ACT?").data == b"15\n"
    assert bench.now_ns == pytest.approx(0.5 * SECOND, rel=0.1)
    assert bench.say(":TRIG:BLOC:BRAN:COUN:COUN? 4;:OUTP?") == "5;0"
    numbers = [int(bench.say(":SYST:EVEN:NEXT?").split(",")[0]) for _ in range(4)]
    assert numbers == [2731, 4917, 2735, 2732]


def test_the_output_goes_on_by_a_block_only_when_the_interlock_allows_it() -> None:
    bench = fast()
    bench.say(":OUTP:INT:STAT ON;:OUTP OFF;:TRIG:BLOC:SOUR:STAT 1, ON")
    bench.smu.set_interlock(False, bench.now_ns)
    bench.say(":INIT")
    assert bench.say(":OUTP?;:TRIG:STAT?") == "0;FAILED;FAILED;1"
    assert bench.errors() == [5074]


def test_a_measure_block_takes_as_many_readings_as_the_count_says_when_told() -> None:
    bench = fast()
    bench.say(":SENS:COUN 7;:TRIG:BLOC:MDIG 1,'defbuffer1',AUTO;:INIT;*WAI")
    assert bench.say(":TRAC:ACT?") == "7"


def test_branches_go_where_the_reading_the_event_or_the_first_time_sends_them() -> None:
    bench = fast()
    bench.say(":TRIG:BLOC:MDIG 1,'defbuffer1';:TRIG:BLOC:BRAN:LIM:CONS 2,ABOV,0,1e-9,4,1;:TRIG:BLOC:NOP 3;:TRIG:BLOC:BRAN:ONCE 4,1")
    bench.say(":TRIG:BLOC:BRAN:ONCE:EXCL 5,7;:TRIG:BLOC:BRAN:ALW 6,5;:TRIG:BLOC:LOG:EVEN 7,WARN1,'end'")
    assert bench.ask(":INIT;*WAI;:TRAC:ACT?").data == b"2\n"
    assert bench.say(":SYST:EVEN:NEXT? WARN").startswith('2738,"end;2;')
    bench.say(":TRIG:LOAD 'Empty';:TRIG:BLOC:BRAN:EVEN 1,COMM,3;:TRIG:BLOC:BRAN:ALW 2,1;:TRIG:BLOC:NOP 3;:INIT")
    bench.pass_time(0.01)
    assert bench.say(":TRIG:STAT?").startswith("RUNNING")
    bench.say("*TRG")
    bench.pass_time(0.2)
    assert bench.say(":TRIG:STAT?") == "IDLE;IDLE;3"


def test_a_model_is_paused_between_two_blocks_and_goes_on() -> None:
    bench = fast()
    bench.say(":TRIG:LOAD 'SimpleLoop',100,0;:INIT")
    bench.pass_time(0.01)
    bench.say(":TRIG:PAUS")
    bench.pass_time(0.01)
    held = bench.say(":TRAC:ACT?")
    bench.pass_time(1.0)
    assert bench.say(":TRAC:ACT?") == held
    bench.say(":TRIG:RES")
    bench.pass_time(0.1)
    assert bench.say(":TRAC:ACT?") == "100"


def test_measuring_goes_on_beside_the_model_until_it_is_stopped() -> None:
    bench = fast()
    bench.say(":TRIG:BLOC:MDIG 1,'defbuffer1',INF;:TRIG:BLOC:DEL:CONS 2,0.1;:TRIG:BLOC:MDIG 3,'defbuffer1',STOP;:TRIG:BLOC:DEL:CONS 4,0.1")
    assert bench.ask(":INIT;*WAI").busy_ns == pytest.approx(0.2 * SECOND, rel=0.01)
    assert int(bench.say(":TRAC:ACT?")) == pytest.approx(300, abs=1)


def test_a_timer_paces_readings_and_a_blender_waits_for_all_its_events() -> None:
    bench = fast()
    bench.say(":TRIG:TIM1:DEL 0.01;COUN 0;STAR:GEN OFF;:TRIG:TIM1:STAT ON")
    bench.say(":TRIG:BLOC:WAIT 1,TIM1;:TRIG:BLOC:MDIG 2,'defbuffer1';:TRIG:BLOC:BRAN:COUN 3,5,1")
    bench.say(":INIT;*WAI;:TRIG:TIM1:STAT OFF")
    assert stamps(bench, 5) == pytest.approx([0.0, 0.01, 0.02, 0.03, 0.04], abs=1e-5)
    bench.say(":TRIG:BLEN1:MODE AND;STIM1 NOT1;STIM2 COMM;:TRIG:BLOC:NOT 1,1;:TRIG:BLOC:WAIT 2,BLEN1;:TRIG:BLOC:NOP 3;:INIT")
    assert bench.say(":TRIG:STAT?").startswith("RUNNING")
    bench.say("*TRG")
    bench.pass_time(0.2)
    assert bench.say(":TRIG:STAT?") == "IDLE;IDLE;3"


def test_a_duration_loop_ends_after_its_time() -> None:
    bench = fast()
    bench.say(":TRIG:LOAD 'DurationLoop',0.5,0,'defbuffer1'")
    assert bench.ask(":INIT;*WAI").busy_ns == pytest.approx(0.5 * SECOND, rel=0.01)
    assert int(bench.say(":TRAC:ACT?")) == pytest.approx(1_500, abs=5)


def test_a_loop_until_an_event_keeps_readings_of_before_and_after_it() -> None:
    bench = fast()
    bench.say(":TRAC:MAKE 'ring',100;:TRAC:FILL:MODE CONT,'ring';:TRIG:LOAD 'LoopUntilEvent',COMM,75,NEV,0,'ring';:INIT")
    bench.pass_time(0.2)
    before = bench.say("*TRG;:TRAC:ACT? 'ring'")
    bench.pass_time(0.2)
    assert before == "100" and bench.say(":TRIG:STAT?") == "IDLE;IDLE;8"
    assert bench.smu.buffers["ring"].rows(99, 100).at_ns[0] < bench.now_ns - 0.15 * SECOND


@pytest.mark.parametrize(("kind", "pattern"), [("GradeBinning", 1), ("SortBinning", 4)])
def test_binning_puts_a_pattern_on_the_lines_for_each_component(kind: str, pattern: int) -> None:
    bench = fast()
    for line in range(3, 7):
        bench.say(f":DIG:LINE{line}:MODE DIG,OUT")
    bench.say(":DIG:LINE1:MODE TRIG,IN;:DIG:LINE2:MODE TRIG,OUT")
    bench.say(f":TRIG:LOAD '{kind}',2,1,0,0,1e-9,-1e-9,1,15,2e-9,1e-9,2,1,1e-9,4")
    assert bench.errors() == []
    assert f"VALUE: {pattern} MASK: 15" in bench.say(":TRIG:BLOC:LIST?")
    bench.say(":INIT")
    for _ in range(2):
        bench.world.trigger.ready.edge(bench.now_ns)
        bench.pass_time(0.2)
    assert bench.say(":TRAC:ACT?") == "2" and bench.say(":TRIG:STAT?").startswith("IDLE")


def test_a_model_that_runs_in_circles_takes_time_and_can_be_stopped() -> None:
    bench = fast()
    bench.say(":TRIG:BLOC:NOP 1;:TRIG:BLOC:BRAN:ALW 2,1;:INIT")
    bench.pass_time(0.01)
    assert bench.say(":TRIG:STAT?").startswith("RUNNING")
    bench.say(":ABOR")
    assert bench.say(":TRIG:STAT?").startswith("ABORTED")


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (":TRIG:LOAD 'Nonsense'", -224),
        (":TRIG:LOAD 'LogicTrigger',1,2", -109),
        (":TRIG:LOAD 'LogicTrigger',7,2,10", -222),
        (":TRIG:LOAD 'LogicTrigger',1,2,0", -222),
        (":TRIG:LOAD 'LoopUntilEvent',NONE,50", -224),
        (":TRIG:BLOC:WAIT 1,SOMETHING", -224),
        (":TRIG:BLOC:BRAN:COUN:COUN? 1", -224),
        (":TRIG:BLOC:MDIG 0,'defbuffer1'", -222),
        (":TRIG:BLOC:CONF:REC 1,'nolist';:INIT", 2790),
        (":TRIG:BLOC:BRAN:ALW 1,9;:INIT", -224),
        (":TRIG:BLOC:MDIG 1,'nobuffer';:INIT", -224),
        (":DIG:LINE1:MODE TRIG,MAST", -221),
        (":DIG:LINE1:STAT 1", -221),
        (":DIG:LINE7:MODE TRIG,IN", -113),
        (":TRIG:BLOC:NOP", -109),
        (":INIT 1", -108),
    ],
)
def test_what_is_wrong_with_a_trigger_command_is_queued(line: str, code: int) -> None:
    bench = fast()
    bench.say(line)
    assert bench.errors() == [code]


def test_digital_lines_are_written_and_read_and_a_falling_one_is_an_edge_on_the_wire() -> None:
    bench = fast()
    bench.say(":DIG:LINE2:MODE DIG,OPEN;:DIG:LINE3:MODE DIG,OUT")
    assert bench.say(":DIG:READ?;:DIG:LINE3:STAT?;:DIG:LINE2:STAT?") == "59;0;1"
    bench.say(":DIG:WRIT 0")
    assert bench.say(":DIG:LINE2:STAT?") == "0" and bench.world.trigger.measured.edges == 1
    bench.say(":DIG:LINE1:MODE TRIG,IN;:DIG:READ?")
    assert bench.errors() == [-221]
