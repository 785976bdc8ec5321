"""What a 2636B has beside its channels and triggers: timer, clock, stored settings, a TSP-Link with nothing on it.

Source: 2600BS-901-01, timer.*, os.*, setup.*, tsplink.*.
"""

import calendar
from collections.abc import Callable, Sequence

from simulator.instruments.keithley2600.errors import TEXTS, Refused, whole
from simulator.instruments.keithley2600.natives import Natives
from simulator.instruments.keithley2600.smu import Smu
from simulator.instruments.tsp_values import Arguments, Native, Table, Value

_NOON = 12.0
_DATE = {"year": (1970, 9999), "month": (1, 12), "day": (1, 31), "hour": (0, 23), "min": (0, 59), "sec": (0, 59)}
"""What each field of a date may be. Without an hour it is noon."""
_SETUPS = 5


def timer_table(natives: Natives) -> Native:
    """timer.reset(), timer.measure.t(): by the instrument's own time."""
    table, measure, cursor = natives.table(), natives.table(), natives.cursor
    table.objects["measure"] = measure
    begun_ns = [0]

    def reset(_: Arguments) -> None:
        begun_ns[0] = cursor.now_ns

    natives.function(table, "reset", reset)
    natives.function(measure, "t", lambda _: round((cursor.now_ns - begun_ns[0]) / 1e9, 6))
    return table


def os_table(natives: Natives, epoch_s: Callable[[int], float]) -> Native:
    """epoch_s: seconds since 1970 at a time of the instrument's own."""
    table, cursor = natives.table(), natives.cursor

    def time(given: Arguments) -> Value:
        if not given or not isinstance(given[0], Table):
            return float(int(epoch_s(cursor.now_ns)))
        said = {"hour": _NOON} | {name: part for name in _DATE if (part := given[0].get(name)) is not None}
        filled = [whole(said.get(name, 0.0), low, high) for name, (low, high) in _DATE.items()]
        return float(calendar.timegm((*filled, 0, 0, 0)))

    natives.function(table, "time", time)
    natives.function(table, "remove", lambda _: (None, TEXTS[2204]))
    natives.function(table, "rename", lambda _: (None, TEXTS[2204]))
    return table


def link_table(natives: Natives, table: Native) -> Native:
    """tsplink.*, besides its lines: nothing is connected to it."""
    natives.attribute(table, "state", lambda: "offline")
    natives.attribute(table, "node", lambda: 1.0, lambda value: (whole(value, 1, 64), None)[1])
    natives.attribute(table, "group", lambda: 0.0, lambda value: (whole(value, 0, 64), None)[1])
    natives.attribute(table, "master", lambda: 1.0)
    natives.function(table, "reset", lambda _: 1.0)
    return table


def setup_functions(natives: Natives, table: Native, smus: Sequence[Smu], reset: Callable[[], None]) -> None:
    """setup.save(), setup.recall(): of the channels' settings."""
    kept: dict[int, list[dict[str, float]]] = {}

    def save(given: Arguments) -> None:
        kept[_index(given, 1)] = [dict(smu.settings) for smu in smus]

    def recall(given: Arguments) -> None:
        index = _index(given, 0)
        reset()
        for smu, settings in zip(smus, kept.get(index, []), strict=False):
            smu.restore(settings)

    natives.function(table, "save", save)
    natives.function(table, "recall", recall)


def _index(given: Arguments, lowest: int) -> int:
    """Raises Refused 1102, 1400."""
    if not given:
        raise Refused(1400, 1)
    return whole(given[0], lowest, _SETUPS)
