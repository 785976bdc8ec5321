"""The three instruments as one, on the simulated lab: verified, recorded, and safe however it is left."""

import json
import math
import time
from dataclasses import replace

import numpy as np
import pytest

from drivers.errors import ConnectFailed, DriverError, OverLimit, PositionNotVerified, Refused
from drivers.prober.sentio import open_sentio
from drivers.smu.keithley2450 import open_keithley2450
from drivers.smu.values import SourceSettings
from firmware_protocol.codes import Route
from hil.station.errors import NotInContact, NotMadeSafe, WrongChip
from hil.station.reading import BoardWriting
from hil.station.station import Station, open_station
from tests.support.scripted_server import ScriptedServer
from tests.support.simulated_lab import SEED, CountedPulseIds, SimulatedLab, simulated_lab

DIE = (0, 0)
WRITING = BoardWriting(0.1, 4, pulse_volts=0.8, pulse_s=1e-6, max_pulses=20, tolerance_siemens=60e-6, slack_siemens=10e-6)


class Stop(Exception):
    pass


def opened(sim: SimulatedLab, checkpoint=lambda: None, **limits: float) -> Station:
    return open_station(sim.with_limits(**limits), CountedPulseIds(), checkpoint, monotonic=lambda: 0.0)


def in_contact(sim: SimulatedLab, checkpoint=lambda: None, **limits: float) -> Station:
    station = opened(sim, checkpoint, **limits)
    station.go_to(DIE)
    station.contact(DIE)
    return station


# --- opening
def test_opening_changes_nothing_that_the_instruments_drive(sim: SimulatedLab):
    sim.world.touch((-1, 0))
    sim.smu.set_output(True)
    before = sim.seen_from_outside()
    station = opened(sim)
    assert sim.seen_from_outside() == before
    station._instruments.close()
    assert sim.seen_from_outside() == before


@pytest.mark.parametrize("instrument", ["smu", "crossbar", "prober"])
def test_an_instrument_that_is_not_there_is_named_and_the_others_are_let_go(sim: SimulatedLab, instrument: str):
    lab = sim.without(instrument)
    with pytest.raises(ConnectFailed, match=r"127\.0\.0\.1"):
        open_station(lab, CountedPulseIds(), lambda: None)
    with opened(sim):
        pass


def test_a_chip_of_another_size_is_refused(sim: SimulatedLab):
    lab = sim.lab.model_copy(update={"chip": sim.lab.chip.model_copy(update={"rows": 25})})
    with pytest.raises(WrongChip, match=r"addresses \(2, 4, 5\).*lab\.toml says \(2, 25, 5\)"):
        open_station(lab, CountedPulseIds(), lambda: None)


def test_the_controller_itself_refuses_what_the_lab_forbids(sim: SimulatedLab):
    with in_contact(sim, device_volts=0.5) as station, pytest.raises(Refused):
        station._instruments.crossbar.pulse(0, np.ones((4, 5), dtype=bool), 0.6, 1e-7)


# --- moving
def test_every_die_is_reached_and_no_unknown_one(sim: SimulatedLab):
    with opened(sim) as station:
        for die in sim.lab.wafer.dies:
            station.go_to(die)
            assert sim.world.needles.die_below == die
        with pytest.raises(NotInContact, match=r"\(9, 9\) is not on the wafer map of lab\.toml, which has 4 dies"):
            station.go_to((9, 9))
    assert sim.world.damage == []


def test_a_wafer_that_lies_elsewhere_than_lab_toml_says_is_found_out(sim: SimulatedLab):
    lab = sim.lab.model_copy(update={"wafer": sim.lab.wafer.model_copy(update={"pitch_um": (9_900.0, 10_000.0)})})
    with open_station(lab, CountedPulseIds(), lambda: None) as station, pytest.raises(PositionNotVerified, match="pitch"):
        station.go_to((-1, 0))


# --- measuring
def test_both_paths_measure_the_same_junctions(sim: SimulatedLab):
    with in_contact(sim) as station:
        board = station.read_kernel(1, 0.1, 16, "board")
        smu = station.read_kernel(1, 0.1, 1, "smu")
        auto = station.read_kernel(1, 0.1, 16, "auto")
    assert board.siemens.dtype == np.float32
    assert (board.flagged, smu.flagged) == (0, 0)
    assert board.siemens == pytest.approx(smu.siemens, rel=0.1)
    assert auto.siemens == pytest.approx(board.siemens, rel=0.05)
    assert sim.world.damage == []


