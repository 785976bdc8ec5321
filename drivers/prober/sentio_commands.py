"""What is said to a SENTIO, byte for byte as the vendor's client says it, and how long each answer may take.

The trailing blank of `move_chuck_separation ` is the vendor's. Source: sentio-prober-control 26.2.0; default deadlines
after the documented ones of Velox (sci35.py), the only prober vendor to publish any.
"""

import re
from dataclasses import dataclass

from drivers.errors import ProtocolError

REMOTE_MODE = "*RCS 1"
"""No answer."""
LOCAL_MODE = "*LOCAL"
"""No answer."""
VERSION = "status:get_version"
MACHINE_ID = "status:get_machine_id"
MACHINE_STATUS = "status:get_machine_status"
SITE_STATUS = "get_chuck_site_status Wafer"
SITE_HEIGHTS = "get_chuck_site_heights Wafer"
DOORS = "get_door_status prober"
DIE_INDEX = "map:die:get_current_index"
XY_FROM_HOME = "get_chuck_xy Wafer, H"
TEMPERATURE = "status:get_chuck_temp"
CONTACT_COUNT = "setup:contact_counter:get"
LOCK_CONTACT = "set_stepping_contact_mode LockContact"
CONTACT = "move_chuck_contact"
SEPARATE = "move_chuck_separation "
STOP = "stop_chuck_xyz"

_LONG_REFERENCES_SINCE = (25, 2)


@dataclass(frozen=True)
class Deadlines:
    """Longest wait for an answer, s: query, xy step, z move, stop. A z move is some 100 um, well under a second."""

    query_s: float = 5.0
    step_s: float = 60.0
    z_s: float = 10.0
    stop_s: float = 5.0


def step_die(column: int, row: int) -> str:
    return f"map:step_die {column}, {row}, 0"


def enable_overtravel(on: bool) -> str:
    return f"enable_chuck_overtravel {on}"


def z_from_zero(version: tuple[int, ...]) -> str:
    """Servers before 25.2 know the reference as Z, later ones as Zero."""
    return "get_chuck_z Zero" if version >= _LONG_REFERENCES_SINCE else "get_chuck_z Z"


def parse_version(message: str) -> tuple[int, ...]:
    """(26, 2, 0) of 'Version: 26.2.0'. Raises ProtocolError."""
    match = re.search(r"Version:\s*(\d+(?:\.\d+)*)", message)
    if match is None:
        raise ProtocolError(f"{message!r} names no version")
    return tuple(int(part) for part in match[1].split("."))
