"""Every plan there is, over a wafer that is neither flat nor straight: the ledger of all that breaks stays empty."""

from pathlib import Path

import pytest

from hil.model.plans import PLAN
from hil.model.runs import RunState
from hil.store.protocol import Store
from tests.hil.runs.helpers import plan_of
from tests.hil.runs.simulated_lab import SimulatedLab
from tests.hil.runs.threads import Service
from tests.support.every_plan import PLANS, fields_of

DIES = 4


def test_no_kind_of_plan_is_forgotten() -> None:
    kinds = set(PLAN.json_schema()["discriminator"]["mapping"])
    assert kinds == {fields.get("kind", name) for name, fields in PLANS.items()}


@pytest.mark.parametrize("name", PLANS)
def test_nothing_is_damaged_by(tmp_path: Path, store: Store, name: str) -> None:
    touched = 0 if name == "rehearse" else len(PLANS[name].get("dies", range(DIES)))
    with SimulatedLab(tmp_path, DIES) as lab:
        with Service(lab.config, store) as service:
            run = service.ended(service.submit(plan_of(**fields_of(store, name))))
        assert (run.state, run.done) == (RunState.FINISHED, run.total), run.error
        assert len(lab.world.needles.touchdowns_of_die) == touched
        assert lab.world.damage == []
        assert lab.is_safe()
