"""SENTIO's remote command set as words: one line in, `<code and status>,<command id>,<message>` out.

Keywords and booleans in any case, blanks or tabs after the command, arguments split at commas with or without them, an empty last
argument is none.
Source: sentio-prober-control 26.2.0 (Response.py); message texts are ASSUMPTIONS.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from simulator.instruments.sentio.codes import Code, meaning

STATUS_SHIFT = 10
LAST_DIE, LAST_SITE = 1, 2
"""Bits of the status: now on the last die of the route, on the last subsite of the die."""


class SentioError(Exception):
    """Becomes the answer's code and message. code: SENTIO's, or any number up to 1023. status: bits above the code."""

    def __init__(self, code: int, text: str = "", status: int = 0) -> None:
        self.code, self.text, self.status = code, text or meaning(code), status
        super().__init__(self.text)


@dataclass(frozen=True)
class Answer:
    """status: bits above the code. command_id: of an asynchronous command, 0 otherwise."""

    message: str = "OK"
    status: int = 0
    command_id: int = 0
    code: int = 0

    @classmethod
    def of(cls, result: "str | Answer | SentioError") -> "Answer":
        if isinstance(result, SentioError):
            return cls(result.text, result.status, code=result.code)
        return result if isinstance(result, Answer) else cls(result)

    def line(self) -> str:
        return f"{self.code + (self.status << STATUS_SHIFT)},{self.command_id},{self.message}"


@dataclass(frozen=True)
class Arguments:
    """What followed the command word."""

    words: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Arguments":
        words = [word.strip() for word in text.split(",")]
        while words and not words[-1]:
            words.pop()
        return cls(tuple(words))

    def __len__(self) -> int:
        return len(self.words)

    def after(self, count: int) -> "Arguments":
        """Without the first `count`."""
        return Arguments(self.words[count:])

    def text(self, index: int) -> str:
        """Raises SentioError INVALID_NUMBER_OF_PARAMETERS."""
        if index >= len(self.words):
            raise SentioError(Code.INVALID_NUMBER_OF_PARAMETERS, f"Invalid number of parameters: {len(self.words)}")
        return self.words[index]

    def key(self, index: int) -> str:
        """A keyword, lower case."""
        return self.text(index).lower()

    def one_of(self, index: int, allowed: Sequence[str]) -> str:
        """A keyword as `allowed` writes it. Raises SentioError INVALID_PARAMETER."""
        found = [word for word in allowed if word.lower() == self.key(index)]
        if not found:
            raise self.invalid(index)
        return found[0]

    def number(self, index: int) -> float:
        """Raises SentioError INVALID_PARAMETER."""
        try:
            # 1_000 is a number to Python alone.
            value = math.nan if "_" in self.text(index) else float(self.text(index))
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise self.invalid(index)
        return value

    def integer(self, index: int) -> int:
        value = self.number(index)
        if value != int(value):
            raise self.invalid(index)
        return int(value)

    def within(self, index: int, least: float, most: float) -> float:
        """Raises SentioError ARGUMENT_OUT_OF_BOUNDS."""
        value = self.number(index)
        if not least <= value <= most:
            raise SentioError(Code.ARGUMENT_OUT_OF_BOUNDS, f"{value:g} is outside {least:g} to {most:g}")
        return value

    def flag(self, index: int) -> bool:
        word = self.key(index)
        if word in ("true", "1", "on"):
            return True
        if word in ("false", "0", "off"):
            return False
        raise self.invalid(index)

    def invalid(self, index: int) -> SentioError:
        return SentioError(Code.INVALID_PARAMETER, f"Invalid parameter: {self.text(index)}")


def decimals(*values: float) -> str:
    """Numbers as SENTIO prints them: a point, at least one decimal, never -0."""
    return ",".join(repr(round(float(value), 3) + 0.0) for value in values)


def integers(*values: int) -> str:
    return ",".join(str(value) for value in values)


def flags(*values: bool) -> str:
    return ",".join(str(int(value)) for value in values)
