"""The simulated crossbar controller: firmware_protocol on one side, the board on the other, no sockets and no clock of its own.

Rule 1: it refuses what the real firmware must refuse, whoever asks: limits, unarmed pulses, used pulse ids, stale sessions.
Rule 2: silence of the session's owner while a path is closed, pulses are allowed or anything runs ends that and isolates every junction.
Rule 3: an answer goes to whoever asked; an event to where the owner of the session spoke last.
"""

from collections.abc import Callable

from firmware_protocol import messages
from firmware_protocol.codes import ALL_CAPABILITIES, DeviceState, EventCode, Opcode, SafeReason, Status
from firmware_protocol.events import Execute, Role, Transmit
from firmware_protocol.framing import Frame, Kind, Received, Rejected
from firmware_protocol.limits import Limits
from firmware_protocol.rules import rule_for
from firmware_protocol.session import Endpoint
from simulator.instruments import controller_identity as identity
from simulator.instruments.calibration import Calibration
from simulator.instruments.controller_operations import MILLISECOND_NS
from simulator.instruments.controller_port import ControllerPort
from simulator.instruments.controller_requests import BEGIN
from simulator.instruments.controller_work import Asked, Begun, BoardWork
from simulator.instruments.crossbar_board import CrossbarBoard
from simulator.instruments.crossbar_lines import built_in_order
from simulator.instruments.pulse_log import PulseLog
from simulator.instruments.refused import BoardRefused
from simulator.instruments.scanning import Scanning
from simulator.world import World

BLOCKS_WAITING = 2
"""Blocks of READ_DIE that may wait to be taken."""


