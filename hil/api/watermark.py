"""What a client that waits for a map, or another result, has to look at again for. Rule: steps, pulses and heartbeats, many a second
while a wafer is measured, wake nobody who waits; a map or a result always does, and so does a revoked token."""

from hil.store.protocol import Store

PAGE = 500


class Watermark:
    """A number that differs once a map or a result was made or a token revoked. For a ChangeHub; not for several threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._number = 0
        self._after = store.last_event()
        self._revoked = self._revoked_tokens()
        self._version: int | None = None

    def __call__(self) -> int:
        """Microseconds while nothing is committed. Raises StoreError; then the next call looks at the same events again."""
        version = self._store.changes()
        if version != self._version:
            self._take_in_tokens()
            self._take_in_results()
            self._version = version
        return self._number

    def _take_in_results(self) -> None:
        # What was measured and its event are one transaction: no map is without one.
        while page := self._store.events(self._after, limit=PAGE):
            self._number += any(record.kind in ("map", "object") for record in page)
            self._after = page[-1].number

    def _take_in_tokens(self) -> None:
        revoked = self._revoked_tokens()
        self._number += revoked != self._revoked
        self._revoked = revoked

    def _revoked_tokens(self) -> int:
        return sum(token.revoked_at is not None for token in self._store.tokens())
