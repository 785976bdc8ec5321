"""Path auto over real sockets: the board screens, the SMU settles what that leaves in doubt, and the map says which value came whence."""

import numpy as np
import pytest

from hil.analysis.remeasure import READINGS
from hil.model.defects import Defect
from hil.model.maps import ConductanceMap, DefectMap, npy_bytes, sha256_hex
from hil.model.refusals import PlanRefused
from hil.model.runs import Event, MapMeasured, ObjectMeasured, StepMeasured
from hil.runs.biasing import reread_course
from hil.runs.estimate import duration_s
from hil.store.protocol import Store
from tests.hil.runs.helpers import measured, opened, plan_of
from tests.hil.runs.simulated_lab import SimulatedLab

HOME = (0, 0)
DOUBTFUL = [(1, 4, 5), (1, 20, 2), (3, 7, 11)]


@pytest.fixture(autouse=True)
def _junctions_on_a_limit(lab: SimulatedLab) -> None:
    """A few whose states differ by nearly half of what good ones do: low TMR or good, which noise of the board does not tell."""
    die = lab.world.wafer.die(HOME)
    p, ap = die.cell_siemens(True, 0.1), die.cell_siemens(False, 0.1)
    half = 0.5 * (p - ap)[die.true_classes() == Defect.GOOD].mean()
    for share, junction in zip((0.985, 1.015, 0.99), DOUBTFUL, strict=True):
        die.junctions.shunt_siemens[junction], die.junctions.series_ohms[junction] = 0.0, 1000.0
        die.junctions.ohms_p[junction], die.junctions.critical_volts[junction] = 1850.0, 0.3
        low, high = 0.01, 1.5
        for _ in range(40):
            die.junctions.tmr[junction] = (low + high) / 2
            wide = die.cell_siemens(True, 0.1)[junction] - die.cell_siemens(False, 0.1)[junction] > share * half
            low, high = (low, (low + high) / 2) if wide else ((low + high) / 2, high)
        die._stuck_p[junction] = die._stuck_ap[junction] = False
        die._known.forget()


def _maps(events: list[Event]) -> dict[str, ConductanceMap | DefectMap]:
    return {event.map.state or "defects": event.map for event in events if isinstance(event, MapMeasured)}


def _kernels(events: list[Event]) -> list[dict[str, np.ndarray]]:
    return [dict(event.arrays) for event in events if isinstance(event, StepMeasured)]


def _run(lab: SimulatedLab, store: Store, **fields: object) -> list[Event]:
    with opened(lab.config, store) as station:
        return measured(plan_of(**{"kind": "characterise", "dies": [HOME], **fields}), station)


def test_what_the_board_cannot_tell_the_smu_reads_again_in_both_states_and_then_the_class_is_right(lab: SimulatedLab, store: Store) -> None:
    events = _run(lab, store, path="auto")
    kernels, truth = _kernels(events), lab.world.wafer.die(HOME).true_classes()
    assert {int(truth[junction]) for junction in DOUBTFUL} == {Defect.GOOD, Defect.LOW_TMR}
    found = _maps(events)["defects"]
    assert isinstance(found, DefectMap)
    for kernel, *place in DOUBTFUL:
        arrays, where = kernels[kernel], tuple(place)
        assert arrays["smu_p"][where] == arrays["smu_ap"][where] == READINGS
        assert 0 < arrays["p_error"][where] < 0.6e-6
        assert found.array[kernel, *where] == truth[kernel, *where]
        assert found.confidence[kernel, *where] > 0.8
    assert lab.is_safe()


def test_reading_again_costs_one_pulse_a_junction_and_nothing_where_there_is_no_doubt(lab: SimulatedLab, store: Store) -> None:
    kernels = _kernels(_run(lab, store, path="auto"))
    again = np.stack([arrays["smu_ap"] > 0 for arrays in kernels])
    pulses = np.stack([arrays["pulses"] for arrays in kernels])
    assert 3 <= np.count_nonzero(again) < 60
    assert all(pulses[junction] == 7 for junction in DOUBTFUL), "P, AP five times as it reads like P, and P once more for the SMU"
    good = lab.world.wafer.die(HOME).true_classes() == Defect.GOOD
    assert np.mean(pulses[good & ~again] == 2) > 0.99