def test_a_junction_that_makes_the_smu_limit_is_nan_and_counted_never_a_number(sim: SimulatedLab):
    with in_contact(sim) as station:
        amps = 0.1 * np.sort(station.read_kernel(0, 0.1, 16, "smu").siemens, axis=None)
        between = float(amps[9] + amps[10]) / 2
        station.lab = sim.with_limits(current_amps=between)
        flagged = station.read_kernel(0, 0.1, 1, "smu")
    assert 5 <= flagged.flagged <= 15
    assert np.isnan(flagged.siemens).sum() == flagged.flagged


def test_a_saturated_junction_on_the_board_is_nan_and_counted(sim: SimulatedLab, monkeypatch: pytest.MonkeyPatch):
    seen = sim.world.read_kernel_amps

    def with_one_beyond_the_converter(kernel: int, read_volts: float, averages: int):
        amps = seen(kernel, read_volts, averages)
        amps[1, 2] = 0.05
        return amps

    monkeypatch.setattr(sim.world, "read_kernel_amps", with_one_beyond_the_converter)
    with in_contact(sim) as station:
        reading = station.read_kernel(0, 0.1, 1, "board")
    assert math.isnan(reading.siemens[1, 2])
    assert reading.flagged == 1


def test_pulses_switch_and_say_which_were_executed(sim: SimulatedLab):
    everything = np.ones((4, 5), dtype=bool)
    with in_contact(sim) as station:
        for volts in (0.8, 0.8, 0.8):
            assert station.pulse(0, everything, volts, 1e-6).all()
        parallel = station.read_kernel(0, 0.1, 16, "board").siemens
        for volts in (-0.8, -0.8, -0.8):
            station.pulse(0, everything, volts, 1e-6)
        antiparallel = station.read_kernel(0, 0.1, 16, "board").siemens
        assert (parallel > 1.3 * antiparallel).mean() > 0.9
        none = station.pulse(0, np.zeros((4, 5), dtype=bool), 0.8, 1e-6)
        assert not none.any()


def test_the_board_brings_junctions_to_their_targets_and_leaves_the_others_alone(sim: SimulatedLab):
    targets = np.full((4, 5), 335e-6)
    targets[0], targets[1] = 186e-6, np.nan
    before = sim.world.wafer.die(DIE).state_p[0].copy()
    with in_contact(sim) as station:
        assert station.board_writes
        written = station.write_verify(0, targets, WRITING)
        asked = station.snapshot()["crossbar"]["pulses"]
    state_p = sim.world.wafer.die(DIE).state_p[0]
    assert not state_p[0].any() and state_p[2:].all()
    assert (state_p[1] == before[1]).all() and not written.pulses[1].any()
    assert np.abs(written.found.siemens[[0, 2, 3]] - targets[[0, 2, 3]]).max() <= 70e-6
    assert (written.found.flagged, int(written.pulses.sum())) == (0, asked)


def test_a_stop_comes_through_while_the_board_writes_and_leaves_the_station_safe(sim: SimulatedLab):
    passed: list[str] = []

    def checkpoint() -> None:
        passed.append("before" if not passed else "while it writes")
        if armed and len(passed) > 1:
            raise Stop

    armed: list[bool] = []
    with pytest.raises(Stop), in_contact(sim, checkpoint) as station:
        armed.append(True)
        passed.clear()
        station.write_verify(0, np.full((4, 5), 335e-6), WRITING)
    assert passed == ["before", "while it writes"]
    assert sim.safe


def test_a_product_is_the_sum_of_the_currents(sim: SimulatedLab):
    with in_contact(sim) as station:
        siemens = station.read_kernel(0, 0.1, 64, "board").siemens
        inputs = np.array([[0.02, 0.0, 0.0, 0.0], [0.02, 0.02, 0.02, 0.02]])
        amps = station.vmm(0, inputs, "rows")
    assert amps.shape == (2, 5)
    assert amps == pytest.approx(inputs @ siemens, rel=0.15, abs=1e-6)


@pytest.mark.parametrize(
    "action",
    [
        lambda station: station.read_kernel(0, 0.1, 1, "board"),
        lambda station: station.read_kernel(0, 0.1, 1, "smu"),
        lambda station: station.pulse(0, np.ones((4, 5), dtype=bool), 0.5, 1e-7),
        lambda station: station.vmm(0, np.zeros((1, 4)), "rows"),
        lambda station: station.write_verify(0, np.full((4, 5), 335e-6), WRITING),
    ],
    ids=["board", "smu", "pulse", "vmm", "write"],
)
def test_nothing_is_measured_on_a_die_that_is_not_in_verified_contact(sim: SimulatedLab, action):
    with opened(sim) as station:
        sim.world.touch(DIE)  # the needles happen to be down, but nobody verified it
        with pytest.raises(NotInContact, match="no die is in verified contact"):
            action(station)
        station.go_to(DIE)
        with pytest.raises(NotInContact):
            action(station)
        station.contact(DIE)
        station.make_safe()
        with pytest.raises(NotInContact):
            action(station)


