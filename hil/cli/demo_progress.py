"""Visible progress of a stage: a bar on a terminal, a line every so often where the output is a file or a pipe."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

SAY_EVERY_S = 5.0


class Stage:
    """One stage of the demo with a known amount of work. Thread-safe as far as rich's Progress is."""

    def __init__(self, console: Console, title: str, total: float) -> None:
        self._console, self._title, self._total = console, title, total
        self._started = self._said = time.monotonic()
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
        )
        self._bar = Progress(*columns, console=console, disable=not console.is_terminal)
        self._task = self._bar.add_task(title, total=total, note="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None) -> None:
        self._bar.stop()
        if error is None:
            self._console.print(f"{self._title}: done in {time.monotonic() - self._started:.1f} s", highlight=False)

    def at(self, done: float, note: str = "") -> None:
        self._bar.update(self._task, completed=done, note=note)
        now = time.monotonic()
        if not self._console.is_terminal and now - self._said >= SAY_EVERY_S:
            self._said = now
            self._console.print(f"{self._title}: {done:g} of {self._total:g} {note}".rstrip(), highlight=False)
