"""TSP words over a text link: tagged questions, groups of statements, the error queue.

Rule 1: a question names itself and is answered twice: `print(<tag>, x, x)`. An answer with another tag, or whose copies differ,
is nobody's answer, and the link is not to be trusted after it.
Rule 2: what changes is asked for once, into a variable, and the variable is printed twice.
Rule 3: flat statements alone, and none that waits: while the parser waits, `output off` waits behind it.
Rule 4: the error queue is drained once a group and its entries are raised for that group, never left for the next caller.
Source: 2600B reference manual 2600BS-901-01, sections 7 and 9.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from drivers.errors import ProtocolError

PRECISE = "format.asciiprecision = 16"
"""Digits of a number that reads back as the same double, but for its last bit; the default is 6."""
LINE_BYTES = 2_048
"""Longest line sent, its end included."""
_TAGS = 99_999
"""Tags that even six digits tell apart."""
_QUEUE_LIMIT = 100
"""Entries after which an error queue that never empties is taken for nonsense."""


@dataclass(frozen=True)
class TspError:
    """One entry of the error queue."""

    code: int
    text: str

    def __str__(self) -> str:
        return f"{self.code} {self.text}"


def number(value: float) -> str:
    """Text that reads back as the very same float. Raises ValueError for NaN and infinity."""
    if not math.isfinite(value):
        raise ValueError(f"{value!r} is not a number an instrument can be set to")
    return repr(float(value))


def table(values: Sequence[float]) -> str:
    return "{" + ", ".join(number(each) for each in values) + "}"


def question(tag: int, expressions: Sequence[str]) -> str:
    """The statement that answers with its tag and every expression twice."""
    listed = ", ".join(expressions)
    return f"print({tag}, {listed}, {listed})"


def lines_of(statements: Sequence[str], limit: int = LINE_BYTES) -> list[str]:
    """The statements in order, as few lines as they fit on."""
    lines: list[str] = []
    for each in statements:
        if lines and len(lines[-1]) + len(each) + 2 <= limit:
            lines[-1] += " " + each
        else:
            lines.append(each)
    return lines


def parse_answer(answer: str, tag: int, count: int, what: str) -> list[str]:
    """The `count` values of the answer to `question`. Raises ProtocolError naming `what` for any other answer."""
    fields = [field.strip() for field in answer.split("\t")]
    if len(fields) != 1 + 2 * count or fields[1 : 1 + count] != fields[1 + count :] or not _is_tag(fields[0], tag):
        raise ProtocolError(f"{what}: {answer[:120]!r} is not {count} values, twice, behind the tag {tag}")
    return fields[1 : 1 + count]


def parse_number(text: str, what: str) -> float:
    """Raises ProtocolError naming `what` unless text is one finite number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ProtocolError(f"{what}: {text!r} is not a number")
    return value


def parse_count(text: str, what: str) -> int:
    """Raises ProtocolError naming `what` unless text is a whole number from 0 on."""
    value = parse_number(text, what)
    if value < 0 or not value.is_integer():
        raise ProtocolError(f"{what}: {text!r} is not a count")
    return int(value)


def parse_flag(text: str, what: str) -> bool:
    """Raises ProtocolError naming `what` unless text is 0 or 1."""
    value = parse_count(text, what)
    if value > 1:
        raise ProtocolError(f"{what}: {text!r} is neither 0 nor 1")
    return value == 1


def _is_tag(text: str, tag: int) -> bool:
    try:
        return float(text) == tag
    except ValueError:
        return False


class Tags:
    """Numbers that no question shares with another that could still be answered."""

    def __init__(self) -> None:
        self._next = itertools.cycle(range(1, _TAGS + 1))

    def next(self) -> int:
        return next(self._next)
