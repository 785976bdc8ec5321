"""Whether the worker is well, by its sign of life and its lock: what the watchdog goes by.

Rule 1: a death is seen by the lock, which the kernel frees whatever happened; everything else by a sign that does not move.
Rule 2: only time in which we could look counts as silence: a computer that slept, or let nobody look, let nobody beat either.
"""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from hil.runs.heart import BEAT_S, STALE_S, UNHEARD_S
from hil.runs.lifesign import LOCK_NAME, LifeSign, Word

MISSED_S = 2.5 * BEAT_S
"""So long without a beat, and the lock is tried."""
LONGEST_LOOK_S = 0.2
"""What counts of the time between two looks, at most."""
DIED = "the worker died"
_WRONG = {
    Word.WORKING: f"no sign of life from the worker for {STALE_S:g} s",
    Word.STUCK: "the worker is stuck: its main loop does not come by any more",
    Word.UNHEARD: f"the store has taken no word of the worker for {UNHEARD_S:g} s",
}


class Vigil:
    """data: the directory of sign and lock. monotonic: seconds."""

    def __init__(self, data: Path, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Raises Unwritable."""
        self._monotonic = monotonic
        self._lock = FileLock(data / LOCK_NAME, timeout=0)
        self._sign = LifeSign(data)
        self._seen = self._sign.read()
        self._looked_at, self._silent_s = monotonic(), 0.0
        self._made_up_for = self._begun = False

    @property
    def at_work(self) -> bool:
        """Whether there is a worker, well or not, as of the last look."""
        return self._seen.word is not Word.GONE

    @property
    def guarding(self) -> bool:
        """Whether there is one that has not been made up for."""
        return self.at_work and not self._made_up_for

    def begun(self) -> bool:
        """Whether a worker began since this was last asked."""
        begun, self._begun = self._begun, False
        return begun

    @contextmanager
    def alarm(self) -> Generator[str | None]:
        """Why the station has to be made safe here and now, told once for each time; None while all is well. To be asked often.

        Of a dead worker the lock is held meanwhile, so that no other one takes up the station.
        """
        self._look()
        if self._silent_s > MISSED_S and self.at_work and self._have_lock():
            try:
                yield from self._death()
            finally:
                self._lock.release()
            return
        wrong = None if self._made_up_for else self._wrong()
        yield wrong
        self._made_up_for |= wrong is not None

    def close(self) -> None:
        self._sign.close()

    def _look(self) -> None:
        now, seen = self._monotonic(), self._sign.read()
        self._silent_s += min(now - self._looked_at, LONGEST_LOOK_S)
        self._looked_at = now
        if seen.beats != self._seen.beats:
            self._silent_s = 0.0
            self._made_up_for &= seen.word is not Word.WORKING
            self._begun |= self._seen.word is Word.GONE
        self._seen = seen

    def _have_lock(self) -> bool:
        try:
            self._lock.acquire()
        except (Timeout, OSError):
            # Held, or a disk that takes nothing: then silence alone has to tell.
            return False
        return True

    def _death(self) -> Generator[str | None]:
        # Once more: it may have said GONE, and then let go, since we looked.
        self._seen = self._sign.read()
        if not self.at_work:
            yield None
            return
        yield DIED
        self._sign.say(Word.GONE)
        self._seen = self._sign.read()

    def _wrong(self) -> str | None:
        word = self._seen.word
        if word is Word.GONE or (word is Word.WORKING and self._silent_s <= STALE_S):
            return None
        return _WRONG[word]
