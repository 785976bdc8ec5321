"""The needles' log: every touchdown, every cleaning, every probe card, a row each. Nothing else in the house counts touchdowns.

Rule 1: a touchdown is on disk before the chuck goes up, so that one cut short counts. Rule 2: a count falls only where the prober
refused to move. Rule 3: where the prober's own counter and ours differ, that is told, and the larger one counts.
"""

import math
from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, func, select

from hil.model.lab import DieIndex
from hil.store import schema
from hil.store.database import Database
from hil.store.records import AlignmentDoubt, CardRecord, Touch, TouchRecord, Wear
from hil.store.shelf import Shelf

FIRST_CARD = "first card"
CARD, CLEANED, COUNTED, NOT_ALIGNED = "card", "card_cleaned", "touchdowns_elsewhere", "not_aligned"
"""Kinds of the station's events."""
_log = schema.needle_log
_Where = ColumnElement[bool]


def _touches(*where: _Where) -> Select[Any]:
    return select(func.coalesce(func.sum(_log.c["count"]), 0)).where(*where)


def _last(*where: _Where) -> Select[Any]:
    """Number of the last row that is such; 0 for none."""
    return select(func.coalesce(func.max(_log.c.number), 0)).where(*where)


_LAST_CARD = _last(_log.c.kind == "card").scalar_subquery()
_LAST_CLEANED = _last((_log.c.kind == "card") | ((_log.c.kind == "cleaning") & (_log.c.finding == "cleaned"))).scalar_subquery()
_LAST_COUNTED = _last(_log.c.counter.is_not(None)).scalar_subquery()
_ON_CARD = _touches(_log.c.number > _LAST_CARD)
_SINCE_CLEANING = _touches(_log.c.number > _LAST_CLEANED)


def _number(connection: Connection, query: Select[Any]) -> int:
    return int(connection.execute(query).scalar_one())


def _on_die(wafer: str | None, die: DieIndex) -> Select[Any]:
    return _touches(_log.c.wafer == wafer, _log.c.x == die[0], _log.c.y == die[1], _log.c.kind == "touchdown")


def _wear(connection: Connection, wafer: str | None, die: DieIndex | None) -> Wear:
    counted = connection.execute(select(_log.c.counter).where(_log.c.number == _LAST_COUNTED)).scalar()
    whose = select(_log.c.prober).where(_log.c.prober.is_not(None)).order_by(_log.c.number.desc()).limit(1)
    lent = select(_log.c.finding).where(_log.c.number == _last(_log.c.kind == "overtravel").scalar_subquery())
    cleanings = (_log.c.kind == "cleaning") & (_log.c["count"] > 0) & (_log.c.wafer == wafer)
    return Wear(
        on_die=0 if die is None else _number(connection, _on_die(wafer, die)),
        on_card=_number(connection, _ON_CARD),
        since_cleaning=_number(connection, _SINCE_CLEANING),
        cleanings=_number(connection, select(func.count()).where(cleanings)),
        prober=connection.execute(whose).scalar(),
        counter=counted,
        booked_since=_number(connection, _touches(_log.c.number > _LAST_COUNTED, _log.c.kind == "touchdown")),
        overtravel_lent=connection.execute(lent).scalar() == "on",
    )


class SqlNeedleLog:
    """hil.store.protocol.NeedleLog of this store. For one thread, the one that moves the chuck."""

    def __init__(self, database: Database, now: Callable[[], str]) -> None:
        self._db, self._now = database, now
        self._wafer: str | None = None
        self._run: str | None = None

    def at(self, wafer: str, run: str | None) -> None:
        """What the next touchdowns are for."""
        self._wafer, self._run = wafer, run

    def wear(self, die: DieIndex | None = None) -> Wear:
        with self._db.read() as connection:
            return _wear(connection, self._wafer, die)

    def book(self, die: DieIndex, attempt: int) -> int:
        """Number of a touchdown to come; on disk when it returns. Raises Unwritable: then nothing may touch."""
        with self._db.write() as connection:
            on_die, on_card = _number(connection, _on_die(self._wafer, die)) + 1, _number(connection, _ON_CARD) + 1
            place = {"x": die[0], "y": die[1], "attempt": attempt, "on_die": on_die, "on_card": on_card}
            return self._insert(connection, "touchdown", 1, **place)

    def book_cleaning(self, touches: int) -> int:
        """As `book`, of a cleaning to come."""
        with self._db.write() as connection:
            return self._insert(connection, "cleaning", touches)

    def give_back(self, number: int) -> None:
        """The prober refused to move: nothing was touched."""
        self._set(number, count=0, finding="refused")

    def made(self, number: int, touch: Touch) -> None:
        self._set(number, counter=touch.counter, finding=touch.finding, ohms=touch.ohms, overtravel_um=touch.overtravel_um)

    def cleaned(self, number: int, counter: int) -> None:
        """The cleaning came to its end."""
        self._set(number, counter=counter, finding="cleaned")

    def lend_overtravel(self, on: bool) -> None:
        """The service is about to switch the prober's overtravel on, or has switched it off again."""
        with self._db.write() as connection:
            self._insert(connection, "overtravel", 0, finding="on" if on else "off")

    def note_alignment(self, why: str | None) -> None:
        """What may have moved the wafer on the chuck, seen or told while the run of `at` was measured; None: it is aligned again."""
        doubt = self.alignment_doubt()
        with self._db.write() as connection:
            self._insert(connection, "alignment", 0, finding="sure" if why is None else "doubt", text=why)
            if why is not None and doubt is None:
                told = {"what": NOT_ALIGNED, "text": f"the wafer may no longer lie as it was aligned: {why}", "by": None, "data": {}}
                connection.execute(schema.events.insert().values(run=None, at=self._now(), kind="station", payload=told))

    def alignment_doubt(self) -> AlignmentDoubt | None:
        newest = select(_log.c.finding, _log.c.text, _log.c.run).where(_log.c.number == _last(_log.c.kind == "alignment").scalar_subquery())
        with self._db.read() as connection:
            row = connection.execute(newest).one_or_none()
        if row is None or row.finding == "sure":
            return None
        return AlignmentDoubt(row.text, told=row.run is not None and row.run == self._run)

    def counted(self, prober: str, counter: int, others: int, text: str | None) -> None:
        """What the prober's own counter says. others: touchdowns by it that are not ours. text: how it differs from ours, None where
        there is nothing to tell."""
        with self._db.write() as connection:
            self._insert(connection, "counted", others, counter=counter, prober=prober, text=text)
            if text is not None:
                told = {"what": COUNTED, "text": text, "by": None, "data": {"others": others, "counter": counter}}
                connection.execute(schema.events.insert().values(run=None, at=self._now(), kind="station", payload=told))

    def _insert(self, connection: Connection, kind: str, count: int, **values: Any) -> int:
        row = {"at": self._now(), "kind": kind, "count": count, "wafer": self._wafer, "run": self._run, **values}
        made = connection.execute(_log.insert().values(row)).inserted_primary_key
        assert made is not None
        return int(made[0])

    def _set(self, number: int, **values: Any) -> None:
        with self._db.write() as connection:
            connection.execute(_log.update().where(_log.c.number == number).values(values))


