"""Lets the agenda of a pretended lab happen on an event loop.

Rule: an agenda that is behind is caught up in slices, with everybody else heard in between; one that is in time is looked at no more
often than once a millisecond, because whoever measures 11,200 times a second has no time for 11,200 timers.
"""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

from simulator.agenda import Agenda

REST_S = 1e-3


class Pump:
    """One agenda on the running loop, from entering to leaving. after: told the time, once everything due by then has happened."""

    def __init__(self, agenda: Agenda, now_ns: Callable[[], int], after: Callable[[int], None]) -> None:
        self._agenda, self._now_ns, self._after = agenda, now_ns, after
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._rested = 0.0

    def __enter__(self) -> Self:
        self._agenda.changed = self._changed
        self._set()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._agenda.changed = lambda: None
        self._cancel()

    def _changed(self) -> None:
        # From whatever thread looks at the world.
        self._loop.call_soon_threadsafe(self._set)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set(self) -> None:
        self._cancel()
        due_ns = self._agenda.due_ns()
        if due_ns is not None:
            wanted = self._loop.time() + (due_ns - self._now_ns()) / 1e9
            self._timer = self._loop.call_at(max(wanted, self._rested), self._run)

    def _run(self) -> None:
        self._timer = None
        now_ns = self._now_ns()
        done = self._agenda.run(now_ns)
        self._after(now_ns)
        self._rested = self._loop.time() + (REST_S if done else 0.0)
        self._set()
