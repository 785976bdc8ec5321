"""Sweeps of a 2450: their levels, and the trigger model that each loads.

Rule: a sweep command clears the trigger model, makes a source configuration list and fills the model; INITiate runs it.
Source: 2450 reference manual 2450-901-01, section 6, SOURce:SWEep and SOURce:LIST. Assumed: a dual sweep measures its turning point
twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.instruments.keithley2450.call import Call, Command
from simulator.instruments.keithley2450.configuration_lists import Side
from simulator.instruments.keithley2450.settings import LEVEL_LIMIT, SOURCE, SOURCED, fitting_range
from simulator.instruments.keithley2450.trigger_blocks import Block, ConfigRecall, DelayConstant, Measure, SourceState
from simulator.instruments.keithley2450.trigger_branches import Branch, BranchCounter, BranchLimited, CounterReset
from simulator.instruments.scpi import ScpiError, boolean, choice, conflict, number, out_of_range
from simulator.instruments.smu.datasheet import KEITHLEY_2450 as SHEET

if TYPE_CHECKING:
    from simulator.instruments.keithley2450.core import Core
    from simulator.instruments.keithley2450.instrument import Instrument

_LIST_NAME = "TempConfigList"
_AUTO_DELAY = -1.0
_DELAY_S = (50e-6, 10_000.0)
_MOST_COUNTS = 268_435_455
_FOREVER = 1 << 60


@dataclass
class LevelList:
    """level: of an index from 0, V or A by `function`. range_: AUTO, BEST (one that carries all) or FIX (the one there is)."""

    function: str
    level: Callable[[int], float]
    points: int
    largest: float
    range_: str = "AUTO"
    side: Side = "source"

    def size(self) -> int:
        return self.points

    def recall(self, core: Instrument, index: int) -> None:
        if index == 1 and self.range_ == "BEST":
            core.values["SOURCE_RANGE", self.function] = fitting_range(self.function, self.largest)
        if index == 1 and self.range_ != "FIX":
            core.values["SOURCE_RANGE_AUTO", self.function] = self.range_ == "AUTO"
        core.set_level(self.function, self.level(index - 1))

    def text(self, index: int) -> str:
        return f"FUNC={self.function}, LEVEL={self.level(index - 1)!r}"


@dataclass(frozen=True)
class Sweep:
    """delay_s: before each reading, beside the source delay. count: how often, 0 for without end. fail_abort: the first limited reading
    ends it."""

    levels: LevelList
    delay_s: float
    count: int
    fail_abort: bool
    buffer: str

    def blocks(self, name: str) -> list[Block]:
        """The output goes on before the first level's reading, and off at the end: nine blocks, or eight where nothing aborts it."""
        built: list[Block] = [
            ConfigRecall(name, 1),
            SourceState(True),
            Branch(5),
            ConfigRecall(name, step=1),
            DelayConstant(self.delay_s),
            Measure(self.buffer, 1),
        ]
        ends = BranchLimited()
        if self.fail_abort:
            built.append(ends)
        built.append(BranchCounter(4, self.levels.points))
        if self.count != 1:
            built += [CounterReset(len(built)), BranchCounter(1, self.count or _FOREVER)]
        ends.to = len(built) + 1
        return [*built, SourceState(False)]


def load(core: Core, sweep: Sweep) -> None:
    """Raises ScpiError -221 while the trigger model runs or when it sources something else."""
    if sweep.levels.function != core.source:
        raise conflict()
    core.require_idle()
    core.buffer(sweep.buffer)
    core.lists.put(_LIST_NAME, sweep.levels)
    core.model.load(sweep.blocks(_LIST_NAME))


def _level(core: Core, call: Call, index: int) -> float:
    limit = LEVEL_LIMIT[call.function]
    level = call.number(index, -limit, limit)
    if not core.values["SOURCE_RANGE_AUTO", call.function] and call.given(5).upper().startswith("FIX"):
        core.check_level(call.function, level)
    return level


def _delay(core: Core, call: Call, index: int) -> float:
    """From each level to its reading. -1, and nothing, are the manual's words for the automatic delay of the source."""
    text = call.given(index, "DEF")
    delay_s = number(text, _AUTO_DELAY, _DELAY_S[1], _AUTO_DELAY)
    if delay_s == _AUTO_DELAY:
        core.values["DELAY_AUTO", call.function] = True
        return 0.0
    if delay_s and delay_s < _DELAY_S[0]:
        raise out_of_range()
    return delay_s


