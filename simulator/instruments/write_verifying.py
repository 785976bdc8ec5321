"""WRITE_VERIFY: passes of reading a kernel and pulsing what is not at its target, until none needs a pulse.

Rule 1: `Target` decides from codes alone which junction needs a pulse, and what became of it; it knows no board and no time.
Rule 2: pulses are given in row-major order, as their time comes; whoever ends the operation finds exactly those given.
"""

import numpy as np
from numpy.typing import NDArray

from firmware_protocol import messages
from firmware_protocol.codes import CODE_MASKED, CODE_NOT_MEASURED, CODE_SATURATED, JunctionResult, OperationState, Status
from simulator.instruments.controller_commands import Pacer, WallNs, kernel_time_ns, pulse_time_ns
from simulator.instruments.controller_operations import Operation
from simulator.instruments.crossbar_board import CrossbarBoard
from simulator.instruments.crossbar_lines import Codes
from simulator.instruments.refused import BoardRefused


class Target:
    """Where each junction of a kernel shall go. All arrays are flat, row-major. pulses: given so far, of max_pulses each."""

    def __init__(self, request: messages.WriteVerify) -> None:
        self.codes = np.frombuffer(request.targets, "<u2")
        self.wanted = self.codes != CODE_MASKED
        self.read = np.full(self.codes.size, CODE_NOT_MEASURED, dtype="<u2")
        self.pulses = np.zeros(self.codes.size, dtype=np.uint8)
        self.settled = np.zeros(self.codes.size, dtype=bool)
        self._once_settled = self.settled.copy()
        self._drifted = self.settled.copy()
        self._unreadable = self.settled.copy()
        self._used_up = self.settled.copy()
        self._inner, self._outer, self._most = request.tolerance_in, request.tolerance_out, request.max_pulses

    def seen(self, codes: Codes) -> NDArray[np.intp]:
        """Take the reading of a pass; which junctions need a pulse, ascending."""
        self.read = codes.ravel()
        self._unreadable |= self.wanted & (self.read == CODE_SATURATED)
        away = np.abs(self.read.astype(np.int64) - self.codes)
        writable = self.wanted & ~self._unreadable
        self.settled = writable & ((away <= self._inner) | (self.settled & (away <= self._outer)))
        self._once_settled |= self.settled
        self._drifted = self._once_settled & (away > self._outer)
        self._used_up = writable & ~self.settled & (self.pulses >= self._most)
        return np.flatnonzero(writable & ~self.settled & ~self._used_up)

    def results(self) -> NDArray[np.uint8]:
        """A JunctionResult for each."""
        rules = [
            (~self.wanted, JunctionResult.LEFT),
            (self._unreadable, JunctionResult.UNREADABLE),
            (self.settled, JunctionResult.IN_TOLERANCE),
            (self._used_up & self._drifted, JunctionResult.DRIFTED),
            (self._used_up, JunctionResult.NOT_REACHED),
        ]
        return np.select([where for where, _ in rules], [code for _, code in rules], JunctionResult.NOT_DONE).astype(np.uint8)


class WriteVerifying(Operation):
    """done of total: junctions settled, of those to be written."""

    parts = 2

    def __init__(self, board: CrossbarBoard, request: messages.WriteVerify) -> None:
        _check(board, request)
        self._request, self._target = request, Target(request)
        self._reserved = int(self._target.wanted.sum()) * request.max_pulses
        board.check_pulse_ids(request.first_pulse_id, self._reserved)
        super().__init__(board, int(self._target.wanted.sum()))
        self.first_pulse_id = request.first_pulse_id
        self._record = board.pulses.begin(request.first_pulse_id, self._reserved)
        self._wall_ns: WallNs = lambda busy_ns: busy_ns
        self._burst: NDArray[np.intp] = np.empty(0, np.intp)
        self._amplitudes: NDArray[np.int64] = np.empty(0, np.int64)
        self._given = 0
        self._pacer = self._reading()

    def _reading(self) -> Pacer:
        return Pacer(1, kernel_time_ns(self._board.geometry, self._request.averages))

    def begin(self, now_ns: int, wall_ns: WallNs) -> None:
        self._wall_ns = wall_ns
        self._pacer.begin(now_ns, wall_ns)

    def step(self, now_ns: int) -> OperationState | None:
        due = self._pacer.over(now_ns)
        if self._burst.size:
            return self._pulse(due)
        return self._read() if due else None

    def _read(self) -> OperationState:
        request, target = self._request, self._target
        self._burst = target.seen(self._board.lines.read_kernel(request.kernel, request.read_uv, request.averages))
        self.done = int(target.settled.sum())
        below = target.read[self._burst] < target.codes[self._burst]
        self._amplitudes = np.where(below, request.set_uv, request.reset_uv).astype(np.int64)
        if not self._burst.size:
            self._progress()
            return OperationState.DONE
        self._given = 0
        self._next(Pacer(self._burst.size, pulse_time_ns(request.width_ns)))
        return OperationState.RUNNING

    def _pulse(self, due: int) -> OperationState | None:
        if due == self._given:
            return None
        part = slice(self._given, due)
        devices = self._request.kernel * self._board.geometry.per_kernel + self._burst[part]
        self._board.lines.pulse(devices, self._amplitudes[part], self._request.width_ns)
        self._board.pulses.given(self._record, devices.size)
        self._target.pulses[self._burst[part]] += 1
        self.pulses, self._given = self.pulses + devices.size, due
        if due == self._burst.size:
            self._burst = self._burst[:0]
            self._next(self._reading())
            self._progress()
        return OperationState.RUNNING

    def _next(self, pacer: Pacer) -> None:
        pacer.begin(self._pacer.end_ns, self._wall_ns)
        self._pacer = pacer

    def _progress(self) -> None:
        self.say(messages.Progress(self.done, self.total))

    def due_ns(self) -> int | None:
        return self._pacer.end_ns

    def remaining_ns(self) -> int:
        left = self._reserved - self.pulses
        passes = self._request.max_pulses + 1 if left else 1
        return passes * kernel_time_ns(self._board.geometry, self._request.averages) + left * pulse_time_ns(self._request.width_ns)

    def end(self, state: OperationState) -> None:
        self._record.running = False
        super().end(state)

    def result(self, part: int) -> bytes:
        self.check_part(part)
        target = self._target
        return np.column_stack([target.results(), target.pulses]).tobytes() if part == 0 else target.read.tobytes()


def _check(board: CrossbarBoard, request: messages.WriteVerify) -> None:
    """Raises BoardRefused."""
    board.check_kernels(request.kernel, 1)
    targets = np.frombuffer(request.targets, "<u2")
    reserved = targets[targets > CODE_MASKED]
    rules = [
        (targets.size == board.geometry.per_kernel, targets.size, board.geometry.per_kernel),
        (request.set_uv > 0, request.set_uv, 0),
        (request.reset_uv < 0, request.reset_uv, 0),
        (request.read_uv > 0, request.read_uv, 0),
        (request.max_pulses > 0, 0, 255),
        (request.tolerance_in <= request.tolerance_out, request.tolerance_in, request.tolerance_out),
        (not reserved.size, int(reserved[0]) if reserved.size else 0, CODE_MASKED - 1),
    ]
    for kept, value, limit in rules:
        if not kept:
            raise BoardRefused(Status.REFUSED_RANGE, value, limit)
    board.check_reading(request.read_uv, request.averages)
    board.check_waveform(request.width_ns, request.set_uv, request.reset_uv)
