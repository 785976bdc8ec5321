"""Questions and answers with the controller: a reader thread, an outbox before the window, every question ending by its deadline.

Rule 1: one lock guards the endpoint and the order of what is written; it is held for one write at most, and an emergency
stop ends that write.
Rule 2: asking never waits for the window: what does not fit waits in the outbox, from which the reader fills the window as
answers come. An emergency stop empties the outbox; what was never sent is said to be so.
Rule 3: the keep-alive speaks for the owner, not for the process: it goes on for OWNER_PATIENCE_S after the owner's last
call (or `beat`; waiting for an answer counts) and then stops, so that the board's dead man also works when the owner hangs.
Rule 4: once the link is down it stays down; who wants to go on opens another one.
"""

import threading
import time
from collections.abc import Callable, Sequence

from drivers.board_asked import Asked, Begun
from drivers.board_outbox import Outbox
from drivers.errors import DriverError, LinkError, LinkLost, LinkTimeout, NotSent, ProtocolError
from drivers.links.serial import ByteLink
from drivers.protocols import WireCounts
from firmware_protocol.codes import Opcode
from firmware_protocol.events import Abandoned, Answered, Event, Happened, LinkDown, LostBy, Transmit
from firmware_protocol.framing import DELIMITER, Deframer, Frame, Kind, Rejected
from firmware_protocol.messages import EmergencyStop, KeepAlive, Request
from firmware_protocol.questions import Ticket
from firmware_protocol.session import Endpoint

KEEP_ALIVE_S = 0.5
OWNER_PATIENCE_S = 5.0
BABBLE_BYTES = 1_000_000
"""Bytes without a valid frame after which the peer is taken for something else."""
_TICK_S = 0.02
_BEAT_S = 1.0
_LOOK_S = 0.05
_MARGIN_S = 1.0
_TAKING_OVER = frozenset({Opcode.HELLO, Opcode.ESTOP, Opcode.STATUS, Opcode.DISARM})


class SessionTaken(LinkLost):
    """Another host has the controller now. Whoever takes it back unasked fights with him over the outputs."""


