"""What answers at the address is not our controller, or not our version of it: a named error within the deadline."""

import threading
import time
import zlib
from dataclasses import replace

import pytest

from drivers.crossbar import inspect_crossbar, open_crossbar, open_crossbar_for_safety
from drivers.errors import Busy, ConnectFailed, DriverError, LinkError, LinkLost, LinkTimeout, ProtocolError, Refused, WrongInstrument
from firmware_protocol import codes, dictionary, messages
from firmware_protocol.codes import Status
from firmware_protocol.events import Execute, Role, Transmit
from firmware_protocol.framing import CRC, Deframer, Frame, Kind
from firmware_protocol.geometry import Geometry
from firmware_protocol.limits import Limits
from firmware_protocol.messages import REQUESTS
from firmware_protocol.session import Endpoint
from tests.support.scripted_server import closed_port
from tests.support.simulated_lab import CountedPulseIds
from tests.support.strangers import Behaviour, babbling, closing, echoing, replying, scpi, silent, stranger

BAUD = 921_600
OTHER_MAJOR = bytes([0x22]) + bytes(11)


def version_two() -> bytes:
    from cobs import cobs

    return cobs.encode(OTHER_MAJOR + CRC.pack(zlib.crc32(OTHER_MAJOR))) + b"\0"


STRANGERS: list[tuple[Behaviour, type[DriverError], str]] = [
    (silent, LinkTimeout, "did not answer HELLO within"),
    (echoing, WrongInstrument, "sends back what is sent"),
    (scpi, WrongInstrument, "Undefined header"),
    (babbling, ProtocolError, "bytes without one frame"),
    (closing, LinkLost, "closed the connection"),
    (replying(version_two()), WrongInstrument, "another version of the protocol"),
]


@pytest.mark.parametrize(("behave", "error", "text"), STRANGERS, ids=["silent", "echo", "scpi", "babble", "closing", "version"])
def test_a_stranger_is_named_within_the_deadline(behave: Behaviour, error: type[DriverError], text: str) -> None:
    threads = threading.active_count()
    with stranger(behave) as address:
        start_s = time.monotonic()
        with pytest.raises(error, match=text) as caught:
            open_crossbar(address, BAUD, CountedPulseIds(), timeout_s=0.5)
        assert time.monotonic() - start_s < 3.0
        assert address in str(caught.value)
    assert threading.active_count() <= threads, "the reader has ended"


@pytest.mark.parametrize("behave", [silent, scpi, babbling, closing], ids=["silent", "scpi", "babble", "closing"])
def test_looking_and_making_safe_end_by_their_deadline_too(behave: Behaviour) -> None:
    with stranger(behave) as address:
        with pytest.raises(DriverError, match=address):
            inspect_crossbar(address, timeout_s=0.3)
        with pytest.raises(DriverError), open_crossbar_for_safety(address, timeout_s=0.3) as line:
            line.emergency_stop()
        with pytest.raises(DriverError), open_crossbar_for_safety(address, timeout_s=0.3) as line:
            line.isolate()


@pytest.mark.parametrize("connect", [lambda address: open_crossbar(address, BAUD, CountedPulseIds()), inspect_crossbar])
def test_where_nothing_listens_the_address_is_named(connect: object) -> None:
    address = f"socket://127.0.0.1:{closed_port()}"
    with pytest.raises(ConnectFailed, match=f"{address}: nothing answers"):
        connect(address)  # type: ignore[operator]


class Impostor:
    """A controller in all but what the test changes: its HELLO, its dictionary, its answers."""

    def __init__(self, **hello: int) -> None:
        self.dictionary = dictionary.Dictionary(
            "V", "M", "1", "2", (1, 0), Geometry(), Limits(), 22_282, 38_147, dictionary.Origin(False, None), dictionary.message_table()
        )
        self.hello = hello
        self.refuse_sessions = 0
        self.read_kernel = 0

    def __call__(self, peer: object, ended: threading.Event) -> None:
        import socket

        assert isinstance(peer, socket.socket)
        device, deframer = Endpoint(Role.DEVICE, boot_id=1), Deframer()
        while not ended.is_set() and (data := peer.recv(4096)):
            for frame in deframer.feed(data):
                if isinstance(frame, Frame):
                    peer.sendall(self._answer(device, frame))

    def _answer(self, device: Endpoint, frame: Frame) -> bytes:
        if frame.opcode == codes.Opcode.HELLO and self.refuse_sessions:
            self.refuse_sessions -= 1
            return device.respond(frame, Status.REFUSED_BAD_SESSION)
        wire = b""
        for event in device.receive(frame, 0):
            if isinstance(event, Transmit):
                wire += event.data
            elif isinstance(event, Execute):
                wire += device.respond(event.frame, Status.OK, self._execute(event.message).encode())
        return wire

    def _execute(self, message: messages.Request) -> messages.Message:
        packed = dictionary.encode(self.dictionary)
        if isinstance(message, messages.Hello):
            fields = {
                "protocol_major": 1, "protocol_minor": 0, "window": 8, "state": 0, "max_payload": 2048, "kernels": 32, "rows": 25,
                "columns": 25, "adc_zero_code": 22_282, "adc_code_pa": 38_147, "dict_size": len(packed), "dict_crc32": zlib.crc32(packed),
                "limits_crc32": 0, "last_pulse_id": 0, "uptime_ms": 0, "capabilities": 0x7F,
            }  # fmt: skip
            return messages.HelloResponse(**{**fields, **self.hello}, encoded_limits=Limits().encode())
        if isinstance(message, messages.GetDict):
            return messages.DictChunk(message.offset, packed[message.offset : message.offset + message.length])
        if isinstance(message, messages.ReadBlock):
            return messages.ReadBlockResponse(self.read_kernel, 0, message.averages, message.read_uv, bytes(1250))
        return messages.Empty()


