"""The reply grammar of MPI SENTIO's remote command set 1: `<status and code>,<async command id>,<message>`.

The low 10 bits of the first field are the error code, the bits above are status. A reply that is not exactly what its
command answers is refused whole: a misread number is worse than none.
Source: sentio-prober-control 26.2.0, Response.py.
"""

import math
import re
from dataclasses import dataclass
from enum import IntFlag

from drivers.errors import ProtocolError
from drivers.prober.sentio_codes import END_OF_ROUTE, prober_error

_REPLY = re.compile(r"(?P<head>\d+),(?P<command_id>\d+),(?P<message>.*)")
_CODE_BITS = 10


class StatusBits(IntFlag):
    NONE = 0
    END_OF_ROUTE = 1
    LAST_SITE = 2


@dataclass(frozen=True)
class Reply:
    """A reply without an error. command, prober: for the texts of errors found in its message."""

    status: StatusBits
    message: str
    command: str
    prober: str

    @property
    def fields(self) -> tuple[str, ...]:
        """The message split at commas, blanks stripped."""
        return tuple(field.strip() for field in self.message.split(","))

    def floats(self, count: int) -> tuple[float, ...]:
        """Exactly `count` finite numbers with a decimal point. Raises ProtocolError."""
        values = tuple(_float(field) for field in self.fields)
        if len(values) != count or not all(math.isfinite(value) for value in values):
            raise self._unexpected(f"{count} finite numbers")
        return values

    def ints(self, count: int) -> tuple[int, ...]:
        """Exactly `count` integers. Raises ProtocolError."""
        if len(self.fields) != count or not all(re.fullmatch(r"-?\d+", field) for field in self.fields):
            raise self._unexpected(f"{count} integers")
        return tuple(int(field) for field in self.fields)

    def flags(self, count: int) -> tuple[bool, ...]:
        """Exactly `count` flags, each 0 or 1. Raises ProtocolError."""
        if len(self.fields) != count or not set(self.fields) <= {"0", "1"}:
            raise self._unexpected(f"{count} flags of 0 or 1")
        return tuple(field == "1" for field in self.fields)

    def _unexpected(self, expected: str) -> ProtocolError:
        return ProtocolError(f"{self.prober}: {self.command!r} was answered {self.message!r}, expected {expected}")


def parse_reply(line: str, command: str, prober: str) -> Reply:
    """Raises ProtocolError for what is no reply, a ProberError of the code's class for an error code."""
    match = _REPLY.fullmatch(line.strip())
    if match is None:
        raise ProtocolError(f"{prober}: {command!r} was answered {line!r}, no reply of a SENTIO; check [prober] address in lab.toml")
    head = int(match["head"])
    code = head & ((1 << _CODE_BITS) - 1)
    if code not in (0, END_OF_ROUTE):
        raise prober_error(code, match["message"], command, prober)
    at_end = StatusBits.END_OF_ROUTE if code == END_OF_ROUTE else StatusBits.NONE
    return Reply(StatusBits(head >> _CODE_BITS & 3) | at_end, match["message"], command, prober)


def _float(field: str) -> float:
    try:
        return float(field)
    except ValueError:
        return math.nan
