"""The simulated crossbar controller: firmware_protocol on one side, the board on the other, no sockets and no clock.

Rule 1: it refuses what the real firmware must refuse, whoever asks: limits, unarmed pulses, used pulse ids, stale sessions.
Rule 2: silence of the session's owner while a path is closed or pulses are allowed isolates every junction.
"""

import zlib
from collections.abc import Callable

from firmware_protocol import codes, dictionary, messages
from firmware_protocol.codes import Capability, DeviceState, SafeReason, Status
from firmware_protocol.events import Execute, Role, Transmit
from firmware_protocol.framing import Deframer, Received, Rejected, StopMarker
from firmware_protocol.limits import Limits
from firmware_protocol.session import WINDOW, Endpoint
from simulator.instruments import Reply, adc
from simulator.instruments.crossbar_board import NO_DEVICE, BoardRefused, CrossbarBoard, Done
from simulator.instruments.pulse_log import PulseLog
from simulator.world import World

SERVED = Capability.DURABLE_PULSE_IDS


class Controller:
    """One board with its firmware. boot_id: non-zero, another one at every start. Says itself that it is simulated.

    limits: what the board was built for. wall_ns: wall time that a busy time takes; under a fast clock none, and none must then
    be credited to a host that says nothing. Not safe for threads: whoever hosts it calls from one at a time.
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
        self._wall_ns = wall_ns
        self._world = world
        self._serial = serial
        self._built_in = limits or Limits()
        self._last_pulse_id = 0
        self._start(boot_id, now_ns)

    def reboot(self, boot_id: int, now_ns: int) -> None:
        """Power cycle: everything isolated, session and limits of the host forgotten; the last pulse id is kept."""
        self._last_pulse_id = self._board.pulses.last
        self._start(boot_id, now_ns)

    def _start(self, boot_id: int, now_ns: int) -> None:
        if not 1 <= boot_id <= 0xFFFF:
            raise ValueError(f"boot_id is {boot_id}; the link carries 1 to 65535")
        self._endpoint = Endpoint(Role.DEVICE, boot_id=boot_id, able=SERVED)
        self._board = CrossbarBoard(self._world, self._built_in, PulseLog(self._last_pulse_id))
        self._booted_ns = now_ns
        self._busy_until_ns = 0
        self._owner = 0
        self._dictionary = dictionary.encode(self._describe())

    @property
    def state(self) -> DeviceState:
        return self._board.state

    @property
    def safe_reason(self) -> SafeReason:
        return self._board.safe_reason

    def connect(self) -> "ControllerPort":
        """A new client. Changes nothing."""
        return ControllerPort(self)

    def tick(self, now_ns: int) -> None:
        """The dead man. now_ns: wall time, monotonic. A command that still runs counts as having been heard."""
        heard_ns = max(self._endpoint.heard_ns, self._busy_until_ns)
        if self._board.dead_man_armed and now_ns - heard_ns >= self._board.limits.dead_man_ms * 1_000_000:
            self._board.isolate(SafeReason.DEAD_MAN)

    def receive(self, received: Received, now_ns: int) -> Reply:
        """What one frame, or what was none, brings about."""
        if isinstance(received, StopMarker):
            return Reply(busy_ns=self._board.stop().busy_ns)
        if isinstance(received, Rejected):
            self._endpoint.counters.reject(received)
            return Reply()
        data, busy_ns = b"", 0
        for event in self._endpoint.receive(received, now_ns):
            if isinstance(event, Execute):
                wire, took_ns = self._execute(event, now_ns)
                data, busy_ns = data + wire, busy_ns + took_ns
            elif isinstance(event, Transmit):
                data += event.data
        if wall_ns := self._wall_ns(busy_ns):
            self._busy_until_ns = max(self._busy_until_ns, now_ns) + wall_ns
        return Reply(data, busy_ns)

    def _execute(self, event: Execute, now_ns: int) -> tuple[bytes, int]:
        try:
            done = self._answer(event, now_ns)
        except BoardRefused as error:
            return self._endpoint.respond(event.frame, error.status, error.payload), 0
        return self._endpoint.respond(event.frame, Status.OK, done.answer.encode()), done.busy_ns

    def _answer(self, event: Execute, now_ns: int) -> Done:
        message = event.message
        if isinstance(message, messages.Hello):
            return Done(self._hello(event.frame.session, now_ns))
        if isinstance(message, messages.GetDict):
            return Done(self._get_dict(message))
        if isinstance(message, messages.GetStatus):
            return Done(self._status(now_ns))
        return self._board.execute(message)

    def _describe(self) -> dictionary.Dictionary:
        return dictionary.Dictionary(
            vendor="MTJ-HIL",
            model="XB-32 (simulated)",
            serial=self._serial,
            firmware="sim-1.0.0",
            protocol=dictionary.this_version(),
            geometry=self._world.geometry,
            limits=self._built_in,
            adc_zero_code=adc.ZERO_CODE,
            adc_code_pa=adc.CODE_PA,
            origin=dictionary.Origin(simulated=True, seed=self._world.seed),
            messages=dictionary.message_table(),
        )

    def _hello(self, session: int, now_ns: int) -> messages.HelloResponse:
        if self._board.state is DeviceState.ARMED and session != self._owner:
            # Nothing is driven between pulses, so this changes no output; the new owner has to arm for himself.
            self._board.isolate(SafeReason.NEW_SESSION)
        self._owner = session
        geometry = self._world.geometry
        return messages.HelloResponse(
            protocol_major=codes.PROTOCOL_MAJOR,
            protocol_minor=codes.PROTOCOL_MINOR,
            window=WINDOW,
            state=self._board.state,
            max_payload=codes.MAX_PAYLOAD,
            kernels=geometry.kernels,
            rows=geometry.rows,
            columns=geometry.columns,
            adc_zero_code=adc.ZERO_CODE,
            adc_code_pa=adc.CODE_PA,
            dict_size=len(self._dictionary),
            dict_crc32=zlib.crc32(self._dictionary),
            limits_crc32=self._board.limits.crc32,
            last_pulse_id=self._board.pulses.last,
            uptime_ms=self._uptime_ms(now_ns),
            capabilities=self._endpoint.capabilities & SERVED,
            encoded_limits=self._board.limits.encode(),
        )

    def _get_dict(self, request: messages.GetDict) -> messages.DictChunk:
        if request.offset > len(self._dictionary):
            raise BoardRefused(Status.REFUSED_RANGE, request.offset, len(self._dictionary))
        length = min(request.length, codes.MAX_PAYLOAD - messages.DictChunk.layout.size)
        return messages.DictChunk(request.offset, self._dictionary[request.offset : request.offset + length])

    def _status(self, now_ns: int) -> messages.StatusResponse:
        board = self._board
        return messages.StatusResponse(
            state=board.state,
            route=board.route,
            safe_reason=board.safe_reason,
            operation=0,
            device=NO_DEVICE if board.device is None else board.device,
            session=self._endpoint.session,
            last_pulse_id=board.pulses.last,
            pulses=board.pulses.total,
            reads=board.reads,
            rejected_frames=sum(self._endpoint.counters.rejected.values()),
            limits_crc32=board.limits.crc32,
            uptime_ms=self._uptime_ms(now_ns),
        )

    def _uptime_ms(self, now_ns: int) -> int:
        return (now_ns - self._booted_ns) // 1_000_000 & 0xFFFF_FFFF


class ControllerPort:
    """One client's byte stream to the board. Several clients share the one session; only its owner is obeyed."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._deframer = Deframer()

    def feed(self, data: bytes, now_ns: int) -> Reply:
        """Take bytes in any split; what they complete is executed at once, in order."""
        self._controller.tick(now_ns)
        replies = [self._controller.receive(received, now_ns) for received in self._deframer.feed(data)]
        return Reply(b"".join(reply.data for reply in replies), sum(reply.busy_ns for reply in replies))

    def close(self) -> None:
        """The client is gone. Changes no output: that is the dead man's business."""
        self._deframer = Deframer()
