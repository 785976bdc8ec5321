"""Statistics of a wafer from the newest maps of its dies: what a trainer samples defective dies from.

Rule: a die counts with its newest defect map and the two conductance maps that one was derived from; a newer P or AP map, of a
run that did not get as far as the defects, belongs to no class yet."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from hil.analysis.intervals import Rate
from hil.analysis.statistics import Distribution, MeasuredDie, wafer_statistics
from hil.api.answers import Missing
from hil.api.auth import Reader
from hil.api.context import Context, Services
from hil.api.problems import documented
from hil.api.routes.wafers import WaferName
from hil.api.strict import StrictRoute
from hil.api.views import origin_header
from hil.model.maps import ConductanceMap, DefectMap, from_npy_bytes
from hil.store.protocol import Store
from hil.store.records import MapRecord

router = APIRouter(prefix="/wafers", tags=["wafers"], route_class=StrictRoute)


class WaferStatistics(BaseModel):
    """rates: per junction, by kind of defect. line_rates: per line of a kernel. conductance: class -> state -> distribution, S."""

    wafer: str
    origin: str = Field(examples=["simulated; seed=20261122"])
    dies: int
    junctions: int
    rules: list[str]
    rates: dict[str, Rate]
    line_rates: dict[str, Rate]
    conductance: dict[str, dict[str, Distribution]]


@router.get("/{wafer}/statistics", responses=documented(404, 422))
async def statistics(context: Context, _: Reader, wafer: WaferName) -> WaferStatistics:
    """Rates with intervals and over-dispersion, line faults, conductance distributions; of dies with both states and a defect map."""
    return await run_in_threadpool(_statistics, context, wafer)


def _statistics(services: Services, wafer: str) -> WaferStatistics:
    store = services.store
    store.wafer(wafer)
    complete = [record for record in store.newest_maps(wafer, "defects") if {"P", "AP"} <= set(_inputs(record))]
    if not complete:
        raise Missing(f"wafer {wafer} has no die with maps of both states and defects yet; a run of kind characterise makes them")
    facts: dict[str, Any] = wafer_statistics([_measured(store, record) for record in complete])
    return WaferStatistics.model_validate({"wafer": wafer, "origin": origin_header([record.meta for record in complete]), **facts})


def _inputs(defects: MapRecord) -> Mapping[str, str]:
    """Ids of the maps it was derived from, by state."""
    return defects.meta.get("inputs") or {}


def _measured(store: Store, defects: MapRecord) -> MeasuredDie:
    p, ap = (_conductance(store, store.map(_inputs(defects)[state])) for state in ("P", "AP"))
    return MeasuredDie(p, ap, _defects(store, defects))


def _conductance(store: Store, record: MapRecord) -> ConductanceMap:
    return ConductanceMap(from_npy_bytes(store.get_object(record.object)), "P" if record.state == "P" else "AP", record.meta["read_volts"])


def _defects(store: Store, record: MapRecord) -> DefectMap:
    codes, *rest = (
        from_npy_bytes(store.get_object(sha256)) for sha256 in (record.object, record.line_object, record.confidence_object) if sha256
    )
    line_fault, confidence = rest
    return DefectMap(codes, line_fault, confidence, record.meta["rule"])
