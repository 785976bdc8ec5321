"""The crossbar controller: drivers.protocols.CrossbarController over firmware_protocol, on a serial line or a socket.

Rule 1: volts and seconds become integers once, here, and are refused, not clipped, beyond the limits in force; the
controller checks them again by itself. Rule 2: connecting and closing change no output. Rule 3: while a path is closed,
pulses are allowed or a long operation runs, a keep-alive goes out every 0.5 s, for 5 s after the last call; who needs longer
calls `beat`.
"""

import secrets
from collections.abc import Callable

from drivers.board_sessions import Sessions
from drivers.crossbar_safety import Inspection, SafetyLine, inspect_crossbar, open_crossbar_for_safety, read_status
from drivers.crossbar_scanning import Scanning
from drivers.crossbar_upkeep import Upkeep
from drivers.crossbar_verifying import Verifying
from drivers.errors import WrongInstrument
from drivers.protocols import PulseIds
from firmware_protocol.geometry import Geometry

__all__ = ["Crossbar", "Inspection", "SafetyLine", "inspect_crossbar", "open_crossbar", "open_crossbar_for_safety", "read_status"]


class Crossbar(Verifying, Scanning, Upkeep):
    """One controller in one session; made by `open_crossbar`. For one thread, but for `emergency_stop`, `beat`, `counts`."""


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
) -> Crossbar:
    """Connect and identify. geometry: what the configuration expects; None takes what the controller says.

    Raises ConnectFailed, WrongInstrument (not this firmware, another version, another geometry), LinkTimeout, LinkLost.
    """
    crossbar = Crossbar(Sessions(address, baud, nonces, timeout_s), pulse_ids, timeout_s)
    found = crossbar.info().geometry
    if geometry is not None and found != geometry:
        crossbar.close()
        raise WrongInstrument(f"{address}: the controller addresses {found.shape} (kernels, rows, columns), lab.toml says {geometry.shape}")
    return crossbar
