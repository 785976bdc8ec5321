"""The numbers both ends agree on: opcodes, outcomes, states, reserved readings. A number once given is never given again."""

from enum import IntEnum

PROTOCOL_MAJOR = 1
PROTOCOL_MINOR = 0
MAX_PAYLOAD = 2048
"""Bytes of payload in one frame, before COBS."""

CODE_SATURATED = 0xFFFF
CODE_NOT_MEASURED = 0xFFFE
CODE_MASKED = 0xFFFD
"""Reserved reading codes: never to be mistaken for a current."""


class Opcode(IntEnum):
    HELLO = 0
    GET_DICT = 1
    ECHO = 2
    STATUS = 3
    ARM = 4
    ESTOP = 5
    KEEPALIVE = 6
    SET_LIMITS = 7
    DISARM = 9
    CLEAR_FAULT = 10
    SELECT = 16
    READ_BLOCK = 17
    PROGRAM = 18
    VMM = 19
    QUERY_PULSE = 20


class Status(IntEnum):
    """Outcome in a response header: 0 OK, 16 and up refused (nothing was done), 32 and up a fault of the device."""

    OK = 0
    ACCEPTED = 1
    BUSY = 2
    REFUSED_UNSUPPORTED = 16
    REFUSED_MALFORMED = 17
    REFUSED_BAD_SESSION = 18
    REFUSED_LIMIT = 19
    REFUSED_RANGE = 20
    REFUSED_NOT_ARMED = 21
    REFUSED_ESTOP = 22
    REFUSED_PULSE_ID = 23
    REFUSED_CONFIG = 24
    REFUSED_SEQUENCE = 25
    REFUSED_VERSION = 26
    FAULT_INTERNAL = 32


class DeviceState(IntEnum):
    """SAFE: every junction isolated, no bias. SELECTED: a path is closed. ARMED: may pulse. ESTOPPED: latched."""

    SAFE = 0
    SELECTED = 1
    ARMED = 2
    ESTOPPED = 3


class SafeReason(IntEnum):
    """Why the device last isolated everything by itself."""

    BOOT = 0
    HOST = 1
    DEAD_MAN = 2
    ESTOP = 3
    NEW_SESSION = 4


class Route(IntEnum):
    """What the controller connects to the SMU."""

    NONE = 0
    JUNCTION = 1
    CONTACT_PADS = 2


class Direction(IntEnum):
    """VMM: which lines are driven. ROWS: inputs on rows, currents read on columns."""

    ROWS = 0
    COLUMNS = 1


class PulseOutcome(IntEnum):
    """Fate of a pulse id, per item of PROGRAM and for QUERY_PULSE."""

    EXECUTED = 0
    REFUSED = 1
    NEVER_SEEN = 2
    LOST = 3


VMM_INPUT_UV = 10
"""uV per step of a VMM input."""
