"""The simulated 2636B as its clients find it: identity, settings and their limits, errors, status model."""

import pytest

from tests.simulator.keithley2600_bench import Bench, real


@pytest.fixture(params=[True, False], ids=["lua", "flat"])
def bench(request: pytest.FixtureRequest) -> Bench:
    return Bench(lua=request.param)


# --- who it is
def test_it_says_who_it_is(bench: Bench) -> None:
    assert bench.text("*IDN?") == "Keithley Instruments Inc., Model 2636B, SIM20261122, 3.3.5"
    assert bench.ask("localnode.model", "localnode.serialno", "localnode.revision", "localnode.linefreq") == (
        "2636B\tSIM20261122\t3.3.5\t6.00000e+01"
    )
    assert (
        bench.ask("tsplink.state", "node[1].model", "localnode.description")
        == "offline\t2636B\tKeithley Instruments SMU 2636B - SIM20261122"
    )


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("smua.source.func", 1.0), ("smua.source.output", 0.0), ("smua.source.levelv", 0.0), ("smua.source.leveli", 0.0),
        ("smua.source.rangev", 0.2), ("smua.source.rangei", 1e-9), ("smua.source.autorangev", 1.0), ("smua.source.limitv", 20.0),
        ("smua.source.limiti", 0.1), ("smua.source.limitp", 0.0), ("smua.source.delay", 0.0), ("smua.source.offmode", 0.0),
        ("smua.source.offlimiti", 1e-3), ("smua.source.offlimitv", 40.0), ("smua.source.lowrangev", 0.2), ("smua.source.highc", 0.0),
        ("smua.sense", 0.0), ("smua.measure.nplc", 1.0), ("smua.measure.rangei", 0.1), ("smua.measure.rangev", 0.2),
        ("smua.measure.autorangei", 1.0), ("smua.measure.autozero", 2.0), ("smua.measure.delay", -1.0), ("smua.measure.count", 1.0),
        ("smua.measure.interval", 0.0), ("smua.measure.lowrangei", 1e-10), ("smua.measure.filter.type", 1.0),
        ("smua.measure.filter.count", 1.0), ("smua.measure.rel.enablei", 0.0), ("smua.measure.analogfilter", 1.0),
        ("smua.measure.delayfactor", 1.0), ("smua.trigger.count", 1.0), ("smua.trigger.arm.count", 1.0),
        ("smua.trigger.endpulse.action", 1.0), ("smua.trigger.endsweep.action", 0.0), ("smua.trigger.measure.action", 0.0),
        ("smua.trigger.source.limiti", 0.0), ("smua.nvbuffer1.appendmode", 0.0), ("smua.nvbuffer1.cachemode", 1.0),
        ("smua.nvbuffer1.capacity", 149_789.0), ("smua.nvbuffer1.timestampresolution", 1e-6), ("format.data", 1.0),
        ("format.asciiprecision", 6.0), ("format.byteorder", 1.0), ("digio.trigger[1].mode", 0.0), ("digio.trigger[14].pulsewidth", 1e-5),
        ("trigger.timer[8].delay", 1e-5), ("trigger.timer[1].count", 1.0), ("display.screen", 2.0), ("smub.source.limiti", 0.1),
        ("smua.cal.state", 0.0), ("dataqueue.CAPACITY", 128.0), ("status.request_enable", 0.0), ("beeper.enable", 1.0),
    ],
)  # fmt: skip
def test_it_starts_as_the_manual_says(attribute: str, value: float) -> None:
    assert Bench().number(attribute) == value


def test_constants_have_the_manuals_values(bench: Bench) -> None:
    names = (
        "OUTPUT_DCAMPS", "OUTPUT_DCVOLTS", "OUTPUT_HIGH_Z", "SENSE_REMOTE", "AUTORANGE_FOLLOW_LIMIT", "AUTOZERO_ONCE", "DELAY_AUTO",
        "ASYNC", "SOURCE_HOLD", "FILTER_MEDIAN", "FILL_WINDOW", "SETTLE_FAST_ALL",
    )  # fmt: skip
    assert bench.numbers(f"print({', '.join(f'smua.{name}' for name in names)})") == [0, 1, 2, 1, 2, 1, -1, 2, 1, 2, 1, 128]
    assert bench.numbers("print(digio.TRIG_RISINGA, digio.TRIG_RISINGM, format.REAL32, format.REAL64, display.SMUA_SMUB)") == [
        7,
        8,
        2,
        3,
        2,
    ]


