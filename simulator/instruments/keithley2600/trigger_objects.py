"""Trigger objects beside the source-measure units: digital lines, timers, blenders, generators, and the command interface.

Rule: what waits for time stands on the agenda; what waits for others waits in a detector.
Source: 2600BS-901-01, "Digital I/O port and TSP-Link synchronization lines", "Timers", "Event blenders", "Hardware trigger modes".
The wires of the pretended lab carry pulses, not levels: a pulse is a falling and a rising edge at once, and two events where both edges
are detected.
"""

from collections.abc import Callable

from simulator.agenda import Entry
from simulator.instruments.keithley2600 import events as ids
from simulator.instruments.keithley2600.errors import Refused, flag, number, whole
from simulator.instruments.keithley2600.events import Detector, Events, Stimulus
from simulator.instruments.keithley2600.status import Register
from simulator.instruments.smu.own_time import OwnTime
from simulator.instruments.tsp_values import Table, Value

_BYPASS, _RISING, _EITHER, _SYNCHRONOUS_A, _RISING_M = 0, 2, 3, 4, 8
_MODES = {
    "BYPASS": _BYPASS,
    "FALLING": 1,
    "RISING": _RISING,
    "EITHER": _EITHER,
    "SYNCHRONOUSA": _SYNCHRONOUS_A,
    "SYNCHRONOUS": 5,
    "SYNCHRONOUSM": 6,
    "RISINGA": 7,
    "RISINGM": _RISING_M,
}
MODES = {f"TRIG_{name}": value for name, value in _MODES.items()}
_PULSE_S = (0.0, 7.1)
_DELAY_S = (0.5e-6, 100e3)
_AVERAGE_DELAY_S = 50e-6
_MOST_EVENTS = 1_048_575


class Line:
    """One digital (or TSP-Link) line. pulse: what its output does, told the time. high: its level while nothing pulses."""

    def __init__(self, index: int, event: int, events: Events, overruns: Register) -> None:
        self.index, self.event, self._events, self._overruns = index, event, events, overruns
        self.pulse: Callable[[int], None] = lambda _: None
        self.mode, self.pulse_s, self.high = _BYPASS, 10e-6, True
        self.held = False
        self.detector = Detector()
        self.stimulus = Stimulus(events, self.assert_)
        self._low_until_ns = 0

    def reset(self) -> None:
        self.mode, self.pulse_s, self.held = _BYPASS, 10e-6, False
        self.stimulus.set(ids.NONE)
        self.detector.clear()

    def hear(self, now_ns: int) -> None:
        """A pulse from outside."""
        if self.mode == _RISING_M:
            return
        for _ in range(2 if self.mode in (_BYPASS, _EITHER) else 1):
            self.detector.hear(now_ns)
            self._events.fire(self.event, now_ns)
        if self.mode == _SYNCHRONOUS_A:
            self.held = True

    def assert_(self, now_ns: int) -> None:
        """An output trigger."""
        if self.mode == _BYPASS:
            return
        if self.mode == _SYNCHRONOUS_A:
            self.held = False
        elif now_ns < self._low_until_ns or self.held:
            self._overruns.happen(1 << self.index)
        else:
            self._low_until_ns = now_ns + round(self.pulse_s * 1e9)
            self.held = not self.pulse_s
            self.pulse(now_ns)

    def release(self) -> None:
        self.held = False
        self._low_until_ns = 0

    def is_high(self, now_ns: int) -> bool:
        pulsing = self.held or now_ns < self._low_until_ns
        return self.high if self.mode == _BYPASS else pulsing == (self.mode == _RISING_M)

    def set_mode(self, value: Value) -> None:
        """Raises Refused 1800."""
        try:
            self.mode = whole(value, 0, _RISING_M)
        except Refused as refused:
            raise Refused(1800) from refused

    def set_pulse_s(self, value: Value) -> None:
        self.pulse_s = number(value, *_PULSE_S)


