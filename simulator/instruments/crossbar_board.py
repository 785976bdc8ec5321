"""The state of the simulated crossbar board: states, limits, switches, what may be done at all. No session, no bytes, no clock.

Rule 1: a request is checked whole before anything happens; a refused one has changed nothing.
Rule 2: the board's own limits can be tightened, never widened.
"""

from firmware_protocol import messages
from firmware_protocol.codes import NO_DEVICE, DeviceState, Route, SafeReason, Status, Wear
from firmware_protocol.limits import Limits
from simulator.instruments.calibration import Calibration
from simulator.instruments.crossbar_lines import CrossbarLines
from simulator.instruments.pulse_log import PulseLog
from simulator.instruments.refused import BoardRefused
from simulator.world import World

MAX_AVERAGES = 4096
STOPS_MODULUS = 1 << 16


class CrossbarBoard:
    """state, route, device, safe_reason, stops: what STATUS reports. lines: switches and converter. calibration outlives the board."""

    def __init__(self, world: World, limits: Limits, pulses: PulseLog, calibration: Calibration) -> None:
        self.geometry = world.geometry
        self.limits = limits
        self.pulses = pulses
        self.calibration = calibration
        self.lines = CrossbarLines(world, calibration)
        self.stops = 0
        self.isolate(SafeReason.BOOT)

    # --- states
    @property
    def dead_man_armed(self) -> bool:
        """Whether silence of the owner must isolate everything, also when nothing runs."""
        return self.state in (DeviceState.SELECTED, DeviceState.ARMED)

    def connect(self, route: Route, device: int | None) -> None:
        """Close one path to the SMU, or none; changes no state. device: for JUNCTION."""
        self.lines.connect(route, device)
        self.route, self.device = route, device

    def isolate(self, reason: SafeReason) -> None:
        self.connect(Route.NONE, None)
        self.state = DeviceState.SAFE
        self.safe_reason = reason

    def stop(self) -> None:
        """Emergency stop: isolated and latched. Counted also while latched: who clears must have seen the last one."""
        self.stops = (self.stops + 1) % STOPS_MODULUS
        self.isolate(SafeReason.ESTOP)
        self.state = DeviceState.ESTOPPED

    def let_go(self) -> None:
        """The owner is silent. A stop stays latched."""
        if self.state is not DeviceState.ESTOPPED:
            self.isolate(SafeReason.DEAD_MAN)

    def disarm(self) -> None:
        if self.state is not DeviceState.ESTOPPED:
            self.isolate(SafeReason.HOST)

    # --- requests that take no time
    def clear_fault(self, request: messages.ClearFault) -> messages.Message:
        if request.reason != self.safe_reason:
            raise BoardRefused(Status.REFUSED_CONFIG, request.reason, self.safe_reason)
        if request.stops != self.stops:
            raise BoardRefused(Status.REFUSED_CONFIG, request.stops, self.stops)
        self.isolate(SafeReason.HOST)
        return messages.Empty()

    def set_limits(self, request: messages.SetLimits) -> messages.Message:
        too_low = request.limits.below_floor()
        if too_low is not None:
            raise BoardRefused(Status.REFUSED_LIMIT, *too_low)
        self.limits = self.limits.tightened(request.limits)
        return messages.LimitsResponse(self.limits.encode())

    def query_pulse(self, request: messages.QueryPulse) -> messages.Message:
        return messages.QueryPulseResponse(request.pulse_id, *self.pulses.fate(request.pulse_id))

    def counters(self, request: messages.Counters) -> messages.Message:
        self.check_kernels(request.kernel, 1)
        if request.wear > max(Wear):
            raise BoardRefused(Status.REFUSED_RANGE, request.wear, max(Wear))
        counts = self.lines.wear(request.kernel, Wear(request.wear))
        return messages.CountersResponse(request.kernel, request.wear, counts.tobytes())

    # --- switches; checked first, carried out when their time is over
    def check_arm(self, request: messages.Arm) -> None:
        if request.limits_crc32 != self.limits.crc32:
            raise BoardRefused(Status.REFUSED_CONFIG, request.limits_crc32, self.limits.crc32)

    def arm(self) -> messages.Message:
        self.connect(Route.NONE, None)
        self.state = DeviceState.ARMED
        return messages.Empty()

    def check_select(self, request: messages.Select) -> None:
        if request.route > max(Route):
            raise BoardRefused(Status.REFUSED_RANGE, request.route, max(Route))
        is_junction = request.route == Route.JUNCTION
        highest = self.geometry.devices - 1 if is_junction else NO_DEVICE
        if request.device > highest or (not is_junction and request.device != NO_DEVICE):
            raise BoardRefused(Status.REFUSED_RANGE, request.device, highest)

    def select(self, request: messages.Select) -> messages.Message:
        route = Route(request.route)
        if route is Route.NONE:
            self.isolate(SafeReason.HOST)
        else:
            self.connect(route, request.device if route is Route.JUNCTION else None)
            self.state = DeviceState.SELECTED
        return messages.Empty()

    # --- what every reading and every pulse must keep
    def check_kernels(self, first: int, count: int) -> None:
        last, highest = first + count - 1, self.geometry.kernels - 1
        if count < 1 or last > highest:
            raise BoardRefused(Status.REFUSED_RANGE, last, highest)

    def check_devices(self, highest: int) -> None:
        if highest >= self.geometry.devices:
            raise BoardRefused(Status.REFUSED_RANGE, highest, self.geometry.devices - 1)

    def check_reading(self, read_uv: int, averages: int) -> None:
        if abs(read_uv) > self.limits.read_uv:
            raise BoardRefused(Status.REFUSED_LIMIT, read_uv, self.limits.read_uv)
        if not 1 <= averages <= MAX_AVERAGES:
            raise BoardRefused(Status.REFUSED_RANGE, averages, MAX_AVERAGES)

    def check_pulse_count(self, count: int) -> None:
        if not 1 <= count <= self.limits.pulses_per_command:
            raise BoardRefused(Status.REFUSED_LIMIT, count, self.limits.pulses_per_command)

    def check_waveform(self, width_ns: int, *amplitudes_uv: int) -> None:
        for amplitude_uv in amplitudes_uv:
            if abs(amplitude_uv) > self.limits.device_uv:
                raise BoardRefused(Status.REFUSED_LIMIT, amplitude_uv, self.limits.device_uv)
        if not 1 <= width_ns <= self.limits.pulse_ns:
            raise BoardRefused(Status.REFUSED_LIMIT, width_ns, self.limits.pulse_ns)

    def check_pulse_ids(self, first: int, count: int) -> None:
        if not self.pulses.accepts(first, count):
            raise BoardRefused(Status.REFUSED_PULSE_ID, first, self.pulses.last)
