"""Statistics of a wafer from the newest maps of its dies: what a trainer samples defective dies from.

Rule: a die counts with its newest defect map and the two conductance maps that one was derived from."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from hil.analysis.intervals import Rate
from hil.analysis.line_models import LineModel
from hil.analysis.overdispersion import FittedRate
from hil.analysis.spatial import SpatialTest
from hil.analysis.statistics import Distribution, TmrDistribution, wafer_statistics
from hil.analysis.variance import Components
from hil.api.answers import Missing
from hil.api.auth import Reader
from hil.api.context import Context, Services
from hil.api.measured_dies import is_complete, measured_die
from hil.api.problems import documented
from hil.api.routes.wafers import WaferName
from hil.api.strict import StrictRoute
from hil.api.views import origin_header
from hil.model.lab import DieIndex

router = APIRouter(prefix="/wafers", tags=["wafers"], route_class=StrictRoute)


class WaferStatistics(BaseModel):
    """rates: per junction, by kind of defect. isolated: of those, outside faulty lines, with what dies differ by. line_rates: per line of a
    kernel; lines: per die, faults of the chip's lines. conductance: class -> state -> distribution, S. tmr: of good junctions.
    spread: of "P", "AP" and "tmr" by cause. spatial: tests of where defects lie. sampling: tables that hil.analysis.sampler draws
    dies from; null without a good junction. Intervals are of 95 %. docs/statistics.md explains each."""

    wafer: str
    origin: str = Field(examples=["simulated; seed=20261122"])
    dies: int
    places: list[DieIndex] | None = Field(examples=[[[0, 0], [1, 0]]])
    geometry: dict[str, int] = Field(examples=[{"kernels": 32, "rows": 25, "columns": 25}])
    junctions: int
    rules: list[str]
    rates: dict[str, Rate]
    isolated: dict[str, FittedRate]
    line_rates: dict[str, Rate]
    lines: dict[str, LineModel]
    conductance: dict[str, dict[str, Distribution]]
    tmr: TmrDistribution
    spread: dict[str, Components]
    spatial: list[SpatialTest]
    sampling: dict[str, Any] | None


@router.get("/{wafer}/statistics", responses=documented(404, 422))
async def statistics(context: Context, _: Reader, wafer: WaferName) -> WaferStatistics:
    """Rates with intervals and over-dispersion, line faults, conductance distributions; of dies with both states and a defect map."""
    return await context.memo.ask(("statistics", wafer), lambda: _statistics(context, wafer))


def _statistics(services: Services, wafer: str) -> WaferStatistics:
    store = services.store
    store.wafer(wafer)
    complete = [record for record in store.newest_maps(wafer, "defects") if is_complete(record)]
    if not complete:
        raise Missing(f"wafer {wafer} has no die with maps of both states and defects yet; a run of kind characterise makes them")
    facts: dict[str, Any] = wafer_statistics([measured_die(store, record) for record in complete])
    return WaferStatistics.model_validate({"wafer": wafer, "origin": origin_header([record.meta for record in complete]), **facts})
