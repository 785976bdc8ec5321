"""What a 2600B refuses, and the queue in which it says so.

Rule: what is refused changes nothing, and does not end a script; only a run-time error of the language does (-286).
Source: 2600BS-901-01, "Error summary list", "Error levels", "Standard Event Register". Texts with a channel begin with "SMU A: ", as
real instruments are seen to say them. Assumed: the queue's length.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from simulator.instruments.tsp_values import Value, number_in

RECOVERABLE, SERIOUS = 20, 30
_LENGTH = 100
_QUERY_ERROR, _DEVICE_ERROR, _EXECUTION_ERROR, _COMMAND_ERROR = 4, 8, 16, 32

TEXTS: dict[int, str] = {
    -363: "Input buffer overrun",
    -350: "Queue overflow",
    -292: "Referenced name does not exist",
    -282: "Illegal program name",
    -225: "Out of memory or TSP Memory allocation error",
    -224: "Illegal parameter value",
    -221: "Settings conflict",
    -211: "Trigger ignored",
    -203: "Command protected",
    -154: "String too long",
    -104: "Data type error",
    802: "OUTPUT blocked by interlock",
    1100: "Command unavailable",
    1101: "Parameter too big",
    1102: "Parameter too small",
    1400: "Expected at least {} parameters",
    1401: "Parameter {} is invalid",
    1404: "Invalid byte order",
    1405: "Invalid ASCII precision",
    1406: "Invalid data format",
    1800: "Invalid digital trigger mode",
    1801: "Invalid digital I/O line",
    2112: "Connection not established",
    2204: "Directory not found",
    2500: "Average delay must be at least {} seconds",
    4900: "Reading buffer index {} is invalid",
    4903: "Reading buffer expired",
    5005: "Value too big for range",
    5007: "Operation would exceed safe operating area of the instrument",
    5008: "Operation not permitted while OUTPUT is on",
    5011: "Operation not permitted while cal is locked",
    5016: "Cannot change cal date - unlock before operation",
    5019: "Cannot unlock - invalid password",
    5025: "Cannot set filter.count > 1 when measure.count > 1",
    5032: "Cannot change this setting unless buffer is cleared",
    5038: "Index exceeds maximum reading",
    5042: "Cannot perform requested action while an overlapped operation is in progress",
    5043: "Cannot perform requested operation while voltage measure autorange is enabled",
    5044: "Cannot perform requested operation while current measure autorange is enabled",
    5047: "Minimum timestamp resolution is 1us",
    5059: "trigger.source.action enabled without configuration",
    5060: "trigger.measure.action enabled without configuration",
    5061: "Operation not permitted while OUTPUT is off",
    5063: "Cannot perform requested operation while measure autozero is on",
    5064: "Cannot use reading buffer that collects source values",
    5069: "Autorange locked for HighC mode",
}


class Refused(Exception):
    """A setting or function that is not carried out. where: "SMU A", or "" for the instrument. details: what stands in the text."""

    def __init__(self, code: int, *details: object, where: str = "") -> None:
        text = TEXTS[code].format(*details)
        super().__init__(text)
        self.code, self.text = code, f"{where}: {text}" if where else text


class Entry(NamedTuple):
    code: int
    text: str
    severity: int


_EMPTY = Entry(0, "Queue Is Empty", 0)


@dataclass
class ErrorQueue:
    """occurred: told the bit of the standard event register that an error sets, and the error."""

    occurred: Callable[[int, Entry], None] = lambda _, __: None

    def __post_init__(self) -> None:
        self._entries: deque[Entry] = deque()

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, code: int, text: str, severity: int = RECOVERABLE) -> None:
        if len(self._entries) >= _LENGTH:
            self._entries[-1] = Entry(-350, TEXTS[-350], RECOVERABLE)
            return
        entry = Entry(code, text, severity)
        self._entries.append(entry)
        self.occurred(_event_bit(code), entry)

    def refuse(self, refused: Refused) -> None:
        self.add(refused.code, refused.text)

    def next(self) -> Entry:
        """The oldest, which leaves."""
        return self._entries.popleft() if self._entries else _EMPTY

    def clear(self) -> None:
        self._entries.clear()


def _event_bit(code: int) -> int:
    if code <= -400:
        return _QUERY_ERROR
    if -400 < code <= -300 or code > 0:
        return _DEVICE_ERROR
    return _EXECUTION_ERROR if -300 < code <= -200 else _COMMAND_ERROR


# --- what is given, as a number, a choice or a text
def number(value: Value, low: float, high: float) -> float:
    """Raises Refused -104, 1101, 1102."""
    wanted = number_in(value) if isinstance(value, str) else value
    if isinstance(wanted, bool) or not isinstance(wanted, float):
        raise Refused(-104)
    if not wanted <= high:  # NaN is refused too.
        raise Refused(1101)
    if wanted < low:
        raise Refused(1102)
    return wanted


def whole(value: Value, low: int, high: int) -> int:
    """A number without its fraction. Raises Refused."""
    return int(number(value, low, high))


def flag(value: Value) -> bool:
    """true and false, or 1 and 0. Raises Refused."""
    return value if isinstance(value, bool) else bool(whole(value, 0, 1))


def text(value: Value) -> str:
    """Raises Refused -104."""
    if not isinstance(value, str):
        raise Refused(-104)
    return value
