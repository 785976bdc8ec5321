"""The numbers both ends agree on: opcodes, outcomes, states, reserved readings. A number once given is never given again."""

from enum import IntEnum, IntFlag

PROTOCOL_MAJOR = 1
PROTOCOL_MINOR = 1
MAX_PAYLOAD = 2048
"""Bytes of payload in one frame, before COBS."""

CODE_SATURATED = 0xFFFF
CODE_NOT_MEASURED = 0xFFFE
CODE_MASKED = 0xFFFD
"""Reserved reading codes: never to be mistaken for a current."""

NO_DEVICE = 0xFFFF
"""A device number that is none: nothing selected, no sentinel."""


class Opcode(IntEnum):
    HELLO = 0
    GET_DICT = 1
    ECHO = 2
    STATUS = 3
    ARM = 4
    ESTOP = 5
    KEEPALIVE = 6
    SET_LIMITS = 7
    ABORT = 8
    DISARM = 9
    CLEAR_FAULT = 10
    SELECT = 16
    READ_BLOCK = 17
    PROGRAM = 18
    VMM = 19
    QUERY_PULSE = 20
    SCAN = 21
    COUNTERS = 22
    READ_LIST = 23
    READ_DIE = 24
    WRITE_VERIFY = 25
    OUTER_PRODUCT = 26
    GET_CALIBRATION = 27
    SET_CALIBRATION = 28
    OPERATION = 29
    RESULT = 30


class EventCode(IntEnum):
    """Opcode of an event frame: what a running operation says unasked. Its seq is that of the request that began it."""

    BLOCK = 64
    PROGRESS = 65
    DONE = 66


class Capability(IntFlag):
    """What an end can do beyond the core; HELLO grants what both can. A request of a capability not granted is unsupported.

    STREAMS: events, and with them every long operation. DURABLE_PULSE_IDS: the last pulse id outlives a restart.
    """

    STREAMS = 1
    DURABLE_PULSE_IDS = 2
    WEAR_COUNTERS = 4
    CALIBRATION = 8
    TRIGGER_LINES = 16
    WRITE_VERIFY = 32
    OUTER_PRODUCT = 64


ALL_CAPABILITIES = Capability(0x7F)


class Status(IntEnum):
    """Outcome in a response header: 0 OK, 1 a long operation runs, 2 busy (nothing was done; value: the opcode that runs,
    limit: ms it still needs), 16 and up refused (nothing was done), 32 and up a fault of the device."""

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
    SCAN_ENDED = 5


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


class OperationState(IntEnum):
    """How a long operation stands. ABORTED: by ABORT, DISARM or a new session. TIMED_OUT: no edge on the trigger line."""

    RUNNING = 0
    DONE = 1
    ABORTED = 2
    STOPPED = 3
    DEAD_MAN = 4
    TIMED_OUT = 5


class JunctionResult(IntEnum):
    """WRITE_VERIFY, per junction. IN_TOLERANCE: its last reading is. NOT_REACHED: its pulses are used up. LEFT: not to be
    written. UNREADABLE: the converter saturated, so it got no (further) pulse. NOT_DONE: stopped before it was settled.
    DRIFTED: was within the inner tolerance, is beyond the outer one, and its pulses are used up."""

    IN_TOLERANCE = 0
    NOT_REACHED = 1
    LEFT = 2
    UNREADABLE = 3
    NOT_DONE = 4
    DRIFTED = 5


class Wear(IntEnum):
    """COUNTERS: pulses that drove AP to P, pulses that drove P to AP, readings through the board."""

    POSITIVE_PULSES = 0
    NEGATIVE_PULSES = 1
    READINGS = 2


class CalibrationTable(IntEnum):
    """SENSE_LINES: gain error (i32 ppm) and offset (i32 pA) of each sense line; kept by the device, applied by the host.
    COLUMN_ORDER: u8 per column, the physical gate line of each logical column; applied by the device to all it does."""

    SENSE_LINES = 0
    COLUMN_ORDER = 1


VMM_INPUT_UV = 10
"""uV per step of a VMM input."""
