"""bit.*: whole numbers as bits, places counted from 1. Source: 2600BS-901-01, bit.*."""

from collections.abc import Callable

from simulator.instruments.keithley2600.errors import Refused, whole
from simulator.instruments.keithley2600.natives import Natives
from simulator.instruments.tsp_values import Arguments, Native, Value

_WIDTH = 32
Two = Callable[[int, int], int]
_TWO: dict[str, Two] = {
    "bitand": int.__and__,
    "bitor": int.__or__,
    "bitxor": int.__xor__,
}


def _place(at: int) -> int:
    return 1 << at - 1


def _field(at: int, width: int) -> int:
    return ((1 << width) - 1) << at - 1


def bit_table(natives: Natives) -> Native:
    table = natives.table()

    def placed(change: Two) -> Callable[[Arguments], Value]:
        def done(given: Arguments) -> Value:
            value, at = _numbers(given, 1)
            return float(change(value, _place(at)))

        return done

    def test(given: Arguments) -> Value:
        value, at = _numbers(given, 1)
        return bool(value & _place(at))

    def get_field(given: Arguments) -> Value:
        value, at, width = _numbers(given, 2)
        return float((value & _field(at, width)) >> at - 1)

    def set_field(given: Arguments) -> Value:
        value, at, width = _numbers(given, 2)
        new, mask = _number(given, 3), _field(at, width)
        return float(value & ~mask | new << at - 1 & mask)

    def both(do: Two) -> Callable[[Arguments], Value]:
        return lambda given: float(do(_number(given, 0), _number(given, 1)))

    for name, do in _TWO.items():
        natives.function(table, name, both(do))
    natives.function(table, "clear", placed(lambda value, bit: value & ~bit))
    natives.function(table, "get", placed(lambda value, bit: value & bit))
    natives.function(table, "set", placed(lambda value, bit: value | bit))
    natives.function(table, "toggle", placed(lambda value, bit: value ^ bit))
    natives.function(table, "test", test)
    natives.function(table, "getfield", get_field)
    natives.function(table, "setfield", set_field)
    return table


def _number(given: Arguments, at: int) -> int:
    """Raises Refused 1400, 1101, 1102."""
    if at >= len(given):
        raise Refused(1400, at + 1)
    return whole(given[at], 0, 2**_WIDTH - 1)


def _numbers(given: Arguments, places: int) -> list[int]:
    """The value, and so many places or widths (1 to 32)."""
    if len(given) <= places:
        raise Refused(1400, places + 1)
    return [_number(given, 0), *(whole(each, 1, _WIDTH) for each in given[1 : places + 1])]
