"""The least that is a device: a session and a log of pulses. For many pulses, and as the control that shows whether a bench bites."""

from collections import deque
from collections.abc import Callable, Sequence

from firmware_protocol.codes import Opcode, Status
from firmware_protocol.events import Execute, Role, Transmit
from firmware_protocol.framing import Deframer, Frame
from firmware_protocol.geometry import Geometry
from firmware_protocol.limits import Limits
from firmware_protocol.messages import Arm, Hello, HelloResponse, Program, ProgramResponse, ReadList, ReadListResponse, Request
from firmware_protocol.session import Endpoint
from tests.support.device_end import Pulse, pattern

LINE = Geometry(2, 4, 5)


class LedgerEnd:
    """The least that is a device: one session, a log of pulses, readings that are a pattern, no board time. For many pulses.

    make: its endpoint for a boot id; a test gives it a worse one.
    """

    def __init__(self, make: Callable[[int], Endpoint] | None = None) -> None:
        self.geometry = LINE
        self._make = make or (lambda boot_id: Endpoint(Role.DEVICE, boot_id=boot_id))
        self._boot_id = 0
        self._given: list[Pulse] = []
        self.last_pulse_id = 0
        self.restart(0)

    def restart(self, now_ns: int) -> None:
        self._boot_id = self._boot_id % 0xFFFF + 1
        self.device = self._make(self._boot_id)
        self._deframer = Deframer()
        self._out: deque[bytes] = deque()

    def feed(self, data: bytes, now_ns: int) -> None:
        for found in self._deframer.feed(data):
            if isinstance(found, Frame):
                self.hear(found, now_ns)

    def hear(self, frame: Frame, now_ns: int) -> None:
        for event in self.device.receive(frame, now_ns):
            if isinstance(event, Execute):
                self._out.append(self.device.respond(event.frame, *self.execute(event.message)))
            elif isinstance(event, Transmit):
                self._out.append(event.data)

    def execute(self, message: Request) -> tuple[Status, bytes]:
        if isinstance(message, Program):
            return self._program(message)
        if isinstance(message, ReadList):
            return Status.OK, ReadListResponse(1, message.read_uv, self._readings(message.devices)).encode()
        if isinstance(message, Hello):
            limits = Limits()
            shape = (LINE.kernels, LINE.rows, LINE.columns)
            last = self.last_pulse_id
            return Status.OK, HelloResponse(1, 1, 8, 0, 2048, *shape, 0, 0, 0, 0, limits.crc32, last, 0, 0x7F, limits.encode()).encode()
        return Status.OK, b""

    def _program(self, message: Program) -> tuple[Status, bytes]:
        devices = memoryview(message.devices).cast("H")
        if message.first_pulse_id <= self.last_pulse_id:
            return Status.REFUSED_PULSE_ID, b""
        self.last_pulse_id = message.first_pulse_id + len(devices) - 1
        self._given.extend((device, message.amplitude_uv, message.width_ns) for device in devices)
        return Status.OK, ProgramResponse(message.first_pulse_id, self.last_pulse_id, bytes(len(devices))).encode()

    def _readings(self, devices: bytes) -> bytes:
        return b"".join(
            device.to_bytes(2, "little") + (40_000 + pattern(device)).to_bytes(2, "little") for device in memoryview(devices).cast("H")
        )

    def take(self, now_ns: int) -> bytes:
        return self._out.popleft() if self._out else b""

    def due_ns(self, now_ns: int) -> int | None:
        return now_ns if self._out else None

    def trigger(self, now_ns: int) -> None:
        pass

    def pulses(self) -> Sequence[Pulse]:
        return self._given

    isolated = True
    connected = None

    def shows(self, device: int, code: int) -> bool:
        return code == 40_000 + pattern(device)

    def short(self, device: int) -> None:
        pass

    def close(self) -> None:
        pass


class NaiveEnd(LedgerEnd):
    """The control: carries out every sound frame as often as it comes, as controllers do that look at no number and keep no answer."""

    def hear(self, frame: Frame, now_ns: int) -> None:
        self.device.session, self.device.open = frame.session, True
        message = {Opcode.PROGRAM: Program, Opcode.HELLO: Hello, Opcode.READ_LIST: ReadList, Opcode.ARM: Arm}[Opcode(frame.opcode)]
        self.last_pulse_id = 0
        self._out.append(self.device.respond(frame, *self.execute(message.decode(frame.payload))))