def test_the_impostor_unchanged_is_taken_for_a_controller() -> None:
    with stranger(Impostor()) as address:
        crossbar = open_crossbar(address, BAUD, CountedPulseIds())
        assert not crossbar.identify().simulated
        crossbar.close()


@pytest.mark.parametrize(
    ("hello", "text"),
    [
        ({"dict_crc32": 1}, "CRC-32 of the dictionary"),
        ({"rows": 24}, r"\(32, 24, 25\).*\(32, 25, 25\)"),
        ({"adc_code_pa": 1}, "scale"),
    ],
)
def test_a_controller_that_contradicts_itself_is_refused(hello: dict[str, int], text: str) -> None:
    with stranger(Impostor(**hello)) as address, pytest.raises(WrongInstrument, match=text):
        open_crossbar(address, BAUD, CountedPulseIds())


def test_a_message_laid_out_differently_is_another_version() -> None:
    impostor = Impostor()
    table = dictionary.message_table()
    table[codes.Opcode.PROGRAM]["request"]["layout"] = "<IqI"
    impostor.dictionary = replace(impostor.dictionary, messages=table)
    with stranger(impostor) as address, pytest.raises(WrongInstrument, match=r"Program \(opcode 18\)"):
        open_crossbar(address, BAUD, CountedPulseIds())


def test_a_command_that_the_firmware_lacks_is_refused_when_it_is_needed() -> None:
    impostor = Impostor()
    table = dictionary.message_table([request for request in REQUESTS if request is not messages.ReadBlock])
    impostor.dictionary = replace(impostor.dictionary, messages=table)
    with stranger(impostor) as address:
        crossbar = open_crossbar(address, BAUD, CountedPulseIds())
        with pytest.raises(Refused, match="no READ_BLOCK"):
            crossbar.read_kernel(0, 0.1)
        crossbar.close()


def test_an_answer_about_another_kernel_is_not_taken_for_this_one() -> None:
    impostor = Impostor()
    with stranger(impostor) as address:
        crossbar = open_crossbar(address, BAUD, CountedPulseIds())
        crossbar.read_kernel(0, 0.1)
        with pytest.raises(ProtocolError, match="kernel 3"):
            crossbar.read_kernel(3, 0.1)
        crossbar.close()


def test_a_session_number_in_use_is_replaced_by_another() -> None:
    impostor = Impostor()
    impostor.refuse_sessions = 2
    nonces = iter([11, 12, 13])
    with stranger(impostor) as address:
        crossbar = open_crossbar(address, BAUD, CountedPulseIds(), nonces=lambda: next(nonces))
        assert crossbar._link.endpoint.session == 13
        crossbar.close()


def test_a_controller_that_refuses_every_session_is_named() -> None:
    impostor = Impostor()
    impostor.refuse_sessions = 100
    with stranger(impostor) as address, pytest.raises(ProtocolError, match="session numbers"):
        open_crossbar(address, BAUD, CountedPulseIds())


def test_a_controller_that_falls_silent_is_given_up_by_the_deadline() -> None:
    class FallingSilent(Impostor):
        def _execute(self, message: messages.Request) -> messages.Message:
            if isinstance(message, messages.Select):
                raise ConnectionAbortedError  # ends the conversation without a word, the connection stays
            return super()._execute(message)

        def __call__(self, peer: object, ended: threading.Event) -> None:
            try:
                super().__call__(peer, ended)
            except ConnectionAbortedError:
                ended.wait(10)

    with stranger(FallingSilent()) as address:
        crossbar = open_crossbar(address, BAUD, CountedPulseIds(), timeout_s=0.4)
        with pytest.raises(LinkTimeout, match="SELECT: no answer before the deadline"):
            crossbar.select_contact_pads()
        with pytest.raises(LinkError, match="open it again"):
            crossbar.select_contact_pads()
        crossbar.close()


@pytest.mark.parametrize(
    ("status", "payload", "error", "text"),
    [
        (Status.FAULT_INTERNAL, b"", ProtocolError, "internal fault"),
        (Status.BUSY, b"", Busy, "busy with"),
        (99, b"", ProtocolError, "internal fault"),
        (Status.OK, b"x", ProtocolError, "answer to SELECT is garbled"),
        (Status.REFUSED_CONFIG, b"x", ProtocolError, "answer to SELECT is garbled"),
    ],
)
def test_an_answer_that_makes_no_sense_is_named(status: int, payload: bytes, error: type[DriverError], text: str) -> None:
    class Odd(Impostor):
        def _answer(self, device: Endpoint, frame: Frame) -> bytes:
            if frame.opcode != codes.Opcode.SELECT:
                return super()._answer(device, frame)
            answer = payload or messages.Refusal().encode()
            return Frame(Kind.RESPONSE, frame.opcode, frame.seq, frame.session, 1, status, 8, answer).encode()

    with stranger(Odd()) as address:
        crossbar = open_crossbar(address, BAUD, CountedPulseIds())
        with pytest.raises(error, match=text):
            crossbar.select_contact_pads()
        crossbar.close()


def test_firmware_of_another_major_version_is_refused_naming_both() -> None:
    class Newer(Impostor):
        def _answer(self, device: Endpoint, frame: Frame) -> bytes:
            return device.respond(frame, Status.REFUSED_VERSION, messages.Refusal(1, 2).encode())

    with stranger(Newer()) as address, pytest.raises(WrongInstrument, match="speaks protocol 2, this software 1"):
        open_crossbar(address, BAUD, CountedPulseIds())
