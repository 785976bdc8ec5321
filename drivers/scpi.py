"""SCPI words over a text link: questions that cannot be answered by another one's answer, groups of commands, the error queue.

Rule 1: every message carries a number that its answer begins with, and every value is asked for twice in the same message: a late
answer has another number, and a garbled digit, which is a number too, differs from its twin. What does not agree is no value.
Rule 2: the error queue is drained once a group and its entries are raised for that group, never left for the next caller.
Rule 3: a number goes out as repr() writes it, which reads back exactly: %f makes 1 nA zero and %g keeps six digits.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from drivers.errors import ProtocolError, Refused
from drivers.links.text import Probe, TextLink

_ERROR_ENTRY = re.compile(r'\s*(?P<code>[+-]?\d+)\s*,\s*"(?P<text>.*)"\s*')
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")
_FIELD = re.compile(r'(?:[^;"]|"[^"]*")+')
_QUEUE_LIMIT = 100
"""Entries after which an error queue that never empties is taken for nonsense."""
_NO_ERROR = "no error"

PROBE = Probe("*ESE {tag};*ESE?", "{tag}", tags=255)
"""The mask of a register that raises nothing here (IEEE 488.2, 10.10): any number is allowed, and reads back."""


@dataclass(frozen=True)
class Question:
    """One question. again: asked in the same message and answered by the very same text; None: `text` itself.

    once: it is not repeated, because it has a side effect or its answer proves itself to who asks. fields: parts of one answer that
    are divided by semicolons.
    """

    text: str
    again: str | None = None
    once: bool = False
    fields: int = 1

    @property
    def asked(self) -> tuple[str, ...]:
        return (self.text,) if self.once else (self.text, self.text if self.again is None else self.again)


Step = str | Question
"""A command, which has no answer, or a question."""


@dataclass(frozen=True)
class ScpiError:
    """One entry of an instrument's error queue; code 0 means it is empty."""

    code: int
    text: str

    def __str__(self) -> str:
        return f"{self.code} {self.text}"


def number(value: float) -> str:
    """NRf text that reads back as the very same float. Raises ValueError for NaN and infinity."""
    if not math.isfinite(value):
        raise ValueError(f"{value!r} is not a number an instrument can be set to")
    return repr(float(value))


def parse_number(text: str, what: str) -> float:
    """Raises ProtocolError naming `what` unless text is one number."""
    if not _NUMBER.fullmatch(text):
        raise ProtocolError(f"{what}: {text!r} is not a number")
    return float(text)


def parse_count(text: str, what: str) -> int:
    """Raises ProtocolError naming `what` unless text is a whole number, not below zero."""
    value = parse_number(text, what)
    if value < 0 or not value.is_integer():
        raise ProtocolError(f"{what}: {text!r} is no count")
    return int(value)


def parse_flag(text: str, what: str) -> bool:
    """Raises ProtocolError naming `what` unless text is 0 or 1."""
    if text.strip() not in ("0", "1"):
        raise ProtocolError(f"{what}: {text!r} is neither 0 nor 1")
    return text.strip() == "1"


def parse_error(text: str, what: str) -> ScpiError:
    """Entry of SYST:ERR?, such as `-113,"Undefined header;1;2026/01/01 00:00:00.000"`. Code and text have to say the same."""
    match = _ERROR_ENTRY.fullmatch(text)
    if match is None or (int(match["code"]) == 0) is not match["text"].lower().startswith(_NO_ERROR):
        raise ProtocolError(f"{what}: {text!r} is not an entry of an error queue")
    return ScpiError(int(match["code"]), match["text"].split(";")[0])


def message(tag: int, steps: Sequence[Step]) -> str:
    """The one line that sets and asks all steps in their order, and is answered with its number first."""
    words = [PROBE.question.format(tag=tag)]
    for step in steps:
        words.extend((step,) if isinstance(step, str) else step.asked)
    return ";".join(words)


