"""Opening a session, asking after the device, and the switches of safety: limits, arming, stopping."""

import struct
from dataclasses import dataclass
from typing import ClassVar

from firmware_protocol.codes import ALL_CAPABILITIES, MAX_PAYLOAD, PROTOCOL_MAJOR, PROTOCOL_MINOR, Opcode
from firmware_protocol.geometry import Geometry
from firmware_protocol.limits import LIMITS_SIZE, Limits
from firmware_protocol.messages.base import Empty, Message, Request


@dataclass(frozen=True)
class HelloResponse(Message):
    """Geometry, versions and limits. The dictionary (GET_DICT) holds the rest as JSON; dict_crc32 tells if it changed.

    window, max_payload: the smaller of both ends'. capabilities: `Capability` bits that both ends have.
    last_pulse_id: highest id that was, or may have been, executed on this device.
    adc_zero_code, adc_code_pa: current of a reading code is (code - adc_zero_code) * adc_code_pa, pA.
    """

    opcode: ClassVar[Opcode] = Opcode.HELLO
    layout: ClassVar[struct.Struct] = struct.Struct(f"<BBBBHBBBxHIIIIIII{LIMITS_SIZE}s")
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
    capabilities: int
    encoded_limits: bytes

    @property
    def limits(self) -> Limits:
        return Limits.decode(self.encoded_limits)

    @property
    def geometry(self) -> Geometry:
        return Geometry(self.kernels, self.rows, self.columns)


@dataclass(frozen=True)
class Hello(Request):
    """Opens a session: the nonce stands in the header. Changes no output. Its seq is any tag; the first ordered request is seq 1."""

    opcode: ClassVar[Opcode] = Opcode.HELLO
    response: ClassVar[type[Message]] = HelloResponse
    layout: ClassVar[struct.Struct] = struct.Struct("<BBBxHI")
    protocol_major: int = PROTOCOL_MAJOR
    protocol_minor: int = PROTOCOL_MINOR
    window: int = 8
    max_payload: int = MAX_PAYLOAD
    capabilities: int = ALL_CAPABILITIES


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
    """state: DeviceState. route: Route. safe_reason: SafeReason. operation: opcode of the one that runs, 0 for none.

    device: the selected junction, NO_DEVICE for none. pulses, reads: junction by junction, since the device started.
    stops: emergency stops since the device started, modulo 65,536, repeated ones included.
    """

    opcode: ClassVar[Opcode] = Opcode.STATUS
    layout: ClassVar[struct.Struct] = struct.Struct("<BBBBHHIIIIIIH")
    state: int
    route: int
    safe_reason: int
    operation: int
    device: int
    session: int
    last_pulse_id: int
    pulses: int
    reads: int
    rejected_frames: int
    limits_crc32: int
    uptime_ms: int
    stops: int


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
    """Leave ESTOPPED for SAFE. Must quote the latched SafeReason and the count of stops from STATUS: nobody clears what he has not read,
    and a stop that came in between is not cleared with the one before it. Otherwise REFUSED_CONFIG, the reason first, then the count."""

    opcode: ClassVar[Opcode] = Opcode.CLEAR_FAULT
    response: ClassVar[type[Message]] = Empty
    layout: ClassVar[struct.Struct] = struct.Struct("<BxH")
    reason: int
    stops: int


@dataclass(frozen=True)
class KeepAlive(Request):
    """The owner lives. Takes no number: also a full window must not silence him."""

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
