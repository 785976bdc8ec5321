"""The measure side of one channel: ranges, aperture, delays, filters, and readings one after the other.

Rule 1: a reading ends when its aperture is over; the instrument's own work comes after that (`Channel.free_ns`).
Rule 2: `finish` is what a scan spends its time in: everything that does not change from reading to reading stands in a Plan.
Source: 2600BS-901-01, smuX.measure.*, "Autozero", "NPLC caching", "Filters", "Buffer status". Assumed: how long reference and zero are
taken for good; that two quantities of one reading are converted one after the other.
"""

from collections.abc import Callable, Generator, Sequence
from statistics import fmean, median

from simulator.instruments.keithley2600 import buffers as bits
from simulator.instruments.keithley2600.buffers import Circumstances, ReadingBuffer
from simulator.instruments.keithley2600.errors import Refused, number, whole
from simulator.instruments.keithley2600.natives import Cursor
from simulator.instruments.keithley2600.readings import OVER, OVERFLOW, TAKEN, WORDS, Plan, Quantity, Target
from simulator.instruments.keithley2600.smu_settings import (
    AUTORANGE_FOLLOW_LIMIT,
    AUTORANGE_OFF,
    AUTORANGE_ON,
    AUTOZERO_AUTO,
    AUTOZERO_OFF,
    AUTOZERO_ONCE,
    DELAY_AUTO,
    LETTERS,
    MEDIAN,
    REPEATED,
)
from simulator.instruments.keithley2600.smu_source import Source, reaching
from simulator.instruments.keithley2600.status import Register, Status
from simulator.instruments.smu.channel import Meter
from simulator.instruments.tsp_values import Value

_REFERENCE_NS = 1_000_000_000
"""How long reference and zero hold for one aperture."""
_REFERENCES_KEPT = 10
_VLMT, _ILMT, _ROF = 1, 2, 128


