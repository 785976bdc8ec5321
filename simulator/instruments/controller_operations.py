"""Long operations of the board: begun by one request, answered ACCEPTED, carried out piece by piece while the host goes on asking.

Rule 1: an operation does what is due by the time it is told and nothing else; it neither knows sessions nor answers.
Rule 2: whatever it says in an event can be asked of it as well.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

from firmware_protocol import messages
from firmware_protocol.codes import OperationState, Status
from simulator.instruments.controller_commands import WallNs, kernel_time_ns
from simulator.instruments.crossbar_board import CrossbarBoard
from simulator.instruments.refused import BoardRefused

MILLISECOND_NS = 1_000_000


class Operation(ABC):
    """done of total: as PROGRESS and DONE say it. pulses, first_pulse_id: 0 where it gives none. state: RUNNING until `end`.

    say: takes events. has_room: whether another block may be made; set by whoever runs it.
    """

    first_pulse_id = 0
    parts = 0
    """Of its result."""

    def __init__(self, board: CrossbarBoard, total: int) -> None:
        self._board = board
        self.done, self.total = 0, total
        self.pulses = 0
        self.state = OperationState.RUNNING
        self.say: Callable[[messages.EventMessage], None] = lambda _event: None
        self.has_room: Callable[[], bool] = lambda: True

    @abstractmethod
    def begin(self, now_ns: int, wall_ns: WallNs) -> None:
        """It runs from now on."""

    @abstractmethod
    def step(self, now_ns: int) -> OperationState | None:
        """Do a piece of what is due by now_ns. RUNNING: something was done; None: nothing was due; else: it is over, and how."""

    @abstractmethod
    def due_ns(self) -> int | None:
        """When something is due next; None: not before somebody else acts."""

    @abstractmethod
    def remaining_ns(self) -> int:
        """Board time that it still needs at most."""

    def end(self, state: OperationState) -> None:
        """It is over; leaves the board as this kind of operation must."""
        self.state = state
        self.say(messages.Done(state, self.done, self.total, self.pulses))

    def result(self, part: int) -> bytes:
        """What it found so far. Raises BoardRefused where there is no such part."""
        self.check_part(part)
        return b""

    def check_part(self, part: int) -> None:
        if part >= self.parts:
            raise BoardRefused(Status.REFUSED_RANGE, part)

    def remaining_ms(self) -> int:
        return 0 if self.state is not OperationState.RUNNING else min(-(-self.remaining_ns() // MILLISECOND_NS), 0xFFFF_FFFF)


class ReadingDie(Operation):
    """READ_DIE: a kernel is begun when fewer than two blocks wait to be taken, and sent when it is read."""

    def __init__(self, board: CrossbarBoard, request: messages.ReadDie) -> None:
        board.check_kernels(request.first_kernel, request.kernels)
        board.check_reading(request.read_uv, request.averages)
        super().__init__(board, request.kernels)
        self._request = request
        self._kernel_ns = kernel_time_ns(board.geometry, request.averages)
        self._wall_kernel_ns = 0
        self._ready_ns: int | None = None

    def begin(self, now_ns: int, wall_ns: WallNs) -> None:
        self._wall_kernel_ns = wall_ns(self._kernel_ns)
        self._ready_ns = now_ns + self._wall_kernel_ns

    def step(self, now_ns: int) -> OperationState | None:
        if self._ready_ns is None:
            if not self.has_room():
                return None
            self._ready_ns = now_ns + self._wall_kernel_ns
        if now_ns < self._ready_ns:
            return None
        request, kernel = self._request, self._request.first_kernel + self.done
        codes = self._board.lines.read_kernel(kernel, request.read_uv, request.averages)
        self.say(messages.Block(self.done, kernel, request.averages, request.read_uv, codes.tobytes()))
        self.done += 1
        self._ready_ns = self._ready_ns + self._wall_kernel_ns if self.has_room() else None
        return OperationState.DONE if self.done == self.total else OperationState.RUNNING

    def due_ns(self) -> int | None:
        if self._ready_ns is None and self.has_room():
            return 0
        return self._ready_ns

    def remaining_ns(self) -> int:
        return (self.total - self.done) * self._kernel_ns
