"""How a link ends, in words and by class: what its questions are failed with, and what every later use of it raises."""

from drivers.errors import DriverError, LinkError, LinkLost, LinkTimeout, ProtocolError
from firmware_protocol.codes import Opcode
from firmware_protocol.events import LostBy
from firmware_protocol.questions import Ticket


class SessionTaken(LinkLost):
    """Another host has the controller now. Whoever takes it back unasked fights with him over the outputs."""


def lost(address: str, reason: LostBy, ticket: Ticket | None) -> LinkError:
    """ticket: of the question whose answer did not come, None for the link itself."""
    kind = {LostBy.SILENCE: LinkTimeout, LostBy.SESSION: SessionTaken}.get(reason, LinkLost)
    asked = "" if ticket is None else f"{Opcode(ticket.opcode).name}: "
    return kind(f"{address}: {asked}{reason}; what it last did must be read back")


def again(address: str, fault: DriverError) -> DriverError:
    """What whoever uses the link after its end is told."""
    if isinstance(fault, ProtocolError):
        return ProtocolError(str(fault))
    kind = SessionTaken if isinstance(fault, SessionTaken) else LinkLost
    return kind(f"{address}: the link is down since: {fault}; open it again")
