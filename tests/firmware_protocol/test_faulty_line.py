"""On a line that fails in seven ways, no pulse is applied twice, none is confirmed that was not, and the end is reached.

The bounds on frames are bounds on progress: a session that stands still breaks them instead of running for ever.
"""

import random

import pytest

from firmware_protocol.answers import SEQ_MODULUS
from firmware_protocol.codes import Opcode, Status
from firmware_protocol.events import Role
from firmware_protocol.framing import Deframer, Frame, Kind
from firmware_protocol.messages import Program
from firmware_protocol.questions import Questions
from firmware_protocol.session import Endpoint
from tests.support.faulty_line import TIMING, Bench, Direction, Ledger

PULSES = 2000
FRAMES_PER_PULSE = 12
"""With seven faults at 1 % each way a pulse takes about 3 frames; three times that is the bound."""


def test_on_a_good_line_every_pulse_takes_one_question_and_one_answer() -> None:
    bench = Bench(PULSES, 0.0, seed=1)
    bench.run(10 * PULSES)
    assert set(bench.answered.values()) == {Status.OK}
    assert bench.frames == 2 * PULSES + 2
    assert bench.host.counters.errors == bench.host.counters.retransmitted == 0


@pytest.mark.parametrize("window", [1, 8])
@pytest.mark.parametrize("probability", [0.001, 0.01, 0.03])
def test_on_a_bad_line_every_pulse_is_applied_exactly_once(probability: float, window: int) -> None:
    bench = Bench(PULSES, probability, seed=window, window=window)
    bench.run(FRAMES_PER_PULSE * PULSES)
    assert bench.done, f"stood still after {bench.frames} frames with {len(bench.answered)} of {PULSES} answered"
    assert bench.ledger.applied == dict.fromkeys(range(1, PULSES + 1), 1)
    assert set(bench.answered.values()) == {Status.OK}


def test_after_a_restart_of_the_device_pulses_are_unknown_and_never_sent_again() -> None:
    bench = Bench(PULSES, 0.01, seed=3, reboots=0.005)
    bench.run(FRAMES_PER_PULSE * PULSES)
    assert bench.done
    assert bench.ledger.doubled == 0
    assert all(bench.ledger.applied.get(pulse_id) == 1 for pulse_id in bench.answered)
    assert 5 < len(bench.unknown) < PULSES // 5
    assert not bench.unknown & bench.answered.keys()
    applied = sum(pulse_id in bench.ledger.applied for pulse_id in bench.unknown)
    assert 0 < applied < len(bench.unknown), "unknown must mean both: some were applied, some were not"


def test_a_naive_retry_doubles_pulses_so_the_bench_bites() -> None:
    ledger = Ledger()
    there, back = Direction(0.01, random.Random(5)), Direction(0.01, random.Random(6))
    for pulse_id in range(1, PULSES + 1):
        answered = False
        while not answered:
            request = Frame(Kind.REQUEST, Opcode.PROGRAM, pulse_id, 1, 1, payload=Program(pulse_id, 1, 1, b"\0\0").encode())
            for found in Deframer().feed(there.carry(request.encode(), 0)[1]):
                if isinstance(found, Frame):
                    ledger.apply(pulse_id)
                    answer = Frame(Kind.RESPONSE, Opcode.PROGRAM, pulse_id, 1, 1).encode()
                    answered = any(isinstance(each, Frame) for each in Deframer().feed(back.carry(answer, 0)[1])) or answered
    assert ledger.doubled > 0.05 * PULSES


class _CountingQuestions(Questions):
    """The mistake: a window over how many are outstanding, not over the range of their numbers."""

    def may_ask(self) -> bool:
        return len(self) < self.window


class _CountingHost(Endpoint):
    def __init__(self, role: Role, **options: object) -> None:
        super().__init__(role, **options)  # type: ignore[arg-type]
        self._questions = _CountingQuestions(8, TIMING)


def test_a_window_by_count_stands_still_and_the_progress_bound_shows_it() -> None:
    bench = Bench(PULSES, 0.03, seed=8, make_host=_CountingHost)
    bench.run(FRAMES_PER_PULSE * PULSES)
    assert not bench.done
    assert bench.ledger.doubled == 0


def test_sequence_numbers_wrap_without_a_stall_or_a_double() -> None:
    start = SEQ_MODULUS - 100
    bench = Bench(400, 0.01, seed=9)
    while not bench.host.open:
        bench._step()
    bench.host._questions._next_seq = start
    bench.device._answers.expected = start
    bench.run(FRAMES_PER_PULSE * 400)
    assert bench.done
    assert bench.ledger.applied == dict.fromkeys(range(1, 401), 1)
