"""One frozen dataclass per message, its code and layout beside its fields.

Rule 1: integers only, little-endian, the unit in the name; a float never crosses the wire.
Rule 2: a message has fixed-width fields and at most one tail of bytes; it decodes only if every byte is accounted for.
"""

import struct
from collections.abc import Callable
from dataclasses import astuple, dataclass
from typing import ClassVar, Self

from firmware_protocol.codes import (
    MAX_PAYLOAD,
    PROTOCOL_MAJOR,
    PROTOCOL_MINOR,
    Opcode,
)
from firmware_protocol.geometry import Geometry
from firmware_protocol.limits import LIMITS_SIZE, Limits


class Malformed(ValueError):
    """Bytes that are no message of this protocol; the text says which rule they break."""


@dataclass(frozen=True)
class Message:
    """Base: `layout` packs the fields in order; a field named `tail_field` takes the remaining bytes."""

    opcode: ClassVar[Opcode]
    layout: ClassVar[struct.Struct] = struct.Struct("<")
    tail_unit: ClassVar[int] = 0
    """Size of one tail item in bytes; 0 where the message has no tail."""

    def encode(self) -> bytes:
        """Payload bytes. Raises ValueError when a value does not fit its field or the payload its maximum."""
        values = astuple(self)
        tail: bytes = values[-1] if self.tail_unit else b""
        try:
            payload = self.layout.pack(*(values[:-1] if self.tail_unit else values)) + tail
        except struct.error as error:
            raise ValueError(f"{self!r} does not fit the link: {error}") from error
        if len(payload) > MAX_PAYLOAD:
            raise ValueError(f"{type(self).__name__} of {len(payload)} bytes is over the link's {MAX_PAYLOAD}; send it in parts")
        return payload

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Raises Malformed unless the payload is exactly one such message."""
        fixed, unit = cls.layout.size, cls.tail_unit
        excess = len(payload) - fixed
        if excess < 0 or (excess and not unit) or (unit and excess % unit):
            shape = f"{fixed} bytes" + (f" and a tail in steps of {unit}" if unit else "")
            raise Malformed(f"{cls.__name__}: payload of {len(payload)} bytes, expected {shape}")
        build: Callable[..., Self] = cls
        message = build(*cls.layout.unpack_from(payload), *([payload[fixed:]] if unit else []))
        if "x" in cls.layout.format and message.encode() != payload:
            raise Malformed(f"{cls.__name__}: a reserved byte is not 0")
        return message


class Request(Message):
    """Host to device. `response` is the message that answers it when the status is OK."""

    response: "ClassVar[type[Message]]"


@dataclass(frozen=True)
class Empty(Message):
    """An answer that says no more than its status."""


@dataclass(frozen=True)
class Refusal(Message):
    """Payload of every response whose status is not OK: what was refused and the limit, in integers the host can print.

    value, limit: in the unit of the field refused; 0 where neither applies.
    """

    layout: ClassVar[struct.Struct] = struct.Struct("<qq")
    value: int = 0
    limit: int = 0


@dataclass(frozen=True)
class HelloResponse(Message):
    """Geometry, versions and limits. The dictionary (GET_DICT) holds the rest as JSON; dict_crc32 tells if it changed.

    adc_zero_code, adc_code_pa: current of a reading code is (code - adc_zero_code) * adc_code_pa, pA.
    """

    opcode: ClassVar[Opcode] = Opcode.HELLO
    layout: ClassVar[struct.Struct] = struct.Struct(f"<BBBBHBBBxHIIIIII{LIMITS_SIZE}s")
    protocol_major: int
    protocol_minor: int
    window: int
    state: int
    max_payload: int
    kernels: int
    rows: int
    columns: int
    adc_zero_code: int
    adc_code_pa: int
    dict_size: int
    dict_crc32: int
    limits_crc32: int
    last_pulse_id: int
    uptime_ms: int
    encoded_limits: bytes

    @property
    def limits(self) -> Limits:
        return Limits.decode(self.encoded_limits)

    @property
    def geometry(self) -> Geometry:
        return Geometry(self.kernels, self.rows, self.columns)


@dataclass(frozen=True)
class Hello(Request):
    """Opens a session: the nonce stands in the header. Changes no output. Seq 0; the next request is seq 1."""

    opcode: ClassVar[Opcode] = Opcode.HELLO
    response: ClassVar[type[Message]] = HelloResponse
    layout: ClassVar[struct.Struct] = struct.Struct("<BBBx")
    protocol_major: int = PROTOCOL_MAJOR
    protocol_minor: int = PROTOCOL_MINOR
    window: int = 8


@dataclass(frozen=True)
class DictChunk(Message):
    """Part of the zlib-compressed JSON dictionary, from the offset asked for."""

    opcode: ClassVar[Opcode] = Opcode.GET_DICT
    layout: ClassVar[struct.Struct] = struct.Struct("<I")
    tail_unit: ClassVar[int] = 1
    offset: int
    chunk: bytes


@dataclass(frozen=True)
class GetDict(Request):
    opcode: ClassVar[Opcode] = Opcode.GET_DICT
    response: ClassVar[type[Message]] = DictChunk
    layout: ClassVar[struct.Struct] = struct.Struct("<IH")
    offset: int
    length: int


@dataclass(frozen=True)
class EchoResponse(Message):
    opcode: ClassVar[Opcode] = Opcode.ECHO
    tail_unit: ClassVar[int] = 1
    data: bytes


@dataclass(frozen=True)
class Echo(Request):
    opcode: ClassVar[Opcode] = Opcode.ECHO
    response: ClassVar[type[Message]] = EchoResponse
    tail_unit: ClassVar[int] = 1
    data: bytes


@dataclass(frozen=True)
class StatusResponse(Message):
    """state: DeviceState. route: Route. safe_reason: SafeReason. device: the selected junction, 0xFFFF for none."""

    opcode: ClassVar[Opcode] = Opcode.STATUS
    layout: ClassVar[struct.Struct] = struct.Struct("<BBBxHHIIIIII")
    state: int
    route: int
    safe_reason: int
    device: int
    session: int
    last_pulse_id: int
    pulses: int
    reads: int
    rejected_frames: int
    limits_crc32: int
    uptime_ms: int


@dataclass(frozen=True)
class GetStatus(Request):
    """Legal from any session and in any state; does not feed another session's dead-man timer."""

    opcode: ClassVar[Opcode] = Opcode.STATUS
    response: ClassVar[type[Message]] = StatusResponse


