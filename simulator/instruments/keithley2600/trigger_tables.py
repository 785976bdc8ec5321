"""digio.*, tsplink.*, trigger.*: the tables through which statements reach lines, timers, blenders and generators.

Source: 2600BS-901-01, the same in the command reference.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from simulator.instruments.keithley2600 import events as ids
from simulator.instruments.keithley2600.errors import Refused, whole
from simulator.instruments.keithley2600.events import Detector, Events
from simulator.instruments.keithley2600.natives import Natives
from simulator.instruments.keithley2600.status import Status
from simulator.instruments.keithley2600.trigger_objects import MODES, Blender, Line, Timer
from simulator.instruments.keithley2600.waiting import Waiter
from simulator.instruments.smu.own_time import OwnTime
from simulator.instruments.tsp_values import Native, Table, Value


@dataclass
class TriggerObjects:
    """command: the detector of *TRG."""

    lines: Sequence[Line]
    links: Sequence[Line]
    timers: Sequence[Timer]
    blenders: Sequence[Blender]
    command: Detector = field(default_factory=Detector)

    def reset(self) -> None:
        for each in (*self.lines, *self.links, *self.timers, *self.blenders):
            each.reset()
        self.command.clear()


def trigger_objects(own: OwnTime, events: Events, status: Status) -> TriggerObjects:
    def overruns(kind: str) -> str:
        return f"operation.instrument.{kind}.trigger_overrun"

    digio, links = status[overruns("digio")], status[overruns("tsplink")]
    timers, blenders = status[overruns("trigger_timer")], status[overruns("trigger_blender")]
    return TriggerObjects(
        [Line(at, ids.digio_event(at), events, digio) for at in range(1, ids.DIGIO_LINES + 1)],
        [Line(at, ids.tsplink_event(at), events, links) for at in range(1, ids.TSPLINK_LINES + 1)],
        [Timer(at, own, events, timers) for at in range(1, ids.TIMERS + 1)],
        [Blender(at, events, blenders) for at in range(1, ids.BLENDERS + 1)],
    )


class TriggerTables:
    def __init__(self, objects: TriggerObjects, natives: Natives, events: Events, waiter: Waiter) -> None:
        self._objects, self._natives, self._events, self._waiter = objects, natives, events, waiter

    def lines(self, lines: Sequence[Line]) -> Native:
        """digio.* or tsplink.*"""
        natives, cursor = self._natives, self._natives.cursor
        table = natives.table()
        table.objects |= {name: float(value) for name, value in MODES.items()}
        triggers = table.objects["trigger"] = natives.table()
        protected = [0]

        def read(_: object) -> Value:
            return float(sum(1 << at for at, line in enumerate(lines) if line.is_high(cursor.now_ns)))

        def write(mask: int, bits: int) -> None:
            for at, line in enumerate(lines):
                if (mask & ~protected[0]) >> at & 1:
                    line.high = bool(bits >> at & 1)

        def line_of(value: Value) -> int:
            try:
                return whole(value, 1, len(lines))
            except Refused as refused:
                raise Refused(1801) from refused

        every = (1 << len(lines)) - 1
        natives.function(table, "readport", read)
        natives.function(table, "readbit", lambda given: float(lines[line_of(_at(given, 0)) - 1].is_high(cursor.now_ns)))
        natives.function(table, "writeport", lambda given: write(every, whole(_at(given, 0), 0, every)))
        natives.function(
            table,
            "writebit",
            lambda given: write(1 << line_of(_at(given, 0)) - 1, every if whole(_at(given, 1), -(2**31), 2**31) else 0),
        )
        natives.attribute(
            table, "writeprotect", lambda: float(protected[0]), lambda value: protected.__setitem__(0, whole(value, 0, every))
        )
        for line in lines:
            triggers.objects[float(line.index)] = self._line(line)
        return table

    def _line(self, line: Line) -> Native:
        natives, cursor = self._natives, self._natives.cursor
        table = self._object(line.event, line.detector, line.reset)
        natives.attribute(table, "mode", lambda: float(line.mode), line.set_mode)
        natives.attribute(table, "pulsewidth", lambda: line.pulse_s, line.set_pulse_s)
        natives.attribute(table, "stimulus", lambda: float(line.stimulus.event), line.stimulus.assign)
        natives.function(table, "assert", lambda _: line.assert_(cursor.now_ns))
        natives.function(table, "release", lambda _: line.release())
        return table

    def _object(self, event: int, detector: Detector, reset: Callable[[], None], clear: Callable[[], None] | None = None) -> Native:
        """What every trigger object has."""
        natives, clearing = self._natives, clear or detector.clear
        table = natives.table()
        table.objects["EVENT_ID"] = float(event)
        natives.attribute(table, "overrun", lambda: detector.overrun)
        natives.function(table, "clear", lambda _: clearing())
        natives.function(table, "reset", lambda _: reset())
        natives.waiting(table, "wait", lambda given: self._waiter.event(detector, given))
        return table

    def trigger(self) -> Native:
        """trigger.*"""
        natives, objects = self._natives, self._objects
        table = natives.table()
        table.objects |= {"EVENT_ID": float(ids.COMMAND_EVENT), "EVENT_NONE": float(ids.NONE)}
        natives.function(table, "clear", lambda _: objects.command.clear())
        natives.waiting(table, "wait", lambda given: self._waiter.event(objects.command, given))
        for name in ("timer", "blender", "generator"):
            table.objects[name] = natives.table()
        for timer in objects.timers:
            table.objects["timer"].objects[float(timer.index)] = self._timer(timer)
        for blender in objects.blenders:
            table.objects["blender"].objects[float(blender.index)] = self._blender(blender)
        for at in range(1, ids.GENERATORS + 1):
            table.objects["generator"].objects[float(at)] = self._generator(ids.generator_event(at))
        return table

    def _timer(self, timer: Timer) -> Native:
        natives = self._natives
        table = self._object(ids.timer_event(timer.index), timer.detector, timer.reset)
        natives.attribute(table, "count", lambda: float(timer.count), timer.set_count)
        natives.attribute(table, "delay", lambda: timer.delay_s, timer.set_delay)
        natives.attribute(table, "delaylist", lambda: Table(tuple(timer.delays_s)), timer.set_delays)
        natives.attribute(table, "passthrough", lambda: timer.passthrough, timer.set_passthrough)
        natives.attribute(table, "stimulus", lambda: float(timer.stimulus.event), timer.stimulus.assign)
        return table

    def _blender(self, blender: Blender) -> Native:
        natives = self._natives
        table = self._object(ids.blender_event(blender.index), blender.detector, blender.reset, blender.clear)
        natives.attribute(table, "orenable", lambda: blender.any, blender.set_any)
        stimuli = table.objects["stimulus"] = natives.table()
        for at, stimulus in enumerate(blender.stimuli, 1):
            natives.numbered(stimuli, at, lambda stimulus=stimulus: float(stimulus.event), stimulus.assign)
        return table

    def _generator(self, event: int) -> Native:
        table = self._natives.table()
        table.objects["EVENT_ID"] = float(event)
        self._natives.function(table, "assert", lambda _: self._events.fire(event, self._natives.cursor.now_ns))
        return table


def _at(given: tuple[Value, ...], at: int) -> Value:
    """Raises Refused 1400."""
    if at >= len(given):
        raise Refused(1400, at + 1)
    return given[at]
