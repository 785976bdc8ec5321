"""Faults 17 and 18: a disk that takes nothing more, a power cut that loses what was not synced."""

import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Connection, event

from hil.store import open_store
from hil.store.errors import StoreError
from tests.support.c_end import compiler
from tests.support.device_end import ENDS
from tests.support.served_end import Served, opened, served_end

ALL = np.ones((4, 5), np.bool_)


@pytest.fixture(params=ENDS)
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    with served_end(request.param) as made:
        yield made


# --- 17: full, read-only, busy


@pytest.mark.parametrize("trouble", ["full", "locked"])
def test_f17_without_a_durable_intent_no_pulse_is_given_and_when_there_is_room_again_it_goes_on(
    served: Served, tmp_path: Path, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # How long a writer waits for another one: ten seconds in earnest.
    monkeypatch.setattr("hil.store.database._BUSY_MS", 50)
    store = open_store(tmp_path)
    engine = store._db._engine  # type: ignore[attr-defined]

    def limit(connection: Connection) -> None:
        # SQLite's own way of having no room.
        connection.exec_driver_sql("PRAGMA max_page_count=1")

    with opened(served.address, store.pulse_ids()) as crossbar:  # type: ignore[arg-type]
        crossbar.pulse(0, ALL, 0.1, 1e-7)
        before = len(served.given())
        holder = sqlite3.connect(str(engine.url.database), isolation_level=None)
        if trouble == "locked":
            holder.execute("BEGIN IMMEDIATE")
        else:
            event.listen(engine, "begin", limit)
        with pytest.raises(StoreError, match=r"full|locked"):
            for _ in range(2000):
                crossbar.pulse(0, ALL, 0.1, 1e-7)
        if trouble == "locked":
            holder.execute("ROLLBACK")
        else:
            event.remove(engine, "begin", limit)
        holder.close()
        without = len(served.given())
        assert without == before if trouble == "locked" else (without - before) % 20 == 0
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count=1073741823")
        crossbar.isolate()
        assert crossbar.pulse(0, ALL, 0.1, 1e-7).all()
        assert len(served.given()) == without + 20
        with engine.connect() as connection:
            intended = int(connection.exec_driver_sql("SELECT sum(count) FROM pulse_intents").scalar_one())
        assert intended >= len(served.given())
    store.close()


# --- 18: power cut


SHADOW = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* Keeps, of every file that is synced, what the disk has of it from then on. */
static void keep(int fd) {
    char link[64], path[4096], copy[4096], data[65536];
    const char *folder = getenv("SHADOW");
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0 || folder == NULL) return;
    path[length] = 0;
    const char *name = strrchr(path, '/');
    if (name == NULL || strstr(name, "sqlite") == NULL) return;
    snprintf(copy, sizeof copy, "%s%s", folder, name);
    int out = open(copy, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    off_t at = 0;
    ssize_t got;
    while (out >= 0 && (got = pread(fd, data, sizeof data, at)) > 0) at += write(out, data, (size_t)got);
    if (out >= 0) close(out);
}
int fsync(int fd) { keep(fd); return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd); }
int fdatasync(int fd) { keep(fd); return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd); }
"""
RESERVING = """
import sys
from pathlib import Path
from hil.store import open_store
ids = open_store(Path(sys.argv[1])).pulse_ids()
while True:
    print(ids.reserve(7, 0.5, 1e-7), flush=True)
"""


def test_f18_a_power_cut_that_loses_all_unsynced_pages_loses_no_intent_that_was_confirmed(tmp_path: Path) -> None:
    source, library = tmp_path / "shadow.c", tmp_path / "shadow.so"
    source.write_text(SHADOW)
    subprocess.run([compiler(), "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True, timeout=60)
    data, disk = tmp_path / "data", tmp_path / "disk"
    disk.mkdir()
    open_store(data).close()
    for file in data.glob("*sqlite*"):
        shutil.copy(file, disk / file.name)
    environment = {"LD_PRELOAD": str(library), "SHADOW": str(disk), "PATH": "/usr/bin:/bin"}
    with subprocess.Popen([sys.executable, "-c", RESERVING, str(data)], stdout=subprocess.PIPE, text=True, env=environment) as host:
        assert host.stdout is not None
        confirmed = [int(host.stdout.readline()) for _ in range(150)]
        host.send_signal(signal.SIGKILL)
        confirmed += [int(text) for text in host.stdout.read().split("\n")[:-1]]
    (database,) = [file for file in disk.iterdir() if file.name.endswith("sqlite")]
    with sqlite3.connect(database) as after:
        assert after.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        kept = {row[0] for row in after.execute("SELECT first_id FROM pulse_intents")}
        (last,) = after.execute("SELECT last_pulse_id FROM station").fetchone()
    after.close()
    assert set(confirmed) <= kept
    assert last >= max(confirmed) + 6
