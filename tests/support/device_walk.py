"""A random walk over one device end: requests, time, faults and restarts, drawn from the seed alone.

The last steps are in the text of every failure, so that a walk can be replayed.
"""

from collections.abc import Callable

from firmware_protocol import messages
from firmware_protocol.codes import DeviceState, PulseOutcome, SafeReason, Status
from firmware_protocol.limits import Limits
from tests.support.device_end import DeviceEnd
from tests.support.device_host import MS, program
from tests.support.walk_model import Model
from tests.support.walk_requests import Requests

RECENT_COMMANDS = 32
"""Asked after: fewer than a device remembers."""


class Walk(Requests):
    """`step` takes one random step and checks everything that can be checked after it."""

    def __init__(self, end: DeviceEnd, seed: int) -> None:
        super().__init__(end, seed)
        self._hello()
        self._steps: list[tuple[int, Callable[[], None]]] = [
            (20, self._arm), (30, self._program), (10, self._outer), (8, self._window), (8, self._read_list), (4, self._read_block),
            (4, self._select), (2, self._disarm), (3, self._wrong_arm), (1, self._stop), (8, self._clear), (1, self._zeros),
            (4, self._verify), (3, self._read_die), (2, self._scan), (4, self._abort), (1, self._tighten), (3, self._keep_alive),
            (8, self._time), (1, self._silence), (6, self._again), (4, self._garbled), (4, self._gap), (4, self._foreign),
            (3, self._over_limit), (3, self._old_id), (4, self._ask_after), (1, self._new_session), (1, self._restart),
        ]  # fmt: skip

    def step(self) -> None:
        (chosen,) = self.rng.choices([step for _, step in self._steps], [weight for weight, _ in self._steps])
        name = chosen.__name__.strip("_")
        self.taken.append(name)
        self.counts[name] = self.counts.get(name, 0) + 1
        try:
            chosen()
            self._settle()
        except AssertionError as error:
            raise AssertionError(f"seed {self.seed}, after {list(self.taken)}: {error}") from error

    # --- the steps: time
    def _time(self) -> None:
        self.host.advance(self.rng.choice([0, 1, 10_000, MS, 30 * MS, 400 * MS]))

    def _silence(self) -> None:
        """I5: whatever was connected or allowed is not, once the owner has been silent for long enough."""
        self.host.advance(self.model.limits.dead_man_ms * MS)
        assert self.end.isolated
        given = len(self.end.pulses())
        self.host.advance(100 * MS)
        assert len(self.end.pulses()) == given

    # --- the steps: faults
    def _again(self) -> None:
        """An old frame once more: answered or not, but nothing comes of it."""
        if self._sent and self.model.running is None:
            wire = self.rng.choice(self._sent)
            self.host.raw(wire)
            self.model.heard_ns = self.host.now_ns
            self.host.advance(MS)

    def _garbled(self) -> None:
        wire = bytearray(self.host.frame(self._a_program(self._next_id())[0], self.host.endpoint._questions._next_seq).encode())
        wire[self.rng.randrange(len(wire) - 1)] ^= 1 << self.rng.randrange(8)
        assert self.host.raw(b"\0" + bytes(wire) + b"\0") == []
        self.host.advance(MS)

    def _gap(self) -> None:
        ahead = self.host.endpoint._questions._next_seq + self.rng.randint(1, 7)
        frames = self.host.raw(self.host.frame(self._a_program(self._next_id())[0], ahead).encode())
        self.model.heard_ns = self.host.now_ns
        assert all(frame.status == Status.REFUSED_SEQUENCE for frame in frames if frame.seq == ahead)
        self.host.advance(MS)

    def _foreign(self) -> None:
        wire = self.host.frame(self._a_program(self._next_id())[0], 1, session=self.host.endpoint.session ^ 0x5555).encode()
        assert Status.REFUSED_BAD_SESSION in {frame.status for frame in self.host.raw(wire)}
        self.host.advance(MS)

    def _over_limit(self) -> None:
        said = self._say(program(self._next_id(), 1, uv=self.model.limits.device_uv + 1))
        assert said.status not in (Status.OK, Status.ACCEPTED)
        if self._may_pulse():
            assert said.status is Status.REFUSED_LIMIT

    def _old_id(self) -> None:
        said = self._say(program(self.rng.randint(0, self.model.last_pulse_id), 1, uv=999_999))
        assert said.status not in (Status.OK, Status.ACCEPTED)
        if self._may_pulse():
            assert said.status is Status.REFUSED_PULSE_ID

    def _ask_after(self) -> None:
        """What became of a pulse: EXECUTED only if the log says so, anything certain only if it is true."""
        command = self.rng.choice(self.commands[-RECENT_COMMANDS:])
        pulse_id = command.first + self.rng.randrange(max(1, len(command.wanted) + 1))
        running = command is self.commands[-1] and self.model.running is not None
        answer = self._question(messages.QueryPulse(pulse_id))
        self._pulses_are_prefixes()
        assert isinstance(answer, messages.QueryPulseResponse)
        given = pulse_id < command.first + command.given
        if answer.outcome == PulseOutcome.EXECUTED:
            assert given or any(other.first <= pulse_id < other.first + other.given for other in self.commands)
        elif answer.outcome in (PulseOutcome.REFUSED, PulseOutcome.NEVER_SEEN):
            assert not given or running or not command.wanted, f"{pulse_id} was given; the device says {PulseOutcome(answer.outcome).name}"

    def _new_session(self) -> None:
        self.host.again(self._nonce_but(self.host.endpoint.session))
        self._sent.clear()
        self.model.heard_ns = self.host.now_ns
        if self.model.running is not None or self.model.state is DeviceState.ARMED:
            if self.model.state is not DeviceState.ESTOPPED:
                self.model.isolate(SafeReason.NEW_SESSION)
            self.model.running = None

    def _nonce_but(self, old: int) -> int:
        return next(nonce for nonce in iter(self._nonce, 0) if nonce != old)

    def _restart(self) -> None:
        self.end.restart(self.host.now_ns)
        self._pulses_are_prefixes()
        self.commands[-1].over = True
        last = self.model.last_pulse_id
        self.model = Model(last_pulse_id=last)
        hello = self.host.again(self._nonce_but(self.host.endpoint.session))
        assert (hello.last_pulse_id, hello.limits, hello.state) == (last, Limits(), DeviceState.SAFE)
        self._sent.clear()
        self.model.heard_ns = self.host.now_ns
