"""A Keithley 2450 in SCPI mode, as bytes: SOURCE and MEASURE on the world under the needles.

Rule 1: a lost connection changes no output; only OUTP OFF, *RST and the terminals' switch turn it off.
Rule 2: at the limit the sourced quantity is reduced, as the instrument does; a reading is never made up.
Source: Keithley 2450 reference manual 2450-901-01. Assumptions: accuracy and noise (a few ppm of range at 1 NPLC), the text of
execution errors, and that measuring with the output off reads the noise of an open input.
"""

import numpy as np

from simulator.instruments import Reply
from simulator.instruments.keithley2450_call import Call
from simulator.instruments.keithley2450_commands import find_command
from simulator.instruments.keithley2450_settings import HEADROOM, Key, Value, defaults, fitting_range
from simulator.instruments.reading_buffer import LIMITED, Reading, ReadingBuffer
from simulator.instruments.scpi import MAX_LINE, ScpiError, Unit, illegal_value, undefined_header, units
from simulator.instruments.scpi_status import Status
from simulator.world import SmuPoint, World

LINE_HZ = 60.0
OVERFLOW = 9.9e37
_COMMAND_NS = 100_000
_AUTO_DELAY_S = 1e-3
_NOISE_OF_RANGE = 3e-6
_UNITS = {"VOLT": "Volt DC", "CURR": "Amp DC", "RES": "Ohm"}


