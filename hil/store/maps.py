"""Maps: a row per map, its arrays in objects. Newest means last committed, whatever the clocks said."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select

from hil.model.lab import DieIndex
from hil.model.maps import ConductanceMap, DefectMap, MapKind, map_id, npy_bytes
from hil.model.runs import MapMeasured
from hil.store import schema
from hil.store.objects import Objects
from hil.store.protocol import NotFound
from hil.store.records import MapRecord
from hil.store.shelf import Shelf

_table = schema.maps


def _record(row: Row[Any]) -> MapRecord:
    return MapRecord(
        row.id, row.wafer, (row.x, row.y), row.run, row.kind, row.state,
        row.object, row.line_object, row.confidence_object, row.measured_at, row.meta,
    )  # fmt: skip


def kept_map(objects: Objects, measured: ConductanceMap | DefectMap) -> dict[str, str]:
    """Write a map's arrays; their sha256 by column of the maps table."""
    kept = {"object": objects.put(npy_bytes(measured.array))}
    if isinstance(measured, DefectMap):
        kept["line_object"] = objects.put(npy_bytes(measured.line_fault))
        kept["confidence_object"] = objects.put(npy_bytes(measured.confidence))
    return kept


def insert_map(connection: Connection, event: MapMeasured, known: Mapping[str, str], kept: Mapping[str, str]) -> str:
    """The row that makes the map exist; returns its id. known: wafer, run, and measured_at for a map that does not say."""
    meta = dict(event.map.meta)
    made = map_id(meta, kept["object"])
    where = {"x": event.die[0], "y": event.die[1], "kind": event.map.kind, "state": event.map.state}
    measured_at = str(meta.get("measured_at", known["measured_at"]))
    values = {**known, **where, **kept, "id": made, "measured_at": measured_at, "meta": meta}
    connection.execute(_table.insert().values(values))
    return made


def _of(wafer: str, kind: MapKind, state: str | None) -> Select[Any]:
    query = select(_table).where(_table.c.wafer == wafer, _table.c.kind == kind)
    return query if state is None else query.where(_table.c.state == state)


class Maps(Shelf):
    def map(self, map_id: str) -> MapRecord:
        """Raises NotFound."""
        with self._db.read() as connection:
            return _find(connection, map_id)

    def newest_map(self, wafer: str, die: DieIndex, kind: MapKind, state: str | None = None) -> MapRecord | None:
        """For conductance without a state: the newest of any state."""
        query = _of(wafer, kind, state).where(_table.c.x == die[0], _table.c.y == die[1]).order_by(_table.c.seq.desc()).limit(1)
        with self._db.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _record(row)

    def newest_maps(self, wafer: str, kind: MapKind, state: str | None = None) -> list[MapRecord]:
        """Newest of every measured die, ordered by (y, x)."""
        of = _of(wafer, kind, state).with_only_columns(func.max(_table.c.seq)).group_by(_table.c.x, _table.c.y)
        query = select(_table).where(_table.c.seq.in_(of)).order_by(_table.c.y, _table.c.x)
        with self._db.read() as connection:
            return [_record(row) for row in connection.execute(query)]

    def maps_of_die(self, wafer: str, die: DieIndex, limit: int = 100, before: str | None = None) -> list[MapRecord]:
        """Newest first; `before`: the id of the last map of the previous page. Raises NotFound."""
        query = select(_table).where(_table.c.wafer == wafer, _table.c.x == die[0], _table.c.y == die[1])
        with self._db.read() as connection:
            if before is not None:
                _find(connection, before)
                query = query.where(_table.c.seq < select(_table.c.seq).where(_table.c.id == before).scalar_subquery())
            return [_record(row) for row in connection.execute(query.order_by(_table.c.seq.desc()).limit(limit))]

    def maps_of_run(self, run_id: str) -> list[MapRecord]:
        """Oldest first."""
        with self._db.read() as connection:
            return [_record(row) for row in connection.execute(select(_table).where(_table.c.run == run_id).order_by(_table.c.seq))]

    def put_object(self, data: bytes) -> str:
        """sha256; idempotent; on disk before it returns. Raises Unwritable."""
        return self._objects.put(data)

    def get_object(self, sha256: str) -> bytes:
        """Raises NotFound, Corrupt."""
        return self._objects.get(sha256)


def _find(connection: Connection, map_id: str) -> MapRecord:
    row = connection.execute(select(_table).where(_table.c.id == map_id)).one_or_none()
    if row is None:
        raise NotFound(f"map {map_id[:80]} does not exist; /dies/WAFER/X/Y/maps lists those of a die")
    return _record(row)
