"""The heartbeat: a thread that writes while the main loop makes progress, and only then."""

import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from hil.model.lab import LabConfig
from hil.store.protocol import Store, StoreError

BEAT_S = 0.5
STALE_S = 3.0
"""A heartbeat older than this is an alarm."""


def patience_s(lab: LabConfig) -> float:
    """Longest legitimate silence of the main loop: two commands that run into the slowest instrument's timeout, and some."""
    return 2 * max(lab.prober.timeout_s, lab.smu.timeout_s, lab.crossbar.timeout_s) + STALE_S


class Heart:
    """Beats from `with` to its end, which says that the silence that follows is meant. idle_s: since the last progress."""

    def __init__(self, store: Store, idle_s: Callable[[], float], patience_s: float) -> None:
        self._store, self._idle_s, self._patience_s = store, idle_s, patience_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heart", daemon=True)

    def __enter__(self) -> Self:
        # At once and here: from now on the watchdog knows that somebody has the station.
        self._store.heartbeat()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()
        if kind is None:
            self._store.end_heartbeat()

    def _beat(self) -> None:
        while not self._ended.wait(BEAT_S):
            if self._idle_s() < self._patience_s:
                # A store that cannot be written raises the alarm by itself: the watchdog hears the silence.
                with suppress(StoreError):
                    self._store.heartbeat()
