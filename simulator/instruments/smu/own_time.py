"""An instrument's own time: it runs with the wall and, besides, by what the instrument did in no time of the wall's.

Rule 1: with a clock that is real the two are the same. With one that is fast, everything still takes its time by the instrument's own
clock: readings have their stamps, delays their length, and what was to end after ten seconds ends.
Rule 2: what is to happen later stands on the world's agenda, for its nominal time; with a fast clock, where all of that is now, in the
order of the instrument's own time.

How a core uses it: `enter(now_ns)` whenever it is called from outside; `spend(busy_ns)` for a line that kept it busy; `at(when, do)` for
what it does by itself.
"""

import heapq
from collections.abc import Callable
from itertools import count

from simulator.agenda import Agenda, Entry


class OwnTime:
    """wall_ns: wall time that an instrument's time takes. Times without the word wall are the instrument's own, ns."""

    def __init__(self, agenda: Agenda, wall_ns: Callable[[int], int]) -> None:
        self._agenda, self._to_wall = agenda, wall_ns
        self._wall_ns = self._ahead_ns = 0
        self._hurries = self.wall_takes_none()
        self._hurried: list[tuple[int, int, Entry]] = []
        self._numbers = count()

    def enter(self, wall_now_ns: int) -> int:
        """Somebody calls at this wall time; returns the instrument's."""
        self._wall_ns = wall_now_ns
        return wall_now_ns + self._ahead_ns

    @property
    def now_ns(self) -> int:
        return self._wall_ns + self._ahead_ns

    def spend(self, busy_ns: int) -> None:
        """The instrument was busy that long; whoever hosts it lets the wall's part of it pass."""
        self._ahead_ns += busy_ns - self._to_wall(busy_ns)

    def wall_at(self, when_ns: int) -> int:
        """Wall time of something that happens now, or that happened."""
        return when_ns - self._ahead_ns

    def wall_takes_none(self) -> bool:
        """Whether waiting costs the wall nothing (a fast clock)."""
        return self._to_wall(1_000_000_000) == 0

    def at(self, when_ns: int, do: Callable[[int], None]) -> Entry:
        """Let it happen then, by the instrument's own time, which it is told."""
        if self._hurries:
            return self._hurry(when_ns, do)

        def happen(wall_now_ns: int) -> None:
            self._pass(when_ns, wall_now_ns)
            do(when_ns)

        return self._agenda.at(self._wall_ns + self._to_wall(max(when_ns - self.now_ns, 0)), happen)

    def _hurry(self, when_ns: int, do: Callable[[int], None]) -> Entry:
        entry = Entry(do)
        heapq.heappush(self._hurried, (when_ns, next(self._numbers), entry))
        self._agenda.at(self._wall_ns, self._next)
        return entry

    def _next(self, wall_now_ns: int) -> None:
        """The first of what is to happen; as many calls come as there are things."""
        when_ns, _, entry = heapq.heappop(self._hurried)
        if not entry.cancelled:
            self._pass(when_ns, wall_now_ns)
            entry.do(when_ns)

    def _pass(self, when_ns: int, wall_now_ns: int) -> None:
        self._wall_ns = wall_now_ns
        self._ahead_ns = max(self._ahead_ns, when_ns - wall_now_ns)
