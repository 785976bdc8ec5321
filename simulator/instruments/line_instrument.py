"""An instrument that is spoken to in lines of text, hosted: one parser for all of its clients, busy with one line at a time.

Rule 1: a line is carried out when the instrument is free, in the order of arrival, whoever sent it; its answer leaves when its time is
over. Rule 2: a line in the middle of which the instrument waits for itself (`blocked`) holds up everybody, as *WAI does on a real one.
Rule 3: before anything is carried out, everything due by then has happened.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from simulator.agenda import Agenda
from simulator.instruments import Reply

WallNs = Callable[[int], int]
"""Wall time that a busy time takes."""
_LINES_KEPT = 4_096
"""Lines that wait; a client that sends more and listens to nothing is heard no more."""


class LineCore(Protocol):
    """What an instrument says, without lines and without clients.

    agenda: of its world. longest_line: bytes. blocked: it waits for what it does by itself; nothing is parsed meanwhile.
    """

    agenda: Agenda
    longest_line: int

    @property
    def blocked(self) -> bool: ...

    def execute(self, line: str, now_ns: int) -> Reply:
        """One line, without its end; now_ns is when it begins."""
        ...

    def resume(self, now_ns: int) -> Reply:
        """The rest of the line that was held up, as soon as `blocked` is over. Its data ends the answer that `execute` began."""
        ...

    def overrun(self, now_ns: int) -> None:
        """A line was too long, and is lost."""
        ...


@dataclass
class _Waiting:
    port: "LinePort"
    line: str
    at_ns: int


class LineInstrument:
    """A StreamInstrument. core: what is said. wake: called when there is an answer for somebody who did not just speak."""

    def __init__(self, core: LineCore, wall_ns: WallNs) -> None:
        self.core, self.wall_ns = core, wall_ns
        self.wake: Callable[[], None] = lambda: None
        self._lines: deque[_Waiting] = deque()
        self._held: _Waiting | None = None
        self._free_ns = 0
        self._present: LinePort | None = None

    @property
    def agenda(self) -> Agenda:
        return self.core.agenda

    def connect(self) -> "LinePort":
        return LinePort(self)

    def tick(self, now_ns: int) -> None:
        self.advance(now_ns)

    def stick(self, until_ns: int) -> None:
        """Busy with itself until then: it takes lines and carries none out."""
        self._free_ns = max(self._free_ns, until_ns)

    def hear(self, port: "LinePort", lines: Iterable[str], now_ns: int) -> None:
        """Lines of one client, and whatever can be carried out by now."""
        self._lines.extend(_Waiting(port, line, now_ns) for line in lines)
        self.attend(port, now_ns)

    def attend(self, port: "LinePort", now_ns: int) -> None:
        """Bring everything up to now; what others get meanwhile wakes the host."""
        self._present = port
        self.advance(now_ns)
        self._present = None

    def owes(self, port: "LinePort") -> bool:
        """Whether something that this client sent was not carried out yet."""
        return (self._held is not None and self._held.port is port) or any(each.port is port for each in self._lines)

    @property
    def full(self) -> bool:
        return len(self._lines) >= _LINES_KEPT

    def advance(self, now_ns: int) -> None:
        """Carry out what can be carried out by now."""
        self.agenda.run(now_ns)
        while True:
            if self._held is not None:
                if self.core.blocked:
                    return
                held, self._held = self._held, None
                begin_ns = max(self._free_ns, now_ns)
                self._answered(held, self.core.resume(begin_ns), begin_ns)
            elif self._lines and self._free_ns <= now_ns:
                waiting = self._lines.popleft()
                begin_ns = max(self._free_ns, waiting.at_ns)
                self._answered(waiting, self.core.execute(waiting.line, begin_ns), begin_ns)
            else:
                return

    def _answered(self, waiting: _Waiting, reply: Reply, begin_ns: int) -> None:
        self._free_ns = begin_ns + self.wall_ns(reply.busy_ns)
        if self.core.blocked:
            self._held = waiting
        if reply.data:
            waiting.port.answer(self._free_ns, reply.data)
            if waiting.port is not self._present:
                self.wake()

    def due_ns(self) -> int | None:
        """When it can go on; None: with nothing to do, or not before something has happened by itself."""
        return self._free_ns if self._lines and self._held is None else None


class LinePort:
    """One client: lines out of bytes in any split, answers in their order. A StreamPort."""

    def __init__(self, instrument: LineInstrument) -> None:
        self._instrument = instrument
        self._rest = b""
        self._overrun = False
        self._answers: deque[tuple[int, bytes]] = deque()

    def feed(self, data: bytes, now_ns: int) -> None:
        *lines, rest = (self._rest + data).split(b"\n")
        core = self._instrument.core
        if self._overrun and lines:
            del lines[0]  # the end of a line that was too long: lost like its beginning
            self._overrun = False
        if len(rest) > core.longest_line and not self._overrun:
            self._overrun = True
            core.overrun(now_ns)
        self._rest = b"" if self._overrun else rest
        self._instrument.hear(self, (line.decode("latin-1").strip("\r\t \0") for line in lines), now_ns)

    @property
    def full(self) -> bool:
        return self._instrument.full

    @property
    def speaks_on(self) -> bool:
        return bool(self._answers) or self._instrument.owes(self)

    def answer(self, at_ns: int, data: bytes) -> None:
        self._answers.append((at_ns, data))

    def take(self, now_ns: int) -> bytes:
        self._instrument.attend(self, now_ns)
        return self._answers.popleft()[1] if self._answers and self._answers[0][0] <= now_ns else b""

    def due_ns(self, now_ns: int) -> int | None:  # noqa: ARG002  (a StreamPort's signature)
        times = [self._answers[0][0] if self._answers else None, self._instrument.due_ns()]
        return min((each for each in times if each is not None), default=None)

    def close(self) -> None:
        """The instrument does not notice; what was heard is still carried out."""
