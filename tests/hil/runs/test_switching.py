"""Switching probabilities against the law that the simulated junctions obey; what does not count as a trial."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from drivers.errors import OutcomeUnknown
from hil.analysis.intervals import wilson
from hil.model.defects import Defect
from hil.model.runs import Event, Noted, ObjectMeasured, StepMeasured
from hil.runs.execute import execute
from hil.station.station import Station
from hil.store.protocol import Store
from simulator.physics import mtj
from simulator.physics.die import OPEN_OHMS
from tests.hil.runs.helpers import context_of, measured, opened, plan_of
from tests.hil.runs.simulated_lab import SimulatedLab

HOME = (0, 0)


def some_good(lab: SimulatedLab, count: int, kernel: int = 0) -> list[list[int]]:
    good = np.argwhere(lab.world.wafer.die(HOME).true_classes()[kernel] == Defect.GOOD)
    return [[kernel, int(row), int(column)] for row, column in good[:count]]


def switching(junctions: list[list[int]], **fields: Any) -> Any:
    return plan_of(**{"kind": "switching", "dies": [HOME], "junctions": junctions, "pulse_volts": [-0.65], "pulse_s": [1e-7], **fields})


def results(events: list[Event]) -> dict[str, np.ndarray]:
    return {event.name.removeprefix("switching_"): event.array for event in events if isinstance(event, ObjectMeasured)}


def expected(lab: SimulatedLab, plan: Any) -> np.ndarray:
    """(junctions, volts, widths): what the simulated junctions' own law says."""
    die = lab.world.wafer.die(HOME)
    junctions = die.junctions[tuple(np.array(plan.junctions).T)]
    shape = (len(plan.junctions), len(plan.pulse_volts), len(plan.pulse_s))
    found = np.empty(shape)
    for v, w in np.ndindex(shape[1:]):
        volts, state_p = plan.pulse_volts[v], np.full(shape[0], plan.pulse_volts[v] < 0)
        across = mtj.cell_siemens(junctions, state_p, volts, die.law)[1]
        found[:, v, w] = mtj.reversal_probability(junctions, state_p, across, plan.pulse_s[w], die.law)
    return found


def disturb_pulse(station: Station, wanted: Callable[[float], bool], happens: Callable[[np.ndarray], Any]) -> None:
    """The pulse goes over the real wire; what becomes of its answer is up to the test."""
    real = station.pulse

    def pulse(kernel: int, mask: np.ndarray, volts: float, seconds: float) -> np.ndarray:
        given = real(kernel, mask, volts, seconds)
        return happens(given) if wanted(volts) else given

    station.pulse = pulse  # type: ignore[method-assign]


def test_the_probabilities_are_those_of_the_junctions_own_law(lab: SimulatedLab, store: Store) -> None:
    plan = switching(some_good(lab, 40), pulse_volts=[0.4, -0.65, -0.7], pulse_s=[1e-7, 1e-6], repeats=8)
    with opened(lab.config, store) as station:
        got = results(measured(plan, station))
    assert (got["trials"] == 8).all()
    truth = expected(lab, plan)
    spread = np.sqrt(8 * (truth * (1 - truth)).sum(0) + 0.25)
    assert (np.abs(got["switched"].sum(0) - 8 * truth.sum(0)) < 4 * spread).all()
    assert 0.1 < got["probability"][:, 1, 0].mean() < 0.95, "nothing is learnt from pulses that always or never switch"


def test_each_probability_has_its_interval_and_the_conditions_beside_it(lab: SimulatedLab, store: Store) -> None:
    plan = switching(some_good(lab, 3), pulse_volts=[-0.65, 0.5], pulse_s=[1e-7], repeats=5)
    with opened(lab.config, store) as station:
        got = results(measured(plan, station))
    assert got["pulse_volts"].tolist() == [-0.65, 0.5] and got["pulse_s"].tolist() == [1e-7]
    assert got["junctions"].tolist() == [list(junction) for junction in plan.junctions]
    for place in np.ndindex(got["trials"].shape):
        rate = got["switched"][place] / got["trials"][place]
        assert got["probability"][place] == pytest.approx(rate)
        assert (got["low"][place], got["high"][place]) == pytest.approx(wilson(rate, 5))
    assert (got["siemens_p"] > 1.3 * got["siemens_ap"]).all()


def test_every_pulse_that_the_controller_gave_is_accounted_for(lab: SimulatedLab, store: Store) -> None:
    plan = switching(some_good(lab, 5) + some_good(lab, 4, kernel=2), pulse_volts=[0.6, -0.65], repeats=4)
    with opened(lab.config, store) as station:
        got = results(measured(plan, station))
        given = station.snapshot()["crossbar"]["pulses"]
    assert got["pulses"].sum() == given
    assert (got["pulses"] >= got["trials"].sum((1, 2)) + 2).all()


def test_results_are_in_the_plans_order_whatever_kernel_a_junction_lies_in(lab: SimulatedLab, store: Store) -> None:
    junctions = [*some_good(lab, 2, kernel=3), *some_good(lab, 1, kernel=0), *some_good(lab, 3, kernel=3)[2:]]
    with opened(lab.config, store) as station:
        events = measured(switching(junctions, repeats=1), station)
    assert [event.step.kernel for event in events if isinstance(event, StepMeasured)] == [0, 3]
    got = results(events)
    die = lab.world.wafer.die(HOME)
    truth = die.cell_siemens(True, 0.1)[tuple(np.array(junctions).T)]
    assert got["siemens_p"] == pytest.approx(truth, rel=0.1)
    assert got["junctions"].tolist() == junctions


