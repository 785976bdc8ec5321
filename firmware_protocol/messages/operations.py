"""Long operations while they run and after, what the device counted, and its calibration.

Rule: whatever an event says can also be asked for, because events may be lost; the answers are the same from any session.
"""

import struct
from dataclasses import dataclass
from typing import ClassVar

from firmware_protocol.codes import EventCode, Opcode
from firmware_protocol.messages.base import Empty, EventMessage, Message, Request


@dataclass(frozen=True)
class Progress(EventMessage):
    """done of total: kernels, junctions settled, or steps; sent after each pass, or once a second."""

    opcode: ClassVar[EventCode] = EventCode.PROGRESS
    layout: ClassVar[struct.Struct] = struct.Struct("<II")
    done: int
    total: int


@dataclass(frozen=True)
class Done(EventMessage):
    """The operation is over. state: OperationState. pulses: how many it gave."""

    opcode: ClassVar[EventCode] = EventCode.DONE
    layout: ClassVar[struct.Struct] = struct.Struct("<BxxxIII")
    state: int
    done: int
    total: int
    pulses: int


@dataclass(frozen=True)
class Abort(Request):
    """End the operation begun by the request `seq` of this session; it is over when this is answered, its results are kept.

    Refused (REFUSED_RANGE) when that operation does not run. Pulses stay allowed; DISARM ends an operation and disarms.
    """

    opcode: ClassVar[Opcode] = Opcode.ABORT
    response: ClassVar[type[Message]] = Empty
    layout: ClassVar[struct.Struct] = struct.Struct("<H")
    seq: int


@dataclass(frozen=True)
class OperationResponse(Message):
    """of_session, of_seq, of_opcode: the request that began it. state: OperationState. first_pulse_id: 0 where it gives none.

    pulses: how many it has given; their ids are the first so many. remaining_ms: estimate, 0 when it is over.
    """

    opcode: ClassVar[Opcode] = Opcode.OPERATION
    layout: ClassVar[struct.Struct] = struct.Struct("<HHBBxxIIIII")
    of_session: int
    of_seq: int
    of_opcode: int
    state: int
    done: int
    total: int
    first_pulse_id: int
    pulses: int
    remaining_ms: int


@dataclass(frozen=True)
class Operation(Request):
    """How the long operation of a session and seq stands, 0 and 0 for the latest. The device remembers the latest one only;
    any other is refused (REFUSED_RANGE)."""

    opcode: ClassVar[Opcode] = Opcode.OPERATION
    response: ClassVar[type[Message]] = OperationResponse
    layout: ClassVar[struct.Struct] = struct.Struct("<HH")
    of_session: int = 0
    of_seq: int = 0


@dataclass(frozen=True)
class ResultResponse(Message):
    """data: as the operation's request describes the part."""

    opcode: ClassVar[Opcode] = Opcode.RESULT
    layout: ClassVar[struct.Struct] = struct.Struct("<HHBx")
    tail_unit: ClassVar[int] = 1
    of_session: int
    of_seq: int
    part: int
    data: bytes


@dataclass(frozen=True)
class Result(Request):
    """What a long operation found so far. Refused (REFUSED_RANGE) unless it is the latest one and has that part."""

    opcode: ClassVar[Opcode] = Opcode.RESULT
    response: ClassVar[type[Message]] = ResultResponse
    layout: ClassVar[struct.Struct] = struct.Struct("<HHBx")
    of_session: int
    of_seq: int
    part: int


@dataclass(frozen=True)
class CountersResponse(Message):
    """counts: u16 per junction (rows, columns), row-major; 65,535 means so many or more."""

    opcode: ClassVar[Opcode] = Opcode.COUNTERS
    layout: ClassVar[struct.Struct] = struct.Struct("<BB")
    tail_unit: ClassVar[int] = 2
    kernel: int
    wear: int
    counts: bytes


@dataclass(frozen=True)
class Counters(Request):
    """Wear of a kernel's junctions since the device started. wear: Wear."""

    opcode: ClassVar[Opcode] = Opcode.COUNTERS
    response: ClassVar[type[Message]] = CountersResponse
    layout: ClassVar[struct.Struct] = struct.Struct("<BB")
    kernel: int
    wear: int


@dataclass(frozen=True)
class CalibrationResponse(Message):
    """version 0: never written, no table. crc32: of the table."""

    opcode: ClassVar[Opcode] = Opcode.GET_CALIBRATION
    layout: ClassVar[struct.Struct] = struct.Struct("<BxxxII")
    tail_unit: ClassVar[int] = 1
    table: int
    version: int
    crc32: int
    data: bytes


@dataclass(frozen=True)
class GetCalibration(Request):
    """table: CalibrationTable."""

    opcode: ClassVar[Opcode] = Opcode.GET_CALIBRATION
    response: ClassVar[type[Message]] = CalibrationResponse
    layout: ClassVar[struct.Struct] = struct.Struct("<B")
    table: int


@dataclass(frozen=True)
class SetCalibration(Request):
    """Replace a table; it outlives a restart. version: above that of the table in force. replaces: the version in force
    (REFUSED_CONFIG otherwise): nobody overwrites a table that he has not seen. A COLUMN_ORDER is a permutation."""

    opcode: ClassVar[Opcode] = Opcode.SET_CALIBRATION
    response: ClassVar[type[Message]] = CalibrationResponse
    layout: ClassVar[struct.Struct] = struct.Struct("<BxxxII")
    tail_unit: ClassVar[int] = 1
    table: int
    version: int
    replaces: int
    data: bytes