class BoardLink:
    """One session on one line. timeout_s: deadline of an answer, beyond what the board itself may take.

    clock: monotonic time, ns. stands_aside: give the line up to whoever else makes the controller answer on it.
    """

    def __init__(
        self,
        port: ByteLink,
        endpoint: Endpoint,
        timeout_s: float,
        clock: Callable[[], int] = time.monotonic_ns,
        *,
        stands_aside: bool = True,
    ) -> None:
        self.address = port.address
        self.low_latency = port.low_latency
        self.endpoint = endpoint
        self.received_bytes = 0
        self.first_bytes = b""
        self._port = port
        self._timeout_s = timeout_s
        self._clock = clock
        self._stands_aside = stands_aside
        self._lock = threading.RLock()
        self._outbox = Outbox(port.address, endpoint, clock)
        self._answered = 0
        self._deframer = Deframer()
        self._since_valid = 0
        self._looked_ns = 0
        self._fault: DriverError | None = None
        self._closing = False
        self._keeping_alive = False
        # Ends whatever half frame the line may still hold from before.
        self._resync = DELIMITER
        self._owner_ns = self._sent_ns = clock()
        self._reader = threading.Thread(target=self._run, name=f"reader of {port.address}", daemon=True)
        self._reader.start()

    # --- asking

    def ask(self, message: Request, device_s: float = 0.0, timeout_s: float | None = None) -> Frame:
        """Send and wait. device_s: how long the board may take by itself, s. timeout_s: shorter deadline, s.

        Raises LinkTimeout, LinkLost, ProtocolError, NotSent.
        """
        return self.wait(self.submit([message], device_s), timeout_s)[0]

    def ask_all(self, messages: Sequence[Request], device_s: float = 0.0) -> list[Frame]:
        """Answers in order, as many questions under way at once as the controller allows. device_s: of each. Raises like `ask`."""
        return self.wait(self.submit(messages, device_s))

    def submit(self, messages: Sequence[Request], device_s: float = 0.0) -> Asked:
        """Ask without waiting. Never raises: what cannot be sent is settled with its error at once."""
        return self._submit(Asked(messages, device_s))

    def begin(self, message: Request) -> Begun:
        """Ask for a long operation. Its events are kept until `end` is called."""
        begun = Begun(message)
        self._submit(begun)
        return begun

    def end(self, begun: Begun) -> None:
        """Nobody listens to this operation any more."""
        with self._lock:
            self._outbox.ended(begun)

    def wait(self, asked: Asked, timeout_s: float | None = None) -> list[Frame]:
        """Answers in order. Without timeout_s the deadline starts anew whenever the controller answers anything. Raises like `ask`."""
        limit_s = self._timeout_s + asked.device_s + _MARGIN_S if timeout_s is None else timeout_s
        now_s = time.monotonic()
        answered, end_s = self._answered, now_s + limit_s
        while not asked.wait(min(_BEAT_S, max(end_s - now_s, 0.0))):
            self.beat()
            now_s = time.monotonic()
            if timeout_s is None and answered != self._answered:
                answered, end_s = self._answered, now_s + limit_s
            elif now_s >= end_s:
                raise LinkTimeout(f"{self.address}: no answer within {limit_s:g} s")
        return asked.result()

    def drop_unsent(self, why: str) -> None:
        """Settle as NotSent whatever has not left this computer, so that what is asked next does not wait behind it."""
        with self._lock:
            self._outbox.drop_unsent(NotSent(f"{self.address}: not sent, {why}; nothing happened"))

    def emergency_stop(self) -> Asked:
        """Sixteen zero bytes and ESTOP, ahead of whatever waits here and in the operating system's queue."""
        # Without the lock: this also ends a write in progress, which holds it.
        self._port.discard_output()
        asked = Asked([EmergencyStop()])
        with self._lock:
            self.drop_unsent("an emergency stop came first")
            if self._fault is not None:
                asked.fail(0, self._fault_again(self._fault))
                return asked
            ticket, wire = self.endpoint.emergency_stop(self._clock())
            self._outbox.note(asked, ticket)
            self._try_to_write(wire)
        return asked

    # --- the owner

    def keep_alive(self, wanted: bool) -> None:
        """Whether the board is to be told that its owner lives: while a path is closed or pulses are allowed."""
        self._keeping_alive = wanted

    def beat(self) -> None:
        """The owner lives, although he asks nothing."""
        self._owner_ns = self._clock()

    def counts(self) -> WireCounts:
        seen = self.endpoint.counters
        kinds = (seen.sent, seen.received, seen.errors, seen.retransmitted, seen.late, seen.naks, seen.timeouts)
        return WireCounts("frames", *kinds, rejected=dict(seen.rejected))

    @property
    def down(self) -> bool:
        return self._fault is not None

    @property
    def taken(self) -> bool:
        """Whether another host has the controller."""
        return isinstance(self._fault, SessionTaken)

    def close(self) -> None:
        """Changes no output. Idempotent."""
        self._closing = True
        self._reader.join(timeout=2 * _MARGIN_S)
        self._fail(LinkLost(f"{self.address}: closed"))
        self._port.close()

    # --- inside, under the lock

    def _submit(self, asked: Asked) -> Asked:
        with self._lock:
            self._owner_ns = self._clock()
            if self._fault is not None:
                asked.fail_unsent(self._fault_again(self._fault))
            else:
                self._try_to_write(self._outbox.put(asked))
        return asked

    def _try_to_write(self, wire: bytes) -> None:
        """A line that fails settles every question with its error."""
        if not wire:
            return
        self._sent_ns = self._clock()
        wire, self._resync = self._resync + wire, b""
        try:
            self._port.write(wire)
        except LinkError as error:
            self._fail(error)

    # --- the reader

    def _run(self) -> None:
        try:
            while not self._closing and self._fault is None:
                data = self._port.read(_TICK_S)
                with self._lock:
                    if data:
                        self._take(data)
                    self._happened(self.endpoint.poll(self._clock()))
                    self._try_to_write(self._outbox.wire())
                    self._speak_for_owner()
        except DriverError as error:
            self._fail(error)
        except Exception as error:
            self._fail(LinkLost(f"{self.address}: the reader of the line failed: {error!r}"))
            raise

    def _take(self, data: bytes) -> None:
        self.received_bytes += len(data)
        if len(self.first_bytes) < 32:
            self.first_bytes = (self.first_bytes + data[:32])[:32]
        self._since_valid += len(data)
        now_ns = self._clock()
        for received in self._deframer.feed(data):
            if isinstance(received, Frame):
                self._since_valid = 0
                self._look_who_asked(received)
                self._happened(self.endpoint.receive(received, now_ns))
            elif isinstance(received, Rejected):
                self.endpoint.counters.reject(received)
                self._look_who_reads(now_ns)
        if self._since_valid > BABBLE_BYTES:
            raise ProtocolError(f"{self.address}: {self._since_valid} bytes without one frame of this protocol; is it the controller?")

    def _look_who_asked(self, frame: Frame) -> None:
        """An answer to somebody else: he has opened the same device, and waits for what was just read here.

        After HELLO was answered nothing of an earlier session comes any more, so he is at work now. A session of 0 only looks.
        """
        if frame.session not in (0, self.endpoint.session) and frame.kind is Kind.RESPONSE and frame.opcode in _TAKING_OVER:
            self._stand_aside()

    def _look_who_reads(self, now_ns: int) -> None:
        """Frames in pieces may mean that somebody else reads the rest of them."""
        if now_ns - self._looked_ns > _LOOK_S * 1e9:
            self._looked_ns = now_ns
            if self._port.shared_with_safety():
                self._stand_aside()

    def _stand_aside(self) -> None:
        if self._stands_aside and self.endpoint.open:
            self._fail(SessionTaken(f"{self.address}: another program speaks to the controller over this line; stood aside for it"))
            self._port.close()

    def _happened(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Answered):
                self._answered += event.ticket.opcode != Opcode.KEEPALIVE
                self._outbox.answered(event.ticket, event.frame)
            elif isinstance(event, Transmit):
                self._try_to_write(event.data)
            elif isinstance(event, Happened):
                self._outbox.happened(event.seq, event.message)
            elif isinstance(event, Abandoned):
                self._outbox.lost(event.ticket, self._lost(event.reason, event.ticket))
            elif isinstance(event, LinkDown):
                self._fail(self._lost(event.reason, None))

    def _speak_for_owner(self) -> None:
        if not self._keeping_alive:
            return
        now_ns = self._clock()
        due = now_ns - self._sent_ns >= KEEP_ALIVE_S * 1e9
        alive = now_ns - self._owner_ns <= OWNER_PATIENCE_S * 1e9 and threading.main_thread().is_alive()
        if due and alive and self.endpoint.open and self.endpoint.may_ask():
            self._try_to_write(self._outbox.wire_of_next(Asked([KeepAlive()])))

    # --- the end

    def _lost(self, reason: LostBy, ticket: Ticket | None) -> LinkError:
        kind = {LostBy.SILENCE: LinkTimeout, LostBy.SESSION: SessionTaken}.get(reason, LinkLost)
        asked = "" if ticket is None else f"{Opcode(ticket.opcode).name}: "
        return kind(f"{self.address}: {asked}{reason}; what it last did must be read back")

    def _fail(self, error: DriverError) -> None:
        with self._lock:
            if self._fault is None:
                self._fault = error
            self.endpoint.end(LostBy.LINE)
            self._outbox.fail_all(error)

    def _fault_again(self, fault: DriverError) -> DriverError:
        if isinstance(fault, ProtocolError):
            return ProtocolError(str(fault))
        kind = SessionTaken if isinstance(fault, SessionTaken) else LinkLost
        return kind(f"{self.address}: the link is down since: {fault}; open it again")