class Needles(Shelf):
    def needle_log(self) -> SqlNeedleLog:
        return SqlNeedleLog(self._db, self._now)

    def touchdowns(self, wafer: str) -> dict[DieIndex, int]:
        """How often each die of the wafer was touched in all runs ever; dies never touched are left out."""
        made = func.sum(_log.c["count"])
        query = select(_log.c.x, _log.c.y, made).where(_log.c.wafer == wafer, _log.c.kind == "touchdown").group_by(_log.c.x, _log.c.y)
        with self._db.read() as connection:
            return {(row.x, row.y): int(row[2]) for row in connection.execute(query) if row[2]}

    def contact_trend(self, limit: int = 200, wafer: str | None = None) -> list[TouchRecord]:
        """The latest touchdowns, oldest first, of one wafer or of all; those that were refused are left out."""
        where = [_log.c.kind == "touchdown", _log.c["count"] > 0] + ([] if wafer is None else [_log.c.wafer == wafer])
        with self._db.read() as connection:
            rows = connection.execute(select(_log).where(*where).order_by(_log.c.number.desc()).limit(limit)).all()
            return [_touch_record(row) for row in reversed(rows)]

    def newest_touches(self, wafer: str) -> dict[DieIndex, TouchRecord]:
        """The last touchdown of each die that the pads were measured at."""
        where = [_log.c.wafer == wafer, _log.c.kind == "touchdown", _log.c.finding.is_not(None), _log.c["count"] > 0]
        newest = select(func.max(_log.c.number)).where(*where).group_by(_log.c.x, _log.c.y)
        with self._db.read() as connection:
            rows = connection.execute(select(_log).where(_log.c.number.in_(newest))).all()
            return {(row.x, row.y): _touch_record(row) for row in rows}

    def card(self) -> CardRecord:
        with self._db.read() as connection:
            return _card(connection)

    def new_card(self, by: str, name: str) -> CardRecord:
        """Another probe card was put in: its touchdowns are counted from nothing."""
        with self._db.write() as connection:
            before = _card(connection)
            self._row(connection, "card", by=by, text=name)
            text = f"probe card {name!r} was put in; {before.name!r} before it had made {before.touchdowns} touchdowns"
            self._tell(connection, CARD, text, by)
            return _card(connection)

    def card_cleaned(self, by: str) -> CardRecord:
        """Somebody cleaned the needles by hand."""
        with self._db.write() as connection:
            before = _card(connection)
            self._row(connection, "cleaning", by=by, finding="cleaned")
            self._tell(connection, CLEANED, f"the needles were cleaned after {before.since_cleaning} touchdowns", by)
            return _card(connection)

    def _row(self, connection: Connection, kind: str, **values: Any) -> None:
        connection.execute(_log.insert().values({"at": self._now(), "kind": kind, "count": 0, **values}))

    def _tell(self, connection: Connection, what: str, text: str, by: str) -> None:
        self._journal(connection, None, "station", {"what": what, "text": text, "by": by, "data": {}})


def _card(connection: Connection) -> CardRecord:
    row = connection.execute(select(_log).where(_log.c.number == _LAST_CARD)).one_or_none()
    cleaned = select(_log.c.at).where(_log.c.number == _LAST_CLEANED, _log.c.kind == "cleaning")
    return CardRecord(
        name=FIRST_CARD if row is None else row.text,
        since=None if row is None else row.at,
        by=None if row is None else row.by,
        touchdowns=_number(connection, _ON_CARD),
        since_cleaning=_number(connection, _SINCE_CLEANING),
        cleaned_at=connection.execute(cleaned).scalar(),
        elsewhere=_number(connection, _touches(_log.c.number > _LAST_CARD, _log.c.kind == "counted")),
        counter=connection.execute(select(_log.c.counter).where(_log.c.number == _LAST_COUNTED)).scalar(),
    )


def _touch_record(row: Row[Any]) -> TouchRecord:
    return TouchRecord(
        at=row.at,
        wafer=row.wafer,
        die=(row.x, row.y),
        run=row.run,
        touchdowns=row.attempt,
        finding=row.finding,
        ohms=row.ohms if row.ohms is not None and math.isfinite(row.ohms) else None,
        overtravel_um=row.overtravel_um,
        on_die=row.on_die,
        on_card=row.on_card,
    )
