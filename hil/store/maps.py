"""Maps: a row per map, its arrays in objects. Newest means last committed, whatever the clocks said."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select

from hil.model.lab import DieIndex
from hil.model.maps import ConductanceMap, DefectMap, MapKind, map_id, npy_bytes
from hil.model.runs import MapMeasured
from hil.store import schema
from hil.store.errors import NotFound
from hil.store.objects import Objects
from hil.store.records import MapRecord
from hil.store.shelf import Shelf

_table, _parts = schema.maps, schema.map_parts
_PART = "part:"
_AT_ONCE = 500
"""Of the values in one query: SQLite takes no more than some thousands."""


def _record(row: Row[Any], parts: Mapping[str, Mapping[str, str]]) -> MapRecord:
    """parts: of `_parts_of`."""
    return MapRecord(
        row.id, row.wafer, (row.x, row.y), row.run, row.kind, row.state,
        row.object, row.line_object, row.confidence_object, row.measured_at, row.meta, parts.get(row.id, {}),
    )  # fmt: skip


def _records(connection: Connection, rows: Sequence[Row[Any]]) -> list[MapRecord]:
    parts = _parts_of(connection, [row.id for row in rows])
    return [_record(row, parts) for row in rows]


def _parts_of(connection: Connection, ids: Sequence[str]) -> dict[str, dict[str, str]]:
    """sha256 of the arrays beside maps, by map and name."""
    found: dict[str, dict[str, str]] = {}
    for start in range(0, len(ids), _AT_ONCE):
        query = select(_parts).where(_parts.c.map.in_(ids[start : start + _AT_ONCE]))
        for row in connection.execute(query):
            found.setdefault(row.map, {})[row.name] = row.object
    return found


def kept_map(objects: Objects, measured: ConductanceMap | DefectMap) -> dict[str, str]:
    """Write a map's arrays; their sha256 by column of the maps table, those of map_parts with a mark before their name."""
    kept = {"object": objects.put(npy_bytes(measured.array))}
    if isinstance(measured, DefectMap):
        kept["line_object"] = objects.put(npy_bytes(measured.line_fault))
        kept["confidence_object"] = objects.put(npy_bytes(measured.confidence))
    else:
        kept |= {f"{_PART}{name}": objects.put(npy_bytes(array)) for name, array in measured.parts().items()}
    return kept


def insert_map(connection: Connection, event: MapMeasured, known: Mapping[str, str], kept: Mapping[str, str]) -> str:
    """The row that makes the map exist; returns its id. known: wafer, run, and measured_at for a map that does not say."""
    meta = dict(event.map.meta)
    made = map_id(meta, kept["object"])
    where = {"x": event.die[0], "y": event.die[1], "kind": event.map.kind, "state": event.map.state}
    measured_at = str(meta.get("measured_at", known["measured_at"]))
    parts = {name.removeprefix(_PART): sha256 for name, sha256 in kept.items() if name.startswith(_PART)}
    columns = {name: sha256 for name, sha256 in kept.items() if not name.startswith(_PART)}
    values = {**known, **where, **columns, "id": made, "measured_at": measured_at, "meta": meta}
    connection.execute(_table.insert().values(values))
    if parts:
        connection.execute(_parts.insert(), [{"map": made, "name": name, "object": sha256} for name, sha256 in parts.items()])
    return made


def _of(wafer: str, kind: MapKind, state: str | None) -> Select[Any]:
    query = select(_table).where(_table.c.wafer == wafer, _table.c.kind == kind)
    return query if state is None else query.where(_table.c.state == state)


class Maps(Shelf):
    def map(self, map_id: str) -> MapRecord:
        """Raises NotFound."""
        with self._db.read() as connection:
            return _records(connection, [_find(connection, map_id)])[0]

    def newest_map(self, wafer: str, die: DieIndex, kind: MapKind, state: str | None = None) -> MapRecord | None:
        """For conductance without a state: the newest of any state."""
        query = _of(wafer, kind, state).where(_table.c.x == die[0], _table.c.y == die[1]).order_by(_table.c.seq.desc()).limit(1)
        with self._db.read() as connection:
            found = _records(connection, connection.execute(query).all())
        return found[0] if found else None

    def newest_maps(self, wafer: str, kind: MapKind, state: str | None = None) -> list[MapRecord]:
        """Newest of every measured die, ordered by (y, x)."""
        of = _of(wafer, kind, state).with_only_columns(func.max(_table.c.seq)).group_by(_table.c.x, _table.c.y)
        query = select(_table).where(_table.c.seq.in_(of)).order_by(_table.c.y, _table.c.x)
        with self._db.read() as connection:
            return _records(connection, connection.execute(query).all())

    def maps_of_die(self, wafer: str, die: DieIndex, limit: int = 100, before: str | None = None) -> list[MapRecord]:
        """Newest first; `before`: the id of the last map of the previous page. Raises NotFound."""
        query = select(_table).where(_table.c.wafer == wafer, _table.c.x == die[0], _table.c.y == die[1])
        with self._db.read() as connection:
            if before is not None:
                _find(connection, before)
                query = query.where(_table.c.seq < select(_table.c.seq).where(_table.c.id == before).scalar_subquery())
            return _records(connection, connection.execute(query.order_by(_table.c.seq.desc()).limit(limit)).all())

    def maps_of_run(self, run_id: str) -> list[MapRecord]:
        """Oldest first."""
        with self._db.read() as connection:
            return _records(connection, connection.execute(select(_table).where(_table.c.run == run_id).order_by(_table.c.seq)).all())

    def put_object(self, data: bytes) -> str:
        """sha256; idempotent; on disk before it returns. Raises Unwritable."""
        return self._objects.put(data)

    def get_object(self, sha256: str) -> bytes:
        """Raises NotFound, Corrupt."""
        return self._objects.get(sha256)


def _find(connection: Connection, map_id: str) -> Row[Any]:
    row = connection.execute(select(_table).where(_table.c.id == map_id)).one_or_none()
    if row is None:
        raise NotFound(f"map {map_id[:80]} does not exist; /dies/WAFER/X/Y/maps lists those of a die")
    return row
