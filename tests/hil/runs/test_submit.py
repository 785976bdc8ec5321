"""From a plan to steps, and what is refused before anything moves."""

import math
from typing import Any

import numpy as np
import pytest

from hil.model.lab import LabConfig
from hil.model.maps import npy_bytes
from hil.model.refusals import PlanRefused
from hil.runs.estimate import duration_s
from hil.runs.submit import dry_run, expand, submit_plan, unit_of
from hil.store.errors import KeyConflict
from hil.store.protocol import Store
from tests.hil.runs.helpers import plan_of

LAB = LabConfig.model_validate(
    {
        "prober": {"driver": "sentio", "address": "a"},
        "smu": {"driver": "keithley2450", "address": "b"},
        "crossbar": {"driver": "hil-link", "address": "c"},
        "chip": {"kernels": 2},
        "wafer": {"dies": [[0, 0], [1, 0], [0, 1], [1, 1]]},
    }
)


def test_a_plan_becomes_its_steps_in_the_order_of_the_route() -> None:
    steps = expand(plan_of(kind="read"), LAB)
    assert [step.index for step in steps] == list(range(8))
    assert [(step.die, step.kernel) for step in steps[:3]] == [((0, 0), 0), ((0, 0), 1), ((1, 0), 0)]
    assert [step.die for step in steps[::2]] == [(0, 0), (1, 0), (1, 1), (0, 1)]
    assert unit_of(plan_of(kind="read")) == "kernel"


def test_a_contact_check_has_one_step_per_die() -> None:
    plan = plan_of(kind="contact_check", dies=[[1, 1], [0, 0]])
    assert [(step.die, step.kernel) for step in expand(plan, LAB)] == [((0, 0), None), ((1, 1), None)]
    assert unit_of(plan) == "die"


def test_expansion_is_the_same_every_time() -> None:
    assert expand(plan_of(kind="characterise"), LAB) == expand(plan_of(kind="characterise"), LAB)


def test_a_submitted_plan_is_queued_and_registers_its_wafer(store: Store) -> None:
    run = submit_plan(store, LAB, plan_of(kind="read", kernels=[1]), "anna")
    assert (run.total, run.unit, run.plan["kernels"]) == (4, "kernel", [1])
    assert store.wafer("W1").dies == LAB.wafer.dies
    assert store.next_queued() == run


def test_a_die_that_the_registered_wafer_does_not_have_is_refused(store: Store) -> None:
    store.ensure_wafer("W1", [(0, 0), (1, 0)])
    assert submit_plan(store, LAB, plan_of(kind="read", dies=[[1, 0]]), "anna").total == 2
    with pytest.raises(PlanRefused, match=r"die \(1, 1\) is on the map of lab.toml, but wafer W1 was registered with 2 dies"):
        submit_plan(store, LAB, plan_of(kind="read"), "anna")
    assert len(store.runs()) == 1


def test_a_key_is_honoured_and_bound_to_the_plan(store: Store) -> None:
    first = submit_plan(store, LAB, plan_of(kind="read"), "anna", "key")
    assert submit_plan(store, LAB, plan_of(kind="read"), "anna", "key").id == first.id
    with pytest.raises(KeyConflict):
        submit_plan(store, LAB, plan_of(kind="read", averages=2), "anna", "key")


def test_a_plan_beyond_a_limit_queues_nothing(store: Store) -> None:
    with pytest.raises(PlanRefused, match="read_volts is 9"):
        submit_plan(store, LAB, plan_of(kind="read", read_volts=9), "anna")
    assert store.runs() == []
    assert store.wafers() == []


def test_a_dry_run_tells_and_queues_nothing(store: Store) -> None:
    told = dry_run(store, LAB, plan_of(kind="characterise", dies=[[0, 0], [1, 1]]))
    assert told["route"] == [[0, 0], [1, 1]]
    assert (told["touchdowns"], told["steps"], told["unit"], told["pulses_per_junction_at_most"]) == (2, 4, "kernel", 10)
    assert told["duration_s"] > dry_run(store, LAB, plan_of(kind="read", dies=[[0, 0], [1, 1]]))["duration_s"] > 0
    with pytest.raises(PlanRefused, match=r"die \(9, 9\)"):
        dry_run(store, LAB, plan_of(kind="read", dies=[[9, 9]]))


