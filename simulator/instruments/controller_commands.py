"""Requests that take board time and are answered when it is over: reading, multiplying, pulsing, switching.

Rule 1: a pulse counts as given when its time is over; whoever stops a list in the middle cuts it after the pulses whose time had come.
Rule 2: anything else happens at the end of its time, and not at all when it is stopped before.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from firmware_protocol import messages
from firmware_protocol.codes import MAX_PAYLOAD, VMM_INPUT_UV, Direction, PulseOutcome, Status
from firmware_protocol.geometry import Geometry
from simulator.instruments.crossbar_board import CrossbarBoard
from simulator.instruments.outer_product import Event, events_of, pulses_of
from simulator.instruments.refused import BoardRefused

ADC_NS = 10_000
SETTLE_NS = 20_000
SWITCH_NS = 5_000
EVENTS_AT_ONCE = 5
"""Events of an outer product, or pulses on one and the same junction, computed in one step: about a millisecond."""

WallNs = Callable[[int], int]
"""Wall time that a busy time takes."""


class Command(Protocol):
    """A request the board is busy with. end_ns: wall time when its time is over; known after `begin`."""

    end_ns: int

    def begin(self, now_ns: int, wall_ns: WallNs) -> None: ...

    def step(self, now_ns: int) -> bool:
        """Do some of what is due; whether anything was done."""
        ...

    @property
    def answer(self) -> messages.Message | None:
        """None until it is finished."""
        ...

    def cut(self) -> messages.Message | None:
        """End it now; the answer, None where nothing was done."""
        ...


class Timed:
    """Takes its time, then has its effect and its answer."""

    def __init__(self, busy_ns: int, effect: Callable[[], messages.Message]) -> None:
        self._busy_ns, self._effect = busy_ns, effect
        self.answer: messages.Message | None = None
        self.end_ns = 0

    def begin(self, now_ns: int, wall_ns: WallNs) -> None:
        self.end_ns = now_ns + wall_ns(self._busy_ns)

    def step(self, now_ns: int) -> bool:
        if now_ns < self.end_ns:
            return False
        self.answer = self._effect()
        return True

    def cut(self) -> messages.Message | None:
        return None


class Disarming(Timed):
    """Isolates at once; only its answer takes time, and nothing can undo it."""

    def __init__(self, board: CrossbarBoard) -> None:
        super().__init__(SWITCH_NS, messages.Empty)
        board.disarm()

    def cut(self) -> messages.Message | None:
        return messages.Empty()


class Pacer:
    """Equal pieces of work, one after the other in time."""

    def __init__(self, count: int, piece_ns: int) -> None:
        self._count, self._piece_ns = count, piece_ns
        self._start_ns = self._wall_piece_ns = self.end_ns = 0

    def begin(self, now_ns: int, wall_ns: WallNs) -> None:
        self._start_ns, self._wall_piece_ns = now_ns, wall_ns(self._piece_ns)
        self.end_ns = now_ns + self._count * self._wall_piece_ns

    def over(self, now_ns: int) -> int:
        """How many pieces' time is over."""
        return self._count if now_ns >= self.end_ns else max(0, now_ns - self._start_ns) // self._wall_piece_ns