def test_a_chuck_lifted_at_the_panel_is_found_out_before_the_next_kernel(sim: SimulatedLab):
    with in_contact(sim) as station:
        station.read_kernel(0, 0.1, 1, "board")
        sim.world.lift()
        with pytest.raises(NotInContact, match=r"separated: somebody moved it\. Touch down again"):
            station.read_kernel(1, 0.1, 1, "board")
        with pytest.raises(NotInContact):
            station.read_kernel(0, 0.1, 1, "board")


class SomebodyElse:
    """A second client of the prober. lift: lower the chuck; raise_again: the needles are down when it is done."""

    def __init__(self, sim: SimulatedLab) -> None:
        self._address = sim.lab.prober.address

    def lift(self, raise_again: bool) -> None:
        prober = open_sentio(self._address)
        prober.separate()
        if raise_again:
            prober.contact()
        prober.close()


@pytest.mark.parametrize("raise_again", [False, True], ids=["stays up", "touches again"])
def test_smu_readings_whose_contact_was_lost_midway_never_leave_the_station(sim: SimulatedLab, raise_again: bool):
    readings: list[bool] = []

    def lift_at_the_seventh_junction() -> None:
        readings.append(sim.smu.output)
        if sum(readings) == 7 and sim.smu.output:
            SomebodyElse(sim).lift(raise_again)

    with in_contact(sim, lift_at_the_seventh_junction) as station:
        station.lab = sim.without_trigger_lines
        with pytest.raises(NotInContact, match=r"somebody moved it\. Touch down again; what was just measured is discarded"):
            station.read_kernel(0, 0.1, 1, "smu")
        assert not sim.smu.output
        with pytest.raises(NotInContact, match="no die is in verified contact"):
            station.read_kernel(0, 0.1, 1, "smu")


WHILE_THE_BOARD_WORKS = {
    "read_kernel_amps": lambda station: station.read_kernel(0, 0.1, 1, "board"),
    "vmm_amps": lambda station: station.vmm(0, np.full((1, 4), 0.05), "rows"),
    "pulse": lambda station: station.pulse(0, np.ones((4, 5), dtype=bool), 0.5, 1e-7),
}


@pytest.mark.parametrize("touch_again", [False, True], ids=["stays up", "touches again"])
@pytest.mark.parametrize("work", list(WHILE_THE_BOARD_WORKS))
def test_a_contact_lost_while_the_board_works_never_leaves_the_station(
    sim: SimulatedLab, monkeypatch: pytest.MonkeyPatch, work: str, touch_again: bool
):
    undisturbed = getattr(sim.world, work)

    def with_the_chuck_lowered(*arguments: object) -> object:
        z_um = sim.world.needles.z_um
        sim.world.lift()
        done = undisturbed(*arguments)
        if touch_again:
            sim.world.move_chuck_z(z_um)
        return done

    with in_contact(sim) as station:
        WHILE_THE_BOARD_WORKS[work](station)
        monkeypatch.setattr(sim.world, work, with_the_chuck_lowered)
        with pytest.raises(NotInContact, match="discarded"):
            WHILE_THE_BOARD_WORKS[work](station)


@pytest.mark.parametrize("path", ["board", "smu"])
def test_proving_the_contact_costs_two_questions_a_kernel(sim: SimulatedLab, path: str):
    with in_contact(sim) as station:
        before = station.wires()["prober"]["sent"]
        station.read_kernel(0, 0.1, 1, path)
        station.read_kernel(1, 0.1, 1, path)
        assert station.wires()["prober"]["sent"] - before == 4


def test_by_command_no_junction_is_switched_under_bias(sim: SimulatedLab):
    with in_contact(sim) as station:
        station.lab = sim.without_trigger_lines
        sim.world.events.clear()
        station.read_kernel(0, 0.3, 1, "smu")
        assert sim.world.events.count("junction") == 20
        assert "hot switch" not in sim.world.events


