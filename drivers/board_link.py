"""Questions and answers with the controller: a reader thread, a future per question, every one ending by its deadline.

Rule 1: one lock guards the endpoint and the order of what is written; it is held for one write at most (0.5 s).
Rule 2: the keep-alive speaks for the owner, not for the process: it goes on for OWNER_PATIENCE_S after the owner's last
call (or `beat`) and then stops, so that the board's dead man also works when the owner hangs.
Rule 3: once the link is down it stays down; who wants to go on opens another one.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

from drivers.errors import DriverError, LinkError, LinkLost, LinkTimeout, ProtocolError
from drivers.links.serial import ByteLink
from drivers.protocols import WireCounts
from firmware_protocol.codes import Opcode
from firmware_protocol.events import Abandoned, Answered, Event, LinkDown, LostBy, Transmit
from firmware_protocol.framing import Deframer, Frame, Rejected
from firmware_protocol.messages import KeepAlive, Request
from firmware_protocol.questions import Ticket
from firmware_protocol.rules import rule_for
from firmware_protocol.session import Endpoint, NotOpen

KEEP_ALIVE_S = 0.5
OWNER_PATIENCE_S = 5.0
BABBLE_BYTES = 1_000_000
"""Bytes without a valid frame after which the peer is taken for something else."""
_TICK_S = 0.02
_MARGIN_S = 1.0


class SessionTaken(LinkLost):
    """Another host has the controller now. Whoever takes it back unasked fights with him over the outputs."""


class BoardLink:
    """One session on one line. timeout_s: deadline of an answer, beyond what the board itself may take.

    clock: monotonic time, ns.
    """

    def __init__(self, port: ByteLink, endpoint: Endpoint, timeout_s: float, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self.address = port.address
        self.endpoint = endpoint
        self.received_bytes = 0
        self.first_bytes = b""
        self._port = port
        self._timeout_s = timeout_s
        self._clock = clock
        self._changed = threading.Condition()
        self._futures: dict[Ticket, Future[Frame]] = {}
        self._deframer = Deframer()
        self._since_valid = 0
        self._fault: DriverError | None = None
        self._closing = False
        self._keeping_alive = False
        self._owner_ns = self._sent_ns = clock()
        self._reader = threading.Thread(target=self._run, name=f"reader of {port.address}", daemon=True)
        self._reader.start()

    def ask(self, message: Request, device_s: float = 0.0, timeout_s: float | None = None) -> Frame:
        """Send and wait. device_s: how long the board may take by itself, s. timeout_s: shorter deadline, s.

        Raises LinkTimeout, LinkLost, ProtocolError.
        """
        return self.wait(self.submit(message, device_s), device_s, timeout_s)

    def wait(self, future: "Future[Frame]", device_s: float = 0.0, timeout_s: float | None = None) -> Frame:
        limit_s = self._timeout_s + device_s + _MARGIN_S if timeout_s is None else timeout_s
        try:
            return future.result(limit_s)
        except TimeoutError as error:
            raise LinkTimeout(f"{self.address}: no answer within {limit_s:g} s") from error

    def submit(self, message: Request, device_s: float = 0.0) -> "Future[Frame]":
        """Send, and wait only while the window is full. Raises like `ask`."""
        ordered = rule_for(message.opcode).ordered
        with self._changed:
            self._owner_ns = self._clock()
            if not self._changed.wait_for(lambda: self._fault or not ordered or self.endpoint.may_ask(), self._timeout_s):
                raise LinkTimeout(f"{self.address}: the window of requests stayed full for {self._timeout_s:g} s")
            self._raise_fault()
            try:
                ticket, wire = self.endpoint.request(message, self._clock(), round(device_s * 1e9))
            except NotOpen as error:
                raise LinkLost(f"{self.address}: {error}") from error
            return self._sent(ticket, wire)

    def emergency_stop(self) -> "Future[Frame]":
        """Sixteen zero bytes and ESTOP, ahead of whatever waits in the operating system's queue."""
        with self._changed:
            self._raise_fault()
            self._port.discard_output()
            return self._sent(*self.endpoint.emergency_stop(self._clock()))

    def keep_alive(self, wanted: bool) -> None:
        """Whether the board is to be told that its owner lives: while a path is closed or pulses are allowed."""
        self._keeping_alive = wanted

    def beat(self) -> None:
        """The owner lives, although he asks nothing."""
        self._owner_ns = self._clock()

    def counts(self) -> WireCounts:
        counters = self.endpoint.counters
        return WireCounts("frames", counters.sent, counters.received, counters.errors, counters.retransmitted)

    @property
    def down(self) -> bool:
        return self._fault is not None

    def close(self) -> None:
        """Changes no output. Idempotent."""
        self._closing = True
        self._reader.join(timeout=2 * _MARGIN_S)
        self._fail(LinkLost(f"{self.address}: closed"))
        self._port.close()

    def _sent(self, ticket: Ticket, wire: bytes) -> "Future[Frame]":
        future: Future[Frame] = Future()
        self._futures[ticket] = future
        self._write(wire)
        return future

    def _write(self, wire: bytes) -> None:
        self._sent_ns = self._clock()
        try:
            self._port.write(wire)
        except LinkError as error:
            self._fail(error)
            raise

    def _run(self) -> None:
        try:
            while not self._closing and self._fault is None:
                data = self._port.read(_TICK_S)
                with self._changed:
                    self._take(data)
                    self._happened(self.endpoint.poll(self._clock()))
                    self._speak_for_owner()
        except DriverError as error:
            self._fail(error)

    def _take(self, data: bytes) -> None:
        self.received_bytes += len(data)
        self.first_bytes = (self.first_bytes + data[:32])[:32]
        self._since_valid += len(data)
        for received in self._deframer.feed(data):
            if isinstance(received, Frame):
                self._since_valid = 0
                self._happened(self.endpoint.receive(received, self._clock()))
            elif isinstance(received, Rejected):
                self.endpoint.counters.reject(received)
        if self._since_valid > BABBLE_BYTES:
            raise ProtocolError(f"{self.address}: {self._since_valid} bytes without one frame of this protocol; is it the controller?")

    def _happened(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Transmit):
                self._write(event.data)
            elif isinstance(event, Answered):
                self._futures.pop(event.ticket).set_result(event.frame)
            elif isinstance(event, Abandoned):
                self._futures.pop(event.ticket).set_exception(self._lost(event.reason, event.ticket))
            elif isinstance(event, LinkDown):
                self._fail(self._lost(event.reason, None))
        if events:
            self._changed.notify_all()

    def _speak_for_owner(self) -> None:
        now_ns = self._clock()
        due = now_ns - self._sent_ns >= KEEP_ALIVE_S * 1e9
        alive = now_ns - self._owner_ns <= OWNER_PATIENCE_S * 1e9 and threading.main_thread().is_alive()
        if self._keeping_alive and due and alive and self.endpoint.open and self.endpoint.may_ask():
            self._sent(*self.endpoint.request(KeepAlive(), now_ns))

    def _lost(self, reason: LostBy, ticket: Ticket | None) -> LinkError:
        kind = {LostBy.SILENCE: LinkTimeout, LostBy.SESSION: SessionTaken}.get(reason, LinkLost)
        asked = "" if ticket is None else f"{Opcode(ticket.opcode).name}: "
        return kind(f"{self.address}: {asked}{reason}; what it last did must be read back")

    def _fail(self, error: DriverError) -> None:
        with self._changed:
            if self._fault is None:
                self._fault = error
            self.endpoint.end(LostBy.LINE)
            for future in self._futures.values():
                future.set_exception(error)
            self._futures.clear()
            self._changed.notify_all()

    def _raise_fault(self) -> None:
        if isinstance(self._fault, ProtocolError):
            raise ProtocolError(str(self._fault)) from self._fault
        if self._fault is not None:
            kind = SessionTaken if isinstance(self._fault, SessionTaken) else LinkLost
            raise kind(f"{self.address}: the link is down since: {self._fault}; open it again") from self._fault
