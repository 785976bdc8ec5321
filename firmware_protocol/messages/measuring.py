"""Paths to the SMU and readings through the board: junctions, blocks, whole dies, products, scans."""

import struct
from dataclasses import dataclass
from typing import ClassVar

from firmware_protocol.codes import NO_DEVICE, EventCode, Opcode
from firmware_protocol.messages.base import Accepted, Empty, EventMessage, Message, Request


@dataclass(frozen=True)
class Select(Request):
    """Connect one junction (device), the contact pads, or nothing to the SMU. All else stays isolated."""

    opcode: ClassVar[Opcode] = Opcode.SELECT
    response: ClassVar[type[Message]] = Empty
    layout: ClassVar[struct.Struct] = struct.Struct("<BxH")
    route: int
    device: int = NO_DEVICE


@dataclass(frozen=True)
class ReadBlockResponse(Message):
    """codes: u16 per junction, row-major (rows, columns); reserved codes from CODE_MASKED up. Echoes what was read."""

    opcode: ClassVar[Opcode] = Opcode.READ_BLOCK
    layout: ClassVar[struct.Struct] = struct.Struct("<BBHi")
    tail_unit: ClassVar[int] = 2
    kernel: int
    flags: int
    averages: int
    read_uv: int
    codes: bytes


@dataclass(frozen=True)
class ReadBlock(Request):
    """Read every junction of a kernel through the board's ADC, one by one, at read_uv across the cell."""

    opcode: ClassVar[Opcode] = Opcode.READ_BLOCK
    response: ClassVar[type[Message]] = ReadBlockResponse
    layout: ClassVar[struct.Struct] = struct.Struct("<BxHi")
    kernel: int
    averages: int
    read_uv: int


@dataclass(frozen=True)
class ReadListResponse(Message):
    """readings: u16 device and u16 code per junction, in the order asked for."""

    opcode: ClassVar[Opcode] = Opcode.READ_LIST
    layout: ClassVar[struct.Struct] = struct.Struct("<Hi")
    tail_unit: ClassVar[int] = 4
    averages: int
    read_uv: int
    readings: bytes


@dataclass(frozen=True)
class ReadList(Request):
    """Read single junctions. devices: u16 flat device numbers; so many that the answer (4 bytes each) fits a frame."""

    opcode: ClassVar[Opcode] = Opcode.READ_LIST
    response: ClassVar[type[Message]] = ReadListResponse
    layout: ClassVar[struct.Struct] = struct.Struct("<Hi")
    tail_unit: ClassVar[int] = 2
    averages: int
    read_uv: int
    devices: bytes


@dataclass(frozen=True)
class ReadDie(Request):
    """Long operation: `kernels` kernels from first_kernel on, each sent as an event BLOCK as soon as it is read.

    A block that got lost on the line is read again with READ_BLOCK.
    """

    opcode: ClassVar[Opcode] = Opcode.READ_DIE
    response: ClassVar[type[Message]] = Accepted
    layout: ClassVar[struct.Struct] = struct.Struct("<BBHi")
    first_kernel: int
    kernels: int
    averages: int
    read_uv: int


@dataclass(frozen=True)
class Block(EventMessage):
    """One kernel of READ_DIE. index: counts from 0 within the operation. codes: as in READ_BLOCK."""

    opcode: ClassVar[EventCode] = EventCode.BLOCK
    layout: ClassVar[struct.Struct] = struct.Struct("<HBxHi")
    tail_unit: ClassVar[int] = 2
    index: int
    kernel: int
    averages: int
    read_uv: int
    codes: bytes


@dataclass(frozen=True)
class VmmResponse(Message):
    """codes: u16 (vectors, blocks, lines sensed), row-major: one ADC code per sensed line of each kernel and vector."""

    opcode: ClassVar[Opcode] = Opcode.VMM
    layout: ClassVar[struct.Struct] = struct.Struct("<BBBxH")
    tail_unit: ClassVar[int] = 2
    first_kernel: int
    blocks: int
    direction: int
    vectors: int
    codes: bytes


@dataclass(frozen=True)
class Vmm(Request):
    """Vector-matrix products of `blocks` kernels from first_kernel on, each with inputs of its own, each converted by itself:
    a layer with more inputs than a kernel has rows is summed by the host from codes per block.

    inputs: i16 (vectors, blocks, lines driven), row-major, in steps of 10 uV; so many that the answer fits a frame.
    """

    opcode: ClassVar[Opcode] = Opcode.VMM
    response: ClassVar[type[Message]] = VmmResponse
    layout: ClassVar[struct.Struct] = struct.Struct("<BBBxH")
    tail_unit: ClassVar[int] = 2
    first_kernel: int
    blocks: int
    direction: int
    vectors: int
    inputs: bytes


@dataclass(frozen=True)
class Scan(Request):
    """Long operation: connect junction after junction to the SMU, hand in hand over two trigger lines.

    At each step the device isolates, connects the next junction, waits settle_us and raises the line to the SMU; an edge on
    the line from the SMU means that it has measured and takes the scan one step on. An edge that comes before the line to
    the SMU was raised is counted as an overrun and moves nothing. timeout_ms without an edge end it (TIMED_OUT).
    The steps are first_device, first_device + 1, ... (`count` of them); where sentinel_every is not 0, sentinel_device is put
    before the first and after every sentinel_every of them, so that a lost or doubled edge shows in what the SMU measured.
    Ends isolated. RESULT part 0 is a ScanResult.
    """

    opcode: ClassVar[Opcode] = Opcode.SCAN
    response: ClassVar[type[Message]] = Accepted
    layout: ClassVar[struct.Struct] = struct.Struct("<HHHHII")
    first_device: int
    count: int
    sentinel_device: int
    sentinel_every: int
    settle_us: int
    timeout_ms: int


@dataclass(frozen=True)
class ScanResult(Message):
    """steps: of the whole scan, sentinels included. edges_out: times the line to the SMU was raised. edges_in: times it answered,
    overruns included. A scan is sound when steps = edges_out = edges_in and overruns = 0."""

    opcode: ClassVar[Opcode] = Opcode.SCAN
    layout: ClassVar[struct.Struct] = struct.Struct("<IIII")
    steps: int
    edges_out: int
    edges_in: int
    overruns: int
