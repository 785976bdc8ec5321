"""The two trigger wires between controller and SMU. An edge is heard at once by everybody who listens, in order of connecting.

Rule: an edge carries no information but its time; a wire does not know who drives it.
"""

from collections.abc import Callable

Listener = Callable[[int], None]
"""Hears an edge. now_ns: wall time, monotonic."""


class TriggerLine:
    """One wire. edges: how many it has carried."""

    def __init__(self) -> None:
        self.edges = 0
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` at every edge; returns what ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def edge(self, now_ns: int) -> None:
        """Pulse the wire."""
        self.edges += 1
        for listener in tuple(self._listeners):
            listener(now_ns)


class TriggerLines:
    """ready: from the controller, a junction is connected and settled. measured: from the SMU, it has been measured."""

    def __init__(self) -> None:
        self.ready = TriggerLine()
        self.measured = TriggerLine()
