"""TSP text into words. Source: Lua 5.0 reference manual, "Lexical Conventions"; 2600BS-901-01, "Lua basics".

Kinder than the instrument in three things that Lua 5.0.2 does not know and later Luas do: hexadecimal numbers, `#` and `%`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from simulator.instruments.tsp_values import number_in

Kind = Literal["name", "number", "string", "symbol", "end"]
KEYWORDS = frozenset(
    [
        "and",
        "break",
        "do",
        "else",
        "elseif",
        "end",
        "false",
        "for",
        "function",
        "if",
        "in",
        "local",
        "nil",
        "not",
        "or",
        "repeat",
        "return",
        "then",
        "true",
        "until",
        "while",
    ]
)
_WORD = re.compile(
    r"""(?P<space>\s+|--\[\[.*?\]\]|--[^\n]*)
    |(?P<name>[A-Za-z_]\w*)
    |(?P<number>0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    |(?P<long>\[\[.*?\]\])
    |(?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
    |(?P<symbol>\.\.\.?|==|~=|<=|>=|[-+*/^%\#<>=(){}\[\];:,.])""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_ESCAPE = re.compile(r"\\(\d{1,3}|.)", re.DOTALL)
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


class TspSyntaxError(Exception):
    """What was said is no TSP (-285)."""

    def __init__(self, text: str, line: int) -> None:
        super().__init__(text)
        self.text, self.line = text, line


@dataclass(frozen=True)
class Word:
    """text: as written. value: of a number or a string; keywords are symbols."""

    kind: Kind
    text: str
    line: int
    value: float | str | None = None


def words(source: str) -> Iterator[Word]:
    """Words of a chunk, its end last. Raises TspSyntaxError."""
    at, line = 0, 1
    while at < len(source):
        found = _WORD.match(source, at)
        if found is None:
            raise _unreadable(source[at:], line)
        text, kind = found.group(), found.lastgroup or ""
        if kind != "space":
            if kind == "number" and re.match(r"[\w.]", source[found.end() : found.end() + 1]):
                raise TspSyntaxError(f"malformed number near `{text + source[found.end()]}'", line)
            yield _word(kind, text, line)
        line += text.count("\n")
        at = found.end()
    yield Word("end", "<eof>", line)


def _word(kind: str, text: str, line: int) -> Word:
    if kind == "name":
        return Word("symbol" if text in KEYWORDS else "name", text, line)
    if kind == "number":
        return Word("number", text, line, number_in(text))
    if kind == "long":
        return Word("string", text, line, text[2:-2].removeprefix("\n"))
    if kind == "string":
        return Word("string", text, line, _ESCAPE.sub(_unescaped, text[1:-1]))
    return Word("symbol", text, line)


def _unescaped(found: re.Match[str]) -> str:
    code = found.group(1)
    return chr(int(code) & 0xFF) if code.isdigit() else _ESCAPES.get(code, code)


def _unreadable(rest: str, line: int) -> TspSyntaxError:
    if rest[0] in "\"'":
        near = "<eof>" if "\n" not in rest else rest.splitlines()[0]
        return TspSyntaxError(f"unfinished string near `{near}'", line)
    if rest.startswith("[["):
        return TspSyntaxError("unfinished long string near `<eof>'", line)
    return TspSyntaxError(f"unexpected symbol near `{rest[0]}'", line)
