"""What a random walk believes of a device, and how each answer and the log of pulses are judged by it.

Rule: the model follows the protocol's words; it knows nothing of either end.
"""

import random
from collections import deque
from dataclasses import dataclass, field

from firmware_protocol import messages
from firmware_protocol.codes import DeviceState, Opcode, SafeReason, Status
from firmware_protocol.limits import Limits
from firmware_protocol.messages import Message, Refusal, Request
from firmware_protocol.questions import Ticket
from firmware_protocol.rules import refusal, rule_for
from tests.support.device_end import DeviceEnd, Pulse
from tests.support.device_host import MS, DeviceHost, S, Said

SCAN_ENDS_NS = 51 * MS
"""Nobody answers the scans of a walk, so they time out, and long before the dead man."""


@dataclass
class Command:
    """Pulses that were asked for. wanted: what the log must show, in order, if all are given. given: how many it shows."""

    first: int
    wanted: list[Pulse]
    last: int
    given: int = 0
    over: bool = False


@dataclass
class Model:
    """What must be true of the device. running: the request of the long operation. heard_ns: when its owner last spoke."""

    state: DeviceState = DeviceState.SAFE
    reason: SafeReason = SafeReason.BOOT
    limits: Limits = field(default_factory=Limits)
    last_pulse_id: int = 0
    heard_ns: int = 0
    running: Ticket | None = None
    running_opcode: int = 0
    selected: int | None = None
    stops: int = 0

    def isolate(self, reason: SafeReason) -> None:
        self.state, self.reason, self.selected = DeviceState.SAFE, reason, None

    def stop(self) -> None:
        self.stops += 1
        self.isolate(SafeReason.ESTOP)
        self.state, self.running = DeviceState.ESTOPPED, None


class WatchedDevice:
    """A device end, its host, and the model of both. commands: all that were asked for, oldest first."""

    def __init__(self, end: DeviceEnd, seed: int) -> None:
        self.end, self.rng, self.seed = end, random.Random(seed), seed
        self.model, self.commands = Model(), [Command(0, [], 0, over=True)]
        self.taken: deque[str] = deque(maxlen=12)
        self._amplitude = 0
        self._log = 0
        self._sent: list[bytes] = []
        self.host = DeviceHost(end, session=self._nonce())
        self.counts: dict[str, int] = {}

    # --- checks after every step
    def _settle(self) -> None:
        self._dead_man()
        self._pulses_are_prefixes()
        model = self.model
        answer = self._question(messages.GetStatus())
        assert isinstance(answer, messages.StatusResponse)
        if model.running is not None and not answer.operation:
            self._ended_by_itself()
        assert DeviceState(answer.state) is model.state, f"state {DeviceState(answer.state).name}, expected {model.state.name}"
        assert answer.safe_reason == model.reason or model.state not in (DeviceState.SAFE, DeviceState.ESTOPPED)
        assert answer.operation == (model.running_opcode if model.running else 0)
        assert answer.limits_crc32 == model.limits.crc32
        assert (answer.last_pulse_id, answer.stops) == (model.last_pulse_id, model.stops)
        scanning = model.running is not None and model.running_opcode == Opcode.SCAN
        assert self.end.isolated == (model.state is not DeviceState.SELECTED) or scanning
        if model.state is DeviceState.SELECTED and not scanning:
            assert self.end.connected == model.selected

    def _dead_man(self) -> None:
        model = self.model
        if model.running is not None and model.running_opcode == Opcode.SCAN and self.host.now_ns - model.heard_ns > SCAN_ENDS_NS:
            self._ended_by_itself()
        silent = self.host.now_ns - model.heard_ns >= model.limits.dead_man_ms * MS
        if silent and (model.state in (DeviceState.SELECTED, DeviceState.ARMED) or model.running is not None):
            model.isolate(SafeReason.DEAD_MAN)
            model.running = None

    def _ended_by_itself(self) -> None:
        """A long operation came to its end. A scan leaves everything isolated."""
        if self.model.running_opcode == Opcode.SCAN:
            self.model.isolate(SafeReason.SCAN_ENDED)
        self.model.running = None

    def _pulses_are_prefixes(self) -> None:
        """I1, I5: the log is the commands' pulses, one command after the other, each from its beginning, none twice."""
        log = self.end.pulses()
        for pulse in log[self._log :]:
            while self.commands[-1].given >= len(self.commands[-1].wanted) or self.commands[-1].wanted[self.commands[-1].given] != pulse:
                raise AssertionError(f"pulse {pulse} was given; nobody asked for it (last command gave {self.commands[-1].given})")
            assert not self.commands[-1].over, f"pulse {pulse} was given after its command was over"
            self.commands[-1].given += 1
        self._log = len(log)

    # --- how a request is judged
    def _say(self, request: Request) -> Said:
        """Send, wait, and judge whether the state allowed it; other refusals are the caller's to judge."""
        self._dead_man_before()
        # A question first: an operation that came to its end meanwhile, or was ended, has changed the state already.
        status = self._question(messages.GetStatus())
        assert isinstance(status, messages.StatusResponse)
        if self.model.running is not None and not status.operation:
            self._ended_by_itself()
        ticket = self.host.send(request)
        self._sent.append(self.host.frame(request, ticket.seq).encode())
        self._sent = self._sent[-8:]
        self.model.heard_ns = self.host.now_ns
        said = self.host.answer(ticket, 20 * S)
        rule = rule_for(request.opcode)
        if self.model.running is not None and not rule.while_running:
            assert said.status is Status.BUSY, f"{request.opcode.name} while an operation runs: {said.status.name}"
        elif (forbidden := refusal(request.opcode, self.model.state)) is not None:
            assert said.status is forbidden, f"{request.opcode.name} in {self.model.state.name}: {said.status.name}"
        else:
            assert said.status not in (Status.BUSY, Status.REFUSED_NOT_ARMED, Status.REFUSED_ESTOP), said
        return said

    def _dead_man_before(self) -> None:
        self.host.advance(0)
        self._dead_man()

    def _done(self, said: Said) -> Message | None:
        """The answer when it was carried out; None when the state or a running operation forbade it."""
        if said.status in (Status.OK, Status.ACCEPTED):
            return said.message
        assert isinstance(said.message, Refusal)
        return None

    def _question(self, request: Request) -> Message:
        """Anybody's question: it does not count as the owner."""
        (frame,) = [
            frame
            for frame in self.host.raw(self.host.frame(request, 0, session=0, boot_id=0).encode())
            if frame.opcode == request.opcode and frame.session == 0
        ]
        assert frame.status == Status.OK, Status(frame.status)
        return request.response.decode(frame.payload)

    def _nonce(self) -> int:
        return self.rng.randrange(1, 0x10000)

    def _may_pulse(self) -> bool:
        return self.model.state is DeviceState.ARMED and self.model.running is None

    def _waveform(self) -> int:
        """An amplitude that no other command of this walk has."""
        self._amplitude += 1
        return 1_000 + self._amplitude

    def _next_id(self) -> int:
        return self.model.last_pulse_id + self.rng.choice([1, 1, 1, 2, 7])
