"""What runs by itself in the instrument, step by step: a generator of what it waits for, on the agenda.

Rule: each yield is a time, ns of the instrument's own, or a detector; what is sent in is the time at which it goes on.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field

from simulator.agenda import Entry
from simulator.instruments.keithley2600.events import Detector
from simulator.instruments.smu.own_time import OwnTime

Steps = Generator["int | Detector", int, None]


@dataclass
class Beside:
    """measuring: an aperture is open. over: heard when it closes."""

    measuring: bool = False
    over: Detector = field(default_factory=Detector)


class Loop:
    """A generator on the agenda."""

    def __init__(self, steps: Steps, own: OwnTime, ended: Callable[["Loop", int], None]) -> None:
        self._steps, self._own, self._ended = steps, own, ended
        self._entry: Entry | None = None
        self._give_up: Callable[[], None] = lambda: None
        self._begun = False

    def go_on(self, now_ns: int) -> None:
        """On to the next time or detector that it has to wait for."""
        self._entry = None
        steps = self._steps
        try:
            wanted = steps.send(now_ns) if self._begun else next(steps)
            self._begun = True
            while True:
                if isinstance(wanted, int):
                    if wanted > now_ns:
                        self._entry = self._own.at(wanted, self.go_on)
                        return
                elif not wanted.take():
                    self._give_up = wanted.wait(self.go_on)
                    return
                wanted = steps.send(now_ns)
        except StopIteration:
            self._ended(self, now_ns)

    def end(self) -> None:
        if self._entry is not None:
            self._entry.cancel()
        self._give_up()
        self._steps.close()
