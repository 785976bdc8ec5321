"""What a run's results mean: critical voltage and thermal stability of a switching run, thermal stability of a retention run. Made anew
from what the run stored, with the assumptions that whoever asks may change; nothing of it is kept."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from hil.analysis.retention import ATTEMPT_S, analyse_retention
from hil.analysis.retention_states import History
from hil.analysis.switching import SwitchingTable, analyse_switching
from hil.analysis.switching_law import Assumptions
from hil.api.answers import Missing
from hil.api.auth import Reader
from hil.api.context import Context
from hil.api.problems import Problem, documented
from hil.api.routes.runs import RunId
from hil.api.strict import StrictRoute
from hil.api.views import origin_header
from hil.model.lab import DieIndex
from hil.model.maps import from_npy_bytes
from hil.store.protocol import Store
from hil.store.records import MapRecord, RunRecord

router = APIRouter(prefix="/runs", tags=["runs"], route_class=StrictRoute)
_DEFAULT = Assumptions()
_SWITCHING = ("junctions", "pulse_volts", "pulse_s", "switched", "trials", "siemens_p", "siemens_ap")
Ohms = Annotated[float, Query(ge=0, le=1e6, allow_inf_nan=False, description="in series with each junction: transistor and lines, Ohm")]
HalfVolts = Annotated[float, Query(gt=0, le=100, allow_inf_nan=False, description="voltage at which half of the TMR is left, V")]
Attempt = Annotated[float, Query(gt=0, le=1e-3, allow_inf_nan=False, description="attempt time tau0, s")]
Shortest = Annotated[float, Query(ge=0, le=1, allow_inf_nan=False, description="shorter pulses are ballistic and left out, s")]


class RunAnalysis(BaseModel):
    """assumptions: what was taken as given. The rest by kind: docs/switching.md. Intervals are 95 %; null: not set by what was measured."""

    model_config = ConfigDict(extra="allow")

    run: str
    wafer: str
    kind: str = Field(examples=["switching"])
    origin: str = Field(examples=["simulated; seed=20261122"])
    dies: list[DieIndex] = Field(examples=[[[0, 0]]])
    assumptions: dict[str, Any] = Field(examples=[{"access_ohms": 1000.0, "half_volts": 0.5, "attempt_s": 1e-9}])


@router.get("/{run_id}/analysis", responses=documented(404, 409, 422))
async def analysis(
    context: Context,
    _: Reader,
    run_id: RunId,
    access_ohms: Ohms = _DEFAULT.access_ohms,
    half_volts: HalfVolts = _DEFAULT.half_volts,
    attempt_s: Attempt = ATTEMPT_S,
    shortest_s: Shortest = _DEFAULT.shortest_s,
    junctions: Annotated[bool, Query(description="also each junction by itself")] = False,
) -> RunAnalysis:
    """Of a switching run: array means of V_c0 and Delta for both exponents, the likelier one with its odds. Of a retention run: Delta."""
    assumed = Assumptions(access_ohms, half_volts, attempt_s, shortest_s)
    look = partial(_analysed, context.store, run_id, assumed, junctions)
    return await context.memo.ask(("analysis", run_id, assumed, junctions), look)


def _analysed(store: Store, run_id: str, assumed: Assumptions, junctions: bool) -> RunAnalysis:
    run = store.run(run_id)
    kind = run.plan.get("kind")
    if kind == "switching":
        return _switching(store, run, assumed, junctions)
    if kind == "retention":
        return _retention(store, run, assumed.attempt_s)
    raise Problem(409, f"run {run_id} is of kind {kind}, which has no analysis; runs of kind switching and retention have")


def _switching(store: Store, run: RunRecord, assumed: Assumptions, junctions: bool) -> RunAnalysis:
    records = [each for each in store.objects_of_run(run.id) if each.name.startswith("switching_")]
    named: dict[DieIndex, dict[str, str]] = {}
    for each in records:
        named.setdefault(each.die, {})[each.name.removeprefix("switching_")] = each.object
    whole = {die: objects for die, objects in named.items() if set(_SWITCHING) <= set(objects)}
    if not whole:
        raise Missing(f"run {run.id} has no die with all its switching results yet; they are stored when a die's last kernel is done")
    read_volts = float(run.plan["read_volts"])
    tables = [_table(store, die, objects, read_volts) for die, objects in whole.items()]
    told = analyse_switching(tables, assumed).as_json(junctions=junctions)
    return _answer(run, list(whole), [each.meta for each in records], told)


def _table(store: Store, die: DieIndex, objects: Mapping[str, str], read_volts: float) -> SwitchingTable:
    arrays = {name: _array(store, objects[name]) for name in _SWITCHING}
    return SwitchingTable(die=die, places=arrays.pop("junctions"), read_volts=read_volts, **arrays)


def _retention(store: Store, run: RunRecord, attempt_s: float) -> RunAnalysis:
    of_dies: dict[DieIndex, list[MapRecord]] = {}
    for record in store.maps_of_run(run.id):
        of_dies.setdefault(record.die, []).append(record)
    others = {each.die: each.object for each in store.objects_of_run(run.id) if each.name == "retention_other"}
    read_twice = {die: records for die, records in of_dies.items() if len(records) > 1}
    if not read_twice:
        raise Missing(f"run {run.id} has read no die twice yet; two readings are the least that can show a change")
    histories = [_history(store, records, others.get(die)) for die, records in read_twice.items()]
    told = analyse_retention(histories, attempt_s).as_json()
    return _answer(run, list(read_twice), [each.meta for records in read_twice.values() for each in records], told)


def _history(store: Store, records: Sequence[MapRecord], other: str | None) -> History:
    """records: maps of a die, one a round."""
    in_order = sorted(records, key=lambda record: record.meta["round"])
    siemens = np.stack([_array(store, record.object) for record in in_order]).astype(np.float64)
    elapsed = np.array([record.meta["elapsed_s_of_kernels"] for record in in_order], dtype=np.float64)
    first, newest = in_order[0], store.newest_map(in_order[0].wafer, in_order[0].die, "defects")
    levels: dict[str, NDArray[np.float64]] = {}
    # Without the first round nobody knows what was written.
    if other is not None and first.meta["round"] == 0:
        both = siemens[0], _array(store, other).astype(np.float64)
        levels = dict(zip(("p", "ap"), both if first.meta["written"] == "P" else both[::-1], strict=True))
    codes = None if newest is None else _array(store, newest.object)
    return History(siemens, elapsed, **levels, codes=codes, temperature_c=first.meta.get("temperature_c"))


def _array(store: Store, sha256: str) -> NDArray[Any]:
    return from_npy_bytes(store.get_object(sha256))


def _answer(run: RunRecord, dies: list[DieIndex], metas: Sequence[dict[str, Any]], told: Mapping[str, Any]) -> RunAnalysis:
    return RunAnalysis.model_validate({"run": run.id, "wafer": run.plan["wafer"], "dies": dies, "origin": origin_header(metas), **told})
