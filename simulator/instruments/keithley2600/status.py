"""Status model of a 2600B: register sets that feed one another up to the status byte.

Rule 1: a condition is what is, an event what has happened since it was read; only an enabled event is seen one floor up.
Rule 2: bits, names and numbers are data.
Source: 2600BS-901-01, "Status model" and status.* in the command reference.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from simulator.instruments.keithley2600.errors import Refused, whole
from simulator.instruments.keithley2600.natives import Natives
from simulator.instruments.tsp_values import Native, Value

_CHANNELS = "1:SMUA 2:SMUB"
_MEASURED = "0:VOLTAGE_LIMIT,VLMT 1:CURRENT_LIMIT,ILMT 7:READING_OVERFLOW,ROF 8:BUFFER_AVAILABLE,BAV"
_OVERRUN = "10:TRIGGER_OVERRUN,TRGOVR"
_OVERRUNS = f"{_CHANNELS} 10:TRIGGER_BLENDER,TRGBLND 11:TRIGGER_TIMER,TRGTMR 12:DIGITAL_IO,DIGIO 13:TSPLINK 14:LAN"
_OPERATING = f"0:CALIBRATING,CAL 3:SWEEPING,SWE 4:MEASURING,MEAS {_OVERRUN}"
_SMU_OVERRUNS = "1:ARM 2:SRC 3:MEAS 4:ENDP"
_QUESTIONED = "8:CALIBRATION,CAL 9:UNSTABLE_OUTPUT,UO 12:OVER_TEMPERATURE,OTEMP"


def _numbered(name: str, count: int, first: int = 1, at: int = 1) -> str:
    return " ".join(f"{at + index}:{name}{first + index}" for index in range(count))


def _nodes(first: int, count: int, more: bool) -> str:
    return ("0:EXTENSION_BIT,EXT " if more else "") + _numbered("NODE", count, first)


_SETS: dict[str, tuple[str, str, int]] = {
    # name: (bits, the set that it feeds, the bit there)
    "measurement": (f"{_MEASURED} 11:INTERLOCK,INT 13:INSTRUMENT_SUMMARY,INST", "", 0),
    "measurement.voltage_limit": (_CHANNELS, "measurement", 0),
    "measurement.current_limit": (_CHANNELS, "measurement", 1),
    "measurement.reading_overflow": (_CHANNELS, "measurement", 7),
    "measurement.buffer_available": (_CHANNELS, "measurement", 8),
    "measurement.instrument": (_CHANNELS, "measurement", 13),
    "measurement.instrument.smua": (_MEASURED, "measurement.instrument", 1),
    "measurement.instrument.smub": (_MEASURED, "measurement.instrument", 2),
    "operation": (f"{_OPERATING} 11:REMOTE_SUMMARY,REM 12:USER 13:INSTRUMENT_SUMMARY,INST 14:PROGRAM_RUNNING,PROG", "", 7),
    "operation.calibrating": (_CHANNELS, "operation", 0),
    "operation.sweeping": (_CHANNELS, "operation", 3),
    "operation.measuring": (_CHANNELS, "operation", 4),
    "operation.trigger_overrun": (_OVERRUNS, "operation", 10),
    "operation.remote": ("1:COMMAND_AVAILABLE,CAV 11:PROMPTS_ENABLED,PRMPT", "operation", 11),
    "operation.user": (_numbered("BIT", 15, 0, 0), "operation", 12),
    "operation.instrument": (_OVERRUNS, "operation", 13),
    "operation.instrument.smua": (_OPERATING, "operation.instrument", 1),
    "operation.instrument.smua.trigger_overrun": (_SMU_OVERRUNS, "operation.instrument.smua", 10),
    "operation.instrument.smub": (_OPERATING, "operation.instrument", 2),
    "operation.instrument.smub.trigger_overrun": (_SMU_OVERRUNS, "operation.instrument.smub", 10),
    "operation.instrument.trigger_blender": (_OVERRUN, "operation.instrument", 10),
    "operation.instrument.trigger_blender.trigger_overrun": (_numbered("BLND", 6), "operation.instrument.trigger_blender", 10),
    "operation.instrument.trigger_timer": (_OVERRUN, "operation.instrument", 11),
    "operation.instrument.trigger_timer.trigger_overrun": (_numbered("TMR", 8), "operation.instrument.trigger_timer", 10),
    "operation.instrument.digio": (_OVERRUN, "operation.instrument", 12),
    "operation.instrument.digio.trigger_overrun": (_numbered("LINE", 14), "operation.instrument.digio", 10),
    "operation.instrument.tsplink": (_OVERRUN, "operation.instrument", 13),
    "operation.instrument.tsplink.trigger_overrun": (_numbered("LINE", 3), "operation.instrument.tsplink", 10),
    "operation.instrument.lan": (f"0:CONNECTION,CON 1:CONFIGURING,CONF {_OVERRUN}", "operation.instrument", 14),
    "operation.instrument.lan.trigger_overrun": (_numbered("LAN", 8), "operation.instrument.lan", 10),
    "questionable": (f"{_QUESTIONED} 13:INSTRUMENT_SUMMARY,INST", "", 3),
    "questionable.calibration": (_CHANNELS, "questionable", 8),
    "questionable.unstable_output": (_CHANNELS, "questionable", 9),
    "questionable.over_temperature": (_CHANNELS, "questionable", 12),
    "questionable.instrument": (_CHANNELS, "questionable", 13),
    "questionable.instrument.smua": (_QUESTIONED, "questionable.instrument", 1),
    "questionable.instrument.smub": (_QUESTIONED, "questionable.instrument", 2),
    "standard": (
        "0:OPERATION_COMPLETE,OPC 2:QUERY_ERROR,QYE 3:DEVICE_DEPENDENT_ERROR,DDE 4:EXECUTION_ERROR,EXE 5:COMMAND_ERROR,CME "
        "6:USER_REQUEST,URQ 7:POWER_ON,PON",
        "",
        5,
    ),
    "system": (_nodes(1, 14, True), "", 1),
    "system2": (_nodes(15, 14, True), "system", 0),
    "system3": (_nodes(29, 14, True), "system2", 0),
    "system4": (_nodes(43, 14, True), "system3", 0),
    "system5": (_nodes(57, 8, False), "system4", 0),
}
_BYTE = (
    "0:MEASUREMENT_SUMMARY_BIT,MSB 1:SYSTEM_SUMMARY_BIT,SSB 2:ERROR_AVAILABLE,EAV 3:QUESTIONABLE_SUMMARY_BIT,QSB "
    "4:MESSAGE_AVAILABLE,MAV 5:EVENT_SUMMARY_BIT,ESB 6:MASTER_SUMMARY_STATUS,MSS 7:OPERATION_SUMMARY_BIT,OSB"
)
ERROR_AVAILABLE, MESSAGE_AVAILABLE, _MASTER = 4, 16, 64
OPERATION_COMPLETE, POWER_ON = 1, 128


def _bits(listed: str) -> Iterator[tuple[int, str]]:
    for item in listed.split():
        at, _, names = item.partition(":")
        for name in names.split(","):
            yield 1 << int(at), name


@dataclass
class Register:
    """feeds: told whether an enabled event stands here."""

    bits: dict[str, int]
    feeds: Callable[[bool], None]
    condition: int = 0
    event: int = 0
    enable: int = 0
    ntr: int = 0
    ptr: int = field(init=False)

    def __post_init__(self) -> None:
        self.reset()

    @property
    def all_bits(self) -> int:
        return sum(set(self.bits.values()))

    def reset(self) -> None:
        self.event = self.enable = self.ntr = 0
        self.ptr = self.all_bits
        self.feeds(False)

    def set(self, mask: int, on: bool) -> None:
        """Bits of the condition."""
        before, self.condition = self.condition, self.condition | mask if on else self.condition & ~mask
        changed = before ^ self.condition
        if changed:
            self.happen(changed & self.condition & self.ptr | changed & before & self.ntr)

    def happen(self, mask: int) -> None:
        """Events, whatever the condition."""
        if mask:
            self.event |= mask
            self.feeds(bool(self.event & self.enable))

    def read_event(self) -> int:
        event, self.event = self.event, 0
        self.feeds(False)
        return event

    def set_enable(self, mask: int) -> None:
        self.enable = mask
        self.feeds(bool(self.event & mask))


class Status:
    """sets: register sets by name. refresh: what has to be looked at before a condition is believed. waiting: answers not yet taken."""

    def __init__(self, errors_waiting: Callable[[], int]) -> None:
        self.refresh: list[Callable[[], None]] = []
        self.request_enable = 0
        self._errors_waiting = errors_waiting
        self._summaries = 0
        self.sets: dict[str, Register] = {}
        for name, (bits, parent, at) in _SETS.items():
            feeds = self._summarising(at) if not parent else self._feeding(self.sets[parent], 1 << at)
            self.sets[name] = Register({each: bit for bit, each in _bits(bits)}, feeds)
        self.sets["standard"].happen(POWER_ON)

    def __getitem__(self, name: str) -> Register:
        return self.sets[name]

    def byte(self, message_available: bool = False) -> int:
        self.look()
        byte = self._summaries | (ERROR_AVAILABLE if self._errors_waiting() else 0) | (MESSAGE_AVAILABLE if message_available else 0)
        return byte | (_MASTER if byte & self.request_enable else 0)

    def look(self) -> None:
        for each in self.refresh:
            each()

    def reset(self) -> None:
        """As *CLS does it: events and transition filters; what may ask for service stays."""
        for register in reversed(self.sets.values()):
            register.reset()
        self._summaries = 0

    def clear_events(self) -> None:
        for register in reversed(self.sets.values()):
            register.read_event()

    def _summarising(self, at: int) -> Callable[[bool], None]:
        def feed(on: bool) -> None:
            self._summaries = self._summaries | 1 << at if on else self._summaries & ~(1 << at)

        return feed

    def _feeding(self, parent: Register, mask: int) -> Callable[[bool], None]:
        return lambda on: parent.set(mask, on)


def status_tables(status: Status, natives: Natives) -> Native:
    """status.* as statements see it."""
    root = natives.table()
    for bit, name in _bits(_BYTE):
        root.objects[name] = float(bit)
    natives.attribute(root, "condition", lambda: float(status.byte()))
    natives.attribute(root, "request_enable", lambda: float(status.request_enable), _request_enable(status))
    natives.attribute(root, "request_event", lambda: float(status.byte() & status.request_enable))
    natives.attribute(root, "node_enable", lambda: 0.0, lambda _: None)
    natives.attribute(root, "node_event", lambda: 0.0)
    natives.function(root, "reset", lambda _: status.reset())
    tables: dict[str, Native] = {"": root}
    for name, register in status.sets.items():
        parent, _, last = name.rpartition(".")
        table = tables[name] = tables[parent].objects[last] = natives.table()
        _register_table(table, register, status, natives)
    return root


def _request_enable(status: Status) -> Callable[[Value], None]:
    def set_(value: Value) -> None:
        status.request_enable = whole(value, 0, 255) & ~_MASTER

    return set_


def _register_table(table: Native, register: Register, status: Status, natives: Natives) -> None:
    for name, bit in register.bits.items():
        table.objects[name] = float(bit)

    def condition() -> float:
        status.look()
        return float(register.condition)

    def event() -> float:
        status.look()
        return float(register.read_event())

    def mask(value: Value) -> int:
        wanted = whole(value, 0, 65_535)
        if wanted & ~register.all_bits and wanted != 65_535:
            raise Refused(1101)
        return wanted & register.all_bits

    natives.attribute(table, "condition", condition, _user_condition(register, mask) if "BIT0" in register.bits else None)
    natives.attribute(table, "event", event)
    natives.attribute(table, "enable", lambda: float(register.enable), lambda value: register.set_enable(mask(value)))
    natives.attribute(table, "ntr", lambda: float(register.ntr), lambda value: setattr(register, "ntr", mask(value)))
    natives.attribute(table, "ptr", lambda: float(register.ptr), lambda value: setattr(register, "ptr", mask(value)))


def _user_condition(register: Register, mask: Callable[[Value], int]) -> Callable[[Value], None]:
    """status.operation.user.condition is the user's."""

    def set_(value: Value) -> None:
        wanted = mask(value)
        register.set(wanted, True)
        register.set(register.all_bits & ~wanted, False)

    return set_