class Controller:
    """One board with its firmware; a StreamInstrument. boot_id: non-zero, another one at every start. Says itself that it is simulated.

    limits: what the board was built for. wall_ns: wall time that a busy time takes; under a fast clock none, and none must then
    be credited to a host that says nothing. wake: called when something is due for a client that did not just speak.
    Not safe for threads: whoever hosts it calls from one at a time.
    """

    def __init__(
        self,
        world: World,
        *,
        boot_id: int,
        serial: str = "SIM-XB-0001",
        limits: Limits | None = None,
        now_ns: int = 0,
        wall_ns: Callable[[int], int] = lambda busy_ns: busy_ns,
    ) -> None:
        self.wake: Callable[[], None] = lambda: None
        self._wall_ns = wall_ns
        self._world = world
        self._built_in = limits or Limits()
        self._dictionary = identity.describe(world.geometry, self._built_in, serial, world.seed)
        self._calibration = Calibration(world.geometry, built_in_order(world))
        self._ports: list[ControllerPort] = []
        self._present: ControllerPort | None = None
        self._start(boot_id, now_ns, PulseLog())
        world.trigger.measured.listen(self._measured)

    def reboot(self, boot_id: int, now_ns: int) -> None:
        """Power cycle: everything isolated, nothing remembered but the last pulse id and the calibration."""
        self.tick(now_ns)
        self._start(boot_id, now_ns, PulseLog(self._board.pulses.last))
        for port in self._ports:
            port.reset()

    def _start(self, boot_id: int, now_ns: int, pulses: PulseLog) -> None:
        if not 1 <= boot_id <= 0xFFFF:
            raise ValueError(f"boot_id is {boot_id}; the link carries 1 to 65535")
        self._endpoint = Endpoint(Role.DEVICE, boot_id=boot_id, able=ALL_CAPABILITIES)
        self._board = CrossbarBoard(self._world, self._built_in, pulses, self._calibration)
        self._work = BoardWork(self._board, self, self._wall_ns, now_ns)
        self._booted_ns = now_ns
        self._owner = 0
        self._listener: ControllerPort | None = None

    @property
    def state(self) -> DeviceState:
        return self._board.state

    @property
    def safe_reason(self) -> SafeReason:
        return self._board.safe_reason

    def connect(self) -> ControllerPort:
        """A new client. Changes nothing."""
        self._ports.append(ControllerPort(self))
        return self._ports[-1]

    def tick(self, now_ns: int) -> None:
        """Do what is due, the dead man's part above all. now_ns: wall time, monotonic."""
        self._work.advance(now_ns, self._endpoint.heard_ns)

    def trigger(self, now_ns: int) -> None:
        """An edge on the wire from the SMU."""
        self._world.trigger.measured.edge(now_ns)

    def _measured(self, now_ns: int) -> None:
        running = self._work.running
        if running is None or not isinstance(running.operation, Scanning):
            return
        scan = running.operation
        scan.edge(now_ns)
        due_ns = scan.due_ns()
        if scan.done == scan.total:
            self.wake()
        elif due_ns is not None:
            # By the agenda and not by waking everybody's line: an edge comes up to 11,200 times a second.
            self._world.agenda.at(due_ns, self.tick)

    # --- what the ports ask of it
    def enter(self, port: ControllerPort, now_ns: int) -> None:
        """A client speaks or listens: bring everything up to now. What others get until it leaves wakes the host."""
        self._present = port
        if not self._work.idle or self._board.dead_man_armed:
            self.tick(now_ns)

    def leave(self) -> None:
        self._present = None

    def forget(self, port: ControllerPort) -> None:
        if port in self._ports:
            self._ports.remove(port)

    def next_ns(self, now_ns: int) -> int | None:
        """When something is due next."""
        return self._work.due_ns(now_ns, self._endpoint.heard_ns)

    def receive(self, port: ControllerPort, received: Received, now_ns: int) -> None:
        """What one frame, or what was none, brings about."""
        if isinstance(received, Frame):
            self._frame(port, received, now_ns)
        elif isinstance(received, Rejected):
            self._endpoint.counters.reject(received)
        else:
            self._work.stop(now_ns)
        if not self._work.idle:
            self.tick(now_ns)

    # --- what the work has to say
    def answer(self, asked: Asked, status: Status, payload: bytes) -> None:
        self._send(asked.port, self._endpoint.respond(asked.frame, status, payload))

    def _send(self, port: ControllerPort, wire: bytes) -> None:
        port.answer(wire)
        if port is not self._present:
            self.wake()

    def tell(self, begun: Begun, event: messages.EventMessage) -> None:
        port = self._listener
        if port is None:
            return
        wire = self._endpoint.event(begun.frame.seq, event, begun.frame.session)
        port.event(wire, event.opcode is EventCode.BLOCK)
        if port is not self._present:
            self.wake()

    def has_room(self) -> bool:
        return self._listener is None or self._listener.blocks < BLOCKS_WAITING

    # --- requests
    def _frame(self, port: ControllerPort, frame: Frame, now_ns: int) -> None:
        if frame.kind is Kind.REQUEST and frame.opcode != Opcode.HELLO and self._endpoint.owns(frame):
            self._listener = port
        for event in self._endpoint.receive(frame, now_ns):
            if isinstance(event, Transmit):
                self._send(port, event.data)
            elif isinstance(event, Execute):
                asked = Asked(port, event.frame, event.message, now_ns)
                if rule_for(frame.opcode).ordered:
                    self._work.ask(asked)
                else:
                    self._at_once(asked)

    def _at_once(self, asked: Asked) -> None:
        """What waits for nothing: HELLO, questions, the emergency stop."""
        try:
            answer = self._said(asked)
        except BoardRefused as error:
            self.answer(asked, error.status, error.payload)
        else:
            self.answer(asked, Status.OK, answer.encode())

    def _said(self, asked: Asked) -> messages.Message:
        message, uptime_ms = asked.message, (asked.at_ns - self._booted_ns) // MILLISECOND_NS & 0xFFFF_FFFF
        if isinstance(message, messages.EmergencyStop):
            self._work.stop(asked.at_ns)
            return messages.Empty()
        if isinstance(message, messages.Hello):
            self._welcome(asked)
            return identity.welcome(self._board, self._endpoint, message, self._dictionary, uptime_ms)
        if isinstance(message, messages.GetDict):
            return identity.chunk(self._dictionary, message)
        if isinstance(message, messages.GetStatus):
            running = self._work.running
            return identity.status(self._board, self._endpoint, 0 if running is None else running.frame.opcode, uptime_ms)
        if isinstance(message, messages.Operation):
            return self._operation(message)
        if isinstance(message, messages.Result):
            latest = self._latest(message.of_session, message.of_seq)
            return messages.ResultResponse(message.of_session, message.of_seq, message.part, latest.operation.result(message.part))
        answer = BEGIN[type(message)](self._board, message)
        assert isinstance(answer, messages.Message)
        return answer

    def _welcome(self, asked: Asked) -> None:
        """A new session takes over; the same one again changes nothing."""
        if asked.frame.session != self._owner:
            operated = self._work.abandon(asked.at_ns)
            if operated or self._board.state is DeviceState.ARMED:
                # Nothing is driven between pulses, so this changes no output; the new owner has to arm for himself.
                self._board.isolate(SafeReason.NEW_SESSION)
        self._owner = self._board.pulses.session = asked.frame.session
        self._listener = asked.port

    def _latest(self, session: int, seq: int) -> Begun:
        """The operation that was asked after. Raises BoardRefused unless it is the latest one."""
        latest = self._work.latest
        if latest is None or (latest.frame.session, latest.frame.seq) != (session, seq):
            raise BoardRefused(Status.REFUSED_RANGE, seq, 0 if latest is None else latest.frame.seq)
        return latest

    def _operation(self, message: messages.Operation) -> messages.OperationResponse:
        latest = self._work.latest
        if latest is None or (message.of_session, message.of_seq) != (0, 0):
            latest = self._latest(message.of_session, message.of_seq)
        operation = latest.operation
        return messages.OperationResponse(
            of_session=latest.frame.session,
            of_seq=latest.frame.seq,
            of_opcode=latest.frame.opcode,
            state=operation.state,
            done=operation.done,
            total=operation.total,
            first_pulse_id=operation.first_pulse_id,
            pulses=operation.pulses,
            remaining_ms=operation.remaining_ms(),
        )
