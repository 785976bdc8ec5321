"""The whole experiment against the simulated lab over real sockets, compared with what really is."""

import numpy as np
import pytest

from drivers.errors import OutcomeUnknown
from firmware_protocol.codes import Opcode
from hil.analysis.classify import RULE
from hil.model.defects import Defect
from hil.model.lab import LabConfig, load_lab
from hil.model.maps import ConductanceMap, DefectMap
from hil.model.runs import ContactMade, Event, MapMeasured, Noted, ObjectMeasured, StepMeasured
from hil.runs.errors import RunFailed
from hil.runs.execute import execute
from hil.runs.programming import LEFT, NOT_REACHED, OK, UNKNOWN
from hil.runs.write_verify import KernelWriter
from hil.station.errors import NotInContact
from hil.station.station import Station
from hil.store.protocol import Store
from tests.drivers.test_crossbar import losing
from tests.hil.runs.behind_relay import behind_relay
from tests.hil.runs.helpers import context_of, measured, opened, plan_of, steps_of
from tests.hil.runs.simulated_lab import GEOMETRY, SimulatedLab

HOME = (0, 0)
STEP = 6.1e-6
"""One code of the board's converter at 0.1 V, S."""


def _maps(events: list[Event]) -> dict[str, ConductanceMap | DefectMap]:
    """The maps of a single die by state."""
    return {event.map.state or "defects": event.map for event in events if isinstance(event, MapMeasured)}


def _pulses(station: Station) -> int:
    """Pulses the controller itself has counted."""
    return int(station.snapshot()["crossbar"]["pulses"])


def _dirty(lab: SimulatedLab) -> None:
    lab.world.needles.dirt_ohms = 1e6


def test_contact_check_touches_each_die_and_tells_its_resistance(lab: SimulatedLab, store: Store) -> None:
    with opened(lab.config, store) as station:
        events = measured(plan_of(kind="contact_check"), station)
    contacts = [event for event in events if isinstance(event, ContactMade)]
    assert {event.die for event in contacts} == set(lab.config.wafer.dies)
    assert all(1 < event.ohms < 100 for event in contacts)
    assert steps_of(events) == [0, 1]
    assert set(lab.world.needles.touchdowns_of_die) == set(lab.config.wafer.dies)


def test_a_kernel_is_proven_by_one_readback_however_many_commands_it_takes(lab: SimulatedLab, store: Store) -> None:
    asked: dict[str, int] = {}
    with opened(lab.config, store) as station:
        for kind in ("contact_check", "characterise"):
            before = station.wires()["prober"]["sent"]
            measured(plan_of(kind=kind, dies=[HOME]), station)
            asked[kind] = station.wires()["prober"]["sent"] - before
    assert asked["characterise"] - asked["contact_check"] <= 2 * GEOMETRY.kernels + 5


