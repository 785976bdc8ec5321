"""What instruments say of themselves and what they measured. SI units, the unit in the name; checked where they are made."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from firmware_protocol.codes import Capability
from firmware_protocol.geometry import Geometry
from firmware_protocol.limits import Limits


@dataclass(frozen=True)
class Identity:
    """Who answers. `simulated` and `seed` are what the instrument says of itself, never configuration."""

    vendor: str
    model: str
    serial: str
    firmware: str
    simulated: bool
    seed: int | None = None


@dataclass(frozen=True)
class WireCounts:
    """What went over one wire since it was opened. Units are the wire's own: frames, SCPI messages, prober commands.

    errors: all that came and was of no use. late: answers that nobody waited for. naks: requests refused as out of sequence.
    timeouts: times an answer was overdue. reconnects: connections beyond the first. rejected: by reason, "crc" and so on.
    """

    unit: str
    sent: int
    received: int
    errors: int = 0
    retransmitted: int = 0
    late: int = 0
    naks: int = 0
    timeouts: int = 0
    reconnects: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict[str, int])

    def __add__(self, later: "WireCounts") -> "WireCounts":
        """Both connections of one wire together; the second is a reconnect."""
        numbers = {name: getattr(self, name) + getattr(later, name) for name in _COUNTED}
        reasons = self.rejected.keys() | later.rejected.keys()
        rejected = {reason: self.rejected.get(reason, 0) + later.rejected.get(reason, 0) for reason in sorted(reasons)}
        return WireCounts(later.unit, **numbers, reconnects=self.reconnects + later.reconnects + 1, rejected=rejected)


_COUNTED = ("sent", "received", "errors", "retransmitted", "late", "naks", "timeouts")


@dataclass(frozen=True)
class ProberState:
    """Read back from the prober, never inferred.

    die: (x, y) in the wafer frame (home die 0,0), None when the chuck is on no die.
    z_um, contact_z_um: chuck height and commissioned contact height above z zero, um; z grows upward.
    """

    die: tuple[int, int] | None
    z_um: float
    contact_z_um: float
    home_set: bool
    contact_set: bool
    overtravel_on: bool
    vacuum_on: bool
    doors_closed: bool
    in_contact: bool


@dataclass(frozen=True)
class Placement:
    """Whether the needles still are where contact was proven, in as few questions as possible.

    z_um: chuck height above z zero, um. contacts: the prober's own count of touchdowns: a chuck that was lowered and
    raised again stands at the same height, but not in the same contact.
    """

    z_um: float
    contacts: int

    def unmoved_since(self, proven: "Placement", tolerance_um: float) -> bool:
        """False for a height that is not a number."""
        return self.contacts == proven.contacts and abs(self.z_um - proven.z_um) <= tolerance_um


@dataclass(frozen=True)
class Moving:
    """A move of the prober that is under way. number: differs from one to the next. longest_s: that it may take."""

    number: int
    longest_s: float


_NONE_GRANTED = Capability(0)


@dataclass(frozen=True)
class ControllerInfo:
    """From HELLO and the dictionary. origin: {"simulated": bool, "seed": int | None}. capabilities: granted in this session.

    low_latency: whether the port hands on bytes as they come; None where it has no such mode.
    missing: names of the protocol's commands that cannot be had in this session.
    """

    identity: Identity
    geometry: Geometry
    limits: Limits
    origin: Mapping[str, object]
    boot_id: int
    capabilities: Capability = _NONE_GRANTED
    low_latency: bool | None = None
    missing: frozenset[str] = frozenset()


@dataclass(frozen=True)
class ControllerStatus:
    """state, route, safe_reason: names of firmware_protocol's DeviceState, Route, SafeReason. selected: kernel, row, column."""

    state: str
    route: str
    safe_reason: str
    selected: tuple[int, int, int] | None
    last_pulse_id: int
    pulses: int
    reads: int


@dataclass(frozen=True)
class KernelReading:
    """One kernel through the board's ADC.

    amps: (rows, columns) float64, A; NaN where saturated, masked or not measured.
    saturated: (rows, columns) bool.
    """

    amps: NDArray[np.float64]
    saturated: NDArray[np.bool_]
    read_volts: float
