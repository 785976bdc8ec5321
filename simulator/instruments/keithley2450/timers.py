"""Trigger timers and event blenders of a 2450. Source: 2450 reference manual 2450-901-01, section 6, TRIGger:TIMer, TRIGger:BLENder."""

from simulator.agenda import Entry
from simulator.instruments.keithley2450.events import Events, Hear, Stimulus
from simulator.instruments.smu.own_time import OwnTime

TIMERS, BLENDERS, STIMULI = 4, 2, 4
DELAY_S = (8e-6, 100e3, 10e-6)
"""Smallest, largest and default delay of a timer, s."""


class Timer:
    """count: events of one start, 0 for without end. at_start: one more at the start itself. begins_s: earliest start after power on."""

    def __init__(self, number: int, events: Events, time: OwnTime) -> None:
        self._name, self._events, self._time = f"TIM{number}", events, time
        self.stimulus = Stimulus(events, self._start)
        self._entry: Entry | None = None
        self._left = 0
        self.reset()

    def reset(self) -> None:
        self._stop()
        self.stimulus.set("NONE")
        self.delay_s, self.count, self.at_start, self.begins_s, self.enabled, self.overrun = DELAY_S[2], 1, False, 0.0, False, False

    def enable(self, on: bool, now_ns: int) -> None:
        self._stop()
        self.enabled = on
        if on and self.stimulus.name == "NONE":
            self._start(max(now_ns, round(1e9 * self.begins_s)))

    def _start(self, now_ns: int) -> None:
        if not self.enabled:
            return
        if self._entry is not None:
            self.overrun = True
            return
        self._left = self.count
        self._next(now_ns)
        if self.at_start:
            self._events.fire(self._name, now_ns)

    def _next(self, now_ns: int) -> None:
        self._entry = self._time.at(now_ns + round(1e9 * self.delay_s), self._over)

    def _over(self, now_ns: int) -> None:
        self._entry = None
        self._left -= 1
        if self.count == 0 or self._left > 0:
            self._next(now_ns)
        self._events.fire(self._name, now_ns)

    def _stop(self) -> None:
        if self._entry is not None:
            self._entry.cancel()
            self._entry = None


class Blender:
    """Fires when one of its events has come (`OR`) or all of them (`AND`)."""

    def __init__(self, number: int, events: Events) -> None:
        self._name, self._events = f"BLEN{number}", events
        self.stimuli = [Stimulus(events, self._hearing(index)) for index in range(STIMULI)]
        self.reset()

    def reset(self) -> None:
        for stimulus in self.stimuli:
            stimulus.set("NONE")
        self.needs_all, self._come = True, set[int]()

    def clear(self) -> None:
        self._come.clear()
        self._events.detector(self._name).clear()

    def _hearing(self, index: int) -> Hear:
        def hear(now_ns: int) -> None:
            self._come.add(index)
            wanted = {i for i, stimulus in enumerate(self.stimuli) if stimulus.name != "NONE"}
            if not self.needs_all or self._come >= wanted:
                self._come.clear()
                self._events.fire(self._name, now_ns)

        return hear
