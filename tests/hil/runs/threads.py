"""Worker and watchdog in threads of the test: everything real but the process around them."""

import os
import threading
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

from filelock import FileLock

from hil.model.lab import LabConfig
from hil.model.plans import Plan
from hil.model.runs import ENDED, RunState
from hil.runs.lifesign import LOCK_NAME, LifeSign
from hil.runs.stops import Stops
from hil.runs.submit import submit_plan
from hil.runs.watchdog import Watchdog, watch
from hil.runs.worker import serve
from hil.store.protocol import Store
from hil.store.records import RunRecord
from tests.support.waiting import until

LONGEST_S = 90.0
"""A prober that loses the answer to a step is waited for a minute, which is how long a step may take."""


class Service:
    """A worker on the test's own store. watchdog: directory that the two share, if one is wanted."""

    def __init__(self, lab: LabConfig, store: Store, watchdog: Path | None = None) -> None:
        self.lab, self.store, self._shared = lab, store, watchdog
        self.stops = [Stops(store, os.getppid()) for _ in range(1 if watchdog is None else 2)]
        self._threads = [threading.Thread(target=self._work)]
        if watchdog is not None:
            self._threads.append(threading.Thread(target=self._watch, args=[watchdog]))

    def _work(self) -> None:
        with TemporaryDirectory() as own:
            data = self._shared or Path(own)
            with FileLock(data / LOCK_NAME), closing(LifeSign(data)) as sign:
                serve(self.lab, self.store, self.stops[0], sign)

    def _watch(self, data: Path) -> None:
        with closing(Watchdog(self.lab, self.store, data)) as dog:
            watch(dog, self.stops[1])

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """As SIGTERM does."""
        for stops, thread in zip(self.stops, self._threads, strict=True):
            stops.signal()
            thread.join(20)
            assert not thread.is_alive()

    def submit(self, plan: Plan) -> RunRecord:
        return submit_plan(self.store, self.lab, plan, "anna")

    def ended(self, run: RunRecord) -> RunRecord:
        """The run when it has ended."""
        return self.reached(run, *ENDED)

    def reached(self, run: RunRecord, *states: RunState) -> RunRecord:
        until(lambda: self.store.run(run.id).state in states, LONGEST_S)
        return self.store.run(run.id)

    def underway(self, run: RunRecord, steps: int = 2) -> None:
        """Some steps are done and more are to come."""
        until(lambda: self.store.run(run.id).done >= steps, 30)
        assert self.store.run(run.id).state is RunState.RUNNING