# --- how it answers
def test_numbers_leave_in_as_many_digits_as_are_asked_for(bench: Bench) -> None:
    assert bench.ask("1", "'a'", "nil", "true", "1e-9", "-0.5") == "1.00000e+00\ta\tnil\ttrue\t1.00000e-09\t-5.00000e-01"
    assert bench.text("format.asciiprecision = 10 print(0.1)") == "1.000000000e-01"
    assert bench.text("printnumber(2.54, 3)") == "2.540000000e+00, 3.000000000e+00"
    assert bench.text("format.asciiprecision = 16 print(1e-7)") == "1.000000000000000e-07"
    bench.say("format.asciiprecision = 17")
    assert bench.errors() == [(1405, "Invalid ASCII precision")]


def test_what_prints_nothing_is_not_answered(bench: Bench) -> None:
    assert bench.say("smua.source.levelv = 0.1") == b"" and bench.say("nosuch()") == b"" and bench.say("") == b""


def test_a_name_that_does_not_exist_is_a_run_time_error(bench: Bench) -> None:
    assert bench.say("print(smua.nosuch.level)") == b""
    assert bench.errors() == [(-286, "TSP Runtime error at line 1: attempt to index field `nosuch' (a nil value)")]
    bench.say(":SOUR:VOLT 1")
    assert bench.errors() == [(-285, "TSP Syntax error at line 1: unexpected symbol near `:'")]


def test_errors_leave_oldest_first_and_can_be_cleared(bench: Bench) -> None:
    bench.say("smua.source.levelv = 1000")
    bench.say("smua.measure.nplc = 0")
    assert bench.number("errorqueue.count") == 2.0
    assert bench.ask("errorqueue.next()") == "1.10100e+03\tParameter too big\t2.00000e+01\t1.00000e+00"
    bench.say("errorqueue.clear()")
    assert bench.ask("errorqueue.next()") == "0.00000e+00\tQueue Is Empty\t0.00000e+00\t1.00000e+00"


def test_an_error_queue_that_is_full_says_so(bench: Bench) -> None:
    for _ in range(101):
        bench.say("smua.measure.nplc = 0")
    assert bench.number("errorqueue.count") == 100.0
    assert bench.errors()[-1] == (-350, "Queue overflow")


def test_a_line_that_is_too_long_is_lost_and_told(bench: Bench) -> None:
    bench.port.feed(b"print(1) -- " + b"x" * 70_000, 0)
    assert bench.say("") == b"" and bench.text("print(2)") == "2.00000e+00"
    assert bench.errors() == [(-363, "Input buffer overrun")]


def test_prompts_and_shown_errors(bench: Bench) -> None:
    bench.say("localnode.prompts = 1")
    assert bench.text("print(1)") == "1.00000e+00\nTSP>"
    assert bench.text("smua.measure.nplc = 0") == "TSP?"
    assert bench.text("localnode.showerrors = 1").splitlines()[0] == "1.10200e+03\tParameter too small\t2.00000e+01\t1.00000e+00"
    assert bench.text("*OPC?") == "1\nTSP>"
    bench.say("localnode.prompts4882 = 0")
    assert bench.text("*OPC?") == "1"


