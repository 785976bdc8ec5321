"""A buffer of a Keithley 2450, counted and read out in chunks while it goes on measuring.

Rule 1: values come as blocks of doubles, as exact as they were measured, twice; what they hold not, the source's states, as text.
Rule 2: only what was handed out counts as read: after a lost line the next call goes on from there, the instrument keeps them all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from drivers.errors import ProtocolError
from drivers.scpi import Scpi
from drivers.smu import keithley2450_messages as say
from drivers.smu import keithley2450_triggers as trigger
from drivers.smu.capabilities import Source
from drivers.smu.values import Flags, Floats, SmuTrace

CHUNK = 2_000
"""Readings at once: some 100 kB, so that nothing waits long behind them."""


@dataclass(frozen=True)
class Readings:
    """Of a buffer, in order. values: (readings, trigger.COLUMNS). status: (readings,), of the source."""

    values: Floats
    status: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, which: slice) -> "Readings":
        return Readings(self.values[which], self.status[which])

    @property
    def sourced(self) -> Floats:
        return self.values[:, 0]

    @property
    def measured(self) -> Floats:
        return self.values[:, 1]

    @property
    def at_s(self) -> Floats:
        """Since the first reading of the buffer."""
        return self.values[:, 2]

    @property
    def limited(self) -> Flags:
        """What was measured is the limit, or beyond the range, and not the device. NaN would be no measurement either."""
        return say.are_limited(self.status) | ~(np.abs(self.measured) < say.OVERFLOW)

    @property
    def output_on(self) -> Flags:
        """While the reading was taken."""
        return say.are_on(self.status)

    def trace(self, source: Source, levels: Floats, ended: Literal["done", "limited"] = "done") -> SmuTrace:
        """levels: (readings,), what was asked for."""
        volts, amps = (self.sourced, self.measured) if source == "volts" else (self.measured, self.sourced)
        return SmuTrace(source, levels, volts, amps, self.limited, self.at_s, ended)


def joined(pieces: Sequence[Readings]) -> Readings:
    """One after the other."""
    none = Readings(np.empty((0, trigger.COLUMNS)), np.empty(0, np.int64))
    return Readings(
        np.concatenate([none.values, *(each.values for each in pieces)]), np.concatenate([none.status, *(each.status for each in pieces)])
    )


class ReadOut:
    """read: readings handed out so far; set it back to have them again."""

    def __init__(self, scpi: Scpi, name: str) -> None:
        self.read = 0
        self._scpi, self._name = scpi, name

    def stored(self) -> int:
        """Readings in the buffer. Raises ProtocolError when there are fewer than were read from it."""
        return self.understood(self._scpi.ask(*trigger.STORED))

    def understood(self, answers: Sequence[str]) -> int:
        """The count, by the answers to `trigger.STORED`."""
        count = trigger.parse_stored(answers, self._name)
        if count < self.read:
            raise ProtocolError(
                f"{self._name}: its buffer holds {count} readings, {self.read} were read from it before: "
                "it was restarted, or someone else cleared it; begin again"
            )
        return count

    def next(self, stored: int) -> Readings:
        """Those that follow, of the first `stored`, a chunk at most. Raises LinkError, ProtocolError; then nothing was read."""
        first, last = self.read + 1, min(stored, self.read + CHUNK)
        if last < first:
            return joined([])
        count = last - self.read
        block = self._scpi.ask_block(*trigger.stored_values(first, last), size=trigger.block_bytes(count))
        (text,) = self._scpi.ask(*trigger.stored_statuses(first, last))
        found = Readings(trigger.parse_values(block), trigger.parse_statuses(text, count, self._name))
        self.read = last
        return found
