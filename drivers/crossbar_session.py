"""What state the controller is in: its limits, making it safe, paths, long operations.

Rule 1: a session that another host took is taken back for isolating alone. Rule 2: a board that comes back on another connection
is isolated first, then told the limits again, both before anything is armed or read.
"""

import time
from collections.abc import Generator
from contextlib import closing, contextmanager

from drivers.board_link import SessionTaken
from drivers.board_operation import LongOperation
from drivers.board_sessions import Sessions
from drivers.board_talk import ask
from drivers.crossbar_connection import CrossbarConnection
from drivers.crossbar_safety import clear_latch
from drivers.errors import DriverError, LinkError, OutputMayBeOn, ProtocolError, Refused
from drivers.protocols import PulseIds
from drivers.values import ControllerInfo
from firmware_protocol import messages
from firmware_protocol.codes import DeviceState, Route
from firmware_protocol.limits import Limits
from firmware_protocol.messages import Request

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 2.0


class CrossbarSession(CrossbarConnection):
    """For one thread, but for `emergency_stop`, `beat`, `counts`."""

    def __init__(self, sessions: Sessions, pulse_ids: PulseIds, timeout_s: float) -> None:
        super().__init__(sessions, pulse_ids, timeout_s)
        self._limits = self._greeting.hello.limits
        self._limits_owed = False
        self._state = DeviceState(self._greeting.hello.state)
        self._path = messages.Select(Route.NONE)

    def info(self) -> ControllerInfo:
        """limits: those now in force."""
        found, greeting = self._greeting.dictionary, self._greeting
        origin = {"simulated": found.origin.simulated, "seed": found.origin.seed}
        missing = frozenset(request.opcode.name for request in messages.REQUESTS if not self._can(request))
        return ControllerInfo(
            self.identify(), found.geometry, self._limits, origin, greeting.boot_id, greeting.capabilities, self._link.low_latency, missing
        )

    def reconnect(self, patience_s: float) -> bool:
        """A new session when the line was lost, tried again with longer and longer pauses for patience_s. Changes no output.

        Whether the path that was selected before is still closed; True also where none was.
        Raises SessionTaken when another host has the controller, and what the last attempt failed with.
        """
        end_s, pause_s = time.monotonic() + patience_s, _FIRST_PAUSE_S
        path = self._path if self._state is DeviceState.SELECTED else None
        if self._link.taken:
            raise SessionTaken(f"{self._link.address}: another host has the controller; open it again when he has done")
        while True:
            try:
                self._reopen()
                self._tell_limits()
                return path is None or self._is_closed(path)
            except SessionTaken:
                raise
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
        self._limits_owed = False
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
        """From now on nothing is armed, pulsed or begun until `clear_emergency_stop`, on this line or the next.

        Raises LinkError when the controller did not confirm; then stop it over another line.
        """
        self._stop_wanted.ask()
        self._link.wait(self._link.emergency_stop())
        self._enter(DeviceState.ESTOPPED)

    def clear_emergency_stop(self) -> None:
        """Leave the latch for SAFE; nothing when it is not latched. Raises EmergencyStopped when another stop came in between."""
        stops = self._stop_wanted.so_far()
        if clear_latch(self._ask):
            self._enter(DeviceState.SAFE)
        self._stop_wanted.clear(stops)
        self._tell_limits()

    # --- paths
    def select_junction(self, kernel: int, row: int, column: int) -> None:
        self._select(messages.Select(Route.JUNCTION, self._device(kernel, row, column)))

    def select_contact_pads(self) -> None:
        self._select(messages.Select(Route.CONTACT_PADS))

    # --- for the other rooms of the driver
    @contextmanager
    def _operation(self, request: Request, step_s: float = 0.0) -> Generator[LongOperation]:
        """A long operation, accepted; aborted on leaving if it still runs. The board hears of us meanwhile."""
        self._refuse_while_stopped()
        self._tell_limits()
        operation = LongOperation(self._link, self._available(request), self._timeout_s, step_s)
        try:
            operation.start()
            self._link.keep_alive(True)
            yield operation
        finally:
            operation.close()
            self._enter(self._state)

    def _leave_path(self) -> None:
        """The board does not read a junction that the SMU is connected to."""
        if self._state is DeviceState.SELECTED:
            self.isolate()
        self._tell_limits()

    def _select(self, path: messages.Select) -> None:
        self._ask(path)
        self._path = path
        self._enter(DeviceState.SELECTED)

    def _is_closed(self, path: messages.Select) -> bool:
        found = self._status()
        return (found.state, found.route, found.device) == (DeviceState.SELECTED, path.route, path.device)

    def _enter(self, state: DeviceState) -> None:
        self._state = state
        self._link.keep_alive(state in (DeviceState.SELECTED, DeviceState.ARMED))

    def _arm(self) -> None:
        self._refuse_while_stopped()
        if self._state is not DeviceState.ARMED:
            self._tell_limits()
            self._ask(messages.Arm(self._limits.crc32))
            self._enter(DeviceState.ARMED)

    def _disarm(self) -> None:
        self._link.drop_unsent("isolating came first")
        try:
            self._disarm_unless_taken()
        except SessionTaken:
            # Safe comes first, but nothing goes on in a session that somebody took from us: ours stays lost.
            self._link.close()  # A device is opened once.
            with closing(self._sessions.open()[0]) as link:
                self._stop_if_wanted(link)
                ask(link, messages.Disarm())

    def _disarm_unless_taken(self) -> None:
        try:
            ask(self._link, messages.Disarm())
        except SessionTaken:
            raise
        except LinkError:
            self._reopen()
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

    def _reopen(self) -> None:
        super()._reopen()
        self._limits_owed = self._greeting.hello.limits != self._limits
        self._enter(DeviceState.ESTOPPED if self._stop_wanted else DeviceState(self._greeting.hello.state))

    def _tell_limits(self) -> None:
        """A board that started anew is told the limits asked for before, as soon as it may be: not while a stop is latched."""
        if self._limits_owed and self._state in (DeviceState.SAFE, DeviceState.SELECTED):
            self.tighten_limits(self._limits)
