"""Current against voltage of single junctions, end to end on the simulated lab: what is stored is what was measured, or NaN."""

from typing import Any

import numpy as np
import pytest

from drivers.errors import OverLimit
from hil.model.defects import Defect
from hil.model.runs import Event, ObjectMeasured, StepMeasured
from hil.runs.biasing import smu_course
from hil.runs.execute import execute
from hil.station.sweeping import SweepHow
from hil.store.protocol import Store
from tests.hil.runs.helpers import context_of, measured, opened, plan_of
from tests.hil.runs.simulated_lab import SimulatedLab

HOME = (0, 0)
LEVELS = [0.0, 0.05, 0.1, -0.1]


def sweep(junctions: list[list[int]], **fields: Any) -> Any:
    return plan_of(**{"kind": "iv_sweep", "dies": [HOME], "junctions": junctions, "volts": LEVELS, "nplc": 1.0, **fields})


def some_good(lab: SimulatedLab, count: int, kernel: int = 0) -> list[list[int]]:
    good = np.argwhere(lab.world.wafer.die(HOME).true_classes()[kernel] == Defect.GOOD)
    return [[kernel, int(row), int(column)] for row, column in good[:count]]


def results(events: list[Event]) -> dict[str, np.ndarray]:
    return {event.name.removeprefix("iv_"): event.array for event in events if isinstance(event, ObjectMeasured)}


def true_siemens(lab: SimulatedLab, junctions: list[list[int]], volts: float) -> np.ndarray:
    die = lab.world.wafer.die(HOME)
    where = tuple(np.array(junctions).T)
    return np.where(die.state_p[where], die.cell_siemens(True, volts)[where], die.cell_siemens(False, volts)[where])


def test_the_traces_are_those_of_the_junctions_in_the_plans_order(lab: SimulatedLab, store: Store) -> None:
    junctions = [*some_good(lab, 2, kernel=3), *some_good(lab, 2, kernel=1), *some_good(lab, 3, kernel=3)[2:]]
    with opened(lab.config, store) as station:
        events = measured(sweep(junctions), station)
    assert [event.step.kernel for event in events if isinstance(event, StepMeasured)] == [1, 3]
    got = results(events)
    assert got["junctions"].tolist() == junctions and got["level_volts"].tolist() == LEVELS
    assert {name: got[name].shape for name in ("volts", "amps", "at_s", "limited")} == dict.fromkeys(
        ("volts", "amps", "at_s", "limited"), (5, 4)
    )
    assert not got["limited"].any()
    for point in (1, 2, 3):
        truth = LEVELS[point] * true_siemens(lab, junctions, abs(LEVELS[point]))
        assert got["amps"][:, point] == pytest.approx(truth, rel=0.03, abs=3e-7)
    assert got["volts"] == pytest.approx(np.tile(LEVELS, (5, 1)), abs=2e-3)
    assert lab.is_safe()


def test_a_loop_beyond_the_switching_voltage_shows_both_states(lab: SimulatedLab, store: Store) -> None:
    loop = [0.0, 0.5, 0.9, 0.1, 0.0, -0.5, -0.9, -0.1, 0.0]
    with opened(lab.config, store) as station:
        got = results(measured(sweep(some_good(lab, 3), volts=loop, settle_s=1e-3), station))
    siemens_p, siemens_ap = got["amps"][:, 3] / 0.1, got["amps"][:, 7] / -0.1
    assert (siemens_p > 1.4 * siemens_ap).all()
    assert not lab.world.wafer.die(HOME).state_p[tuple(np.array(some_good(lab, 3)).T)].any()


def test_a_sweep_ends_at_its_limit_and_the_limited_point_is_no_measurement(lab: SimulatedLab, store: Store) -> None:
    junctions = some_good(lab, 2)
    limit = 0.15 * true_siemens(lab, junctions, 0.15)
    with opened(lab.config, store) as station:
        events = measured(sweep(junctions[:1], volts=[0.05, 0.1, 0.2, 0.25], compliance_amps=float(limit[0])), station)
        got = results(events)
        on = results(
            measured(sweep(junctions[:1], volts=[0.2, 0.05, 0.25], compliance_amps=float(limit[0]), stop_when_limited=False), station)
        )
    assert got["limited"].tolist() == [[0, 0, 1, 0]]
    assert np.isnan(got["amps"]).tolist() == [[False, False, True, True]]
    assert np.isnan(got["volts"][0, 3]), "points that were not taken are not limited, and not there"
    assert next(event for event in events if isinstance(event, StepMeasured)).flagged == 1
    assert on["limited"].tolist() == [[1, 0, 1]] and np.isnan(on["amps"]).tolist() == [[True, False, True]]
    assert on["amps"][0, 1] == pytest.approx(0.05 * true_siemens(lab, junctions, 0.05)[0], rel=0.03)


