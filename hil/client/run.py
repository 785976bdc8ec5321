"""A run as its owner sees it."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

from numpy.typing import NDArray

from hil.client.arrays import Die
from hil.client.errors import RunEnded, RunTimeout
from hil.client.sse import Event

if TYPE_CHECKING:
    from hil.client.lab import LabClient

LOOK_EVERY_S = 0.2
ENDED = frozenset({"finished", "failed", "aborted", "interrupted"})
OnLook = Callable[["Run"], None]


class Run:
    """A run on the service; `json` is what the service last said of it."""

    def __init__(self, lab: "LabClient", body: Mapping[str, Any]) -> None:
        self._lab = lab
        self.json: dict[str, Any] = dict(body)

    def __repr__(self) -> str:
        return f"Run({self.id}, {self.state}, {self.done}/{self.total} {self.unit})"

    @property
    def id(self) -> str:
        return self.json["id"]

    @property
    def state(self) -> str:
        return self.json["state"]

    @property
    def error(self) -> str | None:
        return self.json["error"]

    @property
    def done(self) -> int:
        return self.json["progress"]["done"]

    @property
    def total(self) -> int:
        return self.json["progress"]["total"]

    @property
    def unit(self) -> str:
        return self.json["progress"]["unit"]

    @property
    def wires(self) -> dict[str, dict[str, Any]]:
        """Messages over each wire: {"crossbar": {"unit", "sent", "received", "errors", "retransmitted"}, ...}."""
        return self.json["wires"]

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    def refresh(self) -> Self:
        """Asks the service again."""
        self.json = self._lab.run(self.id).json
        return self

    def wait(self, progress: bool = False, timeout_s: float | None = None, on_look: OnLook | None = None) -> Self:
        """Until the run finished. progress: a bar on a terminal. on_look: called after each look.

        Raises RunEnded when it failed, was aborted or interrupted; RunTimeout when it has not ended in time.
        """
        if progress:
            from hil.client.progress import bar

            with bar(self._lab) as show:
                return self._wait(timeout_s, show)
        return self._wait(timeout_s, on_look)

    def _wait(self, timeout_s: float | None, on_look: OnLook | None) -> Self:
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            self.refresh()
            if on_look is not None:
                on_look(self)
            if self.ended:
                break
            if deadline is not None and time.monotonic() >= deadline:
                raise RunTimeout(f"run {self.id} is {self.state} ({self.done} of {self.total} {self.unit}) after {timeout_s:g} s")
            time.sleep(LOOK_EVERY_S)
        if self.state != "finished":
            raise RunEnded(self.id, self.state, self.error)
        return self

    def settled(self, timeout_s: float = 60.0) -> Self:
        """Waits until it has ended, however. Raises RunTimeout."""
        try:
            return self._wait(timeout_s, None)
        except RunEnded:
            return self

    def events(self, after: int = 0) -> Iterator[Event]:
        """Events of the run, from the first one or after a number; ends with the run. Survives a lost connection."""
        return self._lab.events(run=self.id, after=after)

    def results(self, die: Die | None = None) -> dict[Die, dict[str, NDArray[Any]]]:
        """Arrays that are no maps, by die and name: traces, switching probabilities, products, result codes. die: of that one alone."""
        return self._lab.results(self.id, die)

    def pause(self) -> Self:
        self.json = self._lab.pause(self.id).json
        return self

    def resume(self) -> Self:
        self.json = self._lab.resume(self.id).json
        return self

    def abort(self) -> Self:
        self.json = self._lab.abort(self.id).json
        return self
