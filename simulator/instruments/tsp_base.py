"""Lua's own library for flat statements, as far as they have a use for it; with Lua installed Lua's own is used.

Source: Lua 5.0 reference manual, "Standard Libraries"; 2600BS-901-01, "Standard libraries".
"""

import math
import re
from collections.abc import Callable

from simulator.instruments.tsp_values import Arguments, Function, Native, Table, TspRuntimeError, Value, number_in, text_of, type_name

_FORMAT = re.compile(r"%([-+ #0]*\d*(?:\.\d+)?)([cdeEfgGioqsuxX%])")


def base_library() -> dict[str, Value]:
    """Global names and what they stand for."""
    return {
        "type": _one(type_name),
        "tostring": _one(text_of),
        "tonumber": _two(_to_number),
        "next": _two(_next),
        "getmetatable": _one(lambda value: (value.metatable() if isinstance(value, Native) else None,)),
        "unpack": _one(lambda table: tuple(_table("unpack", table).array())),
        "math": Table(pairs=_MATH | {"pi": math.pi}),
        "string": Table(pairs=_STRING),
        "table": Table(pairs=_TABLE),
    }


class _WrongArgument(TspRuntimeError):
    def __init__(self, at: int, function: str, wanted: str, value: Value, missing: bool = False) -> None:
        super().__init__(f"bad argument #{at} to `{function}' ({wanted} expected, got {'no value' if missing else type_name(value)})")
        self._said = at, function, wanted, value

    def of(self, given: int) -> "_WrongArgument":
        """The same, knowing how many there were."""
        return _WrongArgument(*self._said, missing=self._said[0] > given)


def _filling(do: Callable[..., Value], count: int) -> Function:
    """A function of so many parameters: missing ones are nil, more are left out."""

    def called(given: Arguments) -> Value:
        try:
            return do(*(*given, *(None,) * count)[:count])
        except _WrongArgument as error:
            raise error.of(len(given)) from error

    return Function(called)


def _one(do: Callable[[Value], Value]) -> Function:
    return _filling(do, 1)


def _two(do: Callable[[Value, Value], Value]) -> Function:
    return _filling(do, 2)


def _three(do: Callable[[Value, Value, Value], Value]) -> Function:
    return _filling(do, 3)


def _number(function: str, at: int, value: Value) -> float:
    number = number_in(value) if isinstance(value, str) else value
    if isinstance(number, bool) or not isinstance(number, float):
        raise _WrongArgument(at, function, "number", value)
    return number


def _text(function: str, at: int, value: Value) -> str:
    if isinstance(value, bool) or not isinstance(value, float | str):
        raise _WrongArgument(at, function, "string", value)
    return text_of(value)


def _table(function: str, value: Value) -> Table:
    if not isinstance(value, Table):
        raise _WrongArgument(1, function, "table", value)
    return value


def _to_number(value: Value, base: Value) -> tuple[Value]:
    if isinstance(value, str):
        return (number_in(value, 10 if base is None else int(_number("tonumber", 2, base))),)
    return (value if isinstance(value, float) else None,)


def _next(table: Value, key: Value) -> tuple[Value, ...]:
    # A native table keeps everything behind its metatable: nothing is in it.
    pairs = list(table.items()) if isinstance(table, Table) else []
    keys = [each for each, _ in pairs]
    at = 0 if key is None else keys.index(key) + 1 if key in keys else len(keys)
    return pairs[at] if at < len(pairs) else (None,)


def _numbers(name: str, given: Arguments) -> list[float]:
    return [_number(name, at, each) for at, each in enumerate(given, 1)]


def _calculated(name: str, do: Callable[..., float | tuple[float, ...]], count: int) -> Function:
    def called(*given: Value) -> Value:
        numbers = _numbers(name, given)
        try:
            result = do(*numbers)
        except (ValueError, OverflowError, ZeroDivisionError):
            return math.nan
        return tuple(map(float, result)) if isinstance(result, tuple) else float(result)

    return _filling(called, count)


