"""Requests to a die that a run holds in contact: asked by the web process, answered by the worker, each a row.

Rule: a request is taken once, by one UPDATE that only one can win, or withdrawn; never both. What is
left when its run stops running is refused (hil.store.runs)."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row, select

from hil.model.runs import RunState
from hil.store import schema
from hil.store.records import LiveRecord
from hil.store.runs import LIVE_GONE, find_run
from hil.store.shelf import Shelf

_table = schema.live_requests


def _record(row: Row[Any]) -> LiveRecord:
    return LiveRecord(row.number, row.run, row.request, row.state, row.answer, row.meta, row.error)


class Live(Shelf):
    def ask_live(self, run_id: str, request: Mapping[str, Any]) -> int:
        """See Store."""
        with self._db.write() as connection:
            running = find_run(connection, run_id).state is RunState.RUNNING
            state, error = ("asked", None) if running else ("refused", LIVE_GONE)
            values = {"run": run_id, "request": dict(request), "at": self._now(), "state": state, "error": error}
            made = connection.execute(_table.insert().values(**values))
            assert made.inserted_primary_key is not None
            return int(made.inserted_primary_key[0])

    def live(self, number: int) -> LiveRecord:
        """See Store."""
        with self._db.read() as connection:
            return _record(connection.execute(select(_table).where(_table.c.number == number)).one())

    def take_live(self, run_id: str) -> LiveRecord | None:
        """See Store."""
        oldest = select(_table).where(_table.c.run == run_id, _table.c.state == "asked").order_by(_table.c.number).limit(1)
        with self._db.read() as connection:
            if connection.execute(oldest).one_or_none() is None:
                return None
        with self._db.write() as connection:
            row = connection.execute(oldest).one_or_none()
            if row is None:
                return None
            connection.execute(_table.update().where(_table.c.number == row.number).values(state="taken"))
            return _record(row)

    def answer_live(self, number: int, data: bytes, meta: Mapping[str, Any]) -> None:
        """See Store."""
        answer = self._objects.put(data)
        with self._db.write() as connection:
            connection.execute(_table.update().where(_table.c.number == number).values(state="answered", answer=answer, meta=dict(meta)))

    def refuse_live(self, number: int, error: str) -> None:
        """See Store."""
        with self._db.write() as connection:
            connection.execute(_table.update().where(_table.c.number == number).values(state="refused", error=error))

    def withdraw_live(self, number: int) -> bool:
        """See Store."""
        with self._db.write() as connection:
            asked = _table.update().where(_table.c.number == number, _table.c.state == "asked").values(state="withdrawn")
            return bool(connection.execute(asked).rowcount)