# --- source settings
@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("smua.source.levelv = 203", (1101, "Parameter too big")),
        ("smua.source.levelv = -203", (1102, "Parameter too small")),
        ("smua.source.leveli = 1.6", (1101, "Parameter too big")),
        ("smua.source.limiti = 0", (1102, "Parameter too small")),
        ("smua.source.limiti = 2", (1101, "Parameter too big")),
        ("smua.source.limitv = 0.01", (1102, "Parameter too small")),
        ("smua.source.rangev = 300", (1101, "Parameter too big")),
        ("smua.source.func = 2", (1101, "Parameter too big")),
        ("smua.source.levelv = 'high'", (-104, "Data type error")),
        ("smua.source.levelv = nil", (-104, "Data type error")),
        ("smua.source.output = 3", (1101, "Parameter too big")),
        ("smua.source.settling = 5", (1101, "Parameter too big")),
        ("smua.measure.nplc = 0.0005", (1102, "Parameter too small")),
        ("smua.measure.nplc = 26", (1101, "Parameter too big")),
        ("smua.measure.rangei = 2", (1101, "Parameter too big")),
        ("smua.measure.filter.count = 101", (1101, "Parameter too big")),
        ("smua.measure.interval = 2", (1101, "Parameter too big")),
        ("smua.sense = 3", (5011, "SMU A: Operation not permitted while cal is locked")),
        ("smub.sense = 3", (5011, "SMU B: Operation not permitted while cal is locked")),
        ("digio.trigger[1].mode = 9", (1800, "Invalid digital trigger mode")),
        ("digio.readbit(15)", (1801, "Invalid digital I/O line")),
        ("digio.trigger[1].stimulus = 1.5", (-224, "Illegal parameter value")),
        ("trigger.timer[1].delay = 1e-7", (1102, "Parameter too small")),
        ("trigger.timer[1].delaylist = {1e-6, 2e-6}", (2500, "Average delay must be at least 5e-05 seconds")),
        ("format.data = 4", (1406, "Invalid data format")),
        ("format.byteorder = 2", (1404, "Invalid byte order")),
        ("delay()", (1400, "Expected at least 1 parameters")),
        ("smua.measure.i(5)", (1401, "Parameter 1 is invalid")),
        ("smua.trigger.measure.iv(smua.nvbuffer1)", (1400, "Expected at least 2 parameters")),
        ("smua.trigger.source.listv({})", (1401, "Parameter 1 is invalid")),
        ("smua.trigger.source.listv({1, 300})", (1101, "Parameter too big")),
        ("smua.trigger.source.logv(-1, 1, 5, 0)", (1401, "Parameter 4 is invalid")),
        ("printbuffer(1, 2, 3)", (1401, "Parameter 3 is invalid")),
        ("smua.nvbuffer1.timestampresolution = 1e-9", (5047, "Minimum timestamp resolution is 1us")),
        ("smua.makebuffer(1e9)", (-225, "Out of memory or TSP Memory allocation error")),
        ("smua.cal.date = 1", (5016, "SMU A: Cannot change cal date - unlock before operation")),
        ("smua.cal.unlock('wrong')", (5019, "SMU A: Cannot unlock - invalid password")),
        ("userstring.get('none')", (-292, "Referenced name does not exist")),
        ("localnode.linefreq = 55", (1101, "Parameter too big")),
        ("savebuffer(smua.nvbuffer1, 'csv', 'a.csv')", (2204, "Directory not found")),
    ],
)
def test_what_does_not_fit_is_refused_and_not_set(statement: str, error: tuple[int, str]) -> None:
    bench = Bench()
    target = statement.partition(" = ")[0] if " = " in statement else "1"
    before = bench.ask(target)
    bench.say(statement)
    assert bench.errors() == [error]
    assert bench.ask(target) == before or before.startswith("table")


def test_a_fixed_range_takes_no_level_beyond_101_percent(bench: Bench) -> None:
    bench.say("smua.source.rangev = 2 smua.source.levelv = 2.02")
    assert bench.errors() == [] and bench.number("smua.source.autorangev") == 0.0
    bench.say("smua.source.levelv = 2.03")
    assert bench.errors() == [(5005, "SMU A: Value too big for range")]
    bench.say("smua.source.rangev = 0.2")
    assert bench.errors() == [(5005, "SMU A: Value too big for range")]
    assert bench.numbers("print(smua.source.levelv, smua.source.rangev)") == [2.02, 2.0]


def test_an_automatic_range_follows_the_level_and_its_lower_bound(bench: Bench) -> None:
    assert bench.numbers("smua.source.levelv = 5 print(smua.source.rangev)") == [20.0]
    assert bench.numbers("smua.source.levelv = 0.1 print(smua.source.rangev)") == [0.2]
    assert bench.numbers("smua.source.lowrangev = 1 print(smua.source.rangev, smua.source.lowrangev)") == [2.0, 2.0]
    assert bench.numbers("smua.source.rangei = 5e-3 print(smua.source.rangei, smua.source.autorangei)") == [0.01, 0.0]


