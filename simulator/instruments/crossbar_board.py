"""What the simulated crossbar board does when asked: states, limits, switches, converter. No session, no bytes, no clock.

Rule 1: a command is checked whole before anything happens; a refused one has changed nothing.
Rule 2: the board's own limits can be tightened, never widened.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from firmware_protocol import messages
from firmware_protocol.codes import MAX_PAYLOAD, VMM_INPUT_UV, DeviceState, Direction, PulseOutcome, Route, SafeReason, Status
from firmware_protocol.limits import Limits
from firmware_protocol.rules import refusal
from simulator.instruments import adc
from simulator.instruments.pulse_log import PulseLog
from simulator.world import World

ADC_NS = 10_000
SETTLE_NS = 20_000
SWITCH_NS = 5_000
MAX_AVERAGES = 4096
NO_DEVICE = 0xFFFF


class BoardRefused(Exception):
    """A request that is not carried out; becomes the answer's status and Refusal."""

    def __init__(self, status: Status, value: int = 0, limit: int = 0) -> None:
        super().__init__(status.name)
        self.status = status
        self.payload = messages.Refusal(value, limit).encode()


@dataclass(frozen=True)
class Done:
    """An answer, and how long the board takes for it."""

    answer: messages.Message
    busy_ns: int = 0


