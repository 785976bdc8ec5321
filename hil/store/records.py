"""Rows as values: what the store hands out. The API and the client read these; nobody changes them."""

from dataclasses import dataclass
from typing import Any, Literal

from hil.model.lab import DieIndex
from hil.model.maps import MapKind
from hil.model.runs import RunState

Scope = Literal["read", "operate", "admin"]


@dataclass(frozen=True)
class RunRecord:
    """plan: JSON of the plan. wanted: what the operator asked of a running run: None, "pause" or "abort".

    wires: {"crossbar": {"unit", "sent", "received", "errors", "retransmitted"}, "smu": ..., "prober": ...} so far.
    Times are UTC, ISO 8601 with Z; None until they happen.
    """

    id: str
    plan: dict[str, Any]
    plan_hash: str
    state: RunState
    wanted: str | None
    done: int
    total: int
    unit: str
    requested_by: str
    created_at: str
    started_at: str | None
    ended_at: str | None
    error: str | None
    wires: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class EventRecord:
    """number: global, strictly increasing: the SSE id. payload: JSON; arrays are referred to by map id or object sha256."""

    number: int
    run: str | None
    at: str
    kind: str
    payload: dict[str, Any]


@dataclass(frozen=True)
class ObjectRecord:
    """A named result of a run that is no map. object: sha256 of the npy bytes. shape, dtype: None in records of earlier releases."""

    die: DieIndex
    name: str
    object: str
    at: str
    shape: list[int] | None
    dtype: str | None
    meta: dict[str, Any]


@dataclass(frozen=True)
class MapRecord:
    """object: sha256 of the npy bytes in the store. line_object, confidence_object: for defect maps, else None."""

    id: str
    wafer: str
    die: DieIndex
    run: str
    kind: MapKind
    state: str | None
    object: str
    line_object: str | None
    confidence_object: str | None
    measured_at: str
    meta: dict[str, Any]


@dataclass(frozen=True)
class WaferRecord:
    name: str
    dies: tuple[DieIndex, ...]
    created_at: str


@dataclass(frozen=True)
class TokenRecord:
    """secret_sha256 never leaves the store."""

    id: str
    name: str
    scope: Scope
    created_at: str
    last_used_at: str | None
    revoked_at: str | None


@dataclass(frozen=True)
class StationRecord:
    """What the worker last published, and the operator's switches.

    snapshot: {"instruments": {...}, "die_in_contact", "contact_trend": [...], "error", ...} as JSON; {} before the first publish.
    estop: None, or {"at", "by", "reason", "outcome": {"smu": ..., "crossbar": ..., "prober": ...} or None until acted on}.
    held: why the queue is held (a failed run), or None. heartbeat_at: of the worker; None when none is meant to run.
    may_be_on: latched text, or None. resets: how often an operator cleared the emergency stop.
    """

    snapshot: dict[str, Any]
    estop: dict[str, Any] | None
    held: str | None
    heartbeat_at: str | None
    may_be_on: str | None
    resets: int = 0


@dataclass(frozen=True)
class OpenIntent:
    """Pulses that were set aside and never settled: ids first_id to first_id + count - 1, for a run (None: for none).

    serial, session: of the controller they were meant for, and the session in which they were to be sent; None where nobody told.
    """

    first_id: int
    count: int
    run: str | None
    serial: str | None
    session: int | None = None
