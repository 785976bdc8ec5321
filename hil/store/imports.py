"""Maps measured elsewhere. An import is a run that was never queued: it is finished when it is written, with everything it brought, in one
transaction; who asked for it and what the file was stand in its record."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from hil.model.runs import MapMeasured, RunState
from hil.store import schema
from hil.store.maps import insert_map, kept_map
from hil.store.records import RunRecord
from hil.store.runs import Runs, find_run, run_of_key


class Imports(Runs):
    def import_maps(
        self,
        plan: Mapping[str, Any],
        plan_hash: str,
        maps: Sequence[MapMeasured],
        requested_by: str,
        key: tuple[str, str] | None = None,
    ) -> RunRecord:
        """See Store."""
        kept = [kept_map(self._objects, event.map) for event in maps]
        with self._db.write() as connection:
            made = None if key is None else run_of_key(connection, *key)
            if made is not None:
                return find_run(connection, made)
            run_id = self._finished(connection, dict(plan), plan_hash, len(maps), requested_by)
            if key is not None:
                connection.execute(schema.keys.insert().values(key=key[0], body_sha256=key[1], run=run_id))
            self._tell_run(connection, run_id, RunState.FINISHED)
            wafer = str(plan["wafer"])
            for event, arrays in zip(maps, kept, strict=True):
                known = {"wafer": wafer, "run": run_id, "measured_at": self._now()}
                made_map = insert_map(connection, event, known, arrays)
                told = {"map": made_map, "wafer": wafer, "die": list(event.die), "kind": event.map.kind, "state": event.map.state}
                self._journal(connection, run_id, "map", told)
            return find_run(connection, run_id)

    def _finished(self, connection: Connection, plan: dict[str, Any], plan_hash: str, total: int, by: str) -> str:
        run_id = self._insert_run(connection, plan, plan_hash, total, unit="map", by=by)
        now = self._now()
        values = {"state": RunState.FINISHED, "done": total, "started_at": now, "ended_at": now}
        connection.execute(schema.runs.update().where(schema.runs.c.id == run_id).values(values))
        return run_id