class CrossbarBoard:
    """state, route, device, safe_reason: what STATUS reports. pulses and reads count since the start."""

    def __init__(self, world: World, limits: Limits, pulses: PulseLog) -> None:
        self._world = world
        self.limits = limits
        self.pulses = pulses
        self.reads = 0
        self.isolate(SafeReason.BOOT)
        self._handlers: Mapping[type[messages.Request], Callable[[Any], Done]] = {
            messages.Echo: lambda message: Done(messages.EchoResponse(message.data)),
            messages.KeepAlive: lambda _message: Done(messages.Empty()),
            messages.EmergencyStop: lambda _message: self.stop(),
            messages.Disarm: lambda _message: self._disarm(),
            messages.ClearFault: self._clear_fault,
            messages.SetLimits: self._set_limits,
            messages.Arm: self._arm,
            messages.Select: self._select,
            messages.ReadBlock: self._read_block,
            messages.Vmm: self._vmm,
            messages.Program: self._program,
            messages.QueryPulse: self._query_pulse,
        }

    def execute(self, message: messages.Request) -> Done:
        """Carry out one request. Raises BoardRefused."""
        forbidden = refusal(message.opcode, self.state)
        if forbidden is not None:
            raise BoardRefused(forbidden, self.state)
        return self._handlers[type(message)](message)

    @property
    def dead_man_armed(self) -> bool:
        """Whether silence of the owner must isolate everything."""
        return self.state in (DeviceState.SELECTED, DeviceState.ARMED)

    def _connect_smu(self, route: Route, device: int | None) -> None:
        self._world.select(route, device)
        self.route, self.device = route, device

    def isolate(self, reason: SafeReason) -> None:
        self._connect_smu(Route.NONE, None)
        self.state = DeviceState.SAFE
        self.safe_reason = reason

    def stop(self) -> Done:
        self.isolate(SafeReason.ESTOP)
        self.state = DeviceState.ESTOPPED
        return Done(messages.Empty(), SWITCH_NS)

    def _disarm(self) -> Done:
        if self.state is not DeviceState.ESTOPPED:
            self.isolate(SafeReason.HOST)
        return Done(messages.Empty(), SWITCH_NS)

    def _clear_fault(self, request: messages.ClearFault) -> Done:
        if request.reason != self.safe_reason:
            raise BoardRefused(Status.REFUSED_CONFIG, request.reason, self.safe_reason)
        self.isolate(SafeReason.HOST)
        return Done(messages.Empty())

    def _set_limits(self, request: messages.SetLimits) -> Done:
        too_low = request.limits.below_floor()
        if too_low is not None:
            raise BoardRefused(Status.REFUSED_LIMIT, *too_low)
        self.limits = self.limits.tightened(request.limits)
        return Done(messages.LimitsResponse(self.limits.encode()))

    def _arm(self, request: messages.Arm) -> Done:
        if request.limits_crc32 != self.limits.crc32:
            raise BoardRefused(Status.REFUSED_CONFIG, request.limits_crc32, self.limits.crc32)
        self._connect_smu(Route.NONE, None)
        self.state = DeviceState.ARMED
        return Done(messages.Empty(), SWITCH_NS)

    def _select(self, request: messages.Select) -> Done:
        if request.route not in list(Route):
            raise BoardRefused(Status.REFUSED_RANGE, request.route, max(Route))
        route = Route(request.route)
        highest = self._world.geometry.devices - 1 if route is Route.JUNCTION else NO_DEVICE
        if request.device > highest or (route is not Route.JUNCTION and request.device != NO_DEVICE):
            raise BoardRefused(Status.REFUSED_RANGE, request.device, highest)
        if route is Route.NONE:
            self.isolate(SafeReason.HOST)
        else:
            self._connect_smu(route, request.device if route is Route.JUNCTION else None)
            self.state = DeviceState.SELECTED
        return Done(messages.Empty(), SWITCH_NS)

    # --- what is measured and written
    def _check_kernel(self, kernel: int) -> None:
        if kernel >= self._world.geometry.kernels:
            raise BoardRefused(Status.REFUSED_RANGE, kernel, self._world.geometry.kernels - 1)

    def _read_block(self, request: messages.ReadBlock) -> Done:
        self._check_kernel(request.kernel)
        if abs(request.read_uv) > self.limits.read_uv:
            raise BoardRefused(Status.REFUSED_LIMIT, request.read_uv, self.limits.read_uv)
        if not 1 <= request.averages <= MAX_AVERAGES:
            raise BoardRefused(Status.REFUSED_RANGE, request.averages, MAX_AVERAGES)
        geometry = self._world.geometry
        amps = self._world.read_kernel_amps(request.kernel, request.read_uv * 1e-6, request.averages)
        self.reads += geometry.per_kernel
        busy_ns = geometry.columns * (SWITCH_NS + SETTLE_NS) + geometry.per_kernel * ADC_NS * request.averages
        codes = adc.convert(amps, request.averages).tobytes()
        return Done(messages.ReadBlockResponse(request.kernel, 0, request.averages, request.read_uv, codes), busy_ns)

    def _vmm(self, request: messages.Vmm) -> Done:
        self._check_kernel(request.first_kernel)
        if request.blocks != 1:
            raise BoardRefused(Status.REFUSED_RANGE, request.blocks, 1)
        if request.direction not in list(Direction):
            raise BoardRefused(Status.REFUSED_RANGE, request.direction, max(Direction))
        geometry, drive_rows = self._world.geometry, request.direction == Direction.ROWS
        driven, sensed = (geometry.rows, geometry.columns) if drive_rows else (geometry.columns, geometry.rows)
        inputs = np.frombuffer(request.inputs, "<i2").astype(np.int64) * VMM_INPUT_UV
        most = (MAX_PAYLOAD - messages.VmmResponse.layout.size) // (2 * sensed)
        if not 1 <= request.vectors <= most or inputs.size != request.vectors * driven:
            raise BoardRefused(Status.REFUSED_RANGE, request.vectors, most)
        largest = int(np.abs(inputs).max())
        if largest > self.limits.read_uv:
            raise BoardRefused(Status.REFUSED_LIMIT, largest, self.limits.read_uv)
        volts = (inputs.reshape(-1, driven) * 1e-6).astype(np.float64)
        amps = self._world.vmm_amps(request.first_kernel, volts, drive_rows)
        self.reads += request.vectors * sensed
        codes = adc.convert(amps, 1).tobytes()
        busy_ns = SWITCH_NS + request.vectors * (SETTLE_NS + sensed * ADC_NS)
        return Done(messages.VmmResponse(request.first_kernel, 1, request.direction, request.vectors, codes), busy_ns)

    def _program(self, request: messages.Program) -> Done:
        devices = np.frombuffer(request.devices, "<u2")
        self._check_pulses(request, devices.size, int(devices.max(initial=0)))
        if not self.pulses.accepts(request.first_pulse_id, devices.size):
            raise BoardRefused(Status.REFUSED_PULSE_ID, request.first_pulse_id, self.pulses.last)
        self._world.pulse(devices, request.amplitude_uv * 1e-6, request.width_ns * 1e-9)
        outcomes = bytes([PulseOutcome.EXECUTED]) * devices.size
        self.pulses.record(request.first_pulse_id, outcomes)
        busy_ns = devices.size * (SWITCH_NS + SETTLE_NS + request.width_ns)
        return Done(messages.ProgramResponse(request.first_pulse_id, self.pulses.last, outcomes), busy_ns)

    def _check_pulses(self, request: messages.Program, count: int, highest: int) -> None:
        limits = self.limits
        if not 1 <= count <= limits.pulses_per_command:
            raise BoardRefused(Status.REFUSED_LIMIT, count, limits.pulses_per_command)
        if highest >= self._world.geometry.devices:
            raise BoardRefused(Status.REFUSED_RANGE, highest, self._world.geometry.devices - 1)
        if abs(request.amplitude_uv) > limits.device_uv:
            raise BoardRefused(Status.REFUSED_LIMIT, request.amplitude_uv, limits.device_uv)
        if not 1 <= request.width_ns <= limits.pulse_ns:
            raise BoardRefused(Status.REFUSED_LIMIT, request.width_ns, limits.pulse_ns)

    def _query_pulse(self, request: messages.QueryPulse) -> Done:
        return Done(messages.QueryPulseResponse(request.pulse_id, self.pulses.outcome(request.pulse_id)))
