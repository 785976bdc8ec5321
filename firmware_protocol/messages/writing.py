"""What changes a junction: pulses, verified writing, outer products; and what became of them."""

import struct
from dataclasses import dataclass
from typing import ClassVar

from firmware_protocol.codes import Opcode
from firmware_protocol.messages.base import Accepted, Message, Request


@dataclass(frozen=True)
class ProgramResponse(Message):
    """outcomes: one PulseOutcome (u8) per item, in order. last_pulse_id: highest id executed so far on this device."""

    opcode: ClassVar[Opcode] = Opcode.PROGRAM
    layout: ClassVar[struct.Struct] = struct.Struct("<II")
    tail_unit: ClassVar[int] = 1
    first_pulse_id: int
    last_pulse_id: int
    outcomes: bytes


@dataclass(frozen=True)
class Program(Request):
    """One waveform on a list of junctions, in order. Item i carries pulse id first_pulse_id + i.

    Refused as a whole before the first pulse if anything is out of limits or first_pulse_id is not above the last
    executed id. One waveform and a list of u16 devices is a fifth of the bytes of a waveform per item, and a kernel
    of 625 fits one frame.

    amplitude_uv: across the cell; positive drives AP to P, negative P to AP.
    devices: u16 little-endian flat device numbers.
    """

    opcode: ClassVar[Opcode] = Opcode.PROGRAM
    response: ClassVar[type[Message]] = ProgramResponse
    layout: ClassVar[struct.Struct] = struct.Struct("<IiI")
    tail_unit: ClassVar[int] = 2
    first_pulse_id: int
    amplitude_uv: int
    width_ns: int
    devices: bytes


@dataclass(frozen=True)
class QueryPulseResponse(Message):
    """outcome: PulseOutcome. of_session: the session whose command the id belongs to, also while that command has not come to it;
    0 where there is none (LOST, other NEVER_SEEN): two hosts may choose the same number, and only one of them can be served."""

    opcode: ClassVar[Opcode] = Opcode.QUERY_PULSE
    layout: ClassVar[struct.Struct] = struct.Struct("<IBxH")
    pulse_id: int
    outcome: int
    of_session: int


@dataclass(frozen=True)
class QueryPulse(Request):
    """What became of a pulse id: the way to settle an UNKNOWN. Never executes anything."""

    opcode: ClassVar[Opcode] = Opcode.QUERY_PULSE
    response: ClassVar[type[Message]] = QueryPulseResponse
    layout: ClassVar[struct.Struct] = struct.Struct("<I")
    pulse_id: int


@dataclass(frozen=True)
class WriteVerify(Request):
    """Long operation: read a kernel, pulse what is not at its target, read again, until all is or the pulses are used up.

    targets: u16 (rows, columns), row-major, reading codes; CODE_MASKED leaves a junction alone. A code below its target gets a
    pulse of set_uv (above 0: AP to P), one above it a pulse of reset_uv (below 0). Within tolerance_in of the target a junction
    is settled; it gets another pulse only when a later reading finds it beyond tolerance_out. read_uv is above 0.
    Pulses take ids from first_pulse_id on, in the order in which they are given; max_pulses for each junction to be written
    are set aside at the start, whether used or not. Refused as a whole like PROGRAM.
    RESULT part 0: JunctionResult and number of pulses, u8 each, per junction. Part 1: u16 last reading code per junction.
    """

    opcode: ClassVar[Opcode] = Opcode.WRITE_VERIFY
    response: ClassVar[type[Message]] = Accepted
    layout: ClassVar[struct.Struct] = struct.Struct("<BBHiIiiIHH")
    tail_unit: ClassVar[int] = 2
    kernel: int
    max_pulses: int
    averages: int
    read_uv: int
    first_pulse_id: int
    set_uv: int
    reset_uv: int
    width_ns: int
    tolerance_in: int
    tolerance_out: int
    targets: bytes


@dataclass(frozen=True)
class OuterProductResponse(Message):
    """executed: junction pulses given, the first so many ids. events: times the lines were pulsed."""

    opcode: ClassVar[Opcode] = Opcode.OUTER_PRODUCT
    layout: ClassVar[struct.Struct] = struct.Struct("<IIII")
    first_pulse_id: int
    last_pulse_id: int
    executed: int
    events: int


@dataclass(frozen=True)
class OuterProduct(Request):
    """Rows and columns pulsed together: junction (r, c) gets |rows[r] * columns[c]| pulses of the sign of the product.

    counts: i8 per row, then i8 per column. Quadrants (rows, columns) ++, --, +-, -+ in this order; in each, for i = 1, 2, ... and
    j = 1, 2, ... one event pulses every junction with |rows[r]| >= i and |columns[c]| >= j at once; their ids follow row, column.
    The pulses, one per junction and event, may be as many as PROGRAM's list. amplitude_uv: above 0. Refused as a whole like PROGRAM.
    """

    opcode: ClassVar[Opcode] = Opcode.OUTER_PRODUCT
    response: ClassVar[type[Message]] = OuterProductResponse
    layout: ClassVar[struct.Struct] = struct.Struct("<BxxxIiI")
    tail_unit: ClassVar[int] = 1
    kernel: int
    first_pulse_id: int
    amplitude_uv: int
    width_ns: int
    counts: bytes
