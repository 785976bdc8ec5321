"""Runs the rules against a board and leaves it safe, whatever happens in between.

Rule 1: nothing but STATUS is said before it is known that the board is SAFE and nobody is at work with it.
Rule 2: each rule has a session of its own; a rule that leaves the board in another state than SAFE has failed.
Rule 3: the session is never taken back from another host; the run ends instead.
"""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace

from drivers.conformance.bench import Bench, Broken, Skip, name_of
from drivers.conformance.description_rules import read_dictionary
from drivers.conformance.report import Board, Report, Result, Verdict
from drivers.conformance.rule import Rule, Wants
from drivers.conformance.suite import RULES
from drivers.conformance.wire import OutOfTime, Wire
from drivers.errors import LinkError
from drivers.links.serial import ByteLink
from firmware_protocol.codes import Capability, DeviceState, Opcode
from firmware_protocol.framing import DELIMITER, Kind
from firmware_protocol.messages import EmergencyStop, GetStatus, Malformed, StatusResponse

BUDGET_S = 20.0
PATH_S = 10.0
GREETING_S = 3.0
_WATCH_S = 1.0
_END_S = 3.0


class CannotStart(Exception):
    """The board cannot be tested as it is; the text says why and what to do."""


class TakenOver(Exception):
    """Another host opened a session during the run."""


@dataclass(frozen=True)
class Wishes:
    """wanted: what the user allows beyond the safe part. force: although the board is not at rest."""

    wanted: frozenset[Wants] = frozenset()
    force: bool = False
    rules: tuple[Rule, ...] = RULES
    seed: int = field(default_factory=lambda: random.SystemRandom().getrandbits(32))


def run(
    link: ByteLink,
    wishes: Wishes | None = None,
    clock: Callable[[], int] = time.monotonic_ns,
    tell: Callable[[Result], None] = lambda _result: None,
) -> Report:
    """Every rule's verdict; `tell` hears each as it falls. Takes about BUDGET_S at most. Raises CannotStart, LinkError."""
    wishes = wishes or Wishes()
    wire = Wire(link, BUDGET_S + (PATH_S if Wants.PATH in wishes.wanted else 0.0), clock)
    nonces = random.Random(wishes.seed)  # noqa: S311 -- a nonce is no secret
    bench = Bench(wire, lambda: nonces.randint(1, 0xFFFF))
    begun_s = wire.now_s()
    latched = _look_before(bench, wishes.force).state == DeviceState.ESTOPPED
    results: list[Result] = []
    ended, board = "", None
    try:
        _open(bench)
        board = _describe(bench)
        for result in _verdicts(bench, wishes):
            results.append(result)
            tell(result)
    except (TakenOver, Broken, LinkError) as error:
        ended = str(error)
    except OutOfTime:
        ended = f"not through after {BUDGET_S:g} s"
    finally:
        left = _leave(bench, latched)
    if board is None:
        raise CannotStart(f"{wire.address}: {ended}")
    results += [Result(each.id, each.text, Verdict.NOT_RUN) for each in wishes.rules[len(results) :]]
    return Report(link.address, board, tuple(results), dict(bench.figures), left, round(wire.now_s() - begun_s, 3), ended)


# --- before
def _look_before(bench: Bench, force: bool) -> StatusResponse:
    """Raises CannotStart unless the board is at rest, or `force`."""
    address = bench.wire.address
    try:
        status = _asked_by_nobody(bench)
    except Broken as error:
        raise CannotStart(bench.wire.stranger(GREETING_S)) from error
    if force:
        return status
    for holds, why in (
        (status.state == DeviceState.ESTOPPED, "its emergency stop is latched; find out why, then clear it"),
        (status.state != DeviceState.SAFE, f"it is {_state_name(status.state)}; isolate it first"),
        (status.operation != 0, f"{name_of(status.operation)} runs on it; wait for its end"),
        (status.session != 0 and _somebody_works(bench, status), f"session {status.session:#06x} is at work with it; end that first"),
    ):
        if holds:
            raise CannotStart(f"{address}: {why} (--force goes on all the same)")
    return status


