"""What happens by itself in the pretended lab, in the order of its own time.

Rule 1: a happening is told its nominal time, not when somebody came by to let it happen: whoever wakes late catches up, and nothing
drifts. Rule 2: nothing here sleeps. Whoever hosts the lab asks `due_ns` and calls `run`; whoever is about to change the lab calls `run`
first, so that everything due by then has happened.
`sched.scheduler` of the standard library tells a happening nothing of its time, and takes 10 us for each where this takes 1 us.
"""

import heapq
import time
from collections.abc import Callable
from itertools import count

Happening = Callable[[int], None]
"""Told its nominal time, ns."""
SLICE_NS = 2_000_000
"""Longest that one call of `run` keeps everybody else waiting, of the computer's own time."""
_PATIENCE = 4
"""Happenings between two looks at the computer's time."""


class Entry:
    """One happening to come."""

    __slots__ = ("cancelled", "do")

    def __init__(self, do: Happening) -> None:
        self.do, self.cancelled = do, False

    def cancel(self) -> None:
        """It will not happen; idempotent."""
        self.cancelled = True


class Agenda:
    """changed: called when the first happening has become an earlier one, outside of `run`."""

    def __init__(self, used_ns: Callable[[], int] = time.perf_counter_ns) -> None:
        self.changed: Callable[[], None] = lambda: None
        self._used_ns = used_ns
        self._heap: list[tuple[int, int, Entry]] = []
        self._numbers = count()
        self._running = False

    def at(self, when_ns: int, do: Happening) -> Entry:
        """Let it happen then; at once, in `run`, where that is past. Two for the same time happen in the order of asking."""
        entry = Entry(do)
        heapq.heappush(self._heap, (when_ns, next(self._numbers), entry))
        if not self._running and self._heap[0][2] is entry:
            self.changed()
        return entry

    def due_ns(self) -> int | None:
        """Time of the first happening; None when nothing is to come."""
        heap = self._heap
        while heap and heap[0][2].cancelled:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def run(self, now_ns: int) -> bool:
        """Everything due by now, and what follows from it by now. False when the slice was over before that."""
        if self._running:
            return True
        heap, self._running = self._heap, True
        latest_ns, left = self._used_ns() + SLICE_NS, _PATIENCE
        try:
            while heap and heap[0][0] <= now_ns:
                when_ns, _, entry = heapq.heappop(heap)
                if entry.cancelled:
                    continue
                entry.do(when_ns)
                left -= 1
                if not left:
                    if self._used_ns() >= latest_ns:
                        return not heap or heap[0][0] > now_ns
                    left = _PATIENCE
        finally:
            self._running = False
        return True
