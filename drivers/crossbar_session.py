"""One controller over one connection after another: who it is, what state it is in, its limits, making it safe.

Rule 1: connecting and closing change no output. Rule 2: a session that another host took is final: it is taken back for
isolating alone. Rule 3: a board that comes back on another connection is told the limits again before anything else.
"""

import time
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager

from drivers.board_link import BoardLink, SessionTaken
from drivers.board_operation import LongOperation
from drivers.board_talk import Greeting, ask, ask_all
from drivers.crossbar_safety import to_status
from drivers.errors import DriverError, LinkError, OutputMayBeOn, ProtocolError, Refused, WrongInstrument
from drivers.protocols import ControllerInfo, ControllerStatus, Identity, PulseIds, WireCounts
from firmware_protocol import messages
from firmware_protocol.codes import Capability, DeviceState, Route
from firmware_protocol.geometry import Geometry
from firmware_protocol.limits import Limits
from firmware_protocol.messages import Message, Request
from firmware_protocol.rules import rule_for

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 2.0


class CrossbarSession:
    """connect: opens a new session on a new connection. For one thread, but for `emergency_stop`, `beat`, `counts`."""

    def __init__(self, connect: Callable[[], tuple[BoardLink, Greeting]], pulse_ids: PulseIds, timeout_s: float) -> None:
        self._connect = connect
        self._ids = pulse_ids
        self._timeout_s = timeout_s
        self._closed_counts: WireCounts | None = None
        self._link, self._greeting = connect()
        self._limits = self._greeting.hello.limits
        self._state = DeviceState(self._greeting.hello.state)
        pulse_ids.advance(self._greeting.hello.last_pulse_id)

    # --- who it is
    def identify(self) -> Identity:
        found = self._greeting.dictionary
        return Identity(found.vendor, found.model, found.serial, found.firmware, found.origin.simulated, found.origin.seed)

    def info(self) -> ControllerInfo:
        """limits: those now in force."""
        found, greeting = self._greeting.dictionary, self._greeting
        origin = {"simulated": found.origin.simulated, "seed": found.origin.seed}
        return ControllerInfo(
            self.identify(), found.geometry, self._limits, origin, greeting.boot_id, greeting.capabilities, self._link.low_latency
        )

    def status(self) -> ControllerStatus:
        return to_status(self._status(), self._geometry)

    def counts(self) -> WireCounts:
        """Over all connections since it was opened."""
        before, now = self._closed_counts, self._link.counts()
        return now if before is None else before + now

    def beat(self) -> None:
        """The owner lives: keep the selected path closed although nothing is asked of the controller."""
        self._link.beat()

    def close(self) -> None:
        self._link.close()

    def reconnect(self, patience_s: float) -> None:
        """A new session when the line was lost, tried again with longer and longer pauses for patience_s. Changes no output.

        Raises SessionTaken when another host has the controller, and what the last attempt failed with.
        """
        end_s, pause_s = time.monotonic() + patience_s, _FIRST_PAUSE_S
        if self._link.taken:
            raise SessionTaken(f"{self._link.address}: another host has the controller; open it again when he has done")
        while True:
            try:
                return self._reconnect()
            except LinkError:
                if time.monotonic() + pause_s >= end_s:
                    raise
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

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
        status = self._status()
        if status.state == DeviceState.ESTOPPED:
            self._ask(messages.ClearFault(status.safe_reason))
            self._enter(DeviceState.SAFE)

    # --- paths
    def select_junction(self, kernel: int, row: int, column: int) -> None:
        self._ask(messages.Select(Route.JUNCTION, self._device(kernel, row, column)))
        self._enter(DeviceState.SELECTED)

    def select_contact_pads(self) -> None:
        self._ask(messages.Select(Route.CONTACT_PADS))
        self._enter(DeviceState.SELECTED)

    # --- for the other rooms of the driver
    @property
    def _geometry(self) -> Geometry:
        return self._greeting.dictionary.geometry

    @property
    def _shape(self) -> tuple[int, int]:
        """Of one kernel."""
        return self._geometry.rows, self._geometry.columns

    def _device(self, kernel: int, row: int, column: int) -> int:
        try:
            return self._geometry.device(kernel, row, column)
        except IndexError as error:
            raise Refused(f"crossbar: no such junction: {error}") from error

    def _status(self) -> messages.StatusResponse:
        answer = self._ask(messages.GetStatus())
        assert isinstance(answer, messages.StatusResponse)
        return answer

    def _ask(self, message: Request, device_s: float = 0.0) -> Message:
        return ask(self._link, self._available(message), device_s)

    def _ask_all(self, batch: list[Request], device_s: float = 0.0) -> list[Message]:
        return ask_all(self._link, [self._available(message) for message in batch], device_s)

    def _available(self, message: Request) -> Request:
        self._need(message)
        return message

    def _need(self, message: Request | type[Request]) -> None:
        if not self._can(message):
            raise Refused(f"{self._link.address}: this firmware has no {message.opcode.name}; update it")

    def _can(self, message: Request | type[Request]) -> bool:
        lacking = rule_for(message.opcode).needs & ~self._greeting.capabilities
        return message.opcode not in self._greeting.missing and not lacking

    @property
    def _ids_are_durable(self) -> bool:
        return bool(self._greeting.capabilities & Capability.DURABLE_PULSE_IDS)

    @contextmanager
    def _operation(self, request: Request, step_s: float = 0.0) -> Generator[LongOperation]:
        """A long operation, accepted; aborted on leaving if it still runs. The board hears of us meanwhile."""
        operation = LongOperation(self._link, self._available(request), self._timeout_s, step_s)
        try:
            operation.start()
            self._link.keep_alive(True)
            yield operation
        finally:
            operation.close()
            self._enter(self._state)

    def _check_kernel(self, kernel: int) -> None:
        if not 0 <= kernel < self._geometry.kernels:
            raise Refused(f"crossbar: kernel {kernel} does not exist; the controller has 0 to {self._geometry.kernels - 1}")

    def _leave_path(self) -> None:
        """The board does not read a junction that the SMU is connected to."""
        if self._state is DeviceState.SELECTED:
            self.isolate()

    def _enter(self, state: DeviceState) -> None:
        self._state = state
        self._link.keep_alive(state in (DeviceState.SELECTED, DeviceState.ARMED))

    def _arm(self) -> None:
        if self._state is not DeviceState.ARMED:
            self._ask(messages.Arm(self._limits.crc32))
            self._enter(DeviceState.ARMED)

    def _disarm(self) -> None:
        self._link.drop_unsent("isolating came first")
        try:
            ask(self._link, messages.Disarm())
        except SessionTaken:
            # Safe comes first, but nothing goes on in a session that somebody took from us: ours stays lost.
            self._link.close()  # A device is opened once.
            with closing(self._connect()[0]) as link:
                ask(link, messages.Disarm())
        except LinkError:
            self._reconnect()
            ask(self._link, messages.Disarm())

    def _disarmed_itself(self) -> Refused:
        """For pulses refused although the driver had armed. The next call after it may arm again: its caller knows by then."""
        reason = self._enter_what_it_says()
        return Refused(
            f"{self._link.address}: the controller disarmed itself: {reason}; none of these pulses was applied; "
            "find out what stopped it, then start again"
        )

    def _enter_what_it_says(self) -> str:
        """Take over the state that the controller went to by itself. Why it last isolated, a name of SafeReason."""
        status = self.status()
        self._enter(DeviceState[status.state])
        return status.safe_reason

    def _check_same_board(self, greeting: Greeting) -> None:
        """What was selected, limited and pulsed belongs to one board. Raises WrongInstrument."""
        before, now = self._greeting.dictionary, greeting.dictionary
        if (before.model, before.serial, before.geometry) != (now.model, now.serial, now.geometry):
            self._link.close()
            raise WrongInstrument(f"{self._link.address}: {now.model} {now.serial} answers now, it was {before.model} {before.serial}")

    def _reconnect(self) -> None:
        """A new session on a new connection; the limits asked for before are asked for again."""
        so_far = self.counts()
        self._link.close()
        self._closed_counts = so_far
        self._link, greeting = self._connect()
        self._check_same_board(greeting)
        self._greeting = greeting
        self._state = DeviceState(greeting.hello.state)
        self._ids.advance(greeting.hello.last_pulse_id)
        if self._greeting.hello.limits != self._limits:
            self.tighten_limits(self._limits)
