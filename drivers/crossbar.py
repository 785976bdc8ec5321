"""The crossbar controller: drivers.protocols.CrossbarController over firmware_protocol, on a serial line or a socket.

Rule 1: volts and seconds become integers once, here, and are refused, not clipped, beyond the limits in force; the
controller checks them again by itself. Rule 2: connecting and closing change no output. Rule 3: while a path is closed
or pulses are allowed a keep-alive goes out every 0.5 s, for 5 s after the last call; who needs longer calls `beat`.
"""

import secrets
from collections.abc import Callable
from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from drivers.board_link import BoardLink, SessionTaken
from drivers.board_talk import Greeting, ask, fitting, greet, open_link, understand
from drivers.crossbar_pulses import STEP_S, Pulser, Waveform
from drivers.crossbar_safety import Inspection, SafetyLine, inspect_crossbar, open_crossbar_for_safety, read_status, to_status
from drivers.crossbar_units import check_limit, to_amps, to_ns, to_uv, to_vmm_inputs
from drivers.errors import DriverError, LinkError, LinkLost, OutputMayBeOn, ProtocolError, Refused, WrongInstrument
from drivers.protocols import ControllerInfo, ControllerStatus, Identity, KernelReading, PulseIds, WireCounts
from firmware_protocol import codes, messages
from firmware_protocol.codes import DeviceState, Direction, Route
from firmware_protocol.geometry import Geometry
from firmware_protocol.limits import Limits
from firmware_protocol.messages import Message, Request

__all__ = ["Crossbar", "Inspection", "SafetyLine", "inspect_crossbar", "open_crossbar", "open_crossbar_for_safety", "read_status"]

READ_S = 10e-6
"""The converter's time per junction and reading, s; an estimate for deadlines only."""


def new_nonce() -> int:
    """A session number: 1 to 65535."""
    return secrets.randbelow(0xFFFF) + 1


def open_crossbar(
    address: str,
    baud: int,
    pulse_ids: PulseIds,
    timeout_s: float = 5.0,
    geometry: Geometry | None = None,
    nonces: Callable[[], int] = new_nonce,
) -> "Crossbar":
    """Connect and identify. geometry: what the configuration expects; None takes what the controller says.

    Raises ConnectFailed, WrongInstrument (not this firmware, another version, another geometry), LinkTimeout, LinkLost.
    """

    def connect() -> tuple[BoardLink, Greeting]:
        link = open_link(address, baud, 0, timeout_s)
        try:
            return link, greet(link, nonces, timeout_s)
        except BaseException:
            link.close()
            raise

    crossbar = Crossbar(connect, pulse_ids)
    found = crossbar.info().geometry
    if geometry is not None and found != geometry:
        crossbar.close()
        raise WrongInstrument(f"{address}: the controller addresses {found.shape} (kernels, rows, columns), lab.toml says {geometry.shape}")
    return crossbar


