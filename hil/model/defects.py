"""Defect codes: what stands in every defect map, on the wire and in exports."""

from enum import IntEnum


class Defect(IntEnum):
    GOOD = 0
    SHORT = 1
    OPEN = 2
    STUCK_P = 3
    STUCK_AP = 4
    LOW_TMR = 5
    UNSTABLE = 6
    NO_CONTACT = 254
    NOT_MEASURED = 255


class LineFault(IntEnum):
    """Bits of the `line_fault` array beside a defect map."""

    ROW = 1
    COLUMN = 2
    SEGMENT = 4
