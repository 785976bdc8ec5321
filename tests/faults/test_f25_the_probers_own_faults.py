"""25. Whatever goes wrong in the prober, no wafer and no card is damaged, the station is left safe, and the run says what is to be done."""

import random
from pathlib import Path

import pytest

from hil.model.plans import Plan
from hil.model.runs import ENDED, RunState
from hil.store.protocol import Store
from hil.store.records import RunRecord
from tests.hil.runs.helpers import plan_of
from tests.hil.runs.simulated_lab import SimulatedLab
from tests.hil.runs.threads import Service
from tests.support.every_plan import PLANS, fields_of

CONTACT, STEP, SEPARATE = "chuck:move_z", "map:step_die", "move_chuck_separation"
DIES = 3
AT_REST = (*ENDED, RunState.PAUSED)


def error(code: int, command: str, at: int) -> str:
    return f'[prober]\nerror = {{ command = "{command}", code = {code}, at = [{at}] }}'


FAULTS = {
    "a step times out at the prober": (error(19, STEP, 2), {"finished"}),
    "a step times out twice": (error(19, STEP, 2).replace("[2]", "[2, 3]"), {"paused"}),
    "a step fails": (error(2, STEP, 2), {"failed"}),
    "contact times out at the prober": (error(19, CONTACT, 2), {"finished"}),
    "contact times out twice": (error(19, CONTACT, 2).replace("[2]", "[2, 3]"), {"paused"}),
    "contact: vacuum failed": (error(68, CONTACT, 2), {"paused"}),
    "contact: a door": (error(66, CONTACT, 2), {"paused"}),
    "contact: it is not initialised": (error(100, CONTACT, 2), {"failed"}),
    "contact: overtravel out of the axis": (error(120, CONTACT, 1), {"failed"}),
    "separating fails": (error(2, SEPARATE, 6), {"failed", "finished"}),
    "the prober is taken by another client": (error(12, STEP, 2), {"paused"}),
    "height cannot be read": (error(1, "chuck:get_z", 30), {"failed"}),
    "a step is late": (f'[prober]\nlate = {{ command = "{STEP}", seconds = 0.3, at = [2] }}', {"finished"}),
    "contact is answered late": (f'[prober]\nlate = {{ command = "{CONTACT}", seconds = 0.3, at = [2] }}', {"finished"}),
    "a question is answered too late": ('[prober]\nlate = { command = "chuck:get_z", seconds = 0.8, at = [25] }', {"paused"}),
    "the vacuum goes while the needles are down": (
        '[prober]\nvacuum_loss = { command = "setup:contact_counter:get", at = [6] }',
        {"paused"},
    ),
    "the vacuum goes before they come down": (f'[prober]\nvacuum_loss = {{ command = "{CONTACT}", at = [2] }}', {"paused"}),
    "a door opens on the way up": (f'[prober]\ndoor_open = {{ command = "{CONTACT}", at = [2] }}', {"paused"}),
    "a door opens before a step": (f'[prober]\ndoor_open = {{ command = "{STEP}", at = [2] }}', {"paused", "finished", "failed"}),
}
ON_THE_LINE = ("disconnect", "reset", "lose", "cut", "repeat")
"""Wherever it strikes, whether the run pauses, fails or goes on is the driver's affair; what counts is what becomes of wafer and data."""
ANSWERS = range(15, 95, 16)
"""Which answers of the prober are struck: between the first step and the last touchdown."""


EVERY_FAULT = {name: toml for name, (toml, _) in FAULTS.items()} | {
    f"{fault} at answer {answer}": f"[prober.to_host]\n{fault} = {{ at = [{answer}] }}" for fault in ON_THE_LINE for answer in ANSWERS
}
"""Every one with every plan: `python -m benchmarks.faults_of_the_prober`."""


@pytest.mark.parametrize("fault", FAULTS)
def test_f25_nothing_is_damaged_and_the_run_ends_as_it_should(tmp_path: Path, store: Store, fault: str) -> None:
    toml, ends = FAULTS[fault]
    run = measured_with(tmp_path, store, toml, plan_of(kind="read", kernels=[0]))
    assert run.state in ends
    assert len(store.maps_of_run(run.id)) == run.done, "a map for each die done and for no other"


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("fault", ON_THE_LINE)
def test_f25_a_line_that_fails_in_the_middle_of_it_damages_nothing(tmp_path: Path, store: Store, fault: str, answer: int) -> None:
    run = measured_with(tmp_path, store, EVERY_FAULT[f"{fault} at answer {answer}"], plan_of(kind="read", kernels=[0]))
    assert len(store.maps_of_run(run.id)) == run.done


@pytest.mark.parametrize(("turn", "name"), list(enumerate(PLANS)))
def test_f25_no_plan_damages_anything_whatever_goes_wrong(tmp_path: Path, store: Store, turn: int, name: str) -> None:
    faults = list(EVERY_FAULT)
    struck = faults[random.Random(turn).randrange(len(faults))]
    measured_with(tmp_path, store, EVERY_FAULT[struck], plan_of(**fields_of(store, name)))


def measured_with(folder: Path, store: Store, toml: str, plan: Plan) -> RunRecord:
    """A run that came to rest in a lab with these faults: nothing damaged, everything safe."""
    with SimulatedLab(folder, DIES, prober_faults=toml) as lab:
        hasty = lab.config.prober.model_copy(update={"timeout_s": 0.5})
        with Service(lab.config.model_copy(update={"prober": hasty}), store) as service:
            run = service.reached(service.submit(plan), *AT_REST)
            assert lab.is_safe(), f"{plan.kind}: the run is {run.state} and the station is not safe"
        assert lab.world.damage == [], plan.kind
    return run
