"""Writing a target, by the board itself where it can and step by step where it cannot: the same result, by the fewest pulses."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drivers.board_values import WriteVerifyReading
from drivers.crossbar import Crossbar
from drivers.errors import EmergencyStopped, OutcomeUnknown, Refused
from hil.model.defects import Defect
from hil.model.maps import npy_bytes
from hil.model.plans import ProgramPlan
from hil.model.runs import Event, Noted, RunState, StepMeasured
from hil.runs.context import Arrays
from hil.runs.execute import execute
from hil.runs.levels import levels
from hil.runs.programming import LEFT, NOT_REACHED, OK
from hil.runs.write_verify import KernelWriter
from hil.station.reading import BoardWriting, KernelWritten
from hil.station.station import Station
from hil.store.protocol import Store
from tests.hil.runs import simulated_lab
from tests.hil.runs.helpers import context_of, opened, plan_of
from tests.hil.runs.simulated_lab import GEOMETRY, SimulatedLab
from tests.hil.runs.threads import Service

HOME = (0, 0)
TARGET = np.random.default_rng(1).choice(np.array([0, 1, 255], np.uint8), GEOMETRY.shape)
PLAN = plan_of(kind="program", dies=[HOME], target={"object": "a" * 64})
assert isinstance(PLAN, ProgramPlan)


def _written(lab: SimulatedLab, store: Store, target: np.ndarray = TARGET) -> dict[str, np.ndarray]:
    """Arrays of all kernels, stacked."""
    with opened(lab.config, store) as station:
        return _stacked(list(execute(PLAN, station, context_of(lab.config, PLAN, {"a" * 64: target}), {})))


def _stacked(events: Sequence[Event]) -> dict[str, np.ndarray]:
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


def test_what_was_once_measured_of_a_die_of_the_same_name_is_not_believed(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another wafer under the old name, whose junctions conduct half as much: its P is about what AP was."""
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    with SimulatedLab(tmp_path / "old") as lab, Service(lab.config, store) as service:
        assert service.ended(service.submit(plan_of(kind="characterise", dies=[HOME]))).state is RunState.FINISHED
    other = replace(simulated_lab.PRESETS["harsh"], resistance_area_ohm_um2=19.0, access_ohms=1800.0)
    monkeypatch.setattr(simulated_lab, "PRESETS", {**simulated_lab.PRESETS, "harsh": other})
    with SimulatedLab(tmp_path / "new", seed=6) as lab:
        die, target = lab.world.wafer.die(HOME), np.zeros(GEOMETRY.shape, np.uint8)
        die.state_p[:] = die._held(~target.astype(bool))
        with Service(lab.config, store) as service:
            plan = plan_of(kind="program", dies=[HOME], target={"object": store.put_object(npy_bytes(target))})
            run = service.ended(service.submit(plan))
        assert run.state is RunState.FINISHED, run.error
        codes = np.stack([arrays["codes"] for _, arrays in sorted(store.steps_done(run.id).items())])
        assert np.mean(codes[die.true_classes() == Defect.GOOD] == OK) > 0.99
        assert not die.state_p[codes == OK].any()


@pytest.mark.parametrize("by_the_board", [True, False])
def test_no_junction_gets_more_pulses_than_one_to_learn_it_and_those_of_the_plan(
    lab: SimulatedLab, store: Store, monkeypatch: pytest.MonkeyPatch, by_the_board: bool
) -> None:
    monkeypatch.setattr(Station, "board_writes", by_the_board)
    found = _written(lab, store)
    assert found["pulses"].max() == PLAN.max_pulses + 1, "some are stuck"
    assert int(found["pulses"].sum()) == lab.controller_pulses()


@pytest.mark.parametrize("value", [1, 0])
def test_a_junction_that_reads_higher_than_others_in_either_state_is_written_too(lab: SimulatedLab, store: Store, value: int) -> None:
    """Its AP lies above the P of the others, its P a gap above that: nothing may drive it away from P."""
    die = lab.world.wafer.die(HOME)
    p, ap = (die.cell_siemens(state, 0.1)[1] for state in (True, False))
    middle, gap = (np.median(p) + np.median(ap)) / 2, np.median(p) - np.median(ap)
    odd = (ap > middle) & (p - ap > gap / 2) & (p < np.median(p) + gap) & (die.true_classes()[1] == Defect.GOOD)
    assert odd.any()
    target = TARGET.copy()
    target[1][odd] = value
    driven: list[tuple[int, float]] = []
    pulse = lab.world.pulse

    def seen(devices: np.ndarray, volts: float | np.ndarray, width_s: float) -> None:
        driven.extend(zip(devices.tolist(), np.broadcast_to(volts, devices.shape).tolist(), strict=True))
        pulse(devices, volts, width_s)

    lab.world.pulse = seen  # type: ignore[method-assign]
    found = _written(lab, store, target)
    assert np.all(die.state_p[1][odd] == value)
    assert np.all(found["codes"][1][odd] == (OK if value else NOT_REACHED)), "its AP is not told from P"
    # After the one pulse to learn it, only towards its target.
    for device in 625 + np.flatnonzero(odd):
        volts = [volts for pulsed, volts in driven if pulsed == device]
        assert (volts[0] > 0) != bool(value)
        assert all((each > 0) == bool(value) for each in volts[1:])


