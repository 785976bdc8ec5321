"""Factory scripts of a 2600B that others' programs call: KISweep and KIPulse.

Rule: what these scripts do on the instrument in Lua is done here in steps of the same kind, so that they are there without Lua too.
Source: 2600BS-901-01, "KISweep factory script", "KIPulse factory script" and their functions. Assumed: the words of their messages; that
a sweep ends with the output off.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from simulator.instruments.keithley2600.buffers import ReadingBuffer
from simulator.instruments.keithley2600.errors import Refused, number, whole
from simulator.instruments.keithley2600.factory_arguments import (
    Levels,
    given_or,
    linear,
    listed,
    logarithmic,
    off_times,
    same,
    smu_in,
    targets_in,
    value_at,
)
from simulator.instruments.keithley2600.natives import Natives, Until
from simulator.instruments.keithley2600.readings import Quantity
from simulator.instruments.keithley2600.smu import Smu
from simulator.instruments.keithley2600.smu_settings import AMPS, AUTOZERO_AUTO, VOLTS
from simulator.instruments.keithley2600.trigger_tables import TriggerObjects
from simulator.instruments.keithley2600.waiting import Waiter
from simulator.instruments.tsp_values import Arguments, Function, Pause, Table, Value

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
            for shape, levels in (("Lin", linear), ("Log", logarithmic), ("List", listed)):
                made[f"Sweep{letter}{shape}Measure{measured}"] = self._waiting(self._sweep(letter.lower(), quantity, levels))
            for shape, levels in (("", same), ("SweepLin", linear), ("SweepLog", logarithmic)):
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
    def _sweep(self, letter: str, quantity: Quantity, levels: Levels) -> Callable[[Arguments], Steps]:
        def run(given: Arguments) -> Steps:
            smu = smu_in(given)
            if levels is listed:
                points, settle_s = levels(given[1:2], whole(value_at(given, 3), 2, _MOST_POINTS)), number(value_at(given, 2), 0.0, 1e5)
            else:
                points, settle_s = levels(given[1:3], whole(value_at(given, 4), 2, _MOST_POINTS)), number(value_at(given, 3), 0.0, 1e5)
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
            smu = smu_in(given)
            bias, level, on_s, off_s = (number(value_at(given, at), -1e5, 1e5) for at in range(1, 5))
            self._prepare(smu, letter, smu.buffers[0])
            smu.source.set_level(letter, bias)
            smu.source.set_output(1.0)
            yield Until(self._cursor.now_ns + round(off_s * 1e9))
            for _ in range(whole(value_at(given, 5), 1, _MOST_POINTS)):
                smu.source.set_level(letter, level)
                yield Until(self._cursor.now_ns + round(on_s * 1e9))
                yield from smu.measure((quantity,), [smu.buffers[0]])
                smu.source.set_level(letter, bias)
                yield Until(self._cursor.now_ns + round(off_s * 1e9))
            return None

        return run

    def _configure(self, letter: str, quantity: Quantity, levels: Levels, ends: int) -> Callable[[Arguments], Value]:
        """ends: how many arguments say the levels."""

        def run(given: Arguments) -> Value:
            smu, rest = smu_in(given), given[2 + ends :]
            bias = number(value_at(given, 1), -1e3, 1e3)
            points = whole(value_at(rest, 3), 1, _MOST_POINTS)
            limit, on_s = number(value_at(rest, 0), 0.0, 1e3), number(value_at(rest, 1), 0.0, 1e5)
            sync = rest[6:]
            pulses = Pulses(
                smu,
                letter,
                bias,
                tuple(levels(given[2 : 2 + ends], points)),
                limit,
                on_s,
                off_times(value_at(rest, 2), points),
                targets_in(value_at(rest, 4), quantity),
                whole(given_or(sync, 0, 0.0), 0, len(self._objects.lines)),
                whole(given_or(sync, 1, 0.0), 0, len(self._objects.lines)),
                number(given_or(sync, 2, _SYNC_S), 0.0, 1e5),
                bool(given_or(sync, 3, True)),
            )
            wrong = _wrong(pulses)
            if wrong:
                return False, wrong
            self._pulses[whole(value_at(rest, 5), 0, 1_000_000)] = pulses
            return True, _CONFIGURED

        return run

    def _initiate(self, given: Arguments, count: int) -> Steps:
        """Pulse trains of one or two tags, side by side."""
        tags = [whole(value_at(given, at), 0, 1_000_000) for at in range(count)]
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
        tag = whole(value_at(given, 0), 0, 1_000_000)
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
