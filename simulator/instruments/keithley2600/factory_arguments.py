"""Arguments of the factory scripts: levels, times and buffers as KISweep and KIPulse take them.

Rule: what is not given is nil, and refused where it is used.
Source: 2600BS-901-01, "KISweep factory script", "KIPulse factory script".
"""

from collections.abc import Callable, Sequence

from simulator.instruments.keithley2600.buffers import ReadingBuffer, buffer_in
from simulator.instruments.keithley2600.errors import Refused, number
from simulator.instruments.keithley2600.readings import Quantity
from simulator.instruments.keithley2600.smu import Smu
from simulator.instruments.tsp_values import Arguments, Native, Table, Value

Levels = Callable[[Sequence[Value], int], Sequence[float]]


def same(given: Sequence[Value], points: int) -> Sequence[float]:
    return [number(value_at(given, 0), -1e3, 1e3)] * points


def linear(given: Sequence[Value], points: int) -> Sequence[float]:
    start, stop = (number(value_at(given, at), -1e3, 1e3) for at in range(2))
    return [start + (stop - start) * at / max(points - 1, 1) for at in range(points)]


def logarithmic(given: Sequence[Value], points: int) -> Sequence[float]:
    """Raises Refused 1401 for ends of different signs, or zero."""
    start, stop = (number(value_at(given, at), -1e3, 1e3) for at in range(2))
    if start * stop <= 0:
        raise Refused(1401, 2)
    return [start * (stop / start) ** (at / max(points - 1, 1)) for at in range(points)]


def listed(given: Sequence[Value], points: int) -> Sequence[float]:
    """Raises Refused 1401."""
    values = given[0].array() if given and isinstance(given[0], Table) else []
    if len(values) < points:
        raise Refused(1401, 2)
    return [number(each, -1e3, 1e3) for each in values[:points]]


def value_at(given: Sequence[Value], at: int) -> Value:
    """nil for what is not given; then what it is used for refuses it."""
    return given[at] if at < len(given) else None


def given_or(given: Sequence[Value], at: int, default: Value) -> Value:
    value = value_at(given, at)
    return default if value is None else value


def smu_in(given: Arguments) -> Smu:
    """Raises Refused 1400, 1401."""
    if not given:
        raise Refused(1400, 1)
    behind = given[0].of if isinstance(given[0], Native) else None
    if not isinstance(behind, Smu):
        raise Refused(1401, 1)
    return behind


def off_times(value: Value, points: int) -> tuple[float, ...]:
    """Raises Refused 1401 for a table of another length."""
    times = [number(each, 0.0, 1e5) for each in (value.array() if isinstance(value, Table) else [value])]
    if len(times) not in (1, points):
        raise Refused(1401, 7)
    return tuple(times if len(times) == points else times * points)


def targets_in(value: Value, quantity: Quantity) -> tuple[tuple[Quantity, ReadingBuffer], ...]:
    """A buffer, a table of two of them (i and v), or nil for no measurement."""
    if value is None:
        return ()
    if isinstance(value, Table):
        return ("i", buffer_in((value.get("i"),))), ("v", buffer_in((value.get("v"),)))
    return ((quantity, buffer_in((value,))),)
