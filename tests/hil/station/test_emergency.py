"""Stopping from outside, on own connections, while somebody else holds every instrument; and looking without touching."""

import time

import numpy as np
import pytest

from drivers.errors import DriverError, EmergencyStopped
from drivers.smu.values import SourceSettings
from hil.station import emergency
from hil.station.emergency import check_lab, clear_emergency, stop_everything
from hil.station.errors import NotInContact
from hil.station.station import Station, open_station
from tests.support.scripted_server import ScriptedServer
from tests.support.simulated_lab import CountedPulseIds, SimulatedLab, simulated_lab

ALL_SAFE = {"smu": "safe", "crossbar": "safe", "prober": "safe"}
DIE = (0, 0)


def at_work(sim: SimulatedLab) -> Station:
    """A station with everything on: needles down, a junction selected, the SMU driving it."""
    station = open_station(sim.lab, CountedPulseIds(), lambda: None)
    station.go_to(DIE)
    station.contact(DIE)
    instruments = station._instruments
    instruments.smu.configure(SourceSettings(limit_amps=1e-3))
    instruments.crossbar.select_junction(0, 1, 2)
    instruments.smu.output_on()
    instruments.smu.measure(0.1)
    assert not sim.safe
    return station


@pytest.mark.parametrize("latch", [True, False])
def test_everything_is_stopped_while_another_client_holds_it(sim: SimulatedLab, latch: bool):
    station = at_work(sim)
    sim.world.events.clear()
    started_s = time.monotonic()
    assert stop_everything(sim.lab, latch) == ALL_SAFE
    assert time.monotonic() - started_s < 2
    assert sim.safe
    events = sim.world.events
    assert events.index("needles up") > max(events.index("output off"), events.index("isolated"))
    with pytest.raises((DriverError, NotInContact)):
        station.read_kernel(0, 0.1, 1, "board")
    with pytest.raises((DriverError, NotInContact)):
        station.pulse(0, np.ones((4, 5), dtype=bool), 0.5, 1e-7)
    assert sim.safe
    station._instruments.close()


@pytest.mark.parametrize("latch", [True, False])
def test_a_kernel_under_way_when_everything_is_stopped_is_never_read_as_open_junctions(sim: SimulatedLab, latch: bool):
    station = at_work(sim)
    assert station.read_kernel(0, 0.1, 1, "board").flagged == 0
    stop_everything(sim.lab, latch)
    with pytest.raises((DriverError, NotInContact)):
        station.read_kernel(0, 0.1, 1, "board")
    station._instruments.close()


def test_an_smu_scan_under_way_when_everything_is_stopped_is_never_read_as_open_junctions(sim: SimulatedLab):
    stops: list[dict[str, str]] = []

    def stop_once_the_output_is_on() -> None:
        if sim.smu.output and not stops:
            stops.append(stop_everything(sim.lab, latch=False))

    station = open_station(sim.lab, CountedPulseIds(), stop_once_the_output_is_on)
    station.go_to(DIE)
    station.contact(DIE)
    with pytest.raises((DriverError, NotInContact)):
        station.read_kernel(0, 0.1, 1, "smu")
    assert stops == [ALL_SAFE]
    station.make_safe()
    station._instruments.close()


@pytest.mark.parametrize("latch", [True, False])
def test_once_the_stop_is_cleared_the_station_is_opened_again_and_works(sim: SimulatedLab, latch: bool):
    station = at_work(sim)
    stop_everything(sim.lab, latch)
    clear_emergency(sim.lab)
    assert station.make_safe() == ALL_SAFE
    station._instruments.close()
    with open_station(sim.lab, CountedPulseIds(), lambda: None) as station:
        station.go_to(DIE)
        station.contact(DIE)
        assert station.read_kernel(0, 0.1, 1, "board").flagged == 0
    assert sim.world.damage == []


def test_a_latched_stop_stays_until_someone_clears_it(sim: SimulatedLab):
    stop_everything(sim.lab, latch=True)
    with pytest.raises(EmergencyStopped, match="reset"):
        open_station(sim.lab, CountedPulseIds(), lambda: None)
    assert stop_everything(sim.lab, latch=False) == ALL_SAFE
    with pytest.raises(EmergencyStopped):
        open_station(sim.lab, CountedPulseIds(), lambda: None)
    clear_emergency(sim.lab)
    clear_emergency(sim.lab)
    with open_station(sim.lab, CountedPulseIds(), lambda: None) as station:
        station.go_to(DIE)
        station.contact(DIE)


def test_a_lab_that_is_already_safe_is_stopped_again_without_complaint(sim: SimulatedLab):
    assert stop_everything(sim.lab, latch=False) == ALL_SAFE
    assert stop_everything(sim.lab, latch=False) == ALL_SAFE


@pytest.mark.parametrize("gone", ["smu", "crossbar", "prober"])
def test_an_instrument_that_is_gone_is_reported_and_the_others_are_stopped_in_time(sim: SimulatedLab, gone: str):
    station = at_work(sim)
    started_s = time.monotonic()
    outcome = stop_everything(sim.without(gone), latch=True)
    assert time.monotonic() - started_s < 2
    assert "127.0.0.1" in outcome.pop(gone)
    assert set(outcome.values()) == {"safe"}
    station._instruments.close()


