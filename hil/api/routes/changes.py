"""What changed on a die between two sessions of it, beyond noise. A session is a run that left maps of both states and a defect map."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from hil.analysis.changes import Change, Shift, die_changes
from hil.api.answers import Missing
from hil.api.auth import Reader
from hil.api.context import Context, Services
from hil.api.measured_dies import is_complete, measured_die
from hil.api.problems import Problem, documented
from hil.api.resources import die_on_wafer
from hil.api.routes.dies import WaferName, X, Y
from hil.api.strict import StrictRoute
from hil.api.views import origin_header
from hil.store.protocol import Store
from hil.store.records import MapRecord

router = APIRouter(prefix="/dies/{wafer}/{x}/{y}", tags=["dies"], route_class=StrictRoute)
_LOOKED_AT = 500
"""Newest maps of a die among which its last sessions are sought."""


class DieChanges(BaseModel):
    """from, to: the two runs. tested: junctions read in both. shift: of the whole die, by state; it is no change of single junctions.

    changed: how many junctions changed; changes: the surest of them. class_changes: of all of them. within_noise: junctions of which only
    the class differs, at a threshold. expected_false: at most so many of those called changed are expected to be none.
    """

    wafer: str
    x: int
    y: int
    origin: str = Field(examples=["simulated; seed=20261122"])
    from_run: str = Field(serialization_alias="from", examples=["r7-0a1b2c"])
    to_run: str = Field(serialization_alias="to", examples=["r9-4d5e6f"])
    tested: int
    shift: dict[str, Shift]
    changed: int
    class_changes: dict[str, int] = Field(examples=[{"good to short": 2}])
    within_noise: int
    expected_false: float
    changes: list[Change]


@router.get("/changes", responses=documented(404, 422))
async def changes(
    context: Context,
    _: Reader,
    wafer: WaferName,
    x: X,
    y: Y,
    from_run: Annotated[str | None, Query(alias="from", description="a run; without it, the session before the other one")] = None,
    to_run: Annotated[str | None, Query(alias="to", description="a run; without it, the newest session")] = None,
    limit: Annotated[int, Query(ge=0, le=20_000, description="so many changes are listed, the surest first")] = 1000,
) -> DieChanges:
    """Junctions whose class or conductance changed between two runs beyond noise; the shift of the die as a whole apart from that."""
    key = ("changes", wafer, x, y, from_run, to_run, limit)
    return await context.memo.ask(key, lambda: _changes(context, (wafer, x, y), (from_run, to_run), limit))


def _changes(services: Services, die: tuple[str, int, int], runs: tuple[str | None, str | None], limit: int) -> DieChanges:
    wafer, x, y = die
    before, after = _sessions(services.store, die, runs)
    found = die_changes(measured_die(services.store, before), measured_die(services.store, after))
    return DieChanges(
        wafer=wafer,
        x=x,
        y=y,
        origin=origin_header([before.meta, after.meta]),
        from_run=before.run,
        to_run=after.run,
        tested=found.tested,
        shift=found.shift,
        changed=len(found.changed),
        class_changes=found.class_changes,
        within_noise=found.within_noise,
        expected_false=found.expected_false,
        changes=list(found.changed[:limit]),
    )


def _sessions(store: Store, die: tuple[str, int, int], runs: tuple[str | None, str | None]) -> tuple[MapRecord, MapRecord]:
    """(before, after): complete defect maps. Raises Missing, Problem 404 for a run without one, 422 for one run asked for twice."""
    wafer, x, y = die
    maps = store.maps_of_die(wafer, die_on_wafer(store, wafer, x, y), limit=_LOOKED_AT)
    sessions: dict[str, MapRecord] = {}
    for record in maps:
        if record.kind == "defects" and is_complete(record):
            sessions.setdefault(record.run, record)
    from_run, to_run = runs
    for run in (from_run, to_run):
        if run is not None and run not in sessions:
            raise Problem(404, f"run {run} left no maps of both states with defects of die ({x}, {y}) of wafer {wafer}")
    order = list(sessions)
    to_run = to_run or next((run for run in order if run != from_run), None)
    from_run = from_run or next(iter(order[order.index(to_run) + 1 :] if to_run in order else []), None)
    if from_run is None or to_run is None:
        raise Missing(
            f"die ({x}, {y}) of wafer {wafer} has {len(sessions)} sessions with maps of both states and defects; two are compared, "
            "a run of kind characterise makes one"
        )
    if from_run == to_run:
        raise Problem(422, f"from and to are both {to_run}; two sessions are compared")
    return sessions[from_run], sessions[to_run]
