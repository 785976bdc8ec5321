"""A die with all three maps as a run stores them: the defect map names the P and AP map it was derived from."""

import numpy as np

from hil.model.lab import DieIndex
from hil.model.maps import DefectMap
from hil.model.runs import MapMeasured
from hil.store.protocol import Store
from hil.store.records import MapRecord
from tests.support.service import SHAPE, SIMULATED, put_conductance, some_codes

READING: dict[str, object] = {"read_volts": 0.1}


def put_complete_die(store: Store, run: str, die: DieIndex, seed: int, reading: dict[str, object] = READING) -> dict[str, MapRecord]:
    """P of `seed`, AP of `seed` + 10, defects of `seed`; their records by "P", "AP" and "defects". reading: metadata of P and AP."""
    p = put_conductance(store, run, die, seed, "P", reading)
    ap = put_conductance(store, run, die, seed + 10, "AP", reading)
    meta = {"origin": SIMULATED, "x": die[0], "y": die[1], "run": run, "rule": "rule-1", "inputs": {"P": p.id, "AP": ap.id}}
    made = DefectMap(some_codes(seed), np.zeros(SHAPE, np.uint8), np.full(SHAPE, 0.5, np.float32), "rule-1", meta)
    store.append(run, MapMeasured(die, made))
    return {"P": p, "AP": ap, "defects": store.maps_of_run(run)[-1]}
