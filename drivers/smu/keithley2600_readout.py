"""What the buffers of a 2600B hold, counted and read out in chunks while it goes on measuring.

Rule 1: one message per chunk: it counts what has come meanwhile, so that the next one needs no question before it.
Rule 2: only what was handed out counts as read. After a lost line the count is asked for anew, and nothing is missing or twice.
"""

from collections.abc import Sequence

import numpy as np

from drivers.errors import ProtocolError, Refused
from drivers.smu import keithley2600_triggers as trigger
from drivers.smu.keithley2600_triggers import Progress
from drivers.smu.values import Floats
from drivers.tsp import Tsp

_CHUNK = 2_000
"""Readings at once: some hundred kB, so that `output off` never waits long behind them."""


class ReadOut:
    """buffers: those that are filled together. columns: of `trigger.print_readings`. read: readings handed out; set it back to have
    them again."""

    def __init__(self, tsp: Tsp, name: str, buffers: Sequence[str], columns: Sequence[str]) -> None:
        self.read = 0
        self._tsp, self._name = tsp, name
        self._buffers, self._columns = buffers, columns
        self._stored = 0
        self._counting = trigger.count_readings(buffers)

    def look(self) -> Progress:
        """Raises Refused when the output is off: what comes then is no measurement."""
        return self._understood(self._tsp.ask(trigger.COUNTS, after=self._counting))

    def next(self) -> Floats:
        """(readings, columns): the next ones that are known to be stored, none when there are none yet.

        Raises LinkError, ProtocolError, Refused; then nothing was read.
        """
        first, last = self.read + 1, min(self._stored, self.read + _CHUNK)
        if last < first:
            self.look()
            return np.empty((0, len(self._columns)))
        size = trigger.block_bytes(last - self.read, self._columns)
        printing = trigger.print_readings(first, last, self._columns)
        self._stored = self.read
        answers, block = self._tsp.ask_block(trigger.COUNTS, size, after=self._counting, then=printing)
        rows = self._rows(block)
        self._understood(answers)
        self.read = last
        return rows

    def waiting(self) -> int:
        """Readings known to be stored and not yet read."""
        return max(0, self._stored - self.read)

    def _rows(self, block: bytes) -> Floats:
        try:
            return trigger.parse_block(block, self._columns, self._name)
        except ProtocolError as error:
            self._tsp.doubt(str(error))
            raise

    def _understood(self, answers: Sequence[str]) -> Progress:
        progress = trigger.parse_progress(answers, self._name)
        if progress.stored < self.read:
            raise ProtocolError(
                f"{self._name}: its buffer holds {progress.stored} readings, {self.read} were read from it before: "
                "it was restarted, or someone else cleared it; begin again"
            )
        if not progress.output_on:
            raise Refused(f"{self._name}: the output went off while measuring; check the interlock and who switched it off")
        self._stored = progress.stored
        return progress
