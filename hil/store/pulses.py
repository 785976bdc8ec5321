"""Pulse ids: durable before the first byte is sent, strictly increasing, never handed out twice, never wrapped.

An intent whose outcome is null after a crash is honest: nobody knows, so nobody repeats it; the next process asks the
controller it was meant for. Outcomes are kept in memory until the next intent or `flush`, which spares one disk sync per
command and can lose only knowledge, never an intent."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import Connection, select

from hil.model.lab import DieIndex
from hil.store import schema
from hil.store.database import Database
from hil.store.errors import PulseIdsExhausted
from hil.store.records import OpenIntent

LAST_PULSE_ID = 0xFFFF_FFFF
"""The link carries 32 bits."""

NOTE = "pulses settled"
"""Kind of the note in a run's record, and of the event in the station's."""

_table, _sessions = schema.pulse_intents, schema.pulse_sessions


class SqlPulseIds:
    """drivers.protocols.PulseIds for the one controller of this store. For one thread, the one that pulses."""

    def __init__(self, database: Database, now: Callable[[], str]) -> None:
        self._db, self._now = database, now
        self._for: dict[str, str | int | None] = {}
        self._settled: dict[int, Counter[str]] = {}

    def at(self, run: str, wafer: str, die: DieIndex) -> None:
        """What the next intents are for."""
        self._for = {"run": run, "wafer": wafer, "x": die[0], "y": die[1]}

    def opened(self, serial: str, session: int) -> None:
        """The controller that all ids from now on are for, and the session with it."""
        with self._db.write() as connection:
            first = _last(connection) + 1
            connection.execute(_sessions.delete().where(_sessions.c.first_id == first))
            connection.execute(_sessions.insert().values(first_id=first, serial=serial, session=int(session)))

    def reserve(self, count: int, pulse_volts: float, pulse_s: float) -> int:
        """First of `count` consecutive ids, the intent on disk. Raises PulseIdsExhausted, ValueError, Unwritable."""
        if count < 1:
            raise ValueError(f"an intent is for at least one pulse, not {count}")
        count = int(count)  # NumPy's integers would be kept as bytes
        with self._db.write() as connection:
            self._write_settled(connection)
            last = _last(connection)
            if last + count > LAST_PULSE_ID:
                raise PulseIdsExhausted(
                    f"pulse ids: {LAST_PULSE_ID - last} are left of the link's 32 bits, {count} are needed; "
                    "reset the controller's pulse counter and start a new store"
                )
            _set_last(connection, last + count)
            values = {"first_id": last + 1, "count": count, "pulse_volts": pulse_volts, "pulse_s": pulse_s}
            connection.execute(_table.insert().values(**values, **self._for, at=self._now()))
        return last + 1

    def settle(self, first_id: int, outcomes: Sequence[str]) -> None:
        """Record how each pulse ended: executed, refused or unknown. On disk with the next intent or `flush`."""
        self._settled.setdefault(first_id, Counter()).update(outcomes)

    def advance(self, last_id: int) -> None:
        """Never hand out an id at or below `last_id`: the controller has seen it, perhaps from another host."""
        with self._db.write() as connection:
            self._write_settled(connection)
            if last_id > _last(connection):
                _set_last(connection, int(last_id))

    def flush(self) -> None:
        """Outcomes so far on disk."""
        if self._settled:
            with self._db.write() as connection:
                self._write_settled(connection)

    def unsettled(self) -> list[OpenIntent]:
        """Oldest first. Ids of a process that is at work are among them until it flushes: ask before pulsing."""
        self.flush()
        with self._db.read() as connection:
            sessions = connection.execute(select(_sessions).order_by(_sessions.c.first_id)).all()
            since = [session.first_id for session in sessions]
            left: list[OpenIntent] = []
            for row in connection.execute(select(_table).where(_table.c.outcome.is_(None)).order_by(_table.c.first_id)):
                place = bisect_right(since, row.first_id)
                sent_in = sessions[place - 1] if place else None
                serial, session = (None, None) if sent_in is None else (sent_in.serial, sent_in.session)
                left.append(OpenIntent(row.first_id, row[1], row.run, serial, session))
            return left

    def settle_left(self, outcomes: Mapping[int, Sequence[str]], told: Mapping[str | None, str]) -> None:
        """What became of unsettled intents, by first id. See PulseIntents."""
        with self._db.write() as connection:
            for first_id, each in outcomes.items():
                here = (_table.c.first_id == first_id) & _table.c.outcome.is_(None)
                connection.execute(_table.update().where(here).values(outcome=dict(Counter(each))))
            for run, text in told.items():
                self._tell(connection, run, text)

    def _tell(self, connection: Connection, run: str | None, text: str) -> None:
        kind, name = ("station", "what") if run is None else ("noted", "note")
        payload = {name: NOTE, "text": text, "data": {}} | ({"by": None} if run is None else {})
        connection.execute(schema.events.insert().values(run=run, at=self._now(), kind=kind, payload=payload))

    def _write_settled(self, connection: Connection) -> None:
        for first_id, outcome in self._settled.items():
            connection.execute(_table.update().where(_table.c.first_id == first_id).values(outcome=dict(outcome)))
        self._settled = {}


def _last(connection: Connection) -> int:
    return int(connection.execute(select(schema.station.c.last_pulse_id)).scalar_one())


def _set_last(connection: Connection, last_id: int) -> None:
    connection.execute(schema.station.update().values(last_pulse_id=last_id))
