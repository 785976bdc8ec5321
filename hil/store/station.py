"""The station's one row: what the worker last said, and the operator's switches. A latch keeps its first reason."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from hil.model.runs import RunState
from hil.store import schema
from hil.store.records import EventRecord, StationRecord
from hil.store.shelf import Shelf

_table = schema.station


def _record(connection: Connection) -> StationRecord:
    row = connection.execute(select(_table)).one()
    return StationRecord(row.snapshot, row.estop, row.held, row.heartbeat_at, row.may_be_on, row.resets)


class Station(Shelf):
    def station(self) -> StationRecord:
        with self._db.read() as connection:
            return _record(connection)

    def publish_station(self, snapshot: Mapping[str, Any]) -> None:
        self._set(snapshot=dict(snapshot))

    def links(self) -> dict[str, dict[str, Any]]:
        """See Store."""
        with self._db.read() as connection:
            return {row.instrument: row.counts for row in connection.execute(select(schema.links))}

    def publish_links(self, counts: Mapping[str, Mapping[str, Any]]) -> None:
        """See Store."""
        rows = [{"instrument": name, "counts": dict(of)} for name, of in counts.items()]
        with self._db.write() as connection:
            connection.execute(schema.links.delete())
            if rows:
                connection.execute(schema.links.insert(), rows)

    def heartbeat(self) -> None:
        self._set(heartbeat_at=self._now())

    def end_heartbeat(self) -> None:
        """The worker leaves in good order: its silence from now on is no alarm."""
        self._set(heartbeat_at=None)

    def latch_estop(self, by: str, reason: str) -> StationRecord:
        """Idempotent: a second call keeps the first latch."""
        with self._db.write() as connection:
            if _record(connection).estop is None:
                latch = {"at": self._now(), "by": by, "reason": reason, "outcome": None}
                connection.execute(_table.update().values(estop=latch))
                self._tell_station(connection, "estop", reason, by=by)
            return _record(connection)

    def record_estop_outcome(self, outcome: Mapping[str, str], at: str | None = None) -> None:
        """What became of each instrument, so far or at last; nothing to record when the stop was cleared meanwhile.

        at: of the latch that was carried out; what became of it says nothing about a later one.
        """
        text = "; ".join(f"{name}: {said}" for name, said in outcome.items())
        with self._db.write() as connection:
            latch = _record(connection).estop
            if latch is not None and at in (None, latch["at"]):
                connection.execute(_table.update().values(estop={**latch, "outcome": dict(outcome)}))
                self._tell_station(connection, "estop_outcome", text, data=outcome)

    def clear_estop(self, by: str) -> StationRecord:
        """Also when nothing is latched here: the controller may be latched by itself, and the watchdog then clears it."""
        with self._db.write() as connection:
            connection.execute(_table.update().values(estop=None, resets=_table.c.resets + 1))
            self._tell_station(connection, "estop_cleared", "the emergency stop was cleared", by=by)
            return _record(connection)

    def release_queue(self, by: str) -> StationRecord:
        with self._db.write() as connection:
            if _record(connection).held is not None:
                connection.execute(_table.update().values(held=None))
                self._tell_station(connection, "released", "the queue goes on", by=by)
            return _record(connection)

    def latch_may_be_on(self, text: str | None, by: str | None = None) -> None:
        """See Store. The run that it befell tells of it as well."""
        with self._db.write() as connection:
            if (_record(connection).may_be_on is None) != (text is None):
                connection.execute(_table.update().values(may_be_on=text))
                said = text or ("outputs are verified off" if by is None else "no longer said to be on: somebody has looked")
                run = connection.execute(select(schema.runs.c.id).where(schema.runs.c.state == RunState.RUNNING)).scalar()
                self._tell_station(connection, "may_be_on", said, by=by, run=run)

    def note(self, kind: str, text: str, data: Mapping[str, Any] | None = None) -> EventRecord:
        """An event of the station itself, outside any run."""
        with self._db.write() as connection:
            return self._tell_station(connection, kind, text, data=data)

    def _set(self, **values: Any) -> None:
        with self._db.write() as connection:
            connection.execute(_table.update().values(values))

    def _tell_station(
        self,
        connection: Connection,
        what: str,
        text: str,
        *,
        by: str | None = None,
        data: Mapping[str, Any] | None = None,
        run: str | None = None,
    ) -> EventRecord:
        return self._journal(connection, run, "station", {"what": what, "text": text, "by": by, "data": dict(data or {})})
