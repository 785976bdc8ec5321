"""What an endpoint says: what to execute, what to send, what came back, and what will never be known."""

from dataclasses import dataclass, field
from enum import Enum, StrEnum

from firmware_protocol.framing import Frame, Rejected
from firmware_protocol.messages import EventMessage, Request
from firmware_protocol.questions import Ticket


class Role(Enum):
    HOST = "host"
    DEVICE = "device"


class LostBy(StrEnum):
    """Why a request's fate is unknown."""

    REBOOT = "the device restarted"
    SESSION = "another host opened a session on the device"
    SILENCE = "no answer before the deadline"
    LINE = "the connection was lost"


@dataclass(frozen=True)
class Execute:
    """Device: do this once, now, then call `respond` with the frame."""

    frame: Frame
    message: Request


@dataclass(frozen=True)
class Transmit:
    data: bytes


@dataclass(frozen=True)
class Answered:
    """Host: the answer to `ticket`. The status in the frame says whether anything was done."""

    ticket: Ticket
    frame: Frame


@dataclass(frozen=True)
class Happened:
    """Host: what the long operation begun by the request `seq` says of itself."""

    seq: int
    message: EventMessage


@dataclass(frozen=True)
class Abandoned:
    """Host: nobody knows whether `ticket` was executed. It will not be sent again."""

    ticket: Ticket
    reason: LostBy


@dataclass(frozen=True)
class LinkDown:
    """Host: the session is over; the next thing to say is HELLO with a new nonce."""

    reason: LostBy


Event = Execute | Transmit | Answered | Happened | Abandoned | LinkDown


@dataclass
class LinkCounters:
    """What happened on the line. rejected: by reason of RejectReason. late: answers that nobody waited for."""

    sent: int = 0
    received: int = 0
    retransmitted: int = 0
    replayed: int = 0
    naks: int = 0
    timeouts: int = 0
    late: int = 0
    stale: int = 0
    bad_session: int = 0
    unexpected: int = 0
    rejected: dict[str, int] = field(default_factory=dict[str, int])

    @property
    def errors(self) -> int:
        return self.late + self.stale + self.bad_session + self.unexpected + sum(self.rejected.values())

    def reject(self, rejected: Rejected) -> None:
        self.rejected[rejected.reason] = self.rejected.get(rejected.reason, 0) + 1
