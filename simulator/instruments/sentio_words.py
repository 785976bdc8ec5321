"""SENTIO's remote command set as words: one line in, `<code and status>,<command id>,<message>` out.

Keywords and booleans in any case, arguments split at commas with or without blanks, an empty last argument is none.
Source: sentio-prober-control 26.2.0 (Response.py, Enumerations.py:RemoteCommandError); message texts are assumptions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.instruments.sentio import Sentio

STATUS_SHIFT = 10
LAST_DIE = 1


class Code(IntEnum):
    EXECUTION_ERROR = 2
    INVALID_PARAMETER = 6
    WRONG_COUNT = 7
    OUT_OF_BOUNDS = 8
    END_OF_ROUTE = 11
    INVALID_OPERATION = 12
    NOT_SUPPORTED = 13
    HOME_NOT_SET = 18
    CONTACT_NOT_SET = 23
    UNKNOWN_COMMAND_ID = 32
    PROBER_DOOR_OPEN = 66
    VACUUM_FAILED = 68
    NO_WAFER = 86
    OVERTRAVEL_LIMIT = 120
    SOAKING_TIME = 200


class SentioError(Exception):
    """Becomes the answer's code and message."""

    def __init__(self, code: Code, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text


@dataclass(frozen=True)
class Answer:
    """status: bits above the code. command_id: of an asynchronous command, 0 otherwise."""

    message: str = "OK"
    status: int = 0
    command_id: int = 0

    def line(self, code: int = 0) -> str:
        return f"{code + (self.status << STATUS_SHIFT)},{self.command_id},{self.message}"


@dataclass(frozen=True)
class Arguments:
    """What followed the command word."""

    words: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Arguments:
        words = [word.strip() for word in text.split(",")]
        while words and not words[-1]:
            words.pop()
        return cls(tuple(words))

    def __len__(self) -> int:
        return len(self.words)

    def text(self, index: int) -> str:
        """Raises SentioError WRONG_COUNT."""
        if index >= len(self.words):
            raise SentioError(Code.WRONG_COUNT, f"Invalid number of parameters: {len(self.words)}")
        return self.words[index]

    def key(self, index: int) -> str:
        """A keyword, lower case."""
        return self.text(index).lower()

    def number(self, index: int) -> float:
        """Raises SentioError INVALID_PARAMETER."""
        text = self.text(index)
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise SentioError(Code.INVALID_PARAMETER, f"Invalid parameter: {text}")
        return value

    def integer(self, index: int) -> int:
        value = self.number(index)
        if value != int(value):
            raise SentioError(Code.INVALID_PARAMETER, f"Invalid parameter: {self.text(index)}")
        return int(value)

    def flag(self, index: int) -> bool:
        word = self.key(index)
        if word in ("true", "1", "on"):
            return True
        if word in ("false", "0", "off"):
            return False
        raise SentioError(Code.INVALID_PARAMETER, f"Invalid parameter: {self.text(index)}")


Handler = Callable[["Sentio", Arguments], "str | Answer"]
"""What a command does: returns its message, raises SentioError."""


def decimals(*values: float) -> str:
    """Numbers as SENTIO prints them: a point, at least one decimal, never -0."""
    return ",".join(repr(round(value, 3) + 0.0) for value in values)


def integers(*values: int) -> str:
    return ",".join(str(value) for value in values)


def flags(*values: bool) -> str:
    return ",".join(str(int(value)) for value in values)