def test_a_dry_run_tells_the_way_and_the_touchdowns_that_are_left(store: Store) -> None:
    dies = [list(die) for die in LAB.wafer.dies]
    log = store.needle_log()
    log.at("W1", None)
    for _ in range(LAB.limits.touchdowns_per_die):
        log.book((0, 0), 1)
    log.book((1, 1), 1)
    plan = plan_of(kind="contact_check", dies=[[0, 0], [1, 1]])
    told = dry_run(store, LAB, plan)
    x_um, y_um = LAB.wafer.pitch_um
    assert told["path_um"] == pytest.approx(math.hypot(x_um, y_um), abs=0.1)
    assert told["touchdowns_left"] == {"die": 0, "card": 100_000 - 21, "before_cleaning": 1_000 - 21, "dies_spent": [[0, 0]]}
    elsewhere = dry_run(store, LAB, plan_of(kind="contact_check", dies=dies, wafer="W2"))
    assert (elsewhere["touchdowns_left"]["die"], elsewhere["touchdowns_left"]["dies_spent"]) == (20, [])


def test_a_rehearsal_would_touch_nothing_and_takes_less_time(store: Store) -> None:
    rehearsal, check = (dry_run(store, LAB, plan_of(kind=kind)) for kind in ("rehearse", "contact_check"))
    assert (rehearsal["touchdowns"], rehearsal["unit"]) == (0, "die")
    assert (rehearsal["route"], rehearsal["path_um"], rehearsal["steps"]) == (check["route"], check["path_um"], check["steps"])
    assert rehearsal["duration_s"] < check["duration_s"]


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.zeros((2, 25, 25), np.int64), "target is int64"),
        (np.zeros((2, 25, 24), np.uint8), r"not uint8 \(2, 25, 25\)"),
        (np.full((2, 25, 25), 7, np.uint8), "target holds 7"),
    ],
)
def test_a_target_that_cannot_be_written_is_refused_at_submission(store: Store, array: np.ndarray, says: str) -> None:
    target = {"object": store.put_object(npy_bytes(array))}
    with pytest.raises(PlanRefused, match=says):
        submit_plan(store, LAB, plan_of(kind="program", target=target), "anna")


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.zeros((3, 26), np.float32), "1 to 25 lines"),
        (np.zeros((3, 25)), "float64"),
        (np.zeros((0, 25), np.float32), r"\(0, 25\)"),
        (np.zeros((2, 3, 25), np.float32), "the plan has 2 kernels"),
        (np.zeros((2, 32, 1, 25), np.float32), r"\(2, 32, 1, 25\)"),
        (np.full((1, 25), 1.5, np.float32), r"reaches 1\.5"),
        (np.full((1, 25), np.nan, np.float32), "reaches nan"),
    ],
)
def test_inputs_that_cannot_be_applied_are_refused_at_submission(store: Store, array: np.ndarray, says: str) -> None:
    inputs = {"object": store.put_object(npy_bytes(array))}
    with pytest.raises(PlanRefused, match=says):
        submit_plan(store, LAB, plan_of(kind="vmm", inputs=inputs), "anna")


def test_an_object_that_is_missing_or_no_array_is_refused_at_submission(store: Store) -> None:
    with pytest.raises(PlanRefused, match="is not in the store"):
        submit_plan(store, LAB, plan_of(kind="vmm", inputs={"object": "0" * 64}), "anna")
    with pytest.raises(PlanRefused, match="is not an npy array"):
        submit_plan(store, LAB, plan_of(kind="vmm", inputs={"object": store.put_object(b"text")}), "anna")


# --- plans about single junctions, and the SMU's share
SWEEP = {"kind": "iv_sweep", "junctions": [[0, 0, 0], [1, 2, 3]], "start": -0.5, "stop": 0.5, "points": 51}
SWITCHING = {"kind": "switching", "junctions": [[1, 0, 0]], "pulse_volts": [0.5, 0.6], "pulse_s": [1e-7], "repeats": 10, "max_pulses": 3}


def duration_of(lab: LabConfig = LAB, **fields: Any) -> float:
    return duration_s(plan_of(dies=[[0, 0]], **fields), lab, {})


