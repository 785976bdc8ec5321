"""What the store said, kept until anything is committed. Rule: the store's version is read at every question, and before the
store itself is asked, so that an answer is never older than the last commit, by whichever process."""

import time
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from starlette.concurrency import run_in_threadpool

T = TypeVar("T")
KEPT_S = 30.0
"""Longest that an answer is kept in a store at rest: asking is also what notes when a token was last used."""
MOST_ANSWERS = 256


class Memo:
    """Answers by key, for use from one event loop. An answer of None is not kept, nor is what raised.

    read_version: a number that differs after any commit, cheap enough to ask with every request.
    """

    def __init__(self, read_version: Callable[[], int], clock_s: Callable[[], float] = time.monotonic) -> None:
        self._read_version, self._clock_s = read_version, clock_s
        self._version: int | None = None
        self._since_s = 0.0
        self._kept: dict[Hashable, Any] = {}

    async def ask(self, key: Hashable, look: Callable[[], T]) -> T:
        """What `look` returned under this key and the present version; else it looks now, in a thread. Raises what it raises."""
        kept = self._answers_of(self._read_version())
        if key in kept:
            return kept[key]
        answer = await run_in_threadpool(look)
        if answer is not None:
            # Into the answers of the version read above: if there has been a commit since, nobody asks them any more.
            kept[key] = answer
        return answer

    def _answers_of(self, version: int) -> dict[Hashable, Any]:
        now_s = self._clock_s()
        if version != self._version or now_s - self._since_s >= KEPT_S or len(self._kept) >= MOST_ANSWERS:
            self._version, self._since_s, self._kept = version, now_s, {}
        return self._kept
