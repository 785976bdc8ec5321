"""Measured dies as a run stores them: both maps, and the defect map that names them."""

from collections.abc import Sequence
from dataclasses import replace

from hil.analysis.measured import MeasuredDie
from hil.model.maps import DefectMap
from hil.model.runs import MapMeasured, RunState
from hil.store.protocol import Store
from tests.support.service import SIMULATED, running_run


def put_dies(store: Store, dies: Sequence[MeasuredDie], wafer: str = "W1") -> str:
    """A finished run of them; its id."""
    run = running_run(store, wafer)
    for each in dies:
        assert each.die is not None
        common = {"origin": SIMULATED, "x": each.die[0], "y": each.die[1], "run": run, "wafer": wafer}
        for one in (each.p, each.ap):
            meta = {**one.meta, **common, "state": one.state, "read_volts": one.read_volts}
            store.append(run, MapMeasured(each.die, replace(one, meta=meta)))
        ids = {str(record.state): record.id for record in store.maps_of_run(run)[-2:]}
        found = each.defects
        meta = {**found.meta, **common, "rule": found.rule, "inputs": ids}
        store.append(run, MapMeasured(each.die, DefectMap(found.codes, found.line_fault, found.confidence, found.rule, meta)))
    store.set_state(run, RunState.FINISHED)
    return run
