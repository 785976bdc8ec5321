"""The requests of a random walk: each is sent, judged, and entered in the model."""

import numpy as np

from firmware_protocol import messages
from firmware_protocol.codes import CODE_MASKED, DeviceState, PulseOutcome, Route, SafeReason, Status
from firmware_protocol.limits import Limits
from firmware_protocol.messages import Request
from firmware_protocol.questions import Ticket
from tests.support.device_end import Pulse
from tests.support.device_host import MS, S, program, u16
from tests.support.walk_model import Command, WatchedDevice


class Requests(WatchedDevice):
    """Steps that ask the device for something, sensible or not."""

    def _hello(self) -> None:
        self.host.hello()
        self.model.heard_ns = self.host.now_ns

    def _arm(self) -> None:
        if self._done(self._say(messages.Arm(self.model.limits.crc32))):
            self.model.state, self.model.selected = DeviceState.ARMED, None

    def _wrong_arm(self) -> None:
        said = self._say(messages.Arm(self.model.limits.crc32 ^ 1 << self.rng.randrange(32)))
        assert said.status not in (Status.OK, Status.ACCEPTED)

    def _program(self) -> None:
        self._pulse(*self._a_program(self._next_id()))

    def _a_program(self, first: int) -> tuple[Request, list[Pulse]]:
        uv, ns = self._waveform(), self.rng.choice([1, 100, 50_000])
        devices = [self.rng.randrange(40) for _ in range(self.rng.randint(1, 12))]
        return program(first, *devices, uv=uv, ns=ns), [(device, uv, ns) for device in devices]

    def _outer(self) -> None:
        uv, ns, kernel = self._waveform(), 100, self.rng.randrange(2)
        rows = [self.rng.choice([0, 0, 1, 2]) for _ in range(3)] + [1]
        columns = [self.rng.choice([0, 0, 0, 1, 2]) for _ in range(4)] + [1]
        wanted = [
            ((kernel * 4 + r) * 5 + c, uv, ns)
            for i in range(1, max(rows) + 1)
            for j in range(1, max(columns) + 1)
            for r, most in enumerate(rows) if most >= i for c, limit in enumerate(columns) if limit >= j
        ]  # fmt: skip
        self._pulse(messages.OuterProduct(kernel, self._next_id(), uv, ns, bytes([*rows, *columns])), wanted)

    def _pulse(self, request: Request, wanted: list[Pulse]) -> None:
        """I2: an OK means given exactly once, a refusal not at all."""
        first = request.first_pulse_id  # type: ignore[attr-defined]
        command = Command(first, wanted, first + len(wanted) - 1)
        self.commands.append(command)
        answer = self._done(self._say(request))
        self._pulses_are_prefixes()
        command.over = True
        if answer is None:
            assert command.given == 0, "a refused command gave pulses"
            self.commands.pop()
            return
        assert command.given == len(wanted), f"{command.given} of {len(wanted)} confirmed pulses were given"
        self.model.last_pulse_id = command.last
        if isinstance(answer, messages.ProgramResponse):
            assert answer.outcomes == bytes(len(wanted))
        elif isinstance(answer, messages.OuterProductResponse):
            assert answer.executed == len(wanted)

    def _window(self) -> None:
        """A whole window at once, then perhaps a stop in the middle: prefixes only, and everything answered."""
        if not self._may_pulse():
            return
        self._dead_man_before()
        if self.model.state is not DeviceState.ARMED:
            return
        first, batch = self.model.last_pulse_id + 1, []
        for _ in range(self.rng.randint(2, 7)):
            request, wanted = self._a_program(first)
            batch.append((self.host.send(request), Command(first, wanted, first + len(wanted) - 1)))
            first += len(wanted)
        self.model.heard_ns = self.host.now_ns
        stopped = self.rng.random() < 0.3
        if stopped:
            self.host.advance(self.rng.randrange(2 * MS))
            self.host.raw(b"\0" * 16)
            self.model.stop()
        for ticket, command in batch:
            said = self.host.answer(ticket, S)
            executed = said.message.outcomes.count(PulseOutcome.EXECUTED) if isinstance(said.message, messages.ProgramResponse) else 0
            assert stopped or executed == len(command.wanted), f"{said.status.name}: {executed} of {len(command.wanted)} given"
            assert executed or said.status in (Status.OK, Status.REFUSED_ESTOP)
            if said.status is Status.OK:
                self.model.last_pulse_id = command.last
            command.wanted = command.wanted[:executed]
            self.commands.append(command)
        self._log_of_window([command for _, command in batch])

    def _log_of_window(self, batch: list[Command]) -> None:
        new = list(self.end.pulses()[self._log :])
        assert new == [pulse for command in batch for pulse in command.wanted], "what was confirmed is not what was given"
        for command in batch:
            command.given, command.over = len(command.wanted), True
        self._log = len(self.end.pulses())

    def _read_list(self) -> None:
        """I4: each value is that junction's."""
        devices = [self.rng.randrange(40) for _ in range(self.rng.randint(1, 9))]
        answer = self._done(self._say(messages.ReadList(16, 100_000, u16(*devices))))
        if isinstance(answer, messages.ReadListResponse):
            pairs = np.frombuffer(answer.readings, "<u2").reshape(-1, 2)
            assert [int(device) for device, _ in pairs] == devices
            assert all(self.end.shows(int(device), int(code)) for device, code in pairs), "a reading of another junction"

    def _read_block(self) -> None:
        kernel = self.rng.randrange(3)
        said = self._say(messages.ReadBlock(kernel, 16, 100_000))
        answer = self._done(said)
        if isinstance(answer, messages.ReadBlockResponse):
            codes = np.frombuffer(answer.codes, "<u2")
            assert answer.kernel == kernel < 2
            assert all(self.end.shows(20 * kernel + place, int(code)) for place, code in enumerate(codes)), "a block of another kernel"

    def _select(self) -> None:
        device = self.rng.randrange(42)
        if self._done(self._say(messages.Select(Route.JUNCTION, device))):
            assert device < 40
            self.model.state, self.model.selected = DeviceState.SELECTED, device

    def _disarm(self) -> None:
        self._done(self._say(messages.Disarm()))
        self.model.running = None
        if self.model.state is not DeviceState.ESTOPPED:
            self.model.isolate(SafeReason.HOST)

    def _stop(self) -> None:
        self.host.ask(messages.EmergencyStop())
        self.model.heard_ns = self.host.now_ns
        self.model.stop()

    def _zeros(self) -> None:
        self.host.raw(b"\0" * self.rng.randint(16, 40))
        self.model.stop()

    def _clear(self) -> None:
        reason = self.rng.choice([SafeReason.ESTOP, SafeReason.ESTOP, SafeReason.HOST])
        stops = self.model.stops + self.rng.choice([0, 0, 0, 0, 1, -1]) & 0xFFFF
        if self._done(self._say(messages.ClearFault(reason, stops))):
            assert (reason, stops) == (SafeReason.ESTOP, self.model.stops)
            self.model.isolate(SafeReason.HOST)

    def _verify(self) -> None:
        uv, count, most = self._waveform(), self.rng.randint(1, 4), self.rng.randint(1, 9)
        places = sorted(self.rng.sample(range(20), count))
        targets = u16(*[60_000 if place in places else CODE_MASKED for place in range(20)])
        first = self._next_id()
        command = Command(first, [(place, uv, 50_000) for _ in range(most) for place in places], first + count * most - 1)
        request = messages.WriteVerify(0, most, 1, 100_000, first, uv, -uv, 50_000, 10, 20, targets)
        before = self.commands[-1]
        self.commands.append(command)
        if self._begun(request):
            self.model.last_pulse_id = command.last
        else:
            assert command.given == 0
            self.commands.remove(command)
            assert self.commands[-1] is before

    def _read_die(self) -> None:
        self._begun(messages.ReadDie(0, 2, self.rng.choice([1, 50]), 100_000))

    def _scan(self) -> None:
        if self._begun(messages.Scan(0, 3, 0xFFFF, 0, 100, 50)):
            self.model.state, self.model.selected = DeviceState(self.host.status().state), None
            self.model.heard_ns = self.host.now_ns

    def _begun(self, request: Request) -> bool:
        ticket = self.host.endpoint._questions._next_seq
        said = self._say(request)
        assert said.status is not Status.OK
        if said.status is not Status.ACCEPTED:
            return False
        self.model.running, self.model.running_opcode = Ticket(request.opcode, ticket), request.opcode
        return True

    def _abort(self) -> None:
        running = self.model.running
        said = self._say(messages.Abort(running.seq if running and self.rng.random() < 0.8 else 9))
        if said.status is Status.OK:
            assert running is not None
            self._ended_by_itself()

    def _tighten(self) -> None:
        limits = Limits(device_uv=self.rng.randint(1_100_000, 1_300_000), pulse_ns=self.rng.randint(900_000, 1_100_000))
        if self._done(self._say(messages.SetLimits(limits.encode()))):
            self.model.limits = self.model.limits.tightened(limits)

    def _keep_alive(self) -> None:
        assert self._say(messages.KeepAlive()).status is Status.OK
