"""Starts the service's worker again and again: `python -m tests.support.killed_worker LAB DATA`, a line on stdin for each.

Workers are forked from a process that has imported everything: a start costs milliseconds, and two hundred are affordable. What runs
in them is the worker's own `main`, and it is a process of its own.
"""

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from drivers.prober import sentio
from drivers.smu import keithley2450
from hil.runs import worker

IMPORTED = (sentio, keithley2450)
"""Drivers that the worker would import when it first opens them."""


class Nursery:
    """Starts workers, one at a time."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def start(self) -> int:
        """Process id of a new worker."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@contextmanager
def nursery(lab: Path, data: Path) -> Iterator[Nursery]:
    command = [sys.executable, "-m", "tests.support.killed_worker", str(lab), str(data)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Nursery(process)
        finally:
            process.kill()


def main(lab: str, data: str) -> None:
    logging.disable(logging.WARNING)
    # Nobody waits for the workers: the dead ones vanish by themselves.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            # The main process of ours is their parent: when it is gone they leave.
            os._exit(worker.main(["--lab", lab, "--data", data]))
        print(pid, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
