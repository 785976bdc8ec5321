"""Bodies of the API as pydantic models: what stands in the OpenAPI document is what is sent."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from hil.model.lab import DieIndex
from hil.model.maps import MapKind
from hil.model.runs import RunState
from hil.store.records import Finding

SHA256_PATTERN = r"^[0-9a-f]{64}$"
EXAMPLE_SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
FURTHEST_DIE = 10_000
"""Largest die coordinate, either way, that a path of a die can name."""
Coordinate = Annotated[int, Field(ge=-FURTHEST_DIE, le=FURTHEST_DIE)]
Time = Annotated[str, Field(description="UTC, ISO 8601 with Z", examples=["2026-11-22T08:30:00.000Z"])]


class Progress(BaseModel):
    """eta_s: seconds to go at the pace so far; null unless the run is running and has done a step."""

    done: int = Field(examples=[320])
    total: int = Field(examples=[1152])
    unit: str = Field(examples=["kernel"])
    eta_s: float | None = Field(examples=[41.5])


class Run(BaseModel):
    """wanted: what was asked of the running run and not done yet. wires: messages over each wire so far."""

    id: str
    plan: dict[str, Any] = Field(examples=[{"kind": "characterise", "wafer": "W1", "dies": "all"}])
    state: RunState
    wanted: str | None
    progress: Progress
    created_at: Time
    started_at: Time | None
    ended_at: Time | None
    requested_by: str
    error: str | None
    wires: dict[str, dict[str, Any]] = Field(
        examples=[{"crossbar": {"unit": "frames", "sent": 70, "received": 70, "errors": 0, "retransmitted": 0}}]
    )


class RunPage(BaseModel):
    """next_cursor: for `?cursor=`; null on the last page."""

    items: list[Run]
    next_cursor: str | None


class TouchdownsLeft(BaseModel):
    """Of the budgets in lab.toml. die: of the one on the route that has fewest. dies_spent: those that would not be touched any more."""

    die: int = Field(examples=[17])
    card: int
    before_cleaning: int
    dies_spent: list[DieIndex] = Field(examples=[[]])


class DryRun(BaseModel):
    """What a plan would do; nothing was queued. route: dies in the order they would be touched; path_um: along it, from the first one's
    centre to the last one's. touchdowns: at the least, one a die. duration_s: a rough estimate."""

    route: list[DieIndex] = Field(examples=[[[0, 0], [1, 0]]])
    path_um: float = Field(examples=[10000.0])
    touchdowns: int
    touchdowns_left: TouchdownsLeft
    steps: int
    unit: str = Field(examples=["kernel"])
    duration_s: float
    pulses_per_junction_at_most: int


class MapMeta(BaseModel):
    """A map's metadata: everything the contract lists, as measured. Arrays are at /maps/{id}."""

    model_config = ConfigDict(extra="allow")

    id: str = Field(examples=[EXAMPLE_SHA256])
    wafer: str
    x: int
    y: int
    run: str
    kind: MapKind
    state: str | None
    object: str = Field(description="sha256 of the npy bytes", examples=[EXAMPLE_SHA256])
    measured_at: Time
    clock_stepped: bool = Field(
        default=False, description="the computer's clock was set while the run measured: its times do not compare with earlier ones"
    )


class MapPage(BaseModel):
    items: list[MapMeta]
    next_cursor: str | None


class RunObject(BaseModel):
    """A result of a run that is no map: an array at /objects/{object}, or, by its name, at /runs/{run}/objects/{x}/{y}/{name}.

    meta: as of a map, with the plan's numbers. Names and shapes by kind of plan: docs/results.md.
    """

    x: int
    y: int
    name: str = Field(examples=["iv_amps"])
    object: str = Field(description="sha256 of the npy bytes", examples=[EXAMPLE_SHA256])
    at: Time
    shape: list[int] | None = Field(examples=[[2, 101]])
    dtype: str | None = Field(examples=["float64"])
    meta: dict[str, Any] = Field(examples=[{"kind": "iv_sweep", "wafer": "W1", "nplc": 0.1, "origin": {"simulated": True, "seed": 7}}])


class RunObjects(BaseModel):
    items: list[RunObject]


class Die(BaseModel):
    """counts: junctions per class of the newest defect map; null before the first one."""

    x: int
    y: int
    status: Literal["not measured", "read", "characterised"]
    counts: dict[str, int] | None = Field(examples=[{"good": 19700, "short": 180, "open": 120}])
    good_fraction: float | None
    defect_map: str | None = Field(description="map id of the newest defect map")
    measured_at: Time | None
    touchdowns: int = Field(description="of this die, in all runs ever")
    contact_ohms: float | None = Field(description="of its pad pair at the last touchdown; null where no current flowed, and before")
    contact: Finding | None = Field(description="what the pad pair showed then; null before the first touchdown")


class Wafer(BaseModel):
    name: str = Field(examples=["W1"])
    created_at: Time
    dies: list[DieIndex] = Field(examples=[[[0, 0], [1, 0]]])


class WaferPage(BaseModel):
    items: list[Wafer]
    next_cursor: str | None


