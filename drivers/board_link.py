"""Questions and answers with the controller: a reader thread, an outbox before the window, every question ending by its deadline.

Rule 1: one lock guards the endpoint and the order of what is written; it is held for one write that stands still at most, and
an emergency stop ends that write.
Rule 2: asking never waits for the window: what does not fit waits in the outbox, from which the reader fills the window as
answers come. An emergency stop empties the outbox; what was never sent is said to be so. Who no longer waits for an answer
takes back what was not sent, and an order that was sent then ends the link: nothing happens after its caller has gone on.
Rule 3: the keep-alive speaks for the owner, not for the process: it goes on for OWNER_PATIENCE_S after the owner's last
call (or `beat`; waiting for an answer counts) and then stops, so that the board's dead man also works when the owner hangs.
Rule 4: once the link is down it stays down; who wants to go on opens another one.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from drivers.board_asked import Asked, Begun
from drivers.board_faults import SessionTaken, again, lost
from drivers.board_incoming import Incoming, Neighbours
from drivers.board_outbox import Outbox
from drivers.board_owner import Owner
from drivers.errors import DriverError, LinkError, LinkLost, LinkTimeout, NotSent
from drivers.links.serial import ByteLink
from drivers.values import WireCounts
from firmware_protocol.codes import Opcode
from firmware_protocol.events import Abandoned, Answered, Event, Happened, LinkDown, LostBy, Transmit
from firmware_protocol.framing import DELIMITER, Frame
from firmware_protocol.messages import EmergencyStop, KeepAlive, Request
from firmware_protocol.rules import rule_for
from firmware_protocol.session import Endpoint

__all__ = ["BoardLink", "SessionTaken"]

_TICK_S = 0.02
_BEAT_S = 1.0
_MARGIN_S = 1.0
_INTERRUPTED = "whoever asked was interrupted"


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
        self.incoming = Incoming(port.address)
        self._port = port
        self._timeout_s = timeout_s
        self._clock = clock
        self._stands_aside = stands_aside
        self._lock = threading.RLock()
        self._outbox = Outbox(port.address, endpoint, clock)
        self._answered = 0
        self._neighbours = Neighbours(port.shared_with_safety)
        self._fault: DriverError | None = None
        self._stopping = deque[None]()
        self._closing = False
        # Ends whatever half frame the line may still hold from before.
        self._resync = DELIMITER
        self._sent_ns = clock()
        self._owner = Owner(self._sent_ns)
        self._reader = threading.Thread(target=self._run, name=f"reader of {port.address}", daemon=True)
        self._reader.start()

    # --- asking

    def ask(self, message: Request, device_s: float = 0.0, timeout_s: float | None = None) -> Frame:
        """Send and wait. device_s: how long the board may take by itself, s. timeout_s: shorter deadline, s.

        Raises LinkTimeout, LinkLost, ProtocolError, NotSent.
        """
        return self.wait_for(Asked([message], device_s), timeout_s)[0]

    def ask_all(self, messages: Sequence[Request], device_s: float = 0.0) -> list[Frame]:
        """Answers in order, as many questions under way at once as the controller allows. device_s: of each. Raises like `ask`."""
        return self.wait_for(Asked(messages, device_s))

    def wait_for(self, asked: Asked, timeout_s: float | None = None) -> list[Frame]:
        """Ask it and `wait`. Whatever is raised: if `asked.sent` is 0 then, it never will be."""
        try:
            self._submit(asked)
            return self.wait(asked, timeout_s)
        except BaseException:
            self._leave(asked, _INTERRUPTED)
            raise

    def submit(self, messages: Sequence[Request], device_s: float = 0.0) -> Asked:
        """Ask without waiting. Never raises: what cannot be sent is settled with its error at once."""
        return self._submit(Asked(messages, device_s))

    def begin(self, message: Request) -> Begun:
        """Ask for a long operation. Its events are kept until `end` is called."""
        self._submit(begun := Begun(message))
        return begun

    def end(self, begun: Begun) -> None:
        """Nobody listens to this operation any more."""
        with self._lock:
            self._outbox.ended(begun)

    def wait(self, asked: Asked, timeout_s: float | None = None) -> list[Frame]:
        """Answers in order. Without timeout_s the deadline starts anew whenever the controller answers anything. Raises like `ask`;
        then nothing of it is sent any more."""
        try:
            return self._wait(asked, timeout_s)
        except BaseException:
            self._leave(asked, _INTERRUPTED)
            raise

    def _wait(self, asked: Asked, timeout_s: float | None) -> list[Frame]:
        limit_s = self._timeout_s + asked.device_s + _MARGIN_S if timeout_s is None else timeout_s
        now_s = time.monotonic()
        answered, end_s = self._answered, now_s + limit_s
        while not asked.wait(min(_BEAT_S, max(end_s - now_s, 0.0))):
            self.beat()
            now_s = time.monotonic()
            if timeout_s is None and answered != self._answered:
                answered, end_s = self._answered, now_s + limit_s
            elif now_s >= end_s:
                self._leave(asked, f"no room for it within {limit_s:g} s")
                if asked.complete:
                    break
                raise LinkTimeout(f"{self.address}: no answer within {limit_s:g} s")
        return asked.result()

    def _leave(self, asked: Asked, why: str) -> None:
        """Nobody waits for it any more. What was not sent is taken back. An order that was sent is not sent again after its
        caller has gone on: the link ends."""
        if asked.complete:
            return
        with self._lock:
            self._outbox.withdraw(asked, NotSent(f"{self.address}: not sent, {why}; nothing happened"))
            if not asked.complete and any(rule_for(message.opcode).ordered for message in asked.messages[: asked.sent]):
                self._fail(LinkTimeout(f"{self.address}: {asked.messages[0].opcode.name} was given up before its answer came"))

    def drop_unsent(self, why: str) -> None:
        """Settle as NotSent whatever has not left this computer, so that what is asked next does not wait behind it."""
        with self._lock:
            self._outbox.drop_unsent(NotSent(f"{self.address}: not sent, {why}; nothing happened"))

    def emergency_stop(self) -> Asked:
        """Sixteen zero bytes and ESTOP, ahead of whatever waits here and in the operating system's queue."""
        asked = Asked([EmergencyStop()])
        # Without the lock: this also ends a write in progress, which holds it, and lets no other begin.
        self._stopping.append(None)
        try:
            self._port.discard_output()
            with self._lock:
                self._port.discard_output()  # What went out in between.
                self.drop_unsent("an emergency stop came first")
                if self._fault is not None:
                    asked.fail(0, again(self.address, self._fault))
                    return asked
                ticket, wire = self.endpoint.emergency_stop(self._clock())
                self._outbox.note(asked, ticket)
                self._write(wire)
        finally:
            self._stopping.pop()
        return asked

    # --- the owner

    def keep_alive(self, wanted: bool) -> None:
        """Whether the board is to be told that its owner lives although nothing is asked: while a path is closed or pulses are allowed."""
        self._owner.keeping_alive = wanted

    def beat(self) -> None:
        """The owner lives, although he asks nothing."""
        self._owner.calls(self._clock())

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

    def give_up(self, error: SessionTaken) -> None:
        """Another host was found to have the controller: every later use says so."""
        with self._lock:
            self._fail(error)
            self._fault = error

    def close(self) -> None:
        """Changes no output. Idempotent."""
        self._closing = True
        self._reader.join(timeout=2 * _MARGIN_S)
        self._fail(LinkLost(f"{self.address}: closed"))
        self._port.close()

    # --- inside, under the lock

    def _submit(self, asked: Asked) -> Asked:
        with self._lock:
            self._owner.calls(self._clock())
            if self._fault is not None:
                asked.fail_unsent(again(self.address, self._fault))
            elif self._stopping:
                asked.fail_unsent(NotSent(f"{self.address}: not sent, an emergency stop came first; nothing happened"))
            else:
                self._try_to_write(self._outbox.put(asked))
        return asked

    def _try_to_write(self, wire: bytes) -> None:
        """Nothing while an emergency stop waits for the lock, or once the line has failed: one write may stand still, not eight."""
        if wire and not self._stopping and self._fault is None:
            self._write(wire)

    def _write(self, wire: bytes) -> None:
        """A line that fails settles every question with its error."""
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
                    if not self._stopping:
                        self._try_to_write(self._outbox.wire())
                    self._speak_for_owner()
        except DriverError as error:
            self._fail(error)
        except Exception as error:
            self._fail(LinkLost(f"{self.address}: the reader of the line failed: {error!r}"))
            raise

    def _take(self, data: bytes) -> None:
        now_ns = self._clock()
        for received in self.incoming.feed(data):
            if isinstance(received, Frame):
                if self._neighbours.heard(received, self.endpoint.session):
                    self._stand_aside()
                self._happened(self.endpoint.receive(received, now_ns))
            else:
                self.endpoint.counters.reject(received)
                if self._neighbours.read(now_ns):
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
                self._outbox.lost(event.ticket, lost(self.address, event.reason, event.ticket))
            elif isinstance(event, LinkDown):
                self._fail(lost(self.address, event.reason, None))

    def _speak_for_owner(self) -> None:
        wanted = self._owner.to_be_spoken_for(self._outbox.outstanding, self._sent_ns, self._clock())
        if wanted and self.endpoint.open:
            self._try_to_write(self._outbox.wire_of_next(Asked([KeepAlive()])))

    # --- the end

    def _fail(self, error: DriverError) -> None:
        with self._lock:
            if self._fault is None:
                self._fault = error
            self.endpoint.end(LostBy.LINE)
            self._outbox.fail_all(error)
