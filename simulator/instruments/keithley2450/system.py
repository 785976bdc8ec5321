"""Commands that all instruments share, status registers, event log, system and display of a 2450.

Source: IEEE 488.2 for the starred ones; 2450 reference manual 2450-901-01, section 6 and appendix B.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from simulator.instruments.keithley2450.call import Call, Command, Handler, nothing, says
from simulator.instruments.keithley2450.events import COMMAND
from simulator.instruments.keithley2450.settings import Key, Value
from simulator.instruments.keithley2450.status import ALL_KINDS, EPOCH, Kind, Registers, is_bit
from simulator.instruments.scpi import choice, illegal_value, number, out_of_range

if TYPE_CHECKING:
    from simulator.instruments.keithley2450.core import Core

FIRMWARE = "1.7.12b"
CALIBRATED = "2026,1,5"
"""Year, month and day; calibration manual 2461-905-01, section 5."""
_KINDS = {"ALL": ALL_KINDS, "ERR": Kind.ERROR, "WARN": Kind.WARNING, "INF": Kind.INFORMATION}
_LAST_EVENT = 32_767


def _identity(core: Core, _: Call) -> str:
    return f"KEITHLEY INSTRUMENTS,MODEL 2450,{core.serial},{FIRMWARE}"


def _set_language(_: Core, call: Call) -> None:
    """Takes effect when the power is switched off and on again, so never here."""
    choice(call.argument(), ("SCPI", "TSP", "SCPI2400"))


def _clear(core: Core, _: Call) -> None:
    core.status.clear()


def _reset(core: Core, _: Call) -> None:
    core.reset()


def _set_enable(name: str) -> Handler:
    def store(core: Core, call: Call) -> None:
        setattr(core.status, name, round(number(call.argument(), 0, 255, 0)))

    return store


def _complete_later(core: Core, _: Call) -> None:
    def complete() -> None:
        core.status.event_status |= 1

    core.model.when_idle(complete)


def _complete(core: Core, _: Call) -> None:
    core.wait("1")


def _wait(core: Core, _: Call) -> None:
    core.wait()


def _trigger(core: Core, _: Call) -> None:
    core.events.fire(COMMAND, core.now_ns)


def _save(core: Core, call: Call) -> None:
    core.saved[call.whole(0, 0, 4)] = (core.source, core.sense, dict(core.values))


def _recall(core: Core, call: Call) -> None:
    """Everything as it was saved, with the output off; nothing where nothing was saved."""
    saved: tuple[str, str, dict[Key, Value]] | None = core.saved.get(call.whole(0, 0, 4))
    if saved is None:
        raise illegal_value()
    core.set_output(False)
    core.source = "VOLT" if saved[0] == "VOLT" else "CURR"
    core.sense = saved[1]
    core.values.update(saved[2])
    core.set_drive()
    core.set_meter()


def _common() -> Iterator[Command]:
    yield Command("*IDN", None, _identity, asks=0)
    yield Command("*LANG", _set_language, says(lambda _: "SCPI"))
    yield Command("*RST", _reset, takes=0)
    yield Command("*CLS", _clear, takes=0)
    yield Command("*ESE", _set_enable("event_enable"), says(lambda core: str(core.status.event_enable)))
    yield Command("*SRE", _set_enable("service_enable"), says(lambda core: str(core.status.service_enable)))
    yield Command("*ESR", None, says(lambda core: str(core.status.read_event_status())))
    yield Command("*STB", None, says(lambda core: str(core.status.byte())))
    yield Command("*OPC", _complete_later, _complete, takes=0)
    yield Command("*WAI", _wait, takes=0)
    yield Command("*TRG", _trigger, takes=0)
    yield Command("*TST", None, says(lambda _: "0"))
    yield Command("*SAV", _save)
    yield Command("*RCL", _recall)


# --- status registers
def _registers(name: str) -> Callable[[Core], Registers]:
    return (lambda core: core.status.operation) if name == "OPERation" else (lambda core: core.status.questionable)


def _register_commands(name: str) -> Iterator[Command]:
    of = _registers(name)

    def set_enable(core: Core, call: Call) -> None:
        of(core).enable = round(number(call.argument(), 0, 65_535, 0))

    def set_map(core: Core, call: Call) -> None:
        bit = _bit(call)
        of(core).map(bit, *(call.whole(index, -_LAST_EVENT, _LAST_EVENT, 0 if index == 2 else None) for index in (1, 2)))

    def shown_map(core: Core, call: Call) -> str:
        return ",".join(map(str, of(core).mapped(_bit(call))))

    head = f"STATus:{name}"
    yield Command(f"{head}:CONDition", None, lambda core, _: str(of(core).condition))
    yield Command(f"{head}[:EVENt]", None, lambda core, _: str(of(core).read_event()))
    yield Command(f"{head}:ENABle", set_enable, lambda core, _: str(of(core).enable))
    yield Command(f"{head}:MAP", set_map, shown_map, takes=3)


def _bit(call: Call) -> int:
    bit = call.whole(0, -1, 99)
    if not is_bit(bit):
        raise out_of_range()
    return bit


def _preset(core: Core, _: Call) -> None:
    core.status.preset()


# --- event log
def _clear_log(core: Core, _: Call) -> None:
    core.status.clear_queue()


def _kinds(call: Call, index: int = 0) -> Kind:
    word = call.given(index, "ALL")
    return _KINDS[choice(word, ("ALL", "ERRor", "WARNing", "INFormational"))]


def _next_event(core: Core, call: Call) -> str:
    event = core.status.take(_kinds(call))
    return '0,"No error;0;0 0"' if event is None else f'{event.number},"{event.text};{int(event.kind)};{event.stamp}"'


def _event_count(core: Core, call: Call) -> str:
    return str(core.status.count(_kinds(call)))


def _post(core: Core, call: Call) -> None:
    call.argument()
    kind = _kinds(call, 1)
    core.post(1000, call.name(0), kind if kind in (Kind.ERROR, Kind.WARNING) else Kind.INFORMATION)


def _error_code(core: Core, _: Call) -> str:
    event = core.status.take()
    return "0" if event is None else str(event.number)


def _time(core: Core, call: Call) -> str:
    at = EPOCH + timedelta(microseconds=core.now_ns // 1000)
    return at.strftime("%a %b %d %H:%M:%S %Y") if not call.given(0) else str(int((at - EPOCH).total_seconds()))


def _log_commands() -> Iterator[Command]:
    yield Command("SYSTem:ERRor[:NEXT]", None, says(lambda core: core.status.next_error()))
    yield Command("SYSTem:ERRor:CODE[:NEXT]", None, _error_code)
    yield Command("SYSTem:ERRor:COUNt", None, says(lambda core: str(core.status.errors)))
    yield Command("SYSTem:EVENtlog:NEXT", None, _next_event)
    yield Command("SYSTem:EVENtlog:COUNt", None, _event_count)
    yield Command("SYSTem:EVENtlog:POST", _post, takes=2)
    yield Command("SYSTem:EVENtlog:SAVE", nothing, takes=2)
    yield Command("SYSTem:CLEar", _clear_log, takes=0)


def system_commands() -> Iterator[Command]:
    yield from _common()
    yield from _log_commands()
    for name in ("OPERation", "QUEStionable"):
        yield from _register_commands(name)
    yield Command("STATus:PRESet", _preset, takes=0)
    yield Command("STATus:CLEar", _clear, takes=0)
    yield Command("SYSTem:LFRequency", None, says(lambda _: "60"))
    yield Command("SYSTem:VERSion", None, says(lambda _: "1996.0"))
    yield Command("SYSTem:TIME", nothing, _time, takes=6)
    yield Command("SYSTem:BEEPer[:IMMediate]", nothing, takes=2)
    yield Command("SYSTem:PASSword:NEW", nothing)
    yield Command("CALibration:(VERify|ADJust):DATE", None, says(lambda _: CALIBRATED))
    yield Command("CALibration:ADJust:COUNt", None, says(lambda _: "1"))
    yield Command("SYSTem:COMMunication:LAN:CONFigure", nothing, says(lambda _: "AUTO"), takes=4)
    yield Command("SYSTem:COMMunication:LAN:MACaddress", None, says(lambda _: "00:00:00:00:00:00"))
    for quiet in ("DISPlay:CLEar", "DISPlay:SCReen", "DISPlay:LIGHt:STATe", "DISPlay:USER<2>:TEXT[:DATA]"):
        yield Command(quiet, nothing)
