"""Pulses, at most once. Rule 1: the id is durable before the first byte leaves. Rule 2: every id is settled, whatever
happens: executed, refused, or unknown. Rule 3: an unanswered command is asked after, never sent again; one that never left
this computer is refused. Rule 4: a controller that disarmed itself or serves another host had a reason; nobody arms it or
takes it back unasked. Rule 5: a controller that restarted is believed about pulses only where its last id outlives that.
Rule 6: a number that the controller knows from another session is another host's pulse, and ours was never given.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
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


@dataclass(frozen=True)
class Ways:
    """To the board. link: the session now in use. reopen: another one with the same board; raises LinkError. looking: a line
    without a session, for questions to the same start of the same board, whoever has it. disarmed: what to raise when pulses turn
    out not to be allowed any more. refuse_while_stopped: raises EmergencyStopped."""

    link: Callable[[], BoardLink]
    reopen: Callable[[], Return]
    looking: Callable[[], AbstractContextManager[BoardLink]]
    disarmed: Callable[[], Refused]
    refuse_while_stopped: Callable[[], None]


class Pulser:
    """Sends commands that pulse."""

    def __init__(self, ids: PulseIds, ways: Ways) -> None:
        self._ids = ids
        self._ways = ways

    def send(self, command: Command, device_s: float) -> int:
        """How many of its pulses were given, the first so many. device_s: longest time that the board may take, s.

        Raises Refused (nothing happened), OutcomeUnknown, SessionTaken (`executed` says how many were given), LinkError (nothing
        happened: it was not sent).
        """
        self._ways.refuse_while_stopped()
        with Settling(self._ids, command.count, command.volts, command.seconds) as settling:
            message = fitting(lambda: command.message(settling.pulses.first_id))
            return settling.settle(self._executed(command, message, device_s, settling))

    def _executed(self, command: Command, message: Request, device_s: float, settling: "Settling") -> int:
        link, asked = self._ways.link(), Asked([message], device_s)
        session = link.endpoint.session
        try:
            answer = understand(link.address, message, link.wait_for(asked)[0])
        except Denied as error:
            raise self.denied(error) from error
        except BaseException as error:
            if not asked.sent:
                settling.nothing_happened()
            elif isinstance(error, LinkError):
                return self.ask_after(settling, session, error, lambda back: boundary(back.link, settling.pulses, session))
            raise
        executed = command.executed(answer)
        if executed is None:
            raise settling.pulses.unknown(f"the answer to {message.opcode.name} is not about the pulses sent")
        return executed

    def denied(self, error: Denied) -> DriverError:
        """What to raise for a refusal."""
        if error.status == Status.REFUSED_PULSE_ID:
            self._ids.advance(error.refusal.limit)
            return Refused(f"{error}: someone else pulsed this die; check what it holds before pulsing again")
        # REFUSED_CONFIG: the dead man acted while the command still waited for its turn.
        return self._ways.disarmed() if error.status in (Status.REFUSED_NOT_ARMED, Status.REFUSED_CONFIG) else error

    def ask_after(self, settling: "Settling", session: int, cause: LinkError, find: Callable[[Return], int]) -> int:
        """What became of a command of `session` without an answer: one attempt over a new session, then it stays unknown. find:
        asks the same start of the board how many pulses it gave. The new session has ended the old one: what has not been seen by
        now will never be executed. Raises OutcomeUnknown; SessionTaken, all settled; Refused when the board restarted before it
        came there.
        """
        pulses = settling.pulses
        try:
            if isinstance(cause, SessionTaken):
                raise cause
            back = self._ways.reopen()
            if back.same_start:
                return find(back)
        except SessionTaken as error:
            raise self._taken(settling, session, error) from cause
        except DriverError as error:
            raise pulses.unknown(f"{cause}; asking after them: {error}") from cause
        if back.durable and back.last_pulse_id < pulses.first_id:
            raise Refused(f"crossbar: the controller restarted before these pulses reached it ({cause}); none was applied; find out why")
        raise pulses.unknown(f"{cause}; the controller restarted meanwhile and does not remember single pulses")

    def _taken(self, settling: "Settling", session: int, cause: SessionTaken) -> DriverError:
        """What to raise when another host has the board. It may be asked all the same; his session has ended ours."""
        try:
            with self._ways.looking() as link:
                executed = settling.settle(boundary(link, settling.pulses, session))
        except DriverError as error:
            return settling.pulses.unknown(f"{cause}; asking after them: {error}")
        return SessionTaken(str(cause)).after(executed)


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


def boundary(link: BoardLink, pulses: Pulses, session: int) -> int:
    """How many of a command of `session` were executed, found by halving. Raises LinkError when the board does not know one of them."""
    executed, above = 0, pulses.count
    while executed < above:
        middle = (executed + above) // 2
        outcome = outcome_of(link, pulses.first_id + middle, session, never_seen=REFUSED)
        if outcome == UNKNOWN:
            raise LinkError(f"the controller no longer knows pulse {pulses.first_id + middle}")
        if outcome == EXECUTED:
            executed = middle + 1
        else:
            above = middle
    return executed


def outcome_of(link: BoardLink, pulse_id: int, session: int | None, never_seen: str) -> str:
    """What became of the pulse that `session`, whose life is over, sent under this number; None: whoever sent it.

    never_seen: what one is taken for that the board says it has never seen.
    """
    answer = ask(link, QueryPulse(pulse_id))
    if not isinstance(answer, QueryPulseResponse) or answer.pulse_id != pulse_id:
        return UNKNOWN
    if session is not None and answer.of_session not in (0, session):
        return REFUSED  # The board uses a number once: it served somebody else under this one.
    if answer.outcome == PulseOutcome.NEVER_SEEN and (session is None or answer.of_session == 0):
        return never_seen
    if session is None or answer.of_session == session:
        return {int(PulseOutcome.EXECUTED): EXECUTED, int(PulseOutcome.REFUSED): REFUSED}.get(answer.outcome, UNKNOWN)
    return UNKNOWN


def told_outcomes(link: BoardLink, pulses: Pulses, session: int | None, *, never_seen: str) -> list[str]:
    """Outcome of each id of one command of `session`. never_seen: what an id is taken for that the board says it has never seen.

    Along a command's ids the outcome changes few times, so only the places where it changes are looked for.
    """

    def at(place: int) -> str:
        return outcome_of(link, pulses.first_id + place, session, never_seen)

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
