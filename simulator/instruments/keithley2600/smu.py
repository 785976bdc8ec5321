"""One channel of a 2600B: source, measurement and trigger model over the analog channel, with its reading buffers.

Rule: what a statement asks of it is carried out at the statement's own time (`Cursor`); what it does by itself at the agenda's.
Source: 2600BS-901-01, smuX.*.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass

from simulator.instruments.keithley2600.buffers import ReadingBuffer
from simulator.instruments.keithley2600.errors import Refused
from simulator.instruments.keithley2600.events import Events
from simulator.instruments.keithley2600.natives import Natives, Until
from simulator.instruments.keithley2600.readings import Quantity
from simulator.instruments.keithley2600.smu_measure import Measuring
from simulator.instruments.keithley2600.smu_settings import defaults
from simulator.instruments.keithley2600.smu_source import Source
from simulator.instruments.keithley2600.status import Status
from simulator.instruments.keithley2600.trigger_model import TriggerModel
from simulator.instruments.smu.channel import Channel, Terminals
from simulator.instruments.smu.datasheet import DataSheet
from simulator.instruments.tsp_values import Pause, Value

_BUFFER_AVAILABLE = 256
_HOURS_SINCE_CALIBRATION = 24 * 90


@dataclass(frozen=True)
class Connections:
    """What a channel is connected to. contact_ohms: between force and sense of both sides together, Ohm; None: not connected."""

    terminals: Terminals
    contact_ohms: Callable[[], float | None]


@dataclass(frozen=True)
class Shared:
    """What both channels have in common."""

    sheet: DataSheet
    serial: str
    natives: Natives
    events: Events
    status: Status
    line_hertz: Callable[[], float]
    epoch_s: Callable[[int], float]


class Smu:
    """number: 0 for smua, 1 for smub."""

    def __init__(self, number: int, connections: Connections, shared: Shared) -> None:
        self.number, self.connections, self.shared = number, connections, shared
        self.cursor = shared.natives.cursor
        self.name = f"smu{'ab'[number]}"
        self.settings = defaults(shared.sheet)
        channel = Channel(shared.sheet, connections.terminals, shared.serial, "ab"[number])
        self.source = Source(f"SMU {'AB'[number]}", channel, self.settings, self.cursor)
        self.measuring = Measuring(number, self.source, self.cursor, shared.status, shared.line_hertz)
        self.model = TriggerModel(number, self.source, self.measuring, self.cursor.own, shared.events, shared.status)
        self.buffers = ReadingBuffer(), ReadingBuffer()
        self.unlocked = False
        self.calibrated_s = float(round(shared.epoch_s(0) - 3600 * _HOURS_SINCE_CALIBRATION))
        self.calibration_due_s = 0.0
        self._available = shared.status["measurement.buffer_available"], shared.status[f"measurement.instrument.{self.name}"]
        shared.status.refresh.append(self._look)
        self._settle_in()

    def reset(self) -> None:
        """Output off, everything that begins with smuX at its default; what buffers hold stays."""
        self.abort()
        self.source.channel.switch(False, self.cursor.now_ns)
        self.settings.update(defaults(self.shared.sheet))
        self.model.reset()
        self._settle_in()

    def _settle_in(self) -> None:
        self.source.apply()
        self.measuring.changed()

    def restore(self, settings: dict[str, float]) -> None:
        """Settings of a saved setup; the output stays off."""
        self.settings.update(settings)
        self._settle_in()

    def abort(self) -> None:
        self.model.abort(self.cursor.now_ns)

    @property
    def output(self) -> bool:
        return self.source.channel.output

    def open_interlock(self, closed: bool) -> bool:
        """Whether the output went off because of it."""
        self.source.interlock_closed = closed
        forced = bool(self.settings["source.outputenableaction"]) and self.source.letter == "i"
        if closed or not self.output or not (self.source.wants_interlock() or forced):
            return False
        self.source.channel.switch(False, self.cursor.now_ns)
        return True

    def in_compliance(self) -> bool:
        """Whether it limits now; the status model learns of it."""
        limited = self.output and self.source.channel.limiting()
        self.measuring.note_limit(limited)
        return limited

    def measure(self, quantities: tuple[Quantity, ...], buffers: list[ReadingBuffer | None]) -> Generator[Pause, None, Value]:
        """One reading, or `measure.count` of them into buffers. Raises Refused 5042."""
        if self.model.busy:
            raise Refused(5042, where=self.source.where)
        plan = self.measuring.plan(quantities, buffers, self.shared.sheet.overhead_ns(self.shared.sheet.rates.memory))
        stored = [each for each in buffers if each is not None]
        for buffer in stored:
            buffer.begin()
        for end_ns in self.measuring.readings(plan, plan.count if stored else 1, self.cursor.now_ns):
            yield Until(end_ns)
        return tuple(self.measuring.last[each] for each in quantities)

    def _look(self) -> None:
        """Whether a dedicated buffer holds anything: a condition that nobody has to be told of before it is asked for."""
        available = any(map(len, self.buffers))
        self._available[0].set(2 << self.number, available)
        self._available[1].set(_BUFFER_AVAILABLE, available)
