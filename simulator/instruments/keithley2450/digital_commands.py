"""Digital lines, timers and blenders of a 2450, as commands.

Source: 2450 reference manual 2450-901-01, section 6, DIGital, TRIGger:DIGital, TRIGger:TIMer and TRIGger:BLENder. Assumed: to TSP-Link
and to LAN triggers nothing is connected; their settings are taken and forgotten.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from simulator.instruments.keithley2450.call import Call, Command, nothing
from simulator.instruments.keithley2450.digital import DIRECTIONS, EDGES, LOGICS, PULSE_S, TYPES
from simulator.instruments.keithley2450.events import event_name
from simulator.instruments.keithley2450.timers import DELAY_S
from simulator.instruments.scpi import boolean, choice, number

if TYPE_CHECKING:
    from simulator.instruments.keithley2450.core import Core


def _set_mode(core: Core, call: Call) -> None:
    core.lines.set_mode(call.suffix(0), choice(call.argument(0), TYPES), choice(call.argument(1), DIRECTIONS))


def _mode(core: Core, call: Call) -> str:
    line = core.lines[call.suffix(0)]
    return f"{line.kind},{line.direction}"


def _set_state(core: Core, call: Call) -> None:
    core.lines.write(call.suffix(0), boolean(call.argument()))


def _write(core: Core, call: Call) -> None:
    core.lines.require_all_digital()
    core.lines.write_all(round(number(call.argument(), 0, 63, 0)))


def _read(core: Core, _: Call) -> str:
    core.lines.require_all_digital()
    return str(core.lines.pattern)


def _set_edge(core: Core, call: Call) -> None:
    core.lines[call.suffix(0)].edge = choice(call.argument(), EDGES)


def _clear_line(core: Core, call: Call) -> None:
    core.events.detector(f"DIG{call.suffix(0)}").clear()


def _line_overrun(core: Core, call: Call) -> str:
    return str(int(core.events.detector(f"DIG{call.suffix(0)}").overrun))


def _set_logic(core: Core, call: Call) -> None:
    core.lines[call.suffix(0)].logic = choice(call.argument(), LOGICS)


def _set_pulse(core: Core, call: Call) -> None:
    core.lines[call.suffix(0)].pulse_s = number(call.argument(), *PULSE_S)


def _set_stimulus(core: Core, call: Call) -> None:
    core.lines[call.suffix(0)].stimulus.set(event_name(call.argument()))


def _line_commands() -> Iterator[Command]:
    yield Command("DIGital:LINE<6>:MODE", _set_mode, _mode, takes=2)
    yield Command("DIGital:LINE<6>:STATe", _set_state, lambda core, call: str(int(core.lines[call.suffix(0)].high)))
    yield Command("DIGital:READ", None, _read)
    yield Command("DIGital:WRITe", _write)
    head = "TRIGger:DIGital<6>:"
    yield Command(head + "IN:EDGE", _set_edge, lambda core, call: core.lines[call.suffix(0)].edge)
    yield Command(head + "IN:CLEar", _clear_line, takes=0)
    yield Command(head + "IN:OVERrun", None, _line_overrun)
    yield Command(head + "OUT:LOGic", _set_logic, lambda core, call: core.lines[call.suffix(0)].logic)
    yield Command(head + "OUT:PULSewidth", _set_pulse, lambda core, call: core.say(core.lines[call.suffix(0)].pulse_s))
    yield Command(head + "OUT:STIMulus", _set_stimulus, lambda core, call: core.lines[call.suffix(0)].stimulus.name)


# --- timers and blenders
def _set_timer_count(core: Core, call: Call) -> None:
    core.timers[call.suffix(0)].count = round(number(call.argument(), 0, 1_048_575, 1))


def _set_timer_delay(core: Core, call: Call) -> None:
    core.timers[call.suffix(0)].delay_s = number(call.argument(), *DELAY_S)


def _set_timer_start(core: Core, call: Call) -> None:
    timer = core.timers[call.suffix(0)]
    timer.begins_s = number(call.argument(), 0.0, 2_147_483_647.0, 0.0) + timer.begins_s % 1.0


def _set_timer_fraction(core: Core, call: Call) -> None:
    timer = core.timers[call.suffix(0)]
    timer.begins_s = timer.begins_s // 1.0 + number(call.argument(), 0.0, 0.999999999, 0.0)


def _set_timer_generates(core: Core, call: Call) -> None:
    core.timers[call.suffix(0)].at_start = boolean(call.argument())


def _set_timer_stimulus(core: Core, call: Call) -> None:
    core.timers[call.suffix(0)].stimulus.set(event_name(call.argument()))


def _set_timer_state(core: Core, call: Call) -> None:
    core.timers[call.suffix(0)].enable(boolean(call.argument()), core.now_ns)


def _clear_timer(core: Core, call: Call) -> None:
    core.events.detector(f"TIM{call.suffix(0)}").clear()
    core.timers[call.suffix(0)].overrun = False


def _timer_commands() -> Iterator[Command]:
    head = "TRIGger:TIMer<4>:"
    yield Command(head + "CLEar", _clear_timer, takes=0)
    yield Command(head + "COUNt", _set_timer_count, lambda core, call: str(core.timers[call.suffix(0)].count))
    yield Command(head + "DELay", _set_timer_delay, lambda core, call: core.say(core.timers[call.suffix(0)].delay_s))
    yield Command(head + "STARt:SEConds", _set_timer_start, lambda core, call: core.say(core.timers[call.suffix(0)].begins_s // 1.0))
    yield Command(head + "STARt:FRACtional", _set_timer_fraction, lambda core, call: core.say(core.timers[call.suffix(0)].begins_s % 1.0))
    yield Command(head + "STARt:GENerate", _set_timer_generates, lambda core, call: str(int(core.timers[call.suffix(0)].at_start)))
    yield Command(head + "STARt:STIMulus", _set_timer_stimulus, lambda core, call: core.timers[call.suffix(0)].stimulus.name)
    yield Command(head + "STARt:OVERrun", None, lambda core, call: str(int(core.timers[call.suffix(0)].overrun)))
    yield Command(head + "STATe", _set_timer_state, lambda core, call: str(int(core.timers[call.suffix(0)].enabled)))


def _set_blender_mode(core: Core, call: Call) -> None:
    core.blenders[call.suffix(0)].needs_all = choice(call.argument(), ("AND", "OR")) == "AND"


def _set_blender_stimulus(core: Core, call: Call) -> None:
    core.blenders[call.suffix(0)].stimuli[call.suffix(1) - 1].set(event_name(call.argument()))


def _clear_blender(core: Core, call: Call) -> None:
    core.blenders[call.suffix(0)].clear()


def _blender_commands() -> Iterator[Command]:
    head = "TRIGger:BLENder<2>:"
    yield Command(head + "CLEar", _clear_blender, takes=0)
    yield Command(head + "MODE", _set_blender_mode, lambda core, call: "AND" if core.blenders[call.suffix(0)].needs_all else "OR")
    yield Command(
        head + "STIMulus<4>",
        _set_blender_stimulus,
        lambda core, call: core.blenders[call.suffix(0)].stimuli[call.suffix(1) - 1].name,
    )
    yield Command(head + "OVERrun", None, lambda core, call: str(int(core.events.detector(f"BLEN{call.suffix(0)}").overrun)))


def _unconnected_commands() -> Iterator[Command]:
    for head, most in (("TRIGger:LAN<8>:", 3), ("TRIGger:TSPLink<3>:", 3)):
        for word in ("IN:CLEar", "IN:EDGE", "OUT:LOGic", "OUT:STIMulus", "OUT:PULSewidth", "OUT:PROTocol", "OUT:IP:ADDRess"):
            yield Command(head + word, nothing, takes=most)
        yield Command(head + "IN:OVERrun", None, lambda _, __: "0")
    yield Command("TSPLink:LINE<3>:MODE", nothing, takes=2)


def digital_commands() -> Iterator[Command]:
    yield from _line_commands()
    yield from _timer_commands()
    yield from _blender_commands()
    yield from _unconnected_commands()
