"""SCPI words: lines into message units, header patterns, arguments. Knows no instrument.

Rule 1: a mnemonic is its short or its full long form, nothing between; case does not matter.
Rule 2: what is wrong raises ScpiError with the standard's code; a failing query is never answered.
Source: SCPI 1999.0 volume 1 (chapter 6, program headers) and IEEE 488.2 (7.6, message units); 2450 manual 2450-901-01, section 6.
"""

import functools
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

MAX_LINE = 1_000_000
"""Bytes a client may send without an end of line."""

_UNIT = re.compile(r"""(?:[^;"']|"[^"]*"|'[^']*'|["'])+""")
_ARGUMENT = re.compile(r"""(?:[^,"']|"[^"]*"|'[^']*'|["'])*""")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


class ScpiError(Exception):
    """What goes into the error queue. code: negative for the standard's errors."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text


def undefined_header() -> ScpiError:
    return ScpiError(-113, "Undefined header")


def missing_parameter() -> ScpiError:
    return ScpiError(-109, "Missing parameter")


def too_many_parameters() -> ScpiError:
    return ScpiError(-108, "Parameter not allowed")


def out_of_range() -> ScpiError:
    return ScpiError(-222, "Parameter data out of range")


def illegal_value() -> ScpiError:
    return ScpiError(-224, "Illegal parameter value")


def conflict() -> ScpiError:
    return ScpiError(-221, "Settings conflict")


@dataclass(frozen=True)
class Unit:
    """One command or query. header: from the root, without leading colon and question mark. arguments: as sent, stripped."""

    header: str
    query: bool
    arguments: tuple[str, ...]


def units(line: str) -> Iterator[Unit]:
    """Message units of one line. A header without leading colon goes on where the last one was, as the standard says."""
    path = ""
    for match in _UNIT.finditer(line):
        text = match.group().strip()
        if not text:
            continue
        head, rest = (*text.split(None, 1), "")[:2]
        query = head.endswith("?")
        head = head.removesuffix("?")
        if head.lstrip(":").startswith("*"):
            yield Unit(head.lstrip(":"), query, arguments(rest))
            continue
        header = head.lstrip(":") if head.startswith(":") or not path else f"{path}:{head}"
        path = header.rpartition(":")[0]
        yield Unit(header, query, arguments(rest))


def arguments(text: str) -> tuple[str, ...]:
    """Arguments split at commas outside quotes; an empty one at the end is none."""
    if not text.strip():
        return ()
    parts: list[str] = []
    at = 0
    while at <= len(text):
        match = _ARGUMENT.match(text, at)
        piece = match.group() if match else ""
        parts.append(piece.strip())
        at += len(piece) + 1
    return tuple(parts[:-1] if parts[-1] == "" else parts)


@functools.cache
def header_regex(pattern: str) -> re.Pattern[str]:
    """`[SENSe[1]:](VOLTage|CURRent)[:DC]:DELay:USER<5>` as a regular expression: capitals are the short form, [] is optional, () a
    choice, <5> a number from 1 to 5 that may be left out."""
    built = re.sub(r"([A-Z]+)([a-z]+)", r"\1(?:\2)?", pattern)
    built = built.replace("[", "(?:").replace("]", ")?").replace("*", r"\*")
    return re.compile(re.sub(r"<(\d)>", r"([1-\1]?)", built), re.IGNORECASE)


def unquoted(text: str) -> str:
    """Text without its quotes of either kind."""
    return text[1:-1] if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'" else text


def number(text: str, low: float, high: float, default: float) -> float:
    """NRf, MIN, MAX or DEF within low to high. Raises ScpiError -104, -222."""
    word = text.upper()
    for short, long, value in (("MIN", "MINIMUM", low), ("MAX", "MAXIMUM", high), ("DEF", "DEFAULT", default)):
        if word in (short, long):
            return value
    if not _NUMBER.fullmatch(text):
        raise ScpiError(-104, "Data type error")
    value = float(text)
    if not math.isfinite(value) or not low <= value <= high:
        raise out_of_range()
    return value


def boolean(text: str) -> bool:
    """ON, OFF or a number that is not 0. Raises ScpiError -222, -224."""
    word = text.upper()
    if word in ("ON", "OFF"):
        return word == "ON"
    if not _NUMBER.fullmatch(text):
        raise illegal_value()
    value = float(text)
    if not math.isfinite(value):
        raise out_of_range()
    return round(value) != 0


def choice(text: str, patterns: tuple[str, ...]) -> str:
    """Short form of the pattern that the text spells. Raises ScpiError -224."""
    for pattern in patterns:
        if header_regex(pattern).fullmatch(unquoted(text)):
            return short_form(pattern)
    raise illegal_value()


@functools.cache
def short_form(pattern: str) -> str:
    """Capitals and digits of a pattern, without what is optional: `CURRent[:DC]` -> `CURR`."""
    return re.sub(r"[a-z]", "", re.sub(r"\[[^\]]*\]", "", pattern))


def number_text(value: float) -> str:
    """Seven digits, as a 2450 prints by default."""
    return f"{value:.6E}"
