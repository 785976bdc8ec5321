"""Whoever is tested is left safe, whoever is at work is left alone, and whatever is no controller ends in one line."""

import json
import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from drivers.conformance.bench import Bench
from drivers.conformance.report import Verdict
from drivers.conformance.rule import Rule, Wants, rule
from drivers.conformance.runner import BUDGET_S, CannotStart, Wishes, run
from drivers.conformance.suite import RULES
from drivers.errors import LinkLost
from firmware_protocol.codes import ALL_CAPABILITIES, Capability, DeviceState, Opcode, SafeReason, Status
from firmware_protocol.framing import Frame, Kind
from firmware_protocol.messages import Hello, Message, Request
from tests.drivers.conformance.memory_line import MemoryLine
from tests.drivers.conformance.small_board import SmallBoard

FEW = tuple(each for each in RULES if each.id in ("W2", "L4", "E1"))


def wishes(**changes: object) -> Wishes:
    return replace(Wishes(rules=FEW, seed=5), **changes)  # type: ignore[arg-type]


class Stranger(MemoryLine):
    """A line on which something else says `says` whenever it is listened to."""

    def __init__(self, says: Callable[[], bytes]) -> None:
        super().__init__(SmallBoard())
        self.says = says
        self.heard = b""

    def read(self, timeout_s: float) -> bytes:
        self.now_ns += round(timeout_s * 1e9)
        return self.says()

    def write(self, data: bytes) -> None:
        self.heard += data


def test_silence_ends_in_one_line_within_the_greeting() -> None:
    line = Stranger(lambda: b"")
    begun_ns = line.now_ns
    with pytest.raises(CannotStart, match=r"nothing was answered within 3 s"):
        run(line, wishes(), line.clock)
    assert (line.now_ns - begun_ns) / 1e9 < 3.5


def test_babble_ends_in_one_line() -> None:
    noise = random.Random(2)
    line = Stranger(lambda: noise.randbytes(4000))
    with pytest.raises(CannotStart, match=r"bytes came within 3 s.*check the address and the baud rate"):
        run(line, wishes(), line.clock)


def test_another_protocol_is_told_from_silence() -> None:
    line = Stranger(lambda: b"KEITHLEY INSTRUMENTS,MODEL 2450,0,0\n")
    with pytest.raises(CannotStart, match="KEITHLEY"):
        run(line, wishes(), line.clock)


def test_a_loop_is_told_from_a_controller() -> None:
    line = Stranger(lambda: b"")
    line.says = lambda: line.heard
    with pytest.raises(CannotStart, match="sends back what is sent"):
        run(line, wishes(), line.clock)


def _in_state(state: DeviceState, reason: SafeReason = SafeReason.HOST) -> SmallBoard:
    board = SmallBoard()
    board.state, board.reason = state, reason
    board.endpoint.heard_ns = 10**18  # its owner lives
    return board


@pytest.mark.parametrize(
    ("board", "why"),
    [
        (_in_state(DeviceState.ARMED), "it is ARMED"),
        (_in_state(DeviceState.SELECTED), "it is SELECTED"),
        (_in_state(DeviceState.ESTOPPED, SafeReason.ESTOP), "emergency stop is latched"),
    ],
    ids=["armed", "selected", "stopped"],
)
def test_a_board_that_is_not_at_rest_is_left_alone(board: SmallBoard, why: str) -> None:
    line, state = MemoryLine(board), board.state
    with pytest.raises(CannotStart, match=why):
        run(line, wishes(), line.clock)
    assert (board.state, board.endpoint.session) == (state, 0)


def test_a_board_that_somebody_works_with_is_left_alone() -> None:
    class Busy(SmallBoard):
        def do_status(self, frame: Frame, message: Request) -> Message:
            self.reads += 1  # as if its host read meanwhile
            return super().do_status(frame, message)

    board = Busy()
    board.feed(Frame(Kind.REQUEST, Opcode.HELLO, 0, 0x1234, 0, payload=Hello().encode()).encode(), 0)
    board.out.clear()
    line = MemoryLine(board)
    with pytest.raises(CannotStart, match="session 0x1234 is at work"):
        run(line, wishes(), line.clock)
    assert board.endpoint.session == 0x1234


