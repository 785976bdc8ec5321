"""What is said to a SENTIO, byte for byte as the vendor's client says it to the same version: words common to all groups.

Rule: a builder sends nothing and checks nothing but that a number is one. Source: sentio-prober-control 26.2.0; 24.4.0 for what
older versions know.
"""

import math
import re

from drivers.prober.sentio_deadlines import Command, Kind

Version = tuple[int, ...]

REMOTE_MODE = "*RCS 1"
"""No answer."""
LOCAL_MODE = "*LOCAL"
"""No answer."""
IDENTITY = Command("*IDN?")
"""Answered by a line without the usual head."""
VERSION = Command("status:get_version")
MACHINE_ID = Command("status:get_machine_id")
MACHINE_STATUS = Command("status:get_machine_status")
STOP = Command("stop_chuck_xyz", Kind.STOP)
"""SweepMe's; the vendor's client has none."""
START_INITIALISATION = Command("start_initialization", Kind.INITIALISE)
"""Asynchronous: answered with the number to wait for."""

STAGE_GROUPS_SINCE = (25, 1, 99)
"""From here on the stages have groups of their own (`chuck:`) and references are named in full."""
LIFT_ARGUMENT_SINCE = (25,)


def wait_complete(command_id: int, within_s: int = 180) -> Command:
    return Command(f"wait_complete {command_id}, {within_s}", Kind.INITIALISE)


def query_command_status(command_id: int) -> Command:
    return Command(f"query_command_status {command_id}")


def abort_command(command_id: int) -> Command:
    return Command(f"abort_command {command_id}", Kind.STOP)


def wait_all(within_s: int = 90) -> Command:
    return Command(f"wait_all {within_s}", Kind.INITIALISE)


def has_stage_groups(version: Version) -> bool:
    return version >= STAGE_GROUPS_SINCE


VERSION_SAID = re.compile(r"Version:\s*(?P<version>[0-9]{1,4}(?:\.[0-9]{1,6}){0,5})")
"""26.2.0 of 'Version: 26.2.0'."""
IDENTITY_SAID = re.compile(r"MPI[^,]*,[^,]*,(?P<serial>[^,]*),[^,0-9]*(?P<version>[0-9]{1,4}(?:\.[0-9]{1,6}){0,5})")
"""Of 'MPI Corporation,<model>,<serial>,SENTIO 24.0.7'."""


def version_of(text: str) -> Version:
    """(26, 2, 0) of '26.2.0'."""
    return tuple(int(part) for part in text.split("."))


def number(value: float) -> str:
    """As the vendor's client writes it, to a nanometre, never with an exponent. Raises ValueError for what is no finite number."""
    if not math.isfinite(value):
        raise ValueError(f"{value!r} is no number to send a prober")
    if isinstance(value, int):
        return str(value)
    text = format(value, ".3f").rstrip("0")
    return text + "0" if text.endswith(".") else text