@dataclass(frozen=True)
class Arm(Request):
    """Allow pulses. Refused (REFUSED_CONFIG) unless limits_crc32 is that of the limits in force."""

    opcode: ClassVar[Opcode] = Opcode.ARM
    response: ClassVar[type[Message]] = Empty
    layout: ClassVar[struct.Struct] = struct.Struct("<I")
    limits_crc32: int


@dataclass(frozen=True)
class Disarm(Request):
    """Isolate every junction, no bias, state SAFE. Always granted; an emergency stop stays latched."""

    opcode: ClassVar[Opcode] = Opcode.DISARM
    response: ClassVar[type[Message]] = Empty


@dataclass(frozen=True)
class EmergencyStop(Request):
    """Isolate everything and latch. Any session, any seq, idempotent. 16 zero bytes in a row mean the same."""

    opcode: ClassVar[Opcode] = Opcode.ESTOP
    response: ClassVar[type[Message]] = Empty


@dataclass(frozen=True)
class ClearFault(Request):
    """Leave ESTOPPED for SAFE. `reason` must quote the latched SafeReason, so that nobody clears what he has not read."""

    opcode: ClassVar[Opcode] = Opcode.CLEAR_FAULT
    response: ClassVar[type[Message]] = Empty
    layout: ClassVar[struct.Struct] = struct.Struct("<B")
    reason: int


@dataclass(frozen=True)
class KeepAlive(Request):
    opcode: ClassVar[Opcode] = Opcode.KEEPALIVE
    response: ClassVar[type[Message]] = Empty


@dataclass(frozen=True)
class LimitsResponse(Message):
    """The limits now in force: the stricter of the board's and the host's."""

    opcode: ClassVar[Opcode] = Opcode.SET_LIMITS
    layout: ClassVar[struct.Struct] = struct.Struct(f"<{LIMITS_SIZE}s")
    encoded: bytes

    @property
    def limits(self) -> Limits:
        return Limits.decode(self.encoded)


@dataclass(frozen=True)
class SetLimits(Request):
    opcode: ClassVar[Opcode] = Opcode.SET_LIMITS
    response: ClassVar[type[Message]] = LimitsResponse
    layout: ClassVar[struct.Struct] = struct.Struct(f"<{LIMITS_SIZE}s")
    encoded: bytes

    @property
    def limits(self) -> Limits:
        return Limits.decode(self.encoded)


@dataclass(frozen=True)
class Select(Request):
    """Connect one junction (device), the contact pads, or nothing to the SMU. All else stays isolated."""

    opcode: ClassVar[Opcode] = Opcode.SELECT
    response: ClassVar[type[Message]] = Empty
    layout: ClassVar[struct.Struct] = struct.Struct("<BxH")
    route: int
    device: int = 0xFFFF


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
class VmmResponse(Message):
    """codes: u16 (vectors, lines sensed), row-major: one ADC code per sensed line of the kernel per vector."""

    opcode: ClassVar[Opcode] = Opcode.VMM
    layout: ClassVar[struct.Struct] = struct.Struct("<BBH")
    tail_unit: ClassVar[int] = 2
    kernel: int
    direction: int
    vectors: int
    codes: bytes


@dataclass(frozen=True)
class Vmm(Request):
    """Vector-matrix product of one kernel. inputs: i16 (vectors, lines driven), row-major, in steps of 10 uV."""

    opcode: ClassVar[Opcode] = Opcode.VMM
    response: ClassVar[type[Message]] = VmmResponse
    layout: ClassVar[struct.Struct] = struct.Struct("<BBH")
    tail_unit: ClassVar[int] = 2
    kernel: int
    direction: int
    vectors: int
    inputs: bytes


@dataclass(frozen=True)
class QueryPulseResponse(Message):
    opcode: ClassVar[Opcode] = Opcode.QUERY_PULSE
    layout: ClassVar[struct.Struct] = struct.Struct("<IB")
    pulse_id: int
    outcome: int


@dataclass(frozen=True)
class QueryPulse(Request):
    """What became of a pulse id: the way to settle an UNKNOWN. Never executes anything."""

    opcode: ClassVar[Opcode] = Opcode.QUERY_PULSE
    response: ClassVar[type[Message]] = QueryPulseResponse
    layout: ClassVar[struct.Struct] = struct.Struct("<I")
    pulse_id: int


REQUESTS: tuple[type[Request], ...] = (
    Hello, GetDict, Echo, GetStatus, Arm, EmergencyStop, KeepAlive, SetLimits, Disarm, ClearFault,
    Select, ReadBlock, Program, Vmm, QueryPulse,
)  # fmt: skip
"""Every request, in opcode order: what the dictionary, the vectors and the dispatch of both ends are made from."""
