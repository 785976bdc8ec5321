"""Bearer tokens: `hil_<8 id>_<43 base64url>`. 256 random bits need no slow hash; only the sha256 is stored, and a
revoked token is dead at once: whoever keeps an answer keeps it no longer than `changes()` stays the same."""

import hmac
import re
import secrets
import string
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, select

from hil.model.maps import sha256_hex
from hil.store import schema
from hil.store.errors import NotFound
from hil.store.records import Scope, TokenRecord
from hil.store.shelf import Shelf

_table = schema.tokens
_TOKEN = re.compile(r"hil_([0-9a-z]{8})_[A-Za-z0-9_-]{43}")
_ALPHABET = string.digits + string.ascii_lowercase
_USE_RESOLUTION = timedelta(minutes=1)
"""`last_used_at` is rewritten no more often than this, so that reading does not write."""


def _record(row: Row[Any]) -> TokenRecord:
    return TokenRecord(row.id, row.name, row.scope, row.created_at, row.last_used_at, row.revoked_at)


class Tokens(Shelf):
    def create_token(self, scope: Scope, name: str) -> tuple[TokenRecord, str]:
        """The record and the token itself, which is shown once and stored only as its sha256."""
        token_id = "".join(secrets.choice(_ALPHABET) for _ in range(8))
        token = f"hil_{token_id}_{secrets.token_urlsafe(32)}"
        record = TokenRecord(token_id, name, scope, self._now(), None, None)
        values = {"id": token_id, "name": name, "scope": scope, "created_at": record.created_at}
        with self._db.write() as connection:
            connection.execute(_table.insert().values(**values, secret_sha256=sha256_hex(token.encode())))
        return record, token

    def check_token(self, token: str) -> TokenRecord | None:
        """The record of a valid token that is not revoked, else None."""
        match = _TOKEN.fullmatch(token)
        if match is None:
            return None
        with self._db.read() as connection:
            row = connection.execute(select(_table).where(_table.c.id == match[1])).one_or_none()
        if row is None or row.revoked_at is not None or not hmac.compare_digest(row.secret_sha256, sha256_hex(token.encode())):
            return None
        self._note_use(row)
        return _record(row)

    def tokens(self) -> list[TokenRecord]:
        """In order of creation."""
        with self._db.read() as connection:
            return [_record(row) for row in connection.execute(select(_table).order_by(_table.c.created_at, _table.c.id))]

    def revoke_token(self, token_id: str) -> TokenRecord:
        """Idempotent: a second call keeps the first time. Raises NotFound."""
        with self._db.write() as connection:
            here = _table.c.id == token_id
            connection.execute(_table.update().where(here, _table.c.revoked_at.is_(None)).values(revoked_at=self._now()))
            row = connection.execute(select(_table).where(here)).one_or_none()
        if row is None:
            raise NotFound(f"token {token_id[:80]} does not exist; `hil token list` shows those that do")
        return _record(row)

    def _note_use(self, row: Row[Any]) -> None:
        now = self._clock()
        if row.last_used_at is not None and now - datetime.fromisoformat(row.last_used_at) < _USE_RESOLUTION:
            return
        # Not worth waiting for: a locked or full store must not keep anybody from reading, or from stopping the lab.
        self._db.write_unless_busy(_table.update().where(_table.c.id == row.id).values(last_used_at=self._now()))
