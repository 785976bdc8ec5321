"""What a relay can do to a controller's frames: look, lose, change, cut. Made for `Relay.to_device` and `Relay.to_host`."""

import threading
from collections.abc import Callable

from firmware_protocol.framing import Deframer, Frame
from tests.support.relay import Pass, Relay


def frames_in(data: bytes, deframer: Deframer) -> list[Frame]:
    return [found for found in deframer.feed(data) if isinstance(found, Frame)]


def watching(seen: list[Frame]) -> Pass:
    """Passes everything and keeps what went by."""
    deframer = Deframer()

    def look(data: bytes) -> bytes:
        seen.extend(frames_in(data, deframer))
        return data

    return look


def struck(opcode: int, strike: Callable[[bytes], bytes], number: int = 1) -> Pass:
    """Passes everything but the data with frame `number` (from 1) of `opcode`: that becomes what `strike` makes of it."""
    deframer, seen = Deframer(), 0

    def passing(data: bytes) -> bytes:
        nonlocal seen
        before, seen = seen, seen + sum(frame.opcode == opcode for frame in frames_in(data, deframer))
        return strike(data) if before < number <= seen else data

    return passing


def half_then_cut(line: Relay) -> Callable[[bytes], bytes]:
    """The first half arrives, then the line is gone."""

    def strike(data: bytes) -> bytes:
        threading.Timer(0.02, line.cut).start()
        return data[: len(data) // 2]

    return strike


def whole_then_cut(line: Relay, after_s: float) -> Callable[[bytes], bytes]:
    def strike(data: bytes) -> bytes:
        threading.Timer(after_s, line.cut).start()
        return data

    return strike


def changed(change: Callable[[Frame], Frame | None]) -> Pass:
    """Each frame as `change` leaves it; None loses it. What is no frame passes."""
    deframer = Deframer()

    def passing(data: bytes) -> bytes:
        made = [change(frame) for frame in frames_in(data, deframer)]
        return b"".join(frame.encode() for frame in made if frame is not None)

    return passing


def lost(_: bytes) -> bytes:
    return b""
