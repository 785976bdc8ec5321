"""The station's one worker process: `python -m hil.runs.worker --lab PATH --data DIR`. The only one that measures.

It makes the station safe before anything else, then takes runs off the queue, one at a time. Told to stop (SIGTERM, SIGINT,
the end of its parent), it stops at the next checkpoint, makes safe, marks the run interrupted and exits with 0."""

import argparse
import logging
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from hil.model.lab import LabConfig, LabConfigError, load_lab
from hil.runs.bench import Bench, note_outcome
from hil.runs.conduct import DISK_RETRY_S, Conductor
from hil.runs.errors import StopRequested
from hil.runs.heart import Heart
from hil.runs.leaving import WORKER, tell_left
from hil.runs.lifesign import LOCK_NAME, LifeSign
from hil.runs.stops import Stops, heard
from hil.station.emergency import stop_everything
from hil.store import open_store
from hil.store.errors import StoreError, Unwritable
from hil.store.protocol import Store
from hil.store.shelf import utc_now

_log = logging.getLogger(__name__)

IDLE_S = 0.05


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 after an orderly stop, 2 when it could not begin."""
    parser = parser_of(__doc__)
    parser.add_argument("--lock-s", type=float, default=10.0, help="how long a predecessor may take to leave, s")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s worker %(levelname)s %(message)s", stream=sys.stderr)
    try:
        lab = load_lab(options.lab)
        store = open_store(options.data)
    except (LabConfigError, StoreError) as error:
        print(f"worker: {error}", file=sys.stderr)  # noqa: T201
        return 2
    stops = Stops(store, options.parent)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stops.signal)
    heard()
    try:
        with FileLock(options.data / LOCK_NAME, timeout=options.lock_s):
            serve(lab, store, stops, LifeSign(options.data))
    except Timeout:
        print(f"worker: another worker uses {options.data}; stop that service first", file=sys.stderr)  # noqa: T201
        return 2
    except StoreError as error:
        print(f"worker: {error}", file=sys.stderr)  # noqa: T201
        return 1
    finally:
        store.close()
    return 0


def serve(lab: LabConfig, store: Store, stops: Stops, sign: LifeSign) -> None:
    """Until told to stop. Whoever calls holds the lock."""
    bench = Bench(lab, store, stops)
    with Heart(sign, store, lambda: bench.in_time(stops.idle_s())):
        begin(lab, store)
        conductor = Conductor(lab, store, bench, stops, utc_now)
        try:
            while stops.leaving() is None:
                _turn(store, bench, conductor, stops)
        finally:
            outcome = bench.leave()
        tell_left(store, WORKER, outcome)
    _log.info("ended: %s", stops.leaving())


def begin(lab: LabConfig, store: Store) -> None:
    """Nobody knows what the last process left behind: make the station safe, and own up to the runs it was in."""
    note_outcome(store, stop_everything(lab, latch=False))
    for run in store.interrupt_running():
        _log.warning("run %s was interrupted after %d of %d", run.id, run.done, run.total)


def _turn(store: Store, bench: Bench, conductor: Conductor, stops: Stops) -> None:
    try:
        bench.tend()
        run = store.next_queued() if bench.ready() else None
        if run is None:
            stops.wait(IDLE_S)
        else:
            conductor.perform(run)
    except StopRequested:
        return
    except Unwritable as error:
        _log.error("%s", error)
        bench.let_go()
        await_room(store, stops)


def await_room(store: Store, stops: Stops) -> None:
    """Until the disk takes something again, or the process has to end."""
    while stops.leaving() is None:
        stops.wait(DISK_RETRY_S)
        with suppress(Unwritable):
            store.heartbeat()
            break


def parser_of(description: str | None) -> argparse.ArgumentParser:
    """lab, data, parent: the command line that worker and watchdog share."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--lab", type=Path, required=True, help="lab.toml")
    parser.add_argument("--data", type=Path, required=True, help="the store's directory")
    parser.add_argument("--parent", type=int, default=os.getppid(), help="process whose end ends this one")
    return parser


if __name__ == "__main__":
    sys.exit(main())
