"""Carries out flat TSP statements, without Lua.

Rule 1: what a flat statement does and says is the same here and in Lua (`tsp_lua`); one test suite runs on both.
Rule 2: a statement that waits is a generator of pauses: whoever runs it decides when it goes on, or never does.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Protocol

from simulator.instruments.tsp_base import base_library
from simulator.instruments.tsp_grammar import (
    Assign,
    Binary,
    Braces,
    Bracketed,
    Call,
    Constant,
    Expression,
    Index,
    Local,
    Name,
    Statement,
    Unary,
    parse,
)
from simulator.instruments.tsp_operators import arithmetic, as_number, compared, same
from simulator.instruments.tsp_values import (
    Function,
    Native,
    Pause,
    Table,
    TspRuntimeError,
    Value,
    returned,
    text_of,
    type_name,
)

Values = tuple[Value, ...]
Steps = Generator[Pause, None, Value]


class TspStopped(Exception):
    """A statement ended the chunk by itself, as `exit()` does."""


class ScriptError(Exception):
    """The chunk ended with a run-time error (-286)."""

    def __init__(self, text: str, line: int) -> None:
        super().__init__(text)
        self.text, self.line = text, line


class Run(Protocol):
    """A chunk under way."""

    def go_on(self) -> Pause | None:
        """On to the next pause; None: it is over. Raises ScriptError, TspStopped."""
        ...


class Interpreter(Protocol):
    """scripts: whether control flow and functions are understood."""

    scripts: bool

    def compile(self, source: str) -> Value:
        """A function that carries out a chunk, as a value for statements to call. Raises TspSyntaxError."""
        ...

    def begin(self, source: str) -> Run:
        """Raises TspSyntaxError."""
        ...

    def value_of(self, name: str) -> Value:
        """Of a global variable."""
        ...

    def set_value(self, name: str, value: Value) -> None: ...


class FlatInterpreter:
    scripts = False

    def __init__(self, natives: dict[str, Value]) -> None:
        self._names = Table(pairs={**base_library(), **natives})
        self._names.set("_G", self._names)

    def compile(self, source: str) -> Value:
        parse(source)
        return Function(lambda _: FlatRun(self._names, parse(source)).steps(), waits=True)

    def begin(self, source: str) -> "FlatRun":
        return FlatRun(self._names, parse(source))

    def value_of(self, name: str) -> Value:
        return self._names.get(name)

    def set_value(self, name: str, value: Value) -> None:
        self._names.set(name, value)


@dataclass
class FlatRun:
    """One chunk. names: the globals."""

    names: Table
    statements: tuple[Statement, ...]

    def __post_init__(self) -> None:
        self._locals: dict[str, Value] = {}
        self._line = 1
        self._steps = self.steps()

    def go_on(self) -> Pause | None:
        try:
            return next(self._steps)
        except StopIteration:
            return None
        except TspRuntimeError as error:
            raise ScriptError(str(error), self._line) from error

    # --- statements
    def steps(self) -> Generator[Pause, None, None]:
        for statement in self.statements:
            self._line = statement.line
            if isinstance(statement, Call):
                yield from self._call(statement)
            elif isinstance(statement, Local):
                values = yield from self._all(statement.values)
                self._locals.update(zip(statement.names, _filled(values, len(statement.names)), strict=True))
            else:
                yield from self._assign(statement)

    def _assign(self, statement: Assign) -> Generator[Pause, None, None]:
        places: list[tuple[Value, Value]] = []
        for target in statement.targets:
            if isinstance(target, Index):
                owner = yield from self._one(target.owner)
                places.append((owner, (yield from self._one(target.key))))
            else:
                places.append((None, target.text))
        values = yield from self._all(statement.values)
        for target, place, value in zip(statement.targets, places, _filled(values, len(places)), strict=True):
            self._line = statement.line
            self._store(target, place, value)

    def _store(self, target: Name | Index, place: tuple[Value, Value], value: Value) -> None:
        owner, key = place
        if isinstance(target, Name):
            if target.text in self._locals:
                self._locals[target.text] = value
            else:
                self.names.set(target.text, value)
        elif isinstance(owner, Table | Native):
            owner.set(key, value)
        else:
            raise self._wrong("index", target.owner, owner)

    # --- expressions
    def _one(self, node: Expression) -> Steps:
        """The value of an expression, the first of several."""
        if isinstance(node, Constant):
            return node.value
        if isinstance(node, Name):
            return self._locals[node.text] if node.text in self._locals else self.names.get(node.text)
        if isinstance(node, Index):
            owner = yield from self._one(node.owner)
            key = yield from self._one(node.key)
            self._line = node.line
            return self._get(node.owner, owner, key)
        if isinstance(node, Call):
            values = yield from self._call(node)
            return values[0] if values else None
        if isinstance(node, Bracketed):
            return (yield from self._one(node.inner))
        if isinstance(node, Braces):
            return (yield from self._table(node))
        return (yield from self._operation(node))

    def _all(self, nodes: tuple[Expression, ...]) -> Generator[Pause, None, Values]:
        """The values of a list, all those of a call that ends it."""
        values: list[Value] = []
        for node in nodes[:-1]:
            values.append((yield from self._one(node)))  # noqa: PERF401  (no comprehension can yield from)
        for node in nodes[-1:]:
            if isinstance(node, Call):
                values.extend((yield from self._call(node)))
            else:
                values.append((yield from self._one(node)))
        return tuple(values)

    def _table(self, node: Braces) -> Steps:
        pairs: dict[Value, Value] = {}
        for key_node, value_node in node.pairs:
            key = yield from self._one(key_node)
            value = yield from self._one(value_node)
            if key is None:
                raise TspRuntimeError("table index is nil")
            if value is not None:
                pairs[key] = value
        return Table((yield from self._all(node.array)), pairs)

    def _call(self, node: Call) -> Generator[Pause, None, Values]:
        target = yield from self._one(node.function)
        self_argument: Values = ()
        if node.method is not None:
            self_argument = (target,)
            target = self._get(node.function, target, node.method)
        arguments = yield from self._all(node.arguments)
        self._line = node.line
        if isinstance(target, Native) and target.called is not None:
            target = target.called
        if not isinstance(target, Function):
            called: Expression = node.function if node.method is None else Index(node.function, Constant(node.method), node.line)
            raise self._wrong("call", called, target)
        result = target.do(self_argument + arguments)
        if target.waits:
            result = yield from result
        return returned(result)

    def _operation(self, node: Unary | Binary) -> Steps:
        if isinstance(node, Unary):
            operand = yield from self._one(node.operand)
            self._line = node.line
            return self._unary(node, operand)
        left = yield from self._one(node.left)
        if node.operator in ("and", "or"):
            false = left is None or left is False
            return left if false == (node.operator == "and") else (yield from self._one(node.right))
        right = yield from self._one(node.right)
        self._line = node.line
        return self._binary(node, left, right)

    # --- operators
    def _unary(self, node: Unary, operand: Value) -> Value:
        if node.operator == "not":
            return operand is None or operand is False
        if node.operator == "-":
            number = as_number(operand)
            if number is None:
                raise self._wrong("perform arithmetic on", node.operand, operand)
            return -number
        if isinstance(operand, str):
            return float(len(operand))
        if isinstance(operand, Table):
            return float(len(operand))
        raise self._wrong("get length of", node.operand, operand)

    def _binary(self, node: Binary, left: Value, right: Value) -> Value:
        operator = node.operator
        if operator in ("==", "~="):
            return same(left, right) == (operator == "==")
        if operator in ("<", ">", "<=", ">="):
            return compared(operator, left, right)
        if operator == "..":
            for side, value in ((node.left, left), (node.right, right)):
                if isinstance(value, bool) or not isinstance(value, float | str):
                    raise self._wrong("concatenate", side, value)
            return text_of(left) + text_of(right)
        numbers: list[float] = []
        for side, value in ((node.left, left), (node.right, right)):
            number = as_number(value)
            if number is None:
                raise self._wrong("perform arithmetic on", side, value)
            numbers.append(number)
        return arithmetic(operator, *numbers)

    def _get(self, node: Expression, owner: Value, key: Value) -> Value:
        if isinstance(owner, Table | Native):
            return owner.get(key)
        raise self._wrong("index", node, owner)

    def _wrong(self, doing: str, node: Expression, value: Value) -> TspRuntimeError:
        """What Lua says of an operand that it cannot use."""
        if isinstance(node, Name):
            what = f"{'local' if node.text in self._locals else 'global'} `{node.text}' (a {type_name(value)} value)"
        elif isinstance(node, Index) and isinstance(node.key, Constant) and isinstance(node.key.value, str):
            what = f"field `{node.key.value}' (a {type_name(value)} value)"
        else:
            what = f"a {type_name(value)} value"
        return TspRuntimeError(f"attempt to {doing} {what}")


def _filled(values: Values, count: int) -> Values:
    return (*values[:count], *(None,) * (count - len(values)))