def test_the_board_is_given_only_what_is_in_the_wrong_state_and_can_be_brought_over(
    lab: SimulatedLab, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[np.ndarray] = []
    real = Station.write_verify

    def write_verify(station: Station, kernel: int, targets: np.ndarray, how: BoardWriting) -> KernelWritten:
        given.append(np.isfinite(targets))
        return real(station, kernel, targets, how)

    monkeypatch.setattr(Station, "write_verify", write_verify)
    _written(lab, store)
    sent, classes = np.stack(given), lab.world.wafer.die(HOME).true_classes()
    assert np.mean(sent[(classes == Defect.GOOD) & (TARGET != 255)]) > 0.99
    assert not sent[np.isin(classes, (Defect.SHORT, Defect.OPEN)) | (TARGET == 255)].any()
    # What has had its pulses, or is right, is none of it.
    given.clear()
    with opened(lab.config, store) as station:
        station.go_to(HOME)
        station.contact(HOME)
        writer = KernelWriter(station, PLAN, 0)
        found = writer.read()
        known, nothing = levels(found[TARGET[0] == 1], found[TARGET[0] == 0]), np.zeros(writer.shape, np.bool_)
        writer.pulses[:] = PLAN.max_pulses + 1
        np.testing.assert_allclose(writer.by_the_board(TARGET[0] == 1, nothing, known), found, rtol=0.2, atol=1e-5)
        writer.write(TARGET[0] == 1, to_p=False)
    assert given == []
    assert writer.pulses.max() == PLAN.max_pulses + 1


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
    assert first.arrays["pulses"].max() == PLAN.max_pulses + 1, "what may have been given counts as given"
    assert int(first.arrays["pulses"].sum()) > lab.controller_pulses() / GEOMETRY.kernels
    assert first.arrays["unknown"][wanted].mean() > 0.9


@pytest.mark.parametrize("ended", ["ABORTED", "DEAD_MAN"])
def test_writing_that_was_cut_is_counted_read_back_and_ended_from_here(
    lab: SimulatedLab, store: Store, monkeypatch: pytest.MonkeyPatch, ended: str
) -> None:
    real = Crossbar.write_verify

    def cut(crossbar: Crossbar, kernel: int, targets: np.ndarray, *rest: Any) -> WriteVerifyReading:
        """What lies in the last rows was not written any more, and what the others read was not asked."""
        targets = targets.copy()
        targets[20:] = np.nan
        return replace(real(crossbar, kernel, targets, *rest), amps=np.full(targets.shape, np.nan), ended=ended)

    monkeypatch.setattr(Crossbar, "write_verify", cut)
    with opened(lab.config, store) as station:
        events = list(execute(PLAN, station, context_of(lab.config, PLAN, {"a" * 64: TARGET}), {}))
    noted = [event for event in events if isinstance(event, Noted)]
    assert [event.kind for event in noted] == ["writing cut"] * GEOMETRY.kernels
    assert ended in noted[0].text
    found = _stacked(events)
    _check(lab, found)
    assert int(found["pulses"].sum()) == lab.controller_pulses()
    assert found["pulses"].max() == PLAN.max_pulses + 1


@pytest.mark.parametrize(
    ("ended", "error", "text"),
    [
        ("STOPPED", EmergencyStopped, "an emergency stop ended the writing of kernel 0"),
        ("TIMED_OUT", Refused, "before its time: TIMED_OUT"),
    ],
)
def test_writing_that_the_board_ended_by_itself_ends_the_run_and_leaves_the_station_safe(
    lab: SimulatedLab, store: Store, monkeypatch: pytest.MonkeyPatch, ended: str, error: type[Exception], text: str
) -> None:
    real = Crossbar.write_verify
    monkeypatch.setattr(Crossbar, "write_verify", lambda *given: replace(real(*given), ended=ended))
    with opened(lab.config, store) as station, pytest.raises(error, match=text):
        list(execute(PLAN, station, context_of(lab.config, PLAN, {"a" * 64: TARGET}), {}))
    assert lab.is_safe()
