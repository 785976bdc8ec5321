"""A progress bar for a run that takes longer than a second; nothing at all where there is no terminal."""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from hil.client.lab import LabClient
    from hil.client.run import Run

APPEARS_AFTER_S = 1.0
ASK_WHY_EVERY_S = 2.0


@contextmanager
def bar(lab: "LabClient") -> Generator[Callable[["Run"], None], None, None]:
    """A function to call with the run after each look at it."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
        yield _Bar(lab, shown).look


class _Bar:
    def __init__(self, lab: "LabClient", shown: Progress) -> None:
        self._lab, self._shown = lab, shown
        self._since = time.monotonic()
        self._task: TaskID | None = None
        self._asked, self._why = 0.0, ""

    def look(self, run: "Run") -> None:
        now = time.monotonic()
        if now - self._since < APPEARS_AFTER_S:
            return
        if self._task is None:
            self._task = self._shown.add_task(run.id, total=run.total)
        self._shown.update(self._task, completed=run.done, total=run.total, description=self._words(run, now))

    def _words(self, run: "Run", now: float) -> str:
        """`run 7 running`; for one that waits, why it waits."""
        if run.state != "queued":
            return f"run {run.id} {run.state}{f': {run.error}' if run.error else ''}"
        if now - self._asked >= ASK_WHY_EVERY_S:
            self._asked, self._why = now, self._lab.why_waiting()
        return f"run {run.id} queued{f': {self._why}' if self._why else ''}"
