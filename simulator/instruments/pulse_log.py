"""What the board remembers of pulses. Rule: an id at or below the last executed one is never executed.

`last` lies in non-volatile memory; what became of single ids only in RAM, and only of the last few commands.
"""

from collections import deque

from firmware_protocol.codes import PulseOutcome

COMMANDS_KEPT = 64
MAX_ID = 0xFFFF_FFFF


class PulseLog:
    """last: highest id executed on this board. total: pulses since it started."""

    def __init__(self, last: int = 0) -> None:
        self.last = last
        self.total = 0
        self._commands: deque[tuple[int, bytes]] = deque(maxlen=COMMANDS_KEPT)

    def accepts(self, first: int, count: int) -> bool:
        return self.last < first and first + count - 1 <= MAX_ID

    def record(self, first: int, outcomes: bytes) -> None:
        """Outcomes of one command, a PulseOutcome per item."""
        self._commands.append((first, outcomes))
        self.last = first + len(outcomes) - 1
        self.total += outcomes.count(PulseOutcome.EXECUTED)

    def outcome(self, pulse_id: int) -> PulseOutcome:
        """NEVER_SEEN above the last id, and for one that was skipped; LOST when it is too long ago to know."""
        if pulse_id > self.last:
            return PulseOutcome.NEVER_SEEN
        for first, outcomes in self._commands:
            if first <= pulse_id < first + len(outcomes):
                return PulseOutcome(outcomes[pulse_id - first])
        oldest = self._commands[0][0] if self._commands else self.last + 1
        return PulseOutcome.LOST if pulse_id < oldest else PulseOutcome.NEVER_SEEN