def answers(tag: int, steps: Sequence[Step], reply: str) -> list[str]:
    """The answer to each question of `message`, in order. Raises ProtocolError for a reply that is not one to that very message."""
    questions = [step for step in steps if isinstance(step, Question)]
    expected = 1 + sum(each.fields * len(each.asked) for each in questions)
    fields: list[str] = _FIELD.findall(reply)
    if len(fields) != expected or ";".join(fields) != reply or fields[0].strip() != str(tag):
        raise ProtocolError(f"{reply[:200]!r} is not the answer of {expected - 1} parts to message {tag}")
    return list(_agreed(questions, iter(fields[1:])))


def _agreed(questions: Sequence[Question], fields: Iterator[str]) -> Iterator[str]:
    for question in questions:
        said = [";".join(next(fields) for _ in range(question.fields)) for _ in question.asked]
        if len(set(said)) != 1:
            raise ProtocolError(f"{question.text} was answered twice in one message, differently: {said}")
        yield said[0]


class Scpi:
    """name: how errors call the instrument, its address included."""

    def __init__(self, link: TextLink, name: str) -> None:
        self._link = link
        self._name = name
        self._messages = 0

    def settle(self) -> None:
        """Before a new operation: the link is trusted afterwards, whatever became of the one before. Raises LinkError."""
        self._link.settle(PROBE)

    def ask(self, *steps: Step, timeout_s: float | None = None) -> list[str]:
        """One message of commands and questions, and the answer to each question. Raises LinkError, ProtocolError."""
        tag = self._next_tag()
        reply = self._link.query(message(tag, steps), timeout_s)
        try:
            return answers(tag, steps, reply)
        except ProtocolError as error:
            raise self._distrusted(str(error)) from error

    def ask_block(self, *steps: str, size: int, timeout_s: float | None = None) -> bytes:
        """What the last step, a query, answers as a binary block. Asked twice: blocks have no checksum. Raises LinkError, ProtocolError."""
        first, second = (self._block(steps, size, timeout_s) for _ in range(2))
        if first != second:
            raise self._distrusted(f"{steps[-1]} was answered twice, differently")
        return first

    def group(self, purpose: str, commands: Sequence[str]) -> None:
        """Send commands that have no answer, then ask once what went wrong. Raises Refused naming every entry."""
        with self._link.lock:
            for command in commands:
                self._link.send(command)
            self.check(purpose, commands)

    def check(self, purpose: str, commands: Sequence[str]) -> None:
        """What became of commands just sent. Raises Refused naming every entry."""
        if entries := self.drain_errors():
            listed = "; ".join(str(entry) for entry in entries)
            raise Refused(f"{self._name}: {purpose} was refused: {listed}; sent {' | '.join(commands)}")

    def drain_errors(self) -> list[ScpiError]:
        """Every entry of the error queue, oldest first; the queue is empty afterwards."""
        entries: list[ScpiError] = []
        while len(entries) < _QUEUE_LIMIT:
            (text,) = self.ask(Question("SYST:ERR?", once=True))
            try:
                entry = parse_error(text, self._name)
            except ProtocolError as error:
                raise self._distrusted(str(error)) from error
            if entry.code == 0:
                return entries
            entries.append(entry)
        raise ProtocolError(f"{self._name}: the error queue does not end after {_QUEUE_LIMIT} entries")

    def _block(self, steps: Sequence[str], size: int, timeout_s: float | None) -> bytes:
        tag = self._next_tag()
        block = self._link.query_block(message(tag, steps), size, timeout_s)
        if block.head != f"{tag};":
            raise self._distrusted(f"a block behind {block.head!r} is not the answer to message {tag}")
        return block.data

    def _next_tag(self) -> int:
        self._messages += 1
        return self._messages % PROBE.tags + 1

    def _distrusted(self, text: str) -> ProtocolError:
        self._link.distrust(text)
        return ProtocolError(f"{self._name}: {text}; nothing of it is believed")