def test_a_junction_gets_no_pulse_beyond_its_budget_for_the_sake_of_a_second_look(lab: SimulatedLab, store: Store) -> None:
    kernels = _kernels(_run(lab, store, path="auto", max_pulses=1))
    for kernel, *place in DOUBTFUL:
        arrays, where = kernels[kernel], tuple(place)
        assert arrays["pulses"][where] == 2
        assert (arrays["smu_ap"][where], arrays["smu_p"][where]) == (READINGS, 0)
        assert np.isnan(arrays["p_error"][where])


def test_the_maps_say_which_values_the_smu_read(lab: SimulatedLab, store: Store) -> None:
    events = _run(lab, store, path="auto")
    (readings,) = [event.array for event in events if isinstance(event, ObjectMeasured) and event.name == "smu_readings"]
    assert (readings.shape, readings.dtype) == ((2, 4, 25, 25), np.uint8)
    assert all(readings[:, *junction].tolist() == [READINGS, READINGS] for junction in DOUBTFUL)
    for each in _maps(events).values():
        told = each.meta["reread"]
        assert each.meta["path"] == "board"
        assert (told["path"], told["object"]) == ("smu", sha256_hex(npy_bytes(readings)))
        assert told["junctions"] == np.count_nonzero(readings.any(axis=0))


def test_path_board_never_asks_the_smu_for_a_junction(lab: SimulatedLab, store: Store) -> None:
    events = _run(lab, store, path="board")
    assert not any(arrays["smu_p"].any() or arrays["smu_ap"].any() for arrays in _kernels(events))
    assert not [event for event in events if isinstance(event, ObjectMeasured)]
    assert "reread" not in _maps(events)["defects"].meta


def test_what_the_boards_converter_cannot_show_of_a_die_as_found_the_smu_reads(lab: SimulatedLab, store: Store) -> None:
    lab.world.board.gain[3] = 100.0
    die = lab.world.wafer.die(HOME)
    truth = np.where(die.state_p, die.cell_siemens(True, 0.1), die.cell_siemens(False, 0.1))[2]
    shown = {}
    for path in ("board", "auto"):
        with opened(lab.config, store) as station:
            events = measured(plan_of(kind="read", dies=[HOME], kernels=[2], path=path), station)
        shown[path] = _maps(events)["as_found"]
    conducts = truth[:, 3] > 50e-6
    assert np.isnan(shown["board"].array[2][conducts, 3]).all()
    np.testing.assert_allclose(shown["auto"].array[2][conducts, 3], truth[conducts, 3], rtol=0.02)
    assert shown["auto"].meta["reread"]["junctions"] == np.count_nonzero(conducts)


def test_a_junction_that_keeps_no_state_is_unstable(lab: SimulatedLab, store: Store) -> None:
    junction, die = (0, 3, 3), lab.world.wafer.die(HOME)
    read = lab.world.read_kernel_amps
    calls = 0

    def falling_back(kernel: int, read_volts: float, averages: int) -> np.ndarray:
        nonlocal calls
        amps = read(kernel, read_volts, averages)
        if kernel == junction[0]:
            calls += 1
            if calls == 1:
                die.state_p[junction] = False
        return amps

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(lab.world, "read_kernel_amps", falling_back)
        found = _maps(_run(lab, store, path="board"))["defects"]
    assert found.array[junction] == Defect.UNSTABLE


def test_an_integration_time_that_the_smu_does_not_have_is_refused_when_asked_for_and_named(lab: SimulatedLab) -> None:
    for kind in ("characterise", "read"):
        with pytest.raises(PlanRefused, match=r"nplc is 100, outside .* path auto may read with; or say path board"):
            reread_course(plan_of(kind=kind, nplc=100), lab.config, {})
        assert reread_course(plan_of(kind=kind, nplc=100, path="board"), lab.config, {}) is None


def test_the_second_look_is_part_of_the_estimate(lab: SimulatedLab) -> None:
    screening, both = (duration_s(plan_of(kind="characterise", path=path, dies=[HOME]), lab.config, {}) for path in ("board", "auto"))
    assert screening < both < 2 * screening
