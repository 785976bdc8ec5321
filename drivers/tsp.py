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

from drivers.errors import ProtocolError, Refused
from drivers.links.text import Probe, TextLink

PRECISE = "format.asciiprecision = 16"
"""Digits of a number that reads back as the same double, but for its last bit; the default is 6."""
PROBE = Probe(f"localnode.prompts = 0 localnode.showerrors = 0 {PRECISE} print({{tag}})", "{tag:.15e}", 99_999)
"""What settles a link in doubt; one on which a client of before left prompts switched on is, too."""
ERRORS = ("hil_e = errorqueue.count", "hil_e")
"""Statement and variable: how many entries the error queue has."""
LINE_BYTES = 4_000
"""Longest line sent, its end included."""
_TAGS = PROBE.tags
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
        self._numbers = itertools.cycle(range(1, _TAGS + 1))

    def next(self) -> int:
        return next(self._numbers)


class Tsp:
    """name: how errors call the instrument, its address included. A link in doubt is settled before it is used."""

    def __init__(self, link: TextLink, name: str) -> None:
        self._link = link
        self._name = name
        self._tags = Tags()
        self._queue_is_ours = False

    def ask(self, expressions: Sequence[str], *, after: Sequence[str] = (), timeout_s: float | None = None) -> list[str]:
        """The statements `after` which it is asked stand on the same line. Raises LinkError, ProtocolError."""
        tag = self._tags.next()
        with self._link.lock:
            self.settle()
            answer = self._link.query(" ".join([*after, question(tag, expressions)]), timeout_s)
            return self._understood(answer, tag, len(expressions))

    def ask_block(
        self, expressions: Sequence[str], size: int, *, after: Sequence[str], then: Sequence[str], timeout_s: float | None = None
    ) -> tuple[list[str], bytes]:
        """As `ask`; the statements `then`, on the same line, print a block of `size` bytes behind the answer."""
        tag = self._tags.next()
        with self._link.lock:
            self.settle()
            block = self._link.query_block(" ".join([*after, question(tag, expressions), *then]), size, timeout_s)
            return self._understood(block.head.rstrip("\r\n"), tag, len(expressions)), block.data

    def group(self, purpose: str, statements: Sequence[str], asked: Sequence[str] = (), *, timeout_s: float | None = None) -> list[str]:
        """Say statements that answer nothing, then ask once what went wrong, and for `asked`. Raises Refused naming every entry.

        The question has a line of its own: an error ends the line it is in.
        """
        with self._link.lock:
            self.say(statements)
            *answers, errors = self.ask([*asked, ERRORS[1]], after=[ERRORS[0]], timeout_s=timeout_s)
            self.refuse_errors(errors, purpose, statements)
            return answers

    def say(self, statements: Sequence[str]) -> None:
        """Statements that answer nothing; what went wrong is told to the next `group`."""
        with self._link.lock:
            self.settle()
            for line in lines_of([*self.own_queue(), *statements]):
                self._link.send(line)

    def own_queue(self) -> list[str]:
        """What to say first in the next group: what stands in the queue from before is nobody's fault there."""
        if self._queue_is_ours and self._link.trusted:
            return []
        self._queue_is_ours = True
        return ["errorqueue.clear()"]

    def disown_queue(self) -> None:
        """Something was said past this, and may have left errors."""
        self._queue_is_ours = False

    def refuse_errors(self, count: str, purpose: str, statements: Sequence[str]) -> None:
        """count: the answer to `ERRORS`. Raises Refused naming every entry of the queue, which is empty afterwards."""
        if parse_count(count, self._name):
            listed = "; ".join(str(entry) for entry in self.drain_errors())
            raise Refused(f"{self._name}: {purpose} was refused: {listed}; sent {' | '.join(statements)}")

    def drain_errors(self) -> list[TspError]:
        """Every entry of the error queue, oldest first; the queue is empty afterwards."""
        entries: list[TspError] = []
        while len(entries) < _QUEUE_LIMIT:
            code, text, left = self.ask(["hil_c", "hil_t", "hil_e"], after=["hil_e = errorqueue.count", "hil_c, hil_t = errorqueue.next()"])
            if parse_count(left, self._name) == 0:
                return entries
            entries.append(TspError(round(parse_number(code, self._name)), text))
        raise ProtocolError(f"{self._name}: the error queue does not end after {_QUEUE_LIMIT} entries")

    def doubt(self, why: str) -> None:
        """What came was no answer to what was asked: the link is to be settled before its next use."""
        self._link.distrust(why)

    def settle(self) -> None:
        """Raises LinkError when it cannot be. Costs nothing where nothing happened."""
        if not self._link.trusted:
            self._queue_is_ours = False
        self._link.settle(PROBE)

    def _understood(self, answer: str, tag: int, count: int) -> list[str]:
        try:
            return parse_answer(answer, tag, count, self._name)
        except ProtocolError as error:
            self._link.distrust(str(error))
            raise