def test_nothing_is_set_outside_the_operating_boundaries(bench: Bench) -> None:
    unsafe = (5007, "SMU A: Operation would exceed safe operating area of the instrument")
    bench.say("smua.source.limiti = 1 smua.source.rangev = 200")
    assert bench.errors() == [unsafe] and bench.number("smua.source.rangev") == 0.2
    bench.say("smua.source.limiti = 0.1 smua.source.rangev = 200 smua.source.limiti = 0.2")
    assert bench.errors() == [unsafe] and bench.number("smua.source.limiti") == 0.1
    bench.say("smua.source.func = smua.OUTPUT_DCAMPS smua.source.limiti = 1 smua.source.func = smua.OUTPUT_DCVOLTS")
    assert bench.errors() == [unsafe] and bench.number("smua.source.func") == 0.0


@pytest.mark.parametrize(
    ("name", "value"), [("limiti", 1e-9), ("limiti", 1e-7), ("limiti", 1e-2), ("leveli", 1e-9), ("levelv", 1.23456789012)]
)
def test_levels_and_limits_arrive_with_all_their_digits(name: str, value: float) -> None:
    bench = Bench()
    bench.say(f"format.asciiprecision = 16 smua.source.{name} = {value!r}")
    assert bench.number(f"smua.source.{name}") == value and bench.errors() == []


def test_the_output_is_on_when_it_is_switched_on_and_off_when_reset(bench: Bench) -> None:
    bench.say("smua.source.levelv = 0.1 smua.source.output = 1")
    assert bench.world.output_on and bench.number("smua.source.output") == 1.0
    bench.say("smua.source.output = smua.OUTPUT_HIGH_Z")
    assert not bench.world.output_on and bench.number("smua.source.output") == 0.0
    bench.say("smua.source.output = 1")
    bench.say("smua.reset()")
    assert not bench.world.output_on and bench.number("smua.source.levelv") == 0.0
    bench.say("smua.source.output = 1 smua.source.limiti = 1e-3")
    bench.say("*RST")
    assert not bench.world.output_on and bench.number("smua.source.limiti") == 0.1


def test_a_lost_connection_changes_no_output(bench: Bench) -> None:
    bench.say("smua.source.output = 1")
    bench.port.close()
    bench.let(10.0)
    assert bench.world.output_on


def test_the_second_channel_is_there_and_connected_to_nothing(bench: Bench) -> None:
    bench.say("smub.source.levelv = 1 smub.source.output = 1")
    assert not bench.world.output_on
    amps, volts = bench.numbers("print(smub.measure.iv())")
    assert abs(amps) < 1e-9 and volts == pytest.approx(1.0, abs=1e-2)


def test_an_open_interlock_forbids_high_voltage_and_switches_it_off(bench: Bench) -> None:
    bench.say("smua.source.rangev = 200 smua.source.output = 1")
    assert bench.world.output_on
    bench.smu.set_interlock(closed=False, now_ns=bench.now_ns)
    assert not bench.world.output_on and bench.errors() == [(802, "OUTPUT blocked by interlock")]
    bench.say("smua.source.output = 1")
    assert not bench.world.output_on and bench.errors() == [(802, "OUTPUT blocked by interlock")]
    bench.say("smua.source.rangev = 2 smua.source.output = 1")
    assert bench.world.output_on and bench.errors() == []


# --- status model
def test_common_commands_and_the_status_byte(bench: Bench) -> None:
    assert bench.text("*ESR?") == "128" and bench.text("*ESR?") == "0"
    bench.say("*ESE 16")
    bench.say("*SRE 32")
    assert (bench.text("*ESE?"), bench.text("*SRE?"), bench.text("*STB?"), bench.text("*TST?")) == ("16", "32", "0", "0")
    bench.say("nosuch()")
    assert bench.text("*STB?") == str(4 | 32 | 64)
    assert bench.text("*ESR?") == "16" and bench.text("*STB?") == "4"
    bench.say("*CLS")
    assert bench.text("*STB?") == "0" and bench.number("errorqueue.count") == 0.0
    bench.say("*OPC")
    assert bench.text("*ESR?") == "1" and bench.text("*OPC?") == "1"


