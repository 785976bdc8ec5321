"""A whole 2636B: two channels, trigger objects, status model, error queue, and every name that a statement can use.

Rule: channel A is at the needles, channel B is there and connected to nothing; digital line 1 comes from the controller, line 2 goes to
it.
Source: 2600BS-901-01; "Common commands" (identity, *RST), localnode.*, tsplink.state, node[N].
"""

import calendar
from collections.abc import Callable, Generator
from datetime import datetime

from simulator.instruments.keithley2600.bits import bit_table
from simulator.instruments.keithley2600.errors import SERIOUS, TEXTS, Entry, ErrorQueue, Refused, number, text, whole
from simulator.instruments.keithley2600.events import COMMAND_EVENT, Events
from simulator.instruments.keithley2600.factory import Factory
from simulator.instruments.keithley2600.natives import Cursor, Happening, Natives, Turn, Until
from simulator.instruments.keithley2600.panel import Display, panel_tables
from simulator.instruments.keithley2600.printing import Printer
from simulator.instruments.keithley2600.queues import data_table, error_table, string_table
from simulator.instruments.keithley2600.scripts import Scripts
from simulator.instruments.keithley2600.side_tables import link_table, os_table, setup_functions, timer_table
from simulator.instruments.keithley2600.smu import Connections, Shared, Smu
from simulator.instruments.keithley2600.smu_tables import smu_table
from simulator.instruments.keithley2600.status import OPERATION_COMPLETE, Status, status_tables
from simulator.instruments.keithley2600.trigger_tables import TriggerTables, trigger_objects
from simulator.instruments.keithley2600.waiting import Waiter
from simulator.instruments.smu.channel import OpenTerminals
from simulator.instruments.smu.datasheet import KEITHLEY_2636B
from simulator.instruments.smu.own_time import OwnTime
from simulator.instruments.tsp_flat import FlatInterpreter, Interpreter, TspStopped
from simulator.instruments.tsp_lua import LuaInterpreter, NoLua
from simulator.instruments.tsp_values import Arguments, Function, Native, Pause, Value
from simulator.world import World

FIRMWARE = "3.3.5"
EPOCH_S = calendar.timegm(datetime(2026, 1, 1).timetuple())
"""What the instrument's clock says when its own time is 0."""
_LINE_HERTZ = (50.0, 60.0)
_MEMORY_KB = (29_000.0, 32_768.0)
_LONGEST_DELAY_S = 100e3


