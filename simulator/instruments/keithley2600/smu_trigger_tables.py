"""smuX.trigger: the tables through which statements set and start a channel's trigger model.

Source: 2600BS-901-01, smuX.trigger.*.
"""

from collections.abc import Callable, Sequence

from simulator.instruments.keithley2600 import events as ids
from simulator.instruments.keithley2600.buffers import buffer_in
from simulator.instruments.keithley2600.errors import Refused, number, whole
from simulator.instruments.keithley2600.readings import MEASURED, Quantity
from simulator.instruments.keithley2600.smu import Smu
from simulator.instruments.keithley2600.smu_settings import LETTERS
from simulator.instruments.keithley2600.trigger_model import ASYNC, ENABLE
from simulator.instruments.tsp_values import Arguments, Native, Table, Value

_MOST = 10_000_000
_MOST_POINTS = 1_000_000
_ACTIONS = (
    # table, attribute, field of Sweep, largest
    ("", "count", "count", _MOST),
    ("", "autoclear", "autoclear", 1),
    ("arm", "count", "arm_count", _MOST),
    ("source", "action", "source_action", ENABLE),
    ("measure", "action", "measure_action", ASYNC),
    ("endpulse", "action", "endpulse_action", 1),
    ("endsweep", "action", "endsweep_action", 1),
)


def trigger_table(smu: Smu) -> Native:
    natives, model = smu.shared.natives, smu.model
    table = natives.table()
    tables = {name: natives.table() for name in ("arm", "source", "measure", "endpulse", "endsweep")}
    table.objects |= tables
    for name in ids.SMU_EVENTS:
        table.objects[f"{name}_EVENT_ID"] = float(ids.smu_event(smu.number, name))
    for owner, name, field, largest in _ACTIONS:
        natives.attribute(
            tables.get(owner, table),
            name,
            lambda field=field: float(getattr(model.sweep, field)),
            lambda value, field=field, largest=largest: setattr(model.sweep, field, whole(value, 0, largest)),
        )
    for name, stimulus in model.stimuli.items():
        natives.attribute(tables[name], "stimulus", lambda stimulus=stimulus: float(stimulus.event), stimulus.assign)
        natives.function(tables[name], "set", lambda _, name=name: model.detectors[name].hear(smu.cursor.now_ns))
    natives.function(table, "initiate", lambda _: model.initiate(smu.cursor.now_ns))
    _source(smu, tables["source"])
    _measure(smu, tables["measure"])
    return table


def _source(smu: Smu, table: Native) -> None:
    natives = smu.shared.natives
    shapes: dict[str, Callable[[Arguments], Sequence[float]]] = {"linear": _linear, "log": _logarithmic, "list": _listed}
    for letter in "vi":
        for name, levels in shapes.items():
            natives.function(table, f"{name}{letter}", lambda given, letter=letter, levels=levels: _set_points(smu, letter, levels(given)))
        natives.attribute(
            table,
            f"limit{letter}",
            lambda letter=letter: smu.model.sweep.limits[letter],
            lambda value, letter=letter: _set_limit(smu, letter, value),
        )


def _set_limit(smu: Smu, letter: str, value: Value) -> None:
    """0 is LIMIT_AUTO: the normal limit."""
    low, high = smu.shared.sheet.limits[LETTERS[letter]]
    wanted = number(value, 0.0, high)
    if 0.0 < wanted < low:
        raise Refused(1102)
    smu.model.sweep.limits[letter] = wanted


def _set_points(smu: Smu, letter: str, levels: Sequence[float]) -> None:
    """Raises Refused 1101, 1102 for a level that no range reaches."""
    largest = smu.shared.sheet.largest_level(LETTERS[letter])
    for level in (max(levels), min(levels)):
        number(level, -largest, largest)
    smu.model.sweep.points = letter, tuple(levels)


def _numbers(given: Arguments, count: int) -> list[float]:
    """Raises Refused 1400, -104."""
    if len(given) < count:
        raise Refused(1400, count)
    return [number(each, -1e37, 1e37) for each in given[:count]]


def _points(value: float) -> int:
    return whole(value, 1, _MOST_POINTS)


def _linear(given: Arguments) -> Sequence[float]:
    start, stop, count = _numbers(given, 3)
    points = _points(count)
    return [start + (stop - start) * at / (points - 1) for at in range(points)] if points > 1 else [start]


def _logarithmic(given: Arguments) -> Sequence[float]:
    """Raises Refused 1401 for an asymptote at or between the ends."""
    start, stop, count = _numbers(given, 3)
    asymptote = _numbers(given, 4)[3] if len(given) > 3 else 0.0
    points = _points(count)
    if min(start, stop) <= asymptote <= max(start, stop):
        raise Refused(1401, 4)
    ratio = (stop - asymptote) / (start - asymptote)
    return [asymptote + (start - asymptote) * ratio ** (at / max(points - 1, 1)) for at in range(points)]


def _listed(given: Arguments) -> Sequence[float]:
    """Raises Refused 1400, 1401."""
    if not given:
        raise Refused(1400, 1)
    if not isinstance(given[0], Table) or not len(given[0]):
        raise Refused(1401, 1)
    return [number(each, -1e37, 1e37) for each in given[0].array()]


def _measure(smu: Smu, table: Native) -> None:
    for name, quantities in MEASURED.items():
        smu.shared.natives.function(table, name, lambda given, quantities=quantities: _set_measured(smu, quantities, given))


def _set_measured(smu: Smu, quantities: tuple[Quantity, ...], given: Arguments) -> None:
    """Raises Refused 1400, 1401."""
    buffers = tuple(buffer_in(given, at) for at in range(len(quantities)))
    smu.model.sweep.measured = quantities, buffers
