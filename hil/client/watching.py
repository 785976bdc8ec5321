"""Long polling, and what to do when the connection breaks. Rule: keep the tag, ask again; nothing is missed and nothing twice."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import httpx

from hil.client.errors import ServiceUnreachable

LONG_POLL_S = 20.0
GIVE_UP_AFTER_S = 60.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 2.0
Look = Callable[[str | None, float], httpx.Response]
"""(tag one has, seconds to wait) -> 200 with something new, or 304."""


@dataclass
class Retry:
    """Growing pauses after failures; gives up when nothing has worked for a minute, at once when nothing ever did."""

    worked_at: float | None = None
    pause_s: float = FIRST_PAUSE_S
    clock: Callable[[], float] = field(default=time.monotonic)
    sleep: Callable[[float], None] = field(default=time.sleep)

    def worked(self) -> None:
        self.worked_at, self.pause_s = self.clock(), FIRST_PAUSE_S

    def failed(self, error: ServiceUnreachable) -> None:
        """Pauses, or raises the error when it is time to give up."""
        if self.worked_at is None or self.clock() - self.worked_at > GIVE_UP_AFTER_S:
            raise error
        self.pause()

    def pause(self) -> None:
        self.sleep(self.pause_s)
        self.pause_s = min(self.pause_s * 2, LONGEST_PAUSE_S)


def watch(look: Look, timeout_s: float | None, retry: Retry | None = None) -> Iterator[httpx.Response]:
    """Every new answer, until the time is up. Raises what `look` raises, lost connections only after a minute."""
    retry = retry or Retry()
    etag: str | None = None
    deadline = None if timeout_s is None else retry.clock() + timeout_s
    while True:
        left_s = LONG_POLL_S if deadline is None else min(LONG_POLL_S, deadline - retry.clock())
        if left_s <= 0:
            return
        asked_at = retry.clock()
        try:
            response = look(etag, left_s)
        except ServiceUnreachable as error:
            retry.failed(error)
            continue
        if response.status_code == 200:
            retry.worked()
            etag = response.headers.get("etag")
            yield response
        elif retry.clock() - asked_at < left_s / 2:
            # A service about to stop answers early; asking again at once would be a storm.
            retry.pause()
        else:
            retry.worked()
