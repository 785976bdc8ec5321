"""smuX.* but for smuX.trigger: the tables through which statements reach one channel.

Source: 2600BS-901-01, smuX.* in the command reference.
"""

from collections.abc import Callable, Generator
from statistics import fmean, stdev

from simulator.instruments.keithley2600.buffers import ReadingBuffer, buffer_in, buffer_table
from simulator.instruments.keithley2600.errors import Refused, number, text, whole
from simulator.instruments.keithley2600.readings import MEASURED, OVERFLOW, Quantity
from simulator.instruments.keithley2600.smu import Smu
from simulator.instruments.keithley2600.smu_settings import CONSTANTS, KEPT, METERED, Number
from simulator.instruments.keithley2600.smu_trigger_tables import trigger_table
from simulator.instruments.tsp_values import Arguments, Native, Pause, Table, Value

_BYTES_A_READING, _BYTES_FREE = 15, 24_000_000
_PASSWORD = "KI0026XX"  # noqa: S105  (with which every 2600B leaves the factory)


def smu_table(smu: Smu) -> Native:
    natives = smu.shared.natives
    table = natives.table(of=smu)
    table.objects |= {name: float(value) for name, value in CONSTANTS.items()}
    for name in ("source", "measure", "measure.filter", "measure.rel", "cal", "contact"):
        _child(table, name, natives.table())
    for name, kind in KEPT.items():
        _setting(smu, table, name, kind, lambda: None)
    for name, kind in METERED.items():
        _setting(smu, table, name, kind, smu.measuring.changed)
    _source(smu, table.objects["source"])
    _measure(smu, table.objects["measure"])
    _calibration(smu, table)
    _contact(smu, table.objects["contact"])
    _buffers(smu, table)
    table.objects["trigger"] = trigger_table(smu)
    natives.function(table, "reset", lambda _: smu.reset())
    natives.function(table, "abort", lambda _: smu.abort())
    return table


def _child(root: Native, path: str, child: Native) -> None:
    *owners, last = path.split(".")
    for owner in owners:
        root = root.objects[owner]
    root.objects[last] = child


def _setting(smu: Smu, root: Native, path: str, kind: Number, changed: Callable[[], None]) -> None:
    *owners, last = path.split(".")
    for owner in owners:
        root = root.objects[owner]

    def set_(value: Value) -> None:
        wanted = number(value, kind.low, kind.high)
        wanted = float(int(wanted)) if kind.whole else wanted
        if kind.allowed and wanted not in kind.allowed:
            raise Refused(1101)
        _check(smu, path, wanted)
        smu.settings[path] = wanted
        changed()

    smu.shared.natives.attribute(root, last, lambda: smu.settings[path], set_)


def _check(smu: Smu, path: str, wanted: float) -> None:
    """What one setting forbids another. Raises Refused 5011, 5025."""
    other = {"measure.count": "measure.filter.count", "measure.filter.count": "measure.count"}.get(path)
    if other is not None and wanted > 1 and smu.settings[other] > 1:
        raise Refused(5025, where=smu.source.where)
    if path == "sense" and wanted == CONSTANTS["SENSE_CALA"] and not smu.unlocked:
        raise Refused(5011, where=smu.source.where)


def _source(smu: Smu, table: Native) -> None:
    natives, source, settings = smu.shared.natives, smu.source, smu.settings
    attribute = natives.attribute
    attribute(table, "func", lambda: settings["source.func"], source.set_function)
    attribute(table, "output", lambda: float(smu.output), source.set_output)
    attribute(table, "highc", lambda: settings["source.highc"], source.set_highc)
    attribute(table, "compliance", smu.in_compliance)
    for at in "vi":
        attribute(table, f"level{at}", lambda at=at: settings[f"source.level{at}"], lambda value, at=at: source.set_level(at, value))
        attribute(table, f"range{at}", lambda at=at: source.range_of(at), lambda value, at=at: source.set_range(at, value))
        attribute(
            table,
            f"autorange{at}",
            lambda at=at: settings[f"source.autorange{at}"],
            lambda value, at=at: source.set_autorange(at, value),
        )
        attribute(
            table, f"lowrange{at}", lambda at=at: settings[f"source.lowrange{at}"], lambda value, at=at: source.set_lowrange(at, value)
        )
        natives.function(table, f"calibrate{at}", lambda _: _require_unlocked(smu))
    for at in "vip":
        attribute(table, f"limit{at}", lambda at=at: settings[f"source.limit{at}"], lambda value, at=at: source.set_limit(at, value))


def _measure(smu: Smu, table: Native) -> None:
    natives, measuring, settings = smu.shared.natives, smu.measuring, smu.settings
    attribute = natives.attribute
    attribute(table, "autozero", lambda: settings["measure.autozero"], measuring.set_autozero)
    for at in "vi":
        attribute(table, f"range{at}", lambda at=at: measuring.range_of(at), lambda value, at=at: measuring.set_range(at, value))
        attribute(
            table,
            f"autorange{at}",
            lambda at=at: settings[f"measure.autorange{at}"],
            lambda value, at=at: measuring.set_autorange(at, value),
        )
        attribute(
            table,
            f"lowrange{at}",
            lambda at=at: settings[f"measure.lowrange{at}"],
            lambda value, at=at: measuring.set_lowrange(at, value),
        )
        natives.function(table, f"calibrate{at}", lambda _: _require_unlocked(smu))
    for name, quantities in MEASURED.items():
        natives.waiting(table, name, lambda given, quantities=quantities: smu.measure(quantities, _given(given, quantities)))
        natives.function(table, f"overlapped{name}", lambda given, quantities=quantities: _overlapped(smu, quantities, given))


