"""Pulse ids: durable before the first byte is sent, strictly increasing, never handed out twice, never wrapped.

An intent whose outcome is null after a crash is honest: nobody knows, so nobody repeats it. Outcomes are kept in memory
until the next intent or `flush`, which spares one disk sync per command and can lose only knowledge, never an intent."""

from collections import Counter
from collections.abc import Callable, Sequence

from sqlalchemy import Connection, select

from hil.model.lab import DieIndex
from hil.store import schema
from hil.store.database import Database
from hil.store.protocol import PulseIdsExhausted

LAST_PULSE_ID = 0xFFFF_FFFF
"""The link carries 32 bits."""

_table = schema.pulse_intents


class SqlPulseIds:
    """drivers.protocols.PulseIds for the one controller of this store. For one thread, the one that pulses."""

    def __init__(self, database: Database, now: Callable[[], str]) -> None:
        self._db, self._now = database, now
        self._for: dict[str, str | int | None] = {}
        self._settled: dict[int, Counter[str]] = {}

    def at(self, run: str, wafer: str, die: DieIndex) -> None:
        """What the next intents are for."""
        self._for = {"run": run, "wafer": wafer, "x": die[0], "y": die[1]}

    def reserve(self, count: int, pulse_volts: float, pulse_s: float) -> int:
        """First of `count` consecutive ids, the intent on disk. Raises PulseIdsExhausted, ValueError, Unwritable."""
        if count < 1:
            raise ValueError(f"an intent is for at least one pulse, not {count}")
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
                _set_last(connection, last_id)

    def flush(self) -> None:
        """Outcomes so far on disk."""
        if self._settled:
            with self._db.write() as connection:
                self._write_settled(connection)

    def _write_settled(self, connection: Connection) -> None:
        for first_id, outcome in self._settled.items():
            connection.execute(_table.update().where(_table.c.first_id == first_id).values(outcome=dict(outcome)))
        self._settled = {}


def _last(connection: Connection) -> int:
    return int(connection.execute(select(schema.station.c.last_pulse_id)).scalar_one())


def _set_last(connection: Connection, last_id: int) -> None:
    connection.execute(schema.station.update().values(last_pulse_id=last_id))
