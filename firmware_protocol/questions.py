"""The asking half of a session: what waits for an answer, when it is sent again, when it is given up.

Rule 1: the window is a range of sequence numbers (next - oldest < window), not a count of what is outstanding; counted,
an old lost answer leaves the peer's cache while newer requests go on, and the link stands still.
Rule 2: nothing is sent again after a reboot, a lost session or its deadline: its fate is then unknown, and said so.
"""

from dataclasses import dataclass
from typing import NamedTuple

from firmware_protocol.answers import SEQ_MODULUS

MILLISECOND_NS = 1_000_000


@dataclass(frozen=True)
class Timing:
    """Retransmission times, ns. Source: RFC 6298, with a smaller minimum and bound for a local line.

    give_up_ns: age at which a request without an answer takes the link down, apart from its own allowance.
    """

    first_rto_ns: int = 200 * MILLISECOND_NS
    min_rto_ns: int = 25 * MILLISECOND_NS
    max_rto_ns: int = 1000 * MILLISECOND_NS
    give_up_ns: int = 5000 * MILLISECOND_NS


class Ticket(NamedTuple):
    """What an answer must quote to belong to a request."""

    opcode: int
    seq: int


@dataclass(slots=True)
class Waiting:
    """One request without an answer. extra_ns: how long the device may take for it, beyond the line."""

    ticket: Ticket
    wire: bytes
    ordered: bool
    sent_ns: int
    extra_ns: int
    deadline_ns: int
    measurable: bool
    sends: int = 1


class Questions:
    """Requests in flight. Ordered ones are numbered in the session; the others carry a tag of their own count."""

    def __init__(self, window: int, timing: Timing) -> None:
        self.window = window
        self._timing = timing
        self._waiting: dict[Ticket, Waiting] = {}
        self._next_seq = 1
        self._next_tag = 1
        self._timer_ns = 0
        self._extra_ns = 0
        """Sum over what waits."""
        self._rtt = RoundTrip(timing)

    def __len__(self) -> int:
        return len(self._waiting)

    def may_ask(self) -> bool:
        """Whether the window has room for one more ordered request."""
        oldest = next((waiting.ticket.seq for waiting in self._waiting.values() if waiting.ordered), self._next_seq)
        return (self._next_seq - oldest) % SEQ_MODULUS < self.window

    def number(self, ordered: bool) -> int:
        """The next sequence number, or the next tag."""
        if ordered:
            seq, self._next_seq = self._next_seq, (self._next_seq + 1) % SEQ_MODULUS
            return seq
        tag, self._next_tag = self._next_tag, (self._next_tag + 1) % SEQ_MODULUS
        return tag

    def add(self, ticket: Ticket, wire: bytes, ordered: bool, now_ns: int, extra_ns: int) -> None:
        if not self._waiting:
            self._timer_ns = now_ns
        self._extra_ns += extra_ns
        deadline_ns = now_ns + self._timing.give_up_ns + self._extra_ns
        self._waiting[ticket] = Waiting(ticket, wire, ordered, now_ns, extra_ns, deadline_ns, self._extra_ns == 0)

    def waits_for(self, ticket: Ticket) -> bool:
        return ticket in self._waiting

    def settle(self, ticket: Ticket, now_ns: int) -> None:
        """Its answer came. Raises KeyError unless `waits_for` said so."""
        oldest = next(iter(self._waiting))
        waiting = self._waiting.pop(ticket)
        self._extra_ns -= waiting.extra_ns
        # Only what waits longest starts the timer anew: else answers to younger questions, such as a keep-alive every half
        # second, would put off for ever what was lost on the line.
        if ticket == oldest:
            self._timer_ns = now_ns
        # Karn: an answer to something sent twice measures nothing. Nor does one behind a long operation.
        if waiting.sends == 1 and waiting.measurable:
            self._rtt.measured(now_ns - waiting.sent_ns)
        else:
            self._rtt.alive()

    def resend(self, now_ns: int) -> list[bytes]:
        """Everything in flight once more, oldest first."""
        self._timer_ns = now_ns
        for waiting in self._waiting.values():
            waiting.sends += 1
        return [waiting.wire for waiting in self._waiting.values()]

    def abandon(self) -> list[Ticket]:
        """Forget everything in flight; nobody knows whether it was executed."""
        tickets = list(self._waiting)
        self._waiting.clear()
        self._extra_ns = 0
        return tickets

    def timed_out(self, now_ns: int) -> bool:
        """Whether the retransmission timer has run out; each True doubles it, up to its bound."""
        due_ns = self.resend_at_ns()
        if due_ns is None or now_ns < due_ns:
            return False
        self._rtt.back_off()
        return True

    def resend_at_ns(self) -> int | None:
        if not self._waiting:
            return None
        return self._timer_ns + self._rtt.rto_ns + next(iter(self._waiting.values())).extra_ns

    def overdue(self, now_ns: int) -> Ticket | None:
        """A request past its deadline, if there is one."""
        return next((waiting.ticket for waiting in self._waiting.values() if now_ns >= waiting.deadline_ns), None)

    def next_event_ns(self) -> int | None:
        """When the earliest timer runs out; None while nothing waits."""
        resend_ns = self.resend_at_ns()
        return None if resend_ns is None else min(resend_ns, *(waiting.deadline_ns for waiting in self._waiting.values()))


class RoundTrip:
    """Retransmission time from measured round trips. Source: RFC 6298, section 2."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._smoothed_ns: float | None = None
        self._variation_ns = 0.0
        self._doublings = 0

    @property
    def rto_ns(self) -> int:
        timing = self._timing
        plain = timing.first_rto_ns if self._smoothed_ns is None else self._smoothed_ns + 4 * self._variation_ns
        return int(min(max(plain, timing.min_rto_ns) * 2**self._doublings, timing.max_rto_ns))

    def measured(self, rtt_ns: int) -> None:
        if self._smoothed_ns is None:
            self._smoothed_ns, self._variation_ns = rtt_ns, rtt_ns / 2
        else:
            self._variation_ns += (abs(self._smoothed_ns - rtt_ns) - self._variation_ns) / 4
            self._smoothed_ns += (rtt_ns - self._smoothed_ns) / 8
        self._doublings = 0

    def alive(self) -> None:
        """An answer came that measures nothing: the line works, so the timer is no longer stretched."""
        self._doublings = 0

    def back_off(self) -> None:
        self._doublings = min(self._doublings + 1, 16)
