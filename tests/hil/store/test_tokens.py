"""Bearer tokens."""

import re
import sqlite3
import time
from pathlib import Path

import pytest

from hil.store.database import FILE_NAME
from hil.store.errors import NotFound
from hil.store.protocol import Store
from tests.hil.store.conftest import HandClock


def test_a_token_opens_what_its_scope_says_and_is_shown_once(store: Store, tmp_path: Path) -> None:
    record, token = store.create_token("operate", "demo")
    assert re.fullmatch(r"hil_[0-9a-z]{8}_[A-Za-z0-9_-]{43}", token)
    known = store.check_token(token)
    assert known is not None
    assert (known.id, known.scope, known.name) == (record.id, "operate", "demo")
    files = b"".join(path.read_bytes() for path in (tmp_path / "data").glob(f"{FILE_NAME}*"))
    assert token.encode() not in files
    assert token[13:].encode() not in files


def test_anything_else_opens_nothing(store: Store) -> None:
    _, token = store.create_token("admin", "demo")
    wrong = token[:-1] + ("A" if token[-1] != "A" else "B")
    for attempt in ("", "hil_", wrong, token + "A", token.upper(), f"hil_aaaaaaaa_{token[13:]}", "ä" * 56):
        assert store.check_token(attempt) is None


def test_a_revoked_token_is_dead_at_once_and_stays_listed(store: Store, clock: HandClock) -> None:
    record, token = store.create_token("read", "demo")
    revoked = store.revoke_token(record.id)
    assert store.check_token(token) is None
    clock.advance(60)
    assert store.revoke_token(record.id) == revoked
    assert [each.revoked_at for each in store.tokens()] == ["2026-01-02T03:04:05.000Z"]
    with pytest.raises(NotFound, match="nobody12"):
        store.revoke_token("nobody12")


def test_use_is_noted_but_not_at_every_request(store: Store, clock: HandClock) -> None:
    _, token = store.create_token("read", "demo")
    store.check_token(token)
    seen = store.changes()
    clock.advance(30)
    store.check_token(token)
    assert store.changes() == seen
    clock.advance(31)
    store.check_token(token)
    assert store.tokens()[0].last_used_at == "2026-01-02T03:05:06.000Z"


def test_a_store_that_somebody_else_keeps_locked_still_lets_a_token_read(store: Store, tmp_path: Path) -> None:
    _, token = store.create_token("read", "reader")
    blocker = sqlite3.connect(tmp_path / "data" / FILE_NAME, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    started = time.monotonic()
    assert store.check_token(token) is not None
    assert time.monotonic() - started < 2, "it waited for the lock"
    blocker.execute("ROLLBACK")
    blocker.close()
