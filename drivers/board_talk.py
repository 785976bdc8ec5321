"""The controller's language over a BoardLink: who answers, what it can do, and what its refusals mean to a caller.

Rule 1: nothing but HELLO is said before the peer has shown that it speaks this protocol; it has 3 s for that.
Rule 2: a refusal becomes an error that names the request, the value and the limit.
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from drivers.board_link import BoardLink
from drivers.errors import Busy, DriverError, EmergencyStopped, LinkTimeout, OverLimit, ProtocolError, Refused, WrongInstrument
from drivers.links.serial import open_byte_link
from firmware_protocol import dictionary
from firmware_protocol.codes import Capability, Opcode, Status
from firmware_protocol.dictionary import Dictionary, DictionaryError
from firmware_protocol.events import Role
from firmware_protocol.framing import Frame, RejectReason
from firmware_protocol.messages import (
    Accepted,
    DictChunk,
    GetDict,
    GetStatus,
    Hello,
    HelloResponse,
    Malformed,
    Message,
    Refusal,
    Request,
    StatusResponse,
)
from firmware_protocol.questions import MILLISECOND_NS, Timing
from firmware_protocol.session import Endpoint

GREETING_S = 3.0
CHUNK_BYTES = 1024
LONGEST_FRAME_BYTES = 2073
BITS_PER_BYTE = 10
_ATTEMPTS = 4


class Denied(Refused):
    """A refusal with its status and numbers, for callers inside the driver that can do something about it."""

    def __init__(self, text: str, status: int, refusal: Refusal) -> None:
        super().__init__(text)
        self.status = status
        self.refusal = refusal


@dataclass(frozen=True)
class Greeting:
    """What HELLO and the dictionary said. missing: opcodes of this protocol that the firmware lacks. capabilities: granted."""

    hello: HelloResponse
    dictionary: Dictionary
    missing: frozenset[int]
    boot_id: int
    capabilities: Capability


def open_link(address: str, baud: int, session: int, timeout_s: float) -> BoardLink:
    """Raises ConnectFailed. Says nothing yet."""
    port = open_byte_link(address, baud)
    # A long request and a long answer must have had time to travel before anything is said again: what is then sent twice
    # makes a slow line slower.
    travel_ns = round(2 * LONGEST_FRAME_BYTES * BITS_PER_BYTE / baud * 1e9)
    usual = Timing()
    timing = Timing(max(usual.first_rto_ns, travel_ns), max(usual.min_rto_ns, travel_ns), give_up_ns=round(timeout_s * 1e9))
    return BoardLink(port, Endpoint(Role.HOST, session=session, timing=timing), timeout_s)


def open_safety_link(address: str, baud: int, session: int, timeout_s: float) -> BoardLink:
    """A line that no lock keeps out. Everything is said again every 50 ms: of a device that a driver has open, each byte
    of an answer goes to one of two readers, until the driver stands aside. Raises ConnectFailed. Says nothing yet."""
    port = open_byte_link(address, baud, force=True)
    again_ns = 50 * MILLISECOND_NS
    timing = Timing(first_rto_ns=again_ns, min_rto_ns=again_ns, max_rto_ns=again_ns, give_up_ns=round(timeout_s * 1e9))
    return BoardLink(port, Endpoint(Role.HOST, session=session, timing=timing), timeout_s, stands_aside=False)


def ask(link: BoardLink, message: Request, device_s: float = 0.0) -> Message:
    """The answer of `message`'s response type. Raises Denied, OverLimit, EmergencyStopped, ProtocolError, LinkError."""
    return understand(link.address, message, link.ask(message, device_s))


def ask_all(link: BoardLink, messages: Sequence[Request], device_s: float = 0.0) -> list[Message]:
    """Answers in order, as many questions under way at once as the board allows. device_s: of each. Raises like `ask`."""
    frames = link.ask_all(messages, device_s)
    return [understand(link.address, message, frame) for message, frame in zip(messages, frames, strict=True)]


def fitting(build: Callable[[], Request]) -> Request:
    """A message whose every value fits its field. Raises Refused."""
    request = build()
    try:
        request.encode()
    except ValueError as error:
        raise Refused(f"crossbar: {error}") from error
    return request


def understand(address: str, message: Request, frame: Frame) -> Message:
    """What a frame says in answer to `message`. Raises like `ask`."""
    name = message.opcode.name
    try:
        if frame.status == (Status.ACCEPTED if message.response is Accepted else Status.OK):
            return message.response.decode(frame.payload)
        if frame.status in (Status.OK, Status.ACCEPTED):
            raise ProtocolError(f"{address}: {name} was answered with status {frame.status}; the firmware is damaged")
        refusal = Refusal.decode(frame.payload)
    except Malformed as error:
        raise ProtocolError(f"{address}: the answer to {name} is garbled: {error}") from error
    raise _error(f"{address}: {name}", frame.status, refusal)


