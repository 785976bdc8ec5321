"""The journal: what a run emits becomes rows here, data and announcement in one transaction.

Kinds and payloads (JSON), as REST and server-sent events show them:
  run       run, state (a RunState or "deleted"), error; wanted when an operator asked something of a running run
  contact   die, ohms, touchdowns, overtravel_um
  step      index, die, kernel, flagged, done, total
  map       map (id), wafer, die, kind, state
  object    die, name, object (sha256), shape, dtype, meta
  calibration  calibration (id), board, version, die, expires_at
  noted     note (kind), text, data; of "no contact": die, steps_left, finding, and touchdowns or touchdowns_in_all;
            of "clock stepped": seconds; of "drift": die, and what hil.runs.rereading tells; of "calibration ended": calibration, expires_at
  wafer     wafer, dies (count)
  station   what ("estop", "estop_outcome", "estop_cleared", "released", "may_be_on", "left", "card", "card_cleaned",
            "touchdowns_elsewhere", "not_aligned", or a note's kind), text, data, by; of no run, but "may_be_on" of the run that it befell
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, func, select

from hil.model.maps import from_npy_bytes, npy_bytes
from hil.model.runs import CalibrationMade, ContactMade, Event, MapMeasured, Noted, ObjectMeasured, RunState, StepMeasured
from hil.store import schema
from hil.store.calibrations import insert_calibration, kept_calibration
from hil.store.errors import StoreError
from hil.store.maps import insert_map, kept_map
from hil.store.records import EventRecord, ObjectRecord, RunRecord
from hil.store.runs import find_run
from hil.store.shelf import Shelf

_steps, _arrays, _events = schema.steps, schema.step_arrays, schema.events


class Events(Shelf):
    def append(self, run_id: str, event: Event) -> EventRecord:
        """See Store. Raises StoreError unless the run is running; NotFound."""
        # Files first: the row that makes a map exist may only be written once its bytes are safe.
        kept = self._keep(event)
        with self._db.write() as connection:
            run = find_run(connection, run_id)
            if run.state is not RunState.RUNNING:
                raise StoreError(f"run {run_id} is {run.state}; only a running run can record what it measured")
            kind, payload = self._record(event, connection, run, kept)
            return self._journal(connection, run_id, kind, payload)

    def steps_done(self, run_id: str) -> dict[int, dict[str, NDArray[np.generic]]]:
        """Arrays of every committed step, by step index."""
        done: dict[int, dict[str, NDArray[np.generic]]] = {}
        with self._db.read() as connection:
            finished = select(_steps.c["index"]).where(_steps.c.run == run_id, _steps.c.done_at.is_not(None))
            for (index,) in connection.execute(finished):
                done[index] = {}
            for row in connection.execute(select(_arrays).where(_arrays.c.run == run_id)):
                done[row[1]][row.name] = from_npy_bytes(row.npy)
        return done

    def events(self, after: int = 0, run_id: str | None = None, limit: int = 1000) -> list[EventRecord]:
        """Oldest first, numbers above `after`."""
        query = select(_events).where(_events.c.number > after).order_by(_events.c.number).limit(limit)
        if run_id is not None:
            query = query.where(_events.c.run == run_id)
        with self._db.read() as connection:
            return [EventRecord(row.number, row.run, row.at, row.kind, row.payload) for row in connection.execute(query)]

    def objects_of_run(self, run_id: str) -> list[ObjectRecord]:
        """Results of a run that are no maps, oldest first. Raises NotFound."""
        query = select(_events).where(_events.c.run == run_id, _events.c.kind == "object").order_by(_events.c.number)
        with self._db.read() as connection:
            find_run(connection, run_id)
            return [_object_record(row.at, row.payload) for row in connection.execute(query)]

    def last_event(self) -> int:
        """Number of the newest event; 0 before the first."""
        with self._db.read() as connection:
            return int(connection.execute(select(func.coalesce(func.max(_events.c.number), 0))).scalar_one())

    def _keep(self, event: Event) -> dict[str, str]:
        """sha256 of every array of the event that lives in a file, by its column or payload name."""
        if isinstance(event, MapMeasured):
            return kept_map(self._objects, event.map)
        if isinstance(event, ObjectMeasured):
            return {"object": self._objects.put(npy_bytes(event.array))}
        if isinstance(event, CalibrationMade):
            return kept_calibration(self._objects, event)
        return {}

    def _record(self, event: Event, connection: Connection, run: RunRecord, kept: dict[str, str]) -> tuple[str, dict[str, Any]]:
        """Writes the event's rows; returns its kind and payload in the journal."""
        match event:
            case ContactMade():
                told = {"ohms": event.ohms, "touchdowns": event.touchdowns, "overtravel_um": event.overtravel_um}
                return "contact", {"die": list(event.die), **told}
            case StepMeasured():
                return "step", _record_step(connection, run, event, self._now())
            case MapMeasured():
                wafer = str(run.plan.get("wafer", ""))
                made = insert_map(connection, event, {"wafer": wafer, "run": run.id, "measured_at": self._now()}, kept)
                return "map", {"map": made, "wafer": wafer, "die": list(event.die), "kind": event.map.kind, "state": event.map.state}
            case ObjectMeasured():
                return "object", _object_told(event, kept["object"])
            case CalibrationMade():
                return "calibration", insert_calibration(connection, event, run.id, self._now(), kept)
            case Noted():
                return "noted", {"note": event.kind, "text": event.text, "data": dict(event.data)}


def _object_record(at: str, told: Mapping[str, Any]) -> ObjectRecord:
    """Journals of earlier releases tell no shape, dtype and metadata."""
    x, y = told["die"]
    return ObjectRecord((x, y), told["name"], told["object"], at, told.get("shape"), told.get("dtype"), told.get("meta") or {})


def _object_told(event: ObjectMeasured, sha256: str) -> dict[str, Any]:
    shape, dtype = list(event.array.shape), event.array.dtype.name
    return {"die": list(event.die), "name": event.name, "object": sha256, "shape": shape, "dtype": dtype, "meta": dict(event.meta)}


def _record_step(connection: Connection, run: RunRecord, event: StepMeasured, now: str) -> dict[str, Any]:
    step = event.step
    here = (_steps.c.run == run.id) & (_steps.c["index"] == step.index) & _steps.c.done_at.is_(None)
    if connection.execute(_steps.update().where(here).values(done_at=now, flagged=event.flagged)).rowcount != 1:
        raise StoreError(f"run {run.id}: step {step.index} is already done or does not exist; a step is measured once")
    rows = [{"run": run.id, "index": step.index, "name": name, "npy": npy_bytes(array)} for name, array in event.arrays.items()]
    if rows:
        connection.execute(_arrays.insert(), rows)
    connection.execute(schema.runs.update().where(schema.runs.c.id == run.id).values(done=schema.runs.c.done + 1))
    told = {"index": step.index, "die": list(step.die), "kernel": step.kernel, "flagged": event.flagged}
    return {**told, "done": run.done + 1, "total": run.total}
