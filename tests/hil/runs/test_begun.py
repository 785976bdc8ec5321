"""Kernels that a stopped run may have been in the middle of: which ones they are, and what is still done to them."""

import numpy as np
import pytest

from hil.model.defects import Defect
from hil.model.plans import Plan
from hil.model.runs import RunState, StepMeasured
from hil.runs.conduct import touched as touched_dies
from hil.runs.context import Arrays
from hil.runs.execute import execute
from hil.runs.programming import NOT_REACHED, OK, UNKNOWN
from hil.store.protocol import Store
from tests.hil.runs.helpers import context_of, opened, plan_of
from tests.hil.runs.simulated_lab import GEOMETRY, SimulatedLab
from tests.hil.runs.threads import Service

HOME = (0, 0)
KEY = "a" * 64
TARGET = np.random.default_rng(1).choice(np.array([0, 1], np.uint8), GEOMETRY.shape)
SHAPE = (GEOMETRY.rows, GEOMETRY.columns)


def _program(**fields: object) -> Plan:
    return plan_of(**{"kind": "program", "dies": [HOME], "target": {"object": KEY}, **fields})


def _run(
    lab: SimulatedLab, store: Store, plan: Plan, target: np.ndarray, done: dict[int, Arrays], touched: object = (HOME,)
) -> dict[int, Arrays]:
    """Arrays of the steps that were not done."""
    with opened(lab.config, store) as station:
        context = context_of(lab.config, plan, {KEY: target}, touched=touched)
        return {event.step.index: dict(event.arrays) for event in execute(plan, station, context, done) if isinstance(event, StepMeasured)}


def _good(lab: SimulatedLab, die: tuple[int, int] = HOME) -> np.ndarray:
    return lab.world.wafer.die(die).true_classes() == Defect.GOOD


def _set(lab: SimulatedLab, state_p: np.ndarray) -> None:
    die = lab.world.wafer.die(HOME)
    die.state_p[:] = die._held(state_p)


@pytest.mark.parametrize("verify", [True, False])
def test_only_what_is_in_the_wrong_state_is_pulsed_in_a_kernel_that_was_written_but_not_kept(
    lab: SimulatedLab, store: Store, verify: bool
) -> None:
    plan = _program(verify=verify)
    whole = _run(lab, store, plan, TARGET, {}, ())
    pulses = lab.controller_pulses()
    again = _run(lab, store, plan, TARGET, {index: whole[index] for index in range(3)})[3]
    good = _good(lab)[3]
    assert np.mean(again["pulses"][good] == 0) > 0.95
    assert lab.controller_pulses() - pulses < 625 // 4
    assert np.mean(again["codes"][good] == (OK if verify else UNKNOWN)) > 0.99
    assert np.mean(lab.world.wafer.die(HOME).state_p[3][good] == TARGET[3][good]) > 0.99


@pytest.mark.parametrize("value", [0, 1])
def test_a_kernel_of_one_state_alone_shows_nothing_so_it_is_written_like_a_fresh_one(lab: SimulatedLab, store: Store, value: int) -> None:
    target = np.full(GEOMETRY.shape, value, np.uint8)
    whole = _run(lab, store, _program(), target, {}, ())
    again = _run(lab, store, _program(), target, {index: whole[index] for index in range(3)})[3]
    good = _good(lab)[3]
    assert np.mean(again["codes"][good] == OK) > 0.99
    assert np.mean(again["pulses"][good] == 2) > 0.9


