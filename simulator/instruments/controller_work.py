"""What the board is busy with: one command at a time, those that wait behind it in order, and at most one long operation.

Rule 1: work is lazy in time: whatever is due by now is done whenever somebody comes by, a bounded part at a time.
Rule 2: what is stopped in the middle ends there: the rest of a list is refused, what had not begun is never begun.
Rule 3: nothing goes on for a host that is gone: whatever runs, in whatever state, ends when its owner has been silent for too long.
"""

from collections import deque
from dataclasses import dataclass
from typing import Protocol

from firmware_protocol import messages
from firmware_protocol.codes import OperationState, Status
from firmware_protocol.events import Execute
from firmware_protocol.framing import Frame
from firmware_protocol.rules import refusal, rule_for
from firmware_protocol.session import WINDOW
from simulator.instruments.controller_commands import Command, WallNs
from simulator.instruments.controller_operations import MILLISECOND_NS, Operation
from simulator.instruments.controller_port import ControllerPort
from simulator.instruments.controller_requests import BEGIN
from simulator.instruments.crossbar_board import CrossbarBoard
from simulator.instruments.refused import BoardRefused

STEPS_AT_ONCE = 4
"""Pieces of work done before anybody else is heard where work takes no time, and all of it is due at once: about a millisecond each.
Where it takes its time everything due is done: what is stopped then ends where its time ended it, however seldom anybody came by."""
_MANY = 1_000_000


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, who asked, and when it came."""

    port: ControllerPort
    frame: Frame
    message: messages.Request
    at_ns: int

    @classmethod
    def of(cls, port: ControllerPort, event: Execute, now_ns: int) -> "Asked":
        return cls(port, event.frame, event.message, now_ns)


@dataclass(frozen=True)
class Begun:
    """A long operation, running or over, and the request that began it."""

    operation: Operation
    frame: Frame

    @property
    def runs(self) -> bool:
        return self.operation.state is OperationState.RUNNING


class Speaker(Protocol):
    """Who sends what the work has to say."""

    def answer(self, asked: Asked, status: Status, payload: bytes) -> None: ...
    def tell(self, begun: Begun, event: messages.EventMessage) -> None: ...
    def has_room(self) -> bool: ...


class BoardWork:
    """latest: the last long operation since the start. behind: work that is due was left over."""

    def __init__(self, board: CrossbarBoard, speaker: Speaker, wall_ns: WallNs, now_ns: int) -> None:
        self._board, self._speaker, self._wall_ns = board, speaker, wall_ns
        self._queue: deque[Asked] = deque()
        self._command: tuple[Asked, Command] | None = None
        self._free_ns = now_ns
        self._most_steps = _MANY if wall_ns(MILLISECOND_NS) else STEPS_AT_ONCE
        self.latest: Begun | None = None
        self.behind = False

    @property
    def running(self) -> Begun | None:
        """The long operation that runs."""
        return self.latest if self.latest is not None and self.latest.runs else None

    @property
    def idle(self) -> bool:
        return self._command is None and not self._queue and self.running is None

    # --- time
    def advance(self, now_ns: int, heard_ns: int) -> None:
        """Do what is due. heard_ns: when the session's owner was last heard."""
        self.behind = False
        for _ in range(self._most_steps):
            if not self._step(self._until_ns(now_ns, heard_ns)):
                break
        else:
            self.behind = True
        silent_ns = self._silent_ns(heard_ns)
        if silent_ns is not None and now_ns >= silent_ns:
            self._dead_man(silent_ns)

    def due_ns(self, now_ns: int, heard_ns: int) -> int | None:
        """When something that can be heard is due next; now_ns where work is left over."""
        if self.behind and not self.idle:
            return now_ns
        if self._command is not None:
            due_ns = self._command[1].end_ns
        elif self.running is not None:
            due_ns = self.running.operation.due_ns()
        else:
            return None
        silent_ns = self._silent_ns(heard_ns)
        return min((each for each in (due_ns, silent_ns) if each is not None), default=None)

    def _silent_ns(self, heard_ns: int) -> int | None:
        """When the dead man strikes; None while there is nothing that he must end."""
        if not self._board.dead_man_armed and self._command is None and self.running is None:
            return None
        return heard_ns + self._board.limits.dead_man_ms * MILLISECOND_NS

    def _until_ns(self, now_ns: int, heard_ns: int) -> int:
        """What is due by then is done: nothing that comes after the dead man."""
        silent_ns = self._silent_ns(heard_ns)
        return now_ns if silent_ns is None else min(now_ns, silent_ns)

    def _dead_man(self, now_ns: int) -> None:
        """The owner is silent: isolated, nothing goes on, and what waits is refused without being begun."""
        self.end_operation(OperationState.DEAD_MAN)
        self._board.let_go()
        state = messages.Refusal(self._board.state).encode()
        self._cut(Status.REFUSED_CONFIG, now_ns, state)
        while self._queue:
            self._speaker.answer(self._queue.popleft(), Status.REFUSED_CONFIG, state)

    def _step(self, now_ns: int) -> bool:
        """One piece of work due by now_ns; False when there is none."""
        if self._command is not None:
            return self._step_command(*self._command, now_ns)
        if self._queue:
            self._begin(self._queue.popleft())
            return True
        if self.running is None:
            return False
        state = self.running.operation.step(now_ns)
        if state is not None and state is not OperationState.RUNNING:
            self.end_operation(state)
        return state is not None

    def _step_command(self, asked: Asked, command: Command, now_ns: int) -> bool:
        did = command.step(now_ns)
        answer = command.answer
        if answer is not None:
            self._command, self._free_ns = None, command.end_ns
            self._speaker.answer(asked, Status.OK, answer.encode())
        return did

    # --- requests that keep their order
    def ask(self, asked: Asked) -> None:
        """Begin it, or let it wait behind what the board is busy with."""
        if self._command is None and not self._queue:
            self._begin(asked)
        elif len(self._queue) < WINDOW:
            self._queue.append(asked)
        else:
            self._speaker.answer(asked, Status.BUSY, self._busy())

    def _begin(self, asked: Asked) -> None:
        try:
            begun = self._begun(asked)
        except BoardRefused as error:
            self._speaker.answer(asked, error.status, error.payload)
            return
        if isinstance(begun, messages.Message):
            self._speaker.answer(asked, Status.OK, begun.encode())
            return
        begun.begin(max(asked.at_ns, self._free_ns), self._wall_ns)
        if isinstance(begun, Operation):
            self._operate(asked, begun)
        else:
            self._command = (asked, begun)

    def _begun(self, asked: Asked) -> messages.Message | Command | Operation:
        message, opcode = asked.message, asked.frame.opcode
        if self.running is not None and not rule_for(opcode).while_running:
            raise BoardRefused(Status.BUSY, self.running.frame.opcode, self.running.operation.remaining_ms())
        forbidden = refusal(opcode, self._board.state)
        if forbidden is not None:
            raise BoardRefused(forbidden, self._board.state)
        if isinstance(message, messages.Abort):
            return self._abort(message)
        if isinstance(message, messages.Disarm):
            self.end_operation(OperationState.ABORTED)
        return BEGIN[type(message)](self._board, message)

    def _busy(self) -> bytes:
        """Payload of BUSY for what found no place to wait."""
        opcode = self._command[0].frame.opcode if self._command is not None else self._queue[0].frame.opcode
        return messages.Refusal(opcode).encode()

    # --- long operations
    def _operate(self, asked: Asked, operation: Operation) -> None:
        latest = Begun(operation, asked.frame)
        operation.say = lambda event: self._speaker.tell(latest, event)
        operation.has_room = self._speaker.has_room
        self.latest = latest
        self._speaker.answer(asked, Status.ACCEPTED, messages.Accepted(operation.remaining_ms()).encode())

    def _abort(self, request: messages.Abort) -> messages.Message:
        running = self.running
        if running is None or running.frame.seq != request.seq:
            raise BoardRefused(Status.REFUSED_RANGE, request.seq, running.frame.seq if running is not None else 0)
        self.end_operation(OperationState.ABORTED)
        return messages.Empty()

    def end_operation(self, state: OperationState) -> bool:
        """Whether one ran."""
        running = self.running
        if running is not None:
            running.operation.end(state)
        return running is not None

    # --- the end of everything
    def stop(self, now_ns: int) -> None:
        """Emergency stop; what waits is then answered by the rules for a stopped board."""
        self._cut(Status.REFUSED_ESTOP, now_ns)
        self.end_operation(OperationState.STOPPED)
        self._board.stop()

    def abandon(self, now_ns: int) -> bool:
        """Another session has begun: nothing of the old one goes on. Whether a long operation ran."""
        self._queue.clear()
        self._cut(Status.REFUSED_BAD_SESSION, now_ns)
        return self.end_operation(OperationState.ABORTED)

    def _cut(self, status: Status, now_ns: int, payload: bytes = b"") -> None:
        """status, payload: answer to what has then done nothing."""
        if self._command is None:
            return
        (asked, command), self._command, self._free_ns = self._command, None, now_ns
        answer = command.cut()
        if answer is None:
            self._speaker.answer(asked, status, payload)
        else:
            self._speaker.answer(asked, Status.OK, answer.encode())
