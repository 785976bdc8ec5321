"""Trigger events of a 2600B: who makes one, and who listens.

Rule 1: an event is heard at once, by everybody whose stimulus it is, in the order of setting. Rule 2: an event carries nothing but its
time.
Source: 2600BS-901-01, "Triggering". The digital lines' events have their lines' numbers, as in the manual's examples; the other numbers
are assumed.
"""

from collections.abc import Callable

from simulator.instruments.keithley2600.errors import Refused, number
from simulator.instruments.tsp_values import Value

Heard = Callable[[int], None]
"""Told the time of an event, ns of the instrument's own time."""

NONE = 0
DIGIO_LINES, TSPLINK_LINES, LAN_LINES, TIMERS, BLENDERS, GENERATORS = 14, 3, 8, 8, 6, 2
SMU_EVENTS = ("SWEEPING", "ARMED", "SOURCE_COMPLETE", "MEASURE_COMPLETE", "PULSE_COMPLETE", "SWEEP_COMPLETE", "IDLE")


def digio_event(line: int) -> int:
    return line


def tsplink_event(line: int) -> int:
    return DIGIO_LINES + line


def lan_event(line: int) -> int:
    return 20 + line


DISPLAY_EVENT, COMMAND_EVENT = 29, 30


def generator_event(index: int) -> int:
    return 30 + index


def blender_event(index: int) -> int:
    return 32 + index


def timer_event(index: int) -> int:
    return 38 + index


def smu_event(channel: int, name: str) -> int:
    """channel: 0 or 1."""
    return 47 + 7 * channel + SMU_EVENTS.index(name)


LAST_EVENT = smu_event(1, "IDLE")


class Events:
    def __init__(self) -> None:
        self._listeners: dict[int, list[Heard]] = {}

    def fire(self, event: int, now_ns: int) -> None:
        listeners = self._listeners.get(event)
        if listeners:
            for heard in tuple(listeners):
                heard(now_ns)

    def listen(self, event: int, heard: Heard) -> None:
        self._listeners.setdefault(event, []).append(heard)

    def forget(self, event: int, heard: Heard) -> None:
        self._listeners[event].remove(heard)


class Stimulus:
    """Which event somebody listens to; 0 for none."""

    def __init__(self, events: Events, heard: Heard) -> None:
        self._events, self._heard = events, heard
        self.event = NONE

    def set(self, event: int) -> None:
        if self.event:
            self._events.forget(self.event, self._heard)
        self.event = event
        if event:
            self._events.listen(event, self._heard)

    def assign(self, value: Value) -> None:
        """Raises Refused -224 for a number that is no event."""
        wanted = number(value, -1e9, 1e9)
        if not (wanted.is_integer() and NONE <= wanted <= LAST_EVENT):
            raise Refused(-224)
        self.set(int(wanted))


class Detector:
    """Keeps an event until it is used. overran: told of an event that found another. held_until_ns: what used the last event has begun
    nothing before then, and one that comes earlier finds it still there."""

    __slots__ = ("_waiting", "detected", "held_until_ns", "overran", "overrun")

    def __init__(self, overran: Callable[[], None] = lambda: None) -> None:
        self.detected = self.overrun = False
        self.overran = overran
        self.held_until_ns = 0
        self._waiting: list[Heard] = []

    def hear(self, now_ns: int) -> None:
        if self._waiting:
            self._waiting.pop(0)(now_ns)
        elif self.detected or now_ns < self.held_until_ns:
            self.overrun = True
            self.overran()
        else:
            self.detected = True

    @property
    def waited(self) -> bool:
        """Whether somebody waits for the next event."""
        return bool(self._waiting)

    def take(self) -> bool:
        """Whether there was an event; it is used up."""
        detected, self.detected = self.detected, False
        return detected

    def wait(self, heard: Heard) -> Callable[[], None]:
        """Tell of the next event; returns what ends the waiting."""
        self._waiting.append(heard)

        def give_up() -> None:
            if heard in self._waiting:
                self._waiting.remove(heard)

        return give_up

    def clear(self) -> None:
        self.detected = self.overrun = False
        self.held_until_ns = 0