def _given(given: Arguments, quantities: tuple[Quantity, ...]) -> list[ReadingBuffer | None]:
    """The buffers of a measurement, None for those not given."""
    return [buffer_in(given, at) if at < len(given) and given[at] is not None else None for at in range(len(quantities))]


def _overlapped(smu: Smu, quantities: tuple[Quantity, ...], given: Arguments) -> None:
    buffers = tuple(buffer_in(given, at) for at in range(len(quantities)))
    smu.model.measure_overlapped(quantities, buffers, smu.cursor.now_ns)


def _buffers(smu: Smu, table: Native) -> None:
    natives, epoch_s = smu.shared.natives, smu.shared.epoch_s
    for at, buffer in enumerate(smu.buffers, 1):
        table.objects[f"nvbuffer{at}"] = buffer_table(buffer, natives, epoch_s)

    def make(given: Arguments) -> Value:
        if not given:
            raise Refused(1400, 1)
        readings = whole(given[0], 1, 2**31)
        if readings * _BYTES_A_READING > _BYTES_FREE:
            raise Refused(-225)
        return buffer_table(ReadingBuffer(readings), natives, epoch_s)

    natives.function(table, "makebuffer", make)
    natives.function(table, "savebuffer", lambda given: (buffer_in(given), None)[1])
    statistics = table.objects["buffer"] = natives.table()
    natives.function(statistics, "getstats", lambda given: _statistics(buffer_in(given)))
    natives.function(statistics, "recalculatestats", lambda given: (buffer_in(given), None)[1])
    for name, quantities in MEASURED.items():
        natives.waiting(table, f"measure{name}andstep", lambda given, quantities=quantities: _and_step(smu, quantities, given))


def _and_step(smu: Smu, quantities: tuple[Quantity, ...], given: Arguments) -> Generator[Pause, None, Value]:
    """A reading, then the next level."""
    if not given:
        raise Refused(1400, 1)
    values = yield from smu.measure(quantities, [None] * len(quantities))
    smu.source.set_level(smu.source.letter, given[0])
    return values


def _statistics(buffer: ReadingBuffer) -> Value:
    values = list(buffer.readings)
    if not values:
        return (None,)

    def extreme(value: float) -> Table:
        return Table(pairs={"reading": value, "measurefunction": buffer.circumstances[values.index(value)].measure_function})

    spread = stdev(values) if len(values) > 1 else 0.0
    return Table(
        pairs={"n": float(len(values)), "mean": fmean(values), "stddev": spread, "min": extreme(min(values)), "max": extreme(max(values))}
    )


def _require_unlocked(smu: Smu) -> None:
    if not smu.unlocked:
        raise Refused(5011, where=smu.source.where)


def _calibration(smu: Smu, root: Native) -> None:
    natives, table = smu.shared.natives, root.objects["cal"]

    def unlock(given: Arguments) -> None:
        if not given or text(given[0]) != _PASSWORD:
            raise Refused(5019, where=smu.source.where)
        smu.unlocked = True

    def lock(_: Arguments) -> None:
        smu.unlocked = False

    def dated(name: str) -> Callable[[Value], None]:
        def set_(value: Value) -> None:
            if not smu.unlocked:
                raise Refused(5016, where=smu.source.where)
            setattr(smu, name, number(value, 0.0, 2.0**32))

        return set_

    natives.attribute(table, "date", lambda: smu.calibrated_s, dated("calibrated_s"))
    natives.attribute(table, "adjustdate", lambda: smu.calibrated_s, dated("calibrated_s"))
    natives.attribute(table, "due", lambda: smu.calibration_due_s, dated("calibration_due_s"))
    natives.attribute(table, "state", lambda: CONSTANTS["CALSTATE_UNLOCKED" if smu.unlocked else "CALSTATE_LOCKED"])
    natives.attribute(table, "password", lambda: None, lambda value: (_require_unlocked(smu), text(value), None)[-1])
    natives.function(table, "unlock", unlock)
    natives.function(table, "lock", lock)
    natives.function(table, "save", lambda _: _require_unlocked(smu))
    natives.function(table, "restore", lambda _: _require_unlocked(smu))


def _contact(smu: Smu, table: Native) -> None:
    """Needles in series: half of their resistance on either side."""
    natives = smu.shared.natives

    def ohms(_: Arguments) -> Value:
        both = smu.connections.contact_ohms()
        return (OVERFLOW, OVERFLOW) if both is None else (both / 2.0, both / 2.0)

    def check(_: Arguments) -> Value:
        both = smu.connections.contact_ohms()
        return both is not None and both / 2.0 < smu.settings["contact.threshold"]

    natives.function(table, "r", ohms)
    natives.function(table, "check", check)
    for name in ("calibratehi", "calibratelo"):
        natives.function(table, name, lambda _: _require_unlocked(smu))