def test_a_broken_junction_alone_does_not_make_a_begun_kernel_be_written_anew(lab: SimulatedLab, store: Store) -> None:
    kernel, row, column = next(zip(*np.where(lab.world.wafer.die(HOME).true_classes() == Defect.STUCK_AP), strict=True))
    target = np.full(GEOMETRY.shape, 255, np.uint8)
    target[kernel, 0, :5] = target[kernel, row, column] = 1
    _set(lab, TARGET == 1)
    kept = {"siemens": np.zeros(SHAPE, np.float32), "codes": np.zeros(SHAPE, np.uint8)}
    done: dict[int, Arrays] = dict.fromkeys(range(kernel), kept)
    again = _run(lab, store, _program(), target, done)[int(kernel)]
    assert again["codes"][row, column] == NOT_REACHED
    assert again["pulses"][row, column] > 2
    assert np.all(again["pulses"][0, :5][_good(lab)[kernel, 0, :5]] <= 1), "those in AP before got the one that they needed"


def test_the_begun_kernel_of_a_die_is_known_although_an_earlier_die_had_no_contact(lab: SimulatedLab, store: Store) -> None:
    plan = _program(dies="all")
    whole = _run(lab, store, plan, TARGET, {}, ())
    dies = [step.die for step in context_of(lab.config, plan).steps]
    second = dies[4]
    # The first die had no contact then; the run was killed in the third kernel of the second one.
    again = _run(lab, store, plan, TARGET, {index: whole[index] for index in (4, 5)}, [second])
    good = _good(lab, second)[2]
    assert np.mean(again[6]["pulses"][good] == 0) > 0.99
    assert np.mean(again[0]["pulses"][_good(lab, dies[0])[0]] >= 2) > 0.95, "nobody was there before"
    assert np.mean(again[7]["pulses"][_good(lab, second)[3]] >= 2) > 0.95, "nobody had come so far"


def test_a_kernel_begun_before_anything_was_kept_is_known_by_the_contact_that_was_told(lab: SimulatedLab, store: Store) -> None:
    _run(lab, store, _program(), TARGET, {}, ())
    again = _run(lab, store, _program(), TARGET, {})
    assert np.mean(again[0]["pulses"][_good(lab)[0]] == 0) > 0.99
    assert np.mean(again[1]["pulses"][_good(lab)[1]] >= 2) > 0.95


def test_a_worker_knows_the_dies_that_an_interrupted_run_was_in_contact_with(lab: SimulatedLab, store: Store) -> None:
    plan = plan_of(kind="characterise", max_pulses=20)
    with Service(lab.config, store) as service:
        run = service.submit(plan)
        service.underway(run)
    assert store.run(run.id).state is RunState.INTERRUPTED
    touched = {tuple(event.payload["die"]) for event in store.events(run_id=run.id) if event.kind == "contact"}
    assert touched_dies(store, run.id) == touched != set()


@pytest.mark.parametrize("kernel", [1, 2])
def test_a_resumed_characterisation_maps_the_kernel_it_was_in_as_a_fresh_one_does(lab: SimulatedLab, store: Store, kernel: int) -> None:
    """These kernels have junctions whose AP reads like the P of others, some of which switch: only writing P shows what theirs is."""
    plan = plan_of(kind="characterise", dies=[HOME])
    die = lab.world.wafer.die(HOME)
    p, ap = die.cell_siemens(True, 0.1), die.cell_siemens(False, 0.1)
    middle = (np.median(p[kernel]) + np.median(ap[kernel])) / 2
    odd = (ap[kernel] > middle) & _good(lab)[kernel]
    assert odd.any()
    # Killed while AP was written.
    half = np.zeros(GEOMETRY.shape, np.bool_)
    half[kernel, :12] = True
    _set(lab, ~half & ~odd)
    siemens, none = np.zeros(SHAPE, np.float32), np.zeros(SHAPE, np.uint16)
    kept = {"p": siemens, "ap": siemens, "pulses": none, "unknown": none}
    done = {index: kept for index in range(4) if index != kernel}
    again = _run(lab, store, plan, TARGET, done)[kernel]
    np.testing.assert_allclose(again["p"][odd], p[kernel][odd], rtol=0.1)
    np.testing.assert_allclose(again["ap"][odd], ap[kernel][odd], rtol=0.1)
