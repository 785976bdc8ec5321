"""Status model and event log of a 2450: standard event register, operation and questionable registers whose bits are mapped to event
numbers, status byte.

Rule: an event is logged once; errors are read oldest first by SYSTem:ERRor?, everything by SYSTem:EVENtlog:NEXT?.
Source: IEEE 488.2, chapter 11; 2450 reference manual 2450-901-01, appendix C.
"""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntFlag

from simulator.instruments.scpi import ScpiError

EPOCH = datetime(2026, 1, 1)
"""What the instrument's clock says when its time is 0."""
_LOG_LENGTH = 1_000
_POWER_ON = 128
_BITS = 15
NO_ERROR = '0,"No error;0;0 0"'


class Kind(IntFlag):
    """Of an event; the number is what SYSTem:EVENtlog:NEXT? answers."""

    ERROR = 1
    WARNING = 2
    INFORMATION = 4


ALL_KINDS = Kind.ERROR | Kind.WARNING | Kind.INFORMATION

# Event numbers of what happens by itself, appendix C.
ABORTED, FAILED, RUNNING, COMPLETED = 2728, 2730, 2731, 2732
BUFFER_EMPTY, BUFFER_FULL = 4917, 4918


@dataclass(frozen=True)
class Event:
    number: int
    text: str
    kind: Kind
    stamp: str


@dataclass
class Registers:
    """Operation or questionable. maps: bit -> (event that sets it, event that clears it), 0 for none."""

    condition: int = 0
    event: int = 0
    enable: int = 0
    maps: dict[int, tuple[int, int]] = field(default_factory=dict)

    def happened(self, number: int) -> None:
        for bit, (sets, clears) in self.maps.items():
            if number == sets:
                self.condition |= 1 << bit
                self.event |= 1 << bit
            elif number == clears:
                self.condition &= ~(1 << bit)

    def map(self, bit: int, sets: int, clears: int) -> None:
        self.maps[bit] = (sets, clears)

    def mapped(self, bit: int) -> tuple[int, int]:
        return self.maps.get(bit, (0, 0))

    def read_event(self) -> int:
        """Reading clears."""
        value, self.event = self.event, 0
        return value

    @property
    def summary(self) -> bool:
        return bool(self.event & self.enable)


class Status:
    """event_status: ESR. service_enable, event_enable: SRE, ESE. available: a reply of this message is already waiting (MAV)."""

    def __init__(self) -> None:
        self._log: deque[Event] = deque()
        self._errors = 0
        self.operation, self.questionable = Registers(), Registers()
        self.event_status = _POWER_ON
        self.service_enable = 0
        self.event_enable = 0
        self.available = False

    def record(self, error: ScpiError, now_ns: int) -> None:
        """Log an error; the last place says that the log was full."""
        self.event_status |= _event_bit(error.code)
        if self._errors >= _LOG_LENGTH:
            last = max(index for index, event in enumerate(self._log) if event.kind is Kind.ERROR)
            self._log[last] = Event(-350, "Queue overflow", Kind.ERROR, _stamp(now_ns))
        else:
            self._errors += 1
            self._append(Event(error.code, error.text, Kind.ERROR, _stamp(now_ns)))
        self._happened(error.code)

    def post(self, number: int, text: str, kind: Kind, now_ns: int) -> None:
        """Log what happened, and let it set and clear the bits that are mapped to it."""
        if kind is Kind.ERROR:
            self.record(ScpiError(number, text), now_ns)
            return
        self._append(Event(number, text, kind, _stamp(now_ns)))
        self._happened(number)

    def _append(self, event: Event) -> None:
        if len(self._log) >= 2 * _LOG_LENGTH:
            self._forget_oldest()
        self._log.append(event)

    def _forget_oldest(self) -> None:
        index = next((index for index, event in enumerate(self._log) if event.kind is not Kind.ERROR), 0)
        del self._log[index]

    def _happened(self, number: int) -> None:
        self.operation.happened(number)
        self.questionable.happened(number)

    def take(self, kinds: Kind = Kind.ERROR) -> Event | None:
        """The oldest unread event of these kinds; it is read then."""
        for index, event in enumerate(self._log):
            if event.kind & kinds:
                del self._log[index]
                self._errors -= event.kind is Kind.ERROR
                return event
        return None

    def next_error(self) -> str:
        event = self.take()
        return NO_ERROR if event is None else f'{event.number},"{event.text};1;{event.stamp}"'

    @property
    def errors(self) -> int:
        return self._errors

    def count(self, kinds: Kind) -> int:
        return sum(bool(event.kind & kinds) for event in self._log)

    def clear_queue(self) -> None:
        self._log.clear()
        self._errors = 0

    def clear(self) -> None:
        """*CLS: registers of events and the log; what is enabled and mapped stays."""
        self.clear_queue()
        self.event_status = self.operation.event = self.questionable.event = 0

    def preset(self) -> None:
        """STATus:PRESet: operation and questionable registers as after power on."""
        self.operation, self.questionable = Registers(), Registers()

    def read_event_status(self) -> int:
        """*ESR?: reading clears."""
        value, self.event_status = self.event_status, 0
        return value

    def byte(self) -> int:
        """*STB?: MSB (1), EAV (4), QSB (8), MAV (16), ESB (32), master summary (64), OSB (128)."""
        value = 0
        for weight, is_set in (
            (1 | 8, self.questionable.summary),
            (4, self._errors),
            (16, self.available),
            (32, self.event_status & self.event_enable),
            (128, self.operation.summary),
        ):
            value |= weight if is_set else 0
        return value | (64 if value & self.service_enable else 0)


def is_bit(bit: int) -> bool:
    return 0 <= bit < _BITS


def _stamp(now_ns: int) -> str:
    return (EPOCH + timedelta(microseconds=now_ns // 1000)).strftime("%Y/%m/%d %H:%M:%S.%f")[:-3]


def _event_bit(code: int) -> int:
    """Bit of the event status register: command, execution, device or query error."""
    if -200 < code <= -100:
        return 32
    if -300 < code <= -200:
        return 16
    return 4 if -500 < code <= -400 else 8
