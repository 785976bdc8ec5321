"""One controller over one connection after another: who it is, what it is asked, and a stop that no lost line forgets.

Rule 1: connecting and closing change no output. Rule 2: a session that another host took is final. Rule 3: an emergency stop
that was asked for is said first on the next line, until somebody clears it.
"""

import threading

from drivers.board_link import BoardLink, SessionTaken
from drivers.board_sessions import Sessions
from drivers.board_talk import ask, ask_all
from drivers.crossbar_safety import to_status
from drivers.crossbar_units import whole
from drivers.errors import EmergencyStopped, Refused, WrongInstrument
from drivers.protocols import PulseIds
from drivers.values import ControllerStatus, Identity, WireCounts
from firmware_protocol import messages
from firmware_protocol.codes import Capability
from firmware_protocol.geometry import Geometry
from firmware_protocol.messages import Message, Request
from firmware_protocol.rules import rule_for


class StopWanted:
    """Emergency stops asked for here, from any thread, whether or not the board could be told."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked = self._cleared = 0

    def __bool__(self) -> bool:
        return self._asked != self._cleared

    def ask(self) -> None:
        with self._lock:
            self._asked += 1

    def so_far(self) -> int:
        return self._asked

    def clear(self, so_far: int) -> None:
        """Those; one that came since stays wanted."""
        self._cleared = so_far


class CrossbarConnection:
    """For one thread, but for `beat` and `counts`."""

    def __init__(self, sessions: Sessions, pulse_ids: PulseIds, timeout_s: float) -> None:
        self._sessions = sessions
        self._ids = pulse_ids
        self._timeout_s = timeout_s
        self._stop_wanted = StopWanted()
        self._link, self._greeting = sessions.open()
        self._counting: tuple[WireCounts | None, BoardLink | None] = (None, self._link)
        try:
            self._tell_ids()
        except BaseException:
            self._link.close()
            raise

    # --- who it is
    def identify(self) -> Identity:
        found = self._greeting.dictionary
        return Identity(found.vendor, found.model, found.serial, found.firmware, found.origin.simulated, found.origin.seed)

    def status(self) -> ControllerStatus:
        return to_status(self._status(), self._geometry)

    def counts(self) -> WireCounts:
        """Over all connections since it was opened."""
        before, link = self._counting
        now = None if link is None else link.counts()
        if before is None or now is None:
            found = before or now
            assert found is not None
            return found
        return before + now

    def beat(self) -> None:
        """The owner lives: keep the selected path closed although nothing is asked of the controller."""
        self._link.beat()

    def close(self) -> None:
        self._link.close()

    # --- for the other rooms of the driver
    @property
    def _geometry(self) -> Geometry:
        return self._greeting.dictionary.geometry

    @property
    def _shape(self) -> tuple[int, int]:
        """Of one kernel."""
        return self._geometry.rows, self._geometry.columns

    def _device(self, kernel: int, row: int, column: int) -> int:
        places = whole(kernel, "kernel"), whole(row, "row"), whole(column, "column")
        try:
            return self._geometry.device(*places)
        except IndexError as error:
            raise Refused(f"crossbar: no such junction: {error}") from error

    def _check_kernel(self, kernel: int) -> None:
        if not 0 <= whole(kernel, "kernel") < self._geometry.kernels:
            raise Refused(f"crossbar: kernel {kernel} does not exist; the controller has 0 to {self._geometry.kernels - 1}")

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

    def _refuse_while_stopped(self) -> None:
        if self._stop_wanted:
            raise EmergencyStopped(f"{self._link.address}: an emergency stop was asked for and is latched; find out why, then reset it")

    def _reopen(self) -> None:
        """A new session with the same board on a new connection. Raises SessionTaken when another host has it, WrongInstrument."""
        so_far = self.counts()
        self._link.close()
        self._counting = (so_far, None)
        try:
            link, greeting = self._sessions.open_again(self._stop_if_wanted)
        except SessionTaken as error:
            self._link.give_up(error)
            raise
        before, now = self._greeting.dictionary, greeting.dictionary
        if (before.model, before.serial, before.geometry) != (now.model, now.serial, now.geometry):
            # What was selected, limited and pulsed belongs to one board.
            link.close()
            raise WrongInstrument(f"{link.address}: {now.model} {now.serial} answers now, it was {before.model} {before.serial}")
        self._greeting = greeting
        self._link = link
        self._counting = (so_far, link)
        self._tell_ids()
        # Also one that was asked for while the session was being opened, when nobody had this line yet.
        self._stop_if_wanted(link)

    def _tell_ids(self) -> None:
        self._ids.opened(self.identify().serial, self._link.endpoint.session)
        self._ids.advance(self._greeting.hello.last_pulse_id)

    def _stop_if_wanted(self, link: BoardLink) -> None:
        if self._stop_wanted:
            link.wait(link.emergency_stop())
