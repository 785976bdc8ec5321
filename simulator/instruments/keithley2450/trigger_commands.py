"""The trigger model of a 2450, as commands: its blocks one by one, starting and stopping it.

Source: 2450 reference manual 2450-901-01, section 6, TRIGger, INITiate and ABORt subsystems.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from simulator.instruments.keithley2450.call import Call, Command, Handler, says
from simulator.instruments.keithley2450.events import NONE, event_name
from simulator.instruments.keithley2450.trigger_blocks import (
    AUTO,
    INFINITE,
    USER_EVENTS,
    Block,
    BufferClear,
    ConfigRecall,
    DelayConstant,
    DelayDynamic,
    DigitalIo,
    LogEvent,
    Measure,
    Notify,
    SourceState,
    Wait,
)
from simulator.instruments.keithley2450.trigger_branches import (
    LIMIT_KINDS,
    Branch,
    BranchCounter,
    BranchDelta,
    BranchEvent,
    BranchLimit,
    BranchLimited,
    BranchOnce,
    CounterReset,
)
from simulator.instruments.keithley2450.trigger_engine import MOST_BLOCKS
from simulator.instruments.scpi import boolean, choice, header_regex, illegal_value

if TYPE_CHECKING:
    from simulator.instruments.keithley2450.core import Core

_MOST = 268_435_455
_WIDE = 9.9e37


def _measure(call: Call) -> Block:
    text = call.given(2, "1").upper()
    counts = {"INF": INFINITE, "INFINITE": INFINITE, "STOP": 0, "AUTO": AUTO}
    return Measure(call.name(1, "defbuffer1"), counts[text] if text in counts else call.whole(2, 0, _MOST, 1))


def _wait(call: Call) -> Block:
    clears = choice(call.given(2, "NEVer"), ("ENTer", "NEVer")) == "ENT"
    needs_all = choice(call.given(3, "OR"), ("AND", "OR")) == "AND"
    names = [event_name(call.argument(1)), *(event_name(text) for text in call.arguments[4:7] if text)]
    return Wait(tuple(name for name in names if name != NONE), clears, needs_all)


def _limit_constant(call: Call) -> Block:
    low, high = sorted(call.number(index, -_WIDE, _WIDE) for index in (2, 3))
    return BranchLimit(call.whole(4, 1, MOST_BLOCKS), choice(call.argument(1), LIMIT_KINDS), low, high)


def _limit_dynamic(call: Call) -> Block:
    return BranchLimit(call.whole(3, 1, MOST_BLOCKS), choice(call.argument(1), LIMIT_KINDS), limit=call.whole(2, 1, 2))


def _event(call: Call) -> Block:
    name, to = event_name(call.argument(1)), call.whole(2, 1, MOST_BLOCKS)
    return BranchLimited(to) if name == "SLIM" else BranchEvent(to, name)


def _dynamic_delay(call: Call) -> Block:
    match = header_regex("(SOURce|MEASure)<5>").fullmatch(call.argument(1))
    if match is None:
        raise illegal_value()
    return DelayDynamic(match.group(1).upper().startswith("S"), int(match.group(2) or "1"))


def _log(call: Call) -> Block:
    match = header_regex("(INFormation|WARNing|ERRor)<4>").fullmatch(call.argument(1))
    if match is None:
        raise illegal_value()
    kind = next(each for each in USER_EVENTS if match.group(1).upper().startswith(each))
    return LogEvent(kind, int(match.group(2) or "1"), call.name(2))


def _to(call: Call, index: int) -> int:
    return call.whole(index, 1, MOST_BLOCKS)


_BLOCKS: dict[str, Callable[[Call], Block]] = {
    "NOP": lambda _: Block(),
    "BUFFer:CLEar": lambda call: BufferClear(call.name(1, "defbuffer1")),
    "(MEASure|MDIGitize)": _measure,
    "DELay:CONStant": lambda call: DelayConstant(call.number(1, 0.0, 10_000.0)),
    "DELay:DYNamic": _dynamic_delay,
    "DIGital:IO": lambda call: DigitalIo(call.whole(1, 0, 63), call.whole(2, 0, 63, 63)),
    "LOG:EVENt": _log,
    "NOTify": lambda call: Notify(call.whole(1, 1, 8)),
    "SOURce:STATe": lambda call: SourceState(boolean(call.argument(1))),
    "WAIT": _wait,
    "CONFig:RECall": lambda call: ConfigRecall(call.argument(1) and call.name(1), call.whole(2, 1, 300_000, 1)),
    "CONFig:NEXT": lambda call: ConfigRecall(call.argument(1) and call.name(1), step=1),
    "CONFig:PREVious": lambda call: ConfigRecall(call.argument(1) and call.name(1), step=-1),
    "BRANch:ALWays": lambda call: Branch(_to(call, 1)),
    "BRANch:COUNter": lambda call: BranchCounter(_to(call, 2), call.whole(1, 1, _MOST)),
    "BRANch:COUNter:RESet": lambda call: CounterReset(_to(call, 1)),
    "BRANch:DELTa": lambda call: BranchDelta(_to(call, 2), call.number(1, -_WIDE, _WIDE)),
    "BRANch:EVENt": _event,
    "BRANch:LIMit:CONStant": _limit_constant,
    "BRANch:LIMit:DYNamic": _limit_dynamic,
    "BRANch:ONCE": lambda call: BranchOnce(_to(call, 1)),
    "BRANch:ONCE:EXCLuded": lambda call: BranchOnce(_to(call, 1), excluded=True),
}


def _building(build: Callable[[Call], Block]) -> Handler:
    def set_block(core: Core, call: Call) -> None:
        core.model.set_block(call.whole(0, 1, MOST_BLOCKS), build(call))

    return set_block


def _branch_count(core: Core, call: Call) -> str:
    return str(core.model.counter(call.whole(0, 1, MOST_BLOCKS)).count)


def _initiate(core: Core, _: Call) -> None:
    core.model.start(core.now_ns)


def _abort(core: Core, _: Call) -> None:
    core.model.abort()


def _set_continuous(core: Core, call: Call) -> None:
    """What the front panel does after power on; RESTart, which starts it now, would end remote control."""
    core.continuous = choice(call.argument(), ("AUTO", "OFF", "RESTart"))


def _pause(core: Core, _: Call) -> None:
    core.model.pause()


def _resume(core: Core, _: Call) -> None:
    core.model.resume(core.now_ns)


def trigger_commands() -> Iterator[Command]:
    for word, build in _BLOCKS.items():
        yield Command(f"TRIGger:BLOCk:{word}", _building(build), takes=7)
    yield Command("TRIGger:BLOCk:BRANch:COUNter:COUNt", None, _branch_count)
    yield Command("TRIGger:BLOCk:LIST", None, says(lambda core: core.model.listing()))
    yield Command("TRIGger:STATe", None, says(lambda core: core.model.state(core.now_ns)))
    yield Command("TRIGger:CONTinuous", _set_continuous, says(lambda core: core.continuous))
    yield Command("TRIGger:PAUSe", _pause, takes=0)
    yield Command("TRIGger:RESume", _resume, takes=0)
    yield Command("INITiate[:IMMediate]", _initiate, takes=0)
    yield Command("ABORt", _abort, takes=0)
