"""Child processes of the demo: each in a group of its own, so that Ctrl-C reaches us and we stop them in the safe order."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self


class ChildFailed(RuntimeError):
    """A child process ended, or did not come up in time; the text holds the end of its log."""


class Child:
    """A running child process; leaving the `with` ends it with SIGTERM, and with SIGKILL if it does not obey."""

    def __init__(self, name: str, command: list[str], log: Path, stop_within_s: float = 15.0) -> None:
        self.name, self.log, self.stop_within_s = name, log, stop_within_s
        with log.open("wb") as out:
            # Windows has no process groups of this kind; there Ctrl-C reaches the children as well, and they stop by themselves.
            self._process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, start_new_session=os.name != "nt")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        if self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(self.stop_within_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def wait_ready(self, ready: Callable[[], bool], within_s: float) -> None:
        """Raises ChildFailed when the child ends or `ready` stays false."""
        deadline = time.monotonic() + within_s
        while not ready():
            if self._process.poll() is not None:
                raise ChildFailed(f"{self.name} ended with code {self._process.returncode}: {self.last_words()}")
            if time.monotonic() > deadline:
                raise ChildFailed(f"{self.name} is not up after {within_s:g} s: {self.last_words()}")
            time.sleep(0.05)

    def last_words(self) -> str:
        lines = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        return " | ".join(lines[-3:]) or f"nothing in {self.log}"


def python(*arguments: str) -> list[str]:
    """A command that runs a module of this installation."""
    return [sys.executable, *arguments]
