"""Trigger events of a 2450: who fires them, who is woken by them, and what stays detected until somebody waits for it.

Rule: an event that comes while the last one was not yet waited for is an overrun, and is lost.
Source: 2450 reference manual 2450-901-01, section 3, trigger model; section 6, TRIGger subsystem.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from simulator.instruments.scpi import header_regex, illegal_value, short_form
from simulator.instruments.smu.own_time import OwnTime

Hear = Callable[[int], None]
"""Told the instrument's own time."""
NONE = "NONE"
COMMAND = "COMM"
LIMITED_EVENT = "SLIM"
_NUMBERED = ("DIGio<6>", "NOTify<8>", "TIMer<4>", "BLENder<2>", "TSPLink<3>", "LAN<8>")
_PLAIN = ("NONE", "COMMand", "DISPlay", "SLIMit", "ATRigger")


def event_name(text: str) -> str:
    """`digio1` -> `DIG1`. Raises ScpiError -224."""
    for pattern in _PLAIN:
        if header_regex(pattern).fullmatch(text):
            return short_form(pattern)
    for pattern in _NUMBERED:
        match = header_regex(pattern).fullmatch(text)
        if match:
            return short_form(pattern.partition("<")[0]) + (match.group(1) or "1")
    raise illegal_value()


@dataclass
class Detector:
    """waiter: called by the next event, which then is not detected."""

    detected: bool = False
    overrun: bool = False
    waiter: Hear | None = None

    def clear(self) -> None:
        self.detected = self.overrun = False

    def take(self) -> bool:
        """Whether an event was detected; it is not any more."""
        was, self.detected = self.detected, False
        return was


@dataclass
class Events:
    time: OwnTime
    _detectors: dict[str, Detector] = field(default_factory=dict)
    _listeners: dict[str, list[Hear]] = field(default_factory=dict)

    def detector(self, name: str) -> Detector:
        if name not in self._detectors:
            self._detectors[name] = Detector()
        return self._detectors[name]

    def fire(self, name: str, now_ns: int) -> None:
        for hear in tuple(self._listeners.get(name, ())):
            hear(now_ns)
        detector = self.detector(name)
        waiter = detector.waiter
        if waiter is not None:
            detector.waiter = None
            waiter(now_ns)
        elif detector.detected:
            detector.overrun = True
        else:
            detector.detected = True

    def listen(self, name: str, hear: Hear) -> Callable[[], None]:
        """Be told of every one of them; returns what ends it."""
        listeners = self._listeners.setdefault(name, [])
        listeners.append(hear)
        return lambda: listeners.remove(hear)

    def clear(self) -> None:
        """Nothing detected, nobody waiting. Who listens stays."""
        self.forget_waiters()
        for detector in self._detectors.values():
            detector.clear()

    def forget_waiters(self) -> None:
        for detector in self._detectors.values():
            detector.waiter = None


class Stimulus:
    """One thing that is set off by one event, which may change."""

    def __init__(self, events: Events, hear: Hear) -> None:
        self._events, self._hear = events, hear
        self.name = NONE
        self._end: Callable[[], None] = lambda: None

    def set(self, name: str) -> None:
        self._end()
        self._end = self._events.listen(name, self._hear) if name != NONE else lambda: None
        self.name = name
