"""Every plan there is, over a wafer that is neither flat nor straight: the ledger of all that breaks stays empty."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hil.model.maps import npy_bytes
from hil.model.plans import PLAN
from hil.model.runs import RunState
from hil.store.protocol import Store
from tests.hil.runs.helpers import plan_of
from tests.hil.runs.simulated_lab import GEOMETRY, SimulatedLab
from tests.hil.runs.threads import Service

DIES = 4
JUNCTIONS = [[0, 3, 7], [1, 24, 0]]
PLANS: dict[str, dict[str, Any]] = {
    "contact_check": {},
    "rehearse": {},
    "read": {"kernels": [0]},
    "read by the SMU": {"kind": "read", "kernels": [0], "path": "smu"},
    "characterise": {},
    "program": {"target": np.full(GEOMETRY.shape, 255, np.uint8)},
    "vmm": {"inputs": np.zeros((1, GEOMETRY.rows), np.float32), "kernels": [0]},
    "iv_sweep": {"junctions": JUNCTIONS, "start": -0.1, "stop": 0.1, "points": 5},
    "switching": {"junctions": JUNCTIONS, "pulse_volts": [0.5], "pulse_s": [1e-7], "repeats": 2},
}


def test_no_kind_of_plan_is_forgotten() -> None:
    kinds = set(PLAN.json_schema()["discriminator"]["mapping"])
    assert kinds == {fields.get("kind", name) for name, fields in PLANS.items()}


@pytest.mark.parametrize("name", PLANS)
def test_nothing_is_damaged_by(tmp_path: Path, store: Store, name: str) -> None:
    fields = {"kind": name} | {key: referred(store, value) for key, value in PLANS[name].items()}
    with SimulatedLab(tmp_path, DIES) as lab:
        with Service(lab.config, store) as service:
            run = service.ended(service.submit(plan_of(**fields)))
        assert (run.state, run.done) == (RunState.FINISHED, run.total), run.error
        assert len(lab.world.needles.touchdowns_of_die) == (0 if name == "rehearse" else DIES)
        assert lab.world.damage == []
        assert lab.is_safe()


def referred(store: Store, value: Any) -> Any:
    return {"object": store.put_object(npy_bytes(value))} if isinstance(value, np.ndarray) else value
