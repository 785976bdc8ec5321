"""Calibrations of boards: a row each, its arrays in objects. Nothing is ever changed or taken away: a newer one is another row.

Rule: a calibration belongs to the board of its serial number, and to no other.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, select

from hil.model.maps import canonical_json, npy_bytes, sha256_hex
from hil.model.runs import CalibrationMade
from hil.store import schema
from hil.store.errors import NotFound
from hil.store.objects import Objects
from hil.store.records import CalibrationRecord
from hil.store.shelf import Shelf, stamp

_table = schema.calibrations


def kept_calibration(objects: Objects, made: CalibrationMade) -> dict[str, str]:
    """Write a calibration's arrays; their sha256 by name."""
    return {"values": objects.put(npy_bytes(made.values)), "covariance": objects.put(npy_bytes(made.covariance))}


def insert_calibration(connection: Connection, event: CalibrationMade, run: str, now: str, kept: Mapping[str, str]) -> dict[str, Any]:
    """The row that makes it exist; what the journal tells of it. The id is the sha256 of everything it says."""
    document: dict[str, Any] = {**event.document, **kept}
    made_at = str(document.get("measured_at", now))
    board = str(document["board"]["serial"])
    version = connection.execute(select(func.count()).where(_table.c.board == board)).scalar_one() + 1
    row = {
        "id": sha256_hex(canonical_json(document).encode()),
        "board": board,
        "version": version,
        "run": run,
        "made_at": made_at,
        "expires_at": stamp(datetime.fromisoformat(made_at) + timedelta(seconds=float(document["valid_s"]))),
        "values_object": kept["values"],
        "covariance_object": kept["covariance"],
        "document": document,
    }
    connection.execute(_table.insert().values(row))
    return {"calibration": row["id"], "board": board, "version": version, "die": list(event.die), "expires_at": row["expires_at"]}


class Calibrations(Shelf):
    def calibration(self, calibration_id: str) -> CalibrationRecord:
        """Raises NotFound."""
        with self._db.read() as connection:
            return _record(_find(connection, calibration_id))

    def calibrations(self, limit: int = 100, before: str | None = None) -> list[CalibrationRecord]:
        """Newest first; `before`: the id of the last one of the previous page. Raises NotFound."""
        query = select(_table).order_by(_table.c.seq.desc()).limit(limit)
        with self._db.read() as connection:
            if before is not None:
                query = query.where(_table.c.seq < _find(connection, before).seq)
            return [_record(row) for row in connection.execute(query)]

    def newest_calibration(self, board: str) -> CalibrationRecord | None:
        """Of the board with this serial number, valid or not."""
        query = select(_table).where(_table.c.board == board).order_by(_table.c.seq.desc()).limit(1)
        with self._db.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _record(row)


def _find(connection: Connection, calibration_id: str) -> Row[Any]:
    row = connection.execute(select(_table).where(_table.c.id == calibration_id)).one_or_none()
    if row is None:
        raise NotFound(f"calibration {calibration_id[:80]} does not exist; /calibrations lists them")
    return row


def _record(row: Row[Any]) -> CalibrationRecord:
    return CalibrationRecord(
        row.id, row.board, row.version, row.run, row.made_at, row.expires_at, row.values_object, row.covariance_object, row.document
    )
