"""Error queue and status registers of an IEEE 488.2 instrument. Source: IEEE 488.2, chapter 11; 2450 manual, status model."""

from collections import deque
from datetime import datetime, timedelta

from simulator.instruments.scpi import ScpiError

_QUEUE_LENGTH = 1_000
_EPOCH = datetime(2026, 1, 1)
_POWER_ON = 128


class Status:
    """event_status: ESR. service_enable, event_enable: SRE, ESE. available: a reply of this message is already waiting (MAV)."""

    def __init__(self) -> None:
        self._errors: deque[tuple[int, str, str]] = deque()
        self.event_status = _POWER_ON
        self.service_enable = 0
        self.event_enable = 0
        self.available = False

    def record(self, error: ScpiError, now_ns: int) -> None:
        """Queue an error; the last place says that the queue was full."""
        stamp = (_EPOCH + timedelta(microseconds=now_ns // 1000)).strftime("%Y/%m/%d %H:%M:%S.%f")[:-3]
        if len(self._errors) == _QUEUE_LENGTH:
            self._errors[-1] = (-350, "Queue overflow", stamp)
        else:
            self._errors.append((error.code, error.text, stamp))
        self.event_status |= _event_bit(error.code)

    def next_error(self) -> str:
        if not self._errors:
            return '0,"No error;0;0 0"'
        code, text, stamp = self._errors.popleft()
        return f'{code},"{text};1;{stamp}"'

    @property
    def errors(self) -> int:
        return len(self._errors)

    def clear_queue(self) -> None:
        self._errors.clear()

    def clear(self) -> None:
        """*CLS."""
        self.clear_queue()
        self.event_status = 0

    def read_event_status(self) -> int:
        """*ESR?: reading clears."""
        value, self.event_status = self.event_status, 0
        return value

    def byte(self) -> int:
        """*STB?: EAV (4), MAV (16), ESB (32) and the master summary (64)."""
        value = (4 if self._errors else 0) | (16 if self.available else 0) | (32 if self.event_status & self.event_enable else 0)
        return value | (64 if value & self.service_enable else 0)


def _event_bit(code: int) -> int:
    """Bit of the event status register: command, execution, device or query error."""
    if -200 < code <= -100:
        return 32
    if -300 < code <= -200:
        return 16
    return 4 if -500 < code <= -400 else 8