def test_a_step_is_a_kernel_that_holds_junctions() -> None:
    plan = plan_of(**SWEEP, dies=[[0, 0], [1, 0]])
    assert [(step.die, step.kernel) for step in expand(plan, LAB)] == [((0, 0), 0), ((0, 0), 1), ((1, 0), 0), ((1, 0), 1)]
    assert [step.kernel for step in expand(plan_of(**SWITCHING, dies=[[0, 0]]), LAB)] == [1]
    assert unit_of(plan) == "kernel"


def test_a_dry_run_of_switching_tells_the_pulses_a_junction_gets_at_most(store: Store) -> None:
    told = dry_run(store, LAB, plan_of(**SWITCHING))
    assert told["pulses_per_junction_at_most"] == 2 * 3 + 2 * 10 * (1 + 3)


@pytest.mark.parametrize(
    ("fields", "field", "limit", "says"),
    [
        ({"points": 200, "nplc": 2.0}, "dwell_s", 10.0, r"s under bias without a break, beyond 10 \(limits\.dwell_s\)"),
        ({"points": 200, "nplc": 0.25, "compliance_amps": 2e-3, "start": 0.9, "stop": 0.99}, "energy_joules", 0.01, "energy_joules"),
        ({"nplc": 0.001}, "nplc", [0.01, 10.0], r"nplc is 0\.001, outside 0\.01 to 10 power-line cycles of a 2450"),
        ({"settle_s": 2e4}, "settle_s", [0.0, 10_000.0], "settle_s is 20000, outside 0 to 10000 s of a 2450"),
        ({"compliance_amps": 0.9e-9}, "compliance_amps", [1e-9, 1.05], "compliance_amps is 9e-10, outside 1e-09 to 1.05 A of a 2450"),
        ({"stop": 1.0000001}, "stop", 1.0, r"stop is 1\.0000001, beyond the station's limit of 1 V"),
    ],
)
def test_more_than_a_junction_may_be_given_is_refused_at_submission(
    store: Store, fields: dict[str, Any], field: str, limit: Any, says: str
) -> None:
    with pytest.raises(PlanRefused, match=says) as refused:
        submit_plan(store, LAB, plan_of(**{**SWEEP, **fields}), "anna")
    assert (refused.value.field, refused.value.limit) == (field, limit)
    with pytest.raises(PlanRefused, match=says):
        dry_run(store, LAB, plan_of(**{**SWEEP, **fields}))
    assert store.runs() == []


def test_what_an_instrument_can_do_is_judged_by_what_it_said_of_itself(store: Store) -> None:
    store.publish_station({"instruments": {"smu": {"model": "Model 2636B", "line_hertz": 60.0}}})
    assert submit_plan(store, LAB, plan_of(**{**SWEEP, "nplc": 0.001}), "anna").total == 8


def test_the_integration_time_is_nothing_to_the_board(store: Store) -> None:
    assert submit_plan(store, LAB, plan_of(kind="read", path="board", nplc=1e-6), "anna")
    with pytest.raises(PlanRefused, match="nplc is 1e-06"):
        submit_plan(store, LAB, plan_of(kind="read", path="smu", nplc=1e-6), "anna")


def test_durations_follow_the_instruments_pace() -> None:
    slow, fast = (duration_of(kind="read", path="smu", nplc=nplc) for nplc in (1.0, 0.01))
    assert slow - fast == pytest.approx(2 * 625 * 0.99 / 50, rel=0.01)
    without_lines = LAB.model_copy(update={"smu": LAB.smu.model_copy(update={"trigger_lines": False})})
    assert duration_of(without_lines, kind="read", path="smu", nplc=0.01) > 3 * fast
    there_s = duration_of(kind="contact_check")
    assert duration_of(kind="characterise", path="smu") - there_s > 2 * (duration_of(kind="read", path="smu") - there_s)
    assert duration_of(**{**SWEEP, "points": 102}) - duration_of(**SWEEP) == pytest.approx(2 * 51 * (1e-3 + 2 * 0.3 / 50), rel=0.1)
    assert duration_of(**{**SWITCHING, "repeats": 1000}) > 50 * (duration_of(**SWITCHING) - 3.0)
    assert duration_of(**SWITCHING, path="smu") > duration_of(**SWITCHING)
