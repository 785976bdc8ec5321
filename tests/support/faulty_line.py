"""A line that goes wrong, in virtual time and by seed: seven faults per frame, each with its own draw, and jitter.

Order on the line is kept, as a cable keeps it. Time is an integer of ns that jumps from event to event.
"""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from firmware_protocol.codes import Opcode, Status
from firmware_protocol.events import Abandoned, Answered, Event, Execute, LinkDown, Role, Transmit
from firmware_protocol.framing import Deframer, Frame
from firmware_protocol.messages import Hello, HelloResponse, Program, ProgramResponse
from firmware_protocol.questions import MILLISECOND_NS, Ticket, Timing
from firmware_protocol.session import Endpoint

LATENCY_NS = MILLISECOND_NS
JITTER_NS = MILLISECOND_NS // 5
TIMING = Timing(first_rto_ns=10 * MILLISECOND_NS, min_rto_ns=5 * MILLISECOND_NS, max_rto_ns=200 * MILLISECOND_NS, give_up_ns=10**18)
Fault = Callable[[bytes, random.Random], bytes]


def _flip(wire: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(wire))
    return wire[:place] + bytes([wire[place] ^ 1 << rng.randrange(8)]) + wire[place + 1 :]


def _drop(wire: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(wire))
    return wire[:place] + wire[place + 1 :]


def _double(wire: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(wire))
    return wire[: place + 1] + wire[place:]


def _swap(wire: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(wire) - 1)
    return wire[:place] + wire[place + 1 : place + 2] + wire[place : place + 1] + wire[place + 2 :]


def _cut(wire: bytes, rng: random.Random) -> bytes:
    return wire[: rng.randrange(1, len(wire))]


FAULTS: tuple[Fault, ...] = (_flip, _drop, _double, _swap, _cut, lambda wire, rng: b"", lambda wire, rng: wire + wire)
"""Byte faults, a cut frame, a lost one and a doubled one."""


@dataclass
class Direction:
    """One way of the line. arrived: when the last bytes got there, ns."""

    probability: float
    rng: random.Random
    arrived_ns: int = 0

    def carry(self, wire: bytes, now_ns: int) -> tuple[int, bytes]:
        """(time of arrival, what arrives)."""
        for fault in FAULTS:
            if len(wire) > 1 and self.rng.random() < self.probability:
                wire = fault(wire, self.rng)
        self.arrived_ns = max(self.arrived_ns, now_ns + LATENCY_NS + self.rng.randrange(JITTER_NS))
        return self.arrived_ns, wire


@dataclass
class Ledger:
    """What the device really did: times each pulse id was applied. Nothing in the protocol reads it."""

    applied: dict[int, int] = field(default_factory=dict)

    def apply(self, pulse_id: int) -> None:
        self.applied[pulse_id] = self.applied.get(pulse_id, 0) + 1

    @property
    def doubled(self) -> int:
        return sum(times > 1 for times in self.applied.values())


@dataclass
class Bench:
    """A host that wants `pulses` pulses, a device that applies them, a line between them that fails.

    reboots: probability that the device restarts instead of executing. frames: what went over the line, both ways.
    """

    pulses: int
    probability: float
    seed: int
    window: int = 8
    reboots: float = 0.0
    make_host: Callable[..., Endpoint] = Endpoint
    frames: int = 0
    now_ns: int = 0

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.ledger = Ledger()
        self.answered: dict[int, Status] = {}
        self.unknown: set[int] = set()
        self.to_device = Direction(self.probability, random.Random(self.seed + 1))
        self.to_host = Direction(self.probability, random.Random(self.seed + 2))
        self._events: list[tuple[int, int, bool, bytes]] = []
        self._count = 0
        self._next_pulse = 1
        self._waiting: dict[Ticket, int] = {}
        self._boot_id = 0
        self._device_deframer, self._host_deframer = Deframer(), Deframer()
        self._restart_device()
        self._open_session()

    @property
    def done(self) -> bool:
        return len(self.answered) + len(self.unknown) >= self.pulses

    def run(self, most_frames: int) -> None:
        """Until every pulse has ended, or `most_frames` have gone over the line: the bound that a livelock breaks."""
        while not self.done and self.frames < most_frames:
            self._ask()
            self._step()

    def _restart_device(self) -> None:
        self._boot_id += 1
        self.device = Endpoint(Role.DEVICE, boot_id=self._boot_id)

    def _open_session(self) -> None:
        session = self.rng.randrange(1, 65_536)
        self.host = self.make_host(Role.HOST, session=session, window=self.window, timing=TIMING)
        _, wire = self.host.request(Hello(), self.now_ns)
        self._send(True, wire)

    def _ask(self) -> None:
        while self.host.open and self.host.may_ask() and self._next_pulse <= self.pulses:
            ticket, wire = self.host.request(Program(self._next_pulse, 800_000, 100, b"\x01\x00"), self.now_ns)
            self._waiting[ticket] = self._next_pulse
            self._next_pulse += 1
            self._send(True, wire)

    def _send(self, towards_device: bool, wire: bytes) -> None:
        at_ns, arriving = (self.to_device if towards_device else self.to_host).carry(wire, self.now_ns)
        self.frames += 1
        self._count += 1
        heapq.heappush(self._events, (at_ns, self._count, towards_device, arriving))

    def _step(self) -> None:
        due_ns = self.host.next_poll_ns()
        arrival_ns = self._events[0][0] if self._events else None
        assert due_ns is not None or arrival_ns is not None, "nothing will ever happen again"
        if arrival_ns is None or (due_ns is not None and due_ns < arrival_ns):
            self.now_ns = max(self.now_ns, due_ns or 0)
            self._heard(self.host.poll(self.now_ns))
            return
        self.now_ns, _, towards_device, data = heapq.heappop(self._events)
        deframer = self._device_deframer if towards_device else self._host_deframer
        for found in deframer.feed(data):
            if isinstance(found, Frame):
                (self._device_takes if towards_device else self._host_takes)(found)

    def _device_takes(self, frame: Frame) -> None:
        for event in self.device.receive(frame, self.now_ns):
            if isinstance(event, Execute):
                self._execute(event)
            elif isinstance(event, Transmit):
                self._send(False, event.data)

    def _execute(self, event: Execute) -> None:
        message = event.message
        if isinstance(message, Hello):
            answer = HelloResponse(1, 0, 8, 0, 2048, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0x7F, bytes(16)).encode()
            self._send(False, self.device.respond(event.frame, Status.OK, answer))
            return
        assert isinstance(message, Program)
        before, after = self.rng.random() < self.reboots, self.rng.random() < self.reboots
        if not before:
            self.ledger.apply(message.first_pulse_id)
        if before or after:
            self._restart_device()
            return
        answer = ProgramResponse(message.first_pulse_id, message.first_pulse_id, b"\0").encode()
        self._send(False, self.device.respond(event.frame, Status.OK, answer))

    def _host_takes(self, frame: Frame) -> None:
        self._heard(self.host.receive(frame, self.now_ns))

    def _heard(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Transmit):
                self._send(True, event.data)
            elif isinstance(event, Answered) and event.ticket.opcode == Opcode.PROGRAM:
                pulse_id = self._waiting.pop(event.ticket)
                assert ProgramResponse.decode(event.frame.payload).first_pulse_id == pulse_id, "an answer given to another request"
                self.answered[pulse_id] = Status(event.frame.status)
            elif isinstance(event, Abandoned) and event.ticket in self._waiting:
                self.unknown.add(self._waiting.pop(event.ticket))
            elif isinstance(event, LinkDown):
                self._open_session()
