"""A Keithley 2636B, hosted: TSP on any number of connections. Channel smua at the needles, smub connected to nothing.

Rule: a lost connection changes no output.
Source: Series 2600B reference manual 2600BS-901-01; data sheet of the 2636B.
"""

from collections.abc import Callable

from simulator.instruments.keithley2600.core import Core
from simulator.instruments.line_instrument import LineInstrument
from simulator.world import World


class Keithley2600(LineInstrument):
    """tsp: the instrument itself. wall_ns: wall time that its time takes."""

    def __init__(self, world: World, wall_ns: Callable[[int], int] = lambda busy_ns: busy_ns) -> None:
        self.tsp = Core(world, wall_ns)
        super().__init__(self.tsp, wall_ns)
        self.tsp.deliver = self._deliver

    def advance(self, now_ns: int) -> None:
        """While a statement waits, `abort` and the *TRG that it waits for are heard before what was said earlier."""
        super().advance(now_ns)
        while (urgent := next((each for each in self._lines if self.tsp.interrupts(each.line)), None)) is not None:
            self._lines.remove(urgent)
            self.tsp.interrupt(urgent.line, now_ns)
            super().advance(now_ns)

    def set_interlock(self, closed: bool, now_ns: int) -> None:
        """The interlock's switch."""
        self.tsp.set_interlock(closed, now_ns)

    def _deliver(self, said: bytes) -> None:
        """What a line prints while it is held up."""
        assert self._held is not None  # Core says things this way only while it is blocked, and then its line is held.
        own = self.tsp.instrument.own
        self._held.port.answer(own.wall_at(own.now_ns), said)
        self.wake()
