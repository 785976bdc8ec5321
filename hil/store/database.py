"""One engine per process and data directory; the only module that knows SQLite.

Rule 1: a write is one BEGIN IMMEDIATE transaction, durable (WAL, synchronous=FULL) when it returns.
Rule 2: readers never wait for the writer. Rule 3: what SQLite says leaves here as a StoreError that names the file.
"""

import json
import sqlite3
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from sqlalchemy import Connection, Engine, Executable, create_engine, event
from sqlalchemy.exc import StatementError
from sqlalchemy.pool import ConnectionPoolEntry

from hil.store import schema
from hil.store.errors import StoreError, Unwritable
from hil.store.upgrade import fill_needle_log

FILE_NAME = "hil.sqlite"
APPLICATION_ID = 0x48494C31
"""'HIL1' in the file header: tells a store from any other SQLite file."""

_BUSY_MS = 10_000
_OPEN_LOCK_S = 30.0
_FREE_SPACE = "free space or fix the permissions"
_UNWRITABLE = {
    **dict.fromkeys(("disk is full", "readonly", "read-only", "unable to open", "disk I/O error"), _FREE_SPACE),
    "is locked": f"another program has been writing to it for {_BUSY_MS / 1000:g} s; find that one and stop it",
}
"""What SQLite says when a write came to nothing -> what to do about it."""


def _on_connect(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    # The driver's own BEGIN is deferred and would fail at the first write of a race; ours is sent in _on_begin.
    connection.isolation_level = None
    for pragma in (f"busy_timeout={_BUSY_MS}", "foreign_keys=ON", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}")


def _on_begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    writing = options.get("writing", False)
    connection.exec_driver_sql(f"PRAGMA busy_timeout={_BUSY_MS if options.get('patient', True) else 0}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


class Database:
    """Transactions on one catalogue file, safe from any thread."""

    def __init__(self, data_dir: Path) -> None:
        """Opens or creates the catalogue. Raises Unwritable, StoreError."""
        self.path = data_dir / FILE_NAME
        self._engine = _engine(self.path)
        with _one_at_a_time(data_dir), self._named_errors(writing=True):
            _check_or_create(self._engine, self.path)
        # data_version tells of commits by OTHER connections, so the watching one must never write nor sit in a transaction.
        self._watch = self._engine.raw_connection()
        self._watch_lock = threading.Lock()

    @contextmanager
    def read(self) -> Generator[Connection]:
        """A consistent snapshot."""
        with self._named_errors(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Generator[Connection]:
        """All or nothing, and on disk when the block ends. Raises Unwritable when the disk is full, read-only or held by others."""
        with self._named_errors(writing=True), self._engine.execution_options(writing=True).begin() as connection:
            yield connection

    def write_unless_busy(self, change: Executable) -> bool:
        """One statement, if nobody else is writing and the disk takes it; never waits. Returns whether it was carried out."""
        try:
            with self._engine.execution_options(writing=True, patient=False).begin() as connection:
                connection.execute(change)
        except (StatementError, sqlite3.Error):
            return False
        return True

    def data_version(self) -> int:
        """Differs from the last answer after any other connection, of this process or another, committed."""
        with self._watch_lock, self._named_errors():
            cursor = self._watch.cursor()
            cursor.execute("PRAGMA data_version")
            (version,) = cursor.fetchall()[0]
            return int(version)

    def close(self) -> None:
        with self._watch_lock:
            self._watch.close()
        self._engine.dispose()

    @contextmanager
    def _named_errors(self, *, writing: bool = False) -> Generator[None]:
        try:
            yield
        except (StatementError, sqlite3.Error) as error:
            said = str(error.orig if isinstance(error, StatementError) else error)
            advice = next((advice for words, advice in _UNWRITABLE.items() if words in said), None)
            if writing and advice is not None:
                raise Unwritable(f"{self.path} cannot be written: {said}; {advice}") from error
            raise StoreError(f"{self.path}: {said}") from error


def _json(value: object) -> str:
    """Raises ValueError on NaN and infinity, which JSON does not have: readers would choke on them, far from the cause."""
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


def _engine(path: Path) -> Engine:
    engine = create_engine(f"sqlite:///{path}", connect_args={"check_same_thread": False}, json_serializer=_json)
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    return engine


@contextmanager
def _one_at_a_time(data_dir: Path) -> Generator[None]:
    """The service, its worker and `hil token` may all open a fresh directory at once; only one may create."""
    lock = FileLock(data_dir / "open.lock", timeout=_OPEN_LOCK_S)
    try:
        lock.acquire()
    except Timeout as error:
        raise StoreError(f"{data_dir}: another process has been opening the store for {_OPEN_LOCK_S:g} s; is it stuck?") from error
    except OSError as error:
        raise Unwritable(f"{data_dir} cannot be written: {error.strerror}; choose another --data directory") from error
    try:
        yield
    finally:
        lock.release()


def _check_or_create(engine: Engine, path: Path) -> None:
    raw = engine.raw_connection()
    try:
        cursor = raw.cursor()
        version = int(cursor.execute("PRAGMA user_version").fetchone()[0])
        tables = {str(row[0]) for row in cursor.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        application = int(cursor.execute("PRAGMA application_id").fetchone()[0])
        if not tables:
            # Written before the tables, so that a creation cut short is taken up again, not taken for a strange file.
            cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute(f"PRAGMA application_id={APPLICATION_ID}")
        elif application != APPLICATION_ID:
            raise StoreError(f"{path} is an SQLite file, but no store of this service; choose another --data directory")
        elif version != schema.SCHEMA_VERSION:
            raise StoreError(
                f"{path} has schema version {version}, this release reads {schema.SCHEMA_VERSION}; "
                + ("upgrade the service" if version > schema.SCHEMA_VERSION else "export it with the release that made it")
            )
    finally:
        raw.close()
    if not tables:
        _create(engine)
    elif not tables.issuperset(schema.metadata.tables):
        with engine.execution_options(writing=True).begin() as connection:
            schema.metadata.create_all(connection)
            if schema.needle_log.name not in tables:
                fill_needle_log(connection)


def _create(engine: Engine) -> None:
    with engine.execution_options(writing=True).begin() as connection:
        schema.metadata.create_all(connection)
        connection.execute(schema.station.insert().values(id=1, snapshot={}, resets=0, last_pulse_id=0))
        connection.exec_driver_sql(f"PRAGMA user_version={schema.SCHEMA_VERSION}")