class Timer:
    def __init__(self, index: int, own: OwnTime, events: Events, overruns: Register) -> None:
        self.index, self._own, self._events, self._overruns = index, own, events, overruns
        self.detector = Detector()
        self.stimulus = Stimulus(events, self.start)
        self._entry: Entry | None = None
        self._place = self._left = 0
        self.reset()

    def reset(self) -> None:
        self.count, self.passthrough, self.delays_s = 1, False, [10e-6]
        self.stimulus.set(ids.NONE)
        self.detector.clear()
        self.stop()

    def stop(self) -> None:
        if self._entry is not None:
            self._entry.cancel()
            self._entry = None
        self._place = 0

    def start(self, now_ns: int) -> None:
        if self._entry is not None:
            self._overruns.happen(1 << self.index)
            return
        self._left = self.count
        self._wait(now_ns)
        if self.passthrough:
            self._tell(now_ns)

    def _wait(self, now_ns: int) -> None:
        delay_s = self.delays_s[self._place]
        self._place = (self._place + 1) % len(self.delays_s)
        self._entry = self._own.at(now_ns + round(delay_s * 1e9), self._elapsed)

    def _elapsed(self, now_ns: int) -> None:
        self._entry = None
        if self.count:
            self._left -= 1
        if self._left or not self.count:
            self._wait(now_ns)
        self._tell(now_ns)

    def _tell(self, now_ns: int) -> None:
        self.detector.hear(now_ns)
        self._events.fire(ids.timer_event(self.index), now_ns)

    @property
    def delay_s(self) -> float:
        return self.delays_s[self._place]

    def set_count(self, value: Value) -> None:
        self.count = whole(value, 0, _MOST_EVENTS)

    def set_passthrough(self, value: Value) -> None:
        self.passthrough = flag(value)

    def set_delay(self, value: Value) -> None:
        self._set_delays([number(value, *_DELAY_S)])

    def set_delays(self, value: Value) -> None:
        """Raises Refused 1401, 2500."""
        if not isinstance(value, Table) or not len(value):
            raise Refused(1401, 1)
        delays_s = [number(each, *_DELAY_S) for each in value.array()]
        if len(delays_s) > 1 and sum(delays_s) < _AVERAGE_DELAY_S * len(delays_s) * (1 - 1e-9):
            raise Refused(2500, f"{_AVERAGE_DELAY_S:g}")
        self._set_delays(delays_s)

    def _set_delays(self, delays_s: list[float]) -> None:
        self.delays_s, self._place = delays_s, 0


class Blender:
    """An event when any, or when all, of up to four others have come."""

    INPUTS = 4

    def __init__(self, index: int, events: Events, overruns: Register) -> None:
        self.index, self._events, self._overruns = index, events, overruns
        self.any = False
        self.detector = Detector()
        self._seen = [False] * self.INPUTS
        self.stimuli = [Stimulus(events, self._hearing(at)) for at in range(self.INPUTS)]

    def reset(self) -> None:
        self.any = False
        for stimulus in self.stimuli:
            stimulus.set(ids.NONE)
        self.clear()

    def clear(self) -> None:
        self.detector.clear()
        self._seen = [False] * self.INPUTS

    def _hearing(self, at: int) -> Callable[[int], None]:
        def heard(now_ns: int) -> None:
            if self.any:
                self._tell(now_ns)
                return
            if self._seen[at]:
                self._overruns.happen(1 << self.index)
            self._seen[at] = True
            wanted = [stimulus.event != ids.NONE for stimulus in self.stimuli]
            if all(seen or not needed for seen, needed in zip(self._seen, wanted, strict=True)):
                self._seen = [False] * self.INPUTS
                self._tell(now_ns)

        return heard

    def _tell(self, now_ns: int) -> None:
        self.detector.hear(now_ns)
        self._events.fire(ids.blender_event(self.index), now_ns)

    def set_any(self, value: Value) -> None:
        self.any = flag(value)
