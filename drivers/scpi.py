"""SCPI words over a text link: a query, a group of commands, the error queue.

Rule 1: the error queue is drained once a group and its entries are raised for that group, never left for the next caller.
Rule 2: a number goes out as repr() writes it, which reads back exactly: %f makes 1 nA zero and %g keeps six digits.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from drivers.errors import ProtocolError, Refused
from drivers.links.text import TextLink

_ERROR_ENTRY = re.compile(r'\s*(?P<code>[+-]?\d+)\s*,\s*"(?P<text>.*)"\s*')
_QUEUE_LIMIT = 100
"""Entries after which an error queue that never empties is taken for nonsense."""


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
    try:
        return float(text)
    except ValueError as error:
        raise ProtocolError(f"{what}: {text!r} is not a number") from error


def parse_flag(text: str, what: str) -> bool:
    """Raises ProtocolError naming `what` unless text is 0 or 1."""
    if text.strip() not in ("0", "1"):
        raise ProtocolError(f"{what}: {text!r} is neither 0 nor 1")
    return text.strip() == "1"


def parse_error(text: str, what: str) -> ScpiError:
    """Entry of SYST:ERR?, such as `-113,"Undefined header;1;2026/01/01 00:00:00.000"`."""
    match = _ERROR_ENTRY.fullmatch(text)
    if match is None:
        raise ProtocolError(f"{what}: {text!r} is not an entry of an error queue")
    return ScpiError(int(match["code"]), match["text"].split(";")[0])


class Scpi:
    """name: how errors call the instrument, its address included."""

    def __init__(self, link: TextLink, name: str) -> None:
        self._link = link
        self._name = name

    def query(self, message: str, timeout_s: float | None = None) -> str:
        return self._link.query(message, timeout_s)

    def group(self, purpose: str, commands: Sequence[str]) -> None:
        """Send commands that have no answer, then ask once what went wrong. Raises Refused naming every entry."""
        with self._link.lock:
            for command in commands:
                self._link.send(command)
            entries = self.drain_errors()
        if entries:
            listed = "; ".join(str(entry) for entry in entries)
            raise Refused(f"{self._name}: {purpose} was refused: {listed}; sent {' | '.join(commands)}")

    def drain_errors(self) -> list[ScpiError]:
        """Every entry of the error queue, oldest first; the queue is empty afterwards."""
        entries: list[ScpiError] = []
        while len(entries) < _QUEUE_LIMIT:
            entry = parse_error(self._link.query("SYST:ERR?"), self._name)
            if entry.code == 0:
                return entries
            entries.append(entry)
        raise ProtocolError(f"{self._name}: the error queue does not end after {_QUEUE_LIMIT} entries")
