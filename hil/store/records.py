"""Rows as values: what the store hands out. The API and the client read these; nobody changes them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from hil.model.lab import DieIndex
from hil.model.maps import MapKind
from hil.model.runs import RunState

Scope = Literal["read", "operate", "admin"]
Finding = Literal["contact", "high resistance", "open"]
"""What the pad pair showed at a touchdown. Open: the needles touch nothing; high resistance: something is between them and the pads."""


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
class LiveRecord:
    """A request to a die that a run holds in contact. state: asked, taken, answered, refused or withdrawn. answer: sha256 of the array
    that came of it, meta: who measured it (origin, instruments). error: why it was refused."""

    number: int
    run: str
    request: dict[str, Any]
    state: str
    answer: str | None
    meta: dict[str, Any] | None
    error: str | None


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
    """object: sha256 of the npy bytes in the store. line_object, confidence_object: for defect maps, else None. parts: those beside a
    conductance map, by name: uncertainty, uncorrected."""

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
    parts: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class CalibrationRecord:
    """board: serial number. version: which calibration of it, 1, 2, ... values, covariance: sha256 of their npy bytes. document: JSON."""

    id: str
    board: str
    version: int
    run: str
    made_at: str
    expires_at: str
    values: str
    covariance: str
    document: dict[str, Any]


@dataclass(frozen=True)
class ModelRecord:
    """A checkpoint. id: sha256 of its bytes, under which the objects hold them. header: what its own header says. report: sha256 of its
    page, if it has one."""

    id: str
    at: str
    by: str
    header: dict[str, Any]
    size_bytes: int
    report: str | None


@dataclass(frozen=True)
class EvaluationRecord:
    """What somebody found of a model: errors per die, and on which maps."""

    at: str
    by: str
    body: dict[str, Any]


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


@dataclass(frozen=True)
class Wear:
    """How often the needles came down, as far as it counts for the next time. on_die: on one die of the wafer, in all runs ever, 0 where
    no die was asked for. on_card: with this probe card, on whatever. since_cleaning: of those, after its last cleaning. cleanings: of
    needles while this wafer was measured.

    prober, counter: whose own counter was read last, and what it said; None before. booked_since: touchdowns booked after that, those
    of cleaning not among them. overtravel_lent: the service switched the prober's overtravel on, and not off again.
    """

    on_die: int = 0
    on_card: int = 0
    since_cleaning: int = 0
    cleanings: int = 0
    prober: str | None = None
    counter: int | None = None
    booked_since: int = 0
    overtravel_lent: bool = False


@dataclass(frozen=True)
class AlignmentDoubt:
    """why: what may have moved the wafer on the chuck. told: the run that is measured was stopped for it, or saw it happen."""

    why: str
    told: bool


@dataclass(frozen=True)
class Touch:
    """What came of a touchdown. counter: the prober's own count afterwards. ohms: of the pad pair, infinite where no current flows.
    overtravel_um: beyond contact height."""

    counter: int
    finding: Finding
    ohms: float
    overtravel_um: float = 0.0


@dataclass(frozen=True)
class TouchRecord:
    """One touchdown. touchdowns: which one of its contact. finding: None where it was cut short; ohms: None then, and where no current
    flowed. on_die, on_card: so many with this one."""

    at: str
    wafer: str
    die: DieIndex
    run: str | None
    touchdowns: int
    finding: Finding | None
    ohms: float | None
    overtravel_um: float | None
    on_die: int
    on_card: int


@dataclass(frozen=True)
class CardRecord:
    """The probe card. name: "first card" until somebody says otherwise. since, by: who put it in, None for the first. touchdowns: with it,
    cleaning and what others made included. since_cleaning: of those, after the last cleaning. elsewhere: of those, not ours, known
    by the prober's own counter. counter: what that said last."""

    name: str
    since: str | None
    by: str | None
    touchdowns: int
    since_cleaning: int
    cleaned_at: str | None
    elsewhere: int
    counter: int | None
