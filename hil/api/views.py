"""Rows of the store as bodies of the API."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from hil.api.models import (
    Card,
    Die,
    Estop,
    EventBody,
    Interlocks,
    MapMeta,
    Progress,
    Queue,
    Run,
    RunObject,
    Station,
    Touchdown,
    Wafer,
)
from hil.model.defects import Defect
from hil.model.lab import DieIndex, LabConfig, Limits
from hil.model.maps import Meta
from hil.model.runs import RunState
from hil.store.protocol import Store
from hil.store.records import CardRecord, EventRecord, MapRecord, ObjectRecord, RunRecord, StationRecord, TouchRecord, WaferRecord
from hil.store.shelf import stamp

HEARTBEAT_STALE_S = 5.0
UNCLASSIFIED = (Defect.NO_CONTACT.name.lower(), Defect.NOT_MEASURED.name.lower())


def seconds_since(at: str, now: datetime) -> float:
    return (now - datetime.fromisoformat(at)).total_seconds()


def _eta_s(record: RunRecord, now: datetime) -> float | None:
    if record.state is not RunState.RUNNING or record.started_at is None or not record.done:
        return None
    pace_s = max(seconds_since(record.started_at, now), 0.0) / record.done
    return round(pace_s * (record.total - record.done), 1)


def run_view(record: RunRecord, now: datetime) -> Run:
    return Run(
        id=record.id,
        plan=record.plan,
        state=record.state,
        wanted=record.wanted,
        progress=Progress(done=record.done, total=record.total, unit=record.unit, eta_s=_eta_s(record, now)),
        created_at=record.created_at,
        started_at=record.started_at,
        ended_at=record.ended_at,
        requested_by=record.requested_by,
        error=record.error,
        wires=record.wires,
    )


def event_view(record: EventRecord) -> EventBody:
    return EventBody(number=record.number, run=record.run, at=record.at, kind=record.kind, payload=record.payload)


def object_view(record: ObjectRecord) -> RunObject:
    x, y = record.die
    fields = {name: getattr(record, name) for name in ("name", "object", "at", "shape", "dtype", "meta")}
    return RunObject(x=x, y=y, **fields)


def map_view(record: MapRecord) -> MapMeta:
    x, y = record.die
    fixed = {
        "id": record.id,
        "wafer": record.wafer,
        "x": x,
        "y": y,
        "run": record.run,
        "kind": record.kind,
        "state": record.state,
        "object": record.object,
        "measured_at": record.measured_at,
    }
    return MapMeta.model_validate({**record.meta, **fixed})


def wafer_view(record: WaferRecord) -> Wafer:
    return Wafer(name=record.name, created_at=record.created_at, dies=list(record.dies))


def good_fraction(counts: Mapping[str, int]) -> float | None:
    """Good junctions of all classified ones; None when none is."""
    classified = sum(count for name, count in counts.items() if name not in UNCLASSIFIED)
    return counts.get(Defect.GOOD.name.lower(), 0) / classified if classified else None


@dataclass(frozen=True)
class DieFacts:
    """What the store knows of a die. counts: of its newest defect map. touched: its last touchdown that was measured."""

    read: MapRecord | None = None
    defects: MapRecord | None = None
    counts: Mapping[str, int] | None = None
    touchdowns: int = 0
    touched: TouchRecord | None = None


def die_view(die: DieIndex, known: DieFacts) -> Die:
    newest = max((record.measured_at for record in (known.read, known.defects) if record), default=None)
    return Die(
        x=die[0],
        y=die[1],
        status="characterised" if known.defects else "read" if known.read else "not measured",
        counts=dict(known.counts) if known.counts is not None else None,
        good_fraction=good_fraction(known.counts) if known.counts is not None else None,
        defect_map=known.defects.id if known.defects else None,
        measured_at=newest,
        touchdowns=known.touchdowns,
        contact_ohms=known.touched.ohms if known.touched else None,
        contact=known.touched.finding if known.touched else None,
    )


def touchdown_view(record: TouchRecord) -> Touchdown:
    return Touchdown(**asdict(record))


def card_view(record: CardRecord, limits: Limits) -> Card:
    return Card(
        **asdict(record),
        left=max(limits.touchdowns_per_card - record.touchdowns, 0),
        left_before_cleaning=max(limits.touchdowns_per_cleaning - record.since_cleaning, 0),
    )


def estop_view(estop: Mapping[str, Any] | None) -> Estop | None:
    if estop is None:
        return None
    outcome: dict[str, str] | None = estop.get("outcome")
    safe = None if outcome is None else all(text == "safe" for text in outcome.values())
    return Estop(at=estop["at"], by=estop["by"], reason=estop["reason"], outcome=outcome, safe=safe)


def _latched_there(record: StationRecord, now: datetime) -> Estop | None:
    """The controller latched by itself, or by sixteen zero bytes from elsewhere: a latch that no row here tells of."""
    if (record.snapshot.get("crossbar") or {}).get("state") != "ESTOPPED":
        return None
    seen_at = record.heartbeat_at or stamp(now)
    return Estop(at=seen_at, by="the controller", reason="latched at the controller", outcome=None, safe=None)


def worker_alive(record: StationRecord, now: datetime) -> bool:
    return record.heartbeat_at is not None and seconds_since(record.heartbeat_at, now) < HEARTBEAT_STALE_S


def _output_on(record: StationRecord, now: datetime) -> bool | None:
    """As the worker last asked; None where it may have changed since."""
    known = record.may_be_on is None and worker_alive(record, now)
    return record.snapshot.get("smu_output_on") if known else None


def station_view(store: Store, lab: LabConfig, runs: Sequence[RunRecord], now: datetime) -> Station:
    """runs: newest first, at least all those queued or running."""
    record = store.station()
    seen: Mapping[str, Any] = record.snapshot
    running = [run.id for run in runs if run.state is RunState.RUNNING]
    return Station(
        name=lab.station.name,
        instruments=seen.get("instruments") or {},
        die_in_contact=seen.get("die_in_contact"),
        smu_output_on=None if running else _output_on(record, now),
        crossbar=seen.get("crossbar"),
        prober=seen.get("prober"),
        contact_trend=[touchdown_view(each) for each in store.contact_trend()],
        card=card_view(store.card(), lab.limits),
        limits=lab.limits.model_dump(exclude_none=True),
        interlocks=Interlocks(
            estop=estop_view(record.estop) or _latched_there(record, now),
            may_be_on=record.may_be_on,
            worker_alive=worker_alive(record, now),
        ),
        queue=Queue(
            held=record.held,
            running=running[0] if running else None,
            queued=[run.id for run in reversed(runs) if run.state is RunState.QUEUED],
            paused=[run.id for run in reversed(runs) if run.state is RunState.PAUSED],
        ),
        heartbeat_at=record.heartbeat_at,
        error=seen.get("error"),
    )


def origin_header(metas: Sequence[Meta]) -> str:
    """`measured`, or `simulated; seed=...`: one simulated instrument, or one simulated map of a stack, makes it simulated. `imported`: some
    of it was measured elsewhere, and nobody here knows by what."""
    origins: list[Mapping[str, Any]] = [meta.get("origin") or {} for meta in metas]
    simulated = [origin for origin in origins if origin.get("simulated")]
    if not simulated and any(origin.get("imported") for origin in origins):
        return "imported"
    if not simulated:
        return "measured" if metas and all("simulated" in origin for origin in origins) else "unknown"
    seeds = sorted({str(origin["seed"]) for origin in simulated if origin.get("seed") is not None})
    return f"simulated; seed={','.join(seeds)}" if seeds else "simulated"
