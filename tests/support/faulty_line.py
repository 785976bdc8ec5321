"""A host, a device end and a line between them that fails, on virtual time and by seed; and the account of it afterwards.

Rule 1: real bytes go both ways; nothing here looks into a frame but to count it.
Rule 2: what was applied is taken from the device's own log, never from an answer. Each command has an amplitude of its own and
each of its items another junction, so that every pulse in the log names its id.
"""

import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from firmware_protocol.codes import Opcode, PulseOutcome, Status
from firmware_protocol.events import Abandoned, Answered, Event, LinkDown, LostBy, Role, Transmit
from firmware_protocol.framing import Deframer, Frame
from firmware_protocol.messages import Arm, Hello, HelloResponse, Program, ProgramResponse, ReadList, ReadListResponse, Request
from firmware_protocol.questions import MILLISECOND_NS, Ticket, Timing
from firmware_protocol.session import Endpoint
from simulator.faults import DirectionPlan, Fault, FaultName, FaultyDirection, Incident
from tests.support.device_end import DeviceEnd
from tests.support.ledger_end import LINE

TIMING = Timing(first_rto_ns=10 * MILLISECOND_NS, min_rto_ns=5 * MILLISECOND_NS, max_rto_ns=200 * MILLISECOND_NS)
SEVEN = (
    FaultName.FLIP, FaultName.DROP, FaultName.DOUBLE, FaultName.SWAP, FaultName.LOSE, FaultName.CUT, FaultName.REPEAT,
)  # fmt: skip


