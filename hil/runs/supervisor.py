"""Starts and stops the worker and the watchdog of a service. Imports no driver, so that the web process may use it.

Rule: both are told at once; the watchdog goes last, because somebody has to see that the worker left the station safe,
and to do it when the worker takes too long."""

import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from hil.runs.stops import held_back

_log = logging.getLogger(__name__)

_POLL_S = 0.2
_FIRST_RESTART_S, _LONGEST_RESTART_S = 0.5, 30.0
_LASTED_S = 60.0
"""A process that lasted this long is restarted without patience."""
_WATCHDOG_S = 8.0
"""Longest the watchdog needs after a dead worker: making safe, twice if the first time was under way when it died."""
_CANNOT_BEGIN = 2
"""Exit code that a restart would only repeat."""


class Supervisor:
    """Two child processes. The worker makes the station safe before it does anything else; so does one that replaces a dead one."""

    def __init__(self, lab_path: Path, data_dir: Path) -> None:
        self._options = ["--lab", str(lab_path), "--data", str(data_dir), "--parent", str(os.getpid())]
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._keeper = threading.Thread(target=self._keep, name="supervisor", daemon=True)

    def start(self) -> None:
        """Returns at once; the worker's first heartbeat tells when it serves."""
        for name in ("watchdog", "worker"):
            self._spawn(name)
        self._keeper.start()

    def alive(self) -> bool:
        """Whether both processes run."""
        with self._lock:
            return len(self._children) == 2 and all(child.poll() is None for child in self._children.values())

    def stop(self, timeout_s: float = 10.0) -> None:
        """SIGTERM to both; the worker is killed if it does not obey. How the station was left stands in the journal (`leaving`).
        Idempotent."""
        self._stopping.set()
        if self._keeper.is_alive():
            self._keeper.join()
        with self._lock:
            for child in self._children.values():
                child.terminate()
            self._await("worker", timeout_s)
            self._await("watchdog", _WATCHDOG_S)
            self._children.clear()

    def _spawn(self, name: str) -> None:
        command = [sys.executable, "-m", f"hil.runs.{name}", *self._options]
        with self._lock, held_back():
            self._children[name] = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def _await(self, name: str, timeout_s: float) -> None:
        child = self._children.get(name)
        if child is None:
            return
        try:
            child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            _log.error("the %s does not stop within %g s and is killed", name, timeout_s)
            child.kill()
            child.wait()

    def _keep(self) -> None:
        """Put a process that died back, sooner or later depending on how often it dies."""
        patience = dict.fromkeys(self._children, _FIRST_RESTART_S)
        started = {name: time.monotonic() for name in self._children}
        while not self._stopping.wait(_POLL_S):
            for name, child in list(self._children.items()):
                if child.poll() is None or child.returncode == _CANNOT_BEGIN:
                    continue
                lasted = time.monotonic() - started[name]
                patience[name] = _FIRST_RESTART_S if lasted > _LASTED_S else min(2 * patience[name], _LONGEST_RESTART_S)
                _log.error("the %s ended with code %s; starting it again", name, child.returncode)
                if self._stopping.wait(patience[name] if lasted < _LASTED_S else 0.0):
                    return
                self._spawn(name)
                started[name] = time.monotonic()
