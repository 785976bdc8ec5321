"""The trigger model of one channel: sweeps, triggered readings, pulses; and readings in the background.

Rule 1: the model is a generator of what it waits for: a time, or a detector. Nothing in it looks at a clock.
Rule 2: an action's event comes when its work at the terminals is done; the instrument's own work after that is no reason to wait for
anybody who acts on the event (a scan's switching hides in it).
Source: 2600BS-901-01, "Using the remote trigger model", smuX.trigger.*; the rates of the data sheet: a cycle of source, measurement and
end pulse takes 1/12,000 s at the shortest aperture, 1/11,200 s when it waits for an edge.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field

from simulator.instruments.keithley2600 import events as ids
from simulator.instruments.keithley2600.buffers import ReadingBuffer
from simulator.instruments.keithley2600.errors import Refused
from simulator.instruments.keithley2600.events import Detector, Events, Stimulus
from simulator.instruments.keithley2600.loops import Beside, Loop, Steps
from simulator.instruments.keithley2600.readings import Plan, Quantity
from simulator.instruments.keithley2600.smu_measure import Measuring
from simulator.instruments.keithley2600.smu_settings import AUTORANGE_OFF, AUTOZERO_AUTO
from simulator.instruments.keithley2600.smu_source import Source
from simulator.instruments.keithley2600.status import Register, Status
from simulator.instruments.smu.own_time import OwnTime

DISABLE, ENABLE, ASYNC = 0, 1, 2
IDLE, HOLD = 0, 1
_DETECTORS = ("arm", "source", "measure", "endpulse")
_SWEEPING, _MEASURING = 8, 16
_EMPTY_CYCLE_NS = 5_000
"""Of a cycle in which nothing is done: the model takes some time itself, or without a count it would never end."""
Configured = tuple[tuple[Quantity, ...], tuple[ReadingBuffer, ...]]


@dataclass
class Sweep:
    """What the model is set to. points: levels of the source action, with the letter of what they are; measured: None for nothing."""

    arm_count: int = 1
    count: int = 1
    source_action: int = DISABLE
    measure_action: int = DISABLE
    endpulse_action: int = HOLD
    endsweep_action: int = IDLE
    autoclear: int = DISABLE
    limits: dict[str, float] = field(default_factory=lambda: {"v": 0.0, "i": 0.0})
    points: tuple[str, tuple[float, ...]] | None = None
    measured: Configured | None = None


class TriggerModel:
    """Of one channel. number: 0 for smua, 1 for smub. idle_again: called when it has nothing more to do."""

    def __init__(self, number: int, source: Source, measuring: Measuring, own: OwnTime, events: Events, status: Status) -> None:
        self.number, self._source, self._measuring = number, source, measuring
        self._own, self._events = own, events
        self.sweep = Sweep()
        self.idle_again: Callable[[int], None] = lambda _: None
        name = f"smu{'ab'[number]}"
        self._overruns: Register = status[f"operation.instrument.{name}.trigger_overrun"]
        self._sweeping = status["operation.sweeping"], status[f"operation.instrument.{name}"]
        self._measuring_now = status["operation.measuring"], status[f"operation.instrument.{name}"]
        self._bit = 2 << number
        self._measured_event = ids.smu_event(number, "MEASURE_COMPLETE")
        self.detectors = {each: Detector(self._overran(2 << at)) for at, each in enumerate(_DETECTORS)}
        self.stimuli = {each: Stimulus(events, self.detectors[each].hear) for each in _DETECTORS}
        self._loops: list[Loop] = []
        self._buffers: list[ReadingBuffer] = []

    def _overran(self, mask: int) -> Callable[[], None]:
        return lambda: self._overruns.set(mask, True)

    @property
    def busy(self) -> bool:
        return bool(self._loops)

    def reset(self) -> None:
        self.sweep = Sweep()
        for stimulus in self.stimuli.values():
            stimulus.set(ids.NONE)
        self._clear_detectors()

    def _clear_detectors(self) -> None:
        for detector in self.detectors.values():
            detector.clear()
        self._overruns.set(self._overruns.all_bits, False)

    # --- beginning and ending
    def initiate(self, now_ns: int) -> None:
        """Raises Refused -221, 5005, 5007, 5042 to 5044, 5059, 5060, 5063, 5064."""
        self._check()
        self._clear_detectors()
        sweep, readings = self.sweep, 0
        if sweep.measured is not None and sweep.measure_action:
            readings = sweep.arm_count * sweep.count * int(self._source.settings["measure.count"])
            self._occupy(sweep.measured[1], readings)
        self._set(self._sweeping, _SWEEPING, True)
        self._begin(self._sweep(now_ns), now_ns)

    def _check(self) -> None:
        sweep, where = self.sweep, self._source.where
        if self.busy:
            raise Refused(5042, where=where)
        if sweep.source_action:
            if sweep.points is None:
                raise Refused(5059, where=where)
            letter, levels = sweep.points
            if letter != self._source.letter:
                raise Refused(-221)
            for level in {min(levels), max(levels)}:
                self._source.check_level(letter, level)
        if sweep.measure_action and sweep.measured is None:
            raise Refused(5060, where=where)
        if sweep.measure_action == ASYNC and sweep.measured is not None:
            self._check_asynchronous(*sweep.measured)

    def _check_asynchronous(self, quantities: tuple[Quantity, ...], buffers: tuple[ReadingBuffer, ...]) -> None:
        settings, where = self._source.settings, self._source.where
        for code, letter in ((5043, "v"), (5044, "i")):
            if settings[f"measure.autorange{letter}"] != AUTORANGE_OFF and letter in quantities:
                raise Refused(code, where=where)
        if settings["measure.autozero"] == AUTOZERO_AUTO:
            raise Refused(5063, where=where)
        if any(buffer.source_values for buffer in buffers):
            raise Refused(5064, where=where)

    def _occupy(self, buffers: tuple[ReadingBuffer, ...], readings: int) -> None:
        self._buffers = list(buffers)
        for buffer in buffers:
            buffer.begin()
            buffer.expected = min(len(buffer) + readings, buffer.capacity)

    def abort(self, now_ns: int) -> None:
        """Whatever runs ends here. Neither output nor settings change; the level stays where it is."""
        for loop in self._loops:
            loop.end()
        self._over(now_ns)

    def _begin(self, steps: Steps, now_ns: int) -> Loop:
        loop = Loop(steps, self._own, self._ended)
        self._loops.append(loop)
        loop.go_on(now_ns)
        return loop

    def _ended(self, loop: Loop, now_ns: int) -> None:
        if loop in self._loops:
            self._loops.remove(loop)
        if not self._loops:
            self._over(now_ns)

    def _over(self, now_ns: int) -> None:
        self._loops.clear()
        self._set(self._sweeping, _SWEEPING, False)
        self._set(self._measuring_now, _MEASURING, False)
        buffers, self._buffers = self._buffers, []
        for buffer in buffers:
            buffer.over(now_ns)
        self.idle_again(now_ns)

    def _set(self, registers: tuple[Register, Register], mask: int, on: bool) -> None:
        registers[0].set(self._bit, on)
        registers[1].set(mask, on)

    def measure_overlapped(self, quantities: tuple[Quantity, ...], buffers: tuple[ReadingBuffer, ...], now_ns: int) -> None:
        """Readings in the background. Raises Refused 5042."""
        if self.busy:
            raise Refused(5042, where=self._source.where)
        count = int(self._source.settings["measure.count"])
        plan = self._measuring.plan(quantities, buffers, self._overhead_ns(triggered=False))
        self._occupy(buffers, count)
        self._set(self._measuring_now, _MEASURING, True)
        self._begin(self._measuring.readings(plan, count, now_ns), now_ns)

    # --- what takes how long
    def _overhead_ns(self, triggered: bool) -> int:
        """After an aperture."""
        sheet = self._source.sheet
        if triggered:
            return sheet.overhead_ns(sheet.rates.triggered) - self._source_ns
        return sheet.overhead_ns(sheet.rates.memory)

    @property
    def _source_ns(self) -> int:
        """What a source action takes."""
        sheet = self._source.sheet
        return sheet.overhead_ns(sheet.rates.sweep) - sheet.overhead_ns(sheet.rates.memory) if self.sweep.source_action else 0

    # --- the model
    def _fire(self, name: str, now_ns: int) -> None:
        self._events.fire(ids.smu_event(self.number, name), now_ns)

    def _sweep(self, now_ns: int) -> Steps:
        """From idle to idle."""
        sweep = self.sweep
        plan = None
        if sweep.measure_action and sweep.measured is not None:
            triggered = any(self.stimuli[name].event for name in ("source", "measure"))
            plan = self._measuring.plan(*sweep.measured, self._overhead_ns(triggered))
        self._fire("SWEEPING", now_ns)
        done = 0
        while not sweep.arm_count or done < sweep.arm_count:
            done += 1
            if self.stimuli["arm"].event:
                now_ns = yield self.detectors["arm"]
            if sweep.autoclear:
                for name in ("source", "measure", "endpulse"):
                    self.detectors[name].detected = False
            self._fire("ARMED", now_ns)
            if sweep.measure_action == ASYNC and plan is not None:
                now_ns = yield from self._beside(plan, now_ns)
            else:
                now_ns = yield from self._trigger_layer(plan, now_ns)
            if sweep.source_action and sweep.endsweep_action == IDLE:
                self._source.apply(now_ns)
            self._fire("SWEEP_COMPLETE", now_ns)
        self._fire("IDLE", now_ns)

    def _trigger_layer(self, plan: Plan | None, now_ns: int) -> Generator["int | Detector", int, int]:
        """Source, measurement and end pulse, `count` times. Returns when it is over."""
        sweep, detectors = self.sweep, self.detectors
        waits = {name: bool(self.stimuli[name].event) for name in _DETECTORS}
        done = 0
        while not sweep.count or done < sweep.count:
            begun_ns = now_ns
            if waits["source"]:
                now_ns = yield detectors["source"]
            if sweep.source_action:
                now_ns = yield max(now_ns, self._measuring.channel.free_ns)  # Still at work on the last reading.
                now_ns = yield self._step(done, now_ns)
                self._fire("SOURCE_COMPLETE", now_ns)
            if waits["measure"] and sweep.measure_action != ASYNC:
                now_ns = yield detectors["measure"]
            if plan is not None:
                now_ns = yield from self._measure(plan, now_ns)
            if waits["endpulse"]:
                now_ns = yield detectors["endpulse"]
            if sweep.source_action and sweep.endpulse_action == IDLE:
                self._source.apply(now_ns)
            self._fire("PULSE_COMPLETE", now_ns)
            if now_ns == begun_ns:
                now_ns = yield now_ns + _EMPTY_CYCLE_NS
            done += 1
        return now_ns

    def _step(self, index: int, now_ns: int) -> int:
        """The next level; returns when it stands."""
        assert self.sweep.points is not None
        letter, levels = self.sweep.points
        limit = self.sweep.limits["i" if letter == "v" else "v"]
        self._source.sweep_to(levels[index % len(levels)], limit or None, now_ns)
        return now_ns + self._source_ns + self._source.delay_ns()

    def _measure(self, plan: Plan, now_ns: int) -> Generator[int, int, int]:
        measuring = self._measuring
        if plan.count > 1:
            yield from measuring.readings(plan, plan.count, now_ns)
            now_ns = measuring.ended_ns
        else:
            start_ns = now_ns + plan.delay_ns
            if start_ns < measuring.channel.free_ns:
                # Still at work on the last reading: until that is over the edge that began this one stands in its detector.
                self.detectors["measure"].held_until_ns = measuring.channel.free_ns
            end_ns = measuring.begin(plan, start_ns)
            now_ns = yield end_ns
            measuring.finish(plan, end_ns)
        self._events.fire(self._measured_event, now_ns)
        return now_ns

    # --- measuring beside the source (ASYNC)
    def _beside(self, plan: Plan, now_ns: int) -> Generator["int | Detector", int, int]:
        beside = Beside()
        loop = self._begin(self._measurements(plan, beside, now_ns), now_ns)
        now_ns = yield from self._trigger_layer(None, now_ns)
        if beside.measuring:
            return (yield beside.over)
        loop.end()
        if loop in self._loops:
            self._loops.remove(loop)
        return now_ns

    def _measurements(self, plan: Plan, beside: Beside, now_ns: int) -> Steps:
        done = 0
        while not self.sweep.count or done < self.sweep.count:
            if self.stimuli["measure"].event:
                now_ns = yield self.detectors["measure"]
            beside.measuring = True
            now_ns = yield from self._measure(plan, now_ns)
            beside.measuring = False
            if beside.over.waited:
                beside.over.hear(now_ns)
                return
            done += 1
