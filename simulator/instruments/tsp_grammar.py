"""The flat part of TSP: statements one after the other, without control flow and without functions of one's own.

Rule: what is read here reads the same as by Lua; what is Lua and not flat is refused by name.
Read by hand, because what there is does not fit: luaparser builds a whole Lua 5.3 tree through ANTLR, milliseconds for a line that
has to be answered in microseconds, and its errors are not the instrument's; lupa is no parser but Lua itself, and is used as that
(`tsp_lua`) where it is installed.
Source: Lua 5.0 reference manual, "The Complete Syntax of Lua"; operator precedence as in 2600BS-901-01, "Operator precedence".
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from simulator.instruments.tsp_values import Value
from simulator.instruments.tsp_words import TspSyntaxError, Word, words

_NOT_FLAT = frozenset(["break", "do", "for", "function", "if", "repeat", "return", "while"])
_LEVELS = ((1, "or"), (2, "and"), (3, "< > <= >= ~= =="), (4, ".."), (5, "+ -"), (6, "* / %"), (8, "^"))
_LEFT = {operator: level for level, operators in _LEVELS for operator in operators.split()}
"""How strongly an operator binds what stands left of it."""
_UNARY = 7
_RIGHT_ASSOCIATIVE = frozenset({"..", "^"})
_CHUNKS_KEPT = 1_024
_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Constant:
    value: Value


@dataclass(frozen=True)
class Name:
    text: str


@dataclass(frozen=True)
class Index:
    owner: "Expression"
    key: "Expression"
    line: int


@dataclass(frozen=True)
class Call:
    """method: of `owner:method(...)`, whose owner is `function`."""

    function: "Expression"
    arguments: "tuple[Expression, ...]"
    line: int
    method: str | None = None


@dataclass(frozen=True)
class Unary:
    operator: str
    operand: "Expression"
    line: int


@dataclass(frozen=True)
class Binary:
    operator: str
    left: "Expression"
    right: "Expression"
    line: int


@dataclass(frozen=True)
class Bracketed:
    """An expression in brackets has one value."""

    inner: "Expression"


@dataclass(frozen=True)
class Braces:
    array: "tuple[Expression, ...]"
    pairs: "tuple[tuple[Expression, Expression], ...]"


Expression = Constant | Name | Index | Call | Unary | Binary | Bracketed | Braces


@dataclass(frozen=True)
class Assign:
    targets: tuple[Name | Index, ...]
    values: tuple[Expression, ...]
    line: int


@dataclass(frozen=True)
class Local:
    names: tuple[str, ...]
    values: tuple[Expression, ...]
    line: int


Statement = Assign | Local | Call


@lru_cache(_CHUNKS_KEPT)
def parse(source: str) -> tuple[Statement, ...]:
    """Statements of a chunk. Raises TspSyntaxError with the instrument's text."""
    return _Reader(source).chunk()


class _Reader:
    """One word ahead, so that what stands first is complained of first."""

    def __init__(self, source: str) -> None:
        self._words = words(source)
        self._word = next(self._words)

    def _next(self) -> Word:
        word = self._word
        if word.kind != "end":
            self._word = next(self._words)
        return word

    def _is(self, text: str) -> bool:
        word = self._word
        return word.kind == "symbol" and word.text == text

    def _take(self, text: str) -> bool:
        if self._is(text):
            self._next()
            return True
        return False

    def _expect(self, text: str) -> None:
        if not self._take(text):
            raise self._error(f"`{text}' expected")

    def _error(self, what: str) -> TspSyntaxError:
        return TspSyntaxError(f"{what} near `{self._word.text}'", self._word.line)

    def _name(self) -> str:
        if self._word.kind != "name":
            raise self._error("<name> expected")
        return self._next().text

    # --- statements
    def chunk(self) -> tuple[Statement, ...]:
        statements: list[Statement] = []
        while self._word.kind != "end":
            statements.append(self._statement())
            self._take(";")
        return tuple(statements)

    def _statement(self) -> Statement:
        word = self._word
        if word.kind == "symbol" and word.text in _NOT_FLAT:
            raise TspSyntaxError(f"`{word.text}' is only understood with Lua installed (the package lupa)", word.line)
        if self._take("local"):
            names = self._listed(self._name)
            return Local(names, self._listed(self._expression) if self._take("=") else (), word.line)
        first = self._suffixed()
        if isinstance(first, Call):
            return first
        targets: list[Expression] = [first]
        while self._take(","):
            targets.append(self._suffixed())
        self._expect("=")
        assigned = tuple(each for each in targets if isinstance(each, Name | Index))
        if len(assigned) < len(targets):
            raise self._error("syntax error")
        return Assign(assigned, self._listed(self._expression), word.line)

    def _listed(self, read: Callable[[], _Item]) -> tuple[_Item, ...]:
        items = [read()]
        while self._take(","):
            items.append(read())
        return tuple(items)

    # --- expressions
    def _expression(self, weaker: int = 0) -> Expression:
        line = self._word.line
        if self._word.kind == "symbol" and self._word.text in ("not", "-", "#"):
            left: Expression = Unary(self._next().text, self._expression(_UNARY), line)
        else:
            left = self._simple()
        while self._word.kind == "symbol" and (binds := _LEFT.get(self._word.text, 0)) > weaker:
            operator = self._next()
            right = self._expression(binds - 1 if operator.text in _RIGHT_ASSOCIATIVE else binds)
            left = Binary(operator.text, left, right, operator.line)
        return left

    def _simple(self) -> Expression:
        word = self._word
        if word.kind in ("number", "string"):
            return Constant(self._next().value)
        if word.kind == "symbol" and word.text in ("nil", "true", "false"):
            return Constant({"nil": None, "true": True, "false": False}[self._next().text])
        if self._is("{"):
            return self._braces()
        if self._is("function"):
            raise TspSyntaxError("`function' is only understood with Lua installed (the package lupa)", word.line)
        return self._suffixed()

    def _suffixed(self) -> Expression:
        """A name or brackets, and what follows: indices and calls."""
        line = self._word.line
        if self._take("("):
            found: Expression = Bracketed(self._expression())
            self._expect(")")
        elif self._word.kind == "name":
            found = Name(self._next().text)
        else:
            raise self._error("unexpected symbol")
        while True:
            line = self._word.line
            if self._take("."):
                found = Index(found, Constant(self._name()), line)
            elif self._take("["):
                found = Index(found, self._expression(), line)
                self._expect("]")
            elif self._take(":"):
                method = self._name()
                found = Call(found, self._arguments(), line, method)
            elif self._is("(") or self._is("{") or self._word.kind == "string":
                found = Call(found, self._arguments(), line)
            else:
                return found

    def _arguments(self) -> tuple[Expression, ...]:
        if self._word.kind == "string":
            return (Constant(self._next().value),)
        if self._is("{"):
            return (self._braces(),)
        self._expect("(")
        if self._take(")"):
            return ()
        found = self._listed(self._expression)
        self._expect(")")
        return found

    def _braces(self) -> Braces:
        self._expect("{")
        array: list[Expression] = []
        pairs: list[tuple[Expression, Expression]] = []
        while not self._is("}"):
            if self._take("["):
                key = self._expression()
                self._expect("]")
                self._expect("=")
                pairs.append((key, self._expression()))
            else:
                value = self._expression()
                if isinstance(value, Name) and self._take("="):
                    pairs.append((Constant(value.text), self._expression()))
                else:
                    array.append(value)
            if not (self._take(",") or self._take(";")):
                break
        self._expect("}")
        return Braces(tuple(array), tuple(pairs))
