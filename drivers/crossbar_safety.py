"""The controller for those who must not wait for its driver: making safe, and looking without touching.

Rule 1: making safe needs no lock file and has short deadlines; what cannot be verified is said to be unverified. On a device
that a driver has open the answers may be read by that driver; it sees whose they are and stands aside, and all is said again.
Rule 2: looking says only what every session may ask, so that the session at work stays what it is, and keeps off a
serial device that another process has open: two readers would take each other's bytes.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from drivers.board_link import BoardLink
from drivers.board_talk import GREETING_S, Denied, ask, fetch_dictionary, open_link, open_safety_link, say_hello
from drivers.errors import EmergencyStopped, LinkTimeout, OutputMayBeOn, ProtocolError, WrongInstrument
from drivers.values import ControllerStatus, Identity
from firmware_protocol import dictionary
from firmware_protocol.codes import DeviceState, Route, SafeReason
from firmware_protocol.dictionary import Dictionary, DictionaryError
from firmware_protocol.geometry import Geometry
from firmware_protocol.limits import Limits
from firmware_protocol.messages import ClearFault, Disarm, GetStatus, Message, Request, StatusResponse

_NO_DEVICE = 0xFFFF
SAFETY_TIMEOUT_S = 1.0


def to_status(answer: StatusResponse, geometry: Geometry) -> ControllerStatus:
    """Raises ProtocolError for a state, route or junction that this protocol does not have."""
    try:
        return ControllerStatus(
            state=DeviceState(answer.state).name,
            route=Route(answer.route).name,
            safe_reason=SafeReason(answer.safe_reason).name,
            selected=None if answer.device == _NO_DEVICE else geometry.coordinates(answer.device),
            last_pulse_id=answer.last_pulse_id,
            pulses=answer.pulses,
            reads=answer.reads,
        )
    except (ValueError, IndexError) as error:
        raise ProtocolError(f"crossbar: STATUS makes no sense: {error}") from error


@dataclass(frozen=True)
class Inspection:
    """What a controller says of itself without a session. limits: those it was built for. in_session: whether one is open."""

    identity: Identity
    geometry: Geometry
    limits: Limits
    status: ControllerStatus
    in_session: bool


def inspect_crossbar(address: str, baud: int = 921_600, timeout_s: float = GREETING_S) -> Inspection:
    """Who answers and in which state; changes nothing, not even the session.

    Raises ConnectFailed, WrongInstrument, LinkTimeout, LinkLost.
    """
    link = open_link(address, baud, 0, min(timeout_s, GREETING_S))
    try:
        answer = _status(link)
        found = _dictionary(link)
    finally:
        link.close()
    identity = Identity(found.vendor, found.model, found.serial, found.firmware, found.origin.simulated, found.origin.seed)
    return Inspection(identity, found.geometry, found.limits, to_status(answer, found.geometry), answer.session != 0)


def read_status(address: str, baud: int = 921_600, timeout_s: float = GREETING_S) -> ControllerStatus:
    """State of a controller; changes nothing. Raises like `inspect_crossbar`."""
    return inspect_crossbar(address, baud, timeout_s).status


def _status(link: BoardLink) -> StatusResponse:
    try:
        answer = ask(link, GetStatus())
    except LinkTimeout as error:
        if link.incoming.received_bytes:
            raise WrongInstrument(
                f"{link.address}: {link.incoming.received_bytes} bytes came, none of them this protocol's "
                f"(first: {link.incoming.first_bytes!r}); check the address and the baud rate in lab.toml"
            ) from error
        raise
    assert isinstance(answer, StatusResponse)
    return answer


def _dictionary(link: BoardLink) -> Dictionary:
    try:
        found = dictionary.decode(fetch_dictionary(link))
        dictionary.unknown_to(found)
    except DictionaryError as error:
        raise WrongInstrument(f"{link.address}: {error}; update the firmware or this software") from error
    return found


def clear_latch(say: Callable[[Request], Message], before: Callable[[], None] = lambda: None) -> bool:
    """Clear the emergency stop that STATUS shows, and no other; False when none is latched. before: called when one is.

    Raises EmergencyStopped when another stop came in between: somebody must look why.
    """
    seen = say(GetStatus())
    assert isinstance(seen, StatusResponse)
    if seen.state != DeviceState.ESTOPPED:
        return False
    before()
    try:
        say(ClearFault(seen.safe_reason, seen.stops))
    except Denied as error:
        now = say(GetStatus())
        assert isinstance(now, StatusResponse)
        if (now.safe_reason, now.stops) == (seen.safe_reason, seen.stops):
            raise
        what = f"stop {now.stops} since it started came after stop {seen.stops}"
        raise EmergencyStopped(f"crossbar: not cleared, another emergency stop came in between: {what}; find out why") from error
    return True


class SafetyLine:
    """A connection of its own, for making safe. Use as a context manager; closing changes nothing."""

    def __init__(self, link: BoardLink) -> None:
        self._link = link

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def emergency_stop(self) -> None:
        """Isolate and latch, verified by STATUS. Raises OutputMayBeOn when it could not be verified, LinkError."""
        self._link.wait(self._link.emergency_stop())
        self._verify(DeviceState.ESTOPPED)

    def isolate(self) -> None:
        """Isolate without latching: takes the session, so that its owner can do nothing more. A latch stays."""
        self._open_session()
        ask(self._link, Disarm())
        self._verify(DeviceState.SAFE, DeviceState.ESTOPPED)

    def clear_emergency_stop(self) -> None:
        """Leave the latch for SAFE; nothing when it is not latched. Raises EmergencyStopped when another stop came in between."""
        if clear_latch(lambda message: ask(self._link, message), self._open_session):
            self._verify(DeviceState.SAFE)

    def close(self) -> None:
        self._link.close()

    def _open_session(self) -> None:
        if not self._link.endpoint.open:
            say_hello(self._link, lambda: secrets.randbelow(0xFFFF) + 1, SAFETY_TIMEOUT_S)

    def _verify(self, *wanted: DeviceState) -> None:
        answer = _status(self._link)
        if answer.state not in wanted or answer.route != Route.NONE:
            raise OutputMayBeOn(f"{self._link.address}: asked to isolate, says state {answer.state}, route {answer.route}; check by hand")


def open_crossbar_for_safety(address: str, baud: int = 921_600, timeout_s: float = SAFETY_TIMEOUT_S) -> SafetyLine:
    """Connect without the lock file and without a session. Raises ConnectFailed."""
    return SafetyLine(open_safety_link(address, baud, secrets.randbelow(0xFFFF) + 1, timeout_s))
