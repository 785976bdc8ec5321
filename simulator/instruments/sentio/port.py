"""One client of the prober: lines out of bytes in any split, one after the other, answers in their order.

Rule 1: a client's next line is carried out when its last one is answered. Others are served meanwhile.
Rule 2: a lost connection changes nothing: what was heard is still carried out, and the chuck stays where that leaves it.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from simulator.instruments.sentio.words import Answer

if TYPE_CHECKING:
    from simulator.instruments.sentio.prober import Sentio

LONGEST_LINE = 65_536
"""Bytes; of a longer one the end is kept."""
_LINES_KEPT = 256


class SentioPort:
    """A StreamPort."""

    def __init__(self, sentio: Sentio) -> None:
        self._sentio = sentio
        self._rest = b""
        self._lines: deque[tuple[int, str]] = deque()
        self._answers: deque[tuple[int, bytes]] = deque()
        self._free_ns = 0
        self._waiting = self._going_on = False
        self.closed = False

    def feed(self, data: bytes, now_ns: int) -> None:
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[-LONGEST_LINE:]
        self._lines.extend((now_ns, text) for line in lines if (text := line.decode("latin-1").strip("\r\t \0")))
        self._sentio.advance(now_ns)

    @property
    def full(self) -> bool:
        return len(self._lines) >= _LINES_KEPT

    @property
    def speaks_on(self) -> bool:
        return bool(self._answers) or self.busy

    @property
    def busy(self) -> bool:
        """Something that was heard is not answered yet."""
        return bool(self._lines) or self._waiting

    def go_on(self, now_ns: int) -> None:
        """Carry out what can be carried out by now."""
        if self._going_on:
            return
        self._going_on = True
        try:
            while self._lines and not self._waiting and self._free_ns <= now_ns:
                heard_ns, line = self._lines.popleft()
                self._waiting = True
                self._sentio.carry_out(line, self, max(self._free_ns, heard_ns))
        finally:
            self._going_on = False
        if self.closed and not self.busy:
            self._sentio.forget(self)

    def answered(self, answer: Answer | str | None, at_ns: int) -> None:
        """The line is done. answer: None for a line that gets none, a text for one without the usual head."""
        self._waiting, self._free_ns = False, at_ns
        if answer is not None and not self.closed:
            text = answer.line() if isinstance(answer, Answer) else answer
            self._answers.append((at_ns, text.encode("latin-1", "replace") + b"\n"))

    def take(self, now_ns: int) -> bytes:
        self._sentio.advance(now_ns)
        return self._answers.popleft()[1] if self._answers and self._answers[0][0] <= now_ns else b""

    def due_ns(self, now_ns: int) -> int | None:  # noqa: ARG002  (a StreamPort's signature)
        times = (self._sentio.due_ns(), self._answers[0][0] if self._answers else None, self.next_line_ns)
        return min((each for each in times if each is not None), default=None)

    @property
    def next_line_ns(self) -> int | None:
        """When the next line can be carried out; None: none waits, or not before the last one is answered."""
        return self._free_ns if self._lines and not self._waiting else None

    def close(self) -> None:
        self.closed = True
        self._answers.clear()
        if not self.busy:
            self._sentio.forget(self)
