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
from contextlib import closing
from pathlib import Path

from drivers.errors import DriverError
from hil.model.lab import LabConfig, LabConfigError, load_lab
from hil.runs.bench import latch_output, note_outcome
from hil.runs.leaving import WATCHDOG, last_outcome, same, tell_left, unsafe
from hil.runs.stops import Stops, heard
from hil.runs.vigil import DIED, Vigil
from hil.runs.worker import parser_of
from hil.station.emergency import clear_emergency, stop_everything
from hil.station.errors import StationError
from hil.station.instruments import load_drivers
from hil.store import open_store
from hil.store.errors import StoreError
from hil.store.protocol import Store
from hil.store.records import StationRecord

_log = logging.getLogger(__name__)

POLL_S = 0.02
RETRY_S = 2.0
AGAIN = "what could not be verified safe was tried again"
GRACE_S = 1.0
"""What the worker gets to leave the station by itself: the promise is 2 s, of which making safe takes the other one."""


class Watchdog:
    """data: the service's directory. monotonic: seconds. Call `look` often; each call acts on what it finds."""

    def __init__(self, lab: LabConfig, store: Store, data: Path, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Raises Unwritable."""
        self._lab, self._store, self._monotonic = lab, store, monotonic
        self._vigil = Vigil(data, monotonic)
        self._changes = store.changes()
        self._record = store.station()
        self._resets = self._record.resets
        self._retry_at = 0.0
        self._untold: list[tuple[str, dict[str, str]]] = []
        self._doubt: dict[str, str] | None = None
        self._since = store.last_event()
        self._told_at: float | None = None
        self._helped = self._done = False

    @property
    def guarding(self) -> bool:
        """A worker is at work, or was when last heard of and has not been dealt with."""
        return self._vigil.guarding

    def look(self) -> None:
        """Make up for a worker that died or fell silent; then read the station if anything changed, and act: reset, emergency stop."""
        # Before the store is asked anything: it may be the store that hangs.
        self._guard()
        changes = self._store.changes()
        if changes != self._changes:
            self._changes = changes
            self._record = self._store.station()
        if self._vigil.begun():
            self._since = self._store.last_event()
        # Cleared first: what is latched by now was latched after it.
        self._clear_if_reset(self._record)
        self._stop_if_latched(self._record)
        self._tell()

    def may_leave(self) -> bool:
        """Told to go: whether the worker has left and the station is safe, as far as it can be made. Call after each `look`."""
        self._told_at = self._monotonic() if self._told_at is None else self._told_at
        if self._vigil.at_work:
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

    def close(self) -> None:
        self._vigil.close()

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

    def _stop_if_latched(self, record: StationRecord) -> None:
        if record.estop is None or self._monotonic() < self._retry_at:
            return
        outcome: dict[str, str] | None = record.estop["outcome"]
        if outcome is not None and all(text == "safe" for text in outcome.values()):
            return
        at: str = record.estop["at"]

        def tell(told: dict[str, str]) -> None:
            # An unreachable instrument is tried again; the same answer is not told again.
            if not same(told, outcome):
                self._store.record_estop_outcome(told, at)
                latch_output(self._store, told)

        found = self._stop(True, tell, early=outcome is None)
        self._retry_at = self._monotonic() + RETRY_S
        if not same(found, outcome):
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

    def _guard(self) -> None:
        with self._vigil.alarm() as why:
            # Once told to go, a worker that lives gets GRACE_S and then help.
            if why is not None and (why == DIED or self._told_at is None):
                _log.error("%s; making the station safe", why)
                self._doubt = None
                self._stand_in(why)
            elif self._vigil.guarding:
                self._doubt = None
            elif self._doubt is not None and self._told_at is None and self._monotonic() >= self._retry_at:
                self._stand_in(AGAIN)

    def _stand_in(self, why: str) -> None:
        outcome = stop_everything(self._lab, latch=False)
        # Once more at once: an instrument may have been busy.
        self._retry_at = self._monotonic() + (RETRY_S if why == AGAIN else 0.0)
        # The same answer is not told again.
        if not same(outcome, self._doubt):
            self._untold.append((why, outcome))
        self._doubt = None if unsafe(outcome) is None else outcome

    def _tell(self) -> None:
        """After the deed: a worker frozen in the middle of a write keeps everybody else from writing."""
        while self._untold:
            why, outcome = self._untold[0]
            if why == DIED:
                # Whatever was verified while it lived is no longer known.
                self._since = self._store.last_event()
            self._store.note("worker_silent", f"{why}; the watchdog made the station safe as far as it could", outcome)
            note_outcome(self._store, outcome)
            if why == DIED:
                # Whoever asks the service need not wait until the last record is old.
                self._store.end_heartbeat()
            if self._told_at is not None:
                tell_left(self._store, WATCHDOG, outcome)
            del self._untold[0]


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 when told to go, 2 when it could not begin."""
    options = parser_of(__doc__).parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s watchdog %(levelname)s %(message)s", stream=sys.stderr)
    try:
        lab = load_lab(options.lab)
        store = open_store(options.data)
        dog = Watchdog(lab, store, options.data)
    except (LabConfigError, StoreError) as error:
        print(f"watchdog: {error}", file=sys.stderr)  # noqa: T201
        return 2
    stops = Stops(store, options.parent)
    # Ctrl-C goes to the whole group: the worker stops by it, and the watchdog sees that it does.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, stops.signal)
    heard()
    with closing(store), closing(dog):
        _prepare(lab)
        watch(dog, stops)
    return 0


def _prepare(lab: LabConfig) -> None:
    """In an emergency nothing has to be imported any more."""
    try:
        load_drivers(lab)
    except (StationError, ImportError) as error:
        _log.warning("%s", error)


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