class Keithley2450:
    """One instrument on one world. values: settings by (name, function); source, sense: VOLT, CURR or RES."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.serial = f"SIM{world.seed}"
        self.status = Status()
        self.buffers: dict[str, ReadingBuffer] = {"defbuffer1": ReadingBuffer(), "defbuffer2": ReadingBuffer()}
        self.values: dict[Key, Value] = defaults()
        self.source, self.sense = "VOLT", "CURR"
        self.terminals = "FRON"
        self.output = False
        self.limited = False
        self.sweep_points: tuple[float, ...] = ()
        self.sweep_delay_s = 0.0
        self.sweep_buffer = "defbuffer1"
        self.busy_ns = 0
        self._level_is_new = False
        self._rng = np.random.default_rng([world.seed, 6])

    def connect(self) -> "SmuPort":
        return SmuPort(self)

    def tick(self, now_ns: int) -> None:
        """Nothing: a 2450 has no dead man's timer."""

    # --- messages
    def execute(self, line: str, now_ns: int) -> Reply:
        """One line, without its end. A command error drops the rest of the line; a failing query is not answered."""
        self.busy_ns = 0
        answers: list[bytes] = []
        self.status.available = False
        for unit in units(line):
            self.busy_ns += _COMMAND_NS
            try:
                answer = self._run(unit, now_ns)
            except ScpiError as error:
                self.status.record(error, now_ns)
                if -200 < error.code <= -100:
                    break
                continue
            if answer is not None:
                answers.append(answer if isinstance(answer, bytes) else answer.encode("latin-1"))
                self.status.available = True
        return Reply(b";".join(answers) + b"\n" if answers else b"", self.busy_ns)

    def _run(self, unit: Unit, now_ns: int) -> str | bytes | None:
        found = find_command(unit.header)
        if found is None:
            raise undefined_header()
        command, groups = found
        handler = command.query if unit.query else command.set
        if handler is None:
            raise undefined_header()
        return handler(self, Call(groups, unit.arguments, now_ns))

    # --- state
    def reset(self) -> None:
        """*RST: output off, voltage source at 0 V, current measured, limits 105 uA and 21 V."""
        self.set_output(False)
        self.values = defaults()
        self.source, self.sense, self.limited = "VOLT", "CURR", False
        self.sweep_points = ()
        self.buffers = {name: ReadingBuffer() for name in ("defbuffer1", "defbuffer2")}

    def number(self, name: str, function: str) -> float:
        return float(self.values[name, function])

    def buffer(self, name: str) -> ReadingBuffer:
        """Raises ScpiError -224 for a buffer that does not exist."""
        if name not in self.buffers:
            raise illegal_value()
        return self.buffers[name]

    def set_output(self, on: bool) -> None:
        self.output = on
        self._level_is_new = on
        if not on:
            self.limited = False
        self.drive()

    def set_level(self, function: str, level: float) -> None:
        self.values["LEVEL", function] = level
        self._level_is_new = True
        self.drive()

    def drive(self) -> None:
        """Tell the world what the terminals carry now."""
        volts = self.number("LEVEL", "VOLT") if self.output and self.source == "VOLT" else 0.0
        self.world.set_output(self.output, volts)

    # --- measuring
    def aperture_s(self) -> float:
        return self.number("NPLC", self.sense) / LINE_HZ

    def averages(self) -> int:
        return int(self.number("AVERAGE_COUNT", self.sense)) if self.values["AVERAGE", self.sense] else 1

    def operating_point(self, aperture_s: float) -> SmuPoint:
        """What the terminals do at the present level and limit."""
        level, limit = self.number("LEVEL", self.source), self.number("LIMIT", self.source)
        if not self.output:
            return SmuPoint(0.0, False, 0.0)
        if self.source == "VOLT":
            return self.world.smu_amps(level, aperture_s, limit)
        return self.world.smu_volts(level, aperture_s, limit)

    def measure(self, buffer: ReadingBuffer, now_ns: int) -> Reading:
        """One reading into a buffer; takes its time."""
        averages, aperture_s = self.averages(), self.aperture_s()
        # Autozero measures reference and zero beside the signal: three apertures instead of one.
        apertures = averages * (3 if self.values["AZERO", self.sense] else 1)
        self.busy_ns += round(1e9 * (self._delay_s() + apertures * aperture_s))
        point = self.operating_point(aperture_s * averages)
        self.limited = point.in_compliance
        amps = self._noisy(point.amps, "CURR", averages)
        volts = self._noisy(point.volts, "VOLT", averages)
        value = {"CURR": amps, "VOLT": volts}.get(self.sense, volts / amps if amps else OVERFLOW)
        read_back = bool(self.values["READ_BACK", self.source])
        source = {"VOLT": volts, "CURR": amps}[self.source] if read_back else self.number("LEVEL", self.source)
        reading = Reading(
            value=self._in_range(value),
            unit=_UNITS[self.sense],
            source=source,
            source_unit=_UNITS[self.source],
            source_status=(LIMITED if self.limited else 0) | (64 if self.output else 0) | (4 if read_back else 0),
            at_ns=now_ns + self.busy_ns,
        )
        return buffer.add(reading)

    def _delay_s(self) -> float:
        new, self._level_is_new = self._level_is_new, False
        if not new:
            return 0.0
        return _AUTO_DELAY_S if self.values["DELAY_AUTO", self.source] else self.number("DELAY", self.source)

    def _noisy(self, value: float, function: str, averages: int) -> float:
        fixed = self.sense == function and not self.values["RANGE_AUTO", function]
        full_scale = self.number("RANGE", function) if fixed else fitting_range(function, value)
        cycles = self.number("NPLC", self.sense) * averages
        return value + _NOISE_OF_RANGE * full_scale / cycles**0.5 * float(self._rng.standard_normal())

    def _in_range(self, value: float) -> float:
        fixed = not self.values["RANGE_AUTO", self.sense]
        return OVERFLOW if fixed and abs(value) > HEADROOM * self.number("RANGE", self.sense) else value


class SmuPort:
    """One client: lines out of bytes in any split."""

    def __init__(self, smu: Keithley2450) -> None:
        self._smu = smu
        self._rest = b""

    def feed(self, data: bytes, now_ns: int) -> Reply:
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > MAX_LINE:
            self._rest = b""
            self._smu.status.record(ScpiError(-363, "Input buffer overrun"), now_ns)
        replies = [self._smu.execute(line.decode("latin-1").strip("\r\t \0"), now_ns) for line in lines]
        return Reply(b"".join(reply.data for reply in replies), sum(reply.busy_ns for reply in replies))

    def close(self) -> None:
        """The instrument does not notice."""
