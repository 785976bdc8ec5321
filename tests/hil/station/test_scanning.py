"""The triggered scan on simulated controller and SMU over real sockets: who is wired to whom only the counts can prove."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import numpy as np
import pytest

from drivers.errors import EmergencyStopped, LinkTimeout
from drivers.smu.keithley2450_scanning import Keithley2450Scan
from firmware_protocol.codes import Route
from firmware_protocol.geometry import Geometry
from hil.station import scanning
from hil.station.errors import NotInContact, ScanRefused
from hil.station.instruments import Instruments, open_crossbar, open_crossbar_for_safety, open_prober, open_smu
from hil.station.reading import through_the_smu
from hil.station.scanning import scan
from hil.station.smu_path import SmuRead, SmuReadings, can_scan
from hil.station.station import open_station
from simulator.trigger import TriggerLine
from tests.support.simulated_lab import CountedPulseIds, SimulatedLab, simulated_lab

DIE = (0, 0)
GEOMETRY = Geometry(2, 25, 25)
HOW = SmuRead(0.1, nplc=1.0)


class Stop(Exception):
    pass


@pytest.fixture
def sim() -> Iterator[SimulatedLab]:
    with simulated_lab(geometry=GEOMETRY) as running:
        running.world.touch(DIE)
        yield running


@contextmanager
def bench(sim: SimulatedLab) -> Iterator[Instruments]:
    with ExitStack() as opened:
        smu, crossbar, prober = (
            opened.enter_context(closing(each))
            for each in (open_smu(sim.lab), open_crossbar(sim.lab, CountedPulseIds()), open_prober(sim.lab))
        )
        smu.identify()
        yield Instruments(smu, crossbar, prober)


def scanned(sim: SimulatedLab, first: int = 0, count: int = 625, checkpoint: Callable[[], None] = lambda: None) -> SmuReadings:
    with bench(sim) as instruments:
        try:
            return scan(instruments, sim.lab, first, count, HOW, checkpoint)
        finally:
            assert not instruments.smu.output_is_on()
            assert sim.world.selected == (Route.NONE, None)


def truth(sim: SimulatedLab) -> np.ndarray:
    """(devices,) S."""
    die = sim.world.wafer.die(DIE)
    return np.where(die.state_p, die.cell_siemens(True, 0.1), die.cell_siemens(False, 0.1)).reshape(-1)


def on_edge(line: TriggerLine, monkeypatch: pytest.MonkeyPatch, number: int, happens: Callable[[Callable[[int], None], int], Any]) -> None:
    """Instead of one edge of a wire, by its number. happens(carry, now_ns): carry is what the wire would do."""
    carry, seen = line.edge, [0]

    def edge(now_ns: int) -> None:
        seen[0] += 1
        if seen[0] == number:
            happens(carry, now_ns)
        else:
            carry(now_ns)

    monkeypatch.setattr(line, "edge", edge)


def lost(_carry: Callable[[int], None], _now_ns: int) -> None:
    """The edge does not arrive."""


def doubled(carry: Callable[[int], None], now_ns: int) -> None:
    carry(now_ns)
    carry(now_ns)


# --- undisturbed
@pytest.mark.parametrize(("first", "count"), [(0, 625), (625, 625), (0, 1250), (1249, 1), (600, 60)])
def test_each_reading_is_its_own_junctions(sim: SimulatedLab, first: int, count: int) -> None:
    found = scanned(sim, first, count)
    assert not found.limited.any()
    assert found.amps / found.volts == pytest.approx(truth(sim)[first : first + count], rel=0.03)


def test_a_level_whose_limit_lies_between_two_ranges_is_scanned_with_the_lower_one(sim: SimulatedLab) -> None:
    """A 2450 holds a limit of 105.5 uA on no fixed range."""
    with bench(sim) as instruments:
        found = scan(instruments, sim.lab, 0, 625, SmuRead(0.1055, nplc=1.0), lambda: None)
    assert not found.limited.any()


def test_nothing_is_said_to_either_instrument_between_two_junctions(sim: SimulatedLab) -> None:
    with bench(sim) as instruments:
        before = instruments.smu.counts().sent, instruments.crossbar.counts().sent
        scan(instruments, sim.lab, 0, 1250, HOW, lambda: None)
        asked = instruments.smu.counts().sent - before[0], instruments.crossbar.counts().sent - before[1]
    assert asked[0] < 400 and asked[1] < 80, "1,260 readings were taken meanwhile"


def test_what_draws_more_than_the_scans_range_is_limited_there_and_read_once_more_by_itself(sim: SimulatedLab) -> None:
    sim.world.wafer.die(DIE).junctions.shunt_siemens[0, 3, 7] = 0.02
    sim.world.wafer.die(DIE).junctions.series_ohms[0, 3, 7] = 50.0
    assert np.flatnonzero(scanned(sim).limited).tolist() == [3 * 25 + 7]
    with bench(sim) as instruments:
        kernel = through_the_smu(instruments, sim.lab, 0, HOW, lambda: None)
    assert kernel.flagged == 0
    assert kernel.siemens.reshape(-1) == pytest.approx(truth(sim)[:625], rel=0.05)
    assert kernel.siemens[3, 7] > 5e-3


def test_a_lab_without_trigger_wires_does_not_scan(sim: SimulatedLab) -> None:
    with bench(sim) as instruments:
        assert can_scan(instruments, sim.lab)
        assert not can_scan(instruments, sim.without_trigger_lines)


# --- edges that get lost, or come when nobody expects them
@pytest.mark.parametrize("wire", ["ready", "measured"])
@pytest.mark.parametrize("number", [1, 2, 251, 400, 628])
def test_after_a_lost_edge_the_scan_goes_on_from_the_first_junction_without_a_reading(
    sim: SimulatedLab, monkeypatch: pytest.MonkeyPatch, wire: str, number: int
) -> None:
    on_edge(getattr(sim.world.trigger, wire), monkeypatch, number, lost)
    found = scanned(sim)
    assert found.amps / found.volts == pytest.approx(truth(sim)[:625], rel=0.03)


@pytest.mark.parametrize("number", [1, 300, 628])
def test_after_a_doubled_edge_to_the_controller_nothing_is_kept(sim: SimulatedLab, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    on_edge(sim.world.trigger.measured, monkeypatch, number, doubled)
    with pytest.raises(ScanRefused, match=r"628 steps, \d+ edges to the SMU, 629 edges back \(1 too early\), \d+ readings"):
        scanned(sim)


@pytest.mark.parametrize("number", [1, 300, 628])
def test_an_edge_to_the_smu_that_bounces_is_found_out(sim: SimulatedLab, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """From then on each reading would begin before its junction is connected."""
    on_edge(sim.world.trigger.ready, monkeypatch, number, doubled)
    with pytest.raises(ScanRefused, match=r"628 edges to the SMU, .*, 629 readings"):
        scanned(sim)


def test_an_edge_before_the_first_step_is_found_out_even_where_the_sentinel_is_open(
    sim: SimulatedLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    sim.world.wafer.die(DIE).junctions.series_ohms[...] = 1e12
    on_edge(sim.world.trigger.ready, monkeypatch, 1, doubled)
    with pytest.raises(ScanRefused, match="629 readings"):
        scanned(sim)


def test_a_wire_that_carries_nothing_is_found_out(sim: SimulatedLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanning, "_MOST_STRETCHES", 2)
    monkeypatch.setattr(sim.world.trigger.measured, "edge", lambda _now_ns: None)
    with pytest.raises(ScanRefused, match=r"0 of 625 junctions after 2 scans.*1 edges to the SMU, 0 edges back.*trigger_lines = false"):
        scanned(sim)


def test_a_junction_that_changes_under_the_sentinel_is_found_out(sim: SimulatedLab, monkeypatch: pytest.MonkeyPatch) -> None:
    die = sim.world.wafer.die(DIE)

    def flip(carry: Callable[[int], None], now_ns: int) -> None:
        die.state_p[0, 0, 0] = not die.state_p[0, 0, 0]
        carry(now_ns)

    on_edge(sim.world.trigger.ready, monkeypatch, 300, flip)
    with pytest.raises(ScanRefused, match=r"junction \(0, 0, 0\), measured 3 times between the others, differs by .* A \(628 steps"):
        scanned(sim)


# --- ended from outside
def test_what_the_checkpoint_raises_ends_the_scan_off_and_isolated(sim: SimulatedLab, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[bool] = []

    def stop_in_the_middle() -> None:
        calls.append(sim.smu.output)
        if any(calls) and len(calls) > 1:
            raise Stop

    on_edge(sim.world.trigger.measured, monkeypatch, 200, lost)  # so that it stands, and there is a middle
    with pytest.raises(Stop):
        scanned(sim, checkpoint=stop_in_the_middle)
    assert calls == [True, True], "before it began, and while it stood"


def test_an_emergency_stop_is_told_as_one(sim: SimulatedLab, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def stop_while_it_stands() -> None:
        calls.append(1)
        if len(calls) == 2:
            with closing(open_crossbar_for_safety(sim.lab, 1.0)) as other:
                other.emergency_stop()

    on_edge(sim.world.trigger.measured, monkeypatch, 200, lost)
    with pytest.raises(EmergencyStopped):
        scanned(sim, checkpoint=stop_while_it_stands)


@pytest.mark.parametrize("after", [100, 500])
def test_a_board_that_isolated_itself_goes_on_in_a_fresh_scan(sim: SimulatedLab, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    def dead_man(_carry: Callable[[int], None], now_ns: int) -> None:
        sim.crossbar.tick(now_ns + 10_000_000_000)

    on_edge(sim.world.trigger.measured, monkeypatch, after, dead_man)
    found = scanned(sim)
    assert found.amps / found.volts == pytest.approx(truth(sim)[:625], rel=0.03)


def test_readings_that_could_not_be_fetched_at_once_are_fetched_later(sim: SimulatedLab, monkeypatch: pytest.MonkeyPatch) -> None:
    read, asked = Keithley2450Scan.read, []

    def seldom(self: Keithley2450Scan) -> Any:
        asked.append(1)
        if len(asked) % 3:
            raise LinkTimeout("the line was lost on purpose")
        return read(self)

    monkeypatch.setattr(Keithley2450Scan, "read", seldom)
    found = scanned(sim)
    assert found.amps / found.volts == pytest.approx(truth(sim)[:625], rel=0.03)
    assert len(asked) >= 3


@pytest.mark.parametrize("number", [300, 628])
def test_a_contact_lost_during_a_scan_is_told_as_that_and_nothing_is_kept(
    sim: SimulatedLab, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    sim.world.lift()

    def lift(carry: Callable[[int], None], now_ns: int) -> None:
        sim.world.lift()
        carry(now_ns)

    with open_station(sim.lab, CountedPulseIds(), lambda: None) as station:
        station.go_to(DIE)
        station.contact(DIE)
        on_edge(sim.world.trigger.ready, monkeypatch, number, lift)
        with pytest.raises(NotInContact, match="discarded"):
            station.read_kernel(0, 0.1, 1, "smu")
