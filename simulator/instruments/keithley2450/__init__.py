"""A simulated Keithley 2450 in SCPI mode, hosted: one parser for all of its clients.

instrument.py is its state; core.py what is said to it; commands.py its headers; trigger_engine.py its trigger model;
simulator.instruments.smu its analog part.
"""

from collections.abc import Callable

from simulator.instruments.keithley2450.buffers import ReadingBuffer
from simulator.instruments.keithley2450.core import Core
from simulator.instruments.keithley2450.settings import Key, Value
from simulator.instruments.keithley2450.status import Status
from simulator.instruments.line_instrument import LineInstrument
from simulator.world import World

READY_LINE, MEASURED_LINE = 1, 2
"""Digital lines that are wired to the crossbar controller: from it, and to it."""


class Keithley2450(LineInstrument):
    """One instrument on one world. wall_ns: wall time that an instrument's time takes.

    ready_line: the digital line on which the controller says that a junction is connected; measured_line: the one it hears.
    """

    def __init__(
        self,
        world: World,
        wall_ns: Callable[[int], int] = lambda ns: ns,
        *,
        ready_line: int = READY_LINE,
        measured_line: int = MEASURED_LINE,
    ) -> None:
        self.instrument = Core(world, wall_ns, ready_line, measured_line)
        super().__init__(self.instrument, wall_ns)

    @property
    def world(self) -> World:
        return self.instrument.world

    @property
    def serial(self) -> str:
        return self.instrument.serial

    @property
    def values(self) -> dict[Key, Value]:
        """Settings by (name, function)."""
        return self.instrument.values

    @property
    def status(self) -> Status:
        return self.instrument.status

    @property
    def buffers(self) -> dict[str, ReadingBuffer]:
        return self.instrument.buffers

    @property
    def source(self) -> str:
        return self.instrument.source

    @property
    def sense(self) -> str:
        return self.instrument.sense

    @property
    def output(self) -> bool:
        return self.instrument.output

    def number(self, name: str, function: str) -> float:
        return self.instrument.number(name, function)

    def set_output(self, on: bool) -> None:
        self.instrument.set_output(on)

    def set_interlock(self, closed: bool, now_ns: int) -> None:
        """The interlock's switch: an output that needs it goes off when it opens."""
        self.instrument.set_interlock(closed, now_ns)
