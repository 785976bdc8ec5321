"""The reply grammar of MPI SENTIO's remote command set 1: `<status and code>,<async command id>,<message>`.

The low 10 bits of the first field are the error code, the bits above are status: the last die and the last site are no errors.
Rule: a reply that is not exactly what its command answers is refused whole: a misread number is worse than none.
Source: sentio-prober-control 26.2.0, Response.py.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntFlag, StrEnum
from typing import TypeVar

from drivers.errors import ProtocolError
from drivers.prober.sentio_codes import END_OF_ROUTE, prober_error

_REPLY = re.compile(r"(?P<head>[0-9]{1,7}),(?P<command_id>[0-9]{1,9}),(?P<message>[^\r\n]*)")
_INTEGER = re.compile(r"[-+]?[0-9]{1,9}")
_NUMBER = re.compile(r"[-+]?(?:[0-9]{1,15}(?:\.[0-9]{0,15})?|\.[0-9]{1,15})(?:[eE][-+]?[0-9]{1,3})?")
_CODE_BITS = 10
_SHOWN = 120
"""Characters of a strange reply that a text quotes."""

Word = TypeVar("Word", bound=StrEnum)


class StatusBits(IntFlag):
    NONE = 0
    END_OF_ROUTE = 1
    LAST_SITE = 2


@dataclass(frozen=True)
class Reply:
    """A reply without an error. command, prober: for the texts of errors found in its message. command_id: 0 unless asynchronous.

    doubt: told why when its message is no answer to its command, which may then be another's.
    """

    status: StatusBits
    message: str
    command: str
    prober: str
    command_id: int = 0
    doubt: Callable[[str], None] = field(default=lambda _: None, compare=False, repr=False)

    @property
    def fields(self) -> tuple[str, ...]:
        """The message split at commas, blanks stripped."""
        return tuple(field.strip() for field in self.message.split(","))

    def floats(self, count: int) -> tuple[float, ...]:
        """Exactly `count` finite numbers with a decimal point. Raises ProtocolError."""
        return self._numbers(self.fields, count)

    def ints(self, count: int) -> tuple[int, ...]:
        """Exactly `count` integers. Raises ProtocolError."""
        if len(self.fields) != count or not all(_INTEGER.fullmatch(field) for field in self.fields):
            raise self.unexpected(f"{count} integers")
        return tuple(int(field) for field in self.fields)

    def flags(self, count: int) -> tuple[bool, ...]:
        """Exactly `count` flags, each 0 or 1. Raises ProtocolError."""
        if len(self.fields) != count or not set(self.fields) <= {"0", "1"}:
            raise self.unexpected(f"{count} flags of 0 or 1")
        return tuple(field == "1" for field in self.fields)

    def floats_from(self, count: int, reference: str) -> tuple[float, ...]:
        """`count` numbers and the reference they count from: the only replies that say what they answer. Raises ProtocolError."""
        *numbers, named = self.fields
        if named.lower() != reference.lower():
            raise self.unexpected(f"{count} finite number{'s' * (count > 1)} and {reference}")
        return self._numbers(tuple(numbers), count)

    def one_of(self, words: type[Word]) -> Word:
        """A single word of a known set, in any case. Raises ProtocolError."""
        for word in words:
            if word.value.lower() == self.message.strip().lower():
                return word
        raise self.unexpected(f"one of {', '.join(words)}")

    def matched(self, pattern: re.Pattern[str], expected: str) -> re.Match[str]:
        """The message as a pattern reads it. Raises ProtocolError."""
        match = pattern.search(self.message)
        if match is None:
            raise self.unexpected(expected)
        return match

    def unexpected(self, expected: str) -> ProtocolError:
        """What to raise when the message is not what was expected; doubts the connection."""
        text = f"{self.prober}: {self.command!r} was answered {self.message[:_SHOWN]!r}, expected {expected}"
        self.doubt(text)
        return ProtocolError(text)

    def _numbers(self, fields: tuple[str, ...], count: int) -> tuple[float, ...]:
        values = tuple(_float(field) for field in fields)
        if len(values) != count or not all(math.isfinite(value) for value in values):
            raise self.unexpected(f"{count} finite number{'s' * (count > 1)}")
        return values


def parse_reply(line: str, command: str, prober: str, doubt: Callable[[str], None] = lambda _: None) -> Reply:
    """Raises ProtocolError for what is no reply, a ProberError of the code's class for an error code."""
    match = _REPLY.fullmatch(line.strip())
    if match is None:
        raise ProtocolError(
            f"{prober}: {command!r} was answered {line[:_SHOWN]!r}, no reply of a SENTIO; check [prober] address in lab.toml"
        )
    head = int(match["head"])
    code = head & ((1 << _CODE_BITS) - 1)
    if code not in (0, END_OF_ROUTE):
        raise prober_error(code, match["message"][:_SHOWN], command, prober)
    at_end = StatusBits.END_OF_ROUTE if code == END_OF_ROUTE else StatusBits.NONE
    return Reply(StatusBits(head >> _CODE_BITS & 3) | at_end, match["message"], command, prober, int(match["command_id"]), doubt)


def _float(field: str) -> float:
    return float(field) if _NUMBER.fullmatch(field) else math.nan
