"""Ready-made trigger models of a 2450, by name or by the spelling of firmware before 1.3.

Source: 2450 reference manual 2450-901-01, section 6, TRIGger:LOAD and TRIGger:LOAD:TRIGger:EXTernal. The digital lines of LogicTrigger
have to be made trigger lines before, with DIGital:LINE<n>:MODE.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from simulator.instruments.keithley2450.call import Call, Command
from simulator.instruments.keithley2450.digital import COUNT as LINES
from simulator.instruments.keithley2450.events import NONE, event_name
from simulator.instruments.keithley2450.trigger_blocks import (
    Block,
    BufferClear,
    ConfigRecall,
    DelayConstant,
    DigitalIo,
    Measure,
    Notify,
    Wait,
)
from simulator.instruments.keithley2450.trigger_branches import Branch, BranchCounter, BranchEvent, BranchLimit
from simulator.instruments.scpi import ScpiError, choice, illegal_value, number, unquoted

if TYPE_CHECKING:
    from simulator.instruments.keithley2450.core import Core

_COUNTS = (1, 268_435_455)
_DELAYS_S = (167e-9, 10_000.0)
_WIDE = 9.9e37
_OPTIONS = ("ACTive", "MEASure", "DIGitize")


def _delay(call: Call, index: int) -> float:
    """0 for none."""
    text = call.given(index, "0")
    if text.upper() in ("MIN", "MINIMUM", "MAX", "MAXIMUM", "DEF", "DEFAULT"):
        return number(text, _DELAYS_S[0], _DELAYS_S[1], 0.0)
    delay_s = number(text, 0.0, _DELAYS_S[1], 0.0)
    return max(delay_s, _DELAYS_S[0]) if delay_s else 0.0


def _logic_trigger(core: Core, call: Call, at: int, *, has_clear: bool) -> list[Block]:
    """Wait for an edge on a line, measure, pulse a line; as often as told."""
    line_in, line_out = call.whole(at, 1, LINES), call.whole(at + 1, 1, LINES)
    count = call.whole(at + 2, *_COUNTS)
    clear = has_clear and not _is_number(call.given(at + 3))
    clears = clear and bool(call.given(at + 3)) and choice(call.given(at + 3), ("ENTer", "NEVer")) == "ENT"
    rest = at + (4 if clear else 3)
    buffer = call.name(rest + 1, "defbuffer1")
    core.lines[line_out].stimulus.set(f"NOT{line_out}")
    return [
        Wait((f"DIG{line_in}",), clears),
        DelayConstant(_delay(call, rest)),
        Measure(buffer, 1),
        Notify(line_out),
        BranchCounter(1, count),
    ]


def _is_number(text: str) -> bool:
    return bool(text) and (text[0].isdigit() or text[0] in "+-.")


def _simple_loop(_: Core, call: Call, at: int) -> list[Block]:
    count, delay_s, buffer = call.whole(at, *_COUNTS), _delay(call, at + 1), call.name(at + 2, "defbuffer1")
    return [BufferClear(buffer), DelayConstant(delay_s), Measure(buffer, 1), BranchCounter(2, count)]


def _duration_loop(core: Core, call: Call, at: int) -> list[Block]:
    """The timer that ends it is timer 4."""
    seconds, delay_s = call.number(at, 500e-9, 100e3), _delay(call, at + 1)
    buffer, timer = call.name(at + 2, "defbuffer1"), core.timers[4]
    timer.reset()
    timer.delay_s = seconds
    timer.stimulus.set("NOT8")
    timer.enabled = True
    core.events.detector("TIM4").clear()
    return [
        BufferClear(buffer), Notify(8), DelayConstant(delay_s), Measure(buffer, 1), BranchEvent(7, "TIM4"), Branch(3), Block(),
    ]  # fmt: skip


def _loop_until_event(core: Core, call: Call, at: int) -> list[Block]:
    """position: per cent of the buffer that stand before the event."""
    event, position = event_name(call.argument(at)), call.number(at + 1, 0.0, 100.0)
    if event == NONE:
        raise illegal_value()
    clears = choice(call.given(at + 2, "NEVer"), ("ENTer", "NEVer")) == "ENT"
    delay_s, buffer = _delay(call, at + 3), call.name(at + 4, "defbuffer1")
    after = max(1, round(core.buffer(buffer).capacity * (100.0 - position) / 100.0))
    if clears:
        core.events.detector(event).clear()
    return [
        BufferClear(buffer),
        DelayConstant(delay_s),
        Measure(buffer, 1),
        BranchEvent(6, event),
        Branch(2),
        DelayConstant(delay_s),
        Measure(buffer, 1),
        BranchCounter(6, after),
    ]


def _config_list(core: Core, call: Call, at: int) -> list[Block]:
    """Every index of a source list, with the measure list's beside it."""
    measure, source = call.name(at), call.name(at + 1)
    core.lists.of(measure, "measure")
    core.lists.of(source, "source")
    delay_s, buffer = _delay(call, at + 2), call.name(at + 3, "defbuffer1")
    return [
        BufferClear(buffer),
        ConfigRecall(measure, 1),
        ConfigRecall(source, 1),
        Branch(7),
        ConfigRecall(measure, step=1),
        ConfigRecall(source, step=1),
        DelayConstant(delay_s),
        Measure(buffer, 1),
        BranchCounter(5, core.lists.size(source)),
    ]


