"""GPIB addresses: through pyvisa's own simulated bus where it can, and with what is missing told where there is no bus."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import pyvisa
from pyvisa.constants import StatusCode
from pyvisa.errors import VisaIOError

from drivers.errors import ConnectFailed, LinkError, LinkLost, LinkTimeout
from drivers.links.visa import VisaLink
from drivers.links.visa_messages import VisaMessages
from drivers.links.visa_wire import open_wire
from drivers.prober.sentio import open_sentio

GPIB = "GPIB0::20::INSTR"
BUS = """
spec: "1.1"
devices:
  prober:
    eom:
      GPIB INSTR: {q: "\\n", r: "\\n"}
    dialogues:
      - {q: "status:get_version", r: "0,0,Version: 26.2.0"}
      - {q: "status:get_machine_id", r: "0,0,SIM0007"}
      - {q: "status:get_chuck_temp", r: "0,0,25.00"}
      - {q: "*RCS 1"}
      - {q: "*LOCAL"}
    error: "2,0,Unsupported remote command"
resources:
  GPIB0::20::INSTR:
    device: prober
"""


@pytest.fixture
def bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The bus of pyvisa-sim, chosen the way an operator chooses a VISA library."""
    path = tmp_path / "bus.yaml"
    path.write_text(BUS)
    monkeypatch.setenv("PYVISA_LIBRARY", f"{path}@sim")
    yield
    pyvisa.ResourceManager().close()


@pytest.mark.usefixtures("bus")
def test_a_prober_on_the_bus_is_asked_like_one_on_the_network():
    prober = open_sentio(GPIB, 1.0)
    identity = prober.identify()
    assert (identity.serial, identity.firmware) == ("SIM0007", "26.2.0")
    assert prober.chuck_temperature_c() == 25.0
    prober.close()


@pytest.mark.usefixtures("bus")
def test_an_instrument_that_says_nothing_is_not_waited_for_and_asked_again_afresh():
    link = VisaLink(GPIB, 1.0)
    with pytest.raises(LinkTimeout, match=r"no answer to '\*RCS 1' within 0\.05 s"):
        link.query("*RCS 1", 0.05)
    with pytest.raises(LinkError, match="resynchronise"):
        link.query("status:get_version")
    link.resynchronise()
    assert link.query("status:get_version") == "0,0,Version: 26.2.0"
    assert link.send_regardless("*LOCAL")
    assert link.counts().reconnects == 1
    link.close()


