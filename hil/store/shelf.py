"""What every part of the store stands on: the catalogue, the objects, the clock, and the journal of events.

Rule: an event is written in the transaction of the change it tells of, so that nobody can see one without the other."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from hil.store import schema
from hil.store.database import Database
from hil.store.objects import Objects
from hil.store.records import EventRecord

Clock = Callable[[], datetime]
"""Now, aware, in UTC."""


def utc_now() -> datetime:
    return datetime.now(UTC)


def stamp(moment: datetime) -> str:
    """UTC, ISO 8601 to the millisecond with Z: the one form times have in the store and in metadata."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Shelf:
    """Base of the store's parts; `SqlStore` is all of them over one database."""

    def __init__(self, database: Database, objects: Objects, clock: Clock) -> None:
        self._db, self._objects, self._clock = database, objects, clock

    def _now(self) -> str:
        return stamp(self._clock())

    def _journal(self, connection: Connection, run_id: str | None, kind: str, payload: Mapping[str, Any]) -> EventRecord:
        at = self._now()
        row = connection.execute(schema.events.insert().values(run=run_id, at=at, kind=kind, payload=dict(payload)))
        assert row.inserted_primary_key is not None
        return EventRecord(int(row.inserted_primary_key[0]), run_id, at, kind, dict(payload))