class Crossbar:
    """One controller in one session; made by `open_crossbar`. For one thread, but for `emergency_stop`, `beat`, `counts`."""

    def __init__(self, connect: Callable[[], tuple[BoardLink, Greeting]], pulse_ids: PulseIds) -> None:
        self._connect = connect
        self._ids = pulse_ids
        self._closed_counts = WireCounts("frames", 0, 0)
        self._link, self._greeting = connect()
        self._limits = self._greeting.hello.limits
        self._state = DeviceState(self._greeting.hello.state)
        self._pulser = Pulser(pulse_ids, lambda: self._link, self._reconnect_to_same_start, self._disarmed_itself)
        pulse_ids.advance(self._greeting.hello.last_pulse_id)

    # --- who it is
    def identify(self) -> Identity:
        found = self._greeting.dictionary
        return Identity(found.vendor, found.model, found.serial, found.firmware, found.origin.simulated, found.origin.seed)

    def info(self) -> ControllerInfo:
        """limits: those now in force."""
        found = self._greeting.dictionary
        origin = {"simulated": found.origin.simulated, "seed": found.origin.seed}
        return ControllerInfo(self.identify(), found.geometry, self._limits, origin, self._greeting.boot_id)

    def status(self) -> ControllerStatus:
        answer = self._ask(messages.GetStatus())
        assert isinstance(answer, messages.StatusResponse)
        return to_status(answer, self._geometry)

    def counts(self) -> WireCounts:
        """Over all connections since it was opened."""
        old, new = self._closed_counts, self._link.counts()
        return WireCounts(
            new.unit, old.sent + new.sent, old.received + new.received, old.errors + new.errors, old.retransmitted + new.retransmitted
        )

    def beat(self) -> None:
        """The owner lives: keep the selected path closed although nothing is asked of the controller."""
        self._link.beat()

    def close(self) -> None:
        self._link.close()

    # --- limits and safety
    def tighten_limits(self, limits: Limits) -> Limits:
        """Returns the limits now in force, the stricter of the controller's and these. Disarms first."""
        if self._state is DeviceState.ARMED:
            self.isolate()
        answer = self._ask(messages.SetLimits(limits.encode()))
        assert isinstance(answer, messages.LimitsResponse)
        self._limits = answer.limits
        if self._limits != self._limits.tightened(limits):
            raise ProtocolError(f"{self._link.address}: asked for {limits}, the controller keeps {self._limits}; do not pulse with it")
        return self._limits

    def isolate(self) -> None:
        """Also over a new connection when the old one is gone. Raises OutputMayBeOn when it could not be verified.
        From another host that has the controller it is taken for this alone: every later call raises SessionTaken."""
        try:
            self._disarm()
        except DriverError as error:
            raise OutputMayBeOn(f"crossbar: not known to be isolated ({error}); its dead man isolates it, check before touching") from error
        self._enter(DeviceState.SAFE)

    def emergency_stop(self) -> None:
        """Raises LinkError when the controller did not confirm; then stop it over another line."""
        self._link.wait(self._link.emergency_stop())
        self._enter(DeviceState.ESTOPPED)

    def clear_emergency_stop(self) -> None:
        """Leave the latch for SAFE; nothing when it is not latched."""
        status = self._ask(messages.GetStatus())
        assert isinstance(status, messages.StatusResponse)
        if status.state == DeviceState.ESTOPPED:
            self._ask(messages.ClearFault(status.safe_reason))
            self._enter(DeviceState.SAFE)

    # --- paths
    def select_junction(self, kernel: int, row: int, column: int) -> None:
        try:
            device = self._geometry.device(kernel, row, column)
        except IndexError as error:
            raise Refused(f"crossbar: no such junction: {error}") from error
        self._ask(messages.Select(Route.JUNCTION, device))
        self._enter(DeviceState.SELECTED)

    def select_contact_pads(self) -> None:
        self._ask(messages.Select(Route.CONTACT_PADS))
        self._enter(DeviceState.SELECTED)

    # --- measuring and writing
    def read_kernel(self, kernel: int, read_volts: float, averages: int = 1) -> KernelReading:
        """Leaves a selected path first. Raises OverLimit, Refused."""
        self._check_kernel(kernel)
        read_uv = to_uv(read_volts, "read_volts")
        check_limit(read_uv, self._limits.read_uv, 1e6, "read_volts V")
        if averages < 1:
            raise Refused(f"crossbar: averages is {averages}; at least 1 is needed")
        self._leave_path()
        per_kernel = self._geometry.per_kernel
        request = fitting(lambda: messages.ReadBlock(kernel, averages, read_uv))
        answer = self._ask(request, 3 * per_kernel * (READ_S * averages + STEP_S))
        assert isinstance(answer, messages.ReadBlockResponse)
        if (answer.kernel, answer.averages, answer.read_uv, len(answer.codes)) != (kernel, averages, read_uv, 2 * per_kernel):
            raise ProtocolError(f"{self._link.address}: READ_BLOCK of kernel {kernel} was answered for another one or in part")
        amps, saturated = self._to_amps(answer.codes)
        shape = (self._geometry.rows, self._geometry.columns)
        return KernelReading(amps.reshape(shape), saturated.reshape(shape), read_uv * 1e-6)

    def pulse(self, kernel: int, mask: NDArray[np.bool_], pulse_volts: float, pulse_s: float) -> NDArray[np.bool_]:
        """Several commands where the mask is longer than one may be. Raises OverLimit, Refused, OutcomeUnknown."""
        self._check_kernel(kernel)
        shape = (self._geometry.rows, self._geometry.columns)
        if mask.shape != shape:
            raise Refused(f"crossbar: mask has shape {mask.shape}; a kernel is {shape}")
        amplitude_uv, width_ns = to_uv(pulse_volts, "pulse_volts"), to_ns(pulse_s, "pulse_s")
        check_limit(amplitude_uv, self._limits.device_uv, 1e6, "pulse_volts V")
        check_limit(width_ns, self._limits.pulse_ns, 1e9, "pulse_s s")
        waveform = Waveform(amplitude_uv, width_ns, pulse_volts, pulse_s)
        places = np.flatnonzero(mask)
        executed = np.zeros(mask.size, dtype=np.bool_)
        for start in range(0, places.size, self._pulses_per_command):
            part = places[start : start + self._pulses_per_command]
            devices = (part + kernel * self._geometry.per_kernel).astype("<u2").tobytes()
            if self._state is not DeviceState.ARMED:
                self._arm()
            executed[part] = self._pulser.send(devices, waveform)
        return executed.reshape(shape)

    def vmm(self, kernel: int, input_volts: NDArray[np.float64], direction: str = "rows") -> NDArray[np.float64]:
        """direction: "rows" drives rows and reads columns, "columns" the reverse. Raises OverLimit, Refused."""
        self._check_kernel(kernel)
        geometry = self._geometry
        if direction not in ("rows", "columns"):
            raise Refused(f'crossbar: direction is {direction!r}; it is "rows" or "columns"')
        driven, sensed = (geometry.rows, geometry.columns) if direction == "rows" else (geometry.columns, geometry.rows)
        if input_volts.ndim != 2 or input_volts.shape[1] != driven:
            raise Refused(f"crossbar: input_volts has shape {input_volts.shape}; it is (vectors, {driven}) for direction {direction!r}")
        steps = to_vmm_inputs(input_volts, self._limits.read_uv)
        self._leave_path()
        most = (codes.MAX_PAYLOAD - messages.Vmm.layout.size) // (2 * max(driven, sensed))
        requests = [
            messages.Vmm(kernel, 1, Direction[direction.upper()], len(part), part.tobytes())
            for part in (steps[start : start + most] for start in range(0, len(steps), most))
        ]
        device_s = 3 * most * sensed * (READ_S + STEP_S)
        waiting = [(request, self._link.submit(self._available(request), device_s)) for request in requests]
        answers = [understand(self._link.address, request, self._link.wait(future, device_s)) for request, future in waiting]
        amps = [self._vmm_amps(request, answer, sensed) for request, answer in zip(requests, answers, strict=True)]
        return np.concatenate(amps) if amps else np.empty((0, sensed))

    # --- inside
    @property
    def _geometry(self) -> Geometry:
        return self._greeting.dictionary.geometry

    @property
    def _pulses_per_command(self) -> int:
        fits = (codes.MAX_PAYLOAD - messages.Program.layout.size) // 2
        return max(1, min(self._limits.pulses_per_command, fits))

    def _ask(self, message: Request, device_s: float = 0.0) -> Message:
        return ask(self._link, self._available(message), device_s)

    def _available(self, message: Request) -> Request:
        if message.opcode in self._greeting.missing:
            raise Refused(f"{self._link.address}: this firmware has no {message.opcode.name}; update it")
        return message

    def _check_kernel(self, kernel: int) -> None:
        if not 0 <= kernel < self._geometry.kernels:
            raise Refused(f"crossbar: kernel {kernel} does not exist; the controller has 0 to {self._geometry.kernels - 1}")

    def _to_amps(self, codes: bytes) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        return to_amps(codes, self._greeting.hello.adc_zero_code, self._greeting.hello.adc_code_pa)

    def _vmm_amps(self, request: messages.Vmm, answer: Message, sensed: int) -> NDArray[np.float64]:
        assert isinstance(answer, messages.VmmResponse)
        echoed = (answer.first_kernel, answer.direction, answer.vectors, len(answer.codes))
        if echoed != (request.first_kernel, request.direction, request.vectors, 2 * request.vectors * sensed):
            raise ProtocolError(f"{self._link.address}: VMM of kernel {request.first_kernel} was answered for another one or in part")
        return self._to_amps(answer.codes)[0].reshape(request.vectors, sensed)

    def _leave_path(self) -> None:
        """The board does not read a junction that the SMU is connected to."""
        if self._state is DeviceState.SELECTED:
            self.isolate()

    def _disarm(self) -> None:
        try:
            ask(self._link, messages.Disarm())
        except SessionTaken:
            # Safe comes first, but nothing goes on in a session that somebody took from us: ours stays lost.
            with closing(self._connect()[0]) as link:
                ask(link, messages.Disarm())
        except LinkError:
            self._reconnect()
            ask(self._link, messages.Disarm())

    def _disarmed_itself(self) -> Refused:
        """For pulses refused although the driver had armed. The next call after it may arm again: its caller knows by then."""
        status = self.status()
        self._enter(DeviceState[status.state])
        return Refused(
            f"{self._link.address}: the controller disarmed itself: {status.safe_reason}; none of these pulses was applied; "
            "find out what stopped it, then start again"
        )

    def _arm(self) -> None:
        self._ask(messages.Arm(self._limits.crc32))
        self._enter(DeviceState.ARMED)

    def _enter(self, state: DeviceState) -> None:
        self._state = state
        self._link.keep_alive(state in (DeviceState.SELECTED, DeviceState.ARMED))

    def _reconnect(self) -> None:
        """A new session on a new connection; the limits asked for before are asked for again."""
        so_far = self.counts()
        self._link.close()
        self._link, self._greeting = self._connect()
        self._closed_counts = so_far
        self._state = DeviceState(self._greeting.hello.state)
        self._ids.advance(self._greeting.hello.last_pulse_id)
        if self._greeting.hello.limits != self._limits:
            self.tighten_limits(self._limits)

    def _reconnect_to_same_start(self) -> BoardLink:
        boot_id = self._greeting.boot_id
        self._reconnect()
        if self._greeting.boot_id != boot_id:
            raise LinkLost(f"{self._link.address}: the controller restarted meanwhile and does not remember single pulses")
        return self._link
