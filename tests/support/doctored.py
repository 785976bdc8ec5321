"""A controller of another firmware version: the same one behind a relay that gives out a changed dictionary."""

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from firmware_protocol import dictionary, messages
from firmware_protocol.codes import Opcode, Status
from firmware_protocol.framing import Frame, Kind
from firmware_protocol.messages import REQUESTS
from tests.support.relay import Relay, relay
from tests.support.served_end import opened
from tests.support.tampering import changed


def without(command: type[messages.Request]) -> Callable[[dictionary.Dictionary], dictionary.Dictionary]:
    """The dictionary of a firmware that lacks one command."""
    table = dictionary.message_table([request for request in REQUESTS if request is not command])
    return lambda found: replace(found, messages=table)


@contextmanager
def doctored(address: str, change: Callable[[dictionary.Dictionary], dictionary.Dictionary], minor: int | None = None) -> Iterator[Relay]:
    """The controller at `address` behind a relay that gives out a changed dictionary."""
    with opened(address) as crossbar:
        true = crossbar._greeting.dictionary
    packed = dictionary.encode(change(true))

    def answer(frame: Frame) -> Frame:
        if frame.kind is not Kind.RESPONSE or frame.status != Status.OK:
            return frame
        if frame.opcode == Opcode.HELLO:
            hello = replace(messages.HelloResponse.decode(frame.payload), dict_size=len(packed), dict_crc32=zlib.crc32(packed))
            return frame._replace(payload=replace(hello, protocol_minor=hello.protocol_minor if minor is None else minor).encode())
        if frame.opcode == Opcode.GET_DICT:
            chunk = messages.DictChunk.decode(frame.payload)
            part = packed[chunk.offset : chunk.offset + 1024]
            return frame._replace(payload=messages.DictChunk(chunk.offset, part).encode())
        return frame

    with relay(address) as line:
        line.to_host = changed(answer)
        yield line
