"""Faults 8 and 9: a device or a line that is slow, and one that never stops talking."""

from collections import deque

from firmware_protocol import messages
from firmware_protocol.codes import Opcode, Status
from firmware_protocol.events import Answered, Event, LinkDown, Role, Transmit
from firmware_protocol.framing import BUFFER_LIMIT, Deframer, Frame, Rejected, RejectReason
from firmware_protocol.session import Endpoint
from tests.support.device_end import DeviceEnd
from tests.support.device_host import MS, DeviceHost, S, program

BYTE_NS = 10 * MS


class SlowLine:
    """10 ms a byte, each way, between a host that repeats after its times and a device."""

    def __init__(self, end: DeviceEnd) -> None:
        self.end, self.host = end, Endpoint(Role.HOST, session=0x1111)
        self.now_ns = 0
        self.events: list[Event] = []
        self._to_device: deque[int] = deque()
        self._to_host: deque[int] = deque()
        self._deframer = Deframer()

    def say(self, message: messages.Request, extra_ns: int = 0) -> Frame:
        """The answer, however long it takes; asserts that the session lives."""
        ticket, wire = self.host.request(message, self.now_ns, extra_ns)
        self._to_device.extend(wire)
        while True:
            self._one_byte()
            for event in self.events:
                assert not isinstance(event, LinkDown), f"given up at {self.now_ns / S:.1f} s"
                if isinstance(event, Answered) and event.ticket == ticket:
                    self.events.clear()
                    return event.frame
            self.events.clear()

    def _one_byte(self) -> None:
        self.now_ns += BYTE_NS
        if self._to_device:
            self.end.feed(bytes([self._to_device.popleft()]), self.now_ns)
        while data := self.end.take(self.now_ns):
            self._to_host.extend(data)
        if self._to_host:
            for found in self._deframer.feed(bytes([self._to_host.popleft()])):
                assert isinstance(found, Frame)
                self.events += self.host.receive(found, self.now_ns)
        self.events += self.host.poll(self.now_ns)
        for event in self.events:
            if isinstance(event, Transmit):
                self._to_device.extend(event.data)


def test_f08_ten_milliseconds_a_byte_lose_no_session_and_double_no_pulse(end: DeviceEnd) -> None:
    line = SlowLine(end)
    hello = messages.HelloResponse.decode(line.say(messages.Hello()).payload)
    for n in range(1, 6):
        assert line.say(messages.Arm(hello.limits_crc32)).status == Status.OK
        assert line.say(program(n, n)).status == Status.OK
    assert [device for device, _, _ in end.pulses()] == [1, 2, 3, 4, 5]


def test_f08_a_command_of_seconds_with_its_estimate_is_not_sent_again_and_not_given_up(end: DeviceEnd) -> None:
    host = DeviceHost(end)
    host.endpoint = Endpoint(Role.HOST, session=0x1111)
    host.hello()
    host.arm()
    wires = [host.endpoint.request(program(625 * n + 1, *[n] * 625, ns=1_000_000), host.now_ns, 641 * MS) for n in range(8)]
    for _, wire in wires:
        end.feed(wire, host.now_ns)
    answered, spoke_ns = 0, host.now_ns
    while answered < 8:
        if host.now_ns - spoke_ns >= 500 * MS:
            end.feed(host.frame(messages.KeepAlive(), 0).encode(), host.now_ns)
            spoke_ns = host.now_ns
        due_ns = min(at_ns for at_ns in (end.due_ns(host.now_ns), host.endpoint.next_poll_ns(), spoke_ns + 500 * MS) if at_ns is not None)
        host._clock[0] = max(host.now_ns, due_ns)
        assert host.endpoint.poll(host.now_ns) == [], f"impatient after {host.now_ns / S:.2f} s"
        for found in Deframer().feed(end.take(host.now_ns)):
            assert isinstance(found, Frame)
            answered += sum(isinstance(event, Answered) for event in host.endpoint.receive(found, host.now_ns))
    assert host.now_ns > 5 * S
    assert len(end.pulses()) == 5000
    assert host.endpoint.counters.retransmitted == host.endpoint.counters.timeouts == 0


def test_f08_busy_names_what_runs_and_for_how_long_and_then_it_is_true(end: DeviceEnd, host: DeviceHost) -> None:
    host.ask(messages.ReadDie(0, 2, 2000, 100_000))
    status, opcode, remaining_ms = host.refused(messages.ReadBlock(0, 1, 100_000))
    assert (status, opcode) == (Status.BUSY, Opcode.READ_DIE)
    assert 500 < remaining_ms < 1500
    host.advance((remaining_ms + 1) * MS)
    host.ask(messages.ReadBlock(0, 1, 100_000))


def test_f09_a_host_holds_no_more_than_a_frame_of_endless_bytes_and_reads_the_next_one(host: DeviceHost) -> None:
    deframer, counted = Deframer(), 0
    for _ in range(1000):
        found = deframer.feed(b"\x55" * 3000)
        counted += len(found)
        assert all(isinstance(each, Rejected) and each.reason is RejectReason.BABBLE for each in found)
        assert len(deframer._buffer) <= BUFFER_LIMIT
    assert counted == 1, "the run is told of once"
    assert [type(each) for each in deframer.feed(b"\0" + host.frame(messages.GetStatus(), 1).encode())] == [Frame]


def test_f09_a_device_survives_endless_bytes_and_hears_the_next_frame(end: DeviceEnd, host: DeviceHost) -> None:
    host.arm()
    before = host.status().rejected_frames
    for _ in range(500):
        assert host.raw(b"\x55" * 2400) == []
    host.raw(b"\0")
    assert before < host.status().rejected_frames <= before + 2
    host.ask(program(1, 0))
    assert len(end.pulses()) == 1
    assert host.raw(b"\x01" * 100_000 + b"\0" * 16) is not None
    host.advance(MS)
    assert host.status().state == 3, "and an emergency stop behind them"


def test_f09_random_bytes_for_ever_execute_nothing(end: DeviceEnd, host: DeviceHost) -> None:
    import random

    dice = random.Random(9)
    host.arm()
    for _ in range(300):
        host.raw(bytes(dice.choices(range(256), [0.2, *[1.0] * 255], k=1000)))
    host.raw(b"\x01\0")
    assert end.pulses() == []
    assert host.status().state == 2