def _asked_by_nobody(bench: Bench) -> StatusResponse:
    """STATUS without a session, behind delimiters that end what a former user left half said."""
    tag = bench.tag()
    bench.wire.write(DELIMITER + bench.frame(GetStatus(), tag, session=0, boot_id=0))
    answer = bench.answer_to(Opcode.STATUS, tag, 0, GREETING_S)
    try:
        return StatusResponse.decode(answer.payload)
    except Malformed as error:
        raise CannotStart(f"{bench.wire.address}: answers STATUS in another version of the protocol: {error}") from error


def _somebody_works(bench: Bench, before: StatusResponse) -> bool:
    """Whether anything that a host brings about changes while we only look. A host that merely holds the session is not seen."""
    bench.wire.next_frame(_WATCH_S)
    after = _asked_by_nobody(bench)
    return replace(after, uptime_ms=0) != replace(before, uptime_ms=0)


def _open(bench: Bench) -> None:
    bench.hello()
    if bench.make_safe().state != DeviceState.SAFE:
        raise Broken("DISARM", "state SAFE", "another")


def _describe(bench: Bench) -> Board:
    """Raises nothing for what a rule will find fault with."""
    hello = bench.hello_said
    capabilities = Capability(hello.capabilities)
    board = Board("?", "?", "?", "?", f"{hello.protocol_major}.{hello.protocol_minor}", bench.boot_id, capabilities.name or "none")
    with suppress(Broken):
        found = read_dictionary(bench)
        return replace(board, vendor=found.vendor, model=found.model, serial=found.serial, firmware=found.firmware)
    return board


# --- rules
def _verdicts(bench: Bench, wishes: Wishes) -> Iterator[Result]:
    granted = Capability(bench.hello_said.capabilities)
    for each in wishes.rules:
        if each.needs not in granted:
            yield Result(each.id, each.text, Verdict.SKIPPED, note=f"capability {(each.needs & ~granted).name} not granted")
        elif each.wants not in (Wants.NOTHING, *wishes.wanted):
            yield Result(each.id, each.text, Verdict.SKIPPED, note=each.wants.value)
        else:
            yield _verdict(bench, each)


def _verdict(bench: Bench, each: Rule) -> Result:
    """Raises TakenOver, OutOfTime, LinkError; Broken when the board cannot be brought back to rest."""
    _at_rest(bench)
    try:
        note = _held(bench, each)
    except Skip as reason:
        return Result(each.id, each.text, Verdict.SKIPPED, note=str(reason))
    except Broken as broken:
        return Result(each.id, each.text, Verdict.FAIL, broken.expected, broken.got, broken.about)
    except Malformed as error:
        return Result(each.id, each.text, Verdict.FAIL, "a message of the protocol", str(error), "an answer")
    return Result(each.id, each.text, Verdict.INFORMATION if each.measures else Verdict.PASSED, note=note)


def _held(bench: Bench, each: Rule) -> str:
    note = each.holds(bench)
    heard = bench.probe(b"")
    for stray in (*bench.strays, *heard.frames):
        if stray.kind is Kind.RESPONSE:
            raise Broken("the line", "no answer without a question", f"one to {name_of(stray.opcode)} seq {stray.seq}")
    state = heard.status.state
    if state != DeviceState.SAFE and not each.latches:
        raise Broken("STATUS after it", "SAFE", _state_name(state))
    return note or ""


def _at_rest(bench: Bench) -> None:
    """A new session on a SAFE board."""
    session = bench.resynchronise().session
    if session not in bench.opened:
        raise TakenOver(f"session {session:#06x} of another host began during the run; nothing more is said to the board")
    bench.hello()
    state = bench.make_safe().state
    if state != DeviceState.SAFE:
        raise Broken("DISARM", "state SAFE", _state_name(state))


# --- after
def _leave(bench: Bench, latched: bool) -> str:
    """Isolates; latches again what was latched. The state's name, "unknown" when the board does not say."""
    bench.wire.allow(_END_S)
    try:
        if bench.resynchronise().session not in bench.opened:
            return _state_name(bench.status().state)
        state = bench.make_safe().state
        if latched:
            bench.granted(EmergencyStop())
            state = bench.status().state
        return _state_name(state)
    except (Broken, LinkError, OutOfTime, Malformed):
        return "unknown"


def _state_name(state: int) -> str:
    return DeviceState(state).name if state in list(DeviceState) else f"state {state}"
