"""SCAN: junction after junction connected to the SMU, hand in hand over two trigger wires.

Rule: an edge from the SMU is judged by what has happened when it comes: before the wire to the SMU was raised it is an overrun.
"""

from collections.abc import Iterator

from firmware_protocol import messages
from firmware_protocol.codes import DeviceState, OperationState, Route, SafeReason, Status
from simulator.instruments.controller_commands import SWITCH_NS, WallNs
from simulator.instruments.controller_operations import MILLISECOND_NS, Operation
from simulator.instruments.crossbar_board import CrossbarBoard
from simulator.instruments.refused import BoardRefused

MICROSECOND_NS = 1_000
PROGRESS_NS = 1_000 * MILLISECOND_NS


class Scanning(Operation):
    """done: steps that were measured."""

    parts = 1

    def __init__(self, board: CrossbarBoard, request: messages.Scan) -> None:
        _check(board, request)
        self._devices = list(_steps(request))
        super().__init__(board, len(self._devices))
        self._timeout_ns = request.timeout_ms * MILLISECOND_NS
        self._step_ns = SWITCH_NS + request.settle_us * MICROSECOND_NS
        self._wall_step_ns = 0
        self._edges_out = self._edges_in = self._overruns = 0
        self._raised = False
        self._raise_ns = self._raised_ns = self._progress_ns = 0

    def begin(self, now_ns: int, wall_ns: WallNs) -> None:
        self._wall_step_ns = wall_ns(self._step_ns)
        self._progress_ns = now_ns + PROGRESS_NS
        self._board.state = DeviceState.SELECTED
        self._connect(now_ns)

    def _connect(self, now_ns: int) -> None:
        # Isolated in between: no two junctions ever share the SMU.
        self._board.connect(Route.NONE, None)
        self._board.connect(Route.JUNCTION, self._devices[self.done])
        self._raise_ns = now_ns + self._wall_step_ns

    def edge(self, now_ns: int) -> None:
        """The SMU says that it has measured."""
        if self.state is not OperationState.RUNNING:
            return
        self._edges_in += 1
        if not self._raised:
            self._overruns += 1
            return
        self._raised = False
        self.done += 1
        if self.done < self.total:
            self._connect(now_ns)

    def step(self, now_ns: int) -> OperationState | None:
        if self.done == self.total:
            return OperationState.DONE
        if now_ns >= self._progress_ns:
            self._progress_ns += PROGRESS_NS
            self.say(messages.Progress(self.done, self.total))
            return OperationState.RUNNING
        if self._raised:
            return OperationState.TIMED_OUT if now_ns >= self._raised_ns + self._timeout_ns else None
        if now_ns < self._raise_ns:
            return None
        # The time it was due, however late somebody came by: the SMU's next reading counts from it.
        self._raised, self._raised_ns = True, self._raise_ns
        self._edges_out += 1
        # Last: whoever listens may have measured, and answered, before this returns.
        self._board.lines.trigger.ready.edge(self._raise_ns)
        return OperationState.RUNNING

    def due_ns(self) -> int | None:
        if self.done == self.total:
            return 0
        return min(self._progress_ns, self._raised_ns + self._timeout_ns if self._raised else self._raise_ns)

    def remaining_ns(self) -> int:
        return (self.total - self.done) * self._step_ns

    def end(self, state: OperationState) -> None:
        self._board.isolate(SafeReason.SCAN_ENDED)
        super().end(state)

    def result(self, part: int) -> bytes:
        self.check_part(part)
        return messages.ScanResult(self.total, self._edges_out, self._edges_in, self._overruns).encode()


def _check(board: CrossbarBoard, request: messages.Scan) -> None:
    if request.count == 0:
        raise BoardRefused(Status.REFUSED_RANGE, 0, board.geometry.devices)
    board.check_devices(request.first_device + request.count - 1)
    if request.sentinel_every:
        board.check_devices(request.sentinel_device)
    if request.timeout_ms == 0:
        raise BoardRefused(Status.REFUSED_RANGE, 0, 1)


def _steps(request: messages.Scan) -> Iterator[int]:
    """Devices in order, sentinels among them."""
    for index in range(request.count):
        if request.sentinel_every and index % request.sentinel_every == 0:
            yield request.sentinel_device
        yield request.first_device + index
    if request.sentinel_every and request.count % request.sentinel_every == 0:
        yield request.sentinel_device