class Programming(Pacer):
    """PROGRAM: all pulses whose time has come, as far as one go may take."""

    def __init__(self, board: CrossbarBoard, request: messages.Program, devices: NDArray[np.uint16]) -> None:
        super().__init__(devices.size, pulse_time_ns(request.width_ns))
        self._board, self._request, self._devices = board, request, devices
        self._record = board.pulses.begin(request.first_pulse_id, devices.size)
        # Different junctions are computed together, one and the same cannot be.
        self._at_once = max(1, devices.size * EVENTS_AT_ONCE // int(np.bincount(devices).max()))

    def step(self, now_ns: int) -> bool:
        done = self._record.executed
        due = min(self.over(now_ns), done + self._at_once)
        if due == done:
            return False
        self._board.lines.pulse(self._devices[done:due], self._request.amplitude_uv, self._request.width_ns)
        self._board.pulses.given(self._record, due - done)
        return True

    @property
    def answer(self) -> messages.Message | None:
        return self.cut() if self._record.executed == self._devices.size else None

    def cut(self) -> messages.Message | None:
        self._record.running = False
        executed, count = self._record.executed, self._devices.size
        outcomes = bytes([PulseOutcome.EXECUTED]) * executed + bytes([PulseOutcome.REFUSED]) * (count - executed)
        return messages.ProgramResponse(self._request.first_pulse_id, self._board.pulses.last, outcomes)


class OuterProducing(Pacer):
    """OUTER_PRODUCT: event by event, the junctions of one event together."""

    def __init__(self, board: CrossbarBoard, request: messages.OuterProduct, events: list[Event]) -> None:
        super().__init__(len(events), pulse_time_ns(request.width_ns))
        self._board, self._request, self._events = board, request, events
        self._record = board.pulses.begin(request.first_pulse_id, sum(len(event.devices) for event in events))
        self._done = 0

    def step(self, now_ns: int) -> bool:
        due = min(self.over(now_ns), self._done + EVENTS_AT_ONCE)
        if due == self._done:
            return False
        for event in self._events[self._done : due]:
            self._board.lines.pulse(event.devices, event.sign * self._request.amplitude_uv, self._request.width_ns)
            self._board.pulses.given(self._record, len(event.devices))
        self._done = due
        return True

    @property
    def answer(self) -> messages.Message | None:
        return self.cut() if self._done == len(self._events) else None

    def cut(self) -> messages.Message | None:
        self._record.running = False
        first = self._request.first_pulse_id
        return messages.OuterProductResponse(first, self._board.pulses.last, self._record.executed, self._done)


def pulse_time_ns(width_ns: int) -> int:
    return SWITCH_NS + SETTLE_NS + width_ns


def kernel_time_ns(geometry: Geometry, averages: int) -> int:
    """Board time of reading a whole kernel, ns."""
    return geometry.columns * (SWITCH_NS + SETTLE_NS) + geometry.per_kernel * ADC_NS * averages


# --- from a request to its command; each raises BoardRefused and has then changed nothing


def arm(board: CrossbarBoard, request: messages.Arm) -> Command:
    board.check_arm(request)
    return Timed(SWITCH_NS, board.arm)


def select(board: CrossbarBoard, request: messages.Select) -> Command:
    board.check_select(request)
    return Timed(SWITCH_NS, lambda: board.select(request))


def read_block(board: CrossbarBoard, request: messages.ReadBlock) -> Command:
    kernel, averages, read_uv = request.kernel, request.averages, request.read_uv
    board.check_kernels(kernel, 1)
    board.check_reading(read_uv, averages)

    def read() -> messages.Message:
        codes = board.lines.read_kernel(kernel, read_uv, averages)
        return messages.ReadBlockResponse(kernel, 0, averages, read_uv, codes.tobytes())

    return Timed(kernel_time_ns(board.geometry, averages), read)


def read_list(board: CrossbarBoard, request: messages.ReadList) -> Command:
    devices = np.frombuffer(request.devices, "<u2")
    most = (MAX_PAYLOAD - messages.ReadListResponse.layout.size) // messages.ReadListResponse.tail_unit
    if not 1 <= devices.size <= most:
        raise BoardRefused(Status.REFUSED_RANGE, devices.size, most)
    board.check_devices(int(devices.max()))
    board.check_reading(request.read_uv, request.averages)

    def read() -> messages.Message:
        codes = board.lines.read_list(devices, request.read_uv, request.averages)
        return messages.ReadListResponse(request.averages, request.read_uv, np.column_stack([devices, codes]).astype("<u2").tobytes())

    return Timed(devices.size * (SWITCH_NS + SETTLE_NS + ADC_NS * request.averages), read)


def multiply(board: CrossbarBoard, request: messages.Vmm) -> Command:
    board.check_kernels(request.first_kernel, request.blocks)
    if request.direction > max(Direction):
        raise BoardRefused(Status.REFUSED_RANGE, request.direction, max(Direction))
    geometry, drive_rows = board.geometry, request.direction == Direction.ROWS
    driven, sensed = (geometry.rows, geometry.columns) if drive_rows else (geometry.columns, geometry.rows)
    inputs = np.frombuffer(request.inputs, "<i2").astype(np.int64) * VMM_INPUT_UV
    most = (MAX_PAYLOAD - messages.VmmResponse.layout.size) // (2 * sensed * request.blocks)
    if not 1 <= request.vectors <= most or inputs.size != request.vectors * request.blocks * driven:
        raise BoardRefused(Status.REFUSED_RANGE, request.vectors, most)
    largest = int(np.abs(inputs).max())
    if largest > board.limits.read_uv:
        raise BoardRefused(Status.REFUSED_LIMIT, largest, board.limits.read_uv)
    blocks = inputs.reshape(request.vectors, request.blocks, driven)

    def product() -> messages.Message:
        codes = [board.lines.multiply(request.first_kernel + index, blocks[:, index], drive_rows) for index in range(request.blocks)]
        tail = np.stack(codes, axis=1).astype("<u2").tobytes()
        return messages.VmmResponse(request.first_kernel, request.blocks, request.direction, request.vectors, tail)

    return Timed(SWITCH_NS + request.vectors * request.blocks * (SETTLE_NS + sensed * ADC_NS), product)


def program(board: CrossbarBoard, request: messages.Program) -> Command:
    devices = np.frombuffer(request.devices, "<u2")
    board.check_pulse_count(devices.size)
    board.check_devices(int(devices.max()))
    board.check_waveform(request.width_ns, request.amplitude_uv)
    board.check_pulse_ids(request.first_pulse_id, devices.size)
    return Programming(board, request, devices)


def outer_product(board: CrossbarBoard, request: messages.OuterProduct) -> Command:
    geometry = board.geometry
    counts = np.frombuffer(request.counts, np.int8).astype(np.int64)
    if counts.size != geometry.rows + geometry.columns:
        raise BoardRefused(Status.REFUSED_RANGE, counts.size, geometry.rows + geometry.columns)
    rows, columns = counts[: geometry.rows], counts[geometry.rows :]
    count = pulses_of(rows, columns)
    board.check_pulse_count(count)
    board.check_kernels(request.kernel, 1)
    if request.amplitude_uv <= 0:
        raise BoardRefused(Status.REFUSED_LIMIT, request.amplitude_uv, board.limits.device_uv)
    board.check_waveform(request.width_ns, request.amplitude_uv)
    board.check_pulse_ids(request.first_pulse_id, count)
    return OuterProducing(board, request, list(events_of(request.kernel * geometry.per_kernel, rows, columns)))
