"""What the rest of the house may ask of the store. The row makes the map exist; readers ask the catalogue, never a directory."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hil.model.lab import DieIndex
from hil.model.maps import MapKind
from hil.model.runs import Event, MapMeasured, RunState, Step
from hil.store.logs import NeedleLog, PulseIntents
from hil.store.records import (
    CalibrationRecord,
    CardRecord,
    EvaluationRecord,
    EventRecord,
    LiveRecord,
    MapRecord,
    ModelRecord,
    ObjectRecord,
    RunRecord,
    Scope,
    StationRecord,
    TokenRecord,
    TouchRecord,
    WaferRecord,
)


class Store(Protocol):
    # --- wafers
    def ensure_wafer(self, name: str, dies: Sequence[DieIndex]) -> WaferRecord: ...
    def wafer(self, name: str) -> WaferRecord: ...
    def wafers(self) -> list[WaferRecord]: ...
    # --- runs
    def submit(
        self,
        plan: Mapping[str, Any],
        plan_hash: str,
        steps: Sequence[Step],
        unit: str,
        requested_by: str,
        key: tuple[str, str] | None = None,
    ) -> RunRecord:
        """Queue a run with its steps in one transaction. key: (Idempotency-Key, sha256 of the body); the same key and
        body return the run made before. Raises KeyConflict for the same key with another body."""
        ...

    def import_maps(
        self,
        plan: Mapping[str, Any],
        plan_hash: str,
        maps: Sequence[MapMeasured],
        requested_by: str,
        key: tuple[str, str] | None = None,
    ) -> RunRecord:
        """Maps measured elsewhere, as a run that is finished when it is written; one transaction. plan: kind "import", the wafer, and what
        is known of the maps. key: as of `submit`. Raises KeyConflict, Unwritable."""
        ...

    def run(self, run_id: str) -> RunRecord: ...
    def runs(self, limit: int = 100, before: str | None = None) -> list[RunRecord]:
        """Newest first; `before`: the id of the last run of the previous page."""
        ...

    def running(self) -> RunRecord | None:
        """The one run that measures now."""
        ...

    def delete_queued(self, run_id: str) -> None:
        """Raises IllegalTransition unless queued."""
        ...

    def want(self, run_id: str, wanted: str) -> RunRecord:
        """Operator's wish: "pause", "abort" or "resume". Takes effect at once where the run is not running
        (queued -> aborted, paused or interrupted -> queued at the head). Raises IllegalTransition."""
        ...

    def next_queued(self) -> RunRecord | None:
        """Head of the queue; None when empty, held, or the emergency stop is latched."""
        ...

    def set_state(self, run_id: str, state: RunState, error: str | None = None) -> RunRecord:
        """Checked against TRANSITIONS; appends an event. FAILED holds the queue. Raises IllegalTransition."""
        ...

    def interrupt_running(self) -> list[RunRecord]:
        """At start-up: every run still marked running becomes interrupted. Returns those."""
        ...

    def set_wires(self, run_id: str, wires: Mapping[str, Mapping[str, Any]]) -> None: ...
    # --- progress: one transaction per event
    def append(self, run_id: str, event: Event) -> EventRecord:
        """Data, metadata and checkpoint in one transaction; array objects are durable before it commits.

        Raises StoreError unless the run is running: a worker that was given up for dead cannot add to the record.
        """
        ...

    def steps_done(self, run_id: str) -> dict[int, dict[str, NDArray[np.generic]]]:
        """Arrays of every committed step, by step index."""
        ...

    def steps(self, run_id: str) -> list[Step]: ...
    def events(self, after: int = 0, run_id: str | None = None, limit: int = 1000) -> list[EventRecord]:
        """Oldest first, numbers above `after`. Kinds and payloads: module hil.store.events."""
        ...

    def last_event(self) -> int: ...
    # --- models
    def put_model(self, data: bytes, header: Mapping[str, Any], by: str) -> ModelRecord:
        """Idempotent: the same bytes are the same model. data: of the checkpoint, durable when it returns."""
        ...

    def model(self, model_id: str) -> ModelRecord:
        """Raises NotFound."""
        ...

    def models(self, limit: int = 100, before: str | None = None) -> list[ModelRecord]:
        """Newest first; `before`: the id of the last one of the previous page."""
        ...

    def put_report(self, model_id: str, page: bytes) -> ModelRecord:
        """Replaces an earlier one. Raises NotFound."""
        ...

    def add_evaluation(self, model_id: str, body: Mapping[str, Any], by: str) -> EvaluationRecord:
        """Raises NotFound."""
        ...

    def evaluations(self, model_id: str) -> list[EvaluationRecord]:
        """Oldest first. Raises NotFound."""
        ...

    # --- requests to a die that a run holds in contact
    def ask_live(self, run_id: str, request: Mapping[str, Any]) -> int:
        """Number of the request; it is refused at once where the run is not running. Raises NotFound."""
        ...

    def live(self, number: int) -> LiveRecord: ...
    def take_live(self, run_id: str) -> LiveRecord | None:
        """The oldest request that nobody took; None when there is none. Cheap: poll it."""
        ...

    def answer_live(self, number: int, data: bytes, meta: Mapping[str, Any]) -> None:
        """data: npy bytes, durable before the answer is seen."""
        ...

    def refuse_live(self, number: int, error: str) -> None: ...
    def withdraw_live(self, number: int) -> bool:
        """False when it was taken already."""
        ...

    # --- needles
    def needle_log(self) -> NeedleLog: ...
    def touchdowns(self, wafer: str) -> dict[DieIndex, int]:
        """How often each die of the wafer was touched in all runs ever; dies never touched are left out."""
        ...

    def contact_trend(self, limit: int = 200, wafer: str | None = None) -> list[TouchRecord]:
        """The latest touchdowns, oldest first, of one wafer or of all."""
        ...

    def newest_touches(self, wafer: str) -> dict[DieIndex, TouchRecord]:
        """The last touchdown of each die whose pads were measured at it."""
        ...

    def card(self) -> CardRecord: ...
    def new_card(self, by: str, name: str) -> CardRecord:
        """Another probe card was put in: its touchdowns are counted from nothing."""
        ...

    def card_cleaned(self, by: str) -> CardRecord:
        """Somebody cleaned the needles by hand."""
        ...

    # --- maps and objects
    def map(self, map_id: str) -> MapRecord: ...
    def newest_map(self, wafer: str, die: DieIndex, kind: MapKind, state: str | None = None) -> MapRecord | None:
        """For conductance without a state: the newest of any state."""
        ...

    def newest_maps(self, wafer: str, kind: MapKind, state: str | None = None) -> list[MapRecord]:
        """Newest of every measured die, ordered by (y, x)."""
        ...

    def maps_of_die(self, wafer: str, die: DieIndex, limit: int = 100, before: str | None = None) -> list[MapRecord]: ...
    def maps_of_run(self, run_id: str) -> list[MapRecord]:
        """Oldest first."""
        ...

    def objects_of_run(self, run_id: str) -> list[ObjectRecord]:
        """Results that are no maps, oldest first. Raises NotFound."""
        ...

    def put_object(self, data: bytes) -> str:
        """sha256; idempotent; on disk (fsync, rename) before it returns."""
        ...

    def get_object(self, sha256: str) -> bytes:
        """Raises NotFound, Corrupt."""
        ...

    # --- calibrations
    def calibration(self, calibration_id: str) -> CalibrationRecord: ...
    def calibrations(self, limit: int = 100, before: str | None = None) -> list[CalibrationRecord]:
        """Newest first; `before`: the id of the last one of the previous page."""
        ...

    def newest_calibration(self, board: str) -> CalibrationRecord | None:
        """Of the board with this serial number, valid or not."""
        ...

    # --- station
    def station(self) -> StationRecord: ...
    def publish_station(self, snapshot: Mapping[str, Any]) -> None: ...
    def links(self) -> dict[str, dict[str, Any]]:
        """What went over each instrument's wire in the life of this store: counts by name, or by name and reason."""
        ...

    def publish_links(self, counts: Mapping[str, Mapping[str, Any]]) -> None:
        """Replaces what was told before; by the worker, who never tells less than that."""
        ...

    def heartbeat(self) -> None: ...
    def end_heartbeat(self) -> None:
        """The worker leaves in good order: its silence from now on is no alarm."""
        ...

    def latch_estop(self, by: str, reason: str) -> StationRecord:
        """Idempotent: a second call keeps the first latch."""
        ...

    def record_estop_outcome(self, outcome: Mapping[str, str], at: str | None = None) -> None:
        """What became of each instrument; may be told again, the last one counts. at: of the latch meant, None for any."""
        ...

    def clear_estop(self, by: str) -> StationRecord: ...
    def release_queue(self, by: str) -> StationRecord: ...
    def latch_may_be_on(self, text: str | None, by: str | None = None) -> None:
        """text: what may be on, a colon, and why, of which the first one is kept; None when an off was verified, or when somebody (`by`)
        has looked. While latched it stands in the error of every run that ends or pauses."""
        ...

    def note(self, kind: str, text: str, data: Mapping[str, Any] | None = None) -> EventRecord:
        """An event of the station itself, outside any run."""
        ...

    # --- pulse ids: one controller per station, so one sequence per store
    def pulse_ids(self) -> PulseIntents: ...
    # --- tokens
    def create_token(self, scope: Scope, name: str) -> tuple[TokenRecord, str]:
        """The record and the token itself, which is shown once and stored only as its sha256."""
        ...

    def check_token(self, token: str) -> TokenRecord | None: ...
    def tokens(self) -> list[TokenRecord]: ...
    def revoke_token(self, token_id: str) -> TokenRecord: ...
    # --- watching
    def changes(self) -> int:
        """A number that differs after any commit, by this process or another (SQLite data_version). Cheap: poll it."""
        ...

    def close(self) -> None: ...
