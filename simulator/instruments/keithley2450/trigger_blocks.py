"""Building blocks of a 2450's trigger model: what each does when it is reached.

Rule: `enter` returns the number of the block that is next, or None when the block lets the model go on later by itself.
Source: 2450 reference manual 2450-901-01, section 3, trigger model; section 6, TRIGger:BLOCk.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from simulator.instruments.keithley2450.status import Kind
from simulator.instruments.scpi import ScpiError

if TYPE_CHECKING:
    from simulator.instruments.keithley2450.trigger_engine import TriggerModel

INFINITE, AUTO = -1, -2
"""Counts of a measure block: it goes on beside the others; as many as SENSe:COUNt says."""
USER_EVENTS = {"INF": (2734, Kind.INFORMATION), "WARN": (2738, Kind.WARNING), "ERR": (2742, Kind.ERROR)}
"""Number of the first user event of each kind; there are four of each."""


@dataclass
class Block:
    """number: its place in the model."""

    title: ClassVar[str] = "NO_OPERATION"
    number: int = field(default=0, init=False)

    def enter(self, model: TriggerModel, now_ns: int, /) -> int | None:  # noqa: ARG002  (a block that waits needs it)
        self.do(model)
        return self.number + 1

    def do(self, model: TriggerModel, /) -> None:
        """What it does in no time, before the next one."""

    def start(self) -> None:
        """The model starts: counters and the like as at first."""

    def check(self, model: TriggerModel) -> None:
        """Raises ScpiError when it cannot work as the instrument is set up."""

    def settings(self) -> str:
        return ""

    def text(self) -> str:
        return f"{self.number:2}) {self.title:<22}{self.settings()}".rstrip()


@dataclass
class BufferClear(Block):
    title: ClassVar[str] = "BUFFER_CLEAR"
    buffer: str = "defbuffer1"

    def do(self, model: TriggerModel, /) -> None:
        model.core.clear_buffer(self.buffer)

    def check(self, model: TriggerModel) -> None:
        model.core.buffer(self.buffer)

    def settings(self) -> str:
        return f"BUFFER: {self.buffer}"


@dataclass
class Measure(Block):
    """count: readings, AUTO, INFINITE to go on beside what follows, 0 to stop that."""

    title: ClassVar[str] = "MEASURE_DIGITIZE"
    buffer: str = "defbuffer1"
    count: int = 1
    _left: int = 0

    def enter(self, model: TriggerModel, now_ns: int, /) -> int | None:
        self._left = int(model.core.number("COUNT", "")) if self.count == AUTO else self.count
        if self._left > 0:
            model.begin_reading(now_ns, self._finished)
            return None
        if self.count == 0:
            model.stop_background()
        else:
            model.start_background(self.buffer, now_ns)
        return self.number + 1

    def _finished(self, end_ns: int) -> None:
        model = self._model
        model.finish_reading(self._store, end_ns)
        self._left -= 1
        if self._left > 0:
            model.begin_reading(end_ns, self._finished)
        else:
            model.go(self.number + 1, end_ns)

    def check(self, model: TriggerModel) -> None:
        self._model, self._store = model, model.core.buffer(self.buffer)

    def settings(self) -> str:
        return f"BUFFER: {self.buffer} COUNT: { {INFINITE: 'INFINITE', AUTO: 'AUTO'}.get(self.count, self.count) }"


@dataclass
class DelayConstant(Block):
    title: ClassVar[str] = "DELAY_CONSTANT"
    seconds: float = 0.0

    def enter(self, model: TriggerModel, now_ns: int, /) -> int | None:
        if not self.seconds:
            return self.number + 1
        model.go_at(now_ns + round(1e9 * self.seconds), self.number + 1)
        return None

    def settings(self) -> str:
        return f"DELAY: {self.seconds:.9f}"


@dataclass
class DelayDynamic(Block):
    """of_source: one of the source function's user delays, not of the measure function's."""

    title: ClassVar[str] = "DELAY_DYNAMIC"
    of_source: bool = False
    user: int = 1

    def enter(self, model: TriggerModel, now_ns: int, /) -> int | None:
        core = model.core
        seconds = core.number(f"DELAY_USER{self.user}", core.source if self.of_source else core.sense)
        model.go_at(now_ns + round(1e9 * seconds), self.number + 1)
        return None

    def settings(self) -> str:
        return f"DELAY: {'S' if self.of_source else 'M'}{self.user}"


@dataclass
class Wait(Block):
    """events: any of them, or all (`needs_all`). clears: what was detected before does not count."""

    title: ClassVar[str] = "WAIT"
    events: tuple[str, ...] = ()
    clears: bool = False
    needs_all: bool = False

    def enter(self, model: TriggerModel, now_ns: int, /) -> int | None:
        detectors = [model.core.events.detector(name) for name in self.events]
        if self.clears:
            for detector in detectors:
                detector.clear()
        missing = {index for index, detector in enumerate(detectors) if not detector.take()}
        if (self.needs_all and not missing) or (not self.needs_all and len(missing) < len(detectors)):
            return self.number + 1

        def hear(index: int) -> Callable[[int], None]:
            def come(at_ns: int) -> None:
                missing.discard(index)
                if not self.needs_all or not missing:
                    for detector in detectors:
                        detector.waiter = None
                    model.go(self.number + 1, at_ns)

            return come

        for index in missing:
            detectors[index].waiter = hear(index)
        model.waits(now_ns)
        return None

    def settings(self) -> str:
        events = (" AND " if self.needs_all else " OR ").join(self.events)
        return f"EVENT: {events} CLEAR: {'ENTER' if self.clears else 'NEVER'}"


@dataclass
class Notify(Block):
    title: ClassVar[str] = "NOTIFY"
    event: int = 1

    def enter(self, model: TriggerModel, now_ns: int, /) -> int:
        model.core.events.fire(f"NOT{self.event}", now_ns)
        return self.number + 1

    def settings(self) -> str:
        return f"ID: {self.event}"


@dataclass
class SourceState(Block):
    title: ClassVar[str] = "SOURCE_OUTPUT"
    on: bool = False

    def do(self, model: TriggerModel, /) -> None:
        model.core.set_output(self.on)

    def settings(self) -> str:
        return f"OUTPUT: {'ON' if self.on else 'OFF'}"


@dataclass
class DigitalIo(Block):
    title: ClassVar[str] = "DIGITAL_IO"
    pattern: int = 0
    mask: int = 63

    def do(self, model: TriggerModel, /) -> None:
        model.core.lines.write_all(self.pattern, self.mask)

    def settings(self) -> str:
        return f"VALUE: {self.pattern} MASK: {self.mask}"


@dataclass
class LogEvent(Block):
    """kind: of USER_EVENTS. event: 1 to 4 of this kind."""

    title: ClassVar[str] = "LOG_EVENT"
    kind: str = "INF"
    event: int = 1
    message: str = ""

    def do(self, model: TriggerModel, /) -> None:
        first, kind = USER_EVENTS[self.kind]
        model.core.post(first + self.event - 1, self.message, kind)

    def settings(self) -> str:
        return f"EVENT: {self.kind}{self.event} MESSAGE: {self.message}"


@dataclass
class ConfigRecall(Block):
    """step: 0 recalls an index, 1 the next one of the list, -1 the one before; around its ends."""

    title: ClassVar[str] = "CONFIG_RECALL"
    name: str = ""
    index: int = 1
    step: int = 0

    def do(self, model: TriggerModel, /) -> None:
        lists = model.core.lists
        size = lists.size(self.name)
        index = self.index if not self.step else (model.positions.get(self.name, 0) - 1 + self.step) % size + 1
        model.positions[self.name] = index
        lists.recall(model.core, self.name, index)

    def check(self, model: TriggerModel) -> None:
        if model.core.lists.size(self.name) < self.index:
            raise ScpiError(2790, "Configuration list, error, does not exist")

    def text(self) -> str:
        title = {0: "CONFIG_RECALL", 1: "CONFIG_NEXT", -1: "CONFIG_PREV"}[self.step]
        return f"{self.number:2}) {title:<22}CONFIG_LIST: {self.name}" + ("" if self.step else f" INDEX: {self.index}")
