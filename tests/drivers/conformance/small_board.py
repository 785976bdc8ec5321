"""A small board that keeps every rule, made to be broken: each mutant in test_mutants.py overrides one method of it.

The session is the protocol's own; the rest is as much of a board as the rules can see, without physics. Time is the caller's.
"""

import struct
import zlib

from firmware_protocol import codes, dictionary, messages
from firmware_protocol.codes import ALL_CAPABILITIES, NO_DEVICE, Capability, DeviceState, OperationState, Route, SafeReason, Status
from firmware_protocol.events import Execute, Role, Transmit
from firmware_protocol.framing import Deframer, Frame, Received, Rejected, StopMarker
from firmware_protocol.geometry import Geometry
from firmware_protocol.limits import Limits
from firmware_protocol.messages import Message, Refusal, Request
from firmware_protocol.rules import refusal, rule_for
from firmware_protocol.session import WINDOW, Endpoint

GEOMETRY = Geometry(2, 4, 5)
_ZERO_CODE, _CODE_PA = 22_282, 38_147
_WELCOME_AVERAGES = range(1, 4097)


class No(Exception):
    """A request that is refused."""

    def __init__(self, status: Status, value: int = 0, limit: int = 0) -> None:
        super().__init__(status.name)
        self.status, self.payload = status, Refusal(value, limit).encode()


