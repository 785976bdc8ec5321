"""What a 2450's handlers are given and give back. A handler returns the answer or None and raises ScpiError."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.instruments.scpi import illegal_value, missing_parameter, number, unquoted

if TYPE_CHECKING:
    from simulator.instruments.keithley2450.core import Core


@dataclass(frozen=True)
class Call:
    """groups: words of the header's choices, short and upper case, and its numbers ("" where left out). arguments: as sent."""

    groups: tuple[str, ...]
    arguments: tuple[str, ...]

    def argument(self, index: int = 0) -> str:
        """Raises ScpiError -109 when it is missing."""
        if index >= len(self.arguments) or not self.arguments[index]:
            raise missing_parameter()
        return self.arguments[index]

    def given(self, index: int, default: str = "") -> str:
        """An argument that may be left out."""
        return self.arguments[index] if index < len(self.arguments) and self.arguments[index] else default

    def number(self, index: int, low: float, high: float, default: float | None = None) -> float:
        """default: None where the number must be given. Raises ScpiError -104, -109, -222."""
        if default is not None and not self.given(index):
            return default
        return number(self.argument(index), low, high, low if default is None else default)

    def whole(self, index: int, low: int, high: int, default: int | None = None) -> int:
        return round(self.number(index, low, high, default))

    def name(self, index: int, default: str = "") -> str:
        """A quoted name."""
        return unquoted(self.given(index, default))

    @property
    def function(self) -> str:
        return self.groups[0] if self.groups[0] != "RESI" else "RES"

    def suffix(self, index: int) -> int:
        """A number in the header; 1 where it was left out."""
        return int(self.groups[index] or "1")


_SOURCE_AND_MEASURE = ("SOURce", "[SENSe", "CALCulate", "ROUTe")

Answer = str | bytes | None
Handler = Callable[["Core", Call], Answer]


@dataclass(frozen=True)
class Command:
    """A header pattern and what setting and asking do; None where the header has no such form.

    takes, asks: the most arguments that the command and the query have.
    """

    pattern: str
    set: Handler | None = None
    query: Handler | None = None
    takes: int = 1
    asks: int = 1

    @property
    def idle_only(self) -> bool:
        """Source and measure settings do not change while the trigger model runs (reference manual, 3, running the trigger model)."""
        return self.pattern.startswith(_SOURCE_AND_MEASURE)


def says(answer: Callable[[Core], str]) -> Handler:
    """A query that needs nothing of the call."""
    return lambda core, _: answer(core)


def nothing(_: Core, __: Call) -> None:
    """Accepted, and without effect on the pretended instrument (display, beeper, front panel)."""


def default_word(call: Call) -> str | None:
    """MIN, MAX or DEF as a query's argument; None when there is none. Raises ScpiError -224."""
    word = call.given(0).upper()
    if not word:
        return None
    if word not in ("MIN", "MINIMUM", "MAX", "MAXIMUM", "DEF", "DEFAULT"):
        raise illegal_value()
    return word