class Measuring:
    """Of one channel. number: 0 for smua, 1 for smub."""

    def __init__(self, number_: int, source: Source, cursor: Cursor, status: Status, line_hertz: Callable[[], float]) -> None:
        self.source, self.settings, self._cursor, self._line_hertz = source, source.settings, cursor, line_hertz
        self.channel = source.channel
        self.last: dict[Quantity, float] = {}
        self._references: dict[float, int] = {}
        self._stacks: dict[Quantity, list[float]] = {}
        self._limited = self._overflowed = False
        self.ended_ns = 0
        self._used = Meter()
        name = "ab"[number_]
        self._own: Register = status[f"measurement.instrument.smu{name}"]
        self._limits = status["measurement.voltage_limit"], status["measurement.current_limit"]
        self._overflows = status["measurement.reading_overflow"]
        self._bit = 2 << number_

    # --- settings
    def set_range(self, letter: str, value: Value) -> None:
        """Raises Refused 1101, 1102, 5007."""
        ranges = self.channel.sheet.measure_ranges(LETTERS[letter])
        wanted = abs(number(value, -ranges[-1] * self.channel.sheet.overrange, ranges[-1] * self.channel.sheet.overrange))
        self._check_highc(letter)
        self.settings[f"measure.range{letter}"] = reaching(ranges, wanted)
        self.settings[f"measure.autorange{letter}"] = AUTORANGE_OFF
        self.changed()

    def set_autorange(self, letter: str, value: Value) -> None:
        wanted = float(whole(value, 0, 2))
        if letter == "i" and self.settings["source.highc"] and wanted != AUTORANGE_FOLLOW_LIMIT:
            raise Refused(5069, where=self.source.where)
        self.settings[f"measure.range{letter}"] = self.range_of(letter)
        self.settings[f"measure.autorange{letter}"] = wanted
        self.changed()

    def set_lowrange(self, letter: str, value: Value) -> None:
        ranges = self.channel.sheet.measure_ranges(LETTERS[letter])
        lowest = reaching(ranges, number(value, 0.0, ranges[-1]))
        self.settings[f"measure.lowrange{letter}"] = lowest
        if self.settings[f"measure.autorange{letter}"] == AUTORANGE_ON:
            self.settings[f"measure.range{letter}"] = max(lowest, self.settings[f"measure.range{letter}"])
        self.changed()

    def set_autozero(self, value: Value) -> None:
        wanted = float(whole(value, 0, 2))
        if wanted == AUTOZERO_ONCE:
            self._cursor.spend(2 * self._aperture_ns())
            self._refer(self._cursor.now_ns)
            wanted = AUTOZERO_OFF
        self.settings["measure.autozero"] = wanted
        self.changed()

    def _check_highc(self, letter: str) -> None:
        if letter == "i" and self.settings["source.highc"]:
            raise Refused(5069, where=self.source.where)

    def changed(self) -> None:
        """A setting changed: filters begin anew, a fixed range is taken at once."""
        self._stacks.clear()
        self._use(self._meter(), self._cursor.now_ns)

    def _use(self, meter: Meter, now_ns: int) -> None:
        self._used = meter
        self.channel.measure_by(meter, now_ns)

    def range_of(self, letter: str) -> float:
        """Full scale that is measured with now."""
        if letter == self.source.letter:
            return self.source.range_of(letter)
        if self.settings[f"measure.autorange{letter}"] == AUTORANGE_FOLLOW_LIMIT:
            return self.source.limit_range(LETTERS[letter])
        return self.settings[f"measure.range{letter}"]

    # --- how a reading is taken
    def _aperture_ns(self) -> int:
        return round(1e9 * self.settings["measure.nplc"] / self._line_hertz())

    def _meter(self, conversions: int = 1, overhead_ns: int = 0) -> Meter:
        def scale(letter: str) -> float | None:
            automatic = self.settings[f"measure.autorange{letter}"] == AUTORANGE_ON and letter != self.source.letter
            return None if automatic else self.range_of(letter)

        repeated = self.settings["measure.filter.enable"] and self.settings["measure.filter.type"] == REPEATED
        return Meter(
            volts=scale("v"),
            amps=scale("i"),
            lowest_volts=self.settings["measure.lowrangev"],
            lowest_amps=self.settings["measure.lowrangei"],
            nplc=self.settings["measure.nplc"],
            autozero=False,
            averages=int(self.settings["measure.filter.count"]) if repeated else 1,
            conversions=conversions,
            overhead_ns=overhead_ns,
            line_hertz=self._line_hertz(),
        )

    def plan(self, quantities: Sequence[Quantity], targets: Sequence[ReadingBuffer | None], overhead_ns: int) -> Plan:
        converted = {letter for letter in "iv" if letter in quantities or {"r", "p"} & set(quantities)}
        filtered = bool(self.settings["measure.filter.enable"])
        stacked = int(self.settings["measure.filter.count"]) if filtered and self.settings["measure.filter.type"] != REPEATED else 0
        return Plan(
            self._meter(len(converted), overhead_ns),
            [self._target(quantity, buffer) for quantity, buffer in zip(quantities, targets, strict=True)],
            self._delay_ns("i" in converted),
            round(1e9 * self.settings["measure.interval"]),
            int(self.settings["measure.count"]),
            stacked,
        )

    def _target(self, quantity: Quantity, buffer: ReadingBuffer | None) -> Target:
        settings, letter = self.settings, self.source.letter
        measured = quantity if quantity in LETTERS else ("v" if quantity == "r" else "i")
        relative = bool(settings[f"measure.rel.enable{quantity}"])
        status = (
            (bits.AUTO_MEASURE if settings[f"measure.autorange{measured}"] else 0)
            | (bits.AUTO_SOURCE if settings[f"source.autorange{letter}"] else 0)
            | (bits.FOUR_WIRE if settings["sense"] else 0)
            | (bits.RELATIVE if relative else 0)
            | (bits.FILTERED if settings["measure.filter.enable"] else 0)
        )
        circumstances = Circumstances(
            WORDS[quantity], self.range_of(measured), WORDS[letter], self.source.range_now, "On" if self.channel.output else "Off"
        )
        return Target(quantity, buffer, status, settings[f"measure.rel.level{quantity}"] if relative else 0.0, circumstances)

    def _delay_ns(self, current: bool) -> int:
        delay_s = self.settings["measure.delay"]
        if delay_s == DELAY_AUTO:
            automatic = self.channel.sheet.auto_delay_s.get(self.range_of("i"), 0.0) if current else 0.0
            delay_s = automatic * self.settings["measure.delayfactor"]
        return round(1e9 * max(delay_s, 0.0))

    # --- readings
    def readings(self, plan: Plan, count: int, start_ns: int) -> Generator[int, int, None]:
        """Each yield is the end of an aperture; going on finishes the reading there and stores it. `ended_ns`: when the last one ended."""
        first_ns = start_ns + plan.delay_ns
        for index in range(count):
            end_ns = self.begin(plan, first_ns if not index else max(self.channel.free_ns, first_ns + index * plan.interval_ns))
            yield end_ns
            self.finish(plan, end_ns)
            self.ended_ns = end_ns

    def begin(self, plan: Plan, start_ns: int) -> int:
        """Start a reading; returns when its aperture is over."""
        if self._used is not plan.meter:
            self._use(plan.meter, start_ns)
        start_ns = max(start_ns, self.channel.free_ns)
        referred_ns = self._references.get(self.settings["measure.nplc"])
        expired = referred_ns is not None and start_ns - referred_ns > _REFERENCE_NS
        if referred_ns is None or (expired and self.settings["measure.autozero"] == AUTOZERO_AUTO):
            start_ns += 2 * self._aperture_ns()
            self._refer(start_ns)
        if plan.stacked and not self._stacks:
            start_ns += (plan.stacked - 1) * self._aperture_ns()
        return self.channel.begin(start_ns)

    def _refer(self, now_ns: int) -> None:
        """Reference and zero of the present aperture were measured."""
        nplc = self.settings["measure.nplc"]
        self._references.pop(nplc, None)
        self._references[nplc] = now_ns
        if len(self._references) > _REFERENCES_KEPT:
            del self._references[next(iter(self._references))]

    def finish(self, plan: Plan, end_ns: int) -> None:
        """Take what is read at the end of the aperture."""
        sample = self.channel.finish(end_ns)
        status = bits.COMPLIANCE if sample.limited else 0
        if sample.limited != self._limited:
            self.note_limit(sample.limited)
        if plan.meter.volts is None or plan.meter.amps is None:
            self._keep_ranges(plan)
        overflowed = False
        for target in plan.targets:
            value = TAKEN[target.quantity](sample)
            if plan.stacked:
                value = self._stack(target.quantity, value, plan, end_ns)
            value -= target.offset
            if not -OVER < value < OVER:
                value, overflowed = (OVERFLOW if value > 0 else -OVERFLOW), True
            self.last[target.quantity] = value
            if target.buffer is not None:
                target.buffer.add(value, target.status | status, self.source.level_now, end_ns, target.circumstances)
        if overflowed != self._overflowed:
            self._overflowed = overflowed
            self._own.set(_ROF, overflowed)
            self._overflows.set(self._bit, overflowed)

    def _stack(self, quantity: Quantity, value: float, plan: Plan, end_ns: int) -> float:
        """The moving average or the median, over a stack that the first reading fills."""
        stack = self._stacks.setdefault(quantity, [])
        while len(stack) < plan.stacked - 1:
            stack.append(TAKEN[quantity](self.channel.finish(end_ns)))
        stack.append(value)
        del stack[: -plan.stacked]
        return median(stack) if self.settings["measure.filter.type"] == MEDIAN else fmean(stack)

    def _keep_ranges(self, plan: Plan) -> None:
        for letter, scale in (("v", plan.meter.volts), ("i", plan.meter.amps)):
            if scale is None and self.settings[f"measure.range{letter}"] != self.channel.ranges[LETTERS[letter]]:
                self.settings[f"measure.range{letter}"] = self.channel.ranges[LETTERS[letter]]
                for target in plan.targets:
                    target.circumstances = self._target(target.quantity, None).circumstances

    def note_limit(self, limited: bool) -> None:
        """Bring the status model up to whether the source is limited."""
        self._limited = limited
        at = 1 if self.source.letter == "v" else 0
        self._own.set(_VLMT | _ILMT, False)
        self._own.set((_VLMT, _ILMT)[at], limited)
        for index, register in enumerate(self._limits):
            register.set(self._bit, limited and index == at)