class SmallBoard:
    """feed and take like an instrument's stream; pulses counts what was driven, and stays 0."""

    def __init__(self, able: Capability = ALL_CAPABILITIES) -> None:
        self.able = able
        self.limits = Limits()
        self.state, self.reason, self.route = DeviceState.SAFE, SafeReason.BOOT, Route.NONE
        self.reads = self.pulses = self.last_pulse_id = self.stops = 0
        self.now_ns = 0
        self.running: Frame | None = None
        self.over: tuple[Frame, OperationState, int] | None = None
        self.kernels_sent = self.kernels_asked = self.kernel_ns = self.ready_ns = 0
        self.endpoint = self.make_endpoint()
        self.deframer = Deframer()
        self.out: list[bytes] = []

    def make_endpoint(self) -> Endpoint:
        return Endpoint(Role.DEVICE, boot_id=0x0707, able=self.able)

    def describe(self) -> bytes:
        return dictionary.encode(
            dictionary.Dictionary(
                "MTJ-HIL", "small", "T1", "1.0", dictionary.this_version(), GEOMETRY, Limits(), _ZERO_CODE, _CODE_PA,
                dictionary.Origin(True, None), dictionary.message_table(),
            )
        )  # fmt: skip

    # --- the line
    def feed(self, data: bytes, now_ns: int) -> None:
        self.now_ns = now_ns
        self.tick()
        for received in self.deframer.feed(data):
            self.receive(received)

    def take(self, now_ns: int) -> bytes:
        self.now_ns = now_ns
        self.tick()
        if not self.out:
            self.work()
        return self.out.pop(0) if self.out else b""

    def tick(self) -> None:
        silent_ns = self.now_ns - self.endpoint.heard_ns
        watched = self.state in (DeviceState.SELECTED, DeviceState.ARMED) or self.running is not None
        if watched and silent_ns >= self.limits.dead_man_ms * 1_000_000:
            self.isolate(SafeReason.DEAD_MAN)

    def receive(self, received: Received) -> None:
        if isinstance(received, StopMarker):
            self.stop()
        elif isinstance(received, Rejected):
            self.count_rejected(received)
        else:
            self.hear(received)

    def count_rejected(self, rejected: Rejected) -> None:
        self.endpoint.counters.reject(rejected)

    def hear(self, frame: Frame) -> None:
        for event in self.endpoint.receive(frame, self.now_ns):
            if isinstance(event, Transmit):
                self.out.append(event.data)
            elif isinstance(event, Execute):
                self.out.append(self.execute(event.frame, event.message))

    def execute(self, frame: Frame, message: Request) -> bytes:
        try:
            status, answer = self.answer(frame, message)
        except No as error:
            return self.endpoint.respond(frame, error.status, error.payload)
        return self.endpoint.respond(frame, status, answer.encode())

    # --- what it does
    def answer(self, frame: Frame, message: Request) -> tuple[Status, Message]:
        if self.running is not None and not rule_for(message.opcode).while_running:
            raise No(Status.BUSY, self.running.opcode, 1)
        self.check_state(message)
        if isinstance(message, messages.ReadDie):
            return Status.ACCEPTED, self.read_die(frame, message)
        return Status.OK, getattr(self, "do_" + message.opcode.name.lower())(frame, message)

    def check_state(self, message: Request) -> None:
        forbidden = refusal(message.opcode, self.state)
        if forbidden is not None:
            raise No(forbidden, self.state)

    def isolate(self, reason: SafeReason) -> None:
        if self.running is not None:
            self.finish(OperationState.DEAD_MAN if reason is SafeReason.DEAD_MAN else OperationState.ABORTED)
        self.state, self.reason, self.route = DeviceState.SAFE, reason, Route.NONE

    def stop(self) -> None:
        self.stops += 1
        self.isolate(SafeReason.ESTOP)
        self.state = DeviceState.ESTOPPED

    def do_hello(self, frame: Frame, message: messages.Hello) -> Message:
        if self.running is not None and (self.running.session != frame.session):
            self.isolate(SafeReason.NEW_SESSION)
        packed = self.describe()
        return messages.HelloResponse(
            protocol_major=codes.PROTOCOL_MAJOR,
            protocol_minor=codes.PROTOCOL_MINOR,
            window=min(WINDOW, message.window),
            state=self.state,
            max_payload=min(codes.MAX_PAYLOAD, message.max_payload),
            kernels=GEOMETRY.kernels,
            rows=GEOMETRY.rows,
            columns=GEOMETRY.columns,
            adc_zero_code=_ZERO_CODE,
            adc_code_pa=_CODE_PA,
            dict_size=len(packed),
            dict_crc32=zlib.crc32(packed),
            limits_crc32=self.limits.crc32,
            last_pulse_id=self.last_pulse_id,
            uptime_ms=self.now_ns // 1_000_000,
            capabilities=self.endpoint.capabilities,
            encoded_limits=self.limits.encode(),
        )

    def do_get_dict(self, _frame: Frame, message: messages.GetDict) -> Message:
        packed = self.describe()
        if message.offset > len(packed):
            raise No(Status.REFUSED_RANGE, message.offset, len(packed))
        return messages.DictChunk(message.offset, packed[message.offset : message.offset + min(message.length, 1024)])

    def do_status(self, _frame: Frame, _message: Request) -> Message:
        running = 0 if self.running is None else self.running.opcode
        rejected = sum(self.endpoint.counters.rejected.values())
        return messages.StatusResponse(
            self.state, self.route, self.reason, running, NO_DEVICE, self.endpoint.session, self.last_pulse_id, self.pulses,
            self.reads, rejected, self.limits.crc32, self.now_ns // 1_000_000, self.stops,
        )  # fmt: skip

    def do_echo(self, _frame: Frame, message: messages.Echo) -> Message:
        return messages.EchoResponse(message.data)

    def do_keepalive(self, _frame: Frame, _message: Request) -> Message:
        return messages.Empty()

    def do_estop(self, _frame: Frame, _message: Request) -> Message:
        self.stop()
        return messages.Empty()

    def do_disarm(self, _frame: Frame, _message: Request) -> Message:
        if self.state is not DeviceState.ESTOPPED:
            self.isolate(SafeReason.HOST)
        return messages.Empty()

    def do_clear_fault(self, _frame: Frame, message: messages.ClearFault) -> Message:
        if message.reason != self.reason:
            raise No(Status.REFUSED_CONFIG, message.reason, self.reason)
        if message.stops != self.stops:
            raise No(Status.REFUSED_CONFIG, message.stops, self.stops)
        self.isolate(SafeReason.HOST)
        return messages.Empty()

    def do_set_limits(self, _frame: Frame, message: messages.SetLimits) -> Message:
        too_low = message.limits.below_floor()
        if too_low is not None:
            raise No(Status.REFUSED_LIMIT, *too_low)
        self.limits = self.limits.tightened(message.limits)
        return messages.LimitsResponse(self.limits.encode())

    def do_arm(self, _frame: Frame, message: messages.Arm) -> Message:
        if message.limits_crc32 != self.limits.crc32:
            raise No(Status.REFUSED_CONFIG, message.limits_crc32, self.limits.crc32)
        self.state = DeviceState.ARMED
        return messages.Empty()

    def do_select(self, _frame: Frame, message: messages.Select) -> Message:
        if message.route not in list(Route):
            raise No(Status.REFUSED_RANGE, message.route, max(Route))
        self.isolate(SafeReason.HOST)
        self.route = Route(message.route)
        self.state = DeviceState.SAFE if self.route is Route.NONE else DeviceState.SELECTED
        return messages.Empty()

    def do_query_pulse(self, _frame: Frame, message: messages.QueryPulse) -> Message:
        seen = message.pulse_id <= self.last_pulse_id
        return messages.QueryPulseResponse(message.pulse_id, codes.PulseOutcome.LOST if seen else codes.PulseOutcome.NEVER_SEEN, 0)

    def do_program(self, _frame: Frame, message: messages.Program) -> Message:
        count = len(message.devices) // 2
        if not 1 <= count <= self.limits.pulses_per_command:
            raise No(Status.REFUSED_LIMIT, count, self.limits.pulses_per_command)
        self.pulses += count
        return messages.ProgramResponse(message.first_pulse_id, self.last_pulse_id, bytes(count))

    # --- readings
    def check_read(self, kernel: int, averages: int, read_uv: int) -> None:
        if kernel >= GEOMETRY.kernels:
            raise No(Status.REFUSED_RANGE, kernel, GEOMETRY.kernels - 1)
        if abs(read_uv) > self.limits.read_uv:
            raise No(Status.REFUSED_LIMIT, read_uv, self.limits.read_uv)
        if averages not in _WELCOME_AVERAGES:
            raise No(Status.REFUSED_RANGE, averages, _WELCOME_AVERAGES[-1])

    def do_read_block(self, _frame: Frame, message: messages.ReadBlock) -> Message:
        self.check_read(message.kernel, message.averages, message.read_uv)
        self.reads += GEOMETRY.per_kernel
        return messages.ReadBlockResponse(message.kernel, 0, message.averages, message.read_uv, bytes(2 * GEOMETRY.per_kernel))

    def do_read_list(self, _frame: Frame, message: messages.ReadList) -> Message:
        devices = struct.unpack(f"<{len(message.devices) // 2}H", message.devices)
        if not devices or max(devices) >= GEOMETRY.devices:
            raise No(Status.REFUSED_RANGE, max(devices, default=0), GEOMETRY.devices - 1)
        self.check_read(0, message.averages, message.read_uv)
        self.reads += len(devices)
        return messages.ReadListResponse(message.averages, message.read_uv, struct.pack(f"<{2 * len(devices)}H", *[0] * (2 * len(devices))))

    def do_vmm(self, _frame: Frame, message: messages.Vmm) -> Message:
        driven = GEOMETRY.rows if message.direction == codes.Direction.ROWS else GEOMETRY.columns
        last = message.first_kernel + message.blocks - 1
        inputs = struct.unpack(f"<{len(message.inputs) // 2}h", message.inputs)
        if not message.blocks or last >= GEOMETRY.kernels:
            raise No(Status.REFUSED_RANGE, last, GEOMETRY.kernels - 1)
        if message.direction not in list(codes.Direction) or len(inputs) != message.vectors * message.blocks * driven:
            raise No(Status.REFUSED_RANGE, message.direction, 1)
        largest = max(map(abs, inputs), default=0) * codes.VMM_INPUT_UV
        if largest > self.limits.read_uv:
            raise No(Status.REFUSED_LIMIT, largest, self.limits.read_uv)
        self.reads += len(inputs)
        return messages.VmmResponse(message.first_kernel, message.blocks, message.direction, message.vectors, b"")

    def do_counters(self, _frame: Frame, message: messages.Counters) -> Message:
        if message.kernel >= GEOMETRY.kernels or message.wear not in list(codes.Wear):
            raise No(Status.REFUSED_RANGE, message.kernel, GEOMETRY.kernels - 1)
        return messages.CountersResponse(message.kernel, message.wear, bytes(2 * GEOMETRY.per_kernel))

    def do_get_calibration(self, _frame: Frame, message: messages.GetCalibration) -> Message:
        if message.table not in list(codes.CalibrationTable):
            raise No(Status.REFUSED_RANGE, message.table, max(codes.CalibrationTable))
        data = bytes([4, 3, 2, 1, 0]) if message.table == codes.CalibrationTable.COLUMN_ORDER else b""
        return messages.CalibrationResponse(message.table, 1 if data else 0, zlib.crc32(data), data)

    def do_set_calibration(self, _frame: Frame, message: messages.SetCalibration) -> Message:
        raise No(Status.REFUSED_RANGE, message.table, max(codes.CalibrationTable))

    # --- the one long operation it knows
    def read_die(self, frame: Frame, message: messages.ReadDie) -> Message:
        last = message.first_kernel + message.kernels - 1
        if not message.kernels or last >= GEOMETRY.kernels:
            raise No(Status.REFUSED_RANGE, last, GEOMETRY.kernels - 1)
        self.check_read(message.first_kernel, message.averages, message.read_uv)
        self.running, self.over = frame, None
        self.kernels_sent, self.kernels_asked = 0, message.kernels
        self.kernel_ns, self.ready_ns = message.averages * 1_000_000, self.now_ns + message.averages * 1_000_000
        return messages.Accepted(1)

    def work(self) -> None:
        """The next event, when the last one has left."""
        if self.running is None or self.now_ns < self.ready_ns:
            return
        self.ready_ns += self.kernel_ns
        request = messages.ReadDie.decode(self.running.payload)
        if self.kernels_sent == self.kernels_asked:
            self.finish(OperationState.DONE)
            return
        index, self.kernels_sent = self.kernels_sent, self.kernels_sent + 1
        self.reads += GEOMETRY.per_kernel
        block = messages.Block(index, request.first_kernel + index, request.averages, request.read_uv, bytes(2 * GEOMETRY.per_kernel))
        self.out.append(self.endpoint.event(self.running.seq, block))

    def finish(self, state: OperationState) -> None:
        assert self.running is not None
        self.over = (self.running, state, self.kernels_sent)
        self.out.append(self.endpoint.event(self.running.seq, messages.Done(state, self.kernels_sent, self.kernels_asked, 0)))
        self.running = None

    def do_abort(self, _frame: Frame, message: messages.Abort) -> Message:
        if self.running is None or self.running.seq != message.seq:
            raise No(Status.REFUSED_RANGE, message.seq)
        self.finish(OperationState.ABORTED)
        return messages.Empty()

    def do_operation(self, _frame: Frame, message: messages.Operation) -> Message:
        frame, state, done = self.over or (self.running, OperationState.RUNNING, self.kernels_sent)
        if frame is None or (message.of_session, message.of_seq) not in ((frame.session, frame.seq), (0, 0)):
            raise No(Status.REFUSED_RANGE, message.of_seq)
        return messages.OperationResponse(frame.session, frame.seq, frame.opcode, state, done, self.kernels_asked, 0, 0, 0)

    def do_result(self, _frame: Frame, message: messages.Result) -> Message:
        raise No(Status.REFUSED_RANGE, message.part)

    def do_scan(self, _frame: Frame, message: messages.Scan) -> Message:
        raise No(Status.REFUSED_RANGE, message.count)