def failing(probability: float, reboots: float = 0.0, disconnects: float = 0.0) -> DirectionPlan:
    """Each of the seven faults with its own draw per frame, restarts and lost connections besides; 1 ms, and up to a fifth more."""
    chances = {**dict.fromkeys(SEVEN, probability), FaultName.REBOOT: reboots, FaultName.DISCONNECT: disconnects}
    return DirectionPlan(tuple(Fault(name, chance) for name, chance in chances.items() if chance), MILLISECOND_NS, MILLISECOND_NS // 5)


@dataclass
class Ended:
    """How the operations of a trial ended. unknown, executed, refused: pulse ids. reads: readings that came. wrong: of another junction."""

    executed: set[int] = field(default_factory=set)
    refused: set[int] = field(default_factory=set)
    unknown: set[int] = field(default_factory=set)
    reads: int = 0
    wrong: int = 0
    late: int = 0
    """Operations that ended after their deadline."""


@dataclass(frozen=True)
class Asked:
    """One request under way. first, count: its pulse ids, count 0 for a reading."""

    message: Request
    deadline_ns: int
    first: int = 0
    count: int = 0


@dataclass
class Trial:
    """A host that wants `pulses` pulses in commands of up to `batch`, with readings between them.

    back: the plan of the way to the host where it is another one. frames: what went over the line, both ways.
    downs: why sessions ended, with counts. restarts: of the device.
    """

    end: DeviceEnd
    pulses: int
    plan: DirectionPlan
    seed: int
    window: int = 8
    batch: int = 16
    reads: float = 0.2
    timing: Timing = TIMING
    make_host: Callable[..., Endpoint] = Endpoint
    device_extra_ns: int = 0
    back: DirectionPlan | None = None
    now_ns: int = 0

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.to_device = FaultyDirection(self.plan, f"{self.seed} there")
        self.to_host = FaultyDirection(self.back or self.plan, f"{self.seed} back")
        self.ended = Ended()
        self.downs: Counter[LostBy] = Counter()
        self.restarts = 0
        self.retransmitted = 0
        self._arrivals: list[tuple[int, int, bool, bytes | Incident]] = []
        self._count = 0
        self._next_pulse, self._commands = 1, 0
        self._ids: dict[tuple[int, int], int] = {}
        self._asked: dict[Ticket, Asked] = {}
        self._armed: Ticket | None = None
        self._ready = False
        self._deframer = Deframer()
        self._open_session()

    @property
    def done(self) -> bool:
        return self._next_pulse > self.pulses and not self._asked

    @property
    def frames(self) -> int:
        return self.to_device.frames + self.to_host.frames

    def run(self, most_frames: int) -> None:
        """Until every operation has ended, or `most_frames` have gone over the line: the bound that a livelock breaks."""
        while not self.done and self.frames < most_frames:
            if self._ready:
                self._ask()
            self._step()
        self.retransmitted += self.host.counters.retransmitted

    # --- the account
    def times_applied(self) -> Counter[int]:
        """How often each pulse id was applied, by the device's own log."""
        return Counter(self._ids[amplitude_uv, device] for device, amplitude_uv, _ in self.end.pulses())

    def in_order(self) -> bool:
        ids = [self._ids[amplitude_uv, device] for device, amplitude_uv, _ in self.end.pulses()]
        return all(later > earlier for earlier, later in itertools.pairwise(ids))

    # --- the host
    def _open_session(self) -> None:
        session = self.rng.randrange(1, 65_536)
        self.host = self.make_host(Role.HOST, session=session, window=self.window, timing=self.timing)
        self._ready, self._armed = False, None
        self._send(self.host.request(Hello(), self.now_ns)[1])

    def _ask(self) -> None:
        while self.host.open and self._next_pulse <= self.pulses and self.host.may_ask():
            deadline_ns = self.now_ns + self.timing.give_up_ns + (len(self._asked) + 1) * self.device_extra_ns
            if self.rng.random() < self.reads:
                devices = [self.rng.randrange(LINE.devices) for _ in range(8)]
                asked = Asked(ReadList(1, 100_000, _u16(devices)), deadline_ns)
            else:
                asked = self._next_command(deadline_ns)
            ticket, wire = self.host.request(asked.message, self.now_ns, self.device_extra_ns)
            self._asked[ticket] = asked
            self._send(wire)

    def _next_command(self, deadline_ns: int) -> Asked:
        count = min(self.rng.randint(1, self.batch), self.pulses + 1 - self._next_pulse)
        self._commands += 1
        start = self.rng.randrange(LINE.devices)
        devices = [(start + item) % LINE.devices for item in range(count)]
        for item, device in enumerate(devices):
            self._ids[self._commands, device] = self._next_pulse + item
        asked = Asked(Program(self._next_pulse, self._commands, 100, _u16(devices)), deadline_ns, self._next_pulse, count)
        self._next_pulse += count
        return asked

    def _heard(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Transmit):
                self._send(event.data)
            elif isinstance(event, Answered):
                self._answered(event)
            elif isinstance(event, Abandoned):
                self._abandoned(event.ticket)
            elif isinstance(event, LinkDown):
                self.downs[event.reason] += 1
                self.retransmitted += self.host.counters.retransmitted
                self._open_session()

    def _answered(self, event: Answered) -> None:
        if event.ticket.opcode == Opcode.HELLO:
            if event.frame.status != Status.OK:
                self._open_session()
                return
            crc32 = HelloResponse.decode(event.frame.payload).limits_crc32
            self._armed, wire = self.host.request(Arm(crc32), self.now_ns)
            self._send(wire)
            return
        if event.ticket == self._armed:
            assert event.frame.status == Status.OK, Status(event.frame.status)
            self._ready = True
            return
        asked = self._asked.pop(event.ticket)
        self.ended.late += self.now_ns > asked.deadline_ns
        if asked.count:
            self._pulsed(asked, event.frame)
        elif event.frame.status == Status.OK:
            self._read(asked, event.frame)

    def _pulsed(self, asked: Asked, frame: Frame) -> None:
        ids = range(asked.first, asked.first + asked.count)
        if frame.status != Status.OK:
            self.ended.refused.update(ids)
            return
        answer = ProgramResponse.decode(frame.payload)
        assert (answer.first_pulse_id, len(answer.outcomes)) == (asked.first, asked.count), "an answer given to another request"
        for pulse_id, outcome in zip(ids, answer.outcomes, strict=True):
            (self.ended.executed if outcome == PulseOutcome.EXECUTED else self.ended.refused).add(pulse_id)

    def _read(self, asked: Asked, frame: Frame) -> None:
        assert isinstance(asked.message, ReadList)
        wanted = memoryview(asked.message.devices).cast("H")
        pairs = memoryview(ReadListResponse.decode(frame.payload).readings).cast("H")
        self.ended.reads += len(wanted)
        right = len(pairs) == 2 * len(wanted) and all(
            pairs[2 * place] == device and self.end.shows(device, pairs[2 * place + 1]) for place, device in enumerate(wanted)
        )
        self.ended.wrong += not right

    def _abandoned(self, ticket: Ticket) -> None:
        if (asked := self._asked.pop(ticket, None)) is not None:
            self.ended.late += self.now_ns > asked.deadline_ns
            self.ended.unknown.update(range(asked.first, asked.first + asked.count))

    # --- the line
    def _send(self, wire: bytes) -> None:
        for at_ns, what in self.to_device.carry(wire, self.now_ns):
            self._push(at_ns, True, what)

    def _push(self, at_ns: int, towards_device: bool, what: bytes | Incident) -> None:
        self._count += 1
        heapq.heappush(self._arrivals, (at_ns, self._count, towards_device, what))

    def _step(self) -> None:
        poll_ns, due_ns = self.host.next_poll_ns(), self.end.due_ns(self.now_ns)
        arrival_ns = self._arrivals[0][0] if self._arrivals else None
        times = [at_ns for at_ns in (poll_ns, due_ns, arrival_ns) if at_ns is not None]
        assert times, "nothing will ever happen again"
        self.now_ns = max(self.now_ns, min(times))
        if due_ns is not None and due_ns <= self.now_ns:
            for at_ns, what in self.to_host.carry(self.end.take(self.now_ns), self.now_ns):
                self._push(at_ns, False, what)
        elif arrival_ns is not None and arrival_ns <= self.now_ns:
            _, _, towards_device, what = heapq.heappop(self._arrivals)
            self._arrive(towards_device, what)
        else:
            self._heard(self.host.poll(self.now_ns))

    def _arrive(self, towards_device: bool, what: bytes | Incident) -> None:
        if what is Incident.DISCONNECT:
            # Whatever is on the way is lost, both ways; the device may be left with half a frame.
            self._arrivals.clear()
            self._deframer = Deframer()
            self._heard(self.host.end(LostBy.LINE))
        elif isinstance(what, Incident):
            # On the way there: before the request is carried out. On the way back: after, and the answer is gone.
            self.restarts += 1
            self.end.restart(self.now_ns)
        elif towards_device:
            self.end.feed(what, self.now_ns)
        else:
            for found in self._deframer.feed(what):
                if isinstance(found, Frame):
                    self._heard(self.host.receive(found, self.now_ns))


def _u16(values: list[int]) -> bytes:
    return b"".join(value.to_bytes(2, "little") for value in values)
