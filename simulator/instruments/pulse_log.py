"""What the board remembers of pulses. Rule: an id at or below the last one set aside is never executed.

`last` lies in non-volatile memory and is written before the first pulse of a command; what became of single ids lies in RAM only,
and only of the last few commands.
"""

from collections import deque
from dataclasses import dataclass

from firmware_protocol.codes import PulseOutcome

COMMANDS_KEPT = 64
MAX_ID = 0xFFFF_FFFF


@dataclass
class PulseRecord:
    """Ids first to first + count - 1 of one command of a session, of which the first `executed` were given. running: more may come."""

    first: int
    count: int
    session: int
    executed: int = 0
    running: bool = True

    def outcome(self, pulse_id: int) -> PulseOutcome:
        if pulse_id - self.first < self.executed:
            return PulseOutcome.EXECUTED
        return PulseOutcome.NEVER_SEEN if self.running else PulseOutcome.REFUSED


class PulseLog:
    """last: highest id that was, or may have been, executed on this board. total: pulses since it started.

    session: whose commands are begun from now on.
    """

    def __init__(self, last: int = 0) -> None:
        self.last = last
        self.total = 0
        self.session = 0
        self._forgotten = last
        self._records: deque[PulseRecord] = deque()

    def accepts(self, first: int, count: int) -> bool:
        return self.last < first and first + count - 1 <= MAX_ID

    def begin(self, first: int, count: int) -> PulseRecord:
        """Set ids aside for a command. Raises nothing: `accepts` was asked."""
        self.last = first + count - 1
        self._records.append(PulseRecord(first, count, self.session))
        if len(self._records) > COMMANDS_KEPT:
            dropped = self._records.popleft()
            self._forgotten = dropped.first + dropped.count - 1
        return self._records[-1]

    def given(self, record: PulseRecord, count: int) -> None:
        """The next `count` ids of a command have been pulsed."""
        record.executed += count
        self.total += count

    def fate(self, pulse_id: int) -> tuple[PulseOutcome, int]:
        """What became of it, and the session whose command has it; 0: no command that is remembered.

        NEVER_SEEN above the last id, for one that was skipped and for one still to come; LOST when it is too long ago to know.
        """
        if pulse_id > self.last:
            return PulseOutcome.NEVER_SEEN, 0
        if pulse_id <= self._forgotten:
            return PulseOutcome.LOST, 0
        for record in self._records:
            if record.first <= pulse_id < record.first + record.count:
                return record.outcome(pulse_id), record.session
        return PulseOutcome.NEVER_SEEN, 0
