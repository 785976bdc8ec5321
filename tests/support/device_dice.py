"""Requests drawn from a seed without a model of the device: most are sensible, many are not, some are no requests at all."""

import random
from collections.abc import Sequence

from firmware_protocol import messages
from firmware_protocol.codes import CODE_MASKED, Opcode, SafeReason, Status
from firmware_protocol.framing import Frame, Kind
from firmware_protocol.limits import Limits
from firmware_protocol.messages import Request
from firmware_protocol.rules import REQUEST_BY_OPCODE, rule_for
from tests.support.device_host import u16

SESSIONS = (0x1111, 0x2222, 0x3333)
MAX_ID = 0xFFFF_FFFF


class Dice:
    """The next bytes, restart, edge or pause, from a seed and from what both ends have answered alike."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.session, self.boot_id, self.seq = SESSIONS[0], 0, 0
        self.last_pulse_id, self.stops, self.crc32 = 0, 0, Limits().crc32
        self.running_seq = 0
        self._recent: list[tuple[int, bytes]] = []

    def learn(self, heard: Sequence[tuple[int, Frame]]) -> None:
        for _, frame in heard:
            self.boot_id = frame.boot_id
            if frame.status == Status.OK and frame.opcode == Opcode.STATUS and frame.kind is Kind.RESPONSE:
                status = messages.StatusResponse.decode(frame.payload)
                self.last_pulse_id, self.stops, self.crc32 = status.last_pulse_id, status.stops, status.limits_crc32
            elif frame.status == Status.ACCEPTED:
                self.running_seq = frame.seq
            elif frame.status == Status.BUSY:
                # Given to a host that broke its window; whether it is remembered is each end's own business.
                self._recent = [(seq, wire) for seq, wire in self._recent if seq != frame.seq]
            elif frame.status == Status.REFUSED_SEQUENCE and frame.session == self.session:
                self.seq = messages.Refusal.decode(frame.payload).limit - 1

    def data(self) -> bytes:
        roll = self.rng.random()
        # Not older than the window: whether answers are kept for longer is each end's own business.
        again = [wire for seq, wire in self._recent if (self.seq - seq) % 0x10000 < 8]
        if roll < 0.04 and again:
            return self.rng.choice(again)
        if roll < 0.06:
            return self._garbled(self._next(self.request()))
        if roll < 0.08:
            return b"\0" * self.rng.randint(1, 20)
        if roll < 0.10:
            return self._frame(self.request(), self.rng.randrange(0x10000), self.rng.choice([0, 0x7777]), self.boot_id).encode()
        if roll < 0.12:
            return self._frame(self.request(), self.seq + self.rng.randint(2, 12), self.session, self.boot_id).encode()
        if roll < 0.13:
            return self.rng.randbytes(self.rng.randint(1, 40)) + b"\0"
        if roll < 0.15:
            return self._odd().encode()
        if roll < 0.18:
            return self.hello(self.rng.choice(SESSIONS))
        count = self.rng.choice([1, 1, 1, 2, 3, 9])
        numbered = [(self.seq, wire) for wire in (self._next(self.request()) for _ in range(count))]
        self._recent = [*self._recent, *numbered][-12:]
        return b"".join(wire for _, wire in numbered)

    def hello(self, session: int) -> bytes:
        if session != self.session:
            self.session, self.seq = session, 0
            self._recent.clear()
        capabilities = self.rng.choice([0x7F, 0x7F, 0x7F, 0xFFFF, 0x4A])
        window = self.rng.choice([8, 8, 3, 200])
        return self._frame(messages.Hello(window=window, capabilities=capabilities), 0, session, 0).encode()

    def _next(self, request: Request) -> bytes:
        if rule_for(request.opcode).ordered:
            self.seq = (self.seq + 1) % 0x10000
        return self._frame(request, self.seq, self.session, self.boot_id).encode()

    def _frame(self, request: Request, seq: int, session: int, boot_id: int) -> Frame:
        return Frame(Kind.REQUEST, request.opcode, seq % 0x10000, session, boot_id, payload=request.encode())

    def _odd(self) -> Frame:
        """A sound frame that holds no message, or one that nobody knows."""
        opcode = self.rng.choice([*REQUEST_BY_OPCODE, 11, 40, 64, 200])
        self.seq = (self.seq + 1) % 0x10000
        kind = self.rng.choice([Kind.REQUEST, Kind.REQUEST, Kind.REQUEST, Kind.RESPONSE, Kind.EVENT])
        return Frame(kind, opcode, self.seq, self.session, self.boot_id, payload=self.rng.randbytes(self.rng.randrange(40)))

    def _garbled(self, wire: bytes) -> bytes:
        place = self.rng.randrange(len(wire) - 1)
        return wire[:place] + bytes([wire[place] ^ 1 << self.rng.randrange(8)]) + wire[place + 1 :] + b"\0"

    def request(self) -> Request:
        """Any request; each field most often one that fits, sometimes one at or beyond an edge."""
        rng = self.rng
        first = self.last_pulse_id + 1
        if rng.random() < 0.2:
            first = rng.choice([0, 1, self.last_pulse_id, self.last_pulse_id + 50])
        # The last id of all can be used once only, and nothing can be pulsed after it.
        first = min(first, MAX_ID) if rng.random() < 0.998 else MAX_ID
        uv = rng.choice([100_000] * 8 + [0, -100_000, 1_200_000, 1_200_001, -1_200_001, -(2**31)])
        read_uv = rng.choice([100_000] * 8 + [0, -100_000, 300_000, 300_001, -300_001])
        ns = rng.choice([100] * 8 + [0, 1, 50_000, 1_000_000, 1_000_001, 0xFFFF_FFFF])
        averages = rng.choice([1] * 8 + [0, 16, 4096, 4097])
        kernel = rng.choice([0, 0, 0, 1, 1, 2, 255])
        device = rng.choice([*range(40), *range(40), 40, 0xFFFF])
        devices = u16(*[rng.choice([*range(40), 40] if rng.random() < 0.05 else range(40)) for _ in range(rng.choice([0, 1, 3, 10, 30]))])
        counts = bytes(rng.choice([0, 0, 0, 1, 2, 255, 254, 128]) for _ in range(rng.choice([9] * 8 + [0, 8, 10])))
        targets = u16(
            *[
                rng.choice([CODE_MASKED] * 6 + [60_000, 1, 0] + [0xFFFE] * (rng.random() < 0.02))
                for _ in range(rng.choice([20] * 12 + [19]))
            ]
        )
        seq_asked = rng.choice([0, self.running_seq, self.running_seq, 5])
        session_asked = 0 if seq_asked == 0 else rng.choice([self.session, self.session, 9])
        limits = Limits(*(max(0, value + rng.choice([0, 0, 0, 5, -5])) for value in (1_200_000, 300_000, 1_000_000, 1_500, 625)))
        vectors, blocks, direction = rng.choice([0, 1, 2, 50, 102, 205]), rng.choice([0, 1, 1, 2, 3]), rng.choice([0, 0, 1, 2])
        inputs = vectors * blocks * (5 if direction == 1 else 4) + rng.choice([0] * 9 + [1])
        reset_uv = rng.choice([-100_000] * 9 + [0, 5, -1_300_000])
        steps = u16(*[rng.choice([100, 100, 0, 0xFF00, 30_000])] * min(inputs, 1000))
        sentinel = (rng.choice([0xFFFF, 3, 40]), rng.choice([0, 0, 1, 2]))
        scan_times = (rng.choice([0, 100, 5000]), rng.choice([0, 5, 50]))
        column_order = bytes(rng.sample(range(5), 5)) if rng.random() < 0.8 else rng.choice([bytes(5), bytes(range(4)), bytes(range(1, 6))])
        stops = (self.stops + rng.choice([0] * 9 + [1])) & 0xFFFF
        version, replaces = rng.choice([0, 1, 2, 3, 4, 9]), rng.choice([0, 1, 2, 3])
        makers = {
            Opcode.GET_DICT: lambda: messages.GetDict(rng.choice([0, 100]), rng.choice([0, 64])),
            Opcode.ECHO: lambda: messages.Echo(rng.randbytes(rng.choice([0, 5, 2048]))),
            Opcode.STATUS: messages.GetStatus,
            Opcode.ARM: lambda: messages.Arm(self.crc32 ^ rng.choice([0] * 9 + [1])),
            Opcode.ESTOP: messages.EmergencyStop,
            Opcode.KEEPALIVE: messages.KeepAlive,
            Opcode.SET_LIMITS: lambda: messages.SetLimits(limits.encode()),
            Opcode.ABORT: lambda: messages.Abort(seq_asked),
            Opcode.DISARM: messages.Disarm,
            Opcode.CLEAR_FAULT: lambda: messages.ClearFault(rng.choice([SafeReason.ESTOP] * 4 + [SafeReason.HOST, 200]), stops),
            Opcode.SELECT: lambda: messages.Select(rng.choice([0, 1, 1, 1, 2, 3]), rng.choice([device, device, 0xFFFF])),
            Opcode.READ_BLOCK: lambda: messages.ReadBlock(kernel, averages, read_uv),
            Opcode.PROGRAM: lambda: messages.Program(first, uv, ns, devices),
            Opcode.VMM: lambda: messages.Vmm(kernel, blocks, direction, vectors, steps),
            Opcode.QUERY_PULSE: lambda: messages.QueryPulse(max(0, self.last_pulse_id + rng.randint(-60, 5)) & 0xFFFF_FFFF),
            Opcode.SCAN: lambda: messages.Scan(device, rng.choice([0, 1, 2, 5, 60]), *sentinel, *scan_times),
            Opcode.COUNTERS: lambda: messages.Counters(kernel, rng.choice([0, 1, 2, 3])),
            Opcode.READ_LIST: lambda: messages.ReadList(averages, read_uv, devices),
            Opcode.READ_DIE: lambda: messages.ReadDie(kernel, rng.choice([0, 1, 2, 3]), averages, read_uv),
            Opcode.WRITE_VERIFY: lambda: messages.WriteVerify(
                kernel, rng.choice([0, 1, 3, 255]), averages, read_uv, first, min(abs(uv), 2**31 - 1), reset_uv, ns,
                rng.choice([10] * 9 + [21]), 20, targets,
            ),
            Opcode.OUTER_PRODUCT: lambda: messages.OuterProduct(kernel, first, uv, ns, counts),
            Opcode.GET_CALIBRATION: lambda: messages.GetCalibration(rng.choice([0, 1, 2])),
            Opcode.SET_CALIBRATION: lambda: messages.SetCalibration(rng.choice([1] * 5 + [0, 2]), version, replaces, column_order),
            Opcode.OPERATION: lambda: messages.Operation(session_asked, seq_asked),
            Opcode.RESULT: lambda: messages.Result(session_asked, seq_asked, rng.choice([0, 0, 1, 2])),
        }  # fmt: skip
        weights = {Opcode.ARM: 8, Opcode.PROGRAM: 8, Opcode.STATUS: 6, Opcode.CLEAR_FAULT: 5, Opcode.WRITE_VERIFY: 3, Opcode.ESTOP: 0.5}
        (opcode,) = rng.choices(list(makers), [weights.get(opcode, 2) for opcode in makers])
        return makers[opcode]()
