"""The second net: `python -m hil.runs.watchdog --lab PATH --data DIR`. Holds no connection while all is well.

It carries out emergency stops, so that they never wait for the worker, and makes the station safe by its own connections
when the worker falls silent. Told to go, it gives the worker a second to leave the station safe and then helps, and it
stays until the worker has left."""

import logging
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from filelock import FileLock, Timeout

from drivers.errors import DriverError
from hil.model.lab import LabConfig, LabConfigError, load_lab
from hil.runs.bench import note_outcome
from hil.runs.heart import STALE_S
from hil.runs.leaving import WATCHDOG, last_outcome, tell_left, unsafe
from hil.runs.stops import Stops, heard
from hil.runs.worker import LOCK_NAME, parser_of
from hil.station.emergency import clear_emergency, stop_everything
from hil.station.errors import StationError
from hil.store import open_store
from hil.store.protocol import Store, StoreError
from hil.store.records import StationRecord

_log = logging.getLogger(__name__)

POLL_S = 0.02
RETRY_S = 2.0
GRACE_S = 1.0
"""What the worker gets to leave the station by itself: the promise is 2 s, of which making safe takes the other one."""
NEWCOMER_S = 0.5
"""What a new worker may take from having the lock to its first heartbeat."""


class Watchdog:
    """lock: of the worker. monotonic: seconds. Call `look` often; each call acts on what it finds."""

    def __init__(self, lab: LabConfig, store: Store, lock: Path, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._lab, self._store, self._monotonic = lab, store, monotonic
        self._lock = FileLock(lock, timeout=0)
        self._changes = store.changes()
        self._record = store.station()
        # A heartbeat from before our time says nothing about a worker of today.
        self._beat, self._beaten_at = self._record.heartbeat_at, 0.0
        self._armed = False
        self._resets = self._record.resets
        self._retry_at = 0.0
        self._silence: dict[str, str] | None = None
        self._since = store.last_event()
        self._told_at: float | None = None
        self._helped = self._done = False

    @property
    def guarding(self) -> bool:
        """A worker is at work, or was when last heard of and has not been dealt with."""
        return self._armed

    def look(self) -> None:
        """Read the station if anything changed, then act: reset, emergency stop, silence of the worker."""
        changes = self._store.changes()
        if changes != self._changes:
            self._changes = changes
            self._record = self._store.station()
        self._listen()
        # Cleared first: what is latched by now was latched after it.
        self._clear_if_reset(self._record)
        self._stop_if_latched(self._record)
        if self._told_at is None and self._armed and self._monotonic() - self._beaten_at > STALE_S:
            self._end_silence()
        self._tell_silence()

    def may_leave(self) -> bool:
        """Told to go: whether the worker has left and the station is safe, as far as it can be made. Call after each `look`."""
        self._told_at = self._monotonic() if self._told_at is None else self._told_at
        if not self._worker_has_left():
            if not self._helped and self._monotonic() - self._told_at >= GRACE_S:
                self._helped = True
                self._help()
            return False
        if not self._done:
            # Once: a store that cannot be written must not keep us here for ever.
            self._done = True
            if unsafe(last_outcome(self._store, self._since)) is not None:
                self._help()
        return True

    def _worker_has_left(self) -> bool:
        if not self._armed:
            return True
        try:
            with self._lock:
                self._armed = False
        except Timeout:
            return False
        # It died without a word: whatever was verified while it lived is no longer known.
        self._since = self._store.last_event()
        return True

    def _help(self) -> None:
        _log.warning("the worker has not left the station safe; doing so")
        note_outcome(self._store, self._stop(False, lambda outcome: tell_left(self._store, WATCHDOG, outcome)))

    def _stop(self, latch: bool, tell: Callable[[dict[str, str]], None], early: bool = True) -> dict[str, str]:
        """Everything safe. tell: the outcome, if `early` also as soon as only the prober is missing."""
        told: list[Future[None]] = []
        with ThreadPoolExecutor(max_workers=1) as teller:
            # Beside it: somebody frozen in the middle of a write keeps us from writing, and the needles wait for nobody.
            found = stop_everything(self._lab, latch, lambda so_far: told.append(teller.submit(tell, so_far)) if early else None)
        for each in told:
            each.result()
        tell(found)
        return found

    def _listen(self) -> None:
        if self._record.heartbeat_at != self._beat:
            self._beat, self._beaten_at = self._record.heartbeat_at, self._monotonic()
            if self._beat is not None and not self._armed:
                self._since = self._store.last_event()
            self._armed = self._beat is not None

    def _stop_if_latched(self, record: StationRecord) -> None:
        if record.estop is None or self._monotonic() < self._retry_at:
            return
        outcome: dict[str, str] | None = record.estop["outcome"]
        if outcome is not None and all(text == "safe" for text in outcome.values()):
            return
        at: str = record.estop["at"]

        def tell(told: dict[str, str]) -> None:
            # An unreachable instrument is tried again; the same answer is not told again.
            if told != outcome:
                self._store.record_estop_outcome(told, at)

        found = self._stop(True, tell, early=outcome is None)
        self._retry_at = self._monotonic() + RETRY_S
        if found != outcome:
            _log.warning("emergency stop by %s: %s", record.estop["by"], found)
            note_outcome(self._store, found)

    def _clear_if_reset(self, record: StationRecord) -> None:
        if record.resets == self._resets:
            return
        self._resets, self._retry_at = record.resets, 0.0
        try:
            clear_emergency(self._lab)
        except (DriverError, StationError) as error:
            _log.warning("reset: %s", error)
            self._store.note("not_cleared", f"the controller's emergency stop could not be cleared: {error}; reset again")

    def _end_silence(self) -> None:
        """With the lock, so that no new worker takes up the station meanwhile; without it if the silent one still has it."""
        try:
            with self._lock:
                self._stand_in()
        except Timeout:
            if self._monotonic() - self._beaten_at > STALE_S + NEWCOMER_S:
                self._stand_in()

    def _stand_in(self) -> None:
        self._armed = False
        _log.error("the worker has been silent for %.1f s; making the station safe", STALE_S)
        self._silence = stop_everything(self._lab, latch=False)

    def _tell_silence(self) -> None:
        """After the deed: a worker frozen in the middle of a write keeps everybody else from writing."""
        if self._silence is not None:
            self._store.note("worker_silent", f"no heartbeat for {STALE_S:g} s; the watchdog made the station safe", self._silence)
            note_outcome(self._store, self._silence)
            self._silence = None


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 when told to go, 2 when it could not begin."""
    options = parser_of(__doc__).parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s watchdog %(levelname)s %(message)s", stream=sys.stderr)
    try:
        lab = load_lab(options.lab)
        store = open_store(options.data)
    except (LabConfigError, StoreError) as error:
        print(f"watchdog: {error}", file=sys.stderr)  # noqa: T201
        return 2
    stops = Stops(store, options.parent)
    # Ctrl-C goes to the whole group: the worker stops by it, and the watchdog sees that it does.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, stops.signal)
    heard()
    watch(Watchdog(lab, store, options.data / LOCK_NAME), stops)
    store.close()
    return 0


def watch(dog: Watchdog, stops: Stops) -> None:
    """Until told to go and no worker is left to guard."""
    tick, told = threading.Event(), ""
    while True:
        try:
            dog.look()
            if stops.leaving() is not None and dog.may_leave():
                return
        except StoreError as error:
            # Once: a log that fills the disk fifty times a second helps nobody.
            if str(error) != told:
                _log.error("%s", error)
            told = str(error)
        # Not Stops.wait, which returns at once after the signal: there may still be a worker to guard.
        tick.wait(POLL_S)


if __name__ == "__main__":
    sys.exit(main())
