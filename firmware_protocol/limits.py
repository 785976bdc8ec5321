"""What the firmware refuses, whoever asks. The host can tighten a limit, never widen it.

Integers in the link's units (uV, ns), so that both ends compare the same numbers.
"""

import struct
import zlib
from dataclasses import dataclass, fields

_LAYOUT = struct.Struct("<IIIHH")


@dataclass(frozen=True)
class Limits:
    """Absolute limits of the board.

    device_uv: largest magnitude across a cell (junction and access device) while pulsing, uV.
    read_uv: largest magnitude across a cell while reading or multiplying, uV.
    pulse_ns: longest pulse, ns.
    dead_man_ms: silence of the session's owner after which every junction is isolated, ms.
    pulses_per_command: longest PROGRAM list.
    """

    device_uv: int = 1_200_000
    read_uv: int = 300_000
    pulse_ns: int = 1_000_000
    dead_man_ms: int = 1_500
    pulses_per_command: int = 625

    def below_floor(self) -> tuple[int, int] | None:
        """(value, floor) of the first limit too tight to work under, None when all can be met.

        A limit of nothing would only make a board that every later host finds dead until its power is cycled.
        """
        floors = (("device_uv", 1_000), ("read_uv", 1_000), ("pulse_ns", 1), ("dead_man_ms", 100), ("pulses_per_command", 1))
        return next(((getattr(self, name), floor) for name, floor in floors if getattr(self, name) < floor), None)

    def tightened(self, other: "Limits") -> "Limits":
        """The stricter of the two, limit by limit."""
        return Limits(*(min(getattr(self, field.name), getattr(other, field.name)) for field in fields(self)))

    def encode(self) -> bytes:
        return _LAYOUT.pack(self.device_uv, self.read_uv, self.pulse_ns, self.dead_man_ms, self.pulses_per_command)

    @classmethod
    def decode(cls, payload: bytes) -> "Limits":
        """Raises struct.error on a wrong length."""
        return cls(*_LAYOUT.unpack(payload))

    @property
    def crc32(self) -> int:
        """What ARM must quote: proof that both ends mean the same limits."""
        return zlib.crc32(self.encode())


LIMITS_SIZE = _LAYOUT.size
