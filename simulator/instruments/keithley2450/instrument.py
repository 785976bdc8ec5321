"""A Keithley 2450 apart from what is said to it: its state, SOURCE and MEASURE on the world under the needles.

Rule 1: a lost connection changes no output. What does: OUTPut, *RST, a change of the source function, of the terminals or of the sense
wires, the trigger model, and an interlock that opens.
Rule 2: at the limit the sourced quantity is reduced, as the instrument does; a reading is never made up.
Source: Keithley 2450 reference manual 2450-901-01. Assumed: that measuring with the output off reads the noise of an open input.
"""

from collections.abc import Callable

from simulator.agenda import Agenda
from simulator.instruments.keithley2450.buffers import ReadingBuffer
from simulator.instruments.keithley2450.configuration_lists import ConfigurationLists
from simulator.instruments.keithley2450.digital import DigitalLines
from simulator.instruments.keithley2450.events import LIMITED_EVENT, Events
from simulator.instruments.keithley2450.measuring import Reader, protection_bit
from simulator.instruments.keithley2450.settings import HEADROOM, Effect, Key, Value, defaults, fitting_range, volts_of
from simulator.instruments.keithley2450.status import BUFFER_EMPTY, BUFFER_FULL, Kind, Status
from simulator.instruments.keithley2450.timers import BLENDERS, TIMERS, Blender, Timer
from simulator.instruments.keithley2450.trigger_engine import TriggerModel
from simulator.instruments.scpi import ScpiError, conflict, illegal_value, out_of_range
from simulator.instruments.smu.channel import Channel, Drive, Meter
from simulator.instruments.smu.datasheet import KEITHLEY_2450 as SHEET
from simulator.instruments.smu.datasheet import RATED_HERTZ, Function
from simulator.instruments.smu.own_time import OwnTime
from simulator.world import World

_OVERHEAD_NS = SHEET.overhead_ns(SHEET.rates.memory)
_INTERLOCK = ScpiError(5074, "Output voltage limited by interlock")
_DEFAULT_BUFFERS = ("defbuffer1", "defbuffer2")


