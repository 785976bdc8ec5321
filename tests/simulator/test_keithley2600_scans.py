"""Scans of the simulated 2636B, a reading for every edge; time is told, nothing sleeps."""

from itertools import pairwise

import pytest

from tests.simulator.keithley2600_bench import Bench, fast, scan

EDGES_IN = 20_000
CYCLE_NS = 89_286
"""1/11,200 s."""


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    made.ready()
    return made


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
