"""Opening, refusing, and noticing changes."""

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from hil.store import open_store
from hil.store.database import FILE_NAME
from hil.store.errors import StoreError, Unwritable
from hil.store.protocol import Store


def test_a_new_directory_becomes_a_store_and_opens_again(tmp_path: Path) -> None:
    for _ in range(2):
        opened = open_store(tmp_path / "deep" / "data")
        opened.ensure_wafer("W1", [(0, 0)])
        opened.close()
    again = open_store(tmp_path / "deep" / "data")
    assert [wafer.name for wafer in again.wafers()] == ["W1"]
    again.close()


def test_a_store_from_before_a_table_was_added_gets_it_and_keeps_what_it_has(tmp_path: Path) -> None:
    old = open_store(tmp_path)
    first = old.pulse_ids().reserve(3, 0.8, 1e-7)
    old.close()
    with sqlite3.connect(tmp_path / FILE_NAME) as raw:
        raw.execute("DROP TABLE pulse_sessions")
        raw.execute("DROP TABLE links")
    raw.close()
    opened = open_store(tmp_path)
    assert [(each.first_id, each.serial) for each in opened.pulse_ids().unsettled()] == [(first, None)]
    assert opened.links() == {}
    opened.close()


def test_many_processes_may_create_the_same_store_at_once(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from hil.store import open_store; open_store(Path(sys.argv[1])).heartbeat()"
    children = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "data")]) for _ in range(3)]
    assert [child.wait(60) for child in children] == [0, 0, 0]


@pytest.mark.parametrize(("version", "advice"), [(99, "upgrade the service"), (0, "export it")])
def test_a_store_of_another_version_is_refused_with_both_versions(tmp_path: Path, version: int, advice: str) -> None:
    open_store(tmp_path).close()
    with sqlite3.connect(tmp_path / FILE_NAME) as raw:
        raw.execute(f"PRAGMA user_version={version}")
    raw.close()
    with pytest.raises(StoreError, match=rf"schema version {version}, this release reads 1; {advice}"):
        open_store(tmp_path)


def test_somebody_elses_sqlite_file_is_left_alone(tmp_path: Path) -> None:
    raw = sqlite3.connect(tmp_path / FILE_NAME)
    raw.execute("CREATE TABLE theirs (id INTEGER)")
    raw.commit()
    raw.close()
    with pytest.raises(StoreError, match="no store of this service"):
        open_store(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} <= {FILE_NAME, "open.lock"}


def test_bytes_that_are_no_database_are_named(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"not a database, but long enough to be read as a header of one" * 40)
    with pytest.raises(StoreError, match=FILE_NAME):
        open_store(tmp_path)


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unwritable, match="choose another --data directory"):
        open_store(tmp_path / "file" / "data")


def test_a_directory_in_which_nothing_can_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "open.lock").mkdir()  # no user, not even root, can open it as a file
    with pytest.raises(Unwritable, match=f"{tmp_path} cannot be written"):
        open_store(tmp_path)


def test_a_full_disk_is_an_error_that_names_the_file_and_changes_nothing(store: Store, tmp_path: Path) -> None:
    store.publish_station({"small": True})
    # The page limit is SQLite's own way of running out of room.
    with pytest.raises(Unwritable, match="disk is full"), _page_limit(store):
        store.publish_station({"big": "x" * 3_000_000})
    assert store.station().snapshot == {"small": True}


class _page_limit:  # noqa: N801 - reads as a context
    def __init__(self, store: Store) -> None:
        self._engine = store._db._engine  # type: ignore[attr-defined]

    def __enter__(self) -> None:
        from sqlalchemy import event

        event.listen(self._engine, "begin", self._limit)

    def __exit__(self, *_: object) -> None:
        from sqlalchemy import event

        event.remove(self._engine, "begin", self._limit)

    @staticmethod
    def _limit(connection: object) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count=1")  # type: ignore[attr-defined]


def test_nan_is_refused_where_json_is_kept(store: Store) -> None:
    with pytest.raises(StoreError, match="not JSON compliant"):
        store.note("test", "a reading", {"ohms": float("nan")})
    assert [event.kind for event in store.events()] == ["wafer"]


def test_changes_differ_after_a_commit_of_our_own(store: Store) -> None:
    before = store.changes()
    store.heartbeat()
    assert store.changes() != before


def test_changes_stay_the_same_while_nothing_happens(store: Store) -> None:
    before = store.changes()
    store.station()
    store.runs()
    assert store.changes() == before


def test_changes_differ_after_a_commit_of_another_process(store: Store, tmp_path: Path) -> None:
    before = store.changes()
    code = "import sys; from pathlib import Path; from hil.store import open_store; open_store(Path(sys.argv[1])).heartbeat()"
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "data")], check=True, timeout=60)
    assert store.changes() != before


def test_writers_in_many_threads_all_succeed(store: Store) -> None:
    errors: list[BaseException] = []

    def write() -> None:
        try:
            for _ in range(20):
                store.note("test", "hello")
        except StoreError as error:
            errors.append(error)

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert sum(event.kind == "station" for event in store.events()) == 160