def test_an_smu_that_says_nothing_delays_the_controller_by_nothing_and_may_still_be_on(sim: SimulatedLab):
    station = at_work(sim)
    with ScriptedServer(lambda line: None) as silent:
        lab = sim.lab.model_copy(update={"smu": sim.lab.smu.model_copy(update={"address": silent.address})})
        outcome = stop_everything(lab, latch=True)
        assert silent.lines[0] == ":OUTP OFF"
    assert "treat the needles as live" in outcome["smu"]
    assert (outcome["crossbar"], outcome["prober"]) == ("safe", "safe")
    assert sim.world.selected[1] is None
    station._instruments.close()


def test_a_prober_that_says_nothing_is_given_up_within_the_hurrys_own_deadline(sim: SimulatedLab, monkeypatch: pytest.MonkeyPatch):
    assert emergency.HURRY_S + emergency.SEPARATE_S < 3.5
    monkeypatch.setattr(emergency, "SEPARATE_S", 0.2)
    station = at_work(sim)
    with ScriptedServer(lambda line: None) as silent:
        lab = sim.lab.model_copy(update={"prober": sim.lab.prober.model_copy(update={"address": silent.address})})
        started_s = time.monotonic()
        outcome = stop_everything(lab, latch=False)
        assert time.monotonic() - started_s < 1.5
        assert silent.lines == ["*RCS 1", "move_chuck_separation "] * 2, "tried twice, and never stopped on its way down"
    assert (outcome["smu"], outcome["crossbar"]) == ("safe", "safe")
    assert "no answer to 'move_chuck_separation '" in outcome["prober"]
    station._instruments.close()


def test_smu_and_controller_are_told_before_the_prober_has_separated(sim: SimulatedLab):
    station = at_work(sim)
    told: list[tuple[dict[str, str], bool]] = []
    outcome = stop_everything(sim.lab, False, lambda so_far: told.append((so_far, sim.world.needles.touching)))
    assert told == [({"smu": "safe", "crossbar": "safe", "prober": "separating"}, True)]
    assert outcome == ALL_SAFE
    station._instruments.close()


def test_a_listener_that_fails_does_not_keep_the_needles_down(sim: SimulatedLab):
    station = at_work(sim)

    def fail(_: dict[str, str]) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        stop_everything(sim.lab, latch=False, progress=fail)
    assert sim.safe
    station._instruments.close()


# --- looking
def test_checking_identifies_everything_and_changes_nothing(sim: SimulatedLab):
    station = at_work(sim)
    before = sim.seen_from_outside()
    results = {result.instrument: result for result in check_lab(sim.lab)}
    assert sim.seen_from_outside() == before
    assert all(result.ok for result in results.values())
    assert "2450" in results["smu"].text
    assert "simulated" in results["prober"].text
    assert results["crossbar"].address == sim.lab.crossbar.address
    assert station.read_kernel(0, 0.1, 1, "board").flagged == 0, "the session at work stays what it is"
    station._instruments.close()


@pytest.mark.parametrize("gone", ["smu", "crossbar", "prober"])
def test_an_address_where_nothing_listens_is_named_and_hides_no_other(sim: SimulatedLab, gone: str):
    lab = sim.without(gone)
    results = {result.instrument: result for result in check_lab(lab)}
    assert not results[gone].ok
    assert getattr(lab, gone).address.removeprefix("socket://") in results[gone].text
    assert [result.ok for name, result in results.items() if name != gone] == [True, True]


NONSENSE: list[bytes | None] = [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00\xff\x00\n", None]


@pytest.mark.parametrize("instrument", ["smu", "crossbar", "prober"])
@pytest.mark.parametrize("answer", NONSENSE, ids=["another protocol", "garbage", "silence"])
def test_an_instrument_that_answers_nonsense_is_named_with_what_to_do(sim: SimulatedLab, instrument: str, answer: bytes | None):
    with ScriptedServer(lambda line: answer, greeting=answer or b"" if instrument == "crossbar" else b"") as server:
        port = server.address.split("::")[2]
        address = f"socket://127.0.0.1:{port}" if instrument == "crossbar" else server.address
        section = getattr(sim.lab, instrument).model_copy(update={"address": address, "timeout_s": 0.3})
        result = {each.instrument: each for each in check_lab(sim.lab.model_copy(update={instrument: section}))}[instrument]
    assert not result.ok
    assert "127.0.0.1" in result.text
    assert "lab.toml" in result.text


def test_an_unknown_driver_is_a_finding_and_not_a_crash(sim: SimulatedLab):
    lab = sim.lab.model_copy(update={"smu": sim.lab.smu.model_copy(update={"driver": "hp4145"})})
    result = {each.instrument: each for each in check_lab(lab)}["smu"]
    assert not result.ok
    assert "known drivers: hil-link, keithley2450, keithley2600, sentio" in result.text
    assert stop_everything(lab, latch=False)["smu"] != "safe"


def test_a_chip_of_another_size_is_a_finding(sim: SimulatedLab):
    lab = sim.lab.model_copy(update={"chip": sim.lab.chip.model_copy(update={"rows": 25})})
    result = {each.instrument: each for each in check_lab(lab)}["crossbar"]
    assert not result.ok
    assert "lab.toml says (2, 25, 5)" in result.text


def test_a_cold_prober_without_any_height_is_lowered_to_the_bottom_of_its_axis():
    with simulated_lab(cold=True) as sim:
        assert all(result.ok for result in check_lab(sim.lab))
        sim.world.move_chuck_z(sim.world.needles.contact_z_um)
        assert stop_everything(sim.lab, latch=False) == {"smu": "safe", "crossbar": "safe", "prober": "safe"}
        assert sim.world.needles.z_um == 0.0