class Instrument:
    """One instrument on one world. values: settings by (name, function); source, sense: VOLT, CURR or RES. interlock_closed: asserted.

    protecting: the source status bit of the overvoltage protection. limited: at the latest reading.
    """

    def __init__(self, world: World, wall_ns: Callable[[int], int], ready_line: int, measured_line: int) -> None:
        self.world = world
        self.agenda: Agenda = world.agenda
        self.serial = f"SIM{world.seed}"
        self.time = OwnTime(world.agenda, wall_ns)
        self.status = Status()
        self.values: dict[Key, Value] = defaults()
        self.source: Function = "VOLT"
        self.sense = "CURR"
        self.terminals = "FRON"
        self.continuous = "AUTO"
        self.interlock_closed, self.interlock_enabled = True, False
        self.channel = Channel(SHEET, world, self.serial)
        self.events = Events(self.time)
        self.lines = DigitalLines(self.events, world.trigger, self.time, ready_line, measured_line)
        self.model = TriggerModel(self)
        self.lists = ConfigurationLists()
        self.saved: dict[int, tuple[str, str, dict[Key, Value]]] = {}
        self.timers = {number: Timer(number, self.events, self.time) for number in range(1, TIMERS + 1)}
        self.blenders = {number: Blender(number, self.events) for number in range(1, BLENDERS + 1)}
        self.busy_ns = 0
        self._start()

    def _start(self) -> None:
        """Everything that a reset makes anew."""
        self.source, self.sense, self.terminals = "VOLT", "CURR", "FRON"
        self.limited, self.protecting = False, 0
        self.buffers = {name: ReadingBuffer() for name in _DEFAULT_BUFFERS}
        self.active_buffer = _DEFAULT_BUFFERS[0]
        self.source_lists: dict[str, list[float]] = {"VOLT": [], "CURR": []}
        self.limit_fails: dict[str, set[str]] = {"1": set(), "2": set()}
        self._level_is_new = False
        self.set_drive()
        self.set_meter()

    def reset(self) -> None:
        """*RST: trigger model stopped, output off, voltage source at 0 V, current measured, limits 105 uA and 21 V."""
        self.model.clear()
        self.set_output(False)
        self.values = defaults(self.values)
        self.lists.clear()
        self.events.clear()
        for resettable in (self.lines, *self.timers.values(), *self.blenders.values()):
            resettable.reset()
        self._start()

    @property
    def now_ns(self) -> int:
        """The instrument's own time, in the middle of a line too."""
        return self.time.now_ns + self.busy_ns

    @property
    def output(self) -> bool:
        return self.channel.output

    def number(self, name: str, function: str) -> float:
        return float(self.values[name, function])

    def say(self, value: float) -> str:
        """A number as FORMat:ASCii:PRECision has it: seven digits by itself."""
        return self.number_format % value

    @property
    def number_format(self) -> str:
        digits = int(self.number("PRECISION", "")) or 7
        return f"%.{digits - 1}E"

    def buffer(self, name: str) -> ReadingBuffer:
        """Raises ScpiError -224 for a buffer that does not exist."""
        if name not in self.buffers:
            raise illegal_value()
        return self.buffers[name]

    def require_idle(self) -> None:
        """Raises ScpiError -221 while the trigger model runs."""
        if self.model.running:
            raise conflict()

    def post(self, number: int, text: str, kind: Kind = Kind.WARNING) -> None:
        self.status.post(number, text, kind, self.now_ns)

    def tested(self, y: str, *, low: bool, high: bool) -> None:
        """The result of a limit test."""
        if self.values[f"LIMIT{y}_CLEAR", self.sense]:
            self.limit_fails[y].clear()
        self.limit_fails[y].update({"LOW"} if low else (), {"HIGH"} if high else ())

    # --- sourcing
    def set_output(self, on: bool) -> None:
        """Raises ScpiError 5074 when the interlock forbids it."""
        if on and not self.interlock_closed and self.interlock_enabled:
            raise ScpiError(5074, "Interlock is open; the output stays off")
        if on and not self.output:
            self._level_is_new = True
        if not on:
            self.limited = False
        self.channel.switch(on, self.now_ns)
        if on and not self.interlock_closed and self._wants_high_voltage():
            self.post(_INTERLOCK.code, _INTERLOCK.text)

    def set_interlock(self, closed: bool, now_ns: int) -> None:
        """The interlock's switch. The output goes off when the instrument needs it, or when its change matters to the instrument."""
        if closed == self.interlock_closed:
            return
        self.time.enter(now_ns)
        self.interlock_closed = closed
        if self.output and (self.interlock_enabled or self._wants_high_voltage()):
            self.set_output(False)
            self.status.record(ScpiError(_INTERLOCK.code, "Output turned off by interlock"), self.now_ns)
        self.set_drive()

    def _wants_high_voltage(self) -> bool:
        volts = self.number("LEVEL", "VOLT") if self.source == "VOLT" else self.number("LIMIT", "CURR")
        return abs(volts) > SHEET.interlock_volts

    def check_level(self, function: str, level: float) -> None:
        """Raises ScpiError -222 for a level beyond a fixed source range."""
        fixed = not self.values["SOURCE_RANGE_AUTO", function]
        if fixed and abs(level) > HEADROOM * self.number("SOURCE_RANGE", function) * (1.0 + 1e-12):
            raise out_of_range()

    def set_level(self, function: str, level: float) -> None:
        if abs(level) != abs(self.number("LEVEL", function)):
            self._level_is_new = True
        self.values["LEVEL", function] = level
        if self.values["SOURCE_RANGE_AUTO", function]:
            self.values["SOURCE_RANGE", function] = fitting_range(function, level)
        if function == self.source:
            self.set_drive()

    def set_drive(self) -> None:
        """Source what the settings say, from now on."""
        function = self.source
        level, limit, range_ = (self.number(name, function) for name in ("LEVEL", "LIMIT", "SOURCE_RANGE"))
        volts = self._most_volts()
        if function == "VOLT":
            self.protecting = protection_bit(abs(level) > volts)
            level = max(-volts, min(volts, level))
        else:
            self.protecting = protection_bit(False)
            limit = min(limit, volts)
        before = self.channel.drive_now
        self.channel.drive(Drive(function, level, range_, limit), self.now_ns)
        if (before.source, before.range_, before.limit) != (function, range_, limit):
            self.set_meter()

    def _most_volts(self) -> float:
        """Overvoltage protection and an open interlock."""
        protected = min(volts_of(str(self.values["PROTECTION", function])) for function in ("VOLT", "CURR"))
        return protected if self.interlock_closed else min(protected, SHEET.interlock_volts)

    def delay_ns(self) -> int:
        """Source delay before a reading: after a new level only."""
        new, self._level_is_new = self._level_is_new, False
        if not new:
            return 0
        if self.values["DELAY_AUTO", self.source]:
            return self.channel.auto_delay_ns()
        return round(1e9 * self.number("DELAY", self.source))

    # --- measuring
    def changed(self, effect: Effect) -> None:
        """A setting has changed that something hangs on."""
        if effect == "source":
            self.set_drive()
        elif effect == "measure":
            self.set_meter()

    def set_meter(self) -> None:
        """Measure as the settings say, from now on."""
        sense = self.sense
        averages = int(self.number("AVERAGE_COUNT", sense)) if self.values["AVERAGE", sense] else 1
        moving = self.values["AVERAGE_KIND", sense] == "MOV"
        self.channel.measure_by(
            Meter(
                volts=self._range("VOLT"),
                amps=self._range("CURR"),
                lowest_volts=self.number("LOWEST", "VOLT"),
                lowest_amps=self.number("LOWEST", "CURR"),
                nplc=self.number("NPLC", sense),
                autozero=bool(self.values["AZERO", sense]),
                averages=1 if moving else averages,
                conversions=2 if self.values["READ_BACK", self.source] else 1,
                overhead_ns=_OVERHEAD_NS,
                line_hertz=RATED_HERTZ,
            ),
            self.now_ns,
        )
        self.reader = Reader(self)

    def _range(self, function: Function) -> float | None:
        """Full scale to measure with, None: found for each reading. What is sourced is measured on its own range."""
        if function == self.source:
            return self.number("SOURCE_RANGE", function)
        if self.sense == function and not self.values["RANGE_AUTO", function]:
            return self.number("RANGE", function)
        if self.sense in (function, "RES"):
            return None
        return fitting_range(function, self.number("LIMIT", self.source))

    def range_in_use(self, function: str) -> float:
        """What SENSe:RANGe? says: the range found last while it is automatic."""
        if function == "RES" or function != self.sense or not self.values["RANGE_AUTO", function]:
            return self.number("RANGE", function)
        return self.channel.ranges["VOLT" if function == "VOLT" else "CURR"]

    def measure(self, buffer: ReadingBuffer) -> None:
        """One reading into a buffer, asked for by a message; takes its time."""
        begun_ns = self.now_ns
        end_ns = self.channel.begin(begun_ns + self.delay_ns())
        self.store(buffer, end_ns)
        self.busy_ns += self.channel.free_ns - begun_ns

    def store(self, buffer: ReadingBuffer, end_ns: int) -> None:
        """The reading whose aperture ends now, into a buffer; what it brings about is told."""
        full = len(buffer) >= buffer.capacity
        self.reader.take(buffer, end_ns)
        if not full and len(buffer) >= buffer.capacity and buffer.logs:
            self.post(BUFFER_FULL, "Reading buffer is 100% filled", Kind.INFORMATION)
        if self.limited:
            self.events.fire(LIMITED_EVENT, end_ns)

    def clear_buffer(self, name: str) -> None:
        """Raises ScpiError -224 for a buffer that does not exist."""
        buffer = self.buffer(name)
        buffer.clear()
        if buffer.logs:
            self.post(BUFFER_EMPTY, "Reading buffer is 0% filled", Kind.INFORMATION)

    def limiting(self) -> bool:
        return self.channel.limiting()
