"""The trigger model of a 2450: walks from block to block beside the parser.

Rule 1: a step happens at its nominal time, however late the computer is.
Rule 2: a measure block is over when its aperture is; what the reading needs afterwards overlaps with the blocks that follow, and the
next aperture waits for it. So the readings of a scan come at the instrument's rate, and switching hides behind them.
Rule 3: the instrument looks at its own state every 100 ms, so that TRIGger:STATe? tells its end that late.
Source: 2450 reference manual 2450-901-01, section 3, trigger model; section 6, INITiate, ABORt, TRIGger:STATe?.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from simulator.agenda import Entry
from simulator.instruments.keithley2450 import status
from simulator.instruments.keithley2450.buffers import ReadingBuffer
from simulator.instruments.keithley2450.trigger_blocks import Block
from simulator.instruments.keithley2450.trigger_branches import BranchCounter
from simulator.instruments.scpi import ScpiError, conflict, illegal_value

if TYPE_CHECKING:
    from simulator.instruments.keithley2450.instrument import Instrument

MOST_BLOCKS = 63
_LOOK_NS = 100_000_000
_IN_NO_TIME = 256
"""Blocks walked at one time, before the model is held to take some."""
_BLOCK_NS = 1_000


class TriggerModel:
    """blocks: from number 1. number: of the block last reached. positions: of the configuration lists that it walks through."""

    def __init__(self, core: Instrument) -> None:
        self.core = core
        self.blocks: list[Block] = []
        self.positions: dict[str, int] = {}
        self.number = 0
        self.running = self.paused = False
        self._ended = "EMPTY"
        self._started_ns = self._ended_ns = self._waits_from_ns = 0
        self._waits = False
        self._entry: Entry | None = None
        self._background: Entry | None = None
        self._held: tuple[int, int] | None = None
        self._when_idle: list[Callable[[], None]] = []

    # --- building
    def load(self, blocks: list[Block]) -> None:
        """Instead of what was there. Raises ScpiError -221 while it runs."""
        self.core.require_idle()
        self.blocks = blocks
        for number, block in enumerate(blocks, 1):
            block.number = number
        self._built()

    def set_block(self, number: int, block: Block) -> None:
        """Places left out up to this one do nothing. Raises ScpiError -221 while it runs."""
        self.core.require_idle()
        while len(self.blocks) < number:
            self.blocks.append(Block())
            self.blocks[-1].number = len(self.blocks)
        block.number = number
        self.blocks[number - 1] = block
        self._built()

    def _built(self) -> None:
        self._ended = "BUILDING" if self.blocks else "EMPTY"
        self.number = len(self.blocks)
        self._ended_ns = self._started_ns = 0

    def counter(self, number: int) -> BranchCounter:
        """Raises ScpiError -224 for a block that is none."""
        block = self.blocks[number - 1] if 1 <= number <= len(self.blocks) else None
        if not isinstance(block, BranchCounter):
            raise illegal_value()
        return block

    def clear(self) -> None:
        """As after power on: stopped, no blocks."""
        if self.running:
            self._end("ABORTED")
        self.load([])

    # --- running
    def start(self, now_ns: int) -> None:
        """Raises ScpiError -213 while it runs, -221 without blocks, and what a block says against it."""
        if self.running:
            raise ScpiError(-213, "Init ignored")
        if not self.blocks:
            raise conflict()
        for block in self.blocks:
            block.check(self)
            block.start()
        self.positions.clear()
        self.running, self.paused, self._held, self._started_ns = True, False, None, now_ns
        self._say(status.RUNNING, "Trigger model was idle, but is now running")
        self.go(1, now_ns)

    def abort(self) -> None:
        """Stop at once. The output stays as it is."""
        if self.running:
            self._say(status.ABORTED, "Trigger model was running, but then aborted by user action")
            self._end("ABORTED")

    def pause(self) -> None:
        self.paused = self.running

    def resume(self, now_ns: int) -> None:
        self.paused = False
        if self._held is not None:
            (number, _), self._held = self._held, None
            self.go(number, now_ns)

    def when_idle(self, do: Callable[[], None]) -> None:
        """Once, at once when it is idle."""
        if self.running:
            self._when_idle.append(do)
        else:
            do()

    def go(self, number: int, now_ns: int) -> None:
        """From this block on."""
        self._entry, self._waits = None, False
        walked = 0
        while True:
            if self.paused:
                self._held = number, now_ns
                return
            if number > len(self.blocks):
                self._say(status.COMPLETED, "Trigger model was running, but completed successfully, and is now in idle")
                self._end("IDLE")
                return
            if walked == _IN_NO_TIME:
                self.go_at(now_ns + walked * _BLOCK_NS, number)
                return
            self.number = number
            following = self._enter(self.blocks[number - 1], now_ns)
            if following is None or not self.running:
                return
            number = following
            walked += 1

    def _enter(self, block: Block, now_ns: int) -> int | None:
        try:
            return block.enter(self, now_ns)
        except ScpiError as error:
            self.core.status.record(error, now_ns)
            self._say(status.FAILED, "The trigger model was running, but has failed and returned to idle")
            self._end("FAILED")
            return None

    def go_at(self, when_ns: int, number: int) -> None:
        self._entry = self.core.time.at(when_ns, lambda at_ns: self.go(number, at_ns))

    def waits(self, now_ns: int) -> None:
        """The block waits for an event."""
        self._waits, self._waits_from_ns = True, now_ns

    def _end(self, state: str) -> None:
        for entry in (self._entry, self._background):
            if entry is not None:
                entry.cancel()
        self._entry = self._background = self._held = None
        self.core.events.forget_waiters()
        self.running = self._waits = False
        self._ended, self._ended_ns = state, self.core.now_ns
        when_idle, self._when_idle = self._when_idle, []
        for do in when_idle:
            do()

    def _say(self, event: int, text: str) -> None:
        self.core.post(event, text, status.Kind.INFORMATION)

    # --- measuring
    def begin_reading(self, now_ns: int, finished: Callable[[int], None]) -> None:
        core = self.core
        self._entry = core.time.at(core.channel.begin(now_ns + core.delay_ns()), finished)

    def finish_reading(self, buffer: ReadingBuffer, end_ns: int) -> None:
        self.core.store(buffer, end_ns)

    def start_background(self, name: str, now_ns: int) -> None:
        """Readings one after the other while the model goes on."""
        self.stop_background()
        buffer = self.core.buffer(name)

        def finished(end_ns: int) -> None:
            self.core.store(buffer, end_ns)
            begin(end_ns)

        def begin(from_ns: int) -> None:
            self._background = self.core.time.at(self.core.channel.begin(from_ns), finished)

        begin(now_ns + self.core.delay_ns())

    def stop_background(self) -> None:
        if self._background is not None:
            self._background.cancel()
            self._background = None

    # --- what it says
    def state(self, now_ns: int) -> str:
        """`RUNNING;RUNNING;3`: of the model, of its parallel part, and the block last reached."""
        state = self._state(now_ns)
        return f"{state};{state};{self.number}"

    def _state(self, now_ns: int) -> str:
        look_ns = 0 if self.core.time.wall_takes_none() else _LOOK_NS
        if self.running:
            return "WAITING" if self._waits and now_ns - self._waits_from_ns >= look_ns else "RUNNING"
        if look_ns and self._ended == "IDLE" and self._started_ns < self._ended_ns:
            looked_ns = self._started_ns + -(-(self._ended_ns - self._started_ns) // look_ns) * look_ns
            if now_ns < looked_ns:
                return "RUNNING"
        return self._ended

    def listing(self) -> str:
        return "\n".join(block.text() for block in self.blocks) or "EMPTY"