def test_an_end_at_the_limit_of_one_junction_is_none_of_the_next(lab: SimulatedLab, store: Store) -> None:
    junctions = some_good(lab, 2)
    lab.world.wafer.die(HOME).junctions.shunt_siemens[tuple(junctions[0])] = 0.02
    with opened(lab.config, store) as station:
        got = results(measured(sweep(junctions, volts=[0.1, 0.2], compliance_amps=80e-6), station))
    assert got["limited"].tolist() == [[1, 0], [0, 0]]
    assert np.isnan(got["amps"]).tolist() == [[True, True], [False, False]]


def test_a_resumed_run_sweeps_only_kernels_that_are_missing(lab: SimulatedLab, store: Store) -> None:
    plan = sweep([*some_good(lab, 1), *some_good(lab, 1, kernel=2)])
    with opened(lab.config, store) as station:
        whole = measured(plan, station)
        done = {event.step.index: dict(event.arrays) for event in whole if isinstance(event, StepMeasured) and event.step.kernel == 0}
        rest = list(execute(plan, station, context_of(station.lab, plan), done))
        again = list(execute(plan, station, context_of(station.lab, plan, stored={(HOME, "iv_amps"): "known"}), done))
    assert [event.step.kernel for event in rest if isinstance(event, StepMeasured)] == [2]
    np.testing.assert_array_equal(results(rest)["amps"][0], results(whole)["amps"][0])
    assert set(results(whole)) - set(results(again)) == {"amps"}, "what was stored before the stop is not stored again"


def test_traces_say_how_and_by_what_they_were_measured(lab: SimulatedLab, store: Store) -> None:
    with opened(lab.config, store) as station:
        events = measured(sweep(some_good(lab, 1), compliance_amps=5e-4), station)
    for meta in (event.meta for event in events if isinstance(event, ObjectMeasured)):
        asked = {"kind": "iv_sweep", "path": "smu", "compliance_amps": 5e-4, "nplc": 1.0, "settle_s": 1e-3, "four_wire": False}
        assert {name: meta[name] for name in asked} == asked
        assert {"wafer", "run", "measured_at", "temperature_c", "plan_hash", "code_version"} <= set(meta)
        assert meta["origin"] == {"simulated": True, "seed": 5}
        assert set(meta["instruments"]["smu"]) >= {"model", "serial", "firmware"}
        assert "junctions" not in meta and "volts" not in meta, "they stand beside it as arrays"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"limit_amps": 3e-3}, r"compliance_amps 0\.003 A is outside 0 to 0\.002 A"),
        ({"levels_volts": np.array([1.2])}, r"1\.2 V, beyond 1 \(limits\.device_volts\)"),
        ({"levels_volts": np.full(200, 0.1), "nplc": 2.0}, r"limits\.dwell_s"),
        ({"levels_volts": np.full(200, 1.0), "limit_amps": 2e-3, "nplc": 0.25}, r"limits\.energy_joules"),
    ],
)
def test_the_station_refuses_what_a_junction_may_not_be_given_before_anything_is_on(
    lab: SimulatedLab, store: Store, change: dict[str, Any], says: str
) -> None:
    how = SweepHow(**{"levels_volts": np.array([0.1]), "limit_amps": 1e-3, **change})
    with opened(lab.config, store) as station:
        station.go_to(HOME)
        station.contact(HOME)
        before = station.wires()["smu"]["sent"]
        with pytest.raises(OverLimit, match=says):
            station.sweep([(0, 0, 0)], how)
        assert station.wires()["smu"]["sent"] - before <= 2, "at most a question about its line frequency"


def test_a_junction_stands_under_bias_no_longer_than_was_worked_out_for_it(lab: SimulatedLab, store: Store) -> None:
    plan = sweep(some_good(lab, 1), volts=None, start=0.05, stop=0.1, points=20)
    course = smu_course(plan, lab.config, {"instruments": {"smu": {"model": "MODEL 2450", "line_hertz": 60.0}}})
    with opened(lab.config, store) as station:
        at_s = results(measured(plan, station))["at_s"][0]
    assert course is not None
    assert 0.5 * course.dwell_s < at_s[-1] + np.diff(at_s).max() <= course.dwell_s