def test_a_junction_that_does_not_switch_has_no_trials_and_is_told(lab: SimulatedLab, store: Store) -> None:
    die = lab.world.wafer.die(HOME)
    good, *bad = some_good(lab, 4)
    die.junctions.shunt_siemens[tuple(bad[0])] = 0.01
    die.junctions.series_ohms[tuple(bad[1])] = OPEN_OHMS
    die._stuck_ap[tuple(bad[2])] = True
    plan = switching([good, *bad], repeats=3)
    with opened(lab.config, store) as station:
        events = measured(plan, station)
    got = results(events)
    assert got["trials"][:, 0, 0].tolist() == [3, 0, 0, 0]
    assert np.isnan(got["probability"][1:]).all() and np.isnan(got["low"][1:]).all()
    told = [event for event in events if isinstance(event, Noted)]
    assert {event.kind for event in told} == {"does not switch"}
    assert all(f"({row}, {column})" in " ".join(event.text for event in told) for _, row, column in bad)


def test_a_pulse_with_a_lost_outcome_is_no_trial_and_is_not_repeated(lab: SimulatedLab, store: Store) -> None:
    plan = switching(some_good(lab, 6), repeats=4)
    lost: list[int] = []

    def lose_the_second(given: np.ndarray) -> np.ndarray:
        lost.append(int(given.sum()))
        if len(lost) == 2:
            raise OutcomeUnknown("lost on purpose", 1, int(given.sum()))
        return given

    with opened(lab.config, store) as station:
        disturb_pulse(station, lambda volts: volts == -0.65, lose_the_second)
        events = measured(plan, station)
        given = station.snapshot()["crossbar"]["pulses"]
    got = results(events)
    assert (got["trials"] == 3).all() and got["pulses"].sum() == given
    assert [event.kind for event in events if isinstance(event, Noted)] == ["unknown pulse"]
    assert next(event for event in events if isinstance(event, StepMeasured)).flagged == 6


def test_a_pulse_that_was_not_given_is_no_trial(lab: SimulatedLab, store: Store) -> None:
    plan = switching(some_good(lab, 4), repeats=3)

    def all_but_the_first(given: np.ndarray) -> np.ndarray:
        refused = given.copy()
        refused.flat[np.flatnonzero(given)[0]] = False
        return refused

    with opened(lab.config, store) as station:
        disturb_pulse(station, lambda volts: volts == -0.65, all_but_the_first)
        got = results(measured(plan, station))
    assert got["trials"][:, 0, 0].tolist() == [0, 3, 3, 3]


def test_a_junction_that_cannot_be_brought_back_is_given_up(lab: SimulatedLab, store: Store) -> None:
    plan = switching(some_good(lab, 2), pulse_volts=[-0.9], repeats=50)
    die = lab.world.wafer.die(HOME)

    def stuck_in_ap(given: np.ndarray) -> np.ndarray:
        die._stuck_ap[tuple(plan.junctions[0])] = True
        return given

    with opened(lab.config, store) as station:
        disturb_pulse(station, lambda volts: volts == -0.9, stuck_in_ap)
        events = measured(plan, station)
    got = results(events)
    assert got["trials"][:, 0, 0].tolist() == [1, 50]
    assert got["pulses"][0] == 2 + 1 + 1 + 3 * plan.max_pulses, "learnt, brought to P, tried once, and three times in vain brought back"
    assert [event.kind for event in events if isinstance(event, Noted)] == ["given up"]


def test_a_resumed_run_does_not_pulse_kernels_that_were_kept(lab: SimulatedLab, store: Store) -> None:
    plan = switching(some_good(lab, 2) + some_good(lab, 2, kernel=1), repeats=2)
    with opened(lab.config, store) as station:
        whole = measured(plan, station)
        done = {event.step.index: dict(event.arrays) for event in whole if isinstance(event, StepMeasured) and event.step.kernel == 0}
        before = station.snapshot()["crossbar"]["pulses"]
        rest = list(execute(plan, station, context_of(station.lab, plan), done))
        added = station.snapshot()["crossbar"]["pulses"] - before
    assert results(rest)["trials"].shape == (4, 1, 1)
    assert results(rest)["switched"][:2].tolist() == results(whole)["switched"][:2].tolist()
    assert added == results(rest)["pulses"][2:].sum()


def test_the_smu_can_read_what_the_board_pulses(lab: SimulatedLab, store: Store) -> None:
    plan = switching(some_good(lab, 3), path="smu", repeats=2)
    with opened(lab.config, store) as station:
        events = measured(plan, station)
    assert (results(events)["trials"] == 2).all()
    meta = next(event.meta for event in events if isinstance(event, ObjectMeasured))
    assert (meta["kind"], meta["path"], meta["repeats"], meta["nplc"]) == ("switching", "smu", 2, 0.1)
    assert "averages" not in meta and meta["origin"] == {"simulated": True, "seed": 5}
    assert lab.is_safe()