@pytest.mark.parametrize("path", ["board", "smu"])
def test_a_current_without_a_voltage_is_flagged_and_never_infinite(sim: SimulatedLab, monkeypatch: pytest.MonkeyPatch, path: str):
    with in_contact(sim, smallest_read_volts=1e-9) as station:
        station.lab = station.lab.model_copy(update={"smu": sim.without_trigger_lines.smu})
        channel = sim.smu.instrument.channel
        measured = channel.finish
        monkeypatch.setattr(channel, "finish", lambda end_ns: measured(end_ns)._replace(volts=0.0))
        reading = station.read_kernel(0, 1e-7, 1, path)
    assert np.isnan(reading.siemens).all()
    assert reading.flagged == 20


@pytest.mark.parametrize(("read_volts", "range_volts"), [(0.02, 0.02), (-0.1, 0.2), (0.3, 2.0)])
def test_the_smu_itself_reaches_no_further_than_the_reading_needs(sim: SimulatedLab, read_volts: float, range_volts: float):
    with in_contact(sim) as station:
        station.read_kernel(0, read_volts, 1, "smu")
        assert sim.smu.number("SOURCE_RANGE", "VOLT") == range_volts
        with pytest.raises(OverLimit, match=r"is beyond the limit of 0\.3 V"):
            station._instruments.smu.measure(0.31)


@pytest.mark.parametrize(
    "action",
    [
        lambda station: station.read_kernel(0, 0.0009, 1, "board"),
        lambda station: station.read_kernel(0, 0.31, 1, "board"),
        lambda station: station.read_kernel(0, math.nan, 1, "smu"),
        lambda station: station.read_kernel(0, 0.1, 1001, "board"),
        lambda station: station.pulse(0, np.ones((4, 5), dtype=bool), 1.1, 1e-7),
        lambda station: station.pulse(0, np.ones((4, 5), dtype=bool), 0.5, 1.0),
        lambda station: station.vmm(0, np.full((1, 4), 0.4), "rows"),
        lambda station: station.write_verify(0, np.full((4, 5), 335e-6), replace(WRITING, read_volts=0.31)),
        lambda station: station.write_verify(0, np.full((4, 5), 335e-6), replace(WRITING, averages=1001)),
        lambda station: station.write_verify(0, np.full((4, 5), 335e-6), replace(WRITING, pulse_volts=1.1)),
    ],
)
def test_a_value_beyond_the_labs_limits_is_refused_before_anything_is_sent(sim: SimulatedLab, action):
    with in_contact(sim) as station:
        before = station.wires()
        with pytest.raises(OverLimit, match=r"limits\."):
            action(station)
        assert station.wires()["smu"] == before["smu"]
        assert station.wires()["crossbar"]["sent"] <= before["crossbar"]["sent"] + 1  # a keep-alive at most


# --- stopping
def test_a_stop_in_the_middle_of_a_kernel_leaves_everything_safe(sim: SimulatedLab):
    calls: list[bool] = []

    def stop_in_the_middle() -> None:
        calls.append(sim.smu.output)
        if sum(calls) == 7:
            raise Stop

    with pytest.raises(Stop), in_contact(sim, stop_in_the_middle) as station:
        station.lab = sim.without_trigger_lines
        station.read_kernel(0, 0.1, 1, "smu")
    assert sim.safe
    assert sim.world.damage == []


def test_make_safe_goes_smu_controller_prober_and_says_so(sim: SimulatedLab):
    with in_contact(sim) as station:
        drive(station)
        sim.world.events.clear()
        assert station.make_safe() == {"smu": "safe", "crossbar": "safe", "prober": "safe"}
        assert sim.safe
        wanted = iter(sim.world.events)
        assert all(event in wanted for event in ("output off", "isolated", "needles up"))
        assert station.make_safe() == {"smu": "safe", "crossbar": "safe", "prober": "safe"}, "again at once"


def test_an_smu_that_says_nothing_holds_the_controller_up_by_a_moment_only(sim: SimulatedLab, monkeypatch: pytest.MonkeyPatch):
    station = in_contact(sim)
    station._instruments.crossbar.select_junction(0, 1, 2)
    isolated_s: list[float] = []
    select = sim.world.select

    def timed(route: Route, device: int | None) -> None:
        select(route, device)
        isolated_s.append(time.monotonic())

    monkeypatch.setattr(sim.world, "select", timed)
    with ScriptedServer(lambda line: None) as silent:
        deaf = open_keithley2450(silent.address, 0.4)
        monkeypatch.setattr(station, "_instruments", replace(station._instruments, smu=deaf))
        started_s = time.monotonic()
        outcome = station.make_safe()
        took_s = time.monotonic() - started_s
        assert silent.lines[0] == ":OUTP OFF"
        deaf.close()
    assert isolated_s[0] - started_s < took_s / 2, "the controller was isolated while the SMU was still being waited for"
    assert "treat the needles as live" in outcome.pop("smu")
    assert set(outcome.values()) == {"safe"}
    monkeypatch.undo()
    station._instruments.close()