class WaferDetail(BaseModel):
    """The wafer map. yield_fraction: good junctions of all those classified, over the characterised dies."""

    name: str
    created_at: Time
    dies: list[Die]
    characterised: int
    counts: dict[str, int]
    yield_fraction: float | None


class WaferBody(BaseModel):
    """dies: testable dies; without it, those of lab.toml."""

    model_config = ConfigDict(extra="forbid")

    dies: list[tuple[Coordinate, Coordinate]] | None = Field(default=None, min_length=1, max_length=10_000, examples=[[[0, 0], [1, 0]]])


class StoredObject(BaseModel):
    sha256: str = Field(examples=[EXAMPLE_SHA256])
    shape: list[int] = Field(examples=[[32, 25, 25]])
    dtype: str = Field(examples=["uint8"])


class Evaluation(BaseModel):
    """What somebody found of a model."""

    at: Time
    by: str
    body: dict[str, Any] = Field(examples=[{"wafer": "W1", "errors": {"0,0": 0.031}}])


class Model(BaseModel):
    """A trained network. id: sha256 of the checkpoint's bytes. metadata: the checkpoint's own, with the hashes of the maps it was made
    for. tensors: dtype and shape by name. report: whether it has one."""

    id: str = Field(examples=[EXAMPLE_SHA256])
    at: Time
    by: str
    size_bytes: int = Field(examples=[81_224])
    metadata: dict[str, Any] = Field(examples=[{"format": "mtj-hil-checkpoint-2", "maps": {"0,0": EXAMPLE_SHA256}}])
    tensors: dict[str, Any] = Field(examples=[{"placed/0/latent": {"dtype": "F32", "shape": [1, 100, 76]}}])
    evaluations: list[Evaluation]
    report: bool


class ModelPage(BaseModel):
    """next_cursor: for `?cursor=`; null on the last page."""

    items: list[Model]
    next_cursor: str | None


class Estop(BaseModel):
    """outcome: per instrument "safe" or what went wrong; null while the watchdog has not reported.

    safe: every instrument reported safe; null while there is no outcome.
    """

    at: Time
    by: str
    reason: str
    outcome: dict[str, str] | None = Field(examples=[{"smu": "safe", "crossbar": "safe", "prober": "safe"}])
    safe: bool | None


class Touchdown(BaseModel):
    """One touchdown. touchdowns: which one of its contact. finding: what the pad pair showed, null where it was cut short. ohms: of the
    pad pair; null then, and where no current flowed. on_die, on_card: so many with this one."""

    at: Time
    wafer: str = Field(examples=["W1"])
    die: DieIndex
    run: str | None
    touchdowns: int = Field(examples=[1])
    finding: Finding | None
    ohms: float | None = Field(examples=[8.2])
    overtravel_um: float | None = Field(examples=[0.0])
    on_die: int = Field(examples=[3])
    on_card: int = Field(examples=[1204])


class Card(BaseModel):
    """The probe card and its touchdowns, those of cleaning and those made elsewhere (known by the prober's own counter) included.

    since, by: who put it in, null for the first one. left, left_before_cleaning: of the budgets in lab.toml. counter: what the
    prober's own counter said last.
    """

    name: str = Field(examples=["Q-114"])
    since: Time | None
    by: str | None
    touchdowns: int
    since_cleaning: int
    cleaned_at: Time | None
    elsewhere: int
    counter: int | None
    left: int
    left_before_cleaning: int


class CardBody(BaseModel):
    """name: of the card that was put in."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=100, examples=["Q-114"])]


class Interlocks(BaseModel):
    """estop: latched, or null. may_be_on: why an output has to be taken for live, or null. worker_alive: it reports."""

    estop: Estop | None
    may_be_on: str | None
    worker_alive: bool


class Queue(BaseModel):
    """held: why nothing is started, or null. running, queued: run ids, the next one first.

    paused: run ids. Only runs on the same wafer are started meanwhile; none is while a run is paused with an error.
    """

    held: str | None
    running: str | None
    queued: list[str]
    paused: list[str]


class Station(BaseModel):
    """The station as the worker last saw it, with the operator's switches."""

    name: str
    instruments: dict[str, Any] = Field(
        examples=[{"smu": {"vendor": "KEITHLEY", "model": "2450", "serial": "SIM01", "connected": True}}],
    )
    die_in_contact: DieIndex | None
    smu_output_on: bool | None = Field(description="as the worker last asked; null while a run is under way, and when nobody knows")
    crossbar: dict[str, Any] | None
    prober: dict[str, Any] | None
    contact_trend: list[Touchdown] = Field(description="the latest 200 touchdowns, oldest first; they outlive restarts")
    card: Card
    limits: dict[str, float | tuple[float, float]]
    interlocks: Interlocks
    queue: Queue
    heartbeat_at: Time | None
    error: str | None = Field(description="why the worker has no instruments, or null")


class EventBody(BaseModel):
    """`data` of a server-sent event. number is also its `id`, kind its `event`."""

    number: int
    run: str | None
    at: Time
    kind: str
    payload: dict[str, Any]


class Health(BaseModel):
    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    status: Literal["ready"] = "ready"
    instruments: list[str] = Field(examples=[["prober", "smu", "crossbar"]])
