"""Bringing a store of an earlier release up: what a new table holds of the time before it was there."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, select

from hil.store import schema

_events = schema.events


def fill_needle_log(connection: Connection) -> None:
    """Touchdowns as earlier releases told them in the events of contacts, made or failed: the pads bear them still."""
    on_die: dict[tuple[str, int, int], int] = {}
    on_card = 0
    for event, wafer in _contacts(connection):
        told: dict[str, Any] = event.payload if event.kind == "contact" else event.payload["data"]
        x, y = told["die"]
        before = on_die.get((wafer, x, y), 0)
        made = told["touchdowns"] if "touchdowns" in told else max(told["touchdowns_in_all"] - before, 0)
        if not made:
            continue
        on_die[wafer, x, y], on_card = before + made, on_card + made
        found = {"finding": "contact", "ohms": told["ohms"]} if event.kind == "contact" else {"finding": None, "ohms": None}
        place = {"wafer": wafer, "x": x, "y": y, "on_die": before + made, "on_card": on_card}
        row = {"at": event.at, "kind": "touchdown", "count": made, "run": event.run, "attempt": made, **place, **found}
        connection.execute(schema.needle_log.insert().values(row))


def _contacts(connection: Connection) -> Iterator[tuple[Any, str]]:
    """Events that tell of touchdowns, oldest first, with their wafer."""
    query = select(_events, schema.runs.c.wafer).join(schema.runs, schema.runs.c.id == _events.c.run).order_by(_events.c.number)
    for row in connection.execute(query.where(_events.c.kind.in_(("contact", "noted")))).all():
        told = row.payload if row.kind == "contact" else row.payload["data"]
        if "die" in told and ("touchdowns" in told or "touchdowns_in_all" in told):
            yield row, row.wafer
