"""Every kind of plan there is, small enough for a chip of four kernels. Rule: a new kind is named here, and whatever is tested with every
plan is tested with it."""

from typing import Any

import numpy as np

from hil.model.maps import npy_bytes
from hil.store.protocol import Store
from tests.hil.runs.simulated_lab import GEOMETRY

JUNCTIONS = [[0, 3, 7], [1, 24, 0]]
PLANS: dict[str, dict[str, Any]] = {
    "contact_check": {},
    "rehearse": {},
    "hold": {"dies": [(0, 0)], "idle_s": 0.05},
    "read": {"kernels": [0]},
    "read by the SMU": {"kind": "read", "kernels": [0], "path": "smu"},
    "characterise": {},
    "program": {"target": np.full(GEOMETRY.shape, 255, np.uint8)},
    "vmm": {"inputs": np.zeros((1, GEOMETRY.rows), np.float32), "kernels": [0]},
    "iv_sweep": {"junctions": JUNCTIONS, "start": -0.1, "stop": 0.1, "points": 5},
    "switching": {"junctions": JUNCTIONS, "pulse_volts": [0.5], "pulse_s": [1e-7], "repeats": 2},
    "calibrate": {
        "dies": [(0, 0)],
        "junctions": [[0, row, column] for row in range(5) for column in range(5)],
        "points": [0.1],
        "repeats": 2,
    },
    "retention": {"kernels": [0], "interval_s": 0.02, "count": 2},
}


def fields_of(store: Store, name: str) -> dict[str, Any]:
    """Of a plan on all dies, unless it is for one; arrays are objects of the store."""
    return {"kind": name} | {key: _referred(store, value) for key, value in PLANS[name].items()}


def _referred(store: Store, value: Any) -> Any:
    return {"object": store.put_object(npy_bytes(value))} if isinstance(value, np.ndarray) else value