def test_a_session_that_nobody_uses_any_more_does_not_stand_in_the_way() -> None:
    board = SmallBoard()
    line = MemoryLine(board)
    assert run(line, wishes(), line.clock).passed
    assert board.endpoint.session != 0
    assert run(line, wishes(seed=6), line.clock).passed


def test_by_force_a_latched_board_is_tested_and_latched_again() -> None:
    board = _in_state(DeviceState.ESTOPPED, SafeReason.ESTOP)
    line = MemoryLine(board)
    report = run(line, wishes(force=True), line.clock)
    assert report.passed and report.left == "ESTOPPED"
    assert board.state is DeviceState.ESTOPPED


def test_another_host_that_comes_in_is_not_fought() -> None:
    class Contested(SmallBoard):
        def do_arm(self, frame: Frame, message: Request) -> Message:  # type: ignore[override]
            self.hear(Frame(Kind.REQUEST, Opcode.HELLO, 0, 0x4321, 0, payload=Hello().encode()))
            return super().do_arm(frame, message)  # type: ignore[arg-type]

    board = Contested()
    line = MemoryLine(board)
    report = run(line, wishes(), line.clock)
    assert "0x4321" in report.ended and not report.passed
    assert board.endpoint.session == 0x4321
    assert [result.verdict for result in report.results][-1] is Verdict.NOT_RUN


def test_a_lost_line_ends_the_run_and_says_that_nothing_is_known() -> None:
    board = SmallBoard()

    class Cut(MemoryLine):
        def write(self, data: bytes) -> None:
            if board.endpoint.counters.naks:
                raise LinkLost("memory: gone")
            super().write(data)

    line = Cut(board)
    report = run(line, wishes(), line.clock)
    assert (report.ended, report.left, report.passed) == ("memory: gone", "unknown", False)


def test_a_slow_board_ends_in_time_and_is_left_safe() -> None:
    class Slow(MemoryLine):
        def write(self, data: bytes) -> None:
            self.now_ns += 700_000_000
            super().write(data)

    board = SmallBoard()
    line = Slow(board)
    begun_ns = line.now_ns
    report = run(line, Wishes(seed=1), line.clock)
    assert "not through" in report.ended and not report.passed
    assert (line.now_ns - begun_ns) / 1e9 < BUDGET_S + 5
    assert board.state is DeviceState.SAFE


def test_whatever_interrupts_a_rule_the_board_is_left_safe() -> None:
    board = SmallBoard()
    line = MemoryLine(board)

    @rule("X1", "interrupted while stopped")
    def interrupted(bench: Bench) -> None:
        board.stop()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(line, wishes(rules=(interrupted,)), line.clock)
    assert board.state is DeviceState.SAFE


def test_rules_of_what_the_board_lacks_are_skipped_and_say_so() -> None:
    board = SmallBoard(able=ALL_CAPABILITIES & ~(Capability.CALIBRATION | Capability.STREAMS))
    line = MemoryLine(board)
    report = run(line, Wishes(frozenset({Wants.READ}), seed=1), line.clock)
    notes = {result.id: result.note for result in report.results if result.verdict is Verdict.SKIPPED}
    assert report.passed, report.failed
    assert notes["C1"] == "capability CALIBRATION not granted"
    assert notes["O2"] == "capability STREAMS not granted"
    assert "--with-path" in notes["T1"]


def test_an_answer_that_nobody_asked_for_fails_the_rule_it_came_in() -> None:
    class Echoes(SmallBoard):
        def do_disarm(self, frame: Frame, message: Request) -> Message:
            self.out.append(self.endpoint.respond(frame, Status.OK))
            return super().do_disarm(frame, message)

    line = MemoryLine(Echoes())
    only: tuple[Rule, ...] = tuple(each for each in RULES if each.id == "E3")
    (result,) = run(line, wishes(rules=only), line.clock).results
    assert result.verdict is Verdict.FAIL and "without a question" in result.remark


def test_the_report_is_plain_json() -> None:
    line = MemoryLine(SmallBoard())
    value = json.loads(json.dumps(run(line, wishes(), line.clock).as_json()))
    assert value["passed"] is True and value["left"] == "SAFE" and value["counts"]["passed"] == len(FEW)
    assert value["rules"][0].keys() >= {"id", "text", "verdict", "expected", "got", "about", "note"}
    assert value["board"]["serial"] == "T1"