def _binning(core: Core, call: Call, at: int, *, grades: bool) -> list[Block]:
    """Components, start line, delays, then four limits with a pattern each. Grading stops at the first limit that fails, sorting at the
    first that holds; the other pattern is for what is left."""
    components, line = call.whole(at, *_COUNTS), call.whole(at + 1, 1, LINES)
    start_s, end_s = _delay(call, at + 2), _delay(call, at + 3)
    rest, limits = call.whole(at + 6, 0, 15, 15), [(call, at + 4, 0), *((call, at + 8 + 3 * index, index + 1) for index in range(3))]
    tests = [_limit(each, first, index, at) for each, first, index in limits if each.given(first)]
    buffer = call.name(at + 17, "defbuffer1")
    core.lines.write_all(0, 15)
    blocks: list[Block] = [Wait((f"DIG{line}",)), DelayConstant(start_s), Measure(buffer, 1)]
    end = len(blocks) + 3 * len(tests) + 2
    for high, low, pattern in tests:
        number_ = len(blocks) + 1
        # Past its pattern when it does not apply.
        blocks.append(BranchLimit(number_ + 3, "INS" if grades else "OUT", low, high))
        blocks.extend((DigitalIo(pattern, 15), Branch(end)))
    blocks.append(DigitalIo(rest, 15))
    return [*blocks, DelayConstant(end_s), DigitalIo(0, 15), BranchCounter(1, components)]


def _limit(call: Call, first: int, index: int, at: int) -> tuple[float, float, int]:
    """(high, low, pattern). The pattern of the first limit stands behind it, as those of the others do."""
    pattern = at + 7 if index == 0 else first + 2
    return call.number(first, -_WIDE, _WIDE), call.number(first + 1, -_WIDE, _WIDE), call.whole(pattern, 0, 15, 1 << index)


Template = Callable[["Core", Call, int], list[Block]]

TEMPLATES: dict[str, Template] = {
    "Empty": lambda _, __, ___: [],
    "LogicTrigger": lambda core, call, at: _logic_trigger(core, call, at, has_clear=True),
    "ExternalTrigger": lambda core, call, at: _logic_trigger(core, call, at, has_clear=False),
    "SimpleLoop": _simple_loop,
    "DurationLoop": _duration_loop,
    "LoopUntilEvent": _loop_until_event,
    "ConfigList": _config_list,
    "GradeBinning": lambda core, call, at: _binning(core, call, at, grades=True),
    "SortBinning": lambda core, call, at: _binning(core, call, at, grades=False),
}
_OLD_SPELLINGS = {
    "EMPTy": "Empty",
    "TRIGger:EXTernal": "ExternalTrigger",
    "LOOP:SIMPle": "SimpleLoop",
    "LOOP:DURation": "DurationLoop",
    "LOOP:UNTil": "LoopUntilEvent",
    "CONFig": "ConfigList",
}


def _load(core: Core, call: Call) -> None:
    core.require_idle()
    wanted = unquoted(call.argument()).upper()
    for name, template in TEMPLATES.items():
        if name.upper() == wanted:
            core.model.load(template(core, call, 1))
            return
    raise ScpiError(-224, "Illegal parameter value")


def _loading(name: str) -> Callable[[Core, Call], None]:
    def load(core: Core, call: Call) -> None:
        core.require_idle()
        core.model.load(TEMPLATES[name](core, call, 0))

    return load


def template_commands() -> Iterator[Command]:
    yield Command("TRIGger:LOAD", _load, takes=20)
    for spelling, name in _OLD_SPELLINGS.items():
        yield Command(f"TRIGger:LOAD:{spelling}", _loading(name), takes=6)
