"""The heartbeat: a thread that says the worker is at work while that is true, and what is wrong when it is not.

Rule 1: the watchdog goes by the sign of life alone, which no disk holds up. The record in the store is for readers; only when it
cannot be kept for a while does the sign say so, because then no emergency stop can reach us by it either.
Rule 2: being alive is not enough: a main loop that does not come by any more is STUCK.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from hil.model.lab import LabConfig
from hil.runs.lifesign import LifeSign, Word
from hil.store.errors import StoreError
from hil.store.protocol import Store

BEAT_S = 0.1
STALE_S = 1.2
"""A sign of life that has not moved for so long is an alarm: off is to be verified within 2 s."""
REPORT_S = 0.5
"""How often the record in the store is renewed."""
UNHEARD_S = 3.0
"""How long the store may take no record before that is an alarm: a slow disk is no danger."""
_SLACK_S = 1.0


def patience_s(lab: LabConfig, output_on_s: float | None, moving_s: float | None = None) -> float:
    """Longest legitimate silence of the main loop. output_on_s: what a reading takes while the SMU's output is on, None while off.
    moving_s: what the prober's move under way may take, None while there is none.

    On: a reading, and one command that runs into the slowest instrument's timeout; then the output is switched off first of all.
    Off: two such commands, as while making safe, and the move: a chuck on its way is not to be disturbed for being slow.
    """
    answer_s = max(lab.prober.timeout_s, lab.smu.timeout_s, lab.crossbar.timeout_s)
    return 2 * answer_s + 3 * _SLACK_S + (moving_s or 0.0) if output_on_s is None else answer_s + output_on_s + _SLACK_S


class Heart:
    """Beats from `with` to its end, which says that the silence that follows is meant; not so when an error ends it.

    moves: whether the main loop makes progress. monotonic: seconds.
    """

    def __init__(self, sign: LifeSign, store: Store, moves: Callable[[], bool], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._sign, self._store, self._moves, self._monotonic = sign, store, moves, monotonic
        self._heard_at = 0.0
        self._ended = threading.Event()
        self._beating = threading.Thread(target=self._beat, name="heart", daemon=True)
        self._reporting = threading.Thread(target=self._report, name="heart-record", daemon=True)

    def __enter__(self) -> Self:
        # At once and here: from now on the watchdog knows that somebody has the station.
        self._sign.say(Word.WORKING)
        self._heard_at = self._monotonic()
        self._beating.start()
        try:
            self._store.heartbeat()
        except StoreError:
            self._ended.set()
            raise
        self._reporting.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ended.set()
        self._beating.join()
        if kind is None:
            # Before anything that may wait for a disk.
            self._sign.say(Word.GONE)
        self._reporting.join()
        if kind is None:
            self._store.end_heartbeat()

    def word(self) -> Word:
        """What is to be said now."""
        if not self._moves():
            return Word.STUCK
        return Word.WORKING if self._monotonic() - self._heard_at < UNHEARD_S else Word.UNHEARD

    def _beat(self) -> None:
        while not self._ended.wait(BEAT_S):
            self._sign.say(self.word())

    def _report(self) -> None:
        while not self._ended.wait(REPORT_S):
            with suppress(StoreError):
                self._store.heartbeat()
                self._heard_at = self._monotonic()
