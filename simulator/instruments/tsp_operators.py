"""Lua's operators on plain values. Source: Lua 5.0 reference manual, "Expressions"."""

import math

from simulator.instruments.tsp_values import TspRuntimeError, Value, number_in, type_name


def as_number(value: Value) -> float | None:
    if isinstance(value, float):
        return value
    return number_in(value) if isinstance(value, str) else None


def same(left: Value, right: Value) -> bool:
    return type(left) is type(right) and (left is right or (isinstance(left, float | str) and left == right))


def compared(operator: str, left: Value, right: Value) -> bool:
    if type(left) not in (float, str) or type(left) is not type(right):
        names = type_name(left), type_name(right)
        raise TspRuntimeError(
            f"attempt to compare two {names[0]} values" if names[0] == names[1] else f"attempt to compare {names[0]} with {names[1]}"
        )
    if operator in (">", ">="):
        left, right, operator = right, left, {">": "<", ">=": "<="}[operator]
    return left < right if operator == "<" else left <= right


def arithmetic(operator: str, left: float, right: float) -> float:
    try:
        if operator == "^":
            return math.pow(left, right)
        if operator in ("/", "%"):
            return left / right if operator == "/" else left % right
    except (ZeroDivisionError, OverflowError, ValueError):
        return _as_c_does(operator, left, right)
    return {"+": left + right, "-": left - right, "*": left * right}[operator]


def _as_c_does(operator: str, left: float, right: float) -> float:
    """What IEEE 754 says where Python refuses."""
    if operator == "/" and left and not math.isnan(left):
        return math.copysign(math.inf, left) * math.copysign(1.0, right)
    if operator == "^" and left in (0.0, -0.0):
        return math.inf
    return math.copysign(math.inf, left) if operator == "^" and abs(left) > 1.0 else math.nan