def test_a_computer_without_a_bus_says_what_it_lacks(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PYVISA_LIBRARY", "@py")
    with pytest.raises(ConnectFailed, match=r"GPIB0::20::INSTR: cannot be opened .*linux-gpib with gpib-ctypes.*TCPIP0::host"):
        open_sentio(GPIB, 1.0)


def test_a_computer_without_a_visa_library_says_so_too(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PYVISA_LIBRARY", "/nowhere/libvisa.so@ivi")
    with pytest.raises(ConnectFailed, match="needs a VISA library"):
        VisaLink(GPIB, 1.0)


@pytest.mark.parametrize("address", ["GPIB0::20", "COM3", "", "TCPIP0::127.0.0.1::INSTR", "gpib::INSTRUMENT"])
def test_other_addresses_are_refused_with_the_right_forms(address: str):
    with pytest.raises(ConnectFailed, match=r"TCPIP0::host::port::SOCKET or GPIB0::n::INSTR"):
        open_wire(address, 1.0)


# --- what pyvisa's simulated bus cannot do: a resource as a VISA library would give it
class Resource:
    """messages: what the instrument says, one after the other; b"" for silence. status: its status byte; None: it keeps none."""

    def __init__(self, *messages: bytes | Exception, status: int | None = None) -> None:
        self.messages, self.status = list(messages), status
        self.written: list[bytes] = []
        self.timeouts_ms: list[int] = []
        self.cleared = self.closed = False
        self.before_read: Callable[[], None] = lambda: None

    @property
    def timeout(self) -> int:
        return self.timeouts_ms[-1]

    @timeout.setter
    def timeout(self, milliseconds: int) -> None:
        self.timeouts_ms.append(milliseconds)

    def read_raw(self) -> bytes:
        self.before_read()
        message = self.messages.pop(0) if self.messages else b""
        if isinstance(message, Exception):
            raise message
        if not message:
            raise VisaIOError(StatusCode.error_timeout)
        return message

    def write_raw(self, data: bytes) -> None:
        if self.closed:
            raise VisaIOError(StatusCode.error_connection_lost)
        self.written.append(data)

    def read_stb(self) -> int:
        if self.status is None:
            raise NotImplementedError
        return self.status

    def clear(self) -> None:
        self.cleared = True

    def close(self) -> None:
        self.closed = True


def wire_to(monkeypatch: pytest.MonkeyPatch, resource: Resource, *, afresh: bool = False) -> VisaMessages:
    class Manager:
        def open_resource(self, address: str, open_timeout: int) -> Resource:
            return resource

    monkeypatch.setattr(pyvisa, "ResourceManager", Manager)
    return VisaMessages(GPIB, 1.0, afresh=afresh)


def test_a_message_is_a_line_whether_it_ends_with_a_line_feed_or_with_the_bus_alone(monkeypatch: pytest.MonkeyPatch):
    wire = wire_to(monkeypatch, Resource(b"0,0,1\n", b"0,0,2", b"0,0,3\r\n"))
    for line in (b"0,0,1\n", b"0,0,2\n", b"0,0,3\r\n"):
        assert wire.readable(1.0)
        assert wire.readable(0.0), "read already"
        assert wire.peek() == line == wire.take()


def test_opening_touches_nothing_and_only_a_fault_costs_a_device_clear(monkeypatch: pytest.MonkeyPatch):
    resource = Resource(b"late\n")
    wire_to(monkeypatch, resource)
    assert (resource.cleared, len(resource.messages), resource.written) == (False, 1, [])
    wire_to(monkeypatch, resource, afresh=True)
    assert (resource.cleared, resource.messages) == (True, [])


def test_an_instrument_that_goes_on_talking_does_not_keep_anybody(monkeypatch: pytest.MonkeyPatch):
    resource = Resource(*[b"chatter\n"] * 500)
    wire_to(monkeypatch, resource, afresh=True)
    assert len(resource.messages) == 400


@pytest.mark.parametrize(("status", "waits"), [(0x10, True), (0x00, False), (None, False)])
def test_what_waits_unasked_is_seen_where_the_status_byte_says_so(monkeypatch: pytest.MonkeyPatch, status: int | None, waits: bool):
    wire = wire_to(monkeypatch, Resource(b"late\n", status=status))
    assert wire.readable(0.0) is waits


def test_a_status_byte_that_lies_costs_a_millisecond(monkeypatch: pytest.MonkeyPatch):
    resource = Resource(status=0x10)
    assert not wire_to(monkeypatch, resource).readable(0.0)
    assert resource.timeouts_ms == [1]


def test_time_left_is_what_the_library_may_wait(monkeypatch: pytest.MonkeyPatch):
    resource = Resource()
    wire = wire_to(monkeypatch, resource)
    assert not wire.readable(0.25)
    wire.write(b"x\n", time.monotonic() - 5.0)
    assert resource.timeouts_ms == [250, 1]


@pytest.mark.parametrize("error", [VisaIOError(StatusCode.error_connection_lost), OSError("unplugged")])
def test_a_bus_that_fails_is_lost(monkeypatch: pytest.MonkeyPatch, error: Exception):
    wire = wire_to(monkeypatch, Resource(error))
    with pytest.raises(LinkLost, match=GPIB):
        wire.readable(1.0)


def test_writing_to_a_bus_that_takes_nothing_is_a_time_out_and_to_one_that_is_gone_a_loss(monkeypatch: pytest.MonkeyPatch):
    resource = Resource()
    wire = wire_to(monkeypatch, resource)
    resource.write_raw = lambda data: (_ for _ in ()).throw(VisaIOError(StatusCode.error_timeout))  # type: ignore[method-assign]
    with pytest.raises(LinkTimeout, match="takes no more bytes"):
        wire.write(b"x\n", time.monotonic() + 1.0)
    assert not wire.write_now(b"x\n")
    del resource.write_raw
    resource.close()
    with pytest.raises(LinkLost, match="sending"):
        wire.write(b"x\n", time.monotonic() + 1.0)


def test_what_makes_safe_does_not_wait_for_a_bus_that_another_thread_reads(monkeypatch: pytest.MonkeyPatch):
    reading, go_on = threading.Event(), threading.Event()
    resource = Resource(b"0,0,OK\n")

    def before_read() -> None:
        reading.set()
        go_on.wait(10)

    resource.before_read = before_read
    wire = wire_to(monkeypatch, resource)
    thread = threading.Thread(target=wire.readable, args=(10.0,))
    thread.start()
    assert reading.wait(10)
    assert not wire.write_now(b"stop\n")
    go_on.set()
    thread.join()
    assert wire.write_now(b"stop\n")
    wire.close()
    assert not wire.write_now(b"stop\n")
    assert resource.closed
    with pytest.raises(LinkLost, match="closed here"):
        wire.readable(0.0)