def test_nobody_who_holds_the_prober_can_keep_the_needles_down(sim: SimulatedLab):
    with in_contact(sim) as station:
        other = open_sentio(sim.lab.prober.address)
        other._session.take_control()
        assert station.make_safe() == {"smu": "safe", "crossbar": "safe", "prober": "safe"}
        assert not sim.world.needles.touching
        other.close()


def drive(station: Station) -> None:
    """Everything on: the state in which make_safe matters."""
    instruments = station._instruments
    instruments.smu.configure(SourceSettings(limit_amps=1e-3))
    instruments.crossbar.select_junction(0, 1, 2)
    instruments.smu.output_on()
    instruments.smu.measure(0.1)


@pytest.mark.parametrize("broken", ["smu", "crossbar", "prober"])
def test_make_safe_goes_on_when_one_instrument_is_gone_and_reports_it(sim: SimulatedLab, broken: str):
    station = in_contact(sim)
    drive(station)
    sim.switch_off(broken)
    outcome = station.make_safe()
    assert "127.0.0.1" in outcome[broken]
    assert [text for name, text in outcome.items() if name != broken] == ["safe", "safe"]
    with pytest.raises(NotMadeSafe, match=f"not verified safe: {broken}"), station:
        pass


def test_what_could_not_be_made_safe_is_noted_on_the_error_that_was_under_way(sim: SimulatedLab):
    with pytest.raises(Stop) as failure, in_contact(sim):
        sim.switch_off("smu")
        raise Stop
    assert any("not verified safe: smu" in note for note in failure.value.__notes__)


def test_the_emergency_stop_latches_the_controller(sim: SimulatedLab):
    with in_contact(sim) as station:
        drive(station)
        assert station.emergency_stop() == {"smu": "safe", "crossbar": "safe", "prober": "safe"}
        assert sim.safe
        assert station.snapshot()["crossbar"]["state"] == "ESTOPPED"


# --- what it says of itself
def test_one_simulated_instrument_makes_everything_simulated(sim: SimulatedLab):
    with opened(sim) as station:
        provenance = station.provenance()
    assert provenance["origin"] == {"simulated": True, "seed": SEED}
    assert set(provenance["instruments"]) == {"smu", "crossbar", "prober"}
    assert provenance["instruments"]["smu"]["serial"] == f"SIM{SEED}"
    assert provenance["temperature_c"] == 25.0


def test_the_snapshot_is_json_and_shows_what_is_going_on(sim: SimulatedLab):
    with in_contact(sim) as station:
        drive(station)
        shown = json.loads(json.dumps(station.snapshot(), allow_nan=False))
        assert shown["die_in_contact"] == [0, 0]
        assert shown["smu_output_on"] is True
        assert shown["crossbar"]["selected"] == [0, 1, 2]
        assert all(each["connected"] for each in shown["instruments"].values())
        station.make_safe()
        assert station.snapshot()["die_in_contact"] is None


def test_the_snapshot_shows_an_instrument_that_is_gone(sim: SimulatedLab):
    station = opened(sim)
    sim.switch_off("smu")
    shown = station.snapshot()
    assert shown["instruments"]["smu"]["connected"] is False
    assert "127.0.0.1" in shown["instruments"]["smu"]["error"]
    assert shown["smu_output_on"] is None
    assert shown["instruments"]["prober"]["connected"] is True
    station._instruments.close()


def test_the_wires_count_what_went_over_them(sim: SimulatedLab):
    with in_contact(sim) as station:
        station.lab = sim.without_trigger_lines
        before = station.wires()
        station.read_kernel(0, 0.1, 1, "smu")
        after = station.wires()
    assert after["smu"]["sent"] - before["smu"]["sent"] >= 20, "one message a junction at least"
    assert after["crossbar"]["sent"] - before["crossbar"]["sent"] >= 20, "one selection a junction at least"
    assert {name: wire["unit"] for name, wire in after.items()} == {
        "smu": "SCPI messages",
        "crossbar": "frames",
        "prober": "prober commands",
    }


def test_a_cold_prober_is_told_apart_from_a_broken_one():
    with simulated_lab(cold=True) as sim:
        station = opened(sim)
        with pytest.raises(DriverError, match="home position is not set"):
            station.go_to(DIE)
        assert station.snapshot()["prober"]["contact_set"] is False
        station._instruments.close()
