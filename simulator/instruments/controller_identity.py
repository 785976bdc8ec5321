"""What the simulated controller says of itself: HELLO, the dictionary, STATUS. It says that it is simulated."""

import zlib

from firmware_protocol import codes, dictionary, messages
from firmware_protocol.codes import NO_DEVICE, Status
from firmware_protocol.geometry import Geometry
from firmware_protocol.limits import Limits
from firmware_protocol.session import WINDOW, Endpoint
from simulator.instruments import adc
from simulator.instruments.crossbar_board import CrossbarBoard
from simulator.instruments.refused import BoardRefused


def describe(geometry: Geometry, limits: Limits, serial: str, seed: int) -> bytes:
    """The dictionary, compressed. limits: what the board was built for."""
    return dictionary.encode(
        dictionary.Dictionary(
            vendor="MTJ-HIL",
            model="XB-32 (simulated)",
            serial=serial,
            firmware="sim-1.1.0",
            protocol=dictionary.this_version(),
            geometry=geometry,
            limits=limits,
            adc_zero_code=adc.ZERO_CODE,
            adc_code_pa=adc.CODE_PA,
            origin=dictionary.Origin(simulated=True, seed=seed),
            messages=dictionary.message_table(),
        )
    )


def chunk(text: bytes, request: messages.GetDict) -> messages.DictChunk:
    """Raises BoardRefused beyond the end."""
    if request.offset > len(text):
        raise BoardRefused(Status.REFUSED_RANGE, request.offset, len(text))
    length = min(request.length, codes.MAX_PAYLOAD - messages.DictChunk.layout.size)
    return messages.DictChunk(request.offset, text[request.offset : request.offset + length])


def welcome(board: CrossbarBoard, endpoint: Endpoint, request: messages.Hello, text: bytes, uptime_ms: int) -> messages.HelloResponse:
    """text: the dictionary, compressed."""
    geometry = board.geometry
    return messages.HelloResponse(
        protocol_major=codes.PROTOCOL_MAJOR,
        protocol_minor=codes.PROTOCOL_MINOR,
        window=min(request.window, WINDOW),
        state=board.state,
        max_payload=min(request.max_payload, codes.MAX_PAYLOAD),
        kernels=geometry.kernels,
        rows=geometry.rows,
        columns=geometry.columns,
        adc_zero_code=adc.ZERO_CODE,
        adc_code_pa=adc.CODE_PA,
        dict_size=len(text),
        dict_crc32=zlib.crc32(text),
        limits_crc32=board.limits.crc32,
        last_pulse_id=board.pulses.last,
        uptime_ms=uptime_ms,
        capabilities=endpoint.capabilities,
        encoded_limits=board.limits.encode(),
    )


def status(board: CrossbarBoard, endpoint: Endpoint, operation: int, uptime_ms: int) -> messages.StatusResponse:
    """operation: opcode of the long one that runs, 0 for none."""
    return messages.StatusResponse(
        state=board.state,
        route=board.route,
        safe_reason=board.safe_reason,
        operation=operation,
        device=NO_DEVICE if board.device is None else board.device,
        session=endpoint.session,
        last_pulse_id=board.pulses.last,
        pulses=board.pulses.total,
        reads=board.lines.reads,
        rejected_frames=sum(endpoint.counters.rejected.values()),
        limits_crc32=board.limits.crc32,
        uptime_ms=uptime_ms,
        stops=board.stops,
    )
