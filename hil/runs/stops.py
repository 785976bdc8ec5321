"""When the worker has to stop, and the proof that it moves: one object asked at every checkpoint.

Rule 1: a stop is raised once per run and only at a checkpoint, so that making safe is never itself interrupted.
Rule 2: an abort does not wait for the end of a step, which may be an hour away; a pause does, so that nothing measured is lost.
Rule 3: the heartbeat beats for progress, not for being alive: a main loop that hangs falls silent."""

import os
import signal
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from enum import StrEnum

from hil.runs.errors import StopRequested
from hil.store.protocol import Store

_LOOK_S = 0.02
"""How often the store is asked for an emergency stop and an abort, at most."""


class Stop(StrEnum):
    """Why; the text stands in the run's record."""

    SIGNAL = "the service was told to stop"
    PARENT = "the service's main process ended"
    ESTOP = "emergency stop"
    ABORT = "the run was aborted"


class Stops:
    """parent: process id whose end ends us. monotonic: seconds, for the age of the last progress."""

    def __init__(self, store: Store, parent: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._store, self._parent, self._monotonic = store, parent, monotonic
        self._woken = threading.Event()
        self._signalled = False
        self._run: str | None = None
        self._raised = self._aborted = False
        self._seen, self._looked, self._latched, self._resets = -1, 0.0, False, 0
        self._progress = monotonic()

    def signal(self, *_: object) -> None:
        """A signal handler: stop at the next checkpoint."""
        self._signalled = True
        self._woken.set()

    def leaving(self) -> Stop | None:
        """Why the process has to end; None while it may stay."""
        if self._signalled:
            return Stop.SIGNAL
        return Stop.PARENT if os.getppid() != self._parent else None

    def latched(self, at_once: bool = False) -> bool:
        """Whether the emergency stop is latched, as of 20 ms ago or of now."""
        now = self._monotonic()
        if at_once or now - self._looked >= _LOOK_S:
            self._looked = now
            seen = self._store.changes()
            if seen != self._seen:
                record = self._store.station()
                self._seen, self._latched, self._resets = seen, record.estop is not None, record.resets
                self._aborted = self._run is not None and self._store.run(self._run).wanted == "abort"
        return self._latched

    def resets(self) -> int:
        """How often an operator cleared the emergency stop, as of 20 ms ago."""
        self.latched()
        return self._resets

    def reason(self, at_once: bool = False) -> Stop | None:
        """The most urgent one."""
        return Stop.ESTOP if self.latched(at_once) else self.leaving()

    @contextmanager
    def heeding(self, run_id: str) -> Generator[None]:
        """Around a run: the next stop is raised again, and an abort of this run is one."""
        self._run, self._raised, self._seen = run_id, False, -1
        try:
            yield
        finally:
            self._run, self._aborted = None, False

    def checkpoint(self) -> None:
        """Between two small operations. Raises StopRequested, once per run."""
        self._progress = self._monotonic()
        reason = None if self._raised else self.reason() or (Stop.ABORT if self._aborted else None)
        if reason is not None:
            self._raised = True
            raise StopRequested(reason)

    def idle_s(self) -> float:
        """Seconds since the main loop last came by a checkpoint or waited."""
        return self._monotonic() - self._progress

    def wait(self, seconds: float) -> None:
        """Sleep, but wake at once when told to stop."""
        self._progress = self._monotonic()
        self._woken.wait(seconds)


@contextmanager
def held_back() -> Generator[None]:
    """A process started in here is told to stop only once it can hear it: until `heard` such signals wait."""
    if os.name == "nt":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def heard() -> None:
    """The handlers are in place."""
    if os.name != "nt":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT))
