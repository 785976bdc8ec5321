"""Asynchronous commands: started and answered with a number, carried out meanwhile, asked after by the number.

30 while it runs, its own answer once it is over; a number that was collected is known no more: 32.
Source: documentation of query_command_status, wait_complete and abort_command in sentio-prober-control 26.2.0.
Assumptions: that an answer is collected once, that wait_all collects all, what a wait that lasts too long answers (19).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from simulator.instruments.sentio.codes import Code
from simulator.instruments.sentio.registry import Commands, asking, setting
from simulator.instruments.sentio.scripts import Script, Until
from simulator.instruments.sentio.words import Answer, Arguments, SentioError
from simulator.instruments.sentio.work import Job, Work

if TYPE_CHECKING:
    from simulator.instruments.sentio.prober import Sentio

WAIT_S, WAIT_ALL_S = 300.0, 90.0
_KEPT = 1_000
"""Answers kept for those who never ask; the oldest go first."""


class AsyncCommands:
    """By number, from 1."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._latest = 0
        self.running: dict[int, Job] = {}
        self.done: dict[int, Answer] = {}

    def start(self, script: Script, now_ns: int, word: str, has_chuck: bool = True) -> Answer:
        """The answer to the command that starts it."""
        self._latest += 1
        number = self._latest

        def over(answer: Answer, _: int) -> None:
            self.running.pop(number, None)
            self.done[number] = replace(answer, command_id=number)
            while len(self.done) > _KEPT:
                del self.done[next(iter(self.done))]

        self.running[number] = Job(script, over, has_chuck, word)
        self._work.begin(self.running[number], now_ns)
        return Answer("OK", command_id=number)

    def require(self, number: int) -> None:
        """Raises SentioError UNKNOWN_COMMAND_ID."""
        if number not in self.running and number not in self.done:
            raise SentioError(Code.UNKNOWN_COMMAND_ID, f"Unknown command id {number}")

    def collect(self, number: int) -> Answer:
        """What a command that is over answered; raises SentioError."""
        self.require(number)
        return self.done.pop(number)

    def abort(self, number: int, now_ns: int) -> None:
        self.require(number)
        job = self.running.get(number)
        if job is not None:
            self._work.halt(SentioError(Code.ASYNC_COMMAND_ABORTED, "Command was aborted"), now_ns, job)


def _query(sentio: Sentio, arguments: Arguments) -> Answer:
    number = arguments.integer(0)
    if number in sentio.commands.running:
        return Answer("Command is running", command_id=number, code=Code.COMMAND_PENDING)
    return sentio.commands.collect(number)


def _abort(sentio: Sentio, arguments: Arguments) -> Answer:
    number = arguments.integer(0)
    sentio.commands.abort(number, sentio.now_ns)
    return Answer("OK", command_id=number)


def _wait_complete(sentio: Sentio, arguments: Arguments) -> Script:
    number, longest_s = arguments.integer(0), arguments.number(1) if len(arguments) > 1 else WAIT_S
    sentio.commands.require(number)
    came = yield Until(lambda: number not in sentio.commands.running, longest_s)
    if not came:
        return Answer("Timeout", command_id=number, code=Code.TIMEOUT)
    return sentio.commands.collect(number)


def _wait_all(sentio: Sentio, arguments: Arguments) -> Script:
    """The answer of the first that failed, if one did."""
    came = yield Until(lambda: not sentio.commands.running, arguments.number(0) if len(arguments) else WAIT_ALL_S)
    if not came:
        raise SentioError(Code.TIMEOUT, "Timeout")
    failed = [answer for answer in sentio.commands.done.values() if answer.code]
    sentio.commands.done.clear()
    return failed[0] if failed else "OK"


COMMANDS: Commands = {
    **asking({"query_command_status": _query, "wait_complete": _wait_complete, "wait_all": _wait_all}),
    **setting({"abort_command": _abort}),
}
