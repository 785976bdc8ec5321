"""Pulses, at most once. Rule 1: the id is durable before the first byte leaves. Rule 2: every id is settled, whatever
happens: executed, refused, or unknown. Rule 3: an unanswered command is asked after, never sent again.
Rule 4: a controller that disarmed itself or serves another host had a reason; nobody arms it or takes it back unasked.
"""

from collections.abc import Callable
from dataclasses import dataclass

from drivers.board_link import BoardLink, SessionTaken
from drivers.board_talk import Denied, ask
from drivers.errors import DriverError, LinkError, OutcomeUnknown, Refused
from drivers.protocols import PulseIds
from firmware_protocol.codes import PulseOutcome, Status
from firmware_protocol.messages import Program, ProgramResponse, QueryPulse, QueryPulseResponse

EXECUTED, REFUSED, UNKNOWN = "executed", "refused", "unknown"
STEP_S = 25e-6
"""Switching and settling before each pulse, s; an estimate for deadlines only."""


@dataclass(frozen=True)
class Waveform:
    """One pulse in the link's units and in the caller's. Positive drives AP to P."""

    amplitude_uv: int
    width_ns: int
    volts: float
    seconds: float


class Pulser:
    """Sends PROGRAM commands. link: the session now in use. reconnect: open another one to the same start of the same
    board and return it, or raise LinkError. disarmed: what to raise when pulses turn out not to be allowed any more."""

    def __init__(
        self, ids: PulseIds, link: Callable[[], BoardLink], reconnect: Callable[[], BoardLink], disarmed: Callable[[], Refused]
    ) -> None:
        self._ids = ids
        self._link = link
        self._reconnect = reconnect
        self._disarmed = disarmed

    def send(self, devices: bytes, waveform: Waveform) -> list[bool]:
        """Executed, per item of `devices` (u16 little-endian each). Raises Refused (nothing happened), OutcomeUnknown, LinkError."""
        count = len(devices) // 2
        first = self._ids.reserve(count, waveform.volts, waveform.seconds)
        message = Program(first, waveform.amplitude_uv, waveform.width_ns, devices)
        outcomes = [UNKNOWN] * count
        try:
            outcomes = self._outcomes(message, count)
        except Refused:
            outcomes = [REFUSED] * count
            raise
        finally:
            # Also on KeyboardInterrupt and the like: what was reserved and not settled would be a riddle.
            self._ids.settle(first, outcomes)
        return [outcome == EXECUTED for outcome in outcomes]

    def _outcomes(self, message: Program, count: int) -> list[str]:
        device_s = 3 * count * (STEP_S + message.width_ns * 1e-9)
        try:
            answer = self._program(message, device_s)
        except SessionTaken as error:
            raise _unknown(message.first_pulse_id, count, str(error)) from error
        except LinkError as error:
            return self._ask_after(message.first_pulse_id, count, error)
        if not isinstance(answer, ProgramResponse) or len(answer.outcomes) != count or answer.first_pulse_id != message.first_pulse_id:
            raise OutcomeUnknown("crossbar: the answer to PROGRAM is not about the pulses sent; read back", message.first_pulse_id, count)
        return [EXECUTED if outcome == PulseOutcome.EXECUTED else REFUSED for outcome in answer.outcomes]

    def _program(self, message: Program, device_s: float) -> object:
        try:
            return ask(self._link(), message, device_s)
        except Denied as error:
            if error.status == Status.REFUSED_PULSE_ID:
                self._ids.advance(error.refusal.limit)
                raise Refused(f"{error}: someone else pulsed this die; check what it holds before pulsing again") from error
            if error.status == Status.REFUSED_NOT_ARMED:
                raise self._disarmed() from error
            raise

    def _ask_after(self, first: int, count: int, cause: LinkError) -> list[str]:
        """What became of a command without an answer: one attempt over a new session, then it stays unknown.

        Items are executed in order and an interruption refuses all the rest, so the boundary is found by halving. The new
        session has ended the old one: what has not been seen by now will never be executed.
        """
        try:
            link = self._reconnect()
            executed, above = 0, count
            while executed < above:
                middle = (executed + above) // 2
                if self._was_executed(link, first + middle):
                    executed = middle + 1
                else:
                    above = middle
        except DriverError as error:
            raise _unknown(first, count, f"{cause}; asking after them: {error}") from cause
        return [EXECUTED] * executed + [REFUSED] * (count - executed)

    @staticmethod
    def _was_executed(link: BoardLink, pulse_id: int) -> bool:
        answer = ask(link, QueryPulse(pulse_id))
        if not isinstance(answer, QueryPulseResponse) or answer.pulse_id != pulse_id or answer.outcome == PulseOutcome.LOST:
            raise LinkError(f"the controller no longer knows pulse {pulse_id}")
        return answer.outcome == PulseOutcome.EXECUTED


def _unknown(first: int, count: int, why: str) -> OutcomeUnknown:
    text = (
        f"crossbar: pulses {first} to {first + count - 1} may or may not have been applied ({why}); read the junctions back, do not repeat"
    )
    return OutcomeUnknown(text, first, count)
