"""What went over the instruments' wires, told to the store while the worker lives: numbers that only ever grow, although a
link that is opened anew counts from zero. Nobody may miss an instrument because nobody could count it."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from hil.runs.leaving import INSTRUMENTS
from hil.store.protocol import Store

Wires = Mapping[str, Mapping[str, Any]]
TELL_S = 1.0


class LinkBook:
    """Counts of all links before this one (also by workers before us), and of those now open. monotonic: seconds."""

    def __init__(self, store: Store, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._store, self._monotonic = store, monotonic
        self._before: dict[str, dict[str, Any]] = store.links()
        self._told = self._before
        self._told_at = -TELL_S
        self._opened_before = False

    def opened(self) -> None:
        """All links were opened; every time but the first in this worker's life is a reconnection of each."""
        if self._opened_before:
            self._before = grown(self._before, {name: {"reconnects": 1} for name in INSTRUMENTS})
        self._opened_before = True

    def tell(self, wires: Wires) -> None:
        """What the links now open have counted; kept at most once a second, and only when it is news."""
        if self._monotonic() - self._told_at >= TELL_S:
            self._keep(grown(self._before, wires))

    def closed(self, wires: Wires) -> None:
        """The last that the links said of themselves."""
        self._before = grown(self._before, wires)
        self._keep(self._before)

    def _keep(self, counts: dict[str, dict[str, Any]]) -> None:
        self._told_at = self._monotonic()
        if counts != self._told:
            self._store.publish_links(counts)
            self._told = counts


def grown(before: Wires, wires: Wires) -> dict[str, dict[str, Any]]:
    """Sums by instrument and name; a text (the unit) is the newer one."""
    names = list(dict.fromkeys([*before, *wires]))
    return {name: _sum(before.get(name, {}), wires.get(name, {})) for name in names}


def _sum(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    summed: dict[str, Any] = dict(before)
    for key, value in now.items():
        summed[key] = value if isinstance(value, str) else summed.get(key, 0) + value
    return summed
