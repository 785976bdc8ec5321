"""A long operation of the board, from its beginning to its end, over a line that may lose any event.

Rule 1: what an event would have said is asked for (OPERATION) as soon as the board has been silent too long.
Rule 2: it may take three times what the board estimated, and an answer's time; every step that is done starts this anew.
Rule 3: whoever waits here is alive, so the keep-alive goes on; no longer than by rule 2.
"""

import time
from collections.abc import Iterator
from contextlib import suppress

from drivers.board_link import BoardLink
from drivers.board_talk import Denied, ask, understand
from drivers.errors import DriverError, LinkLost, LinkTimeout, ProtocolError
from firmware_protocol.codes import OperationState
from firmware_protocol.messages import (
    Abort,
    Accepted,
    Done,
    EventMessage,
    Operation,
    OperationResponse,
    Progress,
    Request,
    Result,
    ResultResponse,
)

QUIET_S = 0.5
"""Silence after which the board is asked how the operation stands, at the latest."""
_MARGIN_S = 0.1


class LongOperation:
    """One operation; making it sends the request. For one thread. timeout_s: of an answer. step_s: how long a step may take that the
    board's estimate does not contain, s. end: what DONE said, None before."""

    def __init__(self, link: BoardLink, request: Request, timeout_s: float, step_s: float = 0.0) -> None:
        self.end: Done | None = None
        self._link = link
        self._request = request
        self._timeout_s = timeout_s
        self._step_s = step_s
        self._estimate_s = 0.0
        self._seen = 0
        self._begun = link.begin(request)

    @property
    def name(self) -> tuple[int, int]:
        """Session and seq of the request, by which the board knows it."""
        return self._begun.session, self._begun.seq

    @property
    def sent(self) -> bool:
        return self._begun.sent > 0

    def start(self) -> None:
        """Wait until it is accepted. Raises what the board refused it with."""
        answer = understand(self._link.address, self._request, self._link.wait(self._begun)[0])
        assert isinstance(answer, Accepted)
        self._estimate_s = answer.estimate_ms * 1e-3

    def events(self) -> Iterator[EventMessage]:
        """Everything it says, DONE last; where an event was lost, what the board says when asked. Raises LinkError."""
        quiet_s = min(self._estimate_s + _MARGIN_S, QUIET_S)
        end_s = time.monotonic() + self._allowance_s
        while self.end is None:
            event = self._begun.next_event(quiet_s) or self._asked()
            self._link.beat()
            if self._is_step(event):
                end_s = time.monotonic() + self._allowance_s
            elif time.monotonic() >= end_s:
                raise LinkTimeout(f"{self._link.address}: {self._what} has not moved for {self._allowance_s:.3g} s, ask the board why")
            if isinstance(event, Done):
                self.end = event
            yield event

    def finish(self) -> Done:
        """Wait for the end. Raises LinkError."""
        for _ in self.events():
            pass
        assert self.end is not None
        return self.end

    def abort(self) -> None:
        """End it now; pulses stay allowed. Nothing when it is over."""
        if self.end is None:
            with suppress(Denied):  # REFUSED_RANGE: it ended meanwhile.
                ask(self._link, Abort(self._begun.seq))

    def close(self) -> None:
        """Leave it: aborted if it still runs, as far as the line allows; otherwise the board's dead man ends it."""
        if self.sent and self.end is None and not self._begun.errors:
            with suppress(DriverError):
                self.abort()
        self._link.end(self._begun)

    def result(self, part: int) -> bytes:
        return fetch_result(self._link, self.name, part)

    @property
    def _what(self) -> str:
        return self._request.opcode.name

    @property
    def _allowance_s(self) -> float:
        return 3 * self._estimate_s + self._step_s + self._timeout_s

    def _asked(self) -> EventMessage:
        stands = fetch_operation(self._link, self.name)
        if stands is None:
            raise LinkLost(f"{self._link.address}: the controller no longer knows its {self._what}")
        if stands.state == OperationState.RUNNING:
            return Progress(stands.done, stands.total)
        return Done(stands.state, stands.done, stands.total, stands.pulses)

    def _is_step(self, event: EventMessage) -> bool:
        if isinstance(event, Progress):
            before, self._seen = self._seen, event.done
            return event.done != before
        return True


def fetch_operation(link: BoardLink, name: tuple[int, int]) -> OperationResponse | None:
    """How the operation of a (session, seq) stands; None when the board does not know it."""
    try:
        answer = ask(link, Operation(*name))
    except Denied:
        return None
    if not isinstance(answer, OperationResponse) or (answer.of_session, answer.of_seq) != name:
        raise ProtocolError(f"{link.address}: asked after operation {name}, got something else")
    return answer


def fetch_result(link: BoardLink, name: tuple[int, int], part: int) -> bytes:
    """One part of what the operation found. Raises Refused when the board no longer has it."""
    answer = ask(link, Result(*name, part))
    if not isinstance(answer, ResultResponse) or (answer.of_session, answer.of_seq, answer.part) != (*name, part):
        raise ProtocolError(f"{link.address}: asked for part {part} of operation {name}, got something else")
    return answer.data
