"""Wafers: a name and the dies it has. Registering one twice changes nothing."""

from collections.abc import Sequence

from sqlalchemy import Row, select

from hil.model.lab import DieIndex
from hil.store import schema
from hil.store.errors import NotFound
from hil.store.records import WaferRecord
from hil.store.shelf import Shelf

_table = schema.wafers


def _record(row: Row[tuple[str, list[list[int]], str]]) -> WaferRecord:
    return WaferRecord(row.name, tuple((int(x), int(y)) for x, y in row.dies), row.created_at)


class Wafers(Shelf):
    def ensure_wafer(self, name: str, dies: Sequence[DieIndex]) -> WaferRecord:
        """The wafer as registered; registered now with `dies` if the name is new."""
        with self._db.write() as connection:
            found = connection.execute(select(_table).where(_table.c.name == name)).one_or_none()
            if found is not None:
                return _record(found)
            made = WaferRecord(name, tuple(dies), self._now())
            connection.execute(_table.insert().values(name=name, dies=[list(die) for die in dies], created_at=made.created_at))
            self._journal(connection, None, "wafer", {"wafer": name, "dies": len(dies)})
            return made

    def wafer(self, name: str) -> WaferRecord:
        """Raises NotFound."""
        with self._db.read() as connection:
            found = connection.execute(select(_table).where(_table.c.name == name)).one_or_none()
        if found is None:
            raise NotFound(f"wafer {name} is not registered; a run on it or PUT /wafers/{name} registers it")
        return _record(found)

    def wafers(self) -> list[WaferRecord]:
        """By name."""
        with self._db.read() as connection:
            return [_record(row) for row in connection.execute(select(_table).order_by(_table.c.name))]
