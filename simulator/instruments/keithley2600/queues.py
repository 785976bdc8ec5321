"""errorqueue.*, dataqueue.*, userstring.*: what a 2600B keeps in order of arrival or by name.

Source: 2600BS-901-01, the same in the command reference.
"""

from collections import deque
from collections.abc import Generator

from simulator.instruments.keithley2600.errors import ErrorQueue, Refused, number, text
from simulator.instruments.keithley2600.natives import Natives, Until
from simulator.instruments.tsp_values import Arguments, Function, Native, Pause, Value

_CAPACITY = 128
_NODE = 1.0


def error_table(errors: ErrorQueue, natives: Natives) -> Native:
    table = natives.table()

    def next_(_: Arguments) -> Value:
        entry = errors.next()
        return float(entry.code), entry.text, float(entry.severity), _NODE

    natives.attribute(table, "count", lambda: float(len(errors)))
    natives.function(table, "next", next_)
    natives.function(table, "clear", lambda _: errors.clear())
    return table


def data_table(natives: Natives) -> Native:
    table, queue = natives.table(), deque[Value]()
    table.objects["CAPACITY"] = float(_CAPACITY)

    def add(given: Arguments) -> Value:
        """Whether there was room."""
        if not given:
            raise Refused(1400, 1)
        if len(queue) >= _CAPACITY:
            return False
        queue.append(given[0])
        return True

    def next_(given: Arguments) -> Generator[Pause, None, Value]:
        """The oldest; nil when none came in time. Nobody else adds any: the time passes in vain."""
        if not queue and given and given[0] is not None:
            yield Until(natives.cursor.now_ns + round(1e9 * number(given[0], 0.0, 1e6)))
        return (queue.popleft() if queue else None,)

    natives.function(table, "add", add)
    natives.function(table, "clear", lambda _: queue.clear())
    natives.waiting(table, "next", next_)
    natives.attribute(table, "count", lambda: float(len(queue)))
    return table


def string_table(natives: Natives) -> Native:
    table, strings = natives.table(), dict[str, str]()

    def add(given: Arguments) -> None:
        name, value = (text(given[at] if at < len(given) else None) for at in range(2))
        strings[name] = value

    def get(given: Arguments) -> Value:
        name = text(given[0] if given else None)
        if name not in strings:
            raise Refused(-292)
        return strings[name]

    def delete(given: Arguments) -> None:
        get(given)
        del strings[given[0]]

    natives.function(table, "add", add)
    natives.function(table, "get", get)
    natives.function(table, "delete", delete)
    natives.function(table, "catalog", lambda _: catalog(list(strings)))
    return table


def catalog(names: list[str]) -> Value:
    """An iterator for `for name in catalog() do`."""
    left = iter(names)
    return Function(lambda _: (next(left, None),))
