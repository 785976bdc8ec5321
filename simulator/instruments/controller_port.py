"""One client's line to the controller: what came in halves, what waits to leave.

Rule: answers go ahead of events, so that a slow line full of blocks never makes a host believe that the board is dead.
"""

from collections import deque
from typing import Protocol

from firmware_protocol.framing import Deframer, Received

TAKEN_AT_ONCE = 2_100
"""Bytes that leave in one piece at most: the longest frame, or several short ones."""
ANSWERS_KEPT = 1_024
"""A client that asks and never listens loses further answers, as a full transmit buffer does."""


class Board(Protocol):
    """What a port needs of the controller behind it."""

    def enter(self, port: "ControllerPort", now_ns: int) -> None: ...
    def receive(self, port: "ControllerPort", received: Received, now_ns: int) -> None: ...
    def leave(self) -> None: ...
    def forget(self, port: "ControllerPort") -> None: ...
    def next_ns(self, now_ns: int) -> int | None: ...


class ControllerPort:
    """A StreamPort. blocks: events BLOCK that wait to be taken."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self.open = True
        self.reset()

    def reset(self) -> None:
        """The board lost its power: nothing half received, nothing waiting to leave."""
        self._deframer = Deframer()
        self._answers: deque[bytes] = deque()
        self._events: deque[tuple[bytes, bool]] = deque()
        self.blocks = 0

    # --- the client's side
    def feed(self, data: bytes, now_ns: int) -> None:
        """Take bytes in any split. now_ns: wall time, monotonic."""
        self._board.enter(self, now_ns)
        for received in self._deframer.feed(data):
            self._board.receive(self, received, now_ns)
        self._board.leave()

    def take(self, now_ns: int) -> bytes:
        """What may leave now: one frame, or as many short answers as make one."""
        self._board.enter(self, now_ns)
        waiting = self.blocks
        data = self._next()
        if self.blocks < waiting:
            # Room again: the next block is read while the line sends this one.
            self._board.enter(self, now_ns)
        self._board.leave()
        return data

    def _next(self) -> bytes:
        answers = self._answers
        if answers:
            data = answers.popleft()
            while answers and len(data) + len(answers[0]) <= TAKEN_AT_ONCE:
                data += answers.popleft()
            return data
        if not self._events:
            return b""
        data, is_block = self._events.popleft()
        self.blocks -= is_block
        return data

    def due_ns(self, now_ns: int) -> int | None:
        return now_ns if self._answers or self._events else self._board.next_ns(now_ns)

    def close(self) -> None:
        """The client is gone. Changes no output: that is the dead man's business."""
        self.open = False
        self.reset()
        self._board.forget(self)

    # --- the board's side
    def answer(self, wire: bytes) -> None:
        if self.open and len(self._answers) < ANSWERS_KEPT:
            self._answers.append(wire)

    def event(self, wire: bytes, is_block: bool) -> None:
        if self.open:
            self._events.append((wire, is_block))
            self.blocks += is_block
