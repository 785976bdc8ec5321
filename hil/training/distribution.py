"""Other processes and machines that make the cells of a table, reached through a dask scheduler.

Rule 1: a worker makes a cell as this process would, from values; only this process writes.
Rule 2: a lost worker's work is done again. What fails is told at once; the rest goes on, so that trying again has only that to do.
Rule 3: whoever reaches a scheduler can run code on its workers: it belongs on the lab's own network, or behind TLS."""

import logging
import re
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import dask.config
from distributed import Client, LocalCluster

from hil.training.bench import Report
from hil.training.cells import Cell
from hil.training.dispatch import Dispatch, Tell
from hil.training.errors import WorkerError
from hil.training.reproduce import Table, Wafers
from hil.training.trainer import Images

CONNECTED_WITHIN_S = 10.0
ALONE_S = 120.0
"""How long processes of our own may all be gone before what waits for them fails. Workers of a scheduler may come whenever they like."""
CONFIG = {"distributed.admin.large-graph-warning-threshold": "1GB", "distributed.worker.profile.enabled": False}
"""Maps and images travel with the tasks that name them, once. Profiling would count as processor seconds of training."""


@dataclass(frozen=True)
class Crew:
    """The workers of one scheduler."""

    client: Client
    tell: Tell

    @property
    def count(self) -> int:
        """Workers there are now; others may come and go."""
        threads: Any = self.client.nthreads()
        return len(threads)

    def cells(self, table: Table, wafers: Wafers, images: tuple[Images, Images], report: Report) -> Generator[Cell]:
        """Every cell: kept ones when their turn comes, others as they are ready. Left early, nothing queued is begun, and what runs ends
        with its epoch. Raises WorkerError when all is done but what failed."""
        work = Dispatch(self.client, self.tell, table, images, report)
        try:
            yield from work.cells(wafers)
        finally:
            work.release()


@contextmanager
def connected(workers: str, tell: Tell, within_s: float = CONNECTED_WITHIN_S, alone_s: float = ALONE_S) -> Generator[Crew]:
    """workers: dask://HOST:PORT of a scheduler, or a number of processes to start on this machine. Raises WorkerError."""
    with ExitStack() as stack:
        stack.enter_context(dask.config.set(CONFIG))
        if workers.isdecimal() and int(workers):
            stack.enter_context(dask.config.set({"distributed.scheduler.no-workers-timeout": f"{alone_s:g}s"}))
            # What fails is told by us; dask would add how it stops its own processes on Ctrl-C.
            cluster: Any = LocalCluster(n_workers=int(workers), threads_per_worker=1, dashboard_address=":0", silence_logs=logging.CRITICAL)
            address = str(stack.enter_context(cluster).scheduler_address)
        else:
            address = _address(workers)
        try:
            client = Client(address, timeout=within_s, set_as_default=False, name="hil")
        except (OSError, ValueError) as error:
            text = f"no dask scheduler answers at {address} within {within_s:g} s: {error}"
            raise WorkerError(f"{text}; start one with `dask scheduler`, and workers with `dask worker {address} --nthreads 1`") from error
        yield Crew(stack.enter_context(client), tell)


def _address(workers: str) -> str:
    """HOST:PORT; whether that is tcp or tls is dask's own setting."""
    found = re.fullmatch(r"dask://([^/\s]+:\d+)/?", workers)
    if found is None:
        raise WorkerError(f"{workers!r} names no workers; give dask://HOST:PORT of a scheduler, or how many processes to start here")
    return found[1]