def test_nothing_is_kept_of_a_kernel_during_which_the_contact_was_lost(
    lab: SimulatedLab, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = lab.world.pulse

    def with_the_chuck_lowered(*arguments: object) -> None:
        undisturbed(*arguments)  # type: ignore[arg-type]
        lab.world.lift()

    events: list[Event] = []
    with opened(lab.config, store) as station:
        plan = plan_of(kind="characterise", dies=[HOME])
        monkeypatch.setattr(lab.world, "pulse", with_the_chuck_lowered)
        with pytest.raises(NotInContact, match="discarded"):
            for event in execute(plan, station, context_of(lab.config, plan), {}):
                events.append(event)  # noqa: PERF402 - kept although the generator raises
    assert not [event for event in events if isinstance(event, StepMeasured | MapMeasured)]


def test_read_maps_the_state_as_found_and_leaves_nan_where_it_did_not_read(lab: SimulatedLab, store: Store) -> None:
    before = lab.world.wafer.die(HOME).state_p.copy()
    with opened(lab.config, store) as station:
        found = _maps(measured(plan_of(kind="read", dies=[HOME], kernels=[3, 1], averages=16), station))["as_found"].array
    assert np.isnan(found[[0, 2]]).all()
    truth = np.where(before, lab.world.wafer.die(HOME).cell_siemens(True, 0.1), lab.world.wafer.die(HOME).cell_siemens(False, 0.1))
    assert np.max(np.abs(found[[1, 3]] - truth[[1, 3]]) / (2 * STEP + 0.03 * truth[[1, 3]])) < 1, "a board that nobody calibrated"
    np.testing.assert_array_equal(lab.world.wafer.die(HOME).state_p, before), "reading at 0.1 V disturbs nothing"


def test_characterise_finds_both_states_and_the_defects_that_are_there(lab: SimulatedLab, store: Store) -> None:
    with opened(lab.config, store) as station:
        maps = _maps(measured(plan_of(kind="characterise", dies=[HOME]), station))
    truth = lab.world.wafer.die(HOME).true_classes()
    codes = maps["defects"].array
    shorts_and_opens = np.isin(truth, (Defect.SHORT, Defect.OPEN))
    assert shorts_and_opens.any()
    assert np.mean(codes[shorts_and_opens] == truth[shorts_and_opens]) >= 0.99
    assert np.mean(codes[truth == Defect.GOOD] != Defect.GOOD) <= 1e-3
    good = truth == Defect.GOOD
    assert np.all(maps["P"].array[good] > maps["AP"].array[good])


def test_write_verify_brings_over_what_the_first_pulse_left_behind(lab: SimulatedLab, store: Store) -> None:
    weak = {"pulse_volts": 0.68, "dies": [HOME]}
    with opened(lab.config, store) as station:
        once = _maps(measured(plan_of(kind="characterise", max_pulses=1, **weak), station))
        often = _maps(measured(plan_of(kind="characterise", max_pulses=20, **weak), station))
    good = lab.world.wafer.die(HOME).true_classes() == Defect.GOOD

    def switched(maps: dict[str, ConductanceMap | DefectMap]) -> float:
        return float(np.mean((maps["P"].array - maps["AP"].array)[good] > 70e-6))

    assert switched(once) < 0.95
    assert switched(often) > 0.99


def test_every_map_says_how_where_and_by_what_it_was_measured(lab: SimulatedLab, store: Store) -> None:
    plan = plan_of(kind="characterise", dies=[HOME])
    with opened(lab.config, store) as station:
        maps = _maps(measured(plan, station))
    common = {
        "wafer": "W1", "x": 0, "y": 0, "run": "r1", "measured_at": "2026-01-02T00:00:00.000Z", "calibration": None, "path": "board",
        "read_volts": 0.1, "origin": {"simulated": True, "seed": 5}, "code_version": "test", "temperature_c": 25.0,
    }  # fmt: skip
    for state, each in maps.items():
        assert {name: each.meta[name] for name in common} == common
        assert set(each.meta["instruments"]) == {"prober", "smu", "crossbar"}
        assert each.meta["kind"] == each.kind
        assert each.meta["state"] == each.state
        assert each.meta["flagged"] == {"not_measured": 0, "unknown_pulses": 0, "saturated": 0}, state
    assert maps["defects"].meta["rule"] == RULE
    assert set(maps["defects"].meta["inputs"]) == {"P", "AP"}
    assert maps["defects"].meta["reference"]["source"] == "die"
    assert "duration_s" in maps["P"].meta
    assert len(maps["P"].meta["plan_hash"]) == 64


def test_program_writes_the_target_and_says_what_it_could_not_write(lab: SimulatedLab, store: Store) -> None:
    target = np.random.default_rng(1).choice(np.array([0, 1, 255], np.uint8), GEOMETRY.shape)
    die = lab.world.wafer.die(HOME)
    before = die.state_p.copy()
    with opened(lab.config, store) as station:
        events = measured(plan_of(kind="program", dies=[HOME], target={"object": "a" * 64}), station, {"a" * 64: target})
    (codes,) = [event.array for event in events if isinstance(event, ObjectMeasured)]
    truth, wanted = die.true_classes(), target != 255
    good = truth == Defect.GOOD
    assert np.all(codes[~wanted] == LEFT)
    np.testing.assert_array_equal(die.state_p[~wanted], before[~wanted])
    np.testing.assert_array_equal(die.state_p[good & wanted], target[good & wanted] == 1)
    assert np.mean(codes[good & wanted] == OK) > 0.999
    broken = wanted & np.isin(truth, (Defect.SHORT, Defect.OPEN))
    assert broken.any()
    assert np.all(codes[broken] == NOT_REACHED)
    reached = wanted & (codes == OK)
    np.testing.assert_array_equal(die.state_p[reached], target[reached] == 1)
    assert set(_maps(events)) == {"programmed"}


def test_program_without_verification_claims_nothing(lab: SimulatedLab, store: Store) -> None:
    target = np.full(GEOMETRY.shape, 255, np.uint8)
    target[0, 0, :5] = 1
    plan = plan_of(kind="program", dies=[HOME], target={"object": "a" * 64}, verify=False)
    with opened(lab.config, store) as station:
        events = measured(plan, station, {"a" * 64: target})
    (codes,) = [event.array for event in events if isinstance(event, ObjectMeasured)]
    assert np.all(codes[0, 0, :5] == UNKNOWN)
    assert np.count_nonzero(codes != LEFT) == 5


def test_vmm_gives_the_currents_of_the_dies_own_conductances(lab: SimulatedLab, store: Store) -> None:
    rng = np.random.default_rng(2)
    inputs = rng.uniform(-1, 1, (3, 25)).astype(np.float32)
    die = lab.world.wafer.die(HOME)
    with opened(lab.config, store) as station:
        events = measured(
            plan_of(kind="vmm", dies=[HOME], inputs={"object": "a" * 64}, kernels=[2, 0], read_volts=0.05), station, {"a" * 64: inputs}
        )
    (amps,) = [event.array for event in events if isinstance(event, ObjectMeasured)]
    assert (amps.shape, amps.dtype) == ((3, 2, 25), np.float32)
    siemens = np.where(die.state_p, die.cell_siemens(True, 0.05), die.cell_siemens(False, 0.05))
    for column, kernel in enumerate((2, 0)):
        expected = 0.05 * inputs @ siemens[kernel]
        assert np.nanmax(np.abs(amps[:, column] - expected)) < 0.05 * np.abs(expected).max() + 2e-6


def test_vmm_may_drive_each_kernel_with_its_own_inputs(lab: SimulatedLab, store: Store) -> None:
    inputs = np.zeros((2, 2, 25), np.float32)
    inputs[0, 0, 3], inputs[1, 1, 7] = 1.0, 1.0  # first vector: row 3 of kernel 2 alone; second: row 7 of kernel 0 alone
    die = lab.world.wafer.die(HOME)
    plan = plan_of(kind="vmm", dies=[HOME], inputs={"object": "a" * 64}, kernels=[2, 0], read_volts=0.1)
    with opened(lab.config, store) as station:
        events = measured(plan, station, {"a" * 64: inputs})
    (amps,) = [event.array for event in events if isinstance(event, ObjectMeasured)]
    siemens = np.where(die.state_p, die.cell_siemens(True, 0.1), die.cell_siemens(False, 0.1))
    expected = np.zeros((2, 2, 25))
    expected[0, 0], expected[1, 1] = 0.1 * siemens[2, 3], 0.1 * siemens[0, 7]
    assert np.nanmax(np.abs(amps - expected)) < 0.05 * expected.max() + 2e-6


def test_a_die_without_contact_gets_no_map_and_the_run_fails_after_so_many_in_a_row(lab: SimulatedLab, store: Store) -> None:
    _dirty(lab)
    seen: list[Event] = []
    with opened(lab.changed(consecutive_contact_failures=2), store) as station:
        with pytest.raises(RunFailed, match=r"2 dies in a row without contact, limit 2 .*clean the probe card"):
            seen.extend(execute(plan_of(kind="read"), station, context_of(station.lab, plan_of(kind="read")), {}))
        assert lab.is_safe()


def test_a_single_die_without_contact_is_noted_and_passed_over(lab: SimulatedLab, store: Store) -> None:
    _dirty(lab)
    plan = plan_of(kind="read")
    events: list[Event] = []
    with opened(lab.config, store) as station:
        for event in execute(plan, station, context_of(lab.config, plan), {}):
            events.append(event)
            if isinstance(event, Noted):
                lab.world.needles.dirt_ohms = 0.0
    (noted,) = [event for event in events if isinstance(event, Noted)]
    assert (noted.kind, noted.data["steps_left"], noted.data["finding"]) == ("no contact", 4, "high resistance")
    assert [event.die for event in events if isinstance(event, MapMeasured)] == [(0, 0)]
    assert tuple(noted.data["die"]) != (0, 0)


def test_a_run_in_which_no_die_could_be_measured_does_not_end_as_if_it_had_measured(lab: SimulatedLab, store: Store) -> None:
    _dirty(lab)
    plan = plan_of(kind="contact_check")
    with (
        opened(lab.config, store) as station,
        pytest.raises(RunFailed, match=r"no die could be measured: 2 of 2 .*\(limits|clean the probe"),
    ):
        measured(plan, station)


def test_only_pulses_that_were_given_are_counted(lab: SimulatedLab, store: Store) -> None:
    plan = plan_of(kind="characterise", dies=[HOME])
    with behind_relay(lab, "crossbar") as (toml, line), opened(load_lab(toml), store) as station:
        station.go_to(HOME)
        station.contact(HOME)
        writer = KernelWriter(station, plan, 0)
        line.to_device = losing(Opcode.PROGRAM, line.cut)
        writer.write(np.ones(writer.shape, np.bool_), to_p=True)
        assert int(writer.pulses.sum()) == _pulses(station) < 625
        writer.write(np.ones(writer.shape, np.bool_), to_p=True)
        assert int(writer.pulses.sum()) == _pulses(station) >= 625


def test_closing_the_run_makes_the_station_safe(lab: SimulatedLab, store: Store) -> None:
    plan = plan_of(kind="characterise")
    with opened(lab.config, store) as station:
        events = execute(plan, station, context_of(lab.config, plan), {})
        while not isinstance(next(events), StepMeasured):
            pass
        assert lab.world.needles.touching
        events.close()
        assert lab.is_safe()


def test_an_error_in_the_middle_makes_the_station_safe(lab: SimulatedLab, store: Store) -> None:
    plan = plan_of(kind="characterise")
    with opened(lab.config, store) as station:
        events = execute(plan, station, context_of(lab.config, plan), {})
        with pytest.raises(RuntimeError, match="from outside"):
            while True:
                if isinstance(next(events), StepMeasured):
                    events.throw(RuntimeError("from outside"))
        assert lab.is_safe()


def test_a_resumed_run_measures_only_what_is_missing_and_gives_the_same_kind_of_map(lab: SimulatedLab, store: Store) -> None:
    plan = plan_of(kind="characterise", dies=[HOME])
    done: dict[int, dict[str, np.ndarray]] = {}
    with opened(lab.config, store) as station:
        events = execute(plan, station, context_of(lab.config, plan), {})
        for event in events:
            if isinstance(event, StepMeasured):
                done[event.step.index] = dict(event.arrays)
                if len(done) == 3:
                    break
        events.close()
        pulses = _pulses(station)
        rest = list(execute(plan, station, context_of(lab.config, plan), done))
        assert 2 * 625 <= _pulses(station) - pulses < 3 * 625, "one kernel was pulsed, not four"
    assert isinstance(rest[0], ContactMade), "setting up is done anew"
    assert steps_of(rest) == [3]
    maps = _maps(rest)
    np.testing.assert_array_equal(maps["P"].uncorrected[:3], np.stack([done[index]["p"] for index in range(3)]))
    assert set(maps) == {"P", "AP", "defects"}


def test_maps_that_were_stored_before_the_stop_are_not_announced_again(lab: SimulatedLab, store: Store) -> None:
    plan = plan_of(kind="characterise", dies=[HOME])
    with opened(lab.config, store) as station:
        first = measured(plan, station)
        done = {event.step.index: dict(event.arrays) for event in first if isinstance(event, StepMeasured)}
        touched = lab.world.needles.touchdowns
        rest = list(execute(plan, station, context_of(lab.config, plan, stored={(HOME, "P"): "known"}), done))
    assert [event.map.state for event in rest if isinstance(event, MapMeasured)] == ["AP", None]
    assert _maps(rest)["defects"].meta["inputs"]["P"] == "known"
    assert lab.world.needles.touchdowns == touched, "nothing is left to measure, so nothing is touched"


def test_a_pulse_with_a_lost_outcome_is_read_back_noted_and_not_repeated(lab: SimulatedLab, store: Store) -> None:
    plan = plan_of(kind="characterise", dies=[HOME])
    with opened(lab.config, store) as station:
        _lose_the_outcome_of_the_second_pulse(station)
        events = measured(plan, station)
    (noted,) = [event for event in events if isinstance(event, Noted)]
    assert noted.kind == "unknown pulse"
    assert "lost on purpose" in noted.text
    first = next(event for event in events if isinstance(event, StepMeasured))
    assert first.flagged == 625
    assert first.arrays["unknown"].all()
    # The pulses had been applied; having read that, nobody pulsed the good ones a second time.
    good = lab.world.wafer.die(HOME).true_classes()[0] == Defect.GOOD
    assert np.mean(first.arrays["pulses"][good] == 2) > 0.98
    assert _maps(events)["AP"].meta["flagged"]["unknown_pulses"] == 625


def _lose_the_outcome_of_the_second_pulse(station: Station) -> None:
    """The pulse goes over the real wire; only what comes back is lost."""
    real, calls = station.pulse, []

    def pulse(kernel, mask, volts, seconds):  # type: ignore[no-untyped-def]
        executed = real(kernel, mask, volts, seconds)
        calls.append(volts)
        if len(calls) == 2:
            raise OutcomeUnknown("the answer was lost on purpose", 1, int(mask.sum()))
        return executed

    station.pulse = pulse


def test_limits_that_were_tightened_since_reach_the_instruments(lab: SimulatedLab, store: Store) -> None:
    tight: LabConfig = lab.changed(device_volts=0.5, read_volts=0.1)
    with opened(tight, store) as station, pytest.raises(Exception, match=r"0\.8.*0\.5"):
        measured(plan_of(kind="characterise", dies=[HOME]), station)
    assert lab.is_safe()
