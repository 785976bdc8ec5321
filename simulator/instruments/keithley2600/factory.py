"""Factory scripts of a 2600B that others' programs call: KISweep and KIPulse.

Rule: what these scripts do on the instrument in Lua is done here in steps of the same kind, so that they are there without Lua too.
Source: 2600BS-901-01, "KISweep factory script", "KIPulse factory script" and their functions. Assumed: the words of their messages; that
a sweep ends with the output off.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from simulator.instruments.keithley2600.buffers import ReadingBuffer, buffer_in
from simulator.instruments.keithley2600.errors import Refused, number, whole
from simulator.instruments.keithley2600.natives import Natives, Until
from simulator.instruments.keithley2600.smu import Smu
from simulator.instruments.keithley2600.smu_measure import Quantity
from simulator.instruments.keithley2600.smu_settings import AMPS, AUTOZERO_AUTO, VOLTS
from simulator.instruments.keithley2600.trigger_tables import TriggerObjects
from simulator.instruments.keithley2600.waiting import Waiter
from simulator.instruments.tsp_values import Arguments, Function, Native, Pause, Table, Value

_SYNC_S = 10.0
_MOST_POINTS = 1_000_000
_DONE = "Pulse sequence completed"
_CONFIGURED = "Pulse sequence configured"
Steps = Generator[Pause, None, Value]


@dataclass(frozen=True)
class Pulses:
    """levels: of each pulse, V or A by letter. off_s: after each. targets: quantity and buffer of each measurement."""

    smu: Smu
    letter: str
    bias: float
    levels: tuple[float, ...]
    limit: float
    on_s: float
    off_s: tuple[float, ...]
    targets: tuple[tuple[Quantity, ReadingBuffer], ...]
    sync_in: int
    sync_out: int
    sync_s: float
    sync_aborts: bool


class Factory:
    def __init__(self, natives: Natives, objects: TriggerObjects, waiter: Waiter) -> None:
        self._natives, self._objects, self._waiter = natives, objects, waiter
        self._cursor = natives.cursor
        self._pulses: dict[int, Pulses] = {}

    def functions(self) -> dict[str, Value]:
        """By their global names."""
        made: dict[str, Value] = {}
        functions: tuple[tuple[str, str, Quantity], ...] = (("V", "I", "i"), ("I", "V", "v"))
        for letter, measured, quantity in functions:
            for shape, levels in (("Lin", _linear), ("Log", _logarithmic), ("List", _listed)):
                made[f"Sweep{letter}{shape}Measure{measured}"] = self._waiting(self._sweep(letter.lower(), quantity, levels))
            for shape, levels in (("", _same), ("SweepLin", _linear), ("SweepLog", _logarithmic)):
                configure = self._natives.guarded(self._configure(letter.lower(), quantity, levels, 1 if shape == "" else 2))
                made[f"ConfigPulse{letter}Measure{measured}{shape}"] = Function(configure)
            made[f"Pulse{letter}Measure{measured}"] = self._waiting(self._simple(letter.lower(), quantity))
        made["InitiatePulseTest"] = self._waiting(lambda given: self._initiate(given, 1))
        made["InitiatePulseTestDual"] = self._waiting(lambda given: self._initiate(given, 2))
        made["QueryPulseConfig"] = Function(self._natives.guarded(self._query))
        return made

    def _waiting(self, do: Callable[[Arguments], Steps]) -> Function:
        return Function(self._natives.guarded_waiting(do), waits=True)

    # --- KISweep
    def _sweep(self, letter: str, quantity: Quantity, levels: "Levels") -> Callable[[Arguments], Steps]:
        def run(given: Arguments) -> Steps:
            smu = _smu(given)
            if levels is _listed:
                points, settle_s = levels(given[1:2], whole(_at(given, 3), 2, _MOST_POINTS)), number(_at(given, 2), 0.0, 1e5)
            else:
                points, settle_s = levels(given[1:3], whole(_at(given, 4), 2, _MOST_POINTS)), number(_at(given, 3), 0.0, 1e5)
            buffer = smu.buffers[0]
            self._prepare(smu, letter, buffer)
            smu.source.set_output(1.0)
            for level in points:
                smu.source.set_level(letter, level)
                yield Until(self._cursor.now_ns + round(settle_s * 1e9))
                yield from smu.measure((quantity,), [buffer])
            smu.source.set_level(letter, 0.0)
            smu.source.set_output(0.0)
            return None

        return run

    def _prepare(self, smu: Smu, letter: str, buffer: ReadingBuffer) -> None:
        buffer.clear()
        buffer.append = buffer.stamps = buffer.source_values = True
        smu.source.set_level(letter, 0.0)
        smu.source.set_function(VOLTS if letter == "v" else AMPS)

    # --- KIPulse
    def _simple(self, letter: str, quantity: Quantity) -> Callable[[Arguments], Steps]:
        """PulseVMeasureI(smu, bias, level, ton, toff, points)."""

        def run(given: Arguments) -> Steps:
            smu = _smu(given)
            bias, level, on_s, off_s = (number(_at(given, at), -1e5, 1e5) for at in range(1, 5))
            self._prepare(smu, letter, smu.buffers[0])
            smu.source.set_level(letter, bias)
            smu.source.set_output(1.0)
            yield Until(self._cursor.now_ns + round(off_s * 1e9))
            for _ in range(whole(_at(given, 5), 1, _MOST_POINTS)):
                smu.source.set_level(letter, level)
                yield Until(self._cursor.now_ns + round(on_s * 1e9))
                yield from smu.measure((quantity,), [smu.buffers[0]])
                smu.source.set_level(letter, bias)
                yield Until(self._cursor.now_ns + round(off_s * 1e9))
            return None

        return run

    def _configure(self, letter: str, quantity: Quantity, levels: "Levels", ends: int) -> Callable[[Arguments], Value]:
        """ends: how many arguments say the levels."""

        def run(given: Arguments) -> Value:
            smu, rest = _smu(given), given[2 + ends :]
            bias = number(_at(given, 1), -1e3, 1e3)
            points = whole(_at(rest, 3), 1, _MOST_POINTS)
            limit, on_s = number(_at(rest, 0), 0.0, 1e3), number(_at(rest, 1), 0.0, 1e5)
            sync = rest[6:]
            pulses = Pulses(
                smu,
                letter,
                bias,
                tuple(levels(given[2 : 2 + ends], points)),
                limit,
                on_s,
                _off_times(_at(rest, 2), points),
                _targets(_at(rest, 4), quantity),
                whole(_given(sync, 0, 0.0), 0, len(self._objects.lines)),
                whole(_given(sync, 1, 0.0), 0, len(self._objects.lines)),
                number(_given(sync, 2, _SYNC_S), 0.0, 1e5),
                bool(_given(sync, 3, True)),
            )
            wrong = _wrong(pulses)
            if wrong:
                return False, wrong
            self._pulses[whole(_at(rest, 5), 0, 1_000_000)] = pulses
            return True, _CONFIGURED

        return run

    def _initiate(self, given: Arguments, count: int) -> Steps:
        """Pulse trains of one or two tags, side by side."""
        tags = [whole(_at(given, at), 0, 1_000_000) for at in range(count)]
        if any(tag not in self._pulses for tag in tags):
            return False, "Invalid tag"
        trains = [self._pulses[tag] for tag in tags]
        for train in trains:
            wrong = _not_now(train)
            if wrong:
                return False, wrong
        for index, (on_s, off_s) in enumerate(zip([trains[0].on_s] * len(trains[0].levels), trains[0].off_s, strict=True)):
            heard = yield from self._synchronised(trains[0])
            if not heard and trains[0].sync_aborts:
                return False, "Timer timeout: no trigger came"
            yield from self._pulse(trains, index, on_s, off_s)
        return True, _DONE

    def _synchronised(self, train: Pulses) -> Generator[Pause, None, bool]:
        if not train.sync_in:
            return True
        return bool((yield from self._waiter.event(self._objects.lines[train.sync_in - 1].detector, (train.sync_s,))))

    def _pulse(self, trains: Sequence[Pulses], index: int, on_s: float, off_s: float) -> Generator[Pause, None, None]:
        """One pulse of every train; the readings end with it."""
        begun_ns = self._cursor.now_ns
        for train in trains:
            if train.sync_out:
                self._objects.lines[train.sync_out - 1].assert_(begun_ns)
            if index < len(train.levels):
                train.smu.source.sweep_to(train.levels[index], train.limit, begun_ns)
        readings_s = sum(_reading_s(train.smu) * len(train.targets) for train in trains)
        yield Until(begun_ns + round(max(on_s - readings_s, 0.0) * 1e9))
        for train in trains:
            if train.targets:
                yield from train.smu.measure(tuple(each for each, _ in train.targets), [buffer for _, buffer in train.targets])
        yield Until(max(begun_ns + round(on_s * 1e9), self._cursor.now_ns))
        for train in trains:
            train.smu.source.sweep_to(train.bias, None, self._cursor.now_ns)
        yield Until(self._cursor.now_ns + round(off_s * 1e9))

    def _query(self, given: Arguments) -> Value:
        """Raises Refused 1401 for a tag that was not configured."""
        tag = whole(_at(given, 0), 0, 1_000_000)
        if tag not in self._pulses:
            raise Refused(1401, 1)
        train = self._pulses[tag]
        pairs: dict[str, Value] = {
            "tag": float(tag),
            "func": VOLTS if train.letter == "v" else AMPS,
            "bias": train.bias,
            "level": train.levels[0],
            "start": train.levels[0],
            "stop": train.levels[-1],
            "limit": train.limit,
            "ton": train.on_s,
            "toff": train.off_s[0],
            "points": float(len(train.levels)),
            "sync_in": float(train.sync_in),
            "sync_out": float(train.sync_out),
            "sourcevalues": Table(train.levels),
        }
        said = "\n".join(f">> {name} = {value:g}" for name, value in pairs.items() if isinstance(value, float))
        return Table(pairs={**pairs, "tostring": Function(lambda _: said)})


# --- arguments
Levels = Callable[[Sequence[Value], int], Sequence[float]]


def _same(given: Sequence[Value], points: int) -> Sequence[float]:
    return [number(_at(given, 0), -1e3, 1e3)] * points


def _linear(given: Sequence[Value], points: int) -> Sequence[float]:
    start, stop = (number(_at(given, at), -1e3, 1e3) for at in range(2))
    return [start + (stop - start) * at / max(points - 1, 1) for at in range(points)]


def _logarithmic(given: Sequence[Value], points: int) -> Sequence[float]:
    """Raises Refused 1401 for ends of different signs, or zero."""
    start, stop = (number(_at(given, at), -1e3, 1e3) for at in range(2))
    if start * stop <= 0:
        raise Refused(1401, 2)
    return [start * (stop / start) ** (at / max(points - 1, 1)) for at in range(points)]


def _listed(given: Sequence[Value], points: int) -> Sequence[float]:
    """Raises Refused 1401."""
    values = given[0].array() if given and isinstance(given[0], Table) else []
    if len(values) < points:
        raise Refused(1401, 2)
    return [number(each, -1e3, 1e3) for each in values[:points]]


def _at(given: Sequence[Value], at: int) -> Value:
    """nil for what is not given; then what it is used for refuses it."""
    return given[at] if at < len(given) else None


def _given(given: Sequence[Value], at: int, default: Value) -> Value:
    value = _at(given, at)
    return default if value is None else value


def _smu(given: Arguments) -> Smu:
    """Raises Refused 1400, 1401."""
    if not given:
        raise Refused(1400, 1)
    behind = given[0].of if isinstance(given[0], Native) else None
    if not isinstance(behind, Smu):
        raise Refused(1401, 1)
    return behind


def _off_times(value: Value, points: int) -> tuple[float, ...]:
    """Raises Refused 1401 for a table of another length."""
    times = [number(each, 0.0, 1e5) for each in (value.array() if isinstance(value, Table) else [value])]
    if len(times) not in (1, points):
        raise Refused(1401, 7)
    return tuple(times if len(times) == points else times * points)


def _targets(value: Value, quantity: Quantity) -> tuple[tuple[Quantity, ReadingBuffer], ...]:
    """A buffer, a table of two of them (i and v), or nil for no measurement."""
    if value is None:
        return ()
    if isinstance(value, Table):
        return ("i", buffer_in((value.get("i"),))), ("v", buffer_in((value.get("v"),)))
    return ((quantity, buffer_in((value,))),)


# --- what has to hold
def _reading_s(smu: Smu) -> float:
    return smu.settings["measure.nplc"] / smu.shared.line_hertz()


def _wrong(pulses: Pulses) -> str | None:
    """Why a pulse train cannot be configured."""
    settings = pulses.smu.settings
    if any(settings[f"source.autorange{letter}"] for letter in "vi"):
        return "Source autorange must be off"
    if any(settings[f"measure.autorange{letter}"] for letter in "vi"):
        return "Measure autorange must be off"
    if _reading_s(pulses.smu) >= pulses.on_s:
        return "Measure NPLC is too long for the pulse"
    if settings["measure.autozero"] == AUTOZERO_AUTO:
        return "Measure autozero must be off or once"
    return None


def _not_now(pulses: Pulses) -> str | None:
    """Why a pulse train cannot be started."""
    if not pulses.smu.output:
        return "Output must be on"
    for _, buffer in pulses.targets:
        if len(pulses.levels) > 1 and not buffer.append:
            return "Buffer append mode must be on"
        if buffer.capacity - len(buffer) < len(pulses.levels):
            return "Not enough free space in the buffer"
    return None