class Instrument:
    """say: takes what is printed."""

    def __init__(self, world: World, wall_ns: Callable[[int], int], say: Callable[[bytes], None]) -> None:
        self.model, self.serial = KEITHLEY_2636B.model, f"SIM{world.seed}"
        self.own = OwnTime(world.agenda, wall_ns)
        self.cursor = Cursor(self.own)
        self.errors = ErrorQueue()
        self.natives = Natives(self.errors, self.cursor)
        self.status = Status(self.errors.__len__)
        self.errors.occurred = self._occurred
        self.line_hertz = 60.0
        self.prompts = self.shows_errors = False
        self.prompts_common = True
        self.printer = Printer(self.natives, say)
        self.events = Events()
        self.objects = trigger_objects(self.own, self.events, self.status)
        self._wire(world)
        self.smus = self._channels(world)
        self.display = Display()
        self.scripts = Scripts(self.natives, self.errors, say)
        self._idle_waiters: list[Callable[[int], None]] = []
        self._completes = False
        self._waiter = Waiter(world.agenda, self.own)
        self.interpreter = self._interpreter()
        self.scripts.interpreter = self.interpreter
        self.scripts.set_anonymous("")

    @property
    def identity(self) -> str:
        return f"Keithley Instruments Inc., Model {self.model}, {self.serial}, {FIRMWARE}"

    def epoch_s(self, at_ns: int) -> float:
        """Seconds since 1970 at a time of the instrument's own."""
        return EPOCH_S + at_ns / 1e9

    def _occurred(self, bit: int, _: Entry) -> None:
        self.status["standard"].happen(bit)

    # --- what it is connected to
    def _wire(self, world: World) -> None:
        first, second = self.objects.lines[:2]
        world.trigger.ready.listen(lambda wall_now_ns: first.hear(self.own.enter(wall_now_ns)))
        second.pulse = lambda now_ns: world.trigger.measured.edge(self.own.wall_at(now_ns))

    def _channels(self, world: World) -> tuple[Smu, Smu]:
        shared = Shared(KEITHLEY_2636B, self.serial, self.natives, self.events, self.status, lambda: self.line_hertz, self.epoch_s)

        def contact_ohms() -> float | None:
            return None if world.die_in_contact is None else world.needles.contact_ohms()

        channels = Smu(0, Connections(world, contact_ohms), shared), Smu(1, Connections(OpenTerminals(), lambda: None), shared)
        for smu in channels:
            smu.model.idle_again = self._idle_again
        return channels

    def set_interlock(self, closed: bool) -> None:
        """Open, outputs that could carry more than it allows go off."""
        went_off = [smu.open_interlock(closed) for smu in self.smus]
        if any(went_off):
            self.errors.add(802, TEXTS[802], SERIOUS)

    # --- what the whole instrument does
    @property
    def busy(self) -> bool:
        """Whether something overlapped is under way."""
        return any(smu.model.busy for smu in self.smus)

    def _idle_again(self, now_ns: int) -> None:
        if self.busy:
            return
        if self._completes:
            self.complete_later()
        waiters, self._idle_waiters = self._idle_waiters, []
        for waiter in waiters:
            waiter(now_ns)

    def complete_later(self) -> None:
        """*OPC: the bit of the standard event register, as soon as nothing overlapped is under way."""
        self._completes = self.busy
        if not self.busy:
            self.status["standard"].happen(OPERATION_COMPLETE)

    def trigger(self) -> None:
        """*TRG."""
        self.objects.command.hear(self.cursor.now_ns)
        self.events.fire(COMMAND_EVENT, self.cursor.now_ns)

    def reset(self) -> None:
        """*RST, reset(): channels, triggers and formats. Error queue and status model stay."""
        for smu in self.smus:
            smu.reset()
        self.objects.reset()
        self.printer.reset()

    def clear_status(self) -> None:
        """*CLS."""
        self.status.clear_events()
        self.errors.clear()

    # --- names
    def _interpreter(self) -> Interpreter:
        natives = self._names()
        try:
            return LuaInterpreter(natives, Turn())
        except NoLua:
            return FlatInterpreter(natives)

    def _names(self) -> dict[str, Value]:
        natives, tables = self.natives, TriggerTables(self.objects, self.natives, self.events, self._waiter)
        panel = panel_tables(natives, self.display)
        self._local_node(panel["localnode"])
        setup_functions(natives, panel["setup"], self.smus, self.reset)
        names: dict[str, Value] = {
            **panel,
            **self.printer.functions(),
            **{smu.name: smu_table(smu) for smu in self.smus},
            "digio": tables.lines(self.objects.lines),
            "tsplink": link_table(natives, tables.lines(self.objects.links)),
            "trigger": tables.trigger(),
            "status": status_tables(self.status, natives),
            "errorqueue": error_table(self.errors, natives),
            "dataqueue": data_table(natives),
            "userstring": string_table(natives),
            "script": self.scripts.table,
            "bit": bit_table(natives),
            "timer": timer_table(natives),
            "os": os_table(natives, self.epoch_s),
        }
        names["node"] = natives.table()
        node = names["node"].objects[1.0] = natives.table()
        node.objects |= {name: value for name, value in names.items() if name != "node"}
        for name, attribute in panel["localnode"].getters.items():
            node.attribute(name, attribute, panel["localnode"].setters.get(name))
        natives.function(node, "getglobal", lambda given: (self.interpreter.value_of(text(_at(given, 0))),))
        natives.function(node, "setglobal", lambda given: self.interpreter.set_value(text(_at(given, 0)), _at(given, 1)))
        return names | self._functions() | Factory(natives, self.objects, self._waiter).functions()

    def _functions(self) -> dict[str, Value]:
        plain: dict[str, Callable[[Arguments], Value]] = {
            "reset": lambda _: self.reset(),
            "opc": lambda _: self.complete_later(),
            "exit": self._exit,
            "gettimezone": lambda _: "GMT00:00:00",
            "settimezone": lambda _: None,
            "settime": lambda _: None,
            "meminfo": lambda _: _MEMORY_KB,
            "makegetter": self._make_getter,
            "makesetter": self._make_setter,
            "savebuffer": self._save_buffer,
        }
        waiting: dict[str, Callable[[Arguments], Generator[Pause, None, Value]]] = {
            "delay": self._delay,
            "waitcomplete": self._wait_complete,
        }
        return {
            **{name: Function(self.natives.guarded(do)) for name, do in plain.items()},
            **{name: Function(self.natives.guarded_waiting(do), waits=True) for name, do in waiting.items()},
        }

    def _exit(self, _: Arguments) -> Value:
        raise TspStopped

    def _delay(self, given: Arguments) -> Generator[Pause, None, Value]:
        yield Until(self.cursor.now_ns + round(1e9 * number(_at(given, 0), 0.0, _LONGEST_DELAY_S)))

    def _wait_complete(self, _: Arguments) -> Generator[Pause, None, Value]:
        while self.busy:
            yield Happening(self._idle_waiters.append)

    def _make_getter(self, given: Arguments) -> Value:
        table, name = _table(given), text(_at(given, 1))
        return Function(lambda _: (table.get(name),))

    def _make_setter(self, given: Arguments) -> Value:
        table, name = _table(given), text(_at(given, 1))
        return Function(lambda values: table.set(name, values[0] if values else None))

    def _save_buffer(self, _: Arguments) -> Value:
        raise Refused(2204)  # No drive is plugged in.

    def _local_node(self, table: Native) -> None:
        attribute = self.natives.attribute
        described = [f"Keithley Instruments SMU {self.model} - {self.serial}"]
        detects = [True]

        def set_line(value: Value) -> None:
            wanted = number(value, *_LINE_HERTZ)
            if wanted not in _LINE_HERTZ:
                raise Refused(1101)
            self.line_hertz, detects[0] = wanted, False
            for smu in self.smus:
                smu.measuring.changed()

        attribute(table, "model", lambda: self.model)
        attribute(table, "serialno", lambda: self.serial)
        attribute(table, "revision", lambda: FIRMWARE)
        attribute(table, "version", lambda: FIRMWARE)
        attribute(table, "license", lambda: "")
        attribute(table, "description", lambda: described[0], lambda value: described.__setitem__(0, text(value)))
        attribute(table, "linefreq", lambda: self.line_hertz, set_line)
        attribute(table, "autolinefreq", lambda: detects[0], lambda value: detects.__setitem__(0, bool(value)))
        for name, field in (("prompts", "prompts"), ("prompts4882", "prompts_common"), ("showerrors", "shows_errors")):
            attribute(
                table,
                name,
                lambda field=field: float(getattr(self, field)),
                lambda value, field=field: setattr(self, field, bool(whole(value, 0, 1))),
            )
        attribute(table, "password", lambda: None, lambda value: (text(value), None)[1])
        self.natives.function(table, "reset", lambda _: self.reset())


def _at(given: Arguments, at: int) -> Value:
    """Raises Refused 1400."""
    if at >= len(given):
        raise Refused(1400, at + 1)
    return given[at]


def _table(given: Arguments) -> Native:
    table = _at(given, 0)
    if not isinstance(table, Native):
        raise Refused(1401, 1)
    return table
