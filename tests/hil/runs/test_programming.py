"""Writing a target, by the board itself where it can and step by step where it cannot: the same result, by the fewest pulses."""

from dataclasses import replace

import numpy as np
import pytest

from drivers.crossbar import Crossbar
from drivers.errors import EmergencyStopped, OutcomeUnknown, Refused
from hil.model.defects import Defect
from hil.model.maps import npy_bytes
from hil.model.runs import Noted, RunState, StepMeasured
from hil.runs.context import Arrays
from hil.runs.execute import execute
from hil.runs.programming import LEFT, NOT_REACHED, OK
from hil.station.station import Station
from hil.store.protocol import Store
from tests.hil.runs.helpers import context_of, opened, plan_of
from tests.hil.runs.simulated_lab import GEOMETRY, SimulatedLab
from tests.hil.runs.threads import Service

HOME = (0, 0)
TARGET = np.random.default_rng(1).choice(np.array([0, 1, 255], np.uint8), GEOMETRY.shape)
PLAN = plan_of(kind="program", dies=[HOME], target={"object": "a" * 64})


def _written(lab: SimulatedLab, store: Store, target: np.ndarray = TARGET) -> dict[str, np.ndarray]:
    """Arrays of all kernels, stacked."""
    with opened(lab.config, store) as station:
        events = list(execute(PLAN, station, context_of(lab.config, PLAN, {"a" * 64: target}), {}))
    steps: list[Arrays] = [event.arrays for event in events if isinstance(event, StepMeasured)]
    return {name: np.stack([arrays[name] for arrays in steps]) for name in steps[0]}


def _check(lab: SimulatedLab, found: dict[str, np.ndarray], target: np.ndarray = TARGET) -> None:
    die, wanted = lab.world.wafer.die(HOME), target != 255
    good, broken = (np.isin(die.true_classes(), classes) for classes in ((Defect.GOOD,), (Defect.SHORT, Defect.OPEN)))
    assert np.all(found["codes"][~wanted] == LEFT) and not found["pulses"][~wanted].any()
    assert np.mean(found["codes"][good & wanted] == OK) > 0.999
    assert np.all(found["codes"][broken & wanted] == NOT_REACHED)
    reached = wanted & (found["codes"] == OK)
    np.testing.assert_array_equal(die.state_p[reached], target[reached] == 1)


@pytest.mark.parametrize("by_the_board", [True, False])
def test_the_board_and_the_host_write_the_same_and_both_count_every_pulse(
    lab: SimulatedLab, store: Store, monkeypatch: pytest.MonkeyPatch, by_the_board: bool
) -> None:
    if not by_the_board:
        # As with a firmware that does not grant it.
        monkeypatch.setattr(Station, "board_writes", False)
    asked: list[int] = []
    real = Station.write_verify
    monkeypatch.setattr(Station, "write_verify", lambda station, kernel, *rest: (asked.append(kernel), real(station, kernel, *rest))[1])
    found = _written(lab, store)
    _check(lab, found)
    assert asked == (list(range(GEOMETRY.kernels)) if by_the_board else [])
    assert int(found["pulses"].sum()) == lab.controller_pulses()


def test_a_target_of_one_state_alone_is_written_and_verified_too(lab: SimulatedLab, store: Store) -> None:
    for value in (1, 0):
        target = np.full(GEOMETRY.shape, value, np.uint8)
        _check(lab, _written(lab, store, target), target)


def test_a_die_that_was_characterised_is_written_without_pulses_to_learn_it_again(lab: SimulatedLab, store: Store) -> None:
    target = np.random.default_rng(2).integers(0, 2, GEOMETRY.shape).astype(np.uint8)
    with Service(lab.config, store) as service:
        service.ended(service.submit(plan_of(kind="characterise", dies=[HOME])))
        before = lab.controller_pulses()
        plan = plan_of(kind="program", dies=[HOME], target={"object": store.put_object(npy_bytes(target))})
        run = service.ended(service.submit(plan))
    assert run.state is RunState.FINISHED, run.error
    found = {name: np.stack([arrays[name] for _, arrays in sorted(store.steps_done(run.id).items())]) for name in ("codes", "pulses")}
    _check(lab, found, target)
    assert lab.controller_pulses() - before < 0.7 * target.size, "all were in AP, which is right for half of them"


def test_writing_that_nobody_knows_the_end_of_is_read_back_and_only_what_is_left_is_pulsed(
    lab: SimulatedLab, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, lost = Station.write_verify, []

    def lose_the_first_answer(station: Station, kernel: int, *rest: object) -> object:
        written = real(station, kernel, *rest)  # type: ignore[arg-type]
        if not lost:
            lost.append(kernel)
            raise OutcomeUnknown("the answer was lost on purpose", 1, 1)
        return written

    monkeypatch.setattr(Station, "write_verify", lose_the_first_answer)
    with opened(lab.config, store) as station:
        events = list(execute(PLAN, station, context_of(lab.config, PLAN, {"a" * 64: TARGET}), {}))
    (noted,) = [event for event in events if isinstance(event, Noted)]
    assert "lost on purpose" in noted.text
    first = next(event for event in events if isinstance(event, StepMeasured))
    good = lab.world.wafer.die(HOME).true_classes()[0] == Defect.GOOD
    wanted = good & (TARGET[0] != 255)
    assert np.mean(first.arrays["codes"][wanted] == OK) > 0.99
    assert np.mean(first.arrays["pulses"][wanted] <= 2) > 0.98, "one to learn it, one by the board, none again"
    assert first.arrays["unknown"][wanted].any()


@pytest.mark.parametrize(
    ("ended", "error", "text"),
    [("STOPPED", EmergencyStopped, "an emergency stop ended the writing of kernel 0"), ("DEAD_MAN", Refused, "before its time: DEAD_MAN")],
)
def test_writing_that_the_board_ended_by_itself_ends_the_run_and_leaves_the_station_safe(
    lab: SimulatedLab, store: Store, monkeypatch: pytest.MonkeyPatch, ended: str, error: type[Exception], text: str
) -> None:
    real = Crossbar.write_verify
    monkeypatch.setattr(Crossbar, "write_verify", lambda *given: replace(real(*given), ended=ended))
    with opened(lab.config, store) as station, pytest.raises(error, match=text):
        list(execute(PLAN, station, context_of(lab.config, PLAN, {"a" * 64: TARGET}), {}))
    assert lab.is_safe()
