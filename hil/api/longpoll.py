"""Waiting for the store to change. Rule: one task per app looks at the store; a waiter costs a future, never a thread."""

import asyncio
import logging
from collections.abc import Callable

from hil.store.errors import StoreError

LOG = logging.getLogger("hil.api")
POLL_S = 0.020
AFTER_FAILURE_S = 1.0


class ChangeHub:
    """Wakes waiters when another connection committed, or when `wake` says that this process did.

    read_version: a number that differs after a commit elsewhere, cheap enough to ask every 20 ms.
    """

    def __init__(self, read_version: Callable[[], int]) -> None:
        self._read_version = read_version
        self._generation = 0
        self._changed = asyncio.Event()
        self._closing = False

    @property
    def generation(self) -> int:
        """Note it before reading the store, hand it to `changed_since`: a change in between is then never missed."""
        return self._generation

    @property
    def closing(self) -> bool:
        return self._closing

    def wake(self) -> None:
        """Everybody looks again. Call from the event loop, after a write of our own."""
        self._generation += 1
        self._changed.set()
        self._changed = asyncio.Event()

    def close(self) -> None:
        """No more waiting: streams and long polls end within one poll. Safe from a signal handler."""
        self._closing = True

    async def changed_since(self, seen: int, within_s: float) -> bool:
        """True as soon as something changed after `seen`; False when nothing did in time or the service is closing.

        False too when there is no time left, whatever changed: looking again is what would cost.
        """
        if self._closing or within_s <= 0:
            return False
        if self._generation == seen:
            try:
                await asyncio.wait_for(self._changed.wait(), within_s)
            except TimeoutError:
                return False
        return not self._closing

    async def run(self) -> None:
        """The one task. Ends when the hub is closed, after waking everybody."""
        seen: int | None = None
        while not self._closing:
            pause_s = POLL_S
            try:
                version = self._read_version()
            except StoreError:
                LOG.exception("the store cannot be watched; trying again in %g s", AFTER_FAILURE_S)
                pause_s, version = AFTER_FAILURE_S, seen
            if version != seen:
                seen = version
                self.wake()
            await asyncio.sleep(pause_s)
        self.wake()
