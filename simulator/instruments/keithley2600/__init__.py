"""A Keithley 2636B, hosted: TSP on any number of connections. Channel smua at the needles, smub connected to nothing.

Rule: a lost connection changes no output.
Source: Series 2600B reference manual 2600BS-901-01; data sheet of the 2636B.
"""

from collections.abc import Callable, Iterable

from simulator.instruments.keithley2600.core import Core
from simulator.instruments.line_instrument import LineInstrument, LinePort
from simulator.world import World


class Keithley2600(LineInstrument):
    """tsp: the instrument itself. wall_ns: wall time that its time takes."""

    def __init__(self, world: World, wall_ns: Callable[[int], int] = lambda busy_ns: busy_ns) -> None:
        self.tsp = Core(world, wall_ns)
        super().__init__(self.tsp, wall_ns)
        self.tsp.deliver = self._deliver

    def hear(self, port: LinePort, lines: Iterable[str], now_ns: int) -> None:
        """`abort` and *TRG are heard although a script runs; everything else waits for its turn."""
        self.agenda.run(now_ns)
        super().hear(port, [line for line in lines if not self.tsp.interrupt(line, now_ns)], now_ns)

    def set_interlock(self, closed: bool, now_ns: int) -> None:
        """The interlock's switch."""
        self.tsp.set_interlock(closed, now_ns)

    def _deliver(self, said: bytes) -> None:
        """What a script prints while it runs."""
        if self._held is not None:
            own = self.tsp.instrument.own
            self._held.port.answer(own.wall_at(own.now_ns), said)
            self.wake()