def _spaced(core: Core, call: Call, level: Callable[[int], float], points: int) -> Sweep:
    """Arguments from the delay on: delay, count, range, fail abort, dual, buffer."""
    dual = boolean(call.given(7, "OFF"))

    def there_and_back(index: int) -> float:
        return level(index) if index < points else level(2 * points - 1 - index)

    levels = LevelList(
        call.function,
        there_and_back,
        2 * points if dual else points,
        max(abs(level(0)), abs(level(points - 1))),
        choice(call.given(5, "BEST"), ("AUTO", "BEST", "FIXed")),
    )
    return Sweep(levels, _delay(core, call, 3), call.whole(4, 0, _MOST_COUNTS, 1), boolean(call.given(6, "ON")), call.name(8, "defbuffer1"))


def _linear(core: Core, call: Call) -> None:
    start, stop = _level(core, call, 0), _level(core, call, 1)
    points = call.whole(2, 2, SHEET.sweep_points)
    step = (stop - start) / (points - 1)
    load(core, _spaced(core, call, lambda index: stop if index == points - 1 else start + step * index, points))


def _linear_step(core: Core, call: Call) -> None:
    start, stop = _level(core, call, 0), _level(core, call, 1)
    step = abs(number(call.argument(2), -2 * LEVEL_LIMIT[call.function], 2 * LEVEL_LIMIT[call.function], 0.0))
    if not step or step > abs(stop - start) * (1.0 + 1e-9):
        raise conflict()
    points = int(abs(stop - start) / step + 1e-9) + 1
    if points > SHEET.sweep_points:
        raise out_of_range()
    signed = step if stop > start else -step
    load(core, _spaced(core, call, lambda index: start + signed * index, points))


def _logarithmic(core: Core, call: Call) -> None:
    start, stop = _level(core, call, 0), _level(core, call, 1)
    points = call.whole(2, 2, SHEET.sweep_points)
    asymptote = call.number(9, -LEVEL_LIMIT[call.function], LEVEL_LIMIT[call.function], 0.0)
    first, last = start - asymptote, stop - asymptote
    if first * last <= 0.0:
        raise out_of_range()
    ratio = last / first
    load(core, _spaced(core, call, lambda index: asymptote + first * ratio ** (index / (points - 1)), points))


def _listed(core: Core, call: Call) -> None:
    values = list(core.source_lists[call.function])
    if not values:
        raise conflict()
    first = call.whole(0, 1, max(len(values), 1), 1) - 1
    levels = values[first:]
    made = LevelList(call.function, levels.__getitem__, len(levels), max(map(abs, levels)))
    delay_s, count = _delay(core, call, 1), call.whole(2, 0, _MOST_COUNTS, 1)
    load(core, Sweep(made, delay_s, count, boolean(call.given(3, "ON")), call.name(4, "defbuffer1")))


def _values(call: Call) -> list[float]:
    """Raises ScpiError -223 for more than a message may hold."""
    call.argument()
    if len(call.arguments) > SHEET.list_per_message:
        raise ScpiError(-223, "Too much data")
    limit = LEVEL_LIMIT[call.function]
    return [number(text, -limit, limit, 0.0) for text in call.arguments]


def _set_list(core: Core, call: Call) -> None:
    core.source_lists[call.function] = _values(call)


def _append(core: Core, call: Call) -> None:
    values = _values(call)
    if len(core.source_lists[call.function]) + len(values) > SHEET.list_points:
        raise out_of_range()
    core.source_lists[call.function].extend(values)


def _list(core: Core, call: Call) -> str:
    return ",".join(core.say(value) for value in core.source_lists[call.function])


def _list_points(core: Core, call: Call) -> str:
    return str(len(core.source_lists[call.function]))


def sweep_commands() -> Iterator[Command]:
    sweep, listed = f"{SOURCE}SWEep:{SOURCED}:", f"{SOURCE}LIST:{SOURCED}"
    most = SHEET.list_per_message + 1_000
    yield Command(sweep + "LINear", _linear, takes=9)
    yield Command(sweep + "LINear:STEP", _linear_step, takes=9)
    yield Command(sweep + "LOG", _logarithmic, takes=10)
    yield Command(sweep + "LIST", _listed, takes=5)
    yield Command(listed, _set_list, _list, takes=most)
    yield Command(listed + ":APPend", _append, takes=most)
    yield Command(listed + ":POINts", None, _list_points)
