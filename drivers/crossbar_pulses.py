"""Pulses, at most once. Rule 1: the id is durable before the first byte leaves. Rule 2: every id is settled, whatever
happens: executed, refused, or unknown. Rule 3: an unanswered command is asked after, never sent again; one that never left
this computer is refused. Rule 4: a controller that disarmed itself or serves another host had a reason; nobody arms it or
takes it back unasked. Rule 5: a controller that restarted is believed about pulses only where its last id outlives that.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from drivers.board_asked import Asked
from drivers.board_link import BoardLink, SessionTaken
from drivers.board_talk import Denied, ask, fitting, understand
from drivers.errors import DriverError, LinkError, OutcomeUnknown, Refused
from drivers.protocols import PulseIds
from firmware_protocol.codes import PulseOutcome, Status
from firmware_protocol.messages import Message, QueryPulse, QueryPulseResponse, Request

EXECUTED, REFUSED, UNKNOWN = "executed", "refused", "unknown"


@dataclass(frozen=True)
class Return:
    """A session opened anew. same_start: the board has not restarted since. durable: its last id outlives a restart."""

    link: BoardLink
    same_start: bool
    last_pulse_id: int
    durable: bool


@dataclass(frozen=True)
class Pulses:
    """Ids of one command, first_id to first_id + count - 1. They are executed in order, and what stops them stops the rest."""

    first_id: int
    count: int

    def split(self, executed: int) -> list[str]:
        return [EXECUTED] * executed + [REFUSED] * (self.count - executed)

    def unknown(self, why: str) -> OutcomeUnknown:
        ids = f"{self.first_id} to {self.first_id + self.count - 1}"
        text = f"crossbar: pulses {ids} may or may not have been applied ({why}); read the junctions back, do not repeat"
        return OutcomeUnknown(text, self.first_id, self.count)


class Command(Protocol):
    """Something that pulses. count: how many ids it takes. volts, seconds: of the pulse, for the record."""

    count: int
    volts: float
    seconds: float

    def message(self, first_id: int) -> Request: ...

    def executed(self, answer: Message) -> int | None:
        """How many pulses the answer says were given, None when it is not about this command."""
        ...


class Pulser:
    """Sends commands that pulse. link: the session now in use. reconnect: open another one to the same board, or raise
    LinkError. disarmed: what to raise when pulses turn out not to be allowed any more."""

    def __init__(
        self, ids: PulseIds, link: Callable[[], BoardLink], reconnect: Callable[[], Return], disarmed: Callable[[], Refused]
    ) -> None:
        self._ids = ids
        self._link = link
        self._reconnect = reconnect
        self._disarmed = disarmed

    def send(self, command: Command, device_s: float) -> int:
        """How many of its pulses were given, the first so many. device_s: longest time that the board may take, s.

        Raises Refused (nothing happened), OutcomeUnknown, LinkError (nothing happened: it was not sent).
        """
        with Settling(self._ids, command.count, command.volts, command.seconds) as settling:
            message = fitting(lambda: command.message(settling.pulses.first_id))
            asked = self._link().submit([message], device_s)
            return settling.settle(self._executed(command, message, asked, settling))

    def _executed(self, command: Command, message: Request, asked: Asked, settling: "Settling") -> int:
        try:
            answer = understand(self._link().address, message, self._link().wait(asked)[0])
        except Denied as error:
            raise self.denied(error) from error
        except LinkError as error:
            if not asked.sent:
                settling.nothing_happened()
                raise
            return self.ask_after(settling.pulses, error, lambda back: _boundary(back.link, settling.pulses))
        executed = command.executed(answer)
        if executed is None:
            raise settling.pulses.unknown(f"the answer to {message.opcode.name} is not about the pulses sent")
        return executed

    def denied(self, error: Denied) -> DriverError:
        """What to raise for a refusal."""
        if error.status == Status.REFUSED_PULSE_ID:
            self._ids.advance(error.refusal.limit)
            return Refused(f"{error}: someone else pulsed this die; check what it holds before pulsing again")
        return self._disarmed() if error.status == Status.REFUSED_NOT_ARMED else error

    def ask_after(self, pulses: Pulses, cause: LinkError, find: Callable[[Return], int]) -> int:
        """What became of a command without an answer: one attempt over a new session, then it stays unknown. find: asks
        the same start of the board how many pulses it gave. The new session has ended the old one: what has not been
        seen by now will never be executed. Raises OutcomeUnknown; Refused when the board restarted before it came there.
        """
        if isinstance(cause, SessionTaken):
            raise pulses.unknown(str(cause)) from cause
        try:
            back = self._reconnect()
            if back.same_start:
                return find(back)
        except DriverError as error:
            raise pulses.unknown(f"{cause}; asking after them: {error}") from cause
        if back.durable and back.last_pulse_id < pulses.first_id:
            raise Refused(f"crossbar: the controller restarted before these pulses reached it ({cause}); none was applied; find out why")
        raise pulses.unknown(f"{cause}; the controller restarted meanwhile and does not remember single pulses")


class Settling:
    """Ids reserved on entering and settled on leaving, also on KeyboardInterrupt and the like: what was reserved and not
    settled would be a riddle. Refused by what is raised as Refused, unknown by anything else."""

    def __init__(self, ids: PulseIds, count: int, volts: float, seconds: float) -> None:
        self._ids = ids
        self.pulses = Pulses(ids.reserve(count, volts, seconds), count)
        self._outcomes = [UNKNOWN] * count

    def __enter__(self) -> "Settling":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Refused):
            self.nothing_happened()
        self._ids.settle(self.pulses.first_id, self._outcomes)

    def settle(self, executed: int) -> int:
        self._outcomes = self.pulses.split(executed)
        return executed

    def nothing_happened(self) -> None:
        self.settle(0)


def _boundary(link: BoardLink, pulses: Pulses) -> int:
    """How many were executed, found by halving. Raises LinkError when the board no longer knows one of them."""
    executed, above = 0, pulses.count
    while executed < above:
        middle = (executed + above) // 2
        if query(link, pulses.first_id + middle) == EXECUTED:
            executed = middle + 1
        else:
            above = middle
    return executed


def query(link: BoardLink, pulse_id: int) -> str:
    """ "executed" or "refused". Raises LinkError when the board does not know it any more."""
    outcome = query_outcome(link, pulse_id)
    if outcome is PulseOutcome.LOST:
        raise LinkError(f"the controller no longer knows pulse {pulse_id}")
    return EXECUTED if outcome is PulseOutcome.EXECUTED else REFUSED


def query_outcome(link: BoardLink, pulse_id: int) -> PulseOutcome:
    """LOST also for an answer that is not about this pulse."""
    answer = ask(link, QueryPulse(pulse_id))
    if not isinstance(answer, QueryPulseResponse) or answer.pulse_id != pulse_id or answer.outcome not in set(PulseOutcome):
        return PulseOutcome.LOST
    return PulseOutcome(answer.outcome)


def told_outcomes(link: BoardLink, pulses: Pulses, *, never_seen: str) -> list[str]:
    """Outcome of each id of one command. never_seen: what an id is taken for that the board says it has never seen.

    Along a command's ids the outcome changes few times, so only the places where it changes are looked for.
    """
    meaning = {
        PulseOutcome.EXECUTED: EXECUTED,
        PulseOutcome.REFUSED: REFUSED,
        PulseOutcome.NEVER_SEEN: never_seen,
        PulseOutcome.LOST: UNKNOWN,
    }

    def at(place: int) -> str:
        return meaning[query_outcome(link, pulses.first_id + place)]

    outcomes = [at(0)] * pulses.count
    spans = [(0, pulses.count - 1, outcomes[0], at(pulses.count - 1))] if pulses.count > 1 else []
    while spans:
        first, last, one, other = spans.pop()
        if one == other:
            outcomes[first : last + 1] = [one] * (last + 1 - first)
        elif last - first == 1:
            outcomes[first], outcomes[last] = one, other
        else:
            middle = (first + last) // 2
            found = at(middle)
            spans += [(first, middle, one, found), (middle, last, found, other)]
    return outcomes