def _error(what: str, status: int, refusal: Refusal) -> DriverError:
    numbers = f"value {refusal.value}, limit {refusal.limit}"
    if status == Status.REFUSED_LIMIT:
        return OverLimit(f"{what} refused by the controller: {numbers} (uV, ns or count); lower it")
    if status == Status.REFUSED_ESTOP:
        return EmergencyStopped(f"{what} refused: the emergency stop is latched; find out why, then reset it")
    if status == Status.BUSY:
        running = {int(opcode.value): opcode.name for opcode in Opcode}.get(refusal.value, f"operation {refusal.value}")
        return Busy(f"{what} refused: the controller is busy with {running} for another {refusal.limit} ms; wait, or abort it")
    if status >= Status.FAULT_INTERNAL:
        return ProtocolError(f"{what}: the controller reports an internal fault ({numbers}); restart it")
    known = {int(known.value): known.name for known in Status}
    return Denied(f"{what} refused by the controller: {known.get(status, f'status {status}')} ({numbers})", status, refusal)


def greet(link: BoardLink, nonces: Callable[[], int], timeout_s: float) -> Greeting:
    """Open a session and learn who answers. Changes no output.

    Raises WrongInstrument when what answers is not this firmware, LinkTimeout when nothing answers, LinkLost.
    """
    hello, boot_id = say_hello(link, nonces, min(timeout_s, GREETING_S))
    try:
        packed = fetch_dictionary(link)
        if zlib.crc32(packed) != hello.dict_crc32:
            raise DictionaryError("CRC-32 of the dictionary is not what HELLO announced")
        found = dictionary.decode(packed)
        missing = dictionary.unknown_to(found)
    except DictionaryError as error:
        raise WrongInstrument(f"{link.address}: {error}; update the firmware or this software") from error
    _check_agreement(link.address, hello, found)
    return Greeting(hello, found, missing, boot_id, link.endpoint.capabilities)


def first_status(link: BoardLink, timeout_s: float) -> StatusResponse:
    """What a line without a session is asked before anything else. Raises like `greet`."""
    timeout_s = min(timeout_s, GREETING_S)
    try:
        answer = understand(link.address, GetStatus(), link.ask(GetStatus(), timeout_s=timeout_s))
    except LinkTimeout as error:
        raise _stranger(link, timeout_s) from error
    assert isinstance(answer, StatusResponse)
    return answer


def say_hello(link: BoardLink, nonces: Callable[[], int], timeout_s: float) -> tuple[HelloResponse, int]:
    """Open a session: the answer and the boot id. Raises like `greet`."""
    for _ in range(_ATTEMPTS):
        link.endpoint.session = nonces()
        try:
            frame = link.ask(Hello(), timeout_s=timeout_s)
            answer = understand(link.address, Hello(), frame)
        except LinkTimeout as error:
            raise _stranger(link, timeout_s) from error
        except Denied as error:
            if error.status == Status.REFUSED_BAD_SESSION:
                continue  # The nonce is the one in use: one chance in 65,535.
            raise _other_version(link.address, error) from error
        assert isinstance(answer, HelloResponse)
        return answer, frame.boot_id
    raise ProtocolError(f"{link.address}: the controller refused {_ATTEMPTS} session numbers; restart it")


def _other_version(address: str, error: Denied) -> DriverError:
    if error.status != Status.REFUSED_VERSION:
        return error
    return WrongInstrument(
        f"{address}: the firmware speaks protocol {error.refusal.limit}, this software {error.refusal.value}; update one of them"
    )


def _stranger(link: BoardLink, timeout_s: float) -> DriverError:
    """What the silence after the first question means."""
    counters = link.endpoint.counters
    if counters.unexpected:
        return WrongInstrument(f"{link.address}: the line sends back what is sent; it is a loop or a terminal, not the controller")
    if counters.rejected.get(RejectReason.VERSION):
        return WrongInstrument(f"{link.address}: answers in another version of the protocol; update the firmware or this software")
    if link.incoming.received_bytes:
        return WrongInstrument(
            f"{link.address}: {link.incoming.received_bytes} bytes came within {timeout_s:g} s, none of them this protocol's "
            f"(first: {link.incoming.first_bytes!r}); check the address and the baud rate in lab.toml"
        )
    return LinkTimeout(
        f"{link.address}: accepts the connection but did not answer HELLO within {timeout_s:g} s; is it the controller, and powered?"
    )


def fetch_dictionary(link: BoardLink) -> bytes:
    """The compressed dictionary, in chunks; legal in any session. Raises DictionaryError when it is too long."""
    packed = b""
    while len(packed) <= dictionary.MAX_COMPRESSED:
        answer = ask(link, GetDict(len(packed), CHUNK_BYTES))
        if not isinstance(answer, DictChunk) or answer.offset != len(packed):
            raise DictionaryError(f"asked for the dictionary from byte {len(packed)}, got something else")
        packed += answer.chunk
        if len(answer.chunk) < CHUNK_BYTES:
            return packed
    raise DictionaryError(f"the dictionary is longer than {dictionary.MAX_COMPRESSED} bytes")


def _check_agreement(address: str, hello: HelloResponse, found: Dictionary) -> None:
    shape = (hello.kernels, hello.rows, hello.columns)
    if shape != found.geometry.shape:
        raise WrongInstrument(f"{address}: HELLO says geometry {shape}, the dictionary {found.geometry.shape}; the firmware is damaged")
    scale = (hello.adc_zero_code, hello.adc_code_pa)
    if scale != (found.adc_zero_code, found.adc_code_pa):
        raise WrongInstrument(f"{address}: HELLO and the dictionary disagree on the converter's scale; the firmware is damaged")