def test_an_enabled_event_is_seen_up_to_the_status_byte_until_it_is_read(bench: Bench) -> None:
    bench.ready()
    bench.say("status.measurement.current_limit.enable = status.measurement.current_limit.SMUA")
    bench.say("status.measurement.enable = status.measurement.ILMT status.request_enable = status.MSB")
    bench.say("smua.source.limiti = 1e-6 smua.measure.rangei = 1e-6 smua.measure.i()")
    assert bench.number("status.measurement.condition") == 2 and bench.number("status.condition") == 1 | 64
    bench.say("smua.source.levelv = 0 smua.measure.i()")
    assert bench.number("status.measurement.event") == 2.0 and bench.number("status.condition") == 0.0


def test_transition_filters_choose_which_change_is_an_event(bench: Bench) -> None:
    bench.say("status.operation.user.ptr = 0 status.operation.user.ntr = 5")
    bench.say("status.operation.user.condition = 7")
    assert bench.number("status.operation.user.event") == 0.0
    bench.say("status.operation.user.condition = 0")
    assert bench.number("status.operation.user.event") == 5.0
    assert bench.numbers("print(status.operation.user.BIT14, status.standard.EXE, status.system5.NODE64)") == [16384.0, 16.0, 256.0]


# --- the rest
def test_what_is_kept_is_kept(bench: Bench) -> None:
    bench.say("userstring.add('place', 'lab 5') display.settext('hello') setup.save(1)")
    assert bench.ask("userstring.get('place')", "display.gettext()") == "lab 5\thello               $N"
    bench.say("dataqueue.add(3) dataqueue.add('x')")
    assert bench.ask("dataqueue.count", "dataqueue.next()", "dataqueue.next()", "dataqueue.next(0.1)") == "2.00000e+00\t3.00000e+00\tx\tnil"


def test_a_setup_comes_back_with_the_output_off(bench: Bench) -> None:
    bench.say("smua.source.levelv = 1.5 smua.measure.nplc = 5 setup.save(2) smua.source.levelv = 0 smua.source.output = 1")
    bench.say("setup.recall(2)")
    assert bench.numbers("print(smua.source.levelv, smua.measure.nplc, smua.source.output)") == [1.5, 5.0, 0.0]


def test_calibration_is_locked_and_dated(bench: Bench) -> None:
    assert 1.7e9 < bench.number("smua.cal.date") < bench.number("os.time()")
    bench.say("smua.cal.unlock('KI0026XX') smua.cal.date = 1.75e9 smua.cal.due = 1.8e9")
    assert bench.numbers("print(smua.cal.date, smua.cal.due, smua.cal.state)") == [1.75e9, 1.8e9, 2.0]
    bench.say("smua.cal.lock()")
    assert bench.number("smua.cal.state") == 0.0


def test_time_and_bits(bench: Bench) -> None:
    assert bench.numbers("print(os.time({year = 2019, month = 3, day = 31, hour = 14, min = 25}))") == [1.55404e9]
    assert bench.numbers("print(bit.bitand(12, 10), bit.get(10, 4), bit.setfield(15, 2, 3, 5), bit.getfield(13, 2, 3))") == [8, 8, 11, 6]
    assert bench.ask("bit.test(10, 4)") == "true"


@pytest.mark.parametrize("date", ["year = 2019, month = 0, day = 1", "year = 2019, month = 3", "year = 1e400, month = 3, day = 1"])
def test_a_date_that_is_none_is_refused(bench: Bench, date: str) -> None:
    assert bench.ask(f"os.time({{{date}}})") == ""
    assert bench.errors() != []


def test_the_wall_passes_while_the_instrument_is_busy() -> None:
    bench = Bench(wall_ns=real)
    bench.ready()
    before = bench.now_ns
    bench.say("smua.measure.nplc = 25 smua.measure.i()")
    assert bench.now_ns - before >= 25 / 60 * 1e9