_ONE_NUMBER: dict[str, Callable[[float], float | tuple[float, ...]]] = {
    "abs": abs,
    "acos": math.acos,
    "asin": math.asin,
    "atan": math.atan,
    "ceil": math.ceil,
    "cos": math.cos,
    "deg": math.degrees,
    "exp": math.exp,
    "floor": math.floor,
    "frexp": math.frexp,
    "log": math.log,
    "log10": math.log10,
    "rad": math.radians,
    "sin": math.sin,
    "sqrt": math.sqrt,
    "tan": math.tan,
}
_TWO_NUMBERS: dict[str, Callable[[float, float], float]] = {
    "atan2": math.atan2,
    "ldexp": lambda m, e: math.ldexp(m, int(e)),
    "mod": math.fmod,
    "pow": math.pow,
}
_MATH: dict[str, Value] = {
    **{name: _calculated(name, do, 1) for name, do in _ONE_NUMBER.items()},
    **{name: _calculated(name, do, 2) for name, do in _TWO_NUMBERS.items()},
    "max": Function(lambda given: max(_numbers("max", given or (None,)))),
    "min": Function(lambda given: min(_numbers("min", given or (None,)))),
}


# --- string
def _sub(text: Value, first: Value, last: Value) -> str:
    whole = _text("sub", 1, text)
    begin, end = int(_number("sub", 2, first)), int(_number("sub", 3, -1.0 if last is None else last))
    begin = max(len(whole) + begin + 1, 1) if begin < 0 else max(begin, 1)
    end = len(whole) + end + 1 if end < 0 else end
    return whole[begin - 1 : max(end, 0)]


def _byte(text: Value, at: Value) -> tuple[Value]:
    place = 1.0 if at is None else at
    found = _sub(text, place, place)
    return (float(ord(found)) if found else None,)


def _format(given: Arguments) -> str:
    pattern, *values = given or (None,)
    left = list(values)

    def shown(found: re.Match[str]) -> str:
        flags, kind = found.groups()
        if kind == "%":
            return "%"
        value = left.pop(0) if left else None
        at = len(values) - len(left) + 1
        if kind in "sq":
            text = text_of(value)
            return f"%{flags}s" % text if kind == "s" else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
        number = _number("format", at, value)
        return f"%{flags}{kind}" % (number if kind in "eEfgG" else int(number))

    return _FORMAT.sub(shown, _text("format", 1, pattern))


def _of_text(name: str, do: Callable[[str], Value]) -> Function:
    return _one(lambda text: do(_text(name, 1, text)))


_STRING: dict[str, Value] = {
    "byte": _two(_byte),
    "char": Function(lambda given: "".join(chr(int(code) & 0xFF) for code in _numbers("char", given))),
    "format": Function(_format),
    "len": _of_text("len", lambda text: float(len(text))),
    "lower": _of_text("lower", str.lower),
    "rep": _two(lambda text, count: _text("rep", 1, text) * int(_number("rep", 2, count))),
    "sub": _three(_sub),
    "upper": _of_text("upper", str.upper),
}


# --- table
def _insert(given: Arguments) -> None:
    """(table, value), or (table, place, value)."""
    table, *rest = given or (None,)
    target = _table("insert", table)
    end = len(target) + 1
    at = int(_number("insert", 2, rest[0])) if len(rest) > 1 else end
    for index in range(end, at, -1):
        target.set(float(index), target.get(float(index - 1)))
    target.set(float(at), rest[-1] if rest else None)


def _remove(table: Value, place: Value) -> tuple[Value]:
    target = _table("remove", table)
    end = len(target)
    at = end if place is None else int(_number("remove", 2, place))
    if not 1 <= at <= end:
        return (None,)
    taken = target.get(float(at))
    for index in range(at, end + 1):
        target.set(float(index), target.get(float(index + 1)) if index < end else None)
    return (taken,)


def _joined(table: Value, between: Value) -> str:
    return _text("concat", 2, "" if between is None else between).join(text_of(each) for each in _table("concat", table).array())


_TABLE: dict[str, Value] = {
    "concat": _two(_joined),
    "getn": _one(lambda table: float(len(_table("getn", table)))),
    "insert": Function(_insert),
    "remove": _two(_remove),
}
